"""When a model may take over by itself."""

import pytest

from training.reward.rules import Limits, blocks_of, decide


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


def codes(made: dict, **limits) -> list[str]:
    return [block.code for block in blocks_of(made, Limits(**limits))]


@pytest.mark.parametrize(
    ("spearman", "limit", "expected"),
    [
        (0.51, 0.5, ["length_correlation"]),
        (-0.51, 0.5, ["length_correlation"]),
        (0.5, 0.5, []),
        (0.9, None, []),
        (None, 0.5, []),
    ],
)
def test_a_reward_that_follows_length_is_not_promoted(spearman, limit, expected):
    made = report(0.8, 0.7, length_correlation={"within_comparison": {"pearson": 0.1, "spearman": spearman}})
    assert codes(made, max_length_correlation=limit) == expected


def test_a_lead_over_the_longer_one_is_asked_for_where_the_project_says_so():
    assert codes(report(0.64, 0.55)) == []
    assert codes(report(0.64, 0.55), min_advantage=0.05) == ["advantage"]
    assert codes(report(0.66, 0.55), min_advantage=0.05) == []


def beside(**batches: tuple[float, float, int]) -> dict:
    """The incumbent, slightly worse on the whole; by batch (difference, upper end of its interval, n)."""
    rows = [
        {"bucket": name, "difference": {"value": value, "low": 2 * value - high, "high": high, "n": n}}
        for name, (value, high, n) in batches.items()
    ]
    return {"version": 3, "accuracy": {"value": 0.65, "n": 100}, "batches": rows}


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ((-0.2, -0.05, 40), ["worse_on_batch"]),
        ((-0.2, 0.01, 40), []),
        ((0.2, 0.3, 40), []),
        ((-0.5, -0.1, 29), []),
    ],
)
def test_gains_elsewhere_do_not_buy_a_batch_on_which_it_is_significantly_worse(batch, expected):
    made = report(0.7, 0.6) | {"incumbent": beside(second=batch, first=(0.0, 0.1, 50))}
    assert codes(made) == expected
    assert codes(made, must_beat_promoted=False) == []
    assert decide(made).promote == (not expected)


def aged(value: float | None, high: float | None, n: int) -> dict:
    """What a model in use says of one age of comparisons: own accuracy minus its, and the upper end of the interval."""
    low = None if value is None or high is None else 2 * value - high
    return {"n": n, "difference": {"value": value, "low": low, "high": high, "n": n}}


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        ((-0.1, -0.02, 200), True),
        ((-0.1, 0.01, 200), False),
        ((0.1, 0.15, 200), False),
        ((-0.5, -0.1, 29), False),
        ((None, None, 0), False),
    ],
)
@pytest.mark.parametrize("name", ["earlier", "fresh"])
def test_it_must_not_be_significantly_worse_on_what_is_old_or_on_what_is_new(name, age, expected):
    """Although it is better on the whole; a slice with fewer comparisons than a batch needs says nothing."""
    made = report(0.7, 0.6) | {"incumbent": beside() | {name: aged(*age)}}
    assert codes(made) == ([f"worse_on_{name}"] if expected else [])
    assert codes(made, must_beat_promoted=False) == []
    assert codes(made, min_batch_comparisons=201) == []
    assert decide(made).promote == (not expected)


def test_it_says_on_which_comparisons_it_is_worse():
    ages = {"earlier": aged(-0.1, -0.02, 200), "fresh": aged(-0.2, -0.04, 90)}
    first, second = blocks_of(report(0.7, 0.6) | {"incumbent": beside() | ages}, Limits())
    assert first.message == (
        "On the earlier comparisons, held out when v3 was trained, it is 10.0% less accurate than v3 "
        "(at least 2.0%, n = 200)."
    )
    assert second.message == (
        "On the new comparisons, which v3 never had, it is 20.0% less accurate than v3 (at least 4.0%, n = 90)."
    )


def test_what_old_and_new_comparisons_say_is_told_with_a_promotion():
    ages = {"earlier": aged(-0.01, 0.02, 200), "fresh": aged(0.125, 0.2, 90)}
    made = report(0.7, 0.6) | {"incumbent": beside() | ages}
    assert "65.0% of v3 on the same comparisons (-1.0% on earlier ones, +12.5% on new ones)" in decide(made).reason
    assert "earlier ones" not in decide(report(0.7, 0.6) | {"incumbent": beside() | {"fresh": None}}).reason


def test_both_are_judged_on_the_comparisons_that_both_were_judged_on():
    """0.7 on all of its test split, but 0.6 on those that the two share."""
    made = report(0.7, 0.6) | {"incumbent": beside() | {"own_accuracy": {"value": 0.6, "n": 50}}}
    assert codes(made) == ["worse_than_promoted"]


def test_every_reason_is_told_at_once():
    made = report(0.52, 0.45, incumbent=0.6, length_correlation={"within_comparison": {"spearman": 0.8}})
    assert codes(made) == ["coin_toss", "worse_than_promoted", "length_correlation"]
    told = decide(made).reason
    assert told.startswith("Not promoted: ") and "coin toss" in told and "60.0% of v3" in told and "0.80" in told
