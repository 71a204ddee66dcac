"""Rewards from the scorer, for people and programs that talk to the web server."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from annotate.common.errors import DomainError
from annotate.projects.models import Project
from training.engine.scoring.client import ItemScores, ScorerClient, ScorerRefused, ScorerUnavailable
from training.reward.services import promoted_model

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Answer:
    """What one version of a model makes of the completions of one prompt; None: of several models combined."""

    version: int | None
    item: ItemScores


def ask(model: str, messages: list[dict[str, str]], completions: list[str], *, timeout_s: float = TIMEOUT_S) -> Answer:
    """The completions' rewards by the promoted version of `model`, a project's slug. Touches no database.

    Raises DomainError "scorer_unavailable" (503) while the scorer does not answer or has not loaded the model yet,
    "scorer_refused" (502), and "bad_item" for texts that it cannot take.
    """
    try:
        with ScorerClient(settings.SCORER_URL, settings.SCORER_TOKEN, timeout_s=timeout_s, n_retries=1) as scorer:
            # Its deadline too, so that nobody computes on for a page that has given up.
            scores = scorer.score(model, [(messages, completions)], deadline_ms=1000 * timeout_s)
    except ScorerUnavailable as error:
        raise DomainError("scorer_unavailable", f"{error.message} Try again in a moment.", status=503) from error
    except ScorerRefused as error:
        raise DomainError("scorer_refused", error.message, status=502) from error
    (item,) = scores.items
    if item.error:
        raise DomainError("bad_item", item.error)
    return Answer(scores.version, item)


def score(project: Project, *, messages: list[dict[str, str]], completions: list[str]) -> dict[str, Any]:
    """{"version", "rewards", "n_tokens", "truncated"} of the completions by the promoted reward model.

    Raises DomainError "no_reward_model", and what `ask` raises.
    """
    if promoted_model(project) is None:
        raise DomainError("no_reward_model", "This project has no promoted reward model yet: run a refresh.")
    answer = ask(project.slug, messages, completions)
    return {
        "version": answer.version,
        "rewards": answer.item.rewards,
        "n_tokens": answer.item.n_tokens,
        "truncated": answer.item.truncated,
    }
