"""Asking a scorer about a policy's completions: the reward model that is optimised against, or a gold judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.engine.common.chat import Message
from training.engine.common.errors import EngineError
from training.engine.policy.shaping import Array
from training.engine.scoring.client import Item, ItemScores, ScorerClient, ScorerError, ScorerRefused

# Completions in one request.
BATCH = 256
# An empty completion cannot be scored: it gets the reward model's mean less so many of its spreads.
EMPTY = 3.0


@dataclass(frozen=True)
class Judged:
    """n completions: rewards (n); members (n, k), calibrated rewards (n) and distances from the training texts as
    percentiles (n), None for a model without."""

    rewards: Array
    members: Array | None = None
    calibrated: Array | None = None
    distances: Array | None = None

    @property
    def uncertainty(self) -> Array | None:
        """Standard deviation between members (n)."""
        return None if self.members is None else self.members.std(axis=1)


class Judge:
    """One served model, frozen: its newest version at the start stays the one that is asked.

    `mean` and `std` are of its rewards on what it was trained on. Of several models the scorer makes one reward around
    0: in units of their spreads, or, of helpfulness and safety, in those of helpfulness. Raises EngineError
    "model_not_served", "scorer_unavailable" or "scorer_refused", in words.
    """

    def __init__(self, url: str, model: str, token: str = "", client_id: str = "policy") -> None:
        self._client = ScorerClient(url, token, timeout_s=120.0, n_retries=8, client_id=client_id)
        found = [self._find(one) for one in model.split("+")]
        self.model = "+".join(f"{one['name']}@{one['version']}" for one in found)
        helpful = [one for one in found if one["axis"] != "safety"]
        is_one_scale = len(found) == 1 or (len(found), len(helpful)) == (2, 1)
        self.mean = float(found[0]["reward_mean"]) if len(found) == 1 else 0.0
        self.std = max(1e-6, float((helpful or found)[0]["reward_std"])) if is_one_scale else 1.0

    def _find(self, model: str) -> dict[str, Any]:
        name, _, version = model.partition("@")
        try:
            served = self._client.models()
        except ScorerError as error:
            raise _problem(error) from error
        fits = [one for one in served if one["name"] == name and version in ("", str(one["version"]))]
        if not fits:
            known = ", ".join(f"{one['name']}@{one['version']}" for one in served) or "none"
            raise EngineError("model_not_served", f"the scorer does not serve {model!r}; it serves: {known}")
        return max(fits, key=lambda one: int(one["version"]))

    def judge(
        self, prompts: Sequence[Sequence[Message]], completions: Sequence[str], *, distances: bool = False
    ) -> Judged:
        """Scores of completions, the n-th of the n-th prompt. Neighbours of one prompt share its tokens.

        `distances` asks for them too.
        """
        full = [place for place, text in enumerate(completions) if text.strip()]
        rewards = np.full(len(completions), self.mean - EMPTY * self.std)
        found: dict[int, tuple[ItemScores, int]] = {}
        for start in range(0, len(full), BATCH):
            places = full[start : start + BATCH]
            items, of = _items([prompts[place] for place in places], [completions[place] for place in places])
            try:
                scores = self._client.score(self.model, items, too_long="truncate", distances=distances)
            except ScorerError as error:
                raise _problem(error) from error
            for place, (item, within) in zip(places, of, strict=True):
                if scores.items[item].error:
                    raise EngineError("scorer_refused", f"a completion cannot be scored: {scores.items[item].error}")
                found[place] = scores.items[item], within
        for place, (answer, within) in found.items():
            rewards[place] = answer.rewards[within]
        # An empty completion's members agree, and it is as far from training as can be: there is none in it.
        return Judged(
            rewards,
            _of_each("members", found, lambda k: np.repeat(rewards[:, None], k, axis=1)),
            _of_each("calibrated", found, lambda _: rewards.copy()),
            _of_each("distances", found, lambda _: np.ones(len(rewards))),
        )


def _of_each(name: str, found: dict[int, tuple[ItemScores, int]], of_empty: Callable[[int], Array]) -> Array | None:
    """What the scorer says under a name of each completion; None unless it says it of all that it was asked about.

    `of_empty` makes it of them all as it is of an empty one, which it was not asked about, given how many numbers the
    scorer says of one.
    """
    given = {place: getattr(answer, name)[within] for place, (answer, within) in found.items() if getattr(answer, name)}
    if not given or len(given) < len(found):
        return None
    values = of_empty(np.size(next(iter(given.values()))))
    for place, value in given.items():
        values[place] = value
    return values


def _items(
    prompts: Sequence[Sequence[Message]], completions: Sequence[str]
) -> tuple[list[Item], list[tuple[int, int]]]:
    """Items of neighbours with the same prompt, and for each completion its item and its place in that."""
    items: list[tuple[Sequence[Message], list[str]]] = []
    of: list[tuple[int, int]] = []
    for messages, text in zip(prompts, completions, strict=True):
        if not items or items[-1][0] != messages:
            items.append((messages, []))
        items[-1][1].append(text.encode("utf-8", "replace").decode())
        of.append((len(items) - 1, len(items[-1][1]) - 1))
    return list(items), of


def _problem(error: ScorerError) -> EngineError:
    code = "scorer_refused" if isinstance(error, ScorerRefused) else "scorer_unavailable"
    return EngineError(code, error.message)
