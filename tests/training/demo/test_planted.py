"""What is planted among simulated labellers is found, and who is honest is not accused.

The crowd of `training.demo.crowd` is the model of `labellers.rate` in arrays, so that a hundred projects take seconds.
"""

import random
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from annotate.agreement import metrics
from annotate.agreement.metrics.findings import findings
from training.demo import crowd
from training.demo.labellers import LABELLERS, SimulatedLabeller, rate

# Careful and noisy, quick and slow, with a wide tie and a narrow one: none has a habit.
HONEST = tuple(
    SimulatedLabeller(f"Honest {at}", temperature, tie_below=tie, words_per_minute=speed, carelessness=careless)
    for at, (temperature, tie, speed, careless) in enumerate(
        [
            (0.55, 0.25, 200, 0.0),
            (0.75, 0.25, 220, 0.02),
            (0.85, 0.3, 240, 0.02),
            (0.95, 0.9, 190, 0.02),
            (1.0, 0.4, 300, 0.02),
            (1.15, 0.25, 260, 0.02),
            (1.2, 0.2, 280, 0.02),
            (1.5, 0.25, 250, 0.02),
        ]
    )
)
PLANTED = (
    SimulatedLabeller("First", 1.2, position_bias=1.1),
    SimulatedLabeller("Long", 0.85, length_taste=2.5),
    SimulatedLabeller("Spam", 1.0, carelessness=1.0),
    SimulatedLabeller("Changed", 0.8),
)
FIRST, LONG, SPAM, CHANGED = range(len(HONEST), len(HONEST) + 4)
# From the third version on hardly anything of the old care is left, though the time is spent.
CHANGES = {CHANGED: (3, replace(PLANTED[3], temperature=5.0))}
N_SEEDS = 100


@pytest.fixture(scope="module")
def pairs():
    return crowd.pairs_of(6000)


class TestTheCrowd:
    def test_it_rates_as_the_labellers_do(self, pairs):
        """Shares of sides, ties and intensities and mean times of `rate` and of the crowd, within sampling error."""
        n = 1500
        turn = random.Random(1)
        for number, labeller in enumerate(LABELLERS):
            rows = []
            for messages, a, b in pairs.texts[:n]:
                is_swapped = turn.random() < 0.5
                said = rate(labeller, messages, *((b, a) if is_swapped else (a, b)), turn)
                sign = {"first": 1, "second": -1, "tie": 0}[said.preferred] * (-1 if is_swapped else 1)
                rows.append((sign, abs(sign) * (said.intensity or 0), said.preferred == "first", said.active_ms))
            side, intensity, first, active_ms = np.array(rows).T
            # Ten times the crowd's ratings, so that the error is that of `rate`'s n.
            pair = np.tile(np.arange(n), 10)
            rng = np.random.default_rng(number)
            theirs = crowd.rate_all(pairs, [labeller], pair, np.zeros(len(pair), dtype=np.int64), rng)
            for one, other in (
                (side, theirs["side"]),
                (side == 0, theirs["side"] == 0),
                (intensity, np.abs(theirs["signed_intensity"])),
                (first, theirs["first_shown"] == 1),
                (active_ms, theirs["active_ms"]),
            ):
                assert abs(one.mean() - other.mean()) < 3.7 * one.std() / np.sqrt(n) + 1e-9

    @pytest.mark.parametrize("labeller", LABELLERS, ids=lambda one: one.slug)
    def test_the_chances_are_those_of_the_ratings(self, pairs, labeller):
        pair = np.tile(np.arange(len(pairs)), 5)
        who = np.zeros(len(pair), dtype=np.int64)
        said = crowd.rate_all(pairs, [labeller], pair, who, np.random.default_rng(0))["side"]
        expected = crowd.chances(pairs, labeller)
        assert expected.sum(axis=1) == pytest.approx(np.ones(len(pairs)))
        for at, side in enumerate((-1, 0, 1)):
            assert (said == side).mean() == pytest.approx(expected[:, at].mean(), abs=0.01)
        assert crowd.reliability(pairs, labeller) == pytest.approx((said == pairs.answer[pair]).mean(), abs=0.01)


class TestReliabilities:
    def test_they_are_recovered(self):
        """Twenty labellers from very good to hardly better than chance, 450 ratings each, three projects.

        Pairs of true reliabilities 0.45 to 0.9; a share of 450 has a standard error of 0.02.
        """
        pairs = crowd.pairs_of(3000, seed=9)
        rng = np.random.default_rng(3)
        people = [
            SimulatedLabeller(
                f"m{at}",
                temperature,
                tie_below=float(rng.uniform(0.1, 0.7)),
                carelessness=float(rng.choice([0, 0.02, 0.3])),
            )
            for at, temperature in enumerate(np.geomspace(0.4, 6, 20).tolist())
        ]
        true = np.array([crowd.reliability(pairs, one) for one in people])
        ranks, errors, inside = [], [], []
        for seed in range(3):
            ratings = crowd.simulate(pairs, people, np.random.default_rng(seed)).ratings
            told = metrics.fit_of(ratings).reliability
            found = np.array([told[at] for at in range(len(people))])
            ranks.append(spearmanr(found, true).statistic)
            errors.append(np.abs(found - true).mean())
            stats = [figures.reliability for figures in metrics.labeller_figures(ratings, reliability=told).values()]
            inside += [stat.low <= one <= stat.high for stat, one in zip(stats, true, strict=True)]
        print(f"rank correlation {np.mean(ranks):.3f}, error {np.mean(errors):.4f}, in interval {np.mean(inside):.2f}")
        assert np.mean(ranks) > 0.93
        assert min(ranks) > 0.9
        assert np.mean(errors) < 0.03
        assert np.mean(inside) > 0.85

    def test_the_answers_are_better_than_the_majoritys_and_know_how_sure_they_are(self, pairs):
        ratings = crowd.simulate(pairs, [*HONEST, *PLANTED], np.random.default_rng(0), changes=CHANGES).ratings
        found = metrics.answers(ratings)
        answer = np.array([2, 0, 1])[pairs.answer]
        leading = found.p.argmax(axis=1)
        votes = np.stack(
            [
                np.bincount(ratings.comparison, weights=ratings.side == side, minlength=len(pairs))
                for side in (1, -1, 0)
            ],
            axis=1,
        )
        most = votes == votes.max(axis=1, keepdims=True)
        by_votes = (most[np.arange(len(pairs)), answer] / most.sum(axis=1)).mean()
        assert (leading == answer).mean() > by_votes + 0.005
        sure = found.p.max(axis=1)
        for low, high in ((0.5, 0.8), (0.8, 0.95), (0.95, 1.01)):
            chosen = (sure >= low) & (sure < high)
            assert (leading == answer)[chosen].mean() == pytest.approx(sure[chosen].mean(), abs=0.05)
        assert spearmanr(found.expected_intensity, pairs.gap).statistic > 0.93


class TestFindings:
    def test_whatever_is_planted_is_found_and_nobody_else_accused(self, pairs):
        """A hundred projects of twelve labellers with some 1,500 ratings each, of whom four are planted."""
        n_found = dict.fromkeys(["position_bias", "length_taste", "near_chance", "changed"], 0)
        n_accusing = 0
        for seed in range(N_SEEDS):
            project = crowd.simulate(pairs, [*HONEST, *PLANTED], np.random.default_rng(seed), changes=CHANGES)
            told = findings(project.ratings, repeats=project.repeats)
            codes = {(one.labeller, one.code, one.version) for one in told}
            n_found["position_bias"] += (FIRST, "position_bias", None) in codes
            n_found["length_taste"] += (LONG, "length_taste", None) in codes
            n_found["near_chance"] += (SPAM, "near_chance", None) in codes
            n_found["changed"] += (CHANGED, "changed", 3) in codes
            n_accusing += any(one.labeller < len(HONEST) for one in told)
        print(n_found, f"projects in which somebody honest is accused: {n_accusing} of {N_SEEDS}")
        assert min(n_found.values()) >= 0.98 * N_SEEDS
        assert n_accusing <= 0.07 * N_SEEDS

    @pytest.mark.parametrize(("n_pairs", "n_labellers"), [(300, 8), (6000, 8), (400, 3)])
    def test_among_the_honest_nobody_is_accused(self, pairs, n_pairs, n_labellers):
        few = pairs.first(n_pairs)
        n_accusing = 0
        for seed in range(N_SEEDS):
            project = crowd.simulate(few, HONEST[:n_labellers], np.random.default_rng(1000 + seed))
            n_accusing += bool(findings(project.ratings, repeats=project.repeats))
        print(f"{n_labellers} honest labellers, {n_pairs} pairs: accused in {n_accusing} of {N_SEEDS} projects")
        assert n_accusing <= 0.07 * N_SEEDS
