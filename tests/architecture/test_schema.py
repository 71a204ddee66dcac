"""The published description of the API is complete and valid."""

import pytest
from django.core.management import call_command
from django.test import Client


def test_migrations_are_up_to_date(db: None) -> None:
    call_command("makemigrations", "--check", "--dry-run")


def test_the_openapi_schema_has_no_guesses(capsys: pytest.CaptureFixture[str]) -> None:
    """drf-spectacular warns where it had to guess a type or a name; `--fail-on-warn` makes that an error."""
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null")


def test_it_is_served_as_openapi_3_1(db: None) -> None:
    answer = Client().get("/api/schema/", headers={"accept": "application/json"})
    assert answer.status_code == 200
    assert answer.json()["openapi"].startswith("3.1")
    assert Client().get("/api/docs/").status_code == 200
