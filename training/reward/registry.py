"""The scorer's list of models: a file that follows the database.

The database is the truth. The file is rewritten, whole and in one step, after every change of what is promoted; `sync`
may be run at any time to put right what a crash between the two left behind.
"""

import json

from django.db import connection, transaction

from training import artifacts
from training.reward.models import RewardModel, RewardModelState

_LOCK = 0x746F7563  # any constant of its own: one writer at a time, and each reads what all before it committed


def registry_url() -> str:
    return artifacts.artifact_url("scorer", "registry.json")


def sync() -> bool:
    """Write the promoted models into the registry file. Returns whether that changed it."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        content = _content()
        if artifacts.read_file(registry_url()) == content:
            return False
        artifacts.write_file(registry_url(), content)
        return True


def _content() -> bytes:
    models = RewardModel.objects.filter(state=RewardModelState.PROMOTED).select_related("project").order_by("pk")
    entries = [
        {
            "name": model.project.slug,
            "version": model.version,
            "path": model.artifact_uri,
            "state": "promoted",
        }
        for model in models
    ]
    return (json.dumps({"models": entries}, indent=2) + "\n").encode()
