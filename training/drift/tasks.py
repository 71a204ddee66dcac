"""The job that compares what the policy writes with what a reward model was trained on."""

from typing import Any

from annotate.jobs.context import JobContext
from annotate.jobs.models import Job, JobState
from annotate.jobs.registry import job_kind
from training import artifacts
from training.drift import services
from training.drift.models import DriftReport


def _forget_run(job: Job) -> None:
    if job.state == JobState.SUCCEEDED:
        artifacts.forget_run(job.pk)


@job_kind("drift", queue="gpu", on_end=_forget_run)
def drift(context: JobContext) -> dict[str, Any]:
    row = DriftReport.objects.select_related("project", "reward_model__comparison_set", "generation").get(
        pk=context.job.params["drift_report"]
    )
    row = services.run_drift_report(report=row, context=context)
    return {"drift_report": row.pk, "number": row.number, "verdict": row.verdict}
