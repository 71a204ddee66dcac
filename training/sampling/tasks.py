"""The job that draws a round which somebody asked for by hand."""

from typing import Any

from annotate.jobs.context import JobContext
from annotate.jobs.models import Job
from annotate.jobs.registry import job_kind
from training.sampling import services
from training.sampling.models import SamplingRound


def _ended(job: Job) -> None:
    services.round_ended(job=job)


@job_kind("sample", queue="gpu", on_end=_ended)
def sample(context: JobContext) -> dict[str, Any]:
    row = SamplingRound.objects.select_related("project", "reward_model", "generation").get(
        pk=context.job.params["sampling_round"]
    )
    drawn = services.run_round(sampling_round=row, context=context)
    return {
        "sampling_round": drawn.number,
        "n_candidates": drawn.n_candidates,
        "n_chosen": drawn.sampled_comparisons.count(),
    }
