"""Acquisition functions: how much a label of each pair is worth, higher is better. Pure functions on arrays.

Some score a pair by itself (random, gap, disagreement, bald, delta_ucb); double Thompson sampling and its reversed form
(dts, drts) draw one pair of each prompt. All give one number a pair, so that every rule for prompts and every way to
make a batch diverse takes any of them: the pair that was drawn has a value in [1, 2), all others one in [0, 1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]

# Pairs or completions that are worked on at a time: temporary arrays stay at some 8 MB whatever the pool's size.
CHUNK = 1 << 15
BETA = 1.0
REDRAWS = 30


@dataclass(frozen=True)
class PairScores:
    """What is known about m completions of some prompts and the n candidate pairs among them.

    rewards: (m,) by the trained head. head_rewards: (m, heads) by each of the heads that the ratings leave possible.
    prompts: (m,) number of each completion's prompt, 0 to the number of prompts − 1, in ascending order.
    first, second: (n,) indices of the completions a and b of each pair, both of one prompt.
    noise: (n,) a uniform number in [0, 1) of each pair. seed: of further draws.

    A reward counts only against another one of its prompt: what a head adds to all completions of a prompt cancels in
    every gap, and training says nothing about it. `deviations` and `spread` are therefore taken after the mean over
    the prompt's completions has been subtracted from each head's rewards; otherwise a bound for one completion would
    mostly tell how large the features of its prompt are, and prompts would be ranked by that.
    """

    rewards: Floats
    head_rewards: Floats
    prompts: Ints
    first: Ints
    second: Ints
    noise: Floats
    seed: int = 0

    @classmethod
    def of_gaps(cls, gap: Floats, head_gaps: Floats, noise: Floats, seed: int = 0) -> PairScores:
        """Pairs of which only gaps are known, each of a prompt of its own: gap, noise (n,), head_gaps (n, heads)."""
        n = len(gap)
        halves = np.array([0.5, -0.5])
        return cls(
            rewards=(np.asarray(gap)[:, None] * halves).reshape(-1),
            head_rewards=(np.asarray(head_gaps)[:, None, :] * halves[:, None]).reshape(2 * n, -1),
            prompts=np.repeat(np.arange(n), 2),
            first=2 * np.arange(n),
            second=2 * np.arange(n) + 1,
            noise=noise,
            seed=seed,
        )

    def __len__(self) -> int:
        return len(self.first)

    @property
    def n_heads(self) -> int:
        """Heads in `head_rewards`."""
        return int(self.head_rewards.shape[1])

    @property
    def pair_prompts(self) -> Ints:
        """Prompt of each pair, (n,)."""
        return self.prompts[self.first]

    @cached_property
    def starts(self) -> Ints:
        """Index of the first completion of each prompt, (prompts,)."""
        return np.flatnonzero(np.diff(self.prompts, prepend=-1))

    @cached_property
    def gap(self) -> Floats:
        """reward(a) − reward(b), (n,)."""
        gap: Floats = self.rewards[self.first].astype(np.float64) - self.rewards[self.second]
        return gap

    def head_gaps(self, pairs: slice | Ints = slice(None)) -> Floats:
        """The gap by each head of some pairs, (pairs, heads)."""
        gaps: Floats = self.head_rewards[self.first[pairs]].astype(np.float64) - self.head_rewards[self.second[pairs]]
        return gaps

    @cached_property
    def disagreement(self) -> Floats:
        """Variance of the gap over the heads, (n,), in squared units of reward."""
        return self._over_pairs(lambda gaps: gaps.var(axis=1))

    @cached_property
    def information(self) -> Floats:
        """Mutual information of a pair's preference and the head, (n,), in nats: see `bald`."""
        return self._over_pairs(_mutual_information)

    @cached_property
    def spread(self) -> Floats:
        """Standard deviation over the heads of each completion's reward within its prompt, (m,)."""
        spread = np.zeros(len(self.rewards))
        for part, rows in self._prompt_chunks():
            deviations = self.head_rewards[rows].astype(np.float64)
            starts = self.starts[part] - rows.start
            sizes = np.diff(starts, append=len(deviations))
            means = np.add.reduceat(deviations, starts, axis=0) / sizes[:, None]
            spread[rows] = (deviations - np.repeat(means, sizes, axis=0)).std(axis=1)
        return spread

    @property
    def uppers(self) -> Floats:
        """reward + β · spread of each completion, (m,)."""
        return self.rewards + BETA * self.spread

    @property
    def lowers(self) -> Floats:
        """reward − β · spread of each completion, (m,)."""
        return self.rewards - BETA * self.spread

    def _over_pairs(self, function: Callable[[Floats], Floats]) -> Floats:
        values = np.zeros(len(self))
        for start in range(0, len(self), CHUNK):
            part = slice(start, start + CHUNK)
            values[part] = function(self.head_gaps(part))
        return values

    def _prompt_chunks(self) -> Iterator[tuple[slice, slice]]:
        """Whole prompts, some CHUNK / 4 at a time: their numbers and the completions they have."""
        n = len(self.starts)
        for start in range(0, n, CHUNK // 4):
            end = min(start + CHUNK // 4, n)
            last = int(self.starts[end]) if end < n else len(self.rewards)
            yield slice(start, end), slice(int(self.starts[start]), last)


def random(scores: PairScores) -> Floats:
    """No preference: the control that every other rule has to beat."""
    return scores.noise


def closeness(scores: PairScores) -> Floats:
    """−|gap|: pairs whose winner the model is least sure of, uncertainty sampling (Lewis & Gale 1994)."""
    return -np.abs(scores.gap)


def disagreement(scores: PairScores) -> Floats:
    """Variance of the gap over the heads: pairs on which the possible models differ, query by committee (Seung et al.
    1992), for reward models Christiano et al. (2017)."""
    return scores.disagreement


def bald(scores: PairScores) -> Floats:
    """What the answer is expected to tell about the head: H(mean p) − mean H(p) over the heads, p = σ(gap by the head),
    H the entropy of a coin in nats (Houlsby et al. 2011, "Bayesian active learning for classification and preference
    learning"). 0 when all heads agree, even on a coin toss; at most ln 2."""
    return scores.information


def delta_ucb(scores: PairScores) -> Floats:
    """The largest gap that is still plausible: the larger of UCB(a) − LCB(b) and UCB(b) − LCB(a), with
    UCB and LCB = reward ± β · spread, β = 1 (DeltaUCB of Melikidze et al. 2026, "ActiveUltraFeedback").

    For a prompt with one pair of two completions the spreads of both add up to the gap's own, and the value is
    |gap| + β · its standard deviation.
    """
    spread = scores.spread
    return np.abs(scores.gap) + BETA * (spread[scores.first] + spread[scores.second])


def dts(scores: PairScores) -> Floats:
    """Double Thompson sampling: the best completion by one head against the best by another (Wu & Liu 2016; for
    preferences over completions Dwaracherla et al. 2024).

    Heads are taken in a random order of each prompt's own. The first says which completion is the one, the next that
    prefers another, with which it is a candidate pair, gives the other; when none does, a candidate pair is drawn.
    """
    rng = np.random.default_rng([scores.seed, 2])
    pairs = _PairIndex(scores)
    drawn = np.full(len(scores.starts), -1)
    for part, rows in scores._prompt_chunks():
        values = scores.head_rewards[rows]
        starts = scores.starts[part] - rows.start
        best = np.stack([_argmax_of_each(values[:, head], starts) for head in range(scores.n_heads)], axis=1)
        best = rng.permuted(best, axis=1) + rows.start
        found = drawn[part]
        for head in range(1, scores.n_heads):
            missing = found < 0
            found[missing] = pairs.find(best[missing, 0], best[missing, head])
    return _worth_of_drawn(scores, pairs.or_any(drawn, rng))


def drts(scores: PairScores) -> Floats:
    """Double reversed Thompson sampling: a plausibly best completion against a plausibly worst one (DRTS of Melikidze
    et al. 2026, "ActiveUltraFeedback").

    The best one is argmax reward + β z · spread, the worst argmin reward + β z' · spread, z and z' uniform on (−1, 1)
    for each completion, β = 1. Both are drawn anew, up to 30 times, until they are a candidate pair; after that a
    candidate pair is drawn.
    """
    rng = np.random.default_rng([scores.seed, 3])
    pairs = _PairIndex(scores)
    spread = BETA * scores.spread
    drawn = np.full(len(scores.starts), -1)
    sizes = np.diff(scores.starts, append=len(scores.rewards))
    for _ in range(1 + REDRAWS):
        missing = drawn < 0
        rows = np.flatnonzero(np.repeat(missing, sizes))
        if not len(rows):
            break
        starts = np.cumsum(sizes[missing]) - sizes[missing]
        z = rng.uniform(-1, 1, (2, len(rows)))
        best = _argmax_of_each(scores.rewards[rows] + z[0] * spread[rows], starts)
        worst = _argmax_of_each(-(scores.rewards[rows] + z[1] * spread[rows]), starts)
        drawn[missing] = pairs.find(rows[best], rows[worst])
    return _worth_of_drawn(scores, pairs.or_any(drawn, rng))


ACQUISITIONS: dict[str, Callable[[PairScores], Floats]] = {
    "random": random,
    "gap": closeness,
    "disagreement": disagreement,
    "bald": bald,
    "delta_ucb": delta_ucb,
    "drts": drts,
    "dts": dts,
}


class _PairIndex:
    """Finds candidate pairs by their completions, in either order."""

    def __init__(self, scores: PairScores) -> None:
        self._scores = scores
        self._m = max(len(scores.rewards), 1)
        keys = self._key(scores.first, scores.second)
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def _key(self, one: Ints, other: Ints) -> Ints:
        key: Ints = np.minimum(one, other).astype(np.int64) * self._m + np.maximum(one, other)
        return key

    def find(self, one: Ints, other: Ints) -> Ints:
        """Number of each pair, −1 where the two are none (one completion twice, or a pair that is no candidate)."""
        if not len(self._keys):
            return np.full(len(one), -1)
        keys = self._key(one, other)
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[place] == keys, self._order[place], -1)

    def or_any(self, drawn: Ints, rng: np.random.Generator) -> Ints:
        """(prompts,) pairs, with a uniformly drawn one of the prompt where there was none; −1 where it has no pair."""
        prompts = self._scores.pair_prompts
        order = np.lexsort((rng.random(len(prompts)), prompts))
        at = np.flatnonzero(np.diff(prompts[order], prepend=-1))
        any_of = np.full(len(drawn), -1)
        any_of[prompts[order][at]] = order[at]
        return np.where(drawn < 0, any_of, drawn)


def _argmax_of_each(values: Floats, starts: Ints) -> Ints:
    """Index of the first largest of `values` (m,) within each segment that begins at `starts`."""
    largest = np.maximum.reduceat(values, starts)
    sizes = np.diff(starts, append=len(values))
    places = np.where(values == np.repeat(largest, sizes), np.arange(len(values)), len(values))
    argmax: Ints = np.minimum.reduceat(places, starts)
    return argmax


def _mutual_information(head_gaps: Floats) -> Floats:
    """H(mean p) − mean H(p) of gaps (n, heads), (n,)."""
    p = 1 / (1 + np.exp(-np.clip(head_gaps, -40, 40)))
    information: Floats = np.maximum(_coin_entropy(p.mean(axis=1)) - _coin_entropy(p).mean(axis=1), 0.0)
    return information


def _coin_entropy(p: Floats) -> Floats:
    """−p ln p − (1 − p) ln(1 − p), 0 where p is 0 or 1."""
    q = 1 - p
    entropy: Floats = -(p * np.log(np.maximum(p, 1e-300)) + q * np.log(np.maximum(q, 1e-300)))
    return entropy


def _worth_of_drawn(scores: PairScores, drawn: Ints) -> Floats:
    """1 + noise for the pairs that were drawn, noise for all others."""
    worth = np.array(scores.noise, dtype=np.float64)
    worth[drawn[drawn >= 0]] += 1
    return worth
