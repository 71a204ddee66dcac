import numpy as np
import pytest

from annotate.agreement.metrics import Stat
from training.judges.comparing import compare, length_slice, verdict


def report(side, p_a, p_first=None, p_second=None, length_a=None, length_b=None, slices=None, people=None):
    n = len(side)
    return compare(
        ids=np.arange(1, n + 1, dtype=np.int64),
        side=np.array(side, dtype=np.int64),
        p_a=np.array(p_a, dtype=np.float64),
        p_first_order=np.array(p_a if p_first is None else p_first, dtype=np.float64),
        p_second_order=np.array(p_a if p_second is None else p_second, dtype=np.float64),
        length_a=np.array(length_a or [10] * n, dtype=np.int64),
        length_b=np.array(length_b or [10] * n, dtype=np.int64),
        slices=slices or {},
        people_kappa=people,
        n_resamples=200,
    )


def test_agreement_and_calibration_by_hand():
    """Of 20 with p = 0.8 for a, people prefer a in 15: agreement 75 %, Brier (15 · 0.04 + 5 · 0.64) / 20 = 0.19."""
    found = report([1] * 15 + [-1] * 5, [0.8] * 20)
    assert found["n"] == 20 and found["n_undecided"] == 0
    assert found["agreement"]["value"] == pytest.approx(0.75)
    assert found["agreement"]["low"] < 0.75 < found["agreement"]["high"]
    assert found["brier"] == pytest.approx(0.19)
    (full,) = [one for one in found["calibration"] if one["n"]]
    assert (full["low"], full["high"]) == (0.8, 0.9)
    assert (full["confidence"], full["agrees"]) == (pytest.approx(0.8), pytest.approx(0.75))


def test_kappa_is_one_for_the_same_and_about_zero_for_a_coin():
    rng = np.random.default_rng(0)
    side = rng.choice([-1, 1], 400)
    same = report(side, np.where(side > 0, 0.9, 0.1))
    assert same["kappa"]["value"] == pytest.approx(1.0)
    coin = report(side, np.where(rng.random(400) < 0.5, 0.9, 0.1))
    assert abs(coin["kappa"]["value"]) < 0.15


def test_one_half_agrees_with_neither_side():
    found = report([1, -1] * 10, [0.5] * 20)
    assert found["n_undecided"] == 20
    assert found["agreement"]["value"] == 0.0
    assert verdict(report([1, -1] * 100, [0.5] * 200))


def test_the_liking_for_a_position_is_measured():
    """P(the first shown) is 0.9 in both orders: a bias of 0.4, and every answer turns with the order."""
    found = report([1, -1] * 10, [0.5] * 20, p_first=[0.9] * 20, p_second=[0.1] * 20)
    assert found["position"] == {"n": 20, "bias": pytest.approx(0.4), "flips": 1.0}
    fair = report([1, -1] * 10, [0.8] * 20)
    assert fair["position"]["bias"] == pytest.approx(0.0) and fair["position"]["flips"] == 0.0


def test_orders_without_an_answer_are_left_out_of_it():
    found = report([1] * 10, [0.7] * 10, p_first=[np.nan] * 10, p_second=[0.9] * 10)
    assert found["position"]["n"] == 0 and found["position"]["bias"] is None


def test_the_liking_for_length_stands_beside_peoples():
    """a is the longer one of all 20: the judge prefers it always, people in half of them."""
    found = report([1, -1] * 10, [0.9] * 20, length_a=[20] * 20)
    assert found["length"]["judge"]["value"] == 1.0 and found["length"]["people"]["value"] == 0.5


def test_slices_of_ten_and_more_are_told():
    found = report(
        [1] * 22, [0.9] * 12 + [0.1] * 10, slices={"language": np.array(["en"] * 12 + ["de"] * 8 + [""] * 2)}
    )
    assert [(one["by"], one["name"], one["n"]) for one in found["slices"]] == [("language", "en", 12)]
    assert found["slices"][0]["agreement"]["value"] == 1.0


def test_length_slices():
    lengths = np.array([100, 100, 100]), np.array([95, 60, 10])
    assert length_slice(*lengths) == ["below 10 %", "10 to 50 %", "above 50 %"]


def test_swapping_the_sides_changes_nothing():
    rng = np.random.default_rng(1)
    side, p = rng.choice([-1, 1], 60), rng.random(60)
    one, other = report(side, p), report(-side, 1 - p)
    assert one["kappa"]["value"] == pytest.approx(other["kappa"]["value"])
    assert one["agreement"] == other["agreement"] and one["brier"] == pytest.approx(other["brier"])


@pytest.mark.parametrize(
    ("n", "low", "people", "n_reasons"),
    [
        (99, 0.9, None, 1),
        (100, 0.2, None, 0),
        (100, 0.19, None, 1),
        (100, None, None, 1),
        (100, 0.3, 0.5, 0),
        (100, 0.3, 0.51, 1),
        (100, 0.1, 0.6, 2),
    ],
)
def test_what_a_judge_has_to_show(n, low, people, n_reasons):
    found = {"n": n, "kappa": {"low": low}, "people_kappa": people and {"value": people}}
    assert len(verdict(found)) == n_reasons
    assert verdict({}) and "0 comparisons" in verdict({})[0]


def test_a_report_is_plain_json():
    import json

    assert json.dumps(report([1] * 12, [0.9] * 12, people=Stat(0.5, 0.4, 0.6, 12, False)))
