"""Reads of refreshes."""

from django.db.models import Prefetch, QuerySet

from annotate.jobs.models import JobState
from annotate.projects.models import Project
from training.refresh.models import RefreshCycle
from training.reward.selectors import reward_models


def refreshes(project: Project) -> QuerySet[RefreshCycle]:
    return (
        RefreshCycle.objects.filter(project=project)
        .select_related("job", "comparison_set", "sampling_round")
        .prefetch_related("stages", Prefetch("reward_model", reward_models(project)))
    )


def state_of(cycle: RefreshCycle) -> str:
    """running (also while queued), succeeded, failed or cancelled: what its job says."""
    state = cycle.job.state
    return "running" if state in (JobState.QUEUED, JobState.RUNNING) else str(state)
