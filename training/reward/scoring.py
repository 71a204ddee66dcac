"""Rewards from the scorer, for people and programs that talk to the web server."""

from typing import Any

from django.conf import settings

from annotate.common.errors import DomainError
from annotate.projects.models import Project
from training.engine.scoring.client import ScorerClient, ScorerRefused, ScorerUnavailable
from training.reward.services import promoted_model


def score(project: Project, *, messages: list[dict[str, str]], completions: list[str]) -> dict[str, Any]:
    """{"version", "rewards", "n_tokens", "truncated"} of the completions by the promoted reward model.

    Raises DomainError "no_reward_model", and "scorer_unavailable" (503) while the scorer does not answer or has not
    loaded the model yet.
    """
    model = promoted_model(project)
    if model is None:
        raise DomainError("no_reward_model", "This project has no promoted reward model yet: run a refresh.")
    try:
        with ScorerClient(settings.SCORER_URL, settings.SCORER_TOKEN, timeout_s=30.0, n_retries=1) as scorer:
            scores = scorer.score(project.slug, [(messages, completions)])
    except ScorerUnavailable as error:
        raise DomainError("scorer_unavailable", f"{error.message} Try again in a moment.", status=503) from error
    except ScorerRefused as error:
        raise DomainError("scorer_refused", error.message, status=502) from error
    (item,) = scores.items
    if item.error:
        raise DomainError("bad_item", item.error)
    return {
        "version": scores.version,
        "rewards": item.rewards,
        "n_tokens": item.n_tokens,
        "truncated": item.truncated,
    }
