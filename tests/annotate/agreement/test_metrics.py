"""Agreement statistics: values by hand, against independent libraries, and their invariances."""

import gzip
import json
from collections import defaultdict
from typing import Any

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters, cohens_kappa
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss_kappa
from statsmodels.stats.proportion import proportion_confint

from annotate.agreement import metrics
from tests.real_data import real_data

QUICK: dict[str, Any] = {"min_units": 1, "n_resamples": 0}

# Every file of real ratings with several labellers a comparison, and the axis taken.
REAL_FILES = [
    ("pandalm.jsonl.gz", None),
    ("mtbench_human_turn1.jsonl.gz", None),
    ("cragc25.jsonl.gz", None),
    ("ukpconvarg1.jsonl.gz", None),
    ("xstest_pairs.jsonl.gz", "helpfulness"),
    ("xstest_pairs.jsonl.gz", "safety"),
]

# Krippendorff's own example (Computing Krippendorff's Alpha-Reliability, 2011): 4 observers, 12 units, 7 missing.
# He gives α = 0.743 nominal, 0.815 ordinal, 0.849 interval.
NONE = np.nan
KRIPPENDORFF_2011 = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NONE, NONE, NONE],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NONE, 3],
        [NONE, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NONE],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NONE],
    ]
)


def interval(stat: metrics.Stat) -> tuple[float, float, float]:
    """Low, value, high of a statistic that has them."""
    assert stat.low is not None and stat.value is not None and stat.high is not None
    return stat.low, stat.value, stat.high


def long_form(matrix):
    """Units, labellers, values of a (labellers, units) matrix with nan where a rating is missing."""
    labellers, units = np.nonzero(~np.isnan(matrix))
    return units, labellers, matrix[labellers, units]


def random_ratings(seed, n_units=120, n_labellers=6, values=(-4, -3, -2, -1, 0, 1, 2, 3, 4), present=0.6):
    """A matrix of noisy ratings around a truth per unit, some missing."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(values, n_units)
    noise = rng.choice(values, (n_labellers, n_units))
    matrix = np.where(rng.random(noise.shape) < 0.6, truth, noise).astype(float)
    matrix[rng.random(matrix.shape) > present] = np.nan
    return matrix


def real_ratings(name, axis=None):
    """Units, labellers, sides (1 first, −1 second, 0 tie) and signed intensities of a file of real ratings."""
    path = real_data(name)
    rows = []
    labeller_numbers: dict[str, int] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for unit, line in enumerate(lines):
            for rating in json.loads(line)["ratings"]:
                if axis in (None, rating["axis"]):
                    side = {0: 1, 1: -1, None: 0}[rating["preferred"]]
                    labeller = labeller_numbers.setdefault(rating["labeller"], len(labeller_numbers))
                    rows.append((unit, labeller, side, side * (rating["intensity"] or 1)))
    return tuple(np.array(rows).T)


def theirs(units, values, level):
    """α by the `krippendorff` package."""
    counts, _, distinct = metrics.value_counts(units, values)
    return krippendorff.alpha(value_counts=counts, value_domain=distinct, level_of_measurement=level)


class TestKrippendorffAlpha:
    @pytest.mark.parametrize(("level", "expected"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
    def test_it_gives_the_values_of_krippendorffs_example(self, level, expected):
        units, _, values = long_form(KRIPPENDORFF_2011)
        stat = metrics.krippendorff_alpha(units, values, level=level, **QUICK)
        assert stat.value == pytest.approx(expected, abs=5e-4)
        assert stat.n == 11

    def test_it_gives_the_value_worked_out_by_hand(self):
        """Units (1,1), (1,2), (2,2): o = [[2,1],[1,2]], n_c = 3,3, n = 6; D_o = 2/6, D_e = 18/30, α = 4/9."""
        stat = metrics.krippendorff_alpha([7, 7, 8, 8, 9, 9], [1, 1, 1, 2, 2, 2], level="nominal", **QUICK)
        assert stat.value == pytest.approx(4 / 9)

    @pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
    @pytest.mark.parametrize("seed", range(5))
    def test_it_equals_the_krippendorff_package_on_random_ratings(self, level, seed):
        matrix = random_ratings(seed)
        units, _, values = long_form(matrix)
        expected = krippendorff.alpha(reliability_data=matrix, level_of_measurement=level)
        assert metrics.krippendorff_alpha(units, values, level=level, **QUICK).value == pytest.approx(expected)

    @pytest.mark.parametrize(
        ("name", "axis", "nominal", "interval"),
        [  # the figures in the data's own README
            ("pandalm.jsonl.gz", None, 0.861, 0.872),
            ("mtbench_human_turn1.jsonl.gz", None, 0.471, 0.558),
            ("cragc25.jsonl.gz", None, 0.169, 0.169),
            ("ukpconvarg1.jsonl.gz", None, 0.267, 0.370),
            ("xstest_pairs.jsonl.gz", "helpfulness", 0.743, 0.824),
            ("xstest_pairs.jsonl.gz", "safety", 0.940, 0.979),
        ],
    )
    def test_it_equals_the_package_and_the_published_figures_on_real_ratings(self, name, axis, nominal, interval):
        units, _, sides, signed = real_ratings(name, axis)
        cases: list[tuple[metrics.Level, np.ndarray, float | None]] = [
            ("nominal", sides, nominal),
            ("interval", signed, interval),
            ("ordinal", signed, None),
        ]
        for level, values, published in cases:
            ours = metrics.krippendorff_alpha(units, values, level=level, **QUICK).value
            assert ours == pytest.approx(theirs(units, values, level), abs=1e-12)
            if published is not None:
                assert ours == pytest.approx(published, abs=5e-4)

    @pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
    @pytest.mark.parametrize(("name", "axis"), REAL_FILES)
    def test_it_equals_the_package_on_every_real_file_with_sides_exchanged_at_random(self, name, axis, level):
        units, _, sides, signed = real_ratings(name, axis)
        values = sides if level == "nominal" else signed
        turned = metrics.randomise_orientation(units, values)
        assert not np.array_equal(turned, values)
        ours = metrics.krippendorff_alpha(units, turned, level=level, **QUICK).value
        assert ours == pytest.approx(theirs(units, turned, level), abs=1e-12)

    def test_it_has_no_value_when_nothing_varies(self):
        stat = metrics.krippendorff_alpha(np.repeat(np.arange(30), 3), np.ones(90), level="ordinal")
        assert stat == metrics.Stat(None, None, None, 30, too_few=False)

    def test_it_refuses_an_unknown_level(self):
        with pytest.raises(ValueError, match="nominal, ordinal or interval"):
            metrics.krippendorff_alpha([1, 1], [0, 1], level="ratio", min_units=1)

    def test_its_interval_is_that_of_a_naive_bootstrap_over_units(self):
        """Resampling units one by one with the package gives the same spread, up to Monte Carlo error."""
        matrix = random_ratings(3, n_units=80, values=(-1, 0, 1))
        units, _, values = long_form(matrix)
        stat = metrics.krippendorff_alpha(units, values, level="nominal", n_resamples=4000)
        rng = np.random.default_rng(1)
        naive = [
            krippendorff.alpha(reliability_data=matrix[:, rng.integers(0, 80, 80)], level_of_measurement="nominal")
            for _ in range(1500)
        ]
        low, high = np.quantile(naive, [0.025, 0.975])
        width = high - low
        assert stat.low == pytest.approx(low, abs=0.08 * width)
        assert stat.high == pytest.approx(high, abs=0.08 * width)

    def test_its_interval_covers_the_population_value(self):
        """Of 200 samples of 60 units from one population, about 95 % of the intervals hold the population's α."""
        population = random_ratings(11, n_units=20_000, n_labellers=3, values=(-1, 0, 1), present=1.0)
        units, _, values = long_form(population)
        truth = metrics.krippendorff_alpha(units, values, level="nominal").value
        assert truth is not None
        rng = np.random.default_rng(5)
        covered = 0
        for _ in range(200):
            units, _, values = long_form(population[:, rng.integers(0, 20_000, 60)])
            stat = metrics.krippendorff_alpha(units, values, level="nominal", n_resamples=300)
            low, _, high = interval(stat)
            covered += low <= truth <= high
        assert 0.88 * 200 <= covered <= 0.99 * 200


class TestPercentAgreement:
    def test_it_counts_pairs_of_ratings(self):
        """Unit 1: a, a, b has 1 of 3 pairs equal; unit 2: a, a has 1 of 1; unit 3 has one rating. 2 of 4."""
        stat = metrics.percent_agreement([1, 1, 1, 2, 2, 3], [1, 1, -1, 1, 1, 0], **QUICK)
        assert (stat.value, stat.n) == (0.5, 2)

    @pytest.mark.parametrize(
        ("name", "axis", "published"),
        [
            ("pandalm.jsonl.gz", None, 0.917),
            ("mtbench_human_turn1.jsonl.gz", None, 0.637),
            ("cragc25.jsonl.gz", None, 0.585),
            ("ukpconvarg1.jsonl.gz", None, 0.524),
            ("xstest_pairs.jsonl.gz", "helpfulness", 0.916),
            ("xstest_pairs.jsonl.gz", "safety", 0.960),
        ],
    )
    def test_it_gives_the_published_figures_on_real_ratings(self, name, axis, published):
        units, _, sides, _ = real_ratings(name, axis)
        stat = metrics.percent_agreement(units, sides)
        assert stat.value == pytest.approx(published, abs=5e-4)
        low, value, high = interval(stat)
        assert low < value < high

    def test_perfect_agreement_on_few_units_does_not_look_certain(self):
        stat = metrics.percent_agreement(np.repeat(np.arange(12), 2), np.ones(24))
        expected_low, _ = proportion_confint(12, 12, method="wilson")
        assert (stat.value, stat.high) == (1.0, 1.0)
        assert stat.low == pytest.approx(expected_low)


class TestDisagreement:
    def test_it_sorts_units_into_buckets(self):
        """Unanimous aa; majority aab; split ab, ab0 and aab0 (2 of 4 is not more than half); one rating: none."""
        ratings = {1: [1, 1], 2: [1, 1, -1], 3: [1, -1], 4: [1, -1, 0], 5: [1, 1, -1, 0], 6: [1]}
        units = [unit for unit, values in ratings.items() for _ in values]
        found = metrics.disagreement(units, [value for values in ratings.values() for value in values])
        # Pairs: 1 + 3 + 1 + 3 + 6 = 14; equal ones 1 + 1 + 0 + 0 + 1 = 3.
        assert (found.unanimous, found.majority, found.split) == (1, 1, 3)
        assert found.rate == pytest.approx(11 / 14)

    def test_it_gives_the_published_share_of_unanimous_units(self):
        units, _, sides, _ = real_ratings("mtbench_human_turn1.jsonl.gz")
        found = metrics.disagreement(units, sides)
        n_multiply_rated = found.unanimous + found.majority + found.split
        assert n_multiply_rated == 468
        assert found.unanimous / n_multiply_rated == pytest.approx(0.5897, abs=5e-5)

    def test_it_has_no_rate_without_a_second_rating(self):
        assert metrics.disagreement([1, 2, 3], [1, 1, -1]) == metrics.Buckets(0, 0, 0, None)

    def test_it_takes_no_ratings_at_all(self):
        assert metrics.disagreement([], []) == metrics.Buckets(0, 0, 0, None)


class TestCohenKappa:
    @pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
    @pytest.mark.parametrize("seed", range(4))
    def test_it_equals_scikit_learn_and_statsmodels_on_random_ratings(self, weights, seed):
        matrix = random_ratings(seed, n_units=200, n_labellers=2, present=1.0)
        first, second = matrix.astype(int)
        scale = np.arange(-4, 5)
        ours = metrics.cohen_kappa(first, second, weights=weights, categories=scale, **QUICK).value
        theirs = cohen_kappa_score(first, second, labels=scale, weights=None if weights == "none" else weights)
        assert ours == pytest.approx(theirs)
        table = np.zeros((9, 9))
        np.add.at(table, (first + 4, second + 4), 1)
        wt = {"none": None, "linear": "linear", "quadratic": "quadratic"}[weights]
        assert ours == pytest.approx(cohens_kappa(table, wt=wt, return_results=False))

    @pytest.mark.parametrize("weights", ["none", "quadratic"])
    def test_it_equals_scikit_learn_for_every_pair_of_labellers_of_real_ratings(self, weights):
        units, labellers, sides, _ = real_ratings("pandalm.jsonl.gz")
        found = {}
        for one, other in ((0, 1), (0, 2), (1, 2)):
            first, second = metrics.paired_values(units, labellers, sides, one, other)
            assert len(first) == 945
            stat = metrics.cohen_kappa(first, second, weights=weights)
            expected = cohen_kappa_score(first, second, weights=None if weights == "none" else weights)
            low, value, high = interval(stat)
            found[one, other] = value - expected
            assert low < value < high
        assert list(found.values()) == pytest.approx([0, 0, 0])

    def test_pairs_are_the_units_both_rated(self):
        units, labellers = [5, 5, 6, 7, 7, 6], [1, 2, 1, 2, 1, 3]
        first, second = metrics.paired_values(units, labellers, [1, -1, 1, 0, -1, 1], 1, 2)
        assert (first.tolist(), second.tolist()) == ([1, -1], [-1, 0])

    def test_it_has_no_value_when_both_always_say_the_same_one_thing(self):
        assert metrics.cohen_kappa([1] * 20, [1] * 20).value is None

    def test_it_refuses_a_value_outside_the_categories(self):
        with pytest.raises(ValueError, match="outside"):
            metrics.cohen_kappa([1, 2], [1, 5], categories=[1, 2, 3])


class TestKappaMatrix:
    @staticmethod
    def assert_equal_to_scikit_learn(units, labellers, values, *, weights, scale, at_least):
        """Every pair with enough units as scikit-learn has it, every other one empty; counts as sets have them."""
        found = metrics.kappa_matrix(units, labellers, values, weights=weights, categories=scale, n_resamples=0)
        rated = {int(k): dict(zip(units[labellers == k], values[labellers == k], strict=True)) for k in found.labellers}
        expected = np.full(found.kappa.shape, np.nan)
        for i, one in enumerate(found.labellers):
            for j, other in enumerate(found.labellers):
                shared = sorted(rated[one].keys() & rated[other].keys())
                assert found.n[i, j] == len(shared)
                said = [[rated[k][unit] for unit in shared] for k in (one, other)]
                if i != j and len(shared) >= metrics.MIN_UNITS and len({*said[0], *said[1]}) > 1:
                    kind = None if weights == "none" else weights
                    expected[i, j] = cohen_kappa_score(*said, labels=scale, weights=kind)
        assert np.isfinite(expected).sum() >= at_least
        np.testing.assert_allclose(found.kappa, expected, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
    @pytest.mark.parametrize("seed", range(3))
    def test_it_equals_scikit_learn_for_every_pair_of_random_ratings(self, weights, seed):
        units, labellers, values = long_form(random_ratings(seed, n_units=150, n_labellers=14, present=0.35))
        order = np.random.default_rng(seed).permutation(len(units))
        self.assert_equal_to_scikit_learn(
            units[order] * 3, labellers[order] + 40, values[order].astype(int), weights=weights,
            scale=np.arange(-4, 5), at_least=150,
        )  # fmt: skip

    @pytest.mark.parametrize("weights", ["none", "quadratic"])
    @pytest.mark.parametrize(
        ("name", "axis", "at_least"),
        [  # of cragc25 and ukpconvarg1 the fifty labellers with the most ratings
            ("pandalm.jsonl.gz", None, 6),
            ("mtbench_human_turn1.jsonl.gz", None, 6),
            ("cragc25.jsonl.gz", None, 10),
            ("ukpconvarg1.jsonl.gz", None, 100),
            ("xstest_pairs.jsonl.gz", "helpfulness", 2),
            ("xstest_pairs.jsonl.gz", "safety", 2),
        ],
    )
    def test_it_equals_scikit_learn_for_every_pair_of_real_labellers(self, name, axis, at_least, weights):
        units, labellers, _, signed = real_ratings(name, axis)
        # One expert of MT-Bench judged a pair twice; a labeller counts once per unit.
        _, once = np.unique(np.stack([units, labellers]), axis=1, return_index=True)
        most = np.argsort(-np.bincount(labellers), kind="stable")[:50]
        chosen = once[np.isin(labellers[once], most)]
        units, labellers, signed = (column[chosen] for column in (units, labellers, signed))
        turned = metrics.randomise_orientation(units, signed)
        self.assert_equal_to_scikit_learn(
            units, labellers, turned, weights=weights, scale=np.arange(-4, 5), at_least=at_least
        )

    def test_its_intervals_are_those_of_the_single_pairs(self):
        """Both draw the pair's confusion table anew; only the draws are other ones."""
        units, labellers, values = long_form(random_ratings(1, n_units=300, n_labellers=4, present=0.8))
        values = values.astype(int)
        for weights in ("none", "quadratic"):
            found = metrics.kappa_matrix(units, labellers, values, weights=weights, n_resamples=4000)
            for one in range(4):
                for other in range(one + 1, 4):
                    pair = metrics.paired_values(units, labellers, values, one, other)
                    scale = np.arange(-4, 5)
                    low, value, high = interval(metrics.cohen_kappa(*pair, weights=weights, categories=scale))
                    assert found.kappa[one, other] == pytest.approx(value)
                    assert found.low[one, other] == pytest.approx(low, abs=0.1 * (high - low))
                    assert found.high[one, other] == pytest.approx(high, abs=0.1 * (high - low))
        for matrix in (found.kappa, found.low, found.high, found.n):
            np.testing.assert_array_equal(matrix, matrix.T)

    def test_it_gives_the_labellers_asked_for_in_their_order(self):
        units, labellers, values = long_form(random_ratings(2, n_labellers=5))
        whole = metrics.kappa_matrix(units, labellers, values, n_resamples=0)
        part = metrics.kappa_matrix(units, labellers, values, labeller_ids=[4, 0, 99, 2], n_resamples=0)
        assert part.labellers.tolist() == [4, 0, 99, 2]
        np.testing.assert_array_equal(part.n[np.ix_([0, 1, 3], [0, 1, 3])], whole.n[np.ix_([4, 0, 2], [4, 0, 2])])
        np.testing.assert_allclose(part.kappa[0, [1, 3]], whole.kappa[4, [0, 2]])
        assert np.isnan(part.kappa[2]).all() and not part.n[2].any()

    def test_it_is_the_same_in_small_blocks(self, monkeypatch):
        units, labellers, values = long_form(random_ratings(2, n_labellers=9))
        whole = metrics.kappa_matrix(units, labellers, values, n_resamples=50)
        monkeypatch.setattr("annotate.agreement.metrics.agreement._TABLE_CELLS", 2000)
        monkeypatch.setattr("annotate.agreement.metrics.agreement._PAIRS_LISTED", 30)
        blocks = metrics.kappa_matrix(units, labellers, values, n_resamples=50)
        np.testing.assert_allclose(blocks.kappa, whole.kappa)
        np.testing.assert_array_equal(blocks.n, whole.n)

    def test_too_few_units_and_no_variation_are_empty(self):
        units, labellers = np.tile(np.arange(20), 3), np.repeat([1, 2, 3], 20)
        values = np.concatenate([np.ones(40, int), np.resize([0, 1], 20)])
        found = metrics.kappa_matrix(units, labellers, values)
        assert np.isnan(found.kappa[0, 1]) and np.isnan(found.low[0, 1])
        assert found.kappa[0, 2] == pytest.approx(0)
        assert found.n[0, 1] == 20
        assert np.isnan(metrics.kappa_matrix(units, labellers, values, min_units=21).kappa).all()

    def test_it_takes_no_ratings_at_all(self):
        assert metrics.kappa_matrix([], [], []).kappa.shape == (0, 0)
        assert np.isnan(metrics.kappa_matrix([], [], [], labeller_ids=[3, 4]).kappa).all()


class TestFleissKappa:
    @pytest.mark.parametrize("seed", range(3))
    def test_it_equals_statsmodels_on_random_ratings(self, seed):
        matrix = random_ratings(seed, n_labellers=4, present=1.0, values=(-1, 0, 1))
        units, _, values = long_form(matrix)
        expected = statsmodels_fleiss_kappa(aggregate_raters(matrix.T)[0])
        assert metrics.fleiss_kappa(units, values, **QUICK).value == pytest.approx(expected)

    @pytest.mark.parametrize(("name", "axis"), REAL_FILES)
    def test_it_equals_statsmodels_on_every_real_file(self, name, axis):
        """statsmodels wants equally many ratings a unit, so the units with the commonest number of them are taken."""
        units, _, sides, _ = real_ratings(name, axis)
        counts = metrics.value_counts(units, metrics.randomise_orientation(units, sides))[0]
        per_unit = counts.sum(axis=1)
        commonest = np.bincount(per_unit)[2:].argmax() + 2
        counts = counts[per_unit == commonest]
        assert len(counts) >= 200
        unit, value = np.nonzero(counts)
        ours = metrics.fleiss_kappa(
            np.repeat(unit, counts[unit, value]), np.repeat(value, counts[unit, value]), **QUICK
        )
        assert ours.value == pytest.approx(statsmodels_fleiss_kappa(counts))


class TestRandomiseOrientation:
    def test_it_turns_whole_comparisons_and_about_half_of_them(self):
        ids = np.repeat(np.arange(10_000), 3)
        values = np.tile([1, -3, 0], 10_000)
        turned = metrics.randomise_orientation(ids, values).reshape(-1, 3)
        is_turned = turned[:, 0] == -1
        assert np.array_equal(turned, np.where(is_turned[:, None], [-1, 3, 0], [1, -3, 0]))
        assert abs(is_turned.mean() - 0.5) < 4 * 0.5 / np.sqrt(10_000)

    def test_it_does_not_depend_on_order_machine_or_run(self):
        """The coin of an id is a constant: the lowest bit of splitmix64's mix, here in plain integers."""

        def coin(number):
            mask = 2**64 - 1
            z = (number + 0x9E3779B97F4A7C15) & mask
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
            return (z ^ (z >> 31)) & 1

        expected = [-1 if coin(number) else 1 for number in range(1, 9)]
        assert metrics.randomise_orientation(np.arange(1, 9), np.ones(8, int)).tolist() == expected
        reverse = metrics.randomise_orientation(np.arange(8, 0, -1), np.ones(8, int))
        assert reverse.tolist() == expected[::-1]

    def test_another_salt_is_another_assignment(self):
        ids, ones = np.arange(1000), np.ones(1000, int)
        same = metrics.randomise_orientation(ids, ones) == metrics.randomise_orientation(ids, ones, salt=1)
        assert 0.4 < same.mean() < 0.6

    def test_it_takes_away_what_a_fixed_orientation_does_to_alpha(self):
        """When a is always the better one, α of the side only sees noise; turned at random it sees the agreement."""
        rng = np.random.default_rng(0)
        units = np.repeat(np.arange(2000), 3)
        sides = np.where(rng.random(6000) < 0.85, 1, -1)
        fixed = metrics.krippendorff_alpha(units, sides, level="nominal").value
        turned = metrics.krippendorff_alpha(units, metrics.randomise_orientation(units, sides), level="nominal").value
        assert fixed == pytest.approx(0, abs=0.05)
        # Two ratings agree with probability .85² + .15² = .745 and by chance with .5: α = .49.
        assert turned == pytest.approx(0.49, abs=0.03)

    def test_it_refuses_unsigned_values(self):
        with pytest.raises(ValueError, match="signed"):
            metrics.randomise_orientation([1], np.array([1], np.uint8))


class TestOneLabeller:
    def test_leave_one_out_averages_over_the_units_shared_with_anybody(self):
        """Labeller 1: on unit 1 one of two others agrees, on 2 the other one does not, on 3 there is nobody else."""
        units, labellers = [1, 1, 1, 2, 2, 3], [1, 2, 3, 1, 2, 1]
        found = metrics.leave_one_out_agreement(units, labellers, [1, 1, -1, 1, -1, 1], **QUICK)
        assert {labeller: (stat.value, stat.n) for labeller, stat in found.items()} == {
            1: (0.25, 2),
            2: (0.25, 2),
            3: (0.0, 1),
        }

    def test_leave_one_out_equals_a_plain_loop_on_real_ratings(self):
        units, labellers, sides, _ = real_ratings("mtbench_human_turn1.jsonl.gz")
        # One expert judged one of the pairs twice; a labeller counts once per unit.
        _, once = np.unique(np.stack([units, labellers]), axis=1, return_index=True)
        units, labellers, sides = units[once], labellers[once], sides[once]
        by_unit = defaultdict(list)
        for unit, labeller, side in zip(units, labellers, sides, strict=True):
            by_unit[unit].append((labeller, side))
        shares = defaultdict(list)
        for ratings in by_unit.values():
            for labeller, side in ratings:
                others = [other_side for other, other_side in ratings if other != labeller]
                if others:
                    shares[labeller].append(sum(other == side for other in others) / len(others))
        found = metrics.leave_one_out_agreement(units, labellers, sides, **QUICK)
        assert len(shares) > 30
        assert {k: v.value for k, v in found.items() if v.value is not None} == pytest.approx(
            {k: np.mean(v) for k, v in shares.items()}
        )

    def test_a_labeller_who_guesses_stands_out(self):
        rng = np.random.default_rng(2)
        truth = rng.choice([-1, 1], 400)
        matrix = np.where(rng.random((5, 400)) < 0.9, truth, -truth).astype(float)
        matrix[4] = rng.choice([-1, 1], 400)
        found = metrics.leave_one_out_agreement(*long_form(matrix))
        assert interval(found[4])[2] < min(interval(found[k])[0] for k in range(4))

    def test_first_side_share_leaves_out_what_is_unknown(self):
        found = metrics.first_side_share([1] * 12 + [2] * 12, [1] * 9 + [0] * 3 + [-1] * 11 + [1])
        low, high = proportion_confint(9, 12, method="wilson")
        assert (found[1].value, found[1].n) == (0.75, 12)
        assert (found[1].low, found[1].high) == pytest.approx((low, high))
        assert found[2] == metrics.Stat(None, None, None, 1, too_few=True)


class TestEveryStatistic:
    functions = pytest.mark.parametrize(
        "statistic",
        [
            metrics.percent_agreement,
            metrics.fleiss_kappa,
            lambda units, values, **options: metrics.krippendorff_alpha(units, values, level="ordinal", **options),
        ],
    )

    @functions
    def test_it_says_too_few_instead_of_a_number(self, statistic):
        stat = statistic([1, 1, 2, 2, 3], [1, 1, 1, -1, 1])
        assert stat == metrics.Stat(None, None, None, 2, too_few=True)

    @functions
    def test_it_takes_no_ratings_at_all(self, statistic):
        assert statistic([], []) == metrics.Stat(None, None, None, 0, too_few=True)

    @functions
    def test_it_is_the_same_for_the_same_seed_and_another_for_another(self, statistic):
        units, _, values = long_form(random_ratings(0))
        assert statistic(units, values, seed=4) == statistic(units, values, seed=4)
        assert statistic(units, values, seed=4) != statistic(units, values, seed=5)

    @functions
    @settings(max_examples=25, deadline=None)
    @given(seed=st.integers(0, 10_000))
    def test_it_depends_neither_on_order_nor_on_names(self, statistic, seed):
        rng = np.random.default_rng(seed)
        units, _, values = long_form(random_ratings(seed, n_units=30))
        order = rng.permutation(len(units))
        renamed = rng.permutation(10_000)[:30][units]
        before = statistic(units, values, **QUICK)
        after = statistic(renamed[order], values[order], **QUICK)
        assert after.value == pytest.approx(before.value)
        assert after.n == before.n

    def test_it_refuses_missing_values_as_numbers(self):
        with pytest.raises(ValueError, match="finite"):
            metrics.percent_agreement([1, 1], [1.0, np.nan])

    def test_it_refuses_ratings_that_do_not_line_up(self):
        with pytest.raises(ValueError, match="one entry a rating"):
            metrics.krippendorff_alpha([1, 1, 2], [0, 1])


class TestOneCoin:
    @staticmethod
    def simulated(p: list[float], n_units: int, n_answers: int, seed: int = 0):
        rng = np.random.default_rng(seed)
        truth = rng.integers(0, n_answers, n_units)
        units, labellers, values = [], [], []
        for labeller, chance in enumerate(p):
            for unit in range(n_units):
                is_right = rng.random() < chance
                other = (truth[unit] + rng.integers(1, n_answers)) % n_answers
                units.append(unit)
                labellers.append(labeller + 100)
                values.append(truth[unit] if is_right else other)
        return units, labellers, values

    @pytest.mark.parametrize("n_answers", [2, 3])
    def test_it_finds_the_chances_that_made_the_ratings(self, n_answers):
        p = [0.95, 0.8, 0.7, 0.6, 0.85]
        found = metrics.one_coin(*self.simulated(p, 2000, n_answers))
        assert list(found) == [100, 101, 102, 103, 104]
        # Three standard errors of a share of 2,000 are 0.033 at most; the truth being unknown adds a little.
        assert list(found.values()) == pytest.approx(p, abs=0.04)

    def test_one_step_by_hand(self):
        """Two labellers agree on one unit: each was right 1 of 1, with the prior 7 of 9."""
        found = metrics.one_coin([1, 1], [1, 2], [0, 0], n_iterations=1)
        assert found == pytest.approx({1: 7 / 9, 2: 7 / 9})

    def test_few_ratings_stay_near_the_prior(self):
        found = metrics.one_coin([1], [1], [0])
        assert 0.7 < found[1] < 0.8

    def test_no_ratings_no_labellers(self):
        assert metrics.one_coin([], [], []) == {}

    def test_names_and_order_do_not_matter(self):
        units, labellers, values = map(np.array, self.simulated([0.9, 0.6, 0.7], 50, 2))
        order = np.random.default_rng(1).permutation(len(units))
        before = metrics.one_coin(units, labellers, values)
        after = metrics.one_coin(units[order] * 7 + 3, labellers[order], values[order])
        assert after == pytest.approx(before)
