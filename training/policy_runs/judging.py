"""Whether a policy is to be trained on: by a second reward model, and by people."""

from collections.abc import Iterator, Set
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

from training.engine.policy.stopping import Point, StopRule, decide
from training.policy_runs.models import PolicyEvaluation, PolicyRun
from training.policy_runs.options import PolicyRunOptions
from training.policy_runs.people import WinRate, win_rates

# People count once so many samples of an evaluation, and half of those asked about, are judged.
LEAST_JUDGED = 10
# Half the width of a 95 % interval in standard errors.
_Z = 1.959964


@dataclass(frozen=True)
class PeoplesDecision:
    """As the engine's Decision; reason: "people_fell" or "proxy_and_people_part"."""

    stop: bool
    reason: str
    message: str
    best_step: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def report_of(run: PolicyRun) -> dict[str, Any]:
    """{"fit", "fit_of", "decision", "people", "latest"} as of now.

    fit: the curve of Gao et al. through the gains by the second model, or through people's win rates less ½ where there
    is no such model ("gold", "people", "" for none). decision: by the second model; people: by people; None where they
    have said nothing. latest: the last evaluation in a few numbers.
    """
    from training.engine.policy.overoptimisation import fit_gao  # brings scipy, which web processes have not

    evaluations, rates = list(PolicyEvaluation.objects.filter(run=run).order_by("step")), win_rates(run)
    gold, people = gold_points(evaluations), people_points(evaluations, rates)
    said = _by_people(run, evaluations, rates)
    fit, fit_of = None, ""
    for name, points in (("gold", gold), ("people", people)):
        if fit is None and len(points) > 1:
            found = fit_gao(
                "rl",
                [point.d for point in points],
                [_gold(point) for point in points],
                [point.gold_se or 0.0 for point in points],  # the reference alone has none, and no say
            )
            fit, fit_of = (None, "") if found is None else (found.to_dict(), name)
    return {
        "fit": fit,
        "fit_of": fit_of,
        "decision": decide(gold, rule_of(run)).to_dict() if gold else None,
        "people": None if said is None else said.to_dict(),
        "latest": _latest(evaluations),
    }


def peoples_decision(run: PolicyRun, gone: Set[int] = frozenset()) -> PeoplesDecision | None:
    """What people say so far, during a run or after it, in their name; None before they have said enough. The best is
    none of the steps that are `gone`, whose policy cannot be kept any more."""
    rates = win_rates(run)
    evaluations = list(PolicyEvaluation.objects.filter(run=run).order_by("step"))
    found = _by_people(run, evaluations, rates)
    if found is None or found.best_step not in gone:
        return found
    left = [point for point in people_points(evaluations, rates) if point.step not in gone]
    return replace(found, best_step=decide(left, rule_of(run)).best_step)


def rule_of(run: PolicyRun) -> StopRule:
    return PolicyRunOptions.parse(run.options).stop_rule


def _by_people(
    run: PolicyRun, evaluations: list[PolicyEvaluation], rates: dict[int, WinRate]
) -> PeoplesDecision | None:
    points = people_points(evaluations, rates)
    if not points:
        return None
    return decide_by_people(points, rule_of(run), min(rate.n for _, rate in _counting(evaluations, rates)))


def decide_by_people(points: list[Point], rule: StopRule, n: int) -> PeoplesDecision:
    """By win rates less ½ of n judged comparisons an evaluation at least. The rule's margin is in another judge's unit
    and does not count."""
    rule = replace(rule, margin=0.0).for_ratings(n)
    found = decide(points, rule)
    if not found.stop:
        return PeoplesDecision(False, "", "", found.best_step)
    best, now = next(point for point in points if point.step == found.best_step), points[-1]
    told = f"{_wins(best)} against the reference at step {best.step}, {_wins(now)} at step {now.step}"
    if found.reason == "gold_fell":
        return PeoplesDecision(True, "people_fell", f"People like it less: it won {told}.", found.best_step)
    late, early = points[-rule.patience :], points[-2 * rule.patience : -rule.patience]
    won, claimed = (
        [f"{0.5 + fmean(of(point) for point in part):.0%}" for part in (early, late)]
        for of in (_gold, lambda point: point.proxy_gain)
    )
    message = (
        f"The reward model and people part: over the last {len(late)} evaluations it claims {claimed[1]} against the "
        f"reference and before that {claimed[0]}; people say {won[1]}, before that {won[0]}."
    )
    return PeoplesDecision(True, "proxy_and_people_part", message, found.best_step)


def _wins(point: Point) -> str:
    return f"{0.5 + _gold(point):.0%} ± {_Z * (point.gold_se or 0.0):.0%}"


def gold_points(evaluations: list[PolicyEvaluation]) -> list[Point]:
    """One for each evaluation that a second model has judged."""
    judged = [(one.step, one.metrics) for one in evaluations if one.metrics.get("gold_gain") is not None]
    return [
        Point(step, told["d"], told["reward_gain"], told["gold_gain"], told["gold_gain_se"]) for step, told in judged
    ]


def people_points(evaluations: list[PolicyEvaluation], rates: dict[int, WinRate]) -> list[Point]:
    """One for each evaluation that people have judged, win rates and what the reward model claims less ½; before them
    the reference, which wins half against itself. [] where people have judged none."""
    points = []
    for one, rate in _counting(evaluations, rates):
        assert rate.rate is not None and rate.low is not None and rate.high is not None
        se = (rate.high - rate.low) / (2 * _Z)
        points.append(Point(one.step, one.metrics["d"], rate.claimed - 0.5, rate.rate - 0.5, se))
    return [Point(0, 0.0, 0.0, 0.0, 0.0), *points] if points else []


def _counting(
    evaluations: list[PolicyEvaluation], rates: dict[int, WinRate]
) -> Iterator[tuple[PolicyEvaluation, WinRate]]:
    """Those of which enough is judged, the start not among them."""
    for one in evaluations:
        rate = rates.get(one.pk)
        if one.step and rate is not None and rate.n >= LEAST_JUDGED and 2 * rate.n >= rate.n_asked:
            yield one, rate


def _gold(point: Point) -> float:
    assert point.gold_gain is not None
    return point.gold_gain


def _latest(evaluations: list[PolicyEvaluation]) -> dict[str, Any] | None:
    if not evaluations:
        return None
    names = ("kl", "d", "reward_gain", "gold_gain", "length")
    last = evaluations[-1]
    return {"step": last.step, **{name: last.metrics.get(name) for name in names}}
