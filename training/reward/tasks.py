"""The jobs that train a reward model and ask it about what was rated, and the scorer's registry kept in step."""

from typing import Any

from celery import shared_task

from annotate.jobs.context import JobContext
from annotate.jobs.models import Job, JobState
from annotate.jobs.registry import job_kind
from training import artifacts
from training.policy.services import resolve_base_model
from training.reward import registry, services
from training.reward.models import RewardModel
from training.reward.opinions import form_opinions
from training.reward.selectors import metrics


def _ended(job: Job) -> None:
    services.training_ended(job=job)


@job_kind("train", queue="gpu", on_end=_ended)
def train(context: JobContext) -> dict[str, Any]:
    model = RewardModel.objects.select_related("project__pool", "comparison_set").get(
        pk=context.job.params["reward_model"]
    )
    base = resolve_base_model(pool=model.project.pool, name=context.job.params["base_model"], context=context)
    model = services.train_reward_model(model=model, base=base, context=context)
    model = services.evaluate_reward_model(model=model, context=context)
    return {"reward_model": model.pk, "version": model.version, "metrics": metrics(model)}


def _opinions_ended(job: Job) -> None:
    if job.state == JobState.SUCCEEDED:
        artifacts.forget_run(job.pk)


@job_kind("opinions", queue="gpu", on_end=_opinions_ended)
def opinions(context: JobContext) -> dict[str, Any]:
    model = RewardModel.objects.select_related("project").get(pk=context.job.params["reward_model"])
    return {"version": model.version, "comparisons": form_opinions(model=model, context=context)}


@shared_task(name="training.reward.tasks.sync_registry")
def sync_registry() -> bool:
    return registry.sync()
