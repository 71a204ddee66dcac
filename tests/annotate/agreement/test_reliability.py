"""Models of labellers: one step by hand, Dawid-Skene against crowd-kit, what no name or orientation may change."""

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import DawidSkene

from annotate.agreement import metrics
from annotate.agreement.metrics import reliability
from annotate.agreement.metrics.columns import Ratings
from tests.annotate.agreement.test_metrics import real_ratings

MODELS = pytest.mark.parametrize("model", [metrics.dawid_skene, metrics.mace, metrics.graded])


def simulated(chances, n_units=1500, values=(-1, 0, 1), n_each=3, seed=0):
    """One-coin labellers: truth (U,), and units, labellers and values of n_each ratings a unit."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(values, n_units)
    labeller = np.argsort(rng.random((n_units, len(chances))), axis=1)[:, :n_each].ravel()
    unit = np.repeat(np.arange(n_units), n_each)
    others = np.array([[one for one in values if one != right] for right in truth])
    wrong = others[unit, rng.integers(0, len(values) - 1, len(unit))]
    value = np.where(rng.random(len(unit)) < np.array(chances)[labeller], truth[unit], wrong)
    return truth, unit, labeller, value


def theirs(unit, labeller, value, n_iterations):
    frame = pd.DataFrame({"task": unit, "worker": labeller, "label": value})
    return DawidSkene(n_iter=n_iterations, tol=-1).fit(frame)


class TestDawidSkene:
    def test_one_step_by_hand(self):
        """Units 1: a a b, 2: b b, by labellers 1, 2, 3. Shares of a: 2/3 and 0, so the prior of a is 1/3. Labeller 1
        said a of 2/3 a's and of 1/3 b's; b of 1 b: a|a = 1, a|b = (1/3) / (4/3) = 1/4; labeller 2 alike. Labeller 3
        said only b. Unit 1: a: 1/3 · 1 · 1 · 1; b: 2/3 · 1/4 · 1/4 · 1 = 1/24; posterior of a = 8/9.
        """
        fit = metrics.dawid_skene(
            [1, 1, 1, 2, 2],
            [1, 2, 3, 1, 2],
            [1, 1, -1, -1, -1],
            is_symmetric=False,
            shrinkage=0.0,
            n_iterations=1,
            tolerance=-np.inf,
        )
        assert fit.values.tolist() == [-1, 1]
        assert fit.posterior[0] == pytest.approx([1 / 9, 8 / 9])
        assert fit.posterior[1] == pytest.approx([1, 0], abs=1e-6)

    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("n_iterations", [1, 5, 30])
    def test_it_equals_crowd_kit_on_random_ratings(self, seed, n_iterations):
        _, unit, labeller, value = simulated([0.9, 0.75, 0.6, 0.8, 0.5], n_units=150, seed=seed)
        self.assert_equal(unit * 3 + 5, labeller, value, n_iterations)

    @pytest.mark.parametrize("name", ["pandalm", "mtbench_human_turn1", "cragc25", "xstest_pairs"])
    def test_it_equals_crowd_kit_on_real_ratings(self, name):
        unit, labeller, side, _ = real_ratings(f"{name}.jsonl.gz")
        # A labeller counts once a unit: one expert judged one pair twice, XSTest's two judged two axes.
        _, once = np.unique(np.stack([unit, labeller]), axis=1, return_index=True)
        self.assert_equal(unit[once], labeller[once], side[once], 20)

    @staticmethod
    def assert_equal(unit, labeller, value, n_iterations):
        expected = theirs(unit, labeller, value, n_iterations)
        fit = metrics.dawid_skene(
            unit,
            labeller,
            value,
            is_symmetric=False,
            shrinkage=0.0,
            n_iterations=n_iterations,
            tolerance=-np.inf,
        )
        posterior = expected.probas_.sort_index()[fit.values.tolist()].to_numpy()
        assert fit.posterior == pytest.approx(posterior, abs=1e-6)
        assert fit.prior == pytest.approx(expected.priors_[fit.values.tolist()].to_numpy(), abs=1e-6)
        errors = expected.errors_.reset_index()
        at = np.searchsorted(fit.labellers, errors["worker"]), np.searchsorted(fit.values, errors["label"])
        assert fit.confusion[at[0], :, at[1]] == pytest.approx(errors[fit.values.tolist()].to_numpy(), abs=1e-6)

    def test_the_likelihood_never_falls(self):
        _, unit, labeller, value = simulated([0.9, 0.75, 0.6, 0.8, 0.5])
        found = [
            metrics.dawid_skene(
                unit, labeller, value, is_symmetric=False, shrinkage=0.0, n_iterations=n, tolerance=-np.inf
            ).log_likelihood
            for n in range(1, 15)
        ]
        assert np.diff(found).min() > -1e-6

    def test_it_finds_the_chances_that_made_the_ratings(self):
        chances = [0.95, 0.85, 0.75, 0.65, 0.9, 0.8]
        _, unit, labeller, value = simulated(chances, n_units=6000)
        # 3,000 ratings each: three standard errors are 0.026.
        assert list(metrics.dawid_skene(unit, labeller, value).reliability.values()) == pytest.approx(chances, abs=0.03)


class TestEveryModel:
    @MODELS
    def test_it_does_not_matter_which_completion_is_called_a(self, model):
        """Exchanging a and b in any half of the comparisons exchanges the answers there, and nothing else."""
        rng = np.random.default_rng(3)
        _, unit, labeller, value = simulated([0.9, 0.7, 0.6, 0.85], n_units=400, values=(-2, -1, 0, 1, 2))
        turned = np.where(rng.random(400) < 0.5, -1, 1)
        scale = reliability.scale_of(value)
        before = model(unit, labeller, value, scale=scale)
        after = model(unit, labeller, value * turned[unit], scale=scale)
        assert after.reliability == pytest.approx(before.reliability, abs=1e-6)
        expected = np.where(turned[:, None] == 1, before.posterior, before.posterior[:, ::-1])
        assert after.posterior == pytest.approx(expected, abs=1e-5)

    @MODELS
    def test_names_and_order_do_not_matter(self, model):
        _, unit, labeller, value = simulated([0.9, 0.7, 0.6, 0.85], n_units=300)
        order = np.random.default_rng(1).permutation(len(unit))
        before = model(unit, labeller, value)
        after = model(unit[order] * 7 + 3, labeller[order] + 50, value[order])
        assert list(after.reliability.values()) == pytest.approx(list(before.reliability.values()), abs=1e-6)
        assert after.posterior == pytest.approx(before.posterior, abs=1e-5)

    @MODELS
    def test_its_answers_are_better_than_the_majoritys_where_labellers_differ(self, model):
        truth, unit, labeller, value = simulated([0.95, 0.95, 0.5, 0.45, 0.5], n_each=5, values=(-1, 1))
        fit = model(unit, labeller, value)
        answers = np.sign(fit.posterior @ fit.strength)
        majority = np.sign(np.bincount(unit, weights=value))
        assert (answers == truth).mean() > (majority == truth).mean() + 0.03

    @MODELS
    def test_chances_are_chances(self, model):
        _, unit, labeller, value = simulated([0.9, 0.7, 0.6, 0.85], n_units=100)
        fit = model(unit, labeller, value)
        for rows in (fit.posterior, fit.confusion, fit.pooled, fit.sides, fit.predict([0, 99_999], [1, 99_999])):
            assert rows.min() >= 0
            assert rows.sum(axis=-1) == pytest.approx(np.ones(rows.shape[:-1]))

    @MODELS
    def test_few_ratings_are_near_the_average(self, model):
        """One more labeller, with a single wrong rating: not as bad as that."""
        truth, unit, labeller, value = simulated([0.9, 0.9, 0.85], n_units=500, values=(-1, 1))
        fit = model([*unit, 0], [*labeller, 9], [*value, -truth[0]])
        assert fit.reliability[9] > 0.7

    @MODELS
    def test_a_lone_rating_is_no_harm(self, model):
        fit = model([5], [7], [1])
        assert fit.posterior.shape[0] == 1
        assert 0 <= fit.reliability[7] <= 1

    def test_values_outside_the_scale_are_refused(self):
        with pytest.raises(ValueError, match="outside the scale"):
            metrics.dawid_skene([1, 1], [1, 2], [3, 1], scale=np.array([-1, 1]))


class TestAnswers:
    @staticmethod
    def ratings(unit, labeller, value):
        return Ratings.from_arrays(
            comparison=unit, labeller=labeller, side=np.sign(value), signed_intensity=np.asarray(value)
        )

    def test_they_say_side_and_intensity(self):
        rng = np.random.default_rng(0)
        truth = rng.choice([-3, -1, 1, 3], 600)
        unit = np.repeat(np.arange(600), 4)
        value = np.clip(np.rint(truth[unit] + 0.5 * rng.logistic(size=2400)), -4, 4).astype(int)
        value[value == 0] = 1
        found = metrics.answers(self.ratings(unit, np.tile(np.arange(4), 600), value))
        assert found.units.tolist() == list(range(600))
        assert found.p.sum(axis=1) == pytest.approx(np.ones(600))
        assert (found.n == 4).all()
        assert ((found.p[:, 0] > 0.5) == (truth > 0)).mean() > 0.95
        assert np.corrcoef(found.expected_intensity, truth)[0, 1] > 0.95
        assert np.abs(found.expected_intensity[truth == 3].mean() - 3) < 0.4

    def test_there_is_no_tie_where_nobody_said_one(self):
        found = metrics.answers(self.ratings([1, 1, 2, 2], [1, 2, 1, 2], [1, 1, 1, -1]))
        assert found.p[:, 2].tolist() == [0, 0]
        assert found.p[1] == pytest.approx([0.5, 0.5, 0], abs=1e-6)
        assert found.p[0, 0] > 0.5

    def test_of_no_ratings_there_are_none(self):
        found = metrics.answers(self.ratings([], [], []))
        assert found.p.shape == (0, 3)


class TestHeldOut:
    def test_it_is_the_entropy_of_ratings_by_known_chances(self):
        """All labellers are right with 0.8 of two: who knows the answer predicts with −H(0.8) = −0.50; from sixteen
        other ratings the answer is all but known.
        """
        _, unit, labeller, value = simulated([0.8] * 20, n_units=500, n_each=20, values=(-1, 1))
        found = metrics.held_out_log_likelihood(unit, labeller, value, metrics.dawid_skene)
        assert found.n == 10_000
        assert found.accuracy == pytest.approx(0.8, abs=0.015)
        assert found.log_likelihood == pytest.approx(0.8 * np.log(0.8) + 0.2 * np.log(0.2), abs=0.03)

    def test_ratings_alone_on_their_unit_do_not_count(self):
        _, unit, labeller, value = simulated([0.8] * 3, n_units=50, n_each=1)
        more = metrics.held_out_log_likelihood(
            [*unit, 90, 90, 90], [*labeller, 0, 1, 2], [*value, 1, 1, 1], metrics.dawid_skene
        )
        assert more.n <= 3

    @pytest.mark.parametrize(("name", "gain"), [("ukpconvarg1", 0.03), ("mtbench_human_turn1", 0.005)])
    def test_the_graded_model_predicts_real_raters_better_than_their_votes(self, name, gain):
        unit, labeller, side, _ = real_ratings(f"{name}.jsonl.gz")
        few = unit < 2500
        columns = (unit[few], labeller[few], side[few])
        votes = metrics.held_out_log_likelihood(*columns, reliability.vote_shares)
        graded = metrics.held_out_log_likelihood(*columns, metrics.graded)
        assert graded.log_likelihood > votes.log_likelihood + gain


class TestWhichModel:
    def test_the_one_that_predicts_best_is_chosen_where_it_is_clear(self):
        """Labellers who confuse sides by a fixed table, without a scale behind: that is Dawid and Skene's model."""
        rng = np.random.default_rng(0)
        n_units, n_labellers = 1500, 6
        truth = rng.choice([-1, 0, 1], n_units, p=[0.4, 0.2, 0.4])
        unit, labeller = np.repeat(np.arange(n_units), n_labellers), np.tile(np.arange(n_labellers), n_units)
        # Half of them say a tie for every clear pair and take sides, by lot, on ties.
        odd = labeller % 2 == 1
        side = np.where(odd, np.where(truth[unit] == 0, rng.choice([-1, 1], len(unit)), 0), truth[unit])
        side = np.where(rng.random(len(unit)) < 0.1, rng.choice([-1, 0, 1], len(unit)), side)
        compared = metrics.compare_models(Ratings.from_arrays(comparison=unit, labeller=labeller, side=side))
        assert compared.chosen == "dawid_skene"
        assert compared.n > 8000
        best = compared.log_likelihood["dawid_skene"]
        assert best > compared.log_likelihood["graded"] + 0.005 and best > compared.log_likelihood["vote_shares"] + 0.1
        assert all(0 <= share <= 1 for share in compared.accuracy.values())

    def test_the_default_stays_where_there_is_too_little_to_tell(self):
        few = Ratings.from_arrays(
            comparison=np.repeat(np.arange(20), 3), labeller=np.tile([1, 2, 3], 20), side=np.ones(60)
        )
        assert metrics.compare_models(few) == metrics.Compared("graded", 0, {}, {})
        none = few.select(np.zeros(60, dtype=bool))
        assert metrics.compare_models(none).chosen == "graded"

    @pytest.mark.parametrize("model", metrics.MODELS)
    def test_each_of_them_gives_answers(self, model):
        rng = np.random.default_rng(1)
        truth = rng.choice([-1, 1], 300)
        unit = np.repeat(np.arange(300), 4)
        side = np.where(rng.random(1200) < 0.85, truth[unit], -truth[unit])
        ratings = Ratings.from_arrays(
            comparison=unit,
            labeller=np.tile(np.arange(4), 300),
            side=side,
            signed_intensity=side * rng.integers(1, 5, 1200),
        )
        said = metrics.answers(ratings, fit=metrics.fit_of(ratings, model=model))
        assert said.p.sum(axis=1) == pytest.approx(np.ones(300))
        assert (np.sign(said.p[:, 0] - said.p[:, 1]) == truth).mean() > 0.85
