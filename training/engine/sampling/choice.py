"""Choosing a batch among scored pairs: a random share first, then the best ones, no prompt with too many."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Chosen:
    """One chosen pair: its index among the candidates, and whether it was drawn at random."""

    index: int
    is_random: bool


def choose(
    worth: NDArray[np.floating],
    prompts: NDArray[np.integer],
    *,
    budget: int,
    random_share: float,
    max_per_prompt: int,
    rng: np.random.Generator,
) -> list[Chosen]:
    """Up to `budget` of n pairs in the order in which they should be asked for.

    worth, prompts: (n,) value and prompt of each pair. round(budget · random_share) pairs are drawn uniformly from all
    of them, whatever they are worth, so that what they show holds for the whole pool; they are spread evenly through
    the order. The rest are the most valuable ones, of which no prompt gets more than `max_per_prompt` before every
    prompt had its turn.
    """
    n = len(worth)
    budget = min(budget, n)
    n_random = min(round(budget * random_share), budget)
    drawn = rng.permutation(n)[:n_random]
    is_drawn = np.zeros(n, dtype=bool)
    is_drawn[drawn] = True
    # Ties go by a random order, not by age.
    order = np.lexsort((rng.random(n), -np.asarray(worth, dtype=np.float64)))
    best: list[int] = []
    waiting: list[int] = []
    used: Counter[int] = Counter()
    for index in order:
        if is_drawn[index]:
            continue
        prompt = int(prompts[index])
        (best if used[prompt] < max_per_prompt else waiting).append(int(index))
        used[prompt] += 1
    best = (best + waiting)[: budget - n_random]
    return _interleaved(best, [int(index) for index in drawn])


def _interleaved(best: list[int], drawn: list[int]) -> list[Chosen]:
    """Both lists in one order, each spread evenly over it."""
    rows = [((position + 0.5) / len(best), 0, index, False) for position, index in enumerate(best)]
    rows += [((position + 0.5) / len(drawn), 1, index, True) for position, index in enumerate(drawn)]
    return [Chosen(index, is_random) for _, _, index, is_random in sorted(rows)]
