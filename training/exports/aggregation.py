"""From the ratings of one comparison to the numbers of its row in a comparison set. Pure functions."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from training.exports.spec import Spec
from training.splits import split_of as split_of

# Shares such as 2/3 are compared with what a person typed.
EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Vote:
    """One current rating: preferred "a", "b" or "tie"; intensity from 1 (weakest), None where there is none."""

    preferred: str
    intensity: int | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the ratings of a comparison say together.

    `chosen` is "a" or "b"; `soft_preference` is P(chosen preferred), ½ for a tie; `agreement` the share of the ratings
    that gave the verdict; `intensity` their mean (None when none of them carries one); `margin` and `weight` follow
    from it. `is_hard`: agreement is below the spec's floor, and it was kept all the same.
    """

    chosen: str
    soft_preference: float
    agreement: float
    intensity: float | None
    margin: float
    weight: float
    is_tie: bool
    is_hard: bool = False


def preferred_side(n_a: int, n_b: int) -> str:
    """ "a", "b" or "tie": the side with more votes. Ties are no votes against a side; they lower the agreement."""
    return "a" if n_a > n_b else "b" if n_b > n_a else "tie"


def smoothed_share(wins: float, n: float) -> float:
    """(wins + ½) / (n + 1): the posterior mean of a share under Jeffreys' prior Beta(½, ½). In (0, 1) for n ≥ 0."""
    return (wins + 0.5) / (n + 1)


def margin_of(intensity: float | None, n_levels: int) -> float:
    """Llama 2's small margins (Touvron et al. 2023, table 27) on any number of levels: weakest 0, strongest 1.

    Linear in between: 0, ⅓, ⅔, 1 for four levels. 0 where the intensity is unknown or there is one level.
    """
    return 0.0 if intensity is None or n_levels < 2 else (intensity - 1) / (n_levels - 1)


def weight_of(intensity: float | None, n_levels: int) -> float:
    """Weight of scaled Bradley-Terry (HelpSteer2-Preference, arXiv 2410.01257): proportional to the intensity.

    Scaled so that the middle of the scale, and an unknown intensity, weigh 1: 0.4, 0.8, 1.2, 1.6 for four levels. The
    trainer normalises the weights of a set to mean 1.
    """
    return 1.0 if intensity is None else intensity / ((n_levels + 1) / 2)


def aggregate(
    votes: Sequence[Vote], spec: Spec, *, n_levels: int, comparison_id: int, posterior_a: float | None = None
) -> Verdict | None:
    """The verdict of a comparison's ratings that count, or None when the spec leaves it out.

    soft_preference = (w + ½) / (n + 1), w the votes for the chosen side. Single ties are left out of w and n with
    ties="drop" and count half for each side with ties="soft". The chosen side of a tie is drawn by the comparison's id.
    `posterior_a` is the model of labellers' P(a preferred), ties halved: with preference="posterior" it takes the
    votes' place wherever the votes are no tie, and may turn the verdict round.
    """
    n_a = sum(vote.preferred == "a" for vote in votes)
    n_b = sum(vote.preferred == "b" for vote in votes)
    n = len(votes)
    if n < spec.min_ratings or n == 0:
        return None
    side = preferred_side(n_a, n_b)
    n_ties = n - n_a - n_b
    n_side = n_ties if side == "tie" else max(n_a, n_b)
    is_hard = n_side / n + EPSILON < spec.min_agreement
    if (side == "tie" and spec.ties == "drop") or (is_hard and spec.low_agreement == "drop"):
        return None
    if side == "tie":
        verdict = _verdict(drawn_side(comparison_id), 0.5, n_side / n, None, spec, n_levels, is_tie=True)
        return _as_hard(verdict, spec) if is_hard else verdict
    strength = mean_intensity(votes, side)
    if strength is not None and spec.min_intensity is not None and strength + EPSILON < spec.min_intensity:
        return None
    p = smoothed_share(n_side + n_ties / 2, n) if spec.ties == "soft" else smoothed_share(n_side, n_a + n_b)
    if spec.preference == "posterior" and posterior_a is not None:
        p_side = posterior_a if side == "a" else 1 - posterior_a
        if p_side < 0.5:
            side = "b" if side == "a" else "a"
            n_side, strength = n - n_ties - n_side, mean_intensity(votes, side)
        p = max(p_side, 1 - p_side)
    verdict = _verdict(side, p, n_side / n, strength, spec, n_levels, is_tie=False)
    return _as_hard(verdict, spec) if is_hard else verdict


def mean_intensity(votes: Sequence[Vote], side: str) -> float | None:
    """Mean intensity of those who preferred a side; None when none of them gave one."""
    given = [vote.intensity for vote in votes if vote.preferred == side and vote.intensity is not None]
    return sum(given) / len(given) if given else None


def adjudicated(
    verdict: str, intensity: int | None, n_ratings: int, spec: Spec, *, n_levels: int, comparison_id: int
) -> Verdict | None:
    """A reviewer's verdict in place of the ratings: as if all `n_ratings` of them, and one at least, had said the same.

    None when the spec leaves adjudicated comparisons or ties out, and for the verdict "invalid".
    """
    if verdict == "invalid" or not spec.include_adjudicated:
        return None
    if verdict == "tie":
        if spec.ties == "drop":
            return None
        return _verdict(drawn_side(comparison_id), 0.5, 1.0, None, spec, n_levels, is_tie=True)
    if intensity is not None and spec.min_intensity is not None and intensity + EPSILON < spec.min_intensity:
        return None
    n_ratings = max(n_ratings, 1)
    p = smoothed_share(n_ratings, n_ratings)
    return _verdict(verdict, p, 1.0, intensity, spec, n_levels, is_tie=False)


def drawn_side(comparison_id: int) -> str:
    """A side for a tie, drawn by the comparison's id: neither side is favoured, and the draw never changes."""
    return "ab"[hashlib.sha256(str(comparison_id).encode()).digest()[0] & 1]


def _verdict(
    chosen: str, p: float, agreement: float, intensity: float | None, spec: Spec, n_levels: int, *, is_tie: bool
) -> Verdict:
    weight = weight_of(intensity, n_levels) if spec.intensity_weighting == "scaled_bt" else 1.0
    if spec.agreement_weighting == "share":
        weight *= agreement
    margin = {"none": 0.0, "small": 1.0, "large": 3.0}[spec.margins] * margin_of(intensity, n_levels)
    return Verdict(chosen, p, agreement, intensity, margin, weight, is_tie)


def _as_hard(verdict: Verdict, spec: Spec) -> Verdict:
    return replace(verdict, weight=verdict.weight * spec.hard_weight, is_hard=True)
