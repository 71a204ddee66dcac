"""Choosing a batch among scored pairs. The order of decisions, all of them made here:

1. A random share is drawn uniformly from all pairs, whatever they are worth and wherever they lie: what it shows holds
   for the whole pool. It uses up the room of its clusters but is never cut by it.
2. The pairs of a prompt come in the order of their worth.
3. Prompts come in the order of the prompt rule; without one, pairs come in the order of their worth, those beyond
   `max_per_prompt` of one prompt after all others.
4. The batch is filled along that order, while each pair's cluster has room: its quota, if there are quotas, and its
   cap. A batch rule (k-centre, facility location) instead picks from the first SHORTLIST × as many pairs of that order,
   and only the cap counts.
5. What is still missing is taken along the same order under the cap alone. The cap is never broken: a batch that it
   leaves short stays short.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from training.engine.sampling.diversity import BatchRule, Shortlist, quotas
from training.engine.sampling.prompts import SHORTLIST, PromptRule, Round, Terms


@dataclass(frozen=True)
class Chosen:
    """One chosen pair: its index among the candidates, whether it was drawn at random, and what a rule said of it."""

    index: int
    is_random: bool
    terms: Terms = field(default_factory=dict)


@dataclass(frozen=True)
class Clusters:
    """of_prompt: (prompts,) cluster of each prompt. sizes: (clusters,) prompts of the pool in each, for quotas.
    has_quotas: whether the budget is shared out among them. max_share: what part of the budget one may have."""

    of_prompt: NDArray[np.integer]
    sizes: NDArray[np.integer]
    has_quotas: bool = False
    max_share: float = 1.0


def choose(
    worth: NDArray[np.floating],
    prompts: NDArray[np.integer],
    *,
    budget: int,
    random_share: float,
    max_per_prompt: int,
    rng: np.random.Generator,
    prompt_rule: PromptRule | None = None,
    clusters: Clusters | None = None,
    batch_rule: BatchRule | None = None,
) -> list[Chosen]:
    """Up to `budget` of n pairs in the order in which they should be asked for.

    worth, prompts: (n,) value and prompt (a number from 0 on) of each pair. round(budget · random_share) pairs are
    random ones, spread evenly through the order. No prompt gets more than `max_per_prompt` of the others before every
    prompt had its turn; with a prompt rule none gets a second one before all had a first.
    """
    n = len(worth)
    prompts = np.asarray(prompts, dtype=np.int64)
    budget = min(budget, n)
    n_random = min(round(budget * random_share), budget)
    drawn = rng.permutation(n)[:n_random]
    is_drawn = np.zeros(n, dtype=bool)
    is_drawn[drawn] = True
    # Ties go by a random order, not by age.
    order = np.lexsort((rng.random(n), -np.asarray(worth, dtype=np.float64)))
    order = order[~is_drawn[order]]
    turns = _turns(prompts[order])
    n_wanted = budget - n_random
    n_prompts = int(prompts.max()) + 1 if n else 0
    clusters = clusters or Clusters(np.zeros(n_prompts, dtype=np.int64), np.array([n_prompts]))
    batch = _Batch(prompts, clusters, budget, n_wanted, drawn)
    is_first = turns < (1 if prompt_rule else max_per_prompt)
    if prompt_rule is None:
        ranked: Iterable[tuple[int, Terms]] = ((int(index), {}) for index in order[is_first])
    else:
        best = np.full(n_prompts, -1)
        best[prompts[order[is_first]]] = order[is_first]
        told = Round(best=best, is_open=batch.is_open, drawn=drawn, n_wanted=max(n_wanted, 1), rng=rng)
        if batch_rule is not None:  # the shortlist is made before any cluster is full
            told = Round(best, np.ones(n_prompts, dtype=bool), drawn, max(n_wanted * SHORTLIST, 1), rng)
        ranked = ((int(best[prompt]), terms) for prompt, terms in prompt_rule(told))
    asked: list[int] = []
    if batch_rule is not None:
        listed = list(itertools.islice(ranked, n_wanted * SHORTLIST))
        asked = [index for index, _ in listed]
        batch.fill(_picked(batch_rule, listed, prompts, drawn, batch))
    else:
        if clusters.has_quotas:
            available = np.bincount(
                clusters.of_prompt[prompts[order[turns < max_per_prompt]]], minlength=len(clusters.sizes)
            )
            batch.limit(quotas(clusters.sizes, np.minimum(available, batch.room), n_wanted, rng))
        asked = batch.fill(ranked)
        batch.unlimit()
    if not batch.is_full:
        place = np.full(n_prompts, len(asked))  # prompts that a rule has not come to follow in the order of their worth
        if prompt_rule is not None:
            place[prompts[asked[::-1]]] = np.arange(len(asked))[::-1]
        turn = turns if prompt_rule else (turns >= max_per_prompt)
        line = order[np.lexsort((place[prompts[order]], turn))]
        batch.fill((int(index), {}) for index in line)
    return _interleaved(batch.chosen, [Chosen(int(index), True) for index in drawn])


class _Batch:
    """A batch that is being filled, and the room that each cluster has left in it."""

    def __init__(
        self,
        prompts: NDArray[np.integer],
        clusters: Clusters,
        budget: int,
        n_wanted: int,
        drawn: NDArray[np.integer],
    ) -> None:
        self.chosen: list[Chosen] = []
        self.is_open = np.ones(len(clusters.of_prompt), dtype=bool)
        self._prompts = prompts
        self._cluster_of = clusters.of_prompt
        self._n_wanted = n_wanted
        self._taken: set[int] = {int(index) for index in drawn}
        k = len(clusters.sizes)
        cap = budget if clusters.max_share >= 1 else max(1, math.floor(clusters.max_share * budget + 1e-9))
        used = np.bincount(clusters.of_prompt[prompts[drawn]], minlength=k)
        self.room: NDArray[np.int64] = np.maximum(cap - used, 0)
        self._quota: NDArray[np.int64] | None = None
        self._close(np.flatnonzero(self.room == 0))

    @property
    def is_full(self) -> bool:
        return len(self.chosen) >= self._n_wanted

    def limit(self, quota: NDArray[np.int64]) -> None:
        """Until `unlimit`, no cluster gets more than its quota (clusters,)."""
        self._quota = quota.copy()
        self._close(np.flatnonzero(quota == 0))

    def unlimit(self) -> None:
        """From now on the caps alone count."""
        self._quota = None
        self.is_open[:] = self.room[self._cluster_of] > 0

    def fill(self, ranked: Iterable[tuple[int, Terms]]) -> list[int]:
        """Take pairs while there is room for them; all that were seen, in their order."""
        seen: list[int] = []
        if self.is_full:
            return seen
        for index, terms in ranked:
            seen.append(index)
            prompt = self._prompts[index]
            if index in self._taken or not self.is_open[prompt]:
                continue
            self._taken.add(index)
            self.chosen.append(Chosen(index, False, terms))
            if self.is_full:
                break
            number = int(self._cluster_of[prompt])
            self.room[number] -= 1
            if self._quota is not None:
                self._quota[number] -= 1
            if self.room[number] <= 0 or (self._quota is not None and self._quota[number] <= 0):
                self._close(np.array([number]))
        return seen

    def _close(self, numbers: NDArray[np.integer]) -> None:
        if len(numbers):
            self.is_open[np.isin(self._cluster_of, numbers)] = False


def _picked(
    rule: BatchRule,
    listed: list[tuple[int, Terms]],
    prompts: NDArray[np.integer],
    drawn: NDArray[np.integer],
    batch: _Batch,
) -> Iterator[tuple[int, Terms]]:
    """What a batch rule takes from the shortlist, with what both rules say of it."""
    indices = np.array([index for index, _ in listed], dtype=np.int64)
    given = Shortlist(prompts=prompts[indices], drawn=prompts[drawn], is_open=batch.is_open)
    for entry, terms in rule(given):
        index, others = listed[entry]
        yield index, {**others, **terms}


def _turns(prompts: NDArray[np.integer]) -> NDArray[np.int64]:
    """How many entries of the same prompt stand before each of (n,) entries, (n,)."""
    order = np.argsort(prompts, kind="stable")
    starts = np.flatnonzero(np.diff(prompts[order], prepend=-1))
    sizes = np.diff(starts, append=len(prompts))
    turns = np.empty(len(prompts), dtype=np.int64)
    turns[order] = np.arange(len(prompts)) - np.repeat(starts, sizes)
    return turns


def _interleaved(best: list[Chosen], drawn: list[Chosen]) -> list[Chosen]:
    """Both lists in one order, each spread evenly over it."""
    rows = [((position + 0.5) / len(best), 0, one) for position, one in enumerate(best)]
    rows += [((position + 0.5) / len(drawn), 1, one) for position, one in enumerate(drawn)]
    return [one for _, _, one in sorted(rows, key=lambda row: row[:2])]
