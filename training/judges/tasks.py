"""The jobs of a judge: a run, and comparing it with people anew."""

from typing import Any

from annotate.jobs.context import JobContext
from annotate.jobs.models import Job, JobState
from annotate.jobs.registry import job_kind
from training import artifacts
from training.judges.models import Judge, JudgeRun
from training.judges.reports import STEPS
from training.judges.running import run_judge
from training.judges.services import update_report


def _forget_run(job: Job) -> None:
    if job.state == JobState.SUCCEEDED:
        artifacts.forget_run(job.pk)


@job_kind("judge", queue="gpu", on_end=_forget_run)
def judge(context: JobContext) -> dict[str, Any]:
    run = JudgeRun.objects.select_related("project", "judge__version__constitution").get(pk=context.job.params["run"])
    run = run_judge(run=run, context=context)
    return {"run": run.pk, "number": run.number, "counts": run.counts}


@job_kind("judge_report")
def judge_report(context: JobContext) -> dict[str, Any]:
    """Done again after a lost worker, it ends the same: the report is of the ratings of then."""
    found = Judge.objects.select_related("project", "version__constitution").get(pk=context.job.params["judge"])
    updated = update_report(judge=found, told=lambda step, text: context.progress(step, STEPS, message=text))
    context.check()
    return {"judge": updated.pk, "n": updated.report["n"]}
