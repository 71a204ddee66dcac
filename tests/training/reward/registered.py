"""Reward models as rows, and a few with weights for the scorer."""

import json
from pathlib import Path

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


def save_models(base: Path, root: Path) -> dict[str, Path]:
    """Directories of two reward models on `base` with heads drawn at random: "pair", an ensemble of two, and "single".

    Their heads are large enough for the rewards of short texts to differ.
    """
    from training.engine.reward import ensemble, model

    for name, seed in (("pair", 1), ("pair/member-1", 2), ("single", 3)):
        made = model.RewardModel.from_base(str(base), seed=seed, head_std=1.0)
        made.metadata = {"axis": "helpfulness", "reward_mean": 0.0, "reward_std": 1.0}
        made.save(root / name)
    described = {"format": ensemble.FORMAT, "members": [".", "member-1"], "combination": "mean"}
    (root / "pair" / ensemble.FILE_NAME).write_text(json.dumps(described))
    return {name: root / name for name in ("pair", "single")}
