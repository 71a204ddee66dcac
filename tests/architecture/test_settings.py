"""What a public installation and a changed model would trip over."""

import os
import subprocess
import sys

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests.environment import REPOSITORY

PUBLIC = {
    "SECRET_KEY": "long and random, as a key has to be: 5f1c9e0b7a4d2e8f6c3b1a0d9e8f7c6b5a4d3e2f1c0b",
    "PUBLIC_URL": "https://touchstone.example.org",
    "ALLOWED_HOSTS": "touchstone.example.org",
    "CSRF_TRUSTED_ORIGINS": "https://touchstone.example.org",
    "BEHIND_PROXY": "1",
}


@pytest.mark.parametrize("settings", [{}, PUBLIC], ids=["local", "public"])
def test_check_deploy_is_clean(settings):
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_ALLOW_ASYNC_UNSAFE"}
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=REPOSITORY,
        env={**environment, **settings},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no issues" in done.stdout


@pytest.mark.django_db
def test_every_change_of_a_model_has_its_migration():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.django_db
def test_every_migration_of_ours_can_be_undone():
    loader = MigrationExecutor(connection).loader
    for (app, name), migration in loader.disk_migrations.items():
        if migration.__module__.startswith(("annotate.", "training.")):
            assert all(operation.reversible for operation in migration.operations), f"{app} {name}"
