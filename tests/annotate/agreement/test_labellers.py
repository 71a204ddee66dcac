"""Figures of labellers: each by hand or by a plain loop, and as JSON."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from annotate.agreement import metrics
from annotate.agreement.metrics.columns import Ratings
from annotate.agreement.metrics.labellers import labeller_figures

QUICK = {"min_units": 1}


def random_ratings(seed=0, n_units=200, n_labellers=6, n_each=3):
    rng = np.random.default_rng(seed)
    n = n_units * n_each
    unit = np.repeat(np.arange(n_units), n_each)
    side = rng.integers(-1, 2, n)
    return Ratings.from_arrays(
        comparison=unit,
        labeller=np.argsort(rng.random((n_units, n_labellers)), axis=1)[:, :n_each].ravel() + 10,
        side=side,
        signed_intensity=side * rng.integers(1, 5, n),
        first_shown=np.where(side == 0, -1, rng.integers(0, 2, n)),
        longer=np.where(side == 0, -1, (side > 0) == (unit % 2 == 0)),
        gold_right=np.where(rng.random(n) < 0.2, rng.integers(0, 2, n), -1),
        active_ms=np.where(rng.random(n) < 0.1, -1, rng.integers(500, 60_000, n)),
        n_words=rng.integers(0, 300, n),
        week=2900 + rng.integers(0, 4, n),
        version=rng.integers(0, 3, n),
        created_s=rng.permutation(n),
    )


class TestFigures:
    def test_two_labellers_by_hand(self):
        """Comparisons 1, 2, 3: labeller 1 says a, b, a; labeller 2 says a, a; the third is labeller 1's alone."""
        ratings = Ratings.from_arrays(
            comparison=[1, 1, 2, 2, 3],
            labeller=[1, 2, 1, 2, 1],
            side=[1, 1, -1, 1, 1],
            first_shown=[1, 0, 1, 1, 0],
            longer=[1, 1, 0, 1, -1],
            gold_right=[1, 1, -1, -1, 0],
            active_ms=[1000, -1, 3000, 9000, 20_000],
            n_words=[100, 100, 30, 30, 100],
            week=[5, 5, 5, 6, 6],
            version=[1, 1, 2, 2, 2],
            created_s=[1, 2, 3, 4, 5],
        )
        found = labeller_figures(ratings, repeats=([1, 1, 2, 9], [True, False, True, True]), **QUICK)
        one, two = found[1], found[2]
        assert (one.n_ratings, two.n_ratings) == (3, 2)
        assert (one.with_others.value, one.with_others.n) == (0.5, 2)
        assert (one.first_side.value, one.longer.value, one.gold.value) == (2 / 3, 0.5, 0.5)
        # On 1 both prefer the longer one, on 2 only labeller 2 does.
        assert (one.longer_excess.value, two.longer_excess.value) == (-0.5, 0.5)
        # 100 words take 7.5 s at 800 a minute, 30 take 2.25 s.
        assert (one.too_fast.value, two.too_fast.value) == (1 / 3, 0.0)
        assert (one.median_active_ms, two.median_active_ms) == (3000.0, 9000.0)
        assert (one.self_agreement.value, one.self_agreement.n, two.self_agreement.value) == (0.5, 2, 1.0)
        assert [(week.week, week.n_ratings, week.active_ms) for week in one.weeks] == [(5, 2, 4000), (6, 1, 20_000)]
        assert [(version.version, version.n_ratings) for version in two.versions] == [(1, 1), (2, 1)]
        assert one.ties.value == 0.0

    def test_they_equal_a_plain_loop(self):
        ratings = random_ratings()
        found = labeller_figures(ratings, **QUICK)
        rows = list(zip(ratings.comparison, ratings.labeller, ratings.side, ratings.longer, strict=True))
        for labeller in range(10, 16):
            agreeing, excess = [], []
            for unit, who, side, longer in rows:
                if who != labeller:
                    continue
                others = [(s, at) for u, w, s, at in rows if u == unit and w != labeller]
                agreeing.append(np.mean([s == side for s, _ in others]))
                others_longer = [at for _, at in others if at >= 0]
                if longer >= 0 and others_longer:
                    excess.append(longer - np.mean(others_longer))
            assert found[labeller].with_others.value == pytest.approx(np.mean(agreeing))
            assert found[labeller].longer_excess.value == pytest.approx(np.mean(excess))
            assert found[labeller].longer_excess.n == len(excess)
            known = ratings.active_ms[(ratings.labeller == labeller) & (ratings.active_ms >= 0)]
            assert found[labeller].median_active_ms == np.median(known)

    def test_with_others_is_that_of_leave_one_out(self):
        ratings = random_ratings(1)
        found = labeller_figures(ratings)
        expected = metrics.leave_one_out_agreement(ratings.comparison, ratings.labeller, ratings.side)
        for labeller, stat in expected.items():
            own = found[labeller].with_others
            assert (own.value, own.n) == (pytest.approx(stat.value), stat.n)
            # Two ways to an interval: Wilson's with the variance of the shares, and the bootstrap.
            assert [own.low, own.high] == pytest.approx([stat.low, stat.high], abs=0.02)

    def test_shares_of_yes_and_no_have_wilsons_interval(self):
        ratings = random_ratings(2)
        stat = labeller_figures(ratings)[10].first_side
        low, high = proportion_confint(round(stat.value * stat.n), stat.n, method="wilson")
        # The unbiased variance of a sample is n / (n − 1) of its own.
        assert [stat.low, stat.high] == pytest.approx([low, high], abs=1e-3)

    def test_the_drift_is_the_later_half_less_the_earlier(self):
        n = 60
        side = np.ones(2 * n, dtype=int)
        side[1::2][40:] = -1  # labeller 2 parts from labeller 1 in the last third
        ratings = Ratings.from_arrays(
            comparison=np.repeat(np.arange(n), 2),
            labeller=np.tile([1, 2], n),
            side=side,
            created_s=np.arange(2 * n),
        )
        stat = labeller_figures(ratings)[1].drift
        assert stat.value == pytest.approx(10 / 30 - 1)
        assert stat.n == 60
        assert stat.high < -0.4

    def test_too_few_say_so(self):
        ratings = random_ratings().select(np.arange(9))
        for figures in labeller_figures(ratings, reliability=dict.fromkeys(range(20), 0.8)).values():
            for stat in (figures.with_others, figures.first_side, figures.drift, figures.reliability, figures.gold):
                assert stat.too_few
                assert stat.value is None

    def test_they_are_json(self):
        found = labeller_figures(
            random_ratings(), repeats=(np.array([10] * 20), np.ones(20)), reliability={10: np.float64(0.8)}
        )
        told = json.loads(json.dumps({labeller: asdict(figures) for labeller, figures in found.items()}))
        assert told["10"]["reliability"]["value"] == 0.8
        assert told["10"]["self_agreement"]["value"] == 1.0

    def test_of_no_ratings_there_are_none(self):
        assert labeller_figures(random_ratings().select(slice(0, 0))) == {}

    def test_columns_must_line_up(self):
        with pytest.raises(ValueError, match="one entry a rating"):
            Ratings.from_arrays(comparison=[1, 2], labeller=[1], side=[1, 1])
        with pytest.raises(TypeError, match="no such columns: speed"):
            Ratings.from_arrays(comparison=[1], labeller=[1], side=[1], speed=[3])
