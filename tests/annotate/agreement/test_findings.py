"""Findings about labellers: the tails against scipy, Holm by hand, and one labeller who stands out in each way."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from annotate.agreement.metrics.columns import Ratings
from annotate.agreement.metrics.findings import _student_tail, binomial_tail, findings, holm


class TestTails:
    @pytest.mark.parametrize(("hits", "n", "p"), [(0, 10, 0.5), (3, 10, 0.2), (480, 1000, 0.5), (41_000, 60_000, 0.7)])
    def test_the_binomial_one_is_scipys(self, hits, n, p):
        assert binomial_tail(hits, n, p) == pytest.approx(stats.binom.cdf(hits, n, p), rel=1e-6)

    @pytest.mark.parametrize("freedom", [10, 39, 500])
    @pytest.mark.parametrize("t", [-2.0, 0.0, 1.7, 3.5, 5.0])
    def test_students_is_scipys(self, t, freedom):
        assert _student_tail(t, freedom) == pytest.approx(stats.t.sf(t, freedom), rel=0.03)


class TestHolm:
    def test_it_is_statsmodels(self):
        rng = np.random.default_rng(0)
        for n in (1, 5, 40):
            p_values = (rng.random(n) ** 4).tolist()
            assert holm(p_values, 0.05) == multipletests(p_values, 0.05, method="holm")[0].tolist()

    def test_by_hand(self):
        """0.01 ≤ 0.05 / 3; 0.03 > 0.05 / 2, and with it whatever is larger."""
        assert holm([0.04, 0.01, 0.03], 0.05) == [False, True, False]
        assert holm([], 0.05) == []


N_UNITS = 1800


@pytest.fixture
def columns():
    """Six labellers who are right in 85 %, three to a comparison, without any habit."""
    rng = np.random.default_rng(7)
    unit = np.repeat(np.arange(N_UNITS), 3)
    labeller = np.argsort(rng.random((N_UNITS, 6)), axis=1)[:, :3].ravel()
    truth = rng.choice([-1, 1], N_UNITS)
    side = np.where(rng.random(len(unit)) < 0.85, truth[unit], -truth[unit])
    a_is_longer = rng.random(N_UNITS) < 0.5
    return {
        "comparison": unit,
        "labeller": labeller,
        "side": side,
        "first_shown": rng.integers(0, 2, len(unit)),
        "longer": (side > 0) == a_is_longer[unit],
        "gold_right": np.where(unit % 10 == 0, side == truth[unit], -1),
        "active_ms": rng.integers(20_000, 60_000, len(unit)),
        "n_words": np.full(len(unit), 150),
        "version": 1 + (unit >= N_UNITS // 2),
    }


def repeats(**share_same):
    """Thirty repeats of each labeller, said alike by 27, or as many as given as labeller_3=12."""
    who = np.repeat(np.arange(6), 30)
    n_same = [share_same.get(f"labeller_{at}", 27) for at in range(6)]
    return who, np.concatenate([np.arange(30) < n for n in n_same])


def of(columns, **options):
    found = findings(Ratings.from_arrays(**columns), repeats=options.pop("repeats", repeats()), **options)
    return {(one.labeller, one.code, one.version) for one in found}


class TestFindings:
    def test_nobody_is_accused_of_nothing(self, columns):
        assert of(columns) == set()

    def test_of_no_ratings_there_are_none(self):
        assert findings(Ratings.from_arrays(comparison=[], labeller=[], side=[])) == []

    def test_position_bias(self, columns):
        own = np.flatnonzero(columns["labeller"] == 2)
        columns["first_shown"][own[: len(own) * 7 // 10]] = 1
        assert of(columns) == {(2, "position_bias", None)}

    def test_a_bias_that_is_certain_but_harmless_is_none(self, columns):
        many = {name: np.tile(column, 30) for name, column in columns.items()}
        many["comparison"] = np.arange(30).repeat(len(columns["side"])) * N_UNITS + many["comparison"]
        many["first_shown"] = (np.random.default_rng(1).random(len(many["side"])) < 0.525).astype(int)
        # 13,500 ratings each or more: 0.025 is six standard errors. (Copies make other chance differences certain too.)
        assert "position_bias" not in {code for _, code, _ in of(many)}

    def test_length_taste_in_either_direction(self, columns):
        for labeller, wanted in ((1, True), (4, False)):
            own = np.flatnonzero((columns["labeller"] == labeller) & (columns["longer"] != wanted))[::2]
            columns["longer"][own] = wanted
            columns["side"][own] *= -1
        assert {(1, "length_taste", None), (4, "length_taste", None)} <= of(columns)

    def test_one_who_only_errs_has_no_taste_though_the_better_ones_are_longer(self, columns):
        """The others prefer the longer one in most comparisons; who draws their answers does in half of them."""
        truth = np.sign(np.bincount(columns["comparison"], weights=columns["side"]))
        rng = np.random.default_rng(2)
        is_longer = np.where(rng.random(N_UNITS) < 0.8, truth > 0, truth < 0)
        own = columns["labeller"] == 3
        columns["side"][own] = rng.choice([-1, 1], own.sum())
        columns["longer"] = (columns["side"] > 0) == is_longer[columns["comparison"]]
        codes = {(labeller, code) for labeller, code, _ in of(columns)}
        assert (3, "near_chance") in codes
        assert "length_taste" not in {code for _, code in codes}

    def test_near_chance(self, columns):
        own = columns["labeller"] == 5
        columns["side"][own] = np.random.default_rng(0).choice([-1, 1], own.sum())
        columns["longer"] = np.full(len(own), -1)
        assert of(columns) == {(5, "near_chance", None)}

    def test_where_nobody_agrees_nobody_is_near_chance(self, columns):
        columns["side"] = np.random.default_rng(0).choice([-1, 1], len(columns["side"]))
        columns["longer"] = np.full(len(columns["side"]), -1)
        assert of(columns) == set()

    def test_too_fast(self, columns):
        own = np.flatnonzero(columns["labeller"] == 0)
        columns["active_ms"][own[: len(own) // 5]] = 900
        assert of(columns) == {(0, "too_fast", None)}

    def test_changed_after_a_version(self, columns):
        after = (columns["labeller"] == 2) & (columns["version"] == 2)
        columns["side"][after] = np.random.default_rng(0).choice([-1, 1], after.sum())
        columns["longer"] = np.full(len(after), -1)
        assert (2, "changed", 2) in of(columns)
        assert {labeller for labeller, _, _ in of(columns)} == {2}

    def test_a_version_that_changes_everybody_changes_nobody(self, columns):
        after = columns["version"] == 2
        drawn = np.random.default_rng(0).choice([-1, 1], len(after))
        columns["side"] = np.where(after & (drawn > 0), -columns["side"], columns["side"])
        columns["longer"] = np.full(len(after), -1)
        assert of(columns) == set()

    def test_misses_gold(self, columns):
        own = np.flatnonzero((columns["labeller"] == 4) & (columns["gold_right"] >= 0))
        columns["gold_right"][own] = np.arange(len(own)) % 2
        assert of(columns) == {(4, "misses_gold", None)}

    def test_gold_is_held_to_the_projects_floor(self, columns):
        assert {code for _, code, _ in of(columns, gold_floor=0.99)} == {"misses_gold"}
        assert of(columns, gold_floor=0.5) == set()

    def test_inconsistent(self, columns):
        assert of(columns, repeats=repeats(labeller_3=12)) == {(3, "inconsistent", None)}
