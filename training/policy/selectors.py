"""Reads of SFT runs: their list, and what a new one can be made of."""

from typing import Any

from django.db.models import QuerySet

from annotate.projects.models import Project
from training.exports.models import ComparisonSet
from training.policy.models import Checkpoint, SftRun
from training.policy.options import SftOptions
from training.policy.services import BUILTIN

MOST = 100


def sft_runs(project: Project) -> QuerySet[SftRun]:
    return SftRun.objects.filter(project=project).select_related("job", "checkpoint", "created_by")


def choices(project: Project) -> dict[str, Any]:
    """What the form starts with and may name: "base_models" and "comparison_sets", each {"value", "label"}.

    It starts with the newest comparison set, and with what people wrote where there is none.
    """
    checkpoints = Checkpoint.objects.filter(pool=project.pool_id).order_by("-pk")[:MOST]
    sets = ComparisonSet.objects.filter(project=project, frozen_at__isnull=False).order_by("-number")
    numbered = list(sets.values_list("number", "name")[:MOST])
    return {
        "defaults": SftOptions(comparison_set=numbered[0][0] if numbered else None).to_dict(),
        "base_models": [
            {"value": BUILTIN, "label": "The built-in model of this pool"},
            *(
                {"value": f"checkpoint:{one.pk}", "label": f"{one.name} ({one.get_kind_display()})"}
                for one in checkpoints
            ),
        ],
        "comparison_sets": [
            {"value": number, "label": f"Comparison set {number}" + (f", {name}" if name else "")}
            for number, name in numbered
        ],
    }
