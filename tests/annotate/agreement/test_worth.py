"""What is worth a reviewer's time: each reason holds alone, and the order is that of a reviewer."""

import numpy as np
import pytest

from annotate.agreement import metrics

NAN = float("nan")


def of(p, n, dissenting, flags=0, model=NAN):
    found, reasons = metrics.worth([p], [n], [dissenting], [flags], [model])
    return float(found[0]), reasons[0]


class TestWorth:
    @pytest.mark.parametrize(
        ("p", "n", "dissenting", "flags", "model", "expected"),
        [
            ((0.99, 0.01, 0), 3, 0, 0, NAN, []),
            ((0.99, 0.01, 0), 3, 0, 0, 0.9, []),
            ((0.99, 0.01, 0), 3, 0, 1, NAN, ["flagged"]),
            ((0.5, 0.5, 0), 4, 2, 0, NAN, ["split"]),
            ((0.99, 0.01, 0), 3, 0, 0, 0.05, ["model_against"]),
            ((0.01, 0.99, 0), 3, 0, 0, 0.95, ["model_against"]),
            ((0.5, 0.5, 0), 4, 2, 0, 0.95, ["split", "model_sure"]),
            ((0.99, 0.01, 0), 3, 0, 0, 0.5, ["model_unsure"]),
            ((0.01, 0.01, 0.98), 3, 0, 0, 0.5, []),
            ((0.99, 0.01, 0), 3, 0, 0, 0.3, []),
            ((1 / 3, 1 / 3, 1 / 3), 0, 0, 0, 0.99, []),
        ],
    )
    def test_the_reasons(self, p, n, dissenting, flags, model, expected):
        assert of(p, n, dissenting, flags, model)[1] == expected

    @pytest.mark.parametrize(
        ("p", "doubting", "expected"),
        [
            ((0.9, 0.1, 0), 0.2, ["probably_mislabelled"]),
            ((0.1, 0.9, 0), 0.8, ["probably_mislabelled"]),
            ((0.1, 0.9, 0), 0.2, []),
            ((0.1, 0.1, 0.8), 0.2, []),
        ],
    )
    def test_models_that_did_not_learn_from_it_doubt_the_side_that_the_labellers_name(self, p, doubting, expected):
        """Worth by how far the two are apart, on top of the labellers' own doubts."""
        found, reasons = metrics.worth([p], [3], [0], [0], [NAN], [doubting])
        assert reasons == [expected]
        apart = abs(p[0] + p[2] / 2 - doubting) if expected else 0
        assert found[0] - of(p, 3, 0)[0] == pytest.approx(apart)
        assert metrics.worth([p], [0], [0], [0], [NAN], [doubting])[1] == [[]]

    @pytest.mark.parametrize(
        ("p", "judge", "expected"),
        [
            ((0.99, 0.01, 0), 0.1, ["judge_against"]),
            ((0.01, 0.99, 0), 0.9, ["judge_against"]),
            ((0.99, 0.01, 0), 0.4, []),
            ((0.99, 0.01, 0), 0.9, []),
            ((0.5, 0.5, 0), 0.1, ["split"]),
            ((0.01, 0.01, 0.98), 0.1, []),
        ],
    )
    def test_an_ai_labeller_that_is_sure_of_the_other_side(self, p, judge, expected):
        """Worth by how far the two are apart."""
        found, reasons = metrics.worth([p], [3], [0], [0], [NAN], None, [judge])
        assert reasons == [expected]
        assert found[0] - of(p, 3, 0)[0] == pytest.approx(abs(p[0] - judge) if "judge_against" in expected else 0)

    def test_by_hand(self):
        """Even odds of a and b: entropy log 2 / log 3; half dissents; the model at 1 is ½ away and quite sure."""
        assert of((0.5, 0.5, 0), 4, 2)[0] == pytest.approx(np.log(2) / np.log(3) + 0.5)
        assert of((0.5, 0.5, 0), 4, 2, model=1.0)[0] == pytest.approx(np.log(2) / np.log(3) + 0.5 + 0.5)
        assert of((1, 0, 0), 3, 0, flags=2)[0] == pytest.approx(1.5)
        assert of((1, 0, 0), 3, 0, model=0.5)[0] == pytest.approx(0.5 + 0.5)

    def test_agreed_and_unopposed_is_worth_nearly_nothing_and_unrated_nothing(self):
        assert of((0.999, 0.001, 0), 5, 0, model=0.999)[0] < 0.02
        assert of((1 / 3, 1 / 3, 1 / 3), 0, 0)[0] == 0

    def test_a_model_sure_of_the_other_side_outranks_one_that_is_undecided(self):
        assert of((0.99, 0.01, 0), 3, 0, model=0.02)[0] < of((0.99, 0.01, 0), 3, 0, model=0.02, flags=1)[0]
        assert of((0.5, 0.5, 0), 4, 2)[0] > of((0.95, 0.05, 0), 4, 0)[0]

    def test_sides_are_alike(self):
        p = np.random.default_rng(0).dirichlet([1, 1, 1], 50)
        model = np.random.default_rng(1).random(50)
        n, dissenting, flags = np.full(50, 5), np.arange(50) % 3, np.arange(50) % 2
        one, reasons = metrics.worth(p, n, dissenting, flags, model)
        other, turned = metrics.worth(p[:, [1, 0, 2]], n, dissenting, flags, 1 - model)
        assert other == pytest.approx(one)
        assert turned == reasons
