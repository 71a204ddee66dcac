"""The jobs around reward models: training, opinions, comparisons, sets and files from elsewhere, label noise."""

from typing import Any

from celery import shared_task

from annotate.jobs.context import JobContext
from annotate.jobs.models import Job, JobState
from annotate.jobs.registry import job_kind
from training import artifacts
from training.policy.services import BUILTIN, resolve_base_model
from training.reward import bulk, comparing, external, noise, registry, services
from training.reward.models import BulkScoring, CrossFit, ExternalEvaluation, ModelComparison, RewardModel
from training.reward.opinions import form_opinions
from training.reward.selectors import metrics


def _ended(job: Job) -> None:
    services.training_ended(job=job)


@job_kind("train", queue="gpu", on_end=_ended)
def train(context: JobContext) -> dict[str, Any]:
    model = RewardModel.objects.select_related("project__pool", "comparison_set").get(
        pk=context.job.params["reward_model"]
    )
    name = context.job.params["base_model"]
    is_continued = model.config.get("options", {}).get("start") == "continued"
    base = (
        None
        if is_continued and name == BUILTIN
        else resolve_base_model(pool=model.project.pool, name=name, context=context)
    )
    model = services.train_reward_model(model=model, base=base, context=context)
    model = services.evaluate_reward_model(model=model, context=context)
    return {"reward_model": model.pk, "version": model.version, "metrics": metrics(model)}


def _forget_run(job: Job) -> None:
    if job.state == JobState.SUCCEEDED:
        artifacts.forget_run(job.pk)


@job_kind("opinions", queue="gpu", on_end=_forget_run)
def opinions(context: JobContext) -> dict[str, Any]:
    model = RewardModel.objects.select_related("project").get(pk=context.job.params["reward_model"])
    return {"version": model.version, "comparisons": form_opinions(model=model, context=context)}


@job_kind("compare_models", queue="gpu", on_end=_forget_run)
def compare_models(context: JobContext) -> dict[str, Any]:
    row = ModelComparison.objects.select_related("a", "b", "comparison_set").get(pk=context.job.params["comparison"])
    comparing.compare(comparison=row, context=context)
    return {"comparison": row.pk}


@job_kind("external_evaluation", queue="gpu", on_end=_forget_run)
def external_evaluation(context: JobContext) -> dict[str, Any]:
    row = ExternalEvaluation.objects.select_related("reward_model").get(pk=context.job.params["evaluation"])
    external.evaluate_external(evaluation=row, context=context)
    return {"evaluation": row.pk, "reward_model": row.reward_model_id}


@job_kind("noise", queue="gpu", on_end=_forget_run)
def label_noise(context: JobContext) -> dict[str, Any]:
    row = CrossFit.objects.select_related("comparison_set__project__pool").get(pk=context.job.params["cross_fit"])
    pool = row.comparison_set.project.pool
    base = resolve_base_model(pool=pool, name=context.job.params["base_model"], context=context)
    row = noise.cross_fit(row=row, base=base, context=context)
    return {"comparison_set": row.comparison_set.number, **row.summary}


def _bulk_ended(job: Job) -> None:
    bulk.ended(job=job)


@job_kind("bulk_scoring", queue="gpu", max_attempts=20, on_end=_bulk_ended)
def bulk_scoring(context: JobContext) -> dict[str, Any]:
    row = BulkScoring.objects.select_related("project", "reward_model").get(pk=context.job.params["bulk_scoring"])
    row = bulk.score_bulk(scoring=row, context=context)
    return {"bulk_scoring": row.pk, "version": row.reward_model.version, "counts": row.counts, "output": row.output_url}


@shared_task(name="training.reward.tasks.sync_registry")
def sync_registry() -> bool:
    return registry.sync()
