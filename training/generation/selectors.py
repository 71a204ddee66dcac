"""Reads of generations."""

from typing import Any

from django.db.models import QuerySet

from annotate.pool.models import Completion
from annotate.projects.models import Project
from training.endpoints import endpoints
from training.generation.models import Generation
from training.generation.options import ADVERSARIAL_SYSTEM
from training.generation.sources import default_mix
from training.policy.models import Checkpoint
from training.reward.models import RewardModel, RewardModelState

SAMPLE = 20


def generations(project: Project) -> QuerySet[Generation]:
    """The project's generations, each with its job."""
    return Generation.objects.filter(project=project).select_related("job")


def sample_of(generation: Generation) -> QuerySet[Completion]:
    """Some of what was written, for people to look at: the first of each prompt's in turn would be one source's, so
    these are in the order of their digests, which is random and stays."""
    written = Completion.objects.filter(generated_in__generation=generation)
    return written.select_related("prompt", "source").order_by("digest")[:SAMPLE]


def choices(project: Project) -> dict[str, Any]:
    """What a mix can be made of now, and the one to start from."""
    checkpoints = Checkpoint.objects.filter(pool=project.pool_id).order_by("-pk")[:100]
    states = (RewardModelState.PROMOTED, RewardModelState.CANDIDATE, RewardModelState.RETIRED)
    models = RewardModel.objects.filter(project=project, state__in=states).order_by("-version")[:100]
    return {
        "checkpoints": list(checkpoints),
        "endpoints": [{"name": one.name, "model": one.model} for one in endpoints().values()],
        "reward_models": list(models),
        "mix": [vars(row) for row in default_mix(project)],
        "adversarial_system": ADVERSARIAL_SYSTEM,
    }
