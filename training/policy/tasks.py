"""The job of an SFT run."""

from typing import Any

from annotate.jobs.context import JobContext
from annotate.jobs.models import Job, JobState
from annotate.jobs.registry import job_kind
from training import artifacts
from training.policy import sft
from training.policy.models import SftRun


def _ended(job: Job) -> None:
    if job.state == JobState.SUCCEEDED:
        artifacts.forget_run(job.pk)


@job_kind("sft", queue="gpu", on_end=_ended)
def run_sft(context: JobContext) -> dict[str, Any]:
    """Called again, it goes on from the engine's checkpoint."""
    run = SftRun.objects.select_related("project__pool", "comparison_set").get(pk=context.job.params["sft_run"])
    run = sft.run_sft(run=run, context=context)
    return {"sft_run": run.number, "checkpoint": run.checkpoint_id}
