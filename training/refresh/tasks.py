"""The job that runs a refresh, stage by stage."""

from typing import Any

from annotate.common.errors import DomainError
from annotate.jobs.context import JobContext, JobFailed
from annotate.jobs.models import Job
from annotate.jobs.registry import job_kind
from training.refresh import services
from training.refresh.config import RefreshConfig
from training.refresh.models import RefreshCycle, RefreshStage, StageName, StageState
from training.refresh.progress import StageContext
from training.refresh.stages import STAGES


def _ended(job: Job) -> None:
    services.refresh_ended(job=job)


@job_kind("refresh", queue="gpu", on_end=_ended)
def refresh(context: JobContext) -> dict[str, Any]:
    """Run the stages that are not done yet; called again, it goes on where the last worker stopped."""
    cycle = RefreshCycle.objects.select_related(
        "project__pool", "job", "comparison_set", "reward_model", "sampling_round", "created_by"
    ).get(job=context.job)
    config = RefreshConfig.from_dict(cycle.config)
    try:
        services.activate(cycle=cycle)
        for stage in cycle.stages.order_by("position"):
            if stage.state not in (StageState.SUCCEEDED, StageState.SKIPPED):
                _run(stage, cycle, config, context)
    except DomainError as error:
        raise JobFailed(error.code, error.message) from error
    return {
        "refresh": cycle.number,
        "stages": {stage.name: stage.summary for stage in cycle.stages.order_by("position")},
    }


def _run(stage: RefreshStage, cycle: RefreshCycle, config: RefreshConfig, context: JobContext) -> None:
    label = StageName(stage.name).label
    part = StageContext(context, stage.name, str(label))
    part.begin()
    services.begin_stage(stage=stage)
    try:
        summary = STAGES[stage.name](cycle, config, part)
    except (JobFailed, DomainError) as failure:
        services.end_stage(stage=stage, state=StageState.FAILED, summary=failure.message)
        raise
    services.end_stage(stage=stage, state=StageState.SUCCEEDED, summary=summary)
    part.end()
    context.log(f"{label}: {summary}")
