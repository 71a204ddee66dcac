"""When a model may take over by itself."""

from training.reward.rules import decide


def report(value: float, low: float | None, n: int = 100, incumbent: float | None = None, **more):
    made = {
        "accuracy": {"value": value, "low": low, "high": 2 * value - (low or value), "n": n, "too_few": False},
        "baselines": {"longer": {"value": 0.6}},
    }
    if incumbent is not None:
        made["incumbent"] = {"version": 3, "accuracy": {"value": incumbent, "n": n}}
    return made | more


def test_the_first_one_that_is_clearly_better_than_a_coin_toss_is_promoted():
    decision = decide(report(0.7, 0.6))
    assert decision.promote
    assert "70.0% (60.0% to 80.0%, n = 100)" in decision.reason
    assert "more than the 60.0% of preferring the longer" in decision.reason


def test_a_lower_bound_of_one_half_is_not_enough():
    assert not decide(report(0.62, 0.5)).promote
    decision = decide(report(0.62, 0.48))
    assert not decision.promote
    assert "coin toss" in decision.reason


def test_an_interval_that_is_not_known_is_not_enough():
    assert not decide(report(1.0, None, n=3)).promote


def test_without_held_out_comparisons_nothing_is_promoted():
    assert not decide({}).promote
    assert "no held-out" in decide(report(0.5, None, n=0)).reason


def test_a_later_one_must_not_be_worse_on_the_same_comparisons():
    assert decide(report(0.7, 0.6, incumbent=0.7)).promote
    assert decide(report(0.7, 0.6, incumbent=0.65)).promote
    decision = decide(report(0.7, 0.6, incumbent=0.71))
    assert not decision.promote
    assert "71.0% of v3" in decision.reason


def test_an_incumbent_that_could_not_be_judged_stays():
    made = report(0.9, 0.8) | {"incumbent": {"version": 2, "accuracy": None, "error": "broken"}}
    assert not decide(made).promote


def test_being_no_better_than_length_is_said():
    assert "no more than the 60.0%" in decide(report(0.6, 0.55)).reason
