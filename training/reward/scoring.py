"""Rewards from the scorer, for people and programs that talk to the web server."""

from typing import Any

from annotate.common.errors import DomainError
from annotate.projects.models import Project
from training.reward.services import promoted_model


def score(project: Project, *, messages: list[dict[str, str]], completions: list[str]) -> dict[str, Any]:
    """{"version", "rewards", "n_tokens", "truncated"} of the completions by the promoted reward model.

    Raises DomainError "no_reward_model", and "scorer_unavailable" (503) while the scorer does not answer or has not
    loaded the model yet.
    """
    model = promoted_model(project)
    if model is None:
        raise DomainError("no_reward_model", "This project has no promoted reward model yet: run a refresh.")
    raise NotImplementedError
