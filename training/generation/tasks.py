"""The job of a generation."""

from typing import Any

from annotate.jobs.context import JobContext
from annotate.jobs.models import Job, JobState
from annotate.jobs.registry import job_kind
from training import artifacts
from training.generation import services
from training.generation.models import Generation


def _ended(job: Job) -> None:
    if job.state == JobState.SUCCEEDED:
        artifacts.forget_run(job.pk)


@job_kind("generate", queue="gpu", on_end=_ended)
def generate(context: JobContext) -> dict[str, Any]:
    generation = Generation.objects.select_related("project__pool").get(pk=context.job.params["generation"])
    generation = services.run_generation(generation=generation, context=context)
    return {"generation": generation.number, **generation.counts}
