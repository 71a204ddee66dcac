"""The job of a judge's run."""

from typing import Any

from annotate.jobs.context import JobContext
from annotate.jobs.models import Job, JobState
from annotate.jobs.registry import job_kind
from training import artifacts
from training.judges.models import JudgeRun
from training.judges.running import run_judge


def _forget_run(job: Job) -> None:
    if job.state == JobState.SUCCEEDED:
        artifacts.forget_run(job.pk)


@job_kind("judge", queue="gpu", on_end=_forget_run)
def judge(context: JobContext) -> dict[str, Any]:
    run = JudgeRun.objects.select_related("project", "judge__version__constitution").get(pk=context.job.params["run"])
    run = run_judge(run=run, context=context)
    return {"run": run.pk, "number": run.number, "counts": run.counts}
