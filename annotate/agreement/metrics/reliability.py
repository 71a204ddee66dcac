"""Who can be relied on, and what the answer of each comparison is: models of labellers fitted to their ratings."""

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from annotate.agreement.metrics.columns import Ratings
from annotate.agreement.metrics.stat import (
    Floats,
    Ints,
)

# --- Reliability -----------------------------------------------------------------------------------------------------


def one_coin(
    units: ArrayLike,
    labellers: ArrayLike,
    values: ArrayLike,
    *,
    prior: tuple[float, float] = (6.0, 2.0),
    n_iterations: int = 50,
    tolerance: float = 1e-4,
) -> dict[int, float]:
    """Chance that a labeller's rating is of the right answer, for each labeller with ratings.

    units, labellers, values: (n,), values nominal. The one-coin model of Dawid and Skene (1979): a labeller is right
    with chance p, else gives any other of the answers alike; all answers are equally likely beforehand. Fitted by EM
    from majority shares, with a Beta prior on p as if the labeller had been right `prior[0]` and wrong `prior[1]` times
    before, so that few ratings say little. Labels are symmetric between "mostly right" and "mostly wrong"; starting
    from the majority chooses the former.
    """
    unit_ids, unit = np.unique(np.asarray(units), return_inverse=True)
    labeller_ids, labeller = np.unique(np.asarray(labellers), return_inverse=True)
    answers, answer = np.unique(np.asarray(values), return_inverse=True)
    n_units, n_answers = len(unit_ids), max(len(answers), 2)
    if n_units == 0:
        return {}
    right, wrong = prior
    n_of = np.bincount(labeller)
    # Before anything is known of labellers, an answer is as likely as its share of the unit's ratings.
    posterior = _by_unit(unit, answer, np.ones(len(unit)), n_units, n_answers)
    posterior /= posterior.sum(axis=1, keepdims=True)
    p = np.full(len(labeller_ids), right / (right + wrong))
    for _ in range(n_iterations):
        n_right = np.bincount(labeller, weights=posterior[unit, answer], minlength=len(labeller_ids))
        before, p = p, (n_right + right) / (n_of + right + wrong)
        weight = np.log(p * (n_answers - 1) / (1 - p))
        evidence = _by_unit(unit, answer, weight[labeller], n_units, n_answers)
        posterior = np.exp(evidence - evidence.max(axis=1, keepdims=True))
        posterior /= posterior.sum(axis=1, keepdims=True)
        if np.abs(p - before).max() < tolerance:
            break
    return dict(zip(labeller_ids.tolist(), p.tolist(), strict=True))


def _by_unit(unit: Ints, answer: Ints, weights: Floats, n_units: int, n_answers: int) -> Floats:
    """Sum of the weights of each unit's ratings by answer: (n_units, n_answers)."""
    sums = np.bincount(unit * n_answers + answer, weights=weights, minlength=n_units * n_answers)
    return np.asarray(sums, dtype=np.float64).reshape(n_units, n_answers)


# --- Models with a confusion of each labeller ------------------------------------------------------------------------

_SMOOTHINGS = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0)
# Chances are kept from 0.
_LEAST = 1e-10
_CHUNK = 250_000


@dataclass(frozen=True)
class Fit:
    """A model of labellers fitted to ratings.

    A unit is of one of K hidden classes; a labeller says value v of a unit of class k with chance confusion[·, k, v].
    units (U,), labellers (L,), values (V,) ascending. posterior: (U, K). prior: (K,). confusion: (L, K, V).
    pooled: (K, V) of a labeller of whom nothing is known. strength: (K,) the signed value that stands
    for a class: to be expected of a labeller, where classes are no values. sides: (K, 3) chance that the answer of a
    class is a, b, a tie.
    log_likelihood: of all ratings, natural. is_converged: before the iterations ran out.
    """

    units: NDArray[Any]
    labellers: NDArray[Any]
    values: NDArray[Any]
    posterior: Floats
    prior: Floats
    confusion: Floats
    pooled: Floats
    strength: Floats
    sides: Floats
    log_likelihood: float
    n_iterations: int
    is_converged: bool

    @property
    def reliability(self) -> dict[int, float]:
        """Chance, by labeller, that the side they name is that of the unit: over units as they come, ties a side."""
        right = np.einsum("k,lkv,kv->l", self.prior, self.confusion, self.sides @ _sides(self.values).T)
        return dict(zip(self.labellers.tolist(), right.tolist(), strict=True))

    def predict(self, units: ArrayLike, labellers: ArrayLike) -> Floats:
        """Chance of each value (m, V) when these labellers rate these units: unknown units by the prior, unknown
        labellers by the pooled confusion.
        """
        posterior = np.concatenate([self.posterior, self.prior[None]])[_places(self.units, units)]
        confusion = np.concatenate([self.confusion, self.pooled[None]])[_places(self.labellers, labellers)]
        return np.asarray(np.einsum("mk,mkv->mv", posterior, confusion))


def _sides(values: ArrayLike) -> Floats:
    """(n, 3): 1 where a signed value is a's, b's, a tie."""
    return np.asarray(np.sign(np.asarray(values))[:, None] == np.array([1, -1, 0]), dtype=np.float64)


def _places(known: NDArray[Any], wanted: ArrayLike) -> Ints:
    """Where each wanted one is among the known (ascending), −1 (the last row) where it is not."""
    asked = np.asarray(wanted)
    if not len(known):
        return np.full(len(asked), -1)
    at = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return np.where(known[at] == asked, at, -1)


def scale_of(values: ArrayLike, n_levels: int | None = None) -> Ints:
    """The signed values that can be said, −n … n, with 0 only where somebody said it. Closed under exchange of a and b.

    n_levels: by default the largest that occurs.
    """
    said = np.asarray(values).astype(np.int64)
    n = int(n_levels or max(1, np.abs(said).max(initial=1)))
    scale = np.arange(-n, n + 1)
    return scale if (said == 0).any() else scale[scale != 0]


class _Votes:
    """Ratings sorted by unit, as indices, with the two sums that every iteration needs."""

    def __init__(self, units: ArrayLike, labellers: ArrayLike, values: ArrayLike, scale: NDArray[Any]) -> None:
        unit_ids, unit = np.unique(np.asarray(units), return_inverse=True)
        labeller_ids, labeller = np.unique(np.asarray(labellers), return_inverse=True)
        said = np.asarray(values)
        value = np.searchsorted(scale, said)
        if len(said) and (value.max() >= len(scale) or (scale[np.minimum(value, len(scale) - 1)] != said).any()):
            raise ValueError("values outside the scale")
        order = np.argsort(unit, kind="stable")
        self.unit_ids, self.labeller_ids, self.scale = unit_ids, labeller_ids, scale
        self.unit = unit[order]
        self.said = (labeller[order] * len(scale) + value[order]).astype(np.int64)
        self.starts = np.searchsorted(self.unit, np.arange(len(unit_ids)))
        self.n, self.n_units, self.n_labellers = len(unit), len(unit_ids), len(labeller_ids)

    def chunks(self) -> Iterator[tuple[slice, slice]]:
        """Ratings and units of about a quarter of a million ratings each, whole units."""
        first = 0
        while first < self.n_units:
            wanted = int(self.starts[first]) + _CHUNK
            last = max(int(np.searchsorted(self.starts, wanted)), first + 1)
            end = int(self.starts[last]) if last < self.n_units else self.n
            yield slice(int(self.starts[first]), end), slice(first, last)
            first = last

    def shares(self) -> Floats:
        """(U, V) share of each value among the unit's ratings."""
        n_values = len(self.scale)
        votes = np.bincount(self.unit * n_values + self.said % n_values, minlength=self.n_units * n_values)
        votes = votes.reshape(self.n_units, n_values)
        return np.asarray(votes / votes.sum(axis=1, keepdims=True))

    def counts(self, posterior: Floats) -> Floats:
        """(L, K, V): how often each labeller said v of units of class k, expected under the posterior (U, K)."""
        n_values, n_classes = len(self.scale), posterior.shape[1]
        size = self.n_labellers * n_values
        found = np.zeros((n_classes, size))
        by_class = np.ascontiguousarray(posterior.T)
        for ratings, _ in self.chunks():
            said, unit = self.said[ratings], self.unit[ratings]
            for k in range(n_classes):
                found[k] += np.bincount(said, weights=by_class[k][unit], minlength=size)
        return found.reshape(n_classes, self.n_labellers, n_values).transpose(1, 0, 2)

    def expect(self, log_confusion: Floats, prior: Floats) -> tuple[Floats, float]:
        """Posterior (U, K) and log-likelihood, given log chances (L, K, V) and the prior (K,)."""
        n_classes = len(prior)
        table = np.ascontiguousarray(log_confusion.transpose(0, 2, 1)).reshape(-1, n_classes)
        posterior = np.empty((self.n_units, n_classes))
        log_prior = np.log(np.maximum(prior, _LEAST))
        total = 0.0
        for ratings, units in self.chunks():
            starts = self.starts[units] - ratings.start
            evidence = np.add.reduceat(table[self.said[ratings]], starts, axis=0) + log_prior
            highest = evidence.max(axis=1, keepdims=True)
            likelihood = np.exp(evidence - highest)
            sums = likelihood.sum(axis=1, keepdims=True)
            posterior[units] = likelihood / sums
            total += float(np.log(sums).sum() + highest.sum())
        return posterior, total


# From expected counts (L, K, V) to (confusion, log chances for the next expectation).
_Maximise = Callable[[Floats], tuple[Floats, Floats]]


def _em(
    votes: _Votes,
    start: Floats,
    maximise: _Maximise,
    *,
    strength: Floats,
    is_symmetric: bool,
    n_iterations: int,
    tolerance: float,
) -> Fit:
    """Expectation and maximisation in turn, from a posterior to begin with (U, K), until the log-likelihood of a rating
    gains less than the tolerance.
    """

    def prior_of(posterior: Floats) -> Floats:
        mean = posterior.mean(axis=0)
        return np.asarray((mean + mean[::-1]) / 2 if is_symmetric else mean)

    posterior, last, n_done, is_converged = start, -np.inf, 0, False
    prior = prior_of(posterior)
    confusion, log_confusion = maximise(votes.counts(posterior))
    while n_done < n_iterations and not is_converged:
        posterior, total = votes.expect(log_confusion, prior)
        prior = prior_of(posterior)
        counts = votes.counts(posterior)
        confusion, log_confusion = maximise(counts)
        n_done += 1
        is_converged = total - last < tolerance * votes.n
        last = total
    pooled = votes.counts(posterior).sum(axis=0) + _LEAST
    if is_symmetric:
        pooled = pooled + pooled[::-1, ::-1]
    return Fit(
        units=votes.unit_ids,
        labellers=votes.labeller_ids,
        values=votes.scale,
        posterior=posterior,
        prior=prior,
        confusion=confusion,
        pooled=pooled / pooled.sum(axis=1, keepdims=True),
        strength=strength,
        sides=_sides(strength),
        log_likelihood=last,
        n_iterations=n_done,
        is_converged=is_converged,
    )


def dawid_skene(
    units: ArrayLike,
    labellers: ArrayLike,
    values: ArrayLike,
    *,
    scale: NDArray[Any] | None = None,
    is_symmetric: bool = True,
    shrinkage: float = 8.0,
    n_iterations: int = 100,
    tolerance: float = 1e-5,
) -> Fit:
    """Dawid and Skene (1979): the classes are the values, and each labeller has a confusion of their own.

    scale: the values that can be said, by default `scale_of(values)`, or those that occur where nothing is symmetric.
    is_symmetric: which completion is called a is an accident, so saying a of an a is as likely as saying b of a b, and
    both are as likely beforehand. The counts of a cell and of its mirror image are then taken together: the estimate is
    the same whichever way the pairs are turned, and rests on twice the ratings. (Turning pairs by lot, as is done for
    α, leaves the same model with that noise in it.)
    shrinkage: ratings of the average labeller added to each row of a confusion, so that few ratings say little. 0, with
    no symmetry, is the model as published.
    """
    said = np.asarray(values)
    if scale is None:
        scale = scale_of(said) if is_symmetric else np.unique(said)
    votes = _Votes(units, labellers, said, scale)

    def maximise(counts: Floats) -> tuple[Floats, Floats]:
        confusion = _shrunk(_mirrored(counts) if is_symmetric else counts, shrinkage)
        return confusion, np.log(np.maximum(confusion, _LEAST))

    strength = scale.astype(np.float64)
    return _em(
        votes,
        votes.shares(),
        maximise,
        strength=strength,
        is_symmetric=is_symmetric,
        n_iterations=n_iterations,
        tolerance=tolerance,
    )


def _mirrored(counts: Floats) -> Floats:
    """Each cell with its mirror image: class and value negated."""
    return (counts + counts[:, ::-1, ::-1]) / 2


def _shrunk(counts: Floats, shrinkage: float) -> Floats:
    """Rows of chances from counts (L, K, V), drawn to the rows of all labellers by so many ratings."""
    pooled = counts.sum(axis=0) + _LEAST
    pooled /= pooled.sum(axis=1, keepdims=True)
    # Without shrinkage, what somebody never said they never say, whatever the class: as in crowd-kit.
    is_possible = (counts.sum(axis=1, keepdims=True) > 0) | (shrinkage > 0)
    rows = np.where(is_possible, np.maximum(counts + shrinkage * pooled, _LEAST), 0.0)
    return np.asarray(rows / rows.sum(axis=2, keepdims=True))


def mace(
    units: ArrayLike,
    labellers: ArrayLike,
    values: ArrayLike,
    *,
    scale: NDArray[Any] | None = None,
    shrinkage: float = 8.0,
    n_iterations: int = 100,
    tolerance: float = 1e-5,
) -> Fit:
    """MACE (Hovy et al. 2013): a labeller either gives the answer or, not looking, a value by their own habit.

    The habit is symmetric, as completions are turned by lot. Maximum a posteriori instead of the published variational
    Bayes: a labeller's share of careful ratings is drawn to that of all by `shrinkage` ratings, the habit likewise.
    """
    if scale is None:
        scale = scale_of(values)
    votes = _Votes(units, labellers, values, scale)
    n_values = len(scale)
    careful = np.full(votes.n_labellers, 0.75)
    habit = np.full((votes.n_labellers, n_values), 1.0 / n_values)
    diagonal = np.arange(n_values)

    def maximise(counts: Floats) -> tuple[Floats, Floats]:
        nonlocal careful, habit
        counts = _mirrored(counts)
        right, said, n = counts[:, diagonal, diagonal], counts.sum(axis=1), counts.sum(axis=(1, 2))
        for _ in range(3):  # who was right may have been so by luck
            looked = careful[:, None] / (careful[:, None] + (1 - careful[:, None]) * habit)
            n_looked = right * looked
            total = n_looked.sum(axis=1)
            careful = (total + shrinkage * total.sum() / n.sum()) / (n + shrinkage)
            careful = np.clip(careful, _LEAST, 1 - 1e-6)
            by_habit = said - n_looked
            pooled = by_habit.sum(axis=0) + _LEAST
            habit = by_habit + shrinkage * pooled / pooled.sum()
            habit /= habit.sum(axis=1, keepdims=True)
        confusion = (1 - careful)[:, None, None] * habit[:, None, :] + careful[:, None, None] * np.eye(n_values)
        return confusion, np.log(np.maximum(confusion, _LEAST))

    return _em(
        votes,
        votes.shares(),
        maximise,
        strength=scale.astype(np.float64),
        is_symmetric=True,
        n_iterations=n_iterations,
        tolerance=tolerance,
    )


# --- The graded model ------------------------------------------------------------------------------------------------

# What a labeller may be like: noise, in steps of the scale; how much wider or narrower than the others' their tie is,
# and their steps; the share of ratings given without looking.
_NOISE = np.geomspace(0.1, 4.0, 9)
_TIE = np.array([0.3, 0.6, 1.0, 1.7, 3.0])
_STEPS = np.array([0.6, 0.8, 1.0, 1.25, 1.6])
_CARELESS = np.array([0.0, 0.05, 0.15, 0.35, 0.65, 1.0])
_PRIOR_LABELLERS = 4.0


def graded(
    units: ArrayLike,
    labellers: ArrayLike,
    values: ArrayLike,
    *,
    scale: NDArray[Any] | None = None,
    n_iterations: int = 50,
    tolerance: float = 5e-5,
) -> Fit:
    """An ordinal model of labellers: how much better a is than b, seen through noise and cut into steps.

    A unit has a hidden strength t on a grid, symmetric around 0. A labeller perceives t with logistic noise of their
    own size and says the step of the scale it falls into; their steps, and their tie, may be wider or narrower than the
    others'; and a share of their ratings, of their own, are given without looking, as ratings come overall. So a pair
    that is nearly a tie divides even the best, and one that is clear divides only the careless: what a confusion by
    class cannot say, and what a single parameter of "right or wrong" gets wrong on real pairs.

    Fitted by variational EM: the distribution of strengths and the cuts between steps by maximum, each labeller by the
    posterior over up to some thousand types (noise × tie × steps × carelessness), whose prior is the average
    of all labellers with `_PRIOR_LABELLERS` of a flat one. So few ratings say little, without a constant to choose.
    """
    if scale is None:
        scale = scale_of(values)
    votes = _Votes(units, labellers, values, scale)
    n_levels, has_ties = int(scale[-1]), bool((scale == 0).any())
    # Half steps where a tie may begin, steps up to one beyond the last; without ties nothing is at 0.
    grid = (
        np.concatenate([[0.5, 1.0, 1.5], np.arange(2, n_levels + 1.01)])
        if n_levels > 1
        else np.array([0.4, 1.0, 1.8, 3.0])
    )
    grid = np.concatenate([-grid[::-1], [0.0], grid]) if has_ties else np.concatenate([-grid[::-1], grid])
    cuts: Floats = np.arange(n_levels, dtype=np.float64) + (0.5 if has_ties else 0.0)
    types = _Types(has_ties, n_levels)
    marginal = np.bincount(votes.said % len(scale), minlength=len(scale)).astype(np.float64) + 0.5
    marginal = (marginal + marginal[::-1]) / (2 * marginal.sum())
    share_of_type = np.full(types.n, 1.0 / types.n)
    chances = types.chances(grid, cuts, marginal)

    def maximise(counts: Floats) -> tuple[Floats, Floats]:
        nonlocal chances, cuts, share_of_type
        counts = _mirrored(counts)
        flat = counts.reshape(len(counts), -1)
        log_chances = np.log(np.maximum(chances, _LEAST)).reshape(types.n, -1)
        weight = _softmax(flat @ log_chances.T + np.log(share_of_type))
        share_of_type = weight.sum(axis=0) + _PRIOR_LABELLERS / types.n
        share_of_type /= share_of_type.sum()
        cuts = types.better_cuts(grid, cuts, marginal, weight, flat)
        chances = types.chances(grid, cuts, marginal)
        log_chances = np.log(np.maximum(chances, _LEAST)).reshape(types.n, -1)
        confusion = (weight @ chances.reshape(types.n, -1)).reshape(counts.shape)
        return confusion, (weight @ log_chances).reshape(counts.shape)

    # To begin with, a unit is where its mean rating is, give or take a step.
    mean = votes.shares() @ scale
    start = np.exp(-np.abs(mean[:, None] - grid))
    start /= start.sum(axis=1, keepdims=True)
    fit = _em(
        votes,
        start,
        maximise,
        strength=grid,
        is_symmetric=True,
        n_iterations=n_iterations,
        tolerance=tolerance,
    )
    # The cuts are those of a labeller whose tie and steps are like the others' on average, which is not type 1, 1.
    tie, steps = (float(np.exp(share_of_type @ np.log(column))) for column in (types.tie, types.steps))
    cuts = np.maximum.accumulate(np.concatenate([cuts[:1] * (tie if has_ties else 1.0), cuts[1:] * steps]))
    levels = _levels(grid, cuts, has_ties)
    sides = _sides(levels.ravel()).reshape(*levels.shape, 3).mean(axis=1)
    return replace(fit, strength=fit.pooled @ scale, sides=sides)


def _levels(grid: Floats, cuts: Floats, has_ties: bool, n_parts: int = 20) -> Floats:
    """What a labeller without noise says all over the cell around each strength of the grid: (K, n_parts)."""
    middles = (grid[1:] + grid[:-1]) / 2
    low = np.concatenate([[2 * grid[0] - middles[0]], middles])
    high = np.concatenate([middles, [2 * grid[-1] - middles[-1]]])
    parts = low[:, None] + (high - low)[:, None] * ((np.arange(n_parts) + 0.5) / n_parts)
    n_above = (np.abs(parts)[:, :, None] > cuts).sum(axis=2)
    return np.asarray(np.sign(parts) * (n_above if has_ties else np.maximum(n_above, 1)))


def _softmax(logits: Floats) -> Floats:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


class _Types:
    """The types of labellers, as columns (G,), and what each says."""

    def __init__(self, has_ties: bool, n_levels: int) -> None:
        one = np.ones(1)
        axes = np.meshgrid(_NOISE, _TIE if has_ties else one, _STEPS if n_levels > 1 else one, _CARELESS, indexing="ij")
        self.noise, self.tie, self.steps, self.careless = (axis.ravel() for axis in axes)
        self.n, self.has_ties = len(self.noise), has_ties

    def chances(self, grid: Floats, cuts: Floats, marginal: Floats) -> Floats:
        """(G, K, V): chance that a labeller of each type says v of strength k. cuts: (levels,) ascending, of the
        average labeller, between 0 (or, without ties, at it) and the last step.
        """
        own = cuts[None] * self.steps[:, None]
        if self.has_ties:
            own[:, 0] = cuts[0] * self.tie
            own = np.maximum.accumulate(own, axis=1)
        # Below −cut … below +cut, ascending; without ties the cut at 0 is there once.
        edges = np.concatenate([-own[:, ::-1], own if self.has_ties else own[:, 1:]], axis=1)
        below = 1 / (
            1 + np.exp(-np.clip((edges[:, None, :] - grid[None, :, None]) / self.noise[:, None, None], -40, 40))
        )
        ends = np.zeros((*below.shape[:2], 1))
        looked = np.diff(np.concatenate([ends, below, ends + 1], axis=2), axis=2)
        careless = self.careless[:, None, None]
        return np.asarray((1 - careless) * looked + careless * marginal)

    def better_cuts(self, grid: Floats, cuts: Floats, marginal: Floats, weight: Floats, counts: Floats) -> Floats:
        """Cuts nearer to the most likely ones, given the types' weights (L, G) and the counts (L, K·V): each in turn is
        moved a tenth of a step up or down where that is likelier. Types that nobody is of are left out.
        """
        used = np.flatnonzero(weight.sum(axis=0) > 1e-3)
        told = (weight[:, used].T @ counts).reshape(len(used), len(grid), -1)
        some = copy(self)
        some.noise, some.tie, some.steps, some.careless = (
            column[used] for column in (self.noise, self.tie, self.steps, self.careless)
        )

        def likelihood(at: Floats) -> float:
            return float((told * np.log(np.maximum(some.chances(grid, at, marginal), _LEAST))).sum())

        best, highest = cuts, likelihood(cuts)
        for level in range(0 if self.has_ties else 1, len(cuts)):
            for step in (-0.1, 0.1):
                tried = best.copy()
                tried[level] += step
                lowest = tried[level - 1] + 0.05 if level else 0.05
                highest_cut = tried[level + 1] - 0.05 if level + 1 < len(tried) else np.inf
                if lowest <= tried[level] <= highest_cut and (found := likelihood(tried)) > highest:
                    best, highest = tried, found
        return best


# --- What is made of a fit -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answers:
    """What the labellers together say of each unit, ascending by unit; all (U,), p (U, 3) of a, b and a tie."""

    units: Ints
    p: Floats
    expected_intensity: Floats
    n: Ints


def answers(ratings: Ratings, n_levels: int = 4, *, fit: Fit | None = None) -> Answers:
    """Posterior of a, b and a tie for each comparison, and the signed intensity to be expected of one more rating by an
    average labeller, weighing everybody's ratings by what they are worth. n_levels: intensities of the scale.

    fit: a model fitted to signed values of these ratings; by default `graded` is.
    """
    if not len(ratings):
        nothing = np.empty(0, dtype=np.int64)
        return Answers(nothing, np.empty((0, 3)), np.empty(0), nothing)
    if fit is None:
        fit = fit_of(ratings, n_levels)
    units, n = np.unique(ratings.comparison, return_counts=True)
    return Answers(units.astype(np.int64), fit.posterior @ fit.sides, fit.posterior @ fit.strength, n.astype(np.int64))


MODELS: dict[str, Callable[..., Fit]] = {"graded": graded, "dawid_skene": dawid_skene, "mace": mace}
DEFAULT_MODEL = "graded"
# By how much another model has to predict held-out ratings better than the default (mean log chance). The default's
# answers are nearer to what is true (docs/decisions/011), and what changes with every few ratings is of no use.
_CLEARLY = 0.005
_COMPARED_RATINGS = 20_000
_LEAST_HELD_OUT = 200


def fit_of(ratings: Ratings, n_levels: int = 4, *, model: str = DEFAULT_MODEL) -> Fit:
    """One of `MODELS`, fitted to signed intensities where there are any."""
    scale = _scale_of_ratings(ratings, n_levels)
    return MODELS[model](ratings.comparison, ratings.labeller, ratings.signed_intensity, scale=scale)


def _scale_of_ratings(ratings: Ratings, n_levels: int) -> Ints:
    values = np.abs(ratings.signed_intensity)
    return scale_of(ratings.signed_intensity, max(n_levels, int(values.max())) if (values > 1).any() else 1)


@dataclass(frozen=True)
class Compared:
    """Which model predicts ratings that it has not seen best. n: how many were held out; by model, and for
    "vote_shares", which is none, the mean natural log of the chance given to the side that was said, and the share of
    those whose likeliest side was said."""

    chosen: str
    n: int
    log_likelihood: dict[str, float]
    accuracy: dict[str, float]


def compare_models(ratings: Ratings, n_levels: int = 4, *, seed: int = 0) -> Compared:
    """Five folds over the ratings of comparisons drawn by lot, 20,000 ratings at most.

    The default stays unless another is clearly better, and where too few ratings were held out to tell.
    """
    units, n_each = np.unique(ratings.comparison, return_counts=True)
    units, n_each = units[n_each > 1], n_each[n_each > 1]
    drawn = np.random.default_rng(seed).permutation(len(units))
    kept = drawn[np.cumsum(n_each[drawn]) <= _COMPARED_RATINGS]
    ratings = ratings.select(np.isin(ratings.comparison, units[kept]))
    if len(ratings) < _LEAST_HELD_OUT:
        return Compared(DEFAULT_MODEL, 0, {}, {})
    scale = _scale_of_ratings(ratings, n_levels)
    columns = ratings.comparison, ratings.labeller, ratings.signed_intensity
    tried: dict[str, Callable[..., Fit]] = {"vote_shares": vote_shares, **MODELS}
    found = {
        name: held_out_log_likelihood(*columns, partial(fit, scale=scale), seed=seed) for name, fit in tried.items()
    }
    best = max(MODELS, key=lambda name: found[name].log_likelihood)
    is_clear = found[best].log_likelihood > found[DEFAULT_MODEL].log_likelihood + _CLEARLY
    return Compared(
        chosen=best if is_clear else DEFAULT_MODEL,
        n=found[DEFAULT_MODEL].n,
        log_likelihood={name: one.log_likelihood for name, one in found.items()},
        accuracy={name: one.accuracy for name, one in found.items()},
    )


@dataclass(frozen=True)
class HeldOut:
    """How well ratings that a model has not seen are predicted: mean natural log of the chance given to what was said,
    and share of those whose likeliest value was said; by side, and by signed value. n: ratings.
    """

    log_likelihood: float
    accuracy: float
    log_likelihood_of_value: float
    accuracy_of_value: float
    n: int


def held_out_log_likelihood(
    units: ArrayLike,
    labellers: ArrayLike,
    values: ArrayLike,
    fit: Callable[[Ints, Ints, Ints], Fit],
    *,
    n_folds: int = 5,
    seed: int = 0,
) -> HeldOut:
    """Each fold of the ratings, by lot, predicted from the others by `fit(units, labellers, values)`.

    Only ratings whose unit has others in the other folds count: of the rest a model can know nothing but the prior.
    """
    unit, labeller, value = (np.asarray(column).astype(np.int64) for column in (units, labellers, values))
    fold = np.random.default_rng(seed).permutation(len(unit)) % n_folds
    told: list[Floats] = []
    for held in range(n_folds):
        train, test = np.flatnonzero(fold != held), np.flatnonzero(fold == held)
        test = test[np.isin(unit[test], unit[train])]
        fitted = fit(unit[train], labeller[train], value[train])
        chances = np.maximum(fitted.predict(unit[test], labeller[test]), _LEAST)
        chances /= chances.sum(axis=1, keepdims=True)
        sign = np.sign(fitted.values)
        by_side = np.stack([chances[:, sign == side].sum(axis=1) for side in (-1, 0, 1)], axis=1)
        said = np.searchsorted(fitted.values, value[test])
        row = np.arange(len(test))
        side = np.sign(value[test]) + 1
        told.append(
            np.stack(
                [
                    np.log(np.maximum(by_side[row, side], _LEAST)),
                    by_side.argmax(axis=1) == side,
                    np.log(chances[row, said]),
                    chances.argmax(axis=1) == said,
                ],
                axis=1,
            )
        )
    every = np.concatenate(told)
    log_side, right_side, log_value, right_value = every.mean(axis=0).tolist()
    return HeldOut(log_side, right_side, log_value, right_value, len(every))


def vote_shares(
    units: ArrayLike,
    labellers: ArrayLike,
    values: ArrayLike,
    *,
    scale: NDArray[Any] | None = None,
    smoothing: float | None = None,
) -> Fit:
    """No model of labellers: everybody says a value as often as the unit's other ratings do, with `smoothing` ratings
    as they come overall; by default as many as best predict each rating from the unit's others. What models are
    compared with.
    """
    if scale is None:
        scale = scale_of(values)
    votes = _Votes(units, labellers, values, scale)
    n_values = len(scale)
    said = np.bincount(votes.unit * n_values + votes.said % n_values, minlength=votes.n_units * n_values)
    said = said.reshape(votes.n_units, n_values).astype(np.float64)
    overall = said.sum(axis=0) + said.sum(axis=0)[::-1]
    overall /= max(overall.sum(), _LEAST)
    if smoothing is None:
        n_others = said.sum(axis=1, keepdims=True) - 1
        of_one = [
            (said * np.log(np.maximum((said - 1 + by * overall) / (n_others + by), _LEAST)))[said > 0].sum()
            for by in _SMOOTHINGS
        ]
        smoothing = _SMOOTHINGS[int(np.argmax(of_one))]
    posterior = (said + smoothing * overall) / (said.sum(axis=1, keepdims=True) + smoothing)
    same = np.eye(n_values)
    return Fit(
        units=votes.unit_ids,
        labellers=votes.labeller_ids,
        values=scale,
        posterior=posterior,
        prior=overall,
        confusion=np.broadcast_to(same, (votes.n_labellers, n_values, n_values)),
        pooled=same,
        strength=scale.astype(np.float64),
        sides=_sides(scale),
        log_likelihood=float("nan"),
        n_iterations=0,
        is_converged=True,
    )


def one_coin_fit(
    units: ArrayLike, labellers: ArrayLike, values: ArrayLike, *, scale: NDArray[Any] | None = None
) -> Fit:
    """`one_coin` as a `Fit`, to be compared with the others."""
    if scale is None:
        scale = scale_of(values)
    votes = _Votes(units, labellers, values, scale)
    n_values = len(scale)
    reliability = one_coin(units, labellers, values)
    p = np.array([reliability[labeller] for labeller in votes.labeller_ids.tolist()])[:, None, None]
    same = np.eye(n_values)
    confusion = p * same + (1 - p) / max(n_values - 1, 1) * (1 - same)
    prior = np.full(n_values, 1 / n_values)
    posterior, total = votes.expect(np.log(np.maximum(confusion, _LEAST)), prior)
    return Fit(
        units=votes.unit_ids,
        labellers=votes.labeller_ids,
        values=scale,
        posterior=posterior,
        prior=prior,
        confusion=confusion,
        pooled=0.75 * same + 0.25 / max(n_values - 1, 1) * (1 - same),
        strength=scale.astype(np.float64),
        sides=_sides(scale),
        log_likelihood=total,
        n_iterations=0,
        is_converged=True,
    )
