"""Slices of the ratings: values by hand, against plain loops and the krippendorff package, and what they must obey."""

from collections import defaultdict
from itertools import combinations
from typing import Any

import krippendorff
import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from annotate.agreement import metrics
from tests.annotate.agreement.test_metrics import REAL_FILES, real_ratings

QUICK: dict[str, Any] = {"min_units": 1, "n_resamples": 0}


def ratings(rows):
    """Units, values and groups of rows (unit, value, group)."""
    return tuple(np.array(rows).T)


def random_ratings(seed, n_units=200, n_groups=4):
    """(unit, side, group) of 1 to 5 ratings a unit; the higher the group, the noisier."""
    rng = np.random.default_rng(seed)
    rows = []
    for unit, n in enumerate(rng.integers(1, 6, n_units)):
        truth = rng.choice([-1, 1])
        for _ in range(n):
            group = rng.integers(-1, n_groups)
            is_noise = rng.random() < 0.2 + 0.15 * group
            rows.append((unit, rng.choice([-1, 0, 1]) if is_noise else truth, group))
    return ratings(rows)


def plain_rate(units, values):
    """(differing pairs, pairs) by counting every pair."""
    by_unit = defaultdict(list)
    for unit, value in zip(units, values, strict=True):
        by_unit[unit].append(value)
    pairs = [one != other for said in by_unit.values() for one, other in combinations(said, 2)]
    return sum(pairs), len(pairs)


def theirs(units, values):
    """α nominal by the `krippendorff` package."""
    counts, _, distinct = metrics.value_counts(units, values)
    return krippendorff.alpha(value_counts=counts, value_domain=distinct, level_of_measurement="nominal")


class TestByUnitGroup:
    def test_it_gives_the_values_worked_out_by_hand(self):
        """Units 1 aab and 2 ab in group 7: 2 + 1 of 3 + 1 pairs differ. Unit 3 aa elsewhere: 0 of 1. Unit 4 has one.

        Overall 3 of 5; were group 7 as the others it would be 0: excess 0.6. For group 8: 0.6 − 3/4 = −0.15.
        """
        units, values = [1, 1, 1, 2, 2, 3, 3, 4], [1, 1, -1, 1, -1, 1, 1, 1]
        seven, eight = metrics.by_unit_group(units, values, [1, 2, 3, 4], [7, 7, 8, 8], **QUICK)
        assert (seven.key, seven.n_units, seven.n_ratings, seven.disagreement.value) == (7, 2, 5, 0.75)
        assert (seven.share, seven.excess) == (1.0, pytest.approx(0.6))
        assert (eight.key, eight.n_units, eight.n_ratings, eight.disagreement.value) == (8, 1, 2, 0.0)
        assert (eight.share, eight.excess) == (0.0, pytest.approx(-0.15))

    @pytest.mark.parametrize(("name", "axis"), REAL_FILES)
    def test_it_equals_the_figures_of_the_units_alone_on_real_ratings(self, name, axis):
        """Each slice is what the whole statistics say of its units, and the package's α; a unit in two groups too."""
        units, _, sides, _ = real_ratings(name, axis)
        sides = metrics.randomise_orientation(units, sides)
        rng = np.random.default_rng(0)
        ids, groups = rng.permutation(np.unique(units)), rng.integers(-1, 3, len(np.unique(units)))
        ids, groups = np.concatenate([ids, ids[:100]]), np.concatenate([groups, np.full(100, 3)])
        found = metrics.by_unit_group(units, sides, ids, groups, n_resamples=0)
        assert sorted(one.key for one in found) == [0, 1, 2, 3]
        all_differing, all_pairs = plain_rate(units, sides)
        for one in found:
            inside = np.isin(units, ids[groups == one.key])
            differing, pairs = plain_rate(units[inside], sides[inside])
            rest_differing, rest_pairs = plain_rate(units[~inside], sides[~inside])
            assert one.disagreement.value == pytest.approx(differing / pairs)
            assert one.alpha.value == pytest.approx(theirs(units[inside], sides[inside]))
            assert one.share == pytest.approx(differing / all_differing)
            assert one.excess == pytest.approx(all_differing / all_pairs - rest_differing / rest_pairs)
            assert one.n_units == metrics.percent_agreement(units[inside], sides[inside]).n

    def test_its_intervals_are_those_of_the_units_alone(self):
        units, values, _ = random_ratings(1)
        ids = np.unique(units)
        (one,) = (s for s in metrics.by_unit_group(units, values, ids, ids % 2) if s.key == 0)
        inside = units % 2 == 0
        agreement = metrics.percent_agreement(units[inside], values[inside])
        alpha = metrics.krippendorff_alpha(units[inside], values[inside])
        width = agreement.high - agreement.low
        assert 1 - one.disagreement.low == pytest.approx(agreement.high, abs=0.1 * width)
        assert 1 - one.disagreement.high == pytest.approx(agreement.low, abs=0.1 * width)
        assert one.alpha.low == pytest.approx(alpha.low, abs=0.1 * (alpha.high - alpha.low))

    def test_the_slice_that_costs_most_comes_first_and_too_few_last(self):
        """A large group that is somewhat worse outweighs a small one that is much worse."""
        rng = np.random.default_rng(0)
        group_of = np.repeat([0, 1, 2, 3], [1000, 600, 20, 5])
        noise = np.array([0.2, 0.5, 0.9, 1.0])[group_of]
        units = np.repeat(np.arange(len(group_of)), 3)
        values = np.where(rng.random(len(units)) < noise[units], rng.choice([-1, 0, 1], len(units)), 1)
        found = metrics.by_unit_group(units, values, np.arange(len(group_of)), group_of)
        assert [one.key for one in found] == [1, 2, 0, 3]
        assert found[1].disagreement.value > found[0].disagreement.value
        assert found[3].excess is None and found[3].disagreement.too_few and found[3].alpha.too_few

    def test_all_units_in_one_group_have_no_others(self):
        units, values, _ = random_ratings(0)
        (one,) = metrics.by_unit_group(units, values, np.unique(units), np.zeros(len(np.unique(units)), int))
        assert (one.share, one.excess) == (1.0, None)

    def test_memberships_given_twice_and_of_unknown_units_do_no_harm(self):
        units, values, _ = random_ratings(0)
        ids = np.unique(units)
        once = metrics.by_unit_group(units, values, ids, ids % 3)
        twice = metrics.by_unit_group(units, values, [*ids, *ids, -5, 10**6, 3], [*(ids % 3), *(ids % 3), 0, 2, -1])
        assert once == twice

    def test_a_group_without_disagreement_does_not_look_certain(self):
        units = np.repeat(np.arange(24), 2)
        values = np.where(np.arange(48) < 24, 1, np.resize([1, -1], 48))
        quiet = metrics.by_unit_group(units, values, np.arange(24), np.arange(24) // 12)[1]
        assert (quiet.key, quiet.disagreement.value, quiet.disagreement.low) == (0, 0.0, 0.0)
        assert quiet.disagreement.high == pytest.approx(proportion_confint(0, 12, method="wilson")[1])

    def test_it_takes_nothing_at_all(self):
        assert metrics.by_unit_group([], [], [], []) == []
        (one,) = metrics.by_unit_group([], [], [1], [0])
        assert one.disagreement.too_few and one.n_ratings == 0


class TestByRatingGroup:
    @pytest.mark.parametrize("seed", range(3))
    def test_it_is_the_agreement_among_the_ratings_of_a_group(self, seed):
        units, values, groups = random_ratings(seed)
        found = metrics.by_rating_group(units, values, groups, n_resamples=0)
        assert sorted(one.key for one in found) == [0, 1, 2, 3]
        rates = {k: plain_rate(units[groups == k], values[groups == k]) for k in range(4)}
        all_differing, all_pairs = np.sum(list(rates.values()), axis=0)
        for one in found:
            differing, pairs = rates[one.key]
            assert one.disagreement.value == pytest.approx(differing / pairs)
            assert one.alpha.value == pytest.approx(theirs(units[groups == one.key], values[groups == one.key]))
            assert one.share == pytest.approx(differing / all_differing)
            rest = (all_differing - differing) / (all_pairs - pairs)
            assert one.excess == pytest.approx(all_differing / all_pairs - rest)
        assert sum(one.share or 0 for one in found) == pytest.approx(1)

    def test_it_depends_neither_on_order_nor_on_names_of_units(self):
        units, values, groups = random_ratings(0)
        order = np.random.default_rng(0).permutation(len(units))
        before = metrics.by_rating_group(units, values, groups)
        assert metrics.by_rating_group(10**12 - units[order], values[order], groups[order]) == before

    def test_a_group_without_pairs_has_too_few(self):
        units, values, groups = ratings([(1, 1, 0), (1, 1, 0), (1, 1, 5), (2, 1, 0), (2, -1, 0)])
        found = metrics.by_rating_group(units, values, groups, **QUICK)
        assert [(one.key, one.n_units, one.excess) for one in found] == [(0, 2, None), (5, 0, None)]


class TestAgreementOfRatings:
    def test_it_gives_the_values_worked_out_by_hand(self):
        """Unit 1: a a b of groups 4 1 1, unit 2: a a of 4 4, unit 3 one rating. Pairs of a rating with the others:

        group 4: 1:a differs from 1 of 2, 2:a and 2:a from 0 of 1 each: 1 of 4. Group 1: a 1 of 2, b 2 of 2: 3 of 4.
        Ratings in pairs are a a b a a. Group 4's mean disagreement is (1/2 + 0 + 0)/3; its three a would differ from
        another rating at random in 1 of 4 cases each: α = 1 − (1/6)/(1/4) = 1/3.
        """
        units, values, groups = ratings([(1, 1, 4), (1, 1, 1), (1, -1, 1), (2, 1, 4), (2, 1, 4), (3, 1, 4)])
        one, four = metrics.agreement_of_ratings(units, values, groups, **QUICK)
        assert (four.key, four.n_units, four.n_ratings, four.disagreement.value) == (4, 2, 3, 0.25)
        assert (one.key, one.n_units, one.n_ratings, one.disagreement.value) == (1, 1, 2, 0.75)
        assert four.alpha.value == pytest.approx(1 / 3)
        assert (one.share, four.share) == (0.75, 0.25)
        assert (one.excess, four.excess) == (pytest.approx(4 / 8 - 1 / 4), pytest.approx(4 / 8 - 3 / 4))

    @pytest.mark.parametrize("seed", range(3))
    def test_it_equals_a_plain_loop(self, seed):
        units, values, groups = random_ratings(seed)
        found = metrics.agreement_of_ratings(units, values, groups, n_resamples=0)
        assert sorted(one.key for one in found) == [0, 1, 2, 3]
        differs = defaultdict(list)
        for i in range(len(units)):
            for j in np.flatnonzero(units == units[i]):
                if i != j:
                    differs[groups[i]].append(values[i] != values[j])
        everything = np.concatenate(list(differs.values()))
        for one in found:
            assert one.disagreement.value == pytest.approx(np.mean(differs[one.key]))
            assert one.share == pytest.approx(np.sum(differs[one.key]) / everything.sum())
            rest = np.concatenate([differs[k] for k in differs if k != one.key])
            assert one.excess == pytest.approx(everything.mean() - rest.mean())

    @pytest.mark.parametrize(("name", "axis"), REAL_FILES)
    def test_alpha_of_all_ratings_is_krippendorffs_on_real_ratings(self, name, axis):
        units, _, sides, _ = real_ratings(name, axis)
        sides = metrics.randomise_orientation(units, sides)
        (one,) = metrics.agreement_of_ratings(units, sides, np.zeros(len(units), int))
        whole = metrics.krippendorff_alpha(units, sides)
        assert one.alpha.value == pytest.approx(theirs(units, sides))
        assert (one.alpha.low, one.alpha.high) == pytest.approx(
            (whole.low, whole.high), abs=0.1 * (whole.high - whole.low)
        )

    def test_alpha_of_a_value_is_fleiss_kappa_of_that_value(self):
        """With the value as the group: (p_j − P_j)/(1 − P_j), Fleiss' κ of category j (1971), up to n/(n − 1)."""
        rng = np.random.default_rng(0)
        counts = rng.multinomial(4, [0.5, 0.3, 0.2], 400)
        units, values = np.repeat(np.arange(400), 4), np.concatenate([np.repeat([0, 1, 2], row) for row in counts])
        found = {one.key: one for one in metrics.agreement_of_ratings(units, values, values, n_resamples=0)}
        p = counts.sum(axis=0) / counts.sum()
        agreement = (counts * (counts - 1)).sum(axis=0) / (counts * 3).sum(axis=0)
        kappa = 1 - (1 - agreement) / (1 - p)
        assert [found[k].alpha.value for k in range(3)] == pytest.approx(kappa.tolist(), abs=1e-3)

    def test_its_intervals_cover_the_population_value(self):
        """Of 150 samples of 80 units about 95 % of the intervals of disagreement and α hold the population's."""
        units, values, groups = random_ratings(9, n_units=8000)
        (truth,) = (s for s in metrics.agreement_of_ratings(units, values, groups, n_resamples=0) if s.key == 2)
        rng = np.random.default_rng(1)
        starts = np.searchsorted(units, np.arange(8001))
        covered = np.zeros(2)
        for _ in range(150):
            drawn = rng.integers(0, 8000, 80)
            rows = [np.arange(starts[u], starts[u + 1]) for u in drawn]
            names = np.repeat(np.arange(80), [len(row) for row in rows])
            row = np.concatenate(rows)
            (one,) = (
                s for s in metrics.agreement_of_ratings(names, values[row], groups[row], n_resamples=300) if s.key == 2
            )
            covered += [
                one.disagreement.low <= truth.disagreement.value <= one.disagreement.high,
                one.alpha.low <= truth.alpha.value <= one.alpha.high,
            ]
        assert (covered >= 0.87 * 150).all() and (covered < 150).all()


class TestChanges:
    @staticmethod
    def versions(rng, noise, n_units=300):
        """Units with 3 ratings, n_units of each version, whose noise is given."""
        units = np.arange(len(noise) * n_units * 3) // 3
        groups = units // n_units + 1
        is_noise = rng.random(len(units)) < np.array(noise)[groups - 1]
        return units, np.where(is_noise, rng.choice([-1, 1], len(units)), 1), groups

    def test_it_says_lower_higher_and_unclear(self):
        found = metrics.changes(*self.versions(np.random.default_rng(0), [0.6, 0.3, 0.3, 0.7]))
        assert [(one.key, one.previous, one.verdict) for one in found] == [
            (2, 1, "lower"),
            (3, 2, "unclear"),
            (4, 3, "higher"),
        ]

    def test_its_difference_is_that_of_the_slices(self):
        units, values, groups = random_ratings(3)
        rate = {s.key: s.disagreement.value for s in metrics.by_rating_group(units, values, groups, n_resamples=0)}
        found = metrics.changes(units, values, groups)
        assert [one.key for one in found] == [1, 2, 3]
        for one in found:
            assert one.difference.value == pytest.approx(rate[one.key] - rate[one.previous])
            assert one.difference.low < one.difference.value < one.difference.high

    def test_a_version_with_too_few_is_skipped_by_the_next(self):
        units, values, groups = self.versions(np.random.default_rng(0), [0.6, 0.6, 0.1])
        is_kept = (groups != 2) | (units < 305)
        found = metrics.changes(units[is_kept], values[is_kept], groups[is_kept])
        assert [(one.key, one.previous, one.verdict) for one in found] == [(2, 1, "too_few"), (3, 1, "lower")]
        assert found[0].difference.too_few

    def test_no_change_is_rarely_called_one(self):
        """200 honest changes: about 5 % are called lower or higher."""
        rng = np.random.default_rng(4)
        verdicts = [
            metrics.changes(*self.versions(rng, [0.4, 0.4], 100), n_resamples=300)[0].verdict for _ in range(200)
        ]
        assert 2 <= sum(verdict != "unclear" for verdict in verdicts) <= 20

    def test_units_rated_under_both_are_resampled_as_one(self):
        """Each unit's ratings are the same under both: the difference is 0 in every resample."""
        units, values, _ = random_ratings(0)
        both = np.tile(units, 2), np.tile(values, 2), np.repeat([1, 2], len(units))
        (one,) = metrics.changes(*both)
        assert (one.difference.low, one.difference.value, one.difference.high) == (0.0, 0.0, 0.0)
        assert one.verdict == "unclear"

    def test_perfect_agreement_on_few_units_does_not_make_it_sure(self):
        """Two ratings a unit: 0 of 12 pairs after 3 of 12 differ: Newcombe's interval holds 0."""
        units = np.repeat(np.arange(24), 2)
        values = np.ones(48, int)
        values[[0, 2, 4]] = -1
        (one,) = metrics.changes(units, values, units // 12)
        low, high = confint_proportions_2indep(0, 12, 3, 12, compare="diff", method="newcomb")
        assert one.difference.value == pytest.approx(-0.25)
        # The interval of 3 of 12 is a bootstrap's, not Wilson's, which moves the upper end a little.
        assert one.difference.low == pytest.approx(low, abs=0.07)
        assert one.difference.high == pytest.approx(high, abs=0.07)
        assert one.verdict == "unclear"


class TestEverySlice:
    functions = pytest.mark.parametrize(
        "function", [metrics.by_rating_group, metrics.agreement_of_ratings, metrics.changes]
    )

    @functions
    def test_it_takes_nothing_at_all(self, function):
        assert function([], [], []) == []

    @functions
    def test_it_refuses_columns_that_do_not_line_up(self, function):
        with pytest.raises(ValueError, match="one entry a rating"):
            function([1, 1, 2], [0, 1, 1], [0, 0])

    @functions
    def test_it_is_the_same_for_the_same_seed_and_another_for_another(self, function):
        columns = random_ratings(0)
        assert function(*columns, seed=4) == function(*columns, seed=4)
        assert function(*columns, seed=4) != function(*columns, seed=5)
