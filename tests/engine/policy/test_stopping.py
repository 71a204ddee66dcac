"""What stops a run and what is kept, case by case, and on noisy courses whose best is known."""

import json

import numpy as np
import pytest

from training.engine.policy.stopping import Point, StopRule, decide


def course(gold, proxy=None, se=0.1):
    """Evaluations every 10 steps; the reference first."""
    proxy = proxy or range(len(gold))
    return [Point(10 * at, float(at), float(p), g, se) for at, (g, p) in enumerate(zip(gold, proxy, strict=True))]


def test_without_gold_nothing_stops_and_the_last_is_kept():
    assert decide([]).best_step == 0
    found = decide(course([None] * 6))
    assert (found.stop, found.reason, found.message, found.best_step) == (False, "", "", 50)
    # Gold that is not a number says nothing.
    assert decide(course([0.0, 1.0, float("nan")])).best_step == 10


def test_while_gold_rises_the_last_is_the_best():
    found = decide(course([0, 0.3, 0.5, 0.9]))
    assert (found.stop, found.best_step) == (False, 30)


def test_gold_has_fallen_once_the_bounds_part():
    rule = StopRule(patience=0)
    # The bounds of two standard errors of 0.1 each are 0.392 apart.
    assert not decide(course([0, 1.0, 0.62]), rule).stop
    found = decide(course([0, 1.0, 0.6]), rule)
    assert (found.stop, found.reason, found.best_step) == (True, "gold_fell", 10)
    assert found.message == ("Gold fell: at step 20 it gains 0.6 ± 0.2 over the reference, at step 10 it was 1 ± 0.2.")
    assert not decide(course([0, 1.0, 0.6]), StopRule(patience=0, confidence=0.99)).stop


def test_a_margin_holds_whatever_the_bounds():
    rule = StopRule(patience=0, margin=0.25)
    assert not decide(course([0, 1.0, 0.76], se=5.0), rule).stop
    found = decide(course([0, 1.0, 0.74], se=5.0), rule)
    assert (found.stop, found.reason, found.best_step) == (True, "gold_fell", 10)
    # Also where nobody knows the error.
    assert decide(course([0, 1.0, 0.74], se=None), rule).stop
    assert not decide(course([0, 1.0, -9], se=None), StopRule(patience=0)).stop


def test_of_few_ratings_only_the_bounds_end_a_run():
    parting = course([0, 0.4, 0.5, 0.4, 0.3, 0.2, 0.3], se=0.3)
    assert decide(parting, StopRule()).reason == "proxy_and_gold_part"
    assert StopRule().for_ratings(100) == StopRule()
    few = StopRule().for_ratings(99)
    assert few == StopRule(patience=0)
    # The best is chosen all the same, and a collapse ends it.
    assert (decide(parting, few).stop, decide(parting, few).best_step) == (False, 20)
    assert decide(course([0, 0.4, 0.5, 0.4, 0.3, 0.2, -0.8], se=0.3), few).reason == "gold_fell"


def test_proxy_and_gold_part_where_as_many_evaluations_as_before_bring_nothing():
    gold = [0, 0.5, 0.6, 0.6, 0.55, 0.5]
    # Means of two: 0.55 after 0.25 (with 0.6, 0.6); then 0.575 after 0.55; then 0.525 after 0.6.
    assert not decide(course(gold[:5]), StopRule(patience=2)).stop
    found = decide(course(gold), StopRule(patience=2))
    assert (found.stop, found.reason, found.best_step) == (True, "proxy_and_gold_part", 20)
    assert found.message == (
        "Proxy and gold part: from steps 20–30 to steps 40–50 the mean gain in reward went from 2.5 to 4.5, "
        "that in gold from 0.6 to 0.525."
    )
    # Three against three: 0.55 after 0.37.
    assert not decide(course(gold), StopRule(patience=3)).stop


def test_gold_that_stands_still_has_parted_from_a_proxy_that_rises():
    assert decide(course([0, 0.5, 0.5, 0.5, 0.5]), StopRule(patience=2)).reason == "proxy_and_gold_part"
    assert decide(course([0, 0.5, 0.5]), StopRule(patience=1)).message.startswith(
        "Proxy and gold part: from steps 10 to"
    )


def test_what_there_is_before_is_compared_with():
    # Two against the reference alone.
    assert decide(course([0, 0.1, -0.2]), StopRule(patience=2)).reason == "proxy_and_gold_part"
    assert not decide(course([0, 0.2, -0.1]), StopRule(patience=2)).stop


def test_proxy_and_gold_that_stand_still_together_do_not_part():
    still = course([0, 0.5, 0.5, 0.48, 0.5, 0.45], proxy=[0, 1, 1.0, 1.0, 1.0, 0.95])
    assert not decide(still, StopRule(patience=2)).stop


def test_evaluations_without_gold_between_do_not_count():
    points = course([0, 0.5, None, None, None, 0.45])
    assert decide(course([0, 0.5, 0.5, 0.5, 0.45]), StopRule(patience=2)).stop
    found = decide(points, StopRule(patience=2))
    assert (found.stop, found.best_step) == (False, 10)


def test_nothing_stops_before_the_least_number_of_evaluations():
    assert decide(course([0, -5.0]), StopRule(least=2)).reason == "gold_fell"
    assert not decide(course([0, -5.0]), StopRule(least=3)).stop


def test_caution_prefers_the_surer_one():
    points = [Point(0, 0, 0, 0.0, 0.0), Point(10, 1, 1, 0.5, 0.05), Point(20, 2, 2, 0.6, 0.4)]
    assert decide(points).best_step == 20
    assert decide(points, StopRule(caution=1.0)).best_step == 10
    # Nothing is surely better than the reference here: it is kept.
    assert decide([points[0], Point(10, 1, 1, 0.1, 0.2)], StopRule(caution=1.0)).best_step == 0


def test_of_equals_the_earlier_is_kept():
    assert decide(course([0, 0.5, 0.5])).best_step == 10


@pytest.mark.parametrize("wrong", [{"confidence": 1.0}, {"margin": -1}, {"patience": -1}, {"caution": -0.1}])
def test_rules_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        StopRule(**wrong)


def test_a_decision_and_a_rule_are_plain_json():
    found = json.loads(json.dumps(decide(course([0, 1.0, 0.2])).to_dict()))
    assert found["stop"] is True and found["reason"] == "gold_fell"
    assert StopRule(**json.loads(json.dumps(StopRule(margin=0.1).to_dict()))) == StopRule(margin=0.1)


def test_a_noisy_course_is_stopped_after_its_peak_and_keeps_nearly_the_best():
    """Gold d(1.2 − 0.3 d) over 20 evaluations to d = 4, best 1.2 at d = 2; standard error 0.1."""
    rng, d = np.random.default_rng(2), np.linspace(0, 4, 20)
    truth = d * (1.2 - 0.3 * d)
    stopped, regret = [], []
    for _ in range(200):
        seen = truth + 0.1 * rng.standard_normal(20)
        points = [Point(at, d[at], d[at], seen[at], 0.1) for at in range(20)]
        end = next((n for n in range(1, 21) if decide(points[:n]).stop), 20)
        stopped.append(d[end - 1])
        regret.append(truth.max() - truth[decide(points[:end]).best_step])
    assert np.mean(np.array(stopped) < 4) > 0.95
    assert np.mean(regret) < 0.12
