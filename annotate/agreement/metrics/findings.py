"""What is to be said about a labeller, and only that: tests with an effect worth a talk, and an error rate for all.

Every labeller is put to every test that their ratings allow. Two things keep honest people from being accused:

- The tests' null hypotheses are not "exactly average" but "within what is harmless" (`Floors`), so that a thousand
  ratings do not make a finding of a trifle. Where an effect must also be large, the estimate has to reach the floor.
- The p-values of all labellers and all tests of a project are taken together by Holm's (1979) step-down: the chance of
  even one false finding in the project is at most alpha.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import erfc, log, sqrt
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from annotate.agreement.metrics.columns import Ratings
from annotate.agreement.metrics.labellers import (
    Figures,
    Moments,
    faster_than,
    labeller_figures,
    longer_than_others,
    others_agreeing,
)
from annotate.agreement.metrics.stat import Floats, Ints, Stat, share

Code = Literal["position_bias", "length_taste", "near_chance", "too_fast", "changed", "inconsistent", "misses_gold"]


@dataclass(frozen=True)
class Floors:
    """How much of an effect is harmless.

    position_bias: distance of the share of first sides from a half. length_taste: paired difference of the share of
    longer ones; the null hypothesis is a quarter of it. near_chance: agreement above chance, as a share of what the
    others have among themselves. too_fast: share of ratings; the null hypothesis is half of it. changed: change of
    agreement; the null hypothesis is a fifth of it. behind: how far self-agreement and agreement with gold may lie
    behind the others'. n_ratings, n_asked: fewest ratings for a test; fewest gold answers or repeats.
    """

    position_bias: float = 0.05
    length_taste: float = 0.04
    near_chance: float = 1 / 3
    too_fast: float = 0.1
    changed: float = 0.06
    behind: float = 0.15
    n_ratings: int = 40
    n_asked: int = 10


FLOORS = Floors()


@dataclass(frozen=True)
class Finding:
    """value: the share or difference that was tested; for near_chance agreement with the others. version: of the
    guideline after which a labeller changed.
    """

    labeller: int
    code: Code
    value: Stat
    p_value: float
    version: int | None = None


@dataclass(frozen=True)
class _Test:
    labeller: int
    code: Code
    value: Stat
    p_value: float
    is_large: bool
    version: int | None = field(default=None)


def findings(
    ratings: Ratings,
    figures: Mapping[int, Figures] | None = None,
    *,
    repeats: tuple[ArrayLike, ArrayLike] = ((), ()),
    gold_floor: float | None = None,
    words_per_minute: float = 800.0,
    alpha: float = 0.05,
    floors: Floors = FLOORS,
) -> list[Finding]:
    """What stands out, surest first. figures: of these ratings, where they have been computed.

    position_bias: the side shown first was preferred more or less often than half of the time (exact binomial).
    length_taste: preferred the longer completion more, or less, often than the others on the same comparisons.
    near_chance: agrees with the others hardly more than a labeller who draws their answers would.
    too_fast: rated faster than anybody reads (exact binomial).
    changed: agreement with the others moved from before to after a guideline version, by more than the others' did.
    inconsistent, misses_gold: repeats answered alike, gold answered rightly, less often than by the others
    (exact binomial); gold is held to the project's `gold_floor` where there is one.
    """
    if not len(ratings):
        return []
    if figures is None:
        figures = labeller_figures(ratings, repeats=repeats, words_per_minute=words_per_minute)
    ids, labeller = np.unique(ratings.labeller, return_inverse=True)
    tests = [
        *_position_bias(figures, floors),
        *_length_taste(ratings, ids, labeller, floors),
        *_near_chance(ratings, ids, labeller, figures, floors),
        *_too_fast(ratings, ids, labeller, figures, words_per_minute, floors),
        *_behind_others("inconsistent", {who: of.self_agreement for who, of in figures.items()}, None, floors),
        *_behind_others("misses_gold", {who: of.gold for who, of in figures.items()}, gold_floor, floors),
        *_changed(ratings, ids, labeller, floors),
    ]
    surest: dict[tuple[int, Code], Finding] = {}
    for test, is_rejected in zip(tests, holm([test.p_value for test in tests], alpha), strict=True):
        if is_rejected and test.is_large:
            one = Finding(test.labeller, test.code, test.value, test.p_value, test.version)
            # A change shows at the versions next to it as well; it is told once.
            before = surest.setdefault((one.labeller, one.code), one)
            if (one.p_value, -abs(one.value.value or 0)) < (before.p_value, -abs(before.value.value or 0)):
                surest[one.labeller, one.code] = one
    return sorted(surest.values(), key=lambda one: (one.p_value, one.labeller, one.code))


def holm(p_values: list[float], alpha: float) -> list[bool]:
    """Which hypotheses Holm's step-down rejects: the smallest p-value is held to alpha / m, the next to alpha / (m − 1)
    and so on, until the first that is larger.
    """
    is_rejected = [False] * len(p_values)
    for n_done, at in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        if p_values[at] > alpha / (len(p_values) - n_done):
            break
        is_rejected[at] = True
    return is_rejected


# --- The tests -------------------------------------------------------------------------------------------------------


def _position_bias(figures: Mapping[int, Figures], floors: Floors) -> list[_Test]:
    found = []
    for who, of in figures.items():
        stat = of.first_side
        if stat.value is not None and stat.n >= floors.n_ratings:
            n_first = round(stat.value * stat.n)
            p_value = min(1.0, 2 * binomial_tail(min(n_first, stat.n - n_first), stat.n, 0.5))
            found.append(
                _Test(who, "position_bias", stat, p_value, is_large=abs(stat.value - 0.5) >= floors.position_bias)
            )
    return found


def _length_taste(ratings: Ratings, ids: Ints, labeller: Ints, floors: Floors) -> list[_Test]:
    """The paired difference to the others, less what a labeller without any taste has of it.

    Somebody who errs more than the others prefers the longer one nearer to half of the time, whatever they think of
    length. On comparisons of which the others prefer the longer one in a share m, that alone makes a difference of
    (ρ − 1)(m − ½), with ρ the labeller's agreement above one half over that of the others among themselves.
    """
    n_labellers = len(ids)
    paired = longer_than_others(ratings)
    others = np.where(ratings.longer == 1, 1.0, 0.0) - paired
    skill = _relative_skill(ratings.select(ratings.side != 0), labeller[ratings.side != 0], n_labellers)
    corrected = paired - (skill[labeller] - 1) * (others - 0.5)
    moments = Moments.of(labeller, corrected, n_labellers)
    found = []
    for at in np.flatnonzero(moments.n >= floors.n_ratings).tolist():
        value, n = float(moments.mean[at]), int(moments.n[at])
        error = sqrt(float(moments.variance[at]) / n)
        p_value = min(1.0, 2 * _student_tail((abs(value) - floors.length_taste / 4) / max(error, 1e-12), n - 1))
        stat = Stat(value, value - 1.96 * error, value + 1.96 * error, n, too_few=False)
        found.append(_Test(int(ids[at]), "length_taste", stat, p_value, is_large=abs(value) >= floors.length_taste))
    return found


def _relative_skill(sided: Ratings, labeller: Ints, n_labellers: int) -> Floats:
    """Each labeller's agreement above one half, over that of the pairs of others; 1 where it cannot be told. (L,)"""
    agreement, others = _pairwise(sided.comparison, sided.side, labeller, n_labellers)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (agreement - 0.5) / (others - 0.5)
    return np.clip(np.where((others > 0.51) & ~np.isnan(found), found, 1.0), 0.0, 1.25)


def _pairwise(units: ArrayLike, sides: ArrayLike, labeller: Ints, n_labellers: int) -> tuple[Floats, Floats]:
    """Share of rating pairs that agree: of each labeller's pairs, and of all the others' pairs. Both (L,)."""
    unit = np.unique(np.asarray(units), return_inverse=True)[1]
    share_agreeing = others_agreeing(units, sides)
    n_others = (np.bincount(unit)[unit] - 1).astype(np.float64) if len(unit) else np.empty(0)
    agreeing = np.bincount(labeller, weights=np.nan_to_num(share_agreeing) * n_others, minlength=n_labellers)
    pairs = np.bincount(labeller, weights=n_others, minlength=n_labellers)
    # Each pair is counted from both ends; those of one labeller are theirs and as many of the others'.
    of_others = share(agreeing.sum() / 2 - agreeing, np.maximum(pairs.sum() / 2 - pairs, 0.0))
    return share(agreeing, pairs), of_others


def _near_chance(
    ratings: Ratings, ids: Ints, labeller: Ints, figures: Mapping[int, Figures], floors: Floors
) -> list[_Test]:
    n_labellers = len(ids)
    is_tie = (ratings.side == 0).astype(np.float64)
    agreement = Moments.of(labeller, others_agreeing(ratings.comparison, ratings.side), n_labellers)
    _, of_others = _pairwise(ratings.comparison, ratings.side, labeller, n_labellers)
    n_of = np.bincount(labeller, minlength=n_labellers).astype(np.float64)
    n_ties = np.bincount(labeller, weights=is_tie, minlength=n_labellers)
    ties, others_ties = share(n_ties, n_of), share(n_ties.sum() - n_ties, n_of.sum() - n_of)
    # Which completion is called a says nothing, so drawn sides agree half of the time.
    chance = ties * others_ties + (1 - ties) * (1 - others_ties) / 2
    chance_of_others = others_ties**2 + (1 - others_ties) ** 2 / 2
    above_chance = of_others - chance_of_others
    found = []
    for at in np.flatnonzero(agreement.n >= floors.n_ratings).tolist():
        # Where the others agree no more than by chance, nobody can be told from it.
        if np.isnan(above_chance[at]) or above_chance[at] < 0.05:
            continue
        n = int(agreement.n[at])
        error = sqrt(max(float(agreement.variance[at]), 0.25 / n) / n)
        harmless = float(chance[at] + floors.near_chance * above_chance[at])
        p_value = _student_tail((harmless - float(agreement.mean[at])) / error, n - 1)
        who = int(ids[at])
        found.append(_Test(who, "near_chance", figures[who].with_others, p_value, is_large=True))
    return found


def _too_fast(
    ratings: Ratings,
    ids: Ints,
    labeller: Ints,
    figures: Mapping[int, Figures],
    words_per_minute: float,
    floors: Floors,
) -> list[_Test]:
    fast = Moments.of(labeller, faster_than(ratings, words_per_minute), len(ids))
    found = []
    for at in np.flatnonzero(fast.n >= floors.n_ratings).tolist():
        n, who = int(fast.n[at]), int(ids[at])
        n_fast = round(float(fast.mean[at]) * n)
        # At least so many: the other ones are at most the rest.
        p_value = binomial_tail(n - n_fast, n, 1 - floors.too_fast / 2)
        found.append(
            _Test(who, "too_fast", figures[who].too_fast, p_value, is_large=bool(n_fast >= floors.too_fast * n))
        )
    return found


def _behind_others(code: Code, stats: Mapping[int, Stat], floor: float | None, floors: Floors) -> list[_Test]:
    asked = {who: stat for who, stat in stats.items() if stat.value is not None and stat.n >= floors.n_asked}
    n_all = sum(stat.n for stat in asked.values())
    n_hits_all = sum((stat.value or 0.0) * stat.n for stat in asked.values())
    found = []
    for who, stat in asked.items():
        n_hits, n_others = round((stat.value or 0.0) * stat.n), n_all - stat.n
        if floor is not None:
            harmless = floor
        elif n_others >= 2 * floors.n_asked:
            harmless = (n_hits_all - n_hits) / n_others - floors.behind
        else:
            continue
        if 0 < harmless < 1:
            found.append(_Test(who, code, stat, binomial_tail(n_hits, stat.n, harmless), is_large=True))
    return found


def _changed(ratings: Ratings, ids: Ints, labeller: Ints, floors: Floors, *, most: int = 20) -> list[_Test]:
    """Before and after each of the latest versions, against what the others' agreement did in the same time.

    Ratings are compared with those of others on the same side of the version only: who follows a new rule disagrees
    with old ratings by right. The others' change is the median of theirs, so that one who changed moves it little.
    """
    n_labellers = len(ids)
    unit = np.unique(ratings.comparison, return_inverse=True)[1]
    found = []
    for version in np.unique(ratings.version)[1:][-most:].tolist():
        is_after = ratings.version >= version
        agreeing = others_agreeing(unit * 2 + is_after, ratings.side)
        before = Moments.of(labeller[~is_after], agreeing[~is_after], n_labellers)
        after = Moments.of(labeller[is_after], agreeing[is_after], n_labellers)
        enough = np.flatnonzero(np.minimum(before.n, after.n) >= floors.n_ratings)
        if len(enough) < 3:  # of two, the other one may have changed
            continue
        change = (after.mean - before.mean)[enough]
        variance = (before.variance / np.maximum(before.n, 1) + after.variance / np.maximum(after.n, 1))[enough]
        for place, at in enumerate(enough.tolist()):
            others = np.arange(len(enough)) != place
            value = float(change[place] - np.median(change[others]))
            # The median of k normal values varies by π/2 of what their mean does.
            error = sqrt(float(variance[place]) + 1.571 * float(variance[others].mean()) / int(others.sum()))
            smaller = int(min(before.n[at], after.n[at]))
            p_value = min(1.0, 2 * _student_tail((abs(value) - floors.changed / 5) / max(error, 1e-12), smaller - 1))
            n = int(before.n[at] + after.n[at])
            stat = Stat(value, value - 1.96 * error, value + 1.96 * error, n, too_few=False)
            is_large = abs(value) >= floors.changed
            found.append(_Test(int(ids[at]), "changed", stat, p_value, is_large, version))
    return found


# --- Tails -----------------------------------------------------------------------------------------------------------


def binomial_tail(n_hits: int, n: int, p: float) -> float:
    """P(at most n_hits of n), each with chance 0 < p < 1: the exact sum."""
    k = np.arange(n_hits + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    terms = log_factorial[n] - log_factorial[k] - log_factorial[n - k] + k * log(p) + (n - k) * log(1 - p)
    return float(min(1.0, np.exp(terms).sum()))


def _student_tail(t: float, freedom: int) -> float:
    """P(T > t), by Wallace's (1959) normal approximation: within a hundredth of the tail from 10 degrees of freedom."""
    v = max(freedom, 1)
    z = (8 * v + 1) / (8 * v + 3) * sqrt(v * log(1 + t * t / v))
    return 0.5 * erfc((z if t > 0 else -z) / sqrt(2))
