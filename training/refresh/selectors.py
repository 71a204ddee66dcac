"""Reads of refreshes."""

from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from annotate.projects.models import Project
from training.refresh import schedule as schedules
from training.refresh.config import RefreshConfig
from training.refresh.labelling import as_json, labelling_of
from training.refresh.models import RefreshCycle, RefreshSchedule, StageName, StageState
from training.reward.selectors import reward_models


def refreshes(project: Project) -> QuerySet[RefreshCycle]:
    """Newest first, with stages, job and links; of what is large only what a list shows."""
    large = ["drift_report__report", "generation__options", "sampling_round__report", "sampling_round__options"]
    return (
        RefreshCycle.objects.filter(project=project)
        .select_related("project", "job", "drift_report", "generation", "sampling_round", "comparison_set")
        .defer(*large)
        .prefetch_related("stages", Prefetch("reward_model", reward_models(project)))
    )


def labelling(cycle: RefreshCycle) -> dict[str, Any] | None:
    """How far the labelling of the cycle's round is, with its forecast (`labelling.as_json`); None before there is a
    round, and where labelling is left out."""
    stage = next((one for one in cycle.stages.all() if one.name == StageName.LABEL), None)
    if cycle.sampling_round is None or cycle.sampling_round.finished_at is None or stage is None:
        return None
    if stage.state == StageState.SKIPPED:
        return None
    options = RefreshConfig.of_cycle(cycle.config).labelling
    return as_json(cycle.project, labelling_of(cycle.sampling_round, options))


def schedule_of(project: Project) -> dict[str, Any]:
    """The project's schedule with what it looks at: `ratings_since`, `next_at`, `due`. Without one, it is off."""
    row = RefreshSchedule.objects.filter(project=project).first()
    last = schedules.last_refresh(project)
    told: dict[str, Any] = {"ratings_since": schedules.ratings_since(project, last)}
    if row is None:
        nothing = {"checked_at": None, "last_reason": "", "next_at": None, "due": None}
        empty = {"is_enabled": False, "on_drift": True, "new_ratings": None, "every_days": None}
        return told | empty | nothing | {"config": RefreshConfig().to_dict()}
    names = ("is_enabled", "on_drift", "new_ratings", "every_days", "config", "checked_at", "last_reason")
    due = schedules.what_is_due(row, timezone.now()) if row.is_enabled else None
    return (
        told
        | {name: getattr(row, name) for name in names}
        | {
            "next_at": schedules.next_at(row, last) if row.is_enabled else None,
            "due": due.reason if due else None,
        }
    )
