"""A reward model's card and report as files."""

import json
from typing import Any

from annotate.common.errors import DomainError
from training import artifacts
from training.reward.models import RewardModel


def card(model: RewardModel) -> str:
    """The model card, Markdown with YAML front matter, as it lies beside the weights.

    Raises DomainError "no_card" while the model is not trained, or where it was trained before there were cards.
    """
    content = artifacts.read_file(f"{model.artifact_uri}/README.md") if model.artifact_uri else None
    if content is None:
        raise DomainError("no_card", f"v{model.version} has no model card: it is {model.state}.")
    return content.decode()


def report(model: RewardModel) -> str:
    """The stored report as JSON text. Raises DomainError "no_report" before the model was evaluated."""
    if "format" not in model.report and "accuracy" not in model.report:
        raise DomainError("no_report", f"v{model.version} has no report yet: it is {model.state}.")
    told: dict[str, Any] = {"version": model.version, "project": model.project.slug, **model.report}
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"
