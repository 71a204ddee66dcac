"""The scorer's list of models: a file that follows the database.

The database is the truth. The file lists the promoted models, which answer to their names, and the versions that bulk
jobs and others hold ("held"), which answer to name@version alone. It is rewritten, whole and in one step, after every
change of what is in it; `sync` may be run at any time to put right what a crash between the two left behind.
"""

import json
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from annotate.jobs.models import JobState
from training import artifacts
from training.reward.models import BulkScoring, RewardModel, RewardModelState

_LOCK = 0x746F7563  # any constant of its own: one writer at a time, and each reads what all before it committed

_holders: list[Callable[[], QuerySet[RewardModel]]] = []


def hold(models: Callable[[], QuerySet[RewardModel]]) -> None:
    """Have the models that a callable names served beside the promoted ones: for apps that this one does not know of.
    Whoever changes what it names calls `sync` after commit."""
    if models not in _holders:
        _holders.append(models)


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
    promoted = RewardModel.objects.filter(state=RewardModelState.PROMOTED).select_related("project").order_by("pk")
    entries = [_entry(model, "promoted") for model in promoted]
    # What a job scores with stays until that has ended, whatever is promoted meanwhile. A project that took its model
    # out of use altogether has it served no longer.
    unfinished = BulkScoring.objects.filter(job__state__in=[JobState.QUEUED, JobState.RUNNING])
    wanted = Q(pk__in=unfinished.values("reward_model"))
    for models in _holders:
        wanted |= Q(pk__in=models().values("pk"))
    held = RewardModel.objects.filter(wanted, project__in=[model.project_id for model in promoted]).exclude(
        state=RewardModelState.PROMOTED
    )
    entries += [_entry(model, "held") for model in held.select_related("project").order_by("pk")]
    return (json.dumps({"models": entries}, indent=2) + "\n").encode()


def _entry(model: RewardModel, state: str) -> dict[str, Any]:
    return {"name": model.project.slug, "version": model.version, "path": model.artifact_uri, "state": state}
