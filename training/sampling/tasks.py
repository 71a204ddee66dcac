"""The jobs of sampling rounds: drawing one that somebody asked for by hand, helping with a large one, and judging what
earlier ones brought."""

from typing import Any

from annotate.jobs.context import JobContext
from annotate.jobs.models import Job
from annotate.jobs.registry import job_kind
from training import artifacts
from training.reward.models import RewardModel
from training.sampling import scoring, services
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


def _helper_ended(job: Job) -> None:
    artifacts.forget_run(job.pk)


@job_kind(scoring.HELPER, queue="gpu", on_end=_helper_ended)
def score_shards(context: JobContext) -> dict[str, Any]:
    """Help with a round that another job draws."""
    row = SamplingRound.objects.select_related("project", "reward_model").get(pk=context.job.params["sampling_round"])
    return {"sampling_round": row.number, "n_shards": scoring.help_score(sampling_round=row, context=context)}


@job_kind("judge_rounds", queue="gpu", on_end=_ended)
def judge_rounds(context: JobContext) -> dict[str, Any]:
    model = RewardModel.objects.get(pk=context.job.params["reward_model"])
    return {"version": model.version, "comparisons": services.judge_rounds(model=model, context=context)}
