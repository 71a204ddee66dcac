"""Reward models as rows, for tests that need no weights."""

from django.utils import timezone

from annotate.projects.models import Project
from training.exports.models import ComparisonSet
from training.reward.models import RewardModel, RewardModelState
from training.reward.options import TrainingOptions
from training.reward.services import register


def make_set(project: Project) -> ComparisonSet:
    number = project.comparison_sets.count() + 1
    return ComparisonSet.objects.create(
        project=project,
        number=number,
        uri=f"/tmp/sets/{number}",
        digest=f"{number:064d}",
        frozen_at=timezone.now(),
        counts={"comparisons": 120, "ratings": 360, "labellers": 3, "guideline_versions": [1, 2]},
    )


def make_model(project: Project, state: str = RewardModelState.CANDIDATE, **fields) -> RewardModel:
    model = register(
        project=project,
        comparison_set=make_set(project),
        base_model="builtin",
        options=TrainingOptions(),
        job=None,
        created_by=None,
    )
    fields.setdefault("artifact_uri", f"/tmp/models/v{model.version}" if state != RewardModelState.TRAINING else "")
    fields.setdefault("promoted_at", timezone.now() if state == RewardModelState.PROMOTED else None)
    RewardModel.objects.filter(pk=model.pk).update(state=state, **fields)
    model.refresh_from_db()
    return model
