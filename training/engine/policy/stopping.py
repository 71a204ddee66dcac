"""When a policy is to be trained no further, and which of its evaluations is kept. Pure functions of numbers.

Gold is whatever judges better than the reward model that is trained on (the proxy): a win rate by people less ½, a
second reward model, the simulator's truth. As its gain over the reference, in any unit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import NormalDist, fmean
from typing import Any, Literal

Reason = Literal["", "gold_fell", "proxy_and_gold_part"]

# With fewer ratings of an evaluation, means that part end a run too early (docs/over-optimisation.md, what stopping
# costs: 0.29 to 0.37 of gold with 36 ratings, against 0.16 to 0.17 with bounds alone).
LEAST_TO_PART = 100


@dataclass(frozen=True)
class Point:
    """One evaluation: gains over the reference at a distance d from it. Without gold, gold_gain is None; a gold_se of
    None is an unknown error."""

    step: int
    d: float
    proxy_gain: float
    gold_gain: float | None = None
    gold_se: float | None = None

    @classmethod
    def of(cls, evaluation: dict[str, Any]) -> Point:
        """An evaluation of `optimise` as this rule reads it."""
        return cls(
            step=evaluation["step"],
            d=evaluation["d"],
            proxy_gain=evaluation["reward_gain"],
            gold_gain=evaluation["gold_gain"],
            gold_se=evaluation["gold_gain_se"],
        )


@dataclass(frozen=True)
class StopRule:
    """confidence: of the bounds by which gold has fallen. margin: what gold may lie below its best whatever the bounds
    say, in gold's unit; 0 is no such rule. patience: over so many evaluations gold's mean must rise above that of as
    many before, or proxy and gold part; 0 is no such rule. caution: standard errors that are taken off gold before the
    best is chosen. least: evaluations with gold before anything is stopped, the reference's among them.
    """

    confidence: float = 0.95
    margin: float = 0.0
    patience: int = 3
    caution: float = 0.0
    least: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence: expected a number between 0 and 1, got {self.confidence!r}")
        for name in ("margin", "patience", "caution", "least"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected 0 or more, got {getattr(self, name)!r}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def for_ratings(self, n: int) -> StopRule:
        """This rule where gold is a win rate of n ratings an evaluation: of few, only the bounds end a run."""
        return self if n >= LEAST_TO_PART else replace(self, patience=0)


@dataclass(frozen=True)
class Decision:
    """message: why, for people. best_step: the evaluation to keep, that of the reference being one of them."""

    stop: bool
    reason: Reason
    message: str
    best_step: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def decide(history: Sequence[Point], rule: StopRule = StopRule()) -> Decision:
    """Whether to stop after the last of these evaluations, which are in order of time.

    Gold has fallen where its upper bound now lies below the lower bound at its best, or its value below its best by
    more than the margin. Proxy and gold part where, of the last `patience` evaluations against as many before (or what
    there is of them), the mean of the proxy's gains is higher and that of gold's is not: means, since one lucky
    evaluation would be hard to beat though gold rises. The best is that of the highest gold, less `caution` standard
    errors; without gold it is the last, and nothing stops.
    """
    judged = [point for point in history if point.gold_gain is not None and math.isfinite(point.gold_gain)]
    if not judged:
        return Decision(False, "", "", history[-1].step if history else 0)
    kept = max(judged, key=lambda point: (_gold(point) - rule.caution * (point.gold_se or 0.0), -point.step))
    top = max(judged, key=lambda point: (_gold(point), -point.step))
    now = judged[-1]
    if len(judged) < rule.least or now is top:
        return Decision(False, "", "", kept.step)
    z = NormalDist().inv_cdf(0.5 + rule.confidence / 2)
    bounds = None
    if now.gold_se is not None and top.gold_se is not None:
        bounds = (_gold(now) + z * now.gold_se, _gold(top) - z * top.gold_se)
    if bounds is not None and bounds[0] < bounds[1]:
        message = (
            f"Gold fell: at step {now.step} it gains {_with_bounds(now, z)} over the reference, "
            f"at step {top.step} it was {_with_bounds(top, z)}."
        )
        return Decision(True, "gold_fell", message, kept.step)
    if 0 < rule.margin < _gold(top) - _gold(now):
        message = (
            f"Gold fell by more than {rule.margin:g}: at step {now.step} it gains {_gold(now):.3g} over the reference, "
            f"at step {top.step} it was {_gold(top):.3g}."
        )
        return Decision(True, "gold_fell", message, kept.step)
    late, early = judged[-rule.patience :], judged[-2 * rule.patience : -rule.patience]
    if rule.patience and early:
        proxy = [fmean(point.proxy_gain for point in part) for part in (early, late)]
        gold = [fmean(_gold(point) for point in part) for part in (early, late)]
        if proxy[1] > proxy[0] and gold[1] <= gold[0]:
            message = (
                f"Proxy and gold part: from steps {_steps(early)} to steps {_steps(late)} the mean gain in reward went "
                f"from {proxy[0]:.3g} to {proxy[1]:.3g}, that in gold from {gold[0]:.3g} to {gold[1]:.3g}."
            )
            return Decision(True, "proxy_and_gold_part", message, kept.step)
    return Decision(False, "", "", kept.step)


def _gold(point: Point) -> float:
    assert point.gold_gain is not None
    return point.gold_gain


def _steps(points: Sequence[Point]) -> str:
    return "–".join(str(step) for step in dict.fromkeys((points[0].step, points[-1].step)))


def _with_bounds(point: Point, z: float) -> str:
    return f"{_gold(point):.3g} ± {z * (point.gold_se or 0.0):.2g}"
