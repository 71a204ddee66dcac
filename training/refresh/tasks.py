"""The job that runs a refresh, stage by stage, and what beat looks for."""

from typing import Any

from celery import shared_task

from annotate.common.errors import DomainError
from annotate.jobs.context import JobContext, JobFailed
from annotate.jobs.models import Job
from annotate.jobs.registry import job_kind
from training.refresh import schedule, services
from training.refresh.config import RefreshConfig
from training.refresh.models import OVER, RefreshCycle, RefreshStage, StageName, StageState
from training.refresh.progress import StageContext
from training.refresh.stages import STAGES, Outcome


def _ended(job: Job) -> None:
    services.refresh_ended(job=job)


@job_kind("refresh", queue="gpu", on_end=_ended)
def refresh(context: JobContext) -> dict[str, Any]:
    """Run the stages that are not over yet, up to one that waits for people; called again, it goes on where the last
    worker stopped."""
    cycle = RefreshCycle.objects.select_related(
        "project__pool", "job", "comparison_set", "reward_model", "sampling_round", "created_by"
    ).get(job=context.job)
    try:
        services.activate(cycle=cycle)
        names = _names(cycle)
        while stage := services.begin_next_stage(cycle=cycle):
            if stage.name not in names:  # what might have waited did not
                names = _names(cycle)
            if _run(stage, cycle, names, context).state == StageState.WAITING:
                break
    except DomainError as error:
        raise JobFailed(error.code, error.message) from error
    return {
        "refresh": cycle.number,
        "stages": {stage.name: stage.summary for stage in cycle.stages.order_by("position")},
    }


def _names(cycle: RefreshCycle) -> list[str]:
    """The stages that this job may come to: those left, up to the next that may wait for people."""
    left = list(cycle.stages.exclude(state__in=OVER).order_by("position").values_list("name", flat=True))
    waits = [name for name in left if name in services.MAY_WAIT and _may_wait(name, cycle)]
    return left[: left.index(waits[0]) + 1] if waits else left


def _may_wait(name: str, cycle: RefreshCycle) -> bool:
    config = RefreshConfig.of_cycle(cycle.config)
    return config.ask if name == StageName.LABEL else config.promotion == "hand"


def _run(stage: RefreshStage, cycle: RefreshCycle, names: list[str], context: JobContext) -> Outcome:
    label = str(StageName(stage.name).label)
    part = StageContext(context, stage.name, label, names)
    part.show(part.start)
    part.flush()
    try:
        outcome = STAGES[stage.name](cycle, RefreshConfig.of_cycle(cycle.config), part)
    except (JobFailed, DomainError) as failure:
        services.end_stage(stage=stage, outcome=Outcome(failure.message, StageState.FAILED))
        raise
    services.end_stage(stage=stage, outcome=outcome)
    part.show(part.end)
    context.log(f"{label}: {outcome.summary}")
    return outcome


@shared_task(name="training.refresh.tasks.advance_waiting")
def advance_waiting() -> int:
    return services.advance_waiting()


@shared_task(name="training.refresh.tasks.start_due")
def start_due() -> int:
    return schedule.start_due()
