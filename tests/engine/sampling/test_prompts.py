"""Rules for prompts against slow computations that follow their definitions word by word."""

import itertools

import numpy as np
import pytest
from scipy.special import psi
from scipy.stats import chisquare

from training.engine.reward.posterior import HeadPosterior
from training.engine.sampling import prompts
from training.engine.sampling.prompts import (
    Round,
    badge,
    bal_pm,
    coin_variance,
    gradient_embedding,
    neighbourhoods,
    second_moment,
    uniform,
    v_optimal,
)


def told(n, *, is_open=None, drawn=(), n_wanted=1000, seed=0):
    """A round in which pair i is the only one of prompt i."""
    return Round(
        best=np.arange(n),
        is_open=np.ones(n, dtype=bool) if is_open is None else is_open,
        drawn=np.array(drawn, dtype=np.int64),
        n_wanted=n_wanted,
        rng=np.random.default_rng(seed),
    )


def points(n, d=5, seed=0):
    made = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def picked(rule, given, n=None):
    return [prompt for prompt, _ in itertools.islice(rule(given), n)]


RULES = {
    "uniform": lambda n: uniform,
    "badge": lambda n: badge(lambda pairs: points(n)[pairs]),
    "v_optimal": lambda n: v_optimal(lambda pairs: points(n)[pairs], np.full(n, 0.25), points(n).T @ points(n) / n),
    "bal_pm": lambda n: bal_pm(
        np.linspace(0, 1, n), np.arange(n), points(n), np.zeros(n, dtype=bool), np.zeros((0, 5), dtype=np.float32)
    ),
}


@pytest.mark.parametrize("name", list(RULES))
def test_every_prompt_comes_once(name):
    assert sorted(picked(RULES[name](30), told(30))) == list(range(30))


@pytest.mark.parametrize("name", list(RULES))
def test_a_prompt_without_a_pair_never_comes(name):
    given = told(30)
    given.best[[3, 4]] = -1
    assert sorted(picked(RULES[name](30), given)) == [i for i in range(30) if i not in (3, 4)]


@pytest.mark.parametrize("name", list(RULES))
def test_what_is_closed_meanwhile_does_not_come(name):
    is_open = np.ones(30, dtype=bool)
    came = []
    for prompt, _ in RULES[name](30)(told(30, is_open=is_open)):
        came.append(prompt)
        is_open[(prompt + 15) % 30] = False
    assert len(came) == 15
    assert {(prompt + 15) % 30 for prompt in came}.isdisjoint(came)


@pytest.mark.parametrize("name", list(RULES))
def test_the_same_seed_gives_the_same(name):
    first, again = (picked(RULES[name](30), told(30, seed=4)) for _ in range(2))
    assert first == again


def test_the_gradient_is_that_of_the_expected_answer():
    """Finite differences of log σ(w·(winner − loser)) in w, at the head that says who wins."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=4)
    differences = rng.normal(size=(6, 4))
    gap = differences @ w
    expected = np.zeros((6, 4))
    for i, axis in itertools.product(range(6), range(4)):
        step = np.zeros(4)
        step[axis] = 1e-6
        sign = np.sign(gap[i])
        up, down = (-np.log1p(np.exp(-sign * differences[i] @ (w + s))) for s in (step, -step))
        expected[i, axis] = (up - down) / 2e-6
    assert gradient_embedding(gap, differences) == pytest.approx(expected, abs=1e-5)
    assert gradient_embedding(-gap, -differences) == pytest.approx(expected, abs=1e-5)  # a and b swapped


def test_badge_draws_in_proportion_to_squared_distances():
    """The first centre ∝ its squared length, the second ∝ its squared distance to it: k-means++."""
    g = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 0.0]], dtype=np.float32)
    squares = (g**2).sum(axis=1)
    apart = ((g[:, None] - g[None]) ** 2).sum(axis=2)
    expected = squares[:, None] / squares.sum() * apart / np.maximum(apart.sum(axis=1, keepdims=True), 1e-9)
    counts = np.zeros((4, 4))
    n = 4000
    for seed in range(n):
        first, second = picked(badge(lambda pairs: g[pairs]), told(4, seed=seed), 2)
        counts[first, second] += 1
    possible = expected > 0
    assert counts[~possible].sum() == 0
    assert chisquare(counts[possible], expected[possible] * n).pvalue > 0.001


def test_badge_keeps_away_from_what_is_in_the_batch():
    g = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    assert all(picked(badge(lambda pairs: g[pairs]), told(3, drawn=[0], seed=seed), 1) == [2] for seed in range(20))


def test_the_variance_of_a_coin_by_hand():
    assert coin_variance(np.array([0.0, np.log(3), -np.log(3)])) == pytest.approx([1 / 4, 3 / 16, 3 / 16])
    assert coin_variance(np.array([-800.0, 800.0])) == pytest.approx([0.0, 0.0], abs=1e-12)


def test_v_optimal_is_its_definition():
    """Each pick by Bayes: the posterior covariance is inverted anew with one more answer, and the mean variance of all
    gaps of the pool computed from it, xᵀΣx. What was drawn at random counts from the start."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(40, 6)) * np.linspace(0.2, 2, 40)[:, None]
    gap = rng.normal(size=40)
    posterior = HeadPosterior.fit(rng.normal(size=(30, 6)), rng.normal(size=30))
    p = 1 / (1 + np.exp(-gap))

    def mean_variance(batch):
        precision = posterior.precision + (x[batch] * (p * (1 - p))[batch, None]).T @ x[batch]
        return np.mean(np.einsum("nd,nd->n", x @ np.linalg.inv(precision), x))

    drawn: list[int] = [7, 30]
    slow: list[int] = []
    shares: list[float] = []
    for _ in range(15):
        batch = drawn + slow
        left = [mean_variance([*batch, one]) if one not in batch else np.inf for one in range(40)]
        slow.append(int(np.argmin(left)))
        shares.append((mean_variance(batch) - min(left)) / mean_variance([]))
    given = told(40, drawn=drawn)
    given.best[drawn] = -1
    v = x @ posterior.whitening()
    rule = v_optimal(lambda pairs: v[pairs], coin_variance(gap), second_moment(lambda pairs: v[pairs], 40))
    found = list(itertools.islice(rule(given), 15))
    assert [prompt for prompt, _ in found] == slow
    assert [terms["reduction"] for _, terms in found] == pytest.approx(shares)


def test_v_optimal_leaves_an_odd_pair_alone():
    """One pair is the longest but shares nothing with the 20 others, which are alike. Completions with the same
    features teach nothing and come last."""
    v = np.array([[0.0, 1.2], *[[1.0, 0.0]] * 20, [0.0, 0.0]])
    rule = v_optimal(lambda pairs: v[pairs], np.full(22, 0.25), second_moment(lambda pairs: v[pairs], 22))
    came = picked(rule, told(22))
    assert came[0] == 1 and came[-1] == 21 and sorted(came) == list(range(22))
    # By hand: 20/22 of the pool's second moment lies along the first axis. 0.25 · 20/22 / 1.25 of a whole 21.44/22.
    assert next(rule(told(22)))[1]["reduction"] == pytest.approx(0.25 * 20 / 1.25 / 21.44)


def test_a_pool_of_equal_completions_is_no_trouble():
    v = np.zeros((5, 3))
    rule = v_optimal(lambda pairs: v[pairs], np.full(5, 0.25), second_moment(lambda pairs: v[pairs], 5))
    assert [terms for _, terms in rule(told(5))] == [{"reduction": 0.0}] * 5


def test_a_large_pool_keeps_what_is_worth_most(monkeypatch):
    monkeypatch.setattr(prompts, "MOST_LOOKS", 1)
    v = np.diag(np.arange(1.0, 21.0))
    rule = v_optimal(lambda pairs: v[pairs], np.full(20, 0.25), second_moment(lambda pairs: v[pairs], 20))
    assert sorted(picked(rule, told(20, n_wanted=3))) == list(range(14, 20))


def test_a_second_moment_in_blocks_is_that_of_all(monkeypatch):
    monkeypatch.setattr(prompts, "CHUNK", 7)
    v = np.random.default_rng(0).normal(size=(30, 4))
    assert second_moment(lambda pairs: v[pairs], 30) == pytest.approx(v.T @ v / 30)


def slow_bal_pm(u, features, is_acquired, elsewhere, n, k=prompts.NEIGHBOURS):
    """By the definition, everything anew for each pick."""
    everything = np.concatenate([features, elsewhere]).astype(np.float64)
    acquired = [i for i in range(len(everything)) if i >= len(features) or is_acquired[i]]
    apart = np.linalg.norm(features[:, None].astype(np.float64) - everything[None], axis=2)
    radius = np.sort(apart, axis=1)[:, min(k, len(everything) - 1)]
    chosen: list[int] = []
    while len(chosen) < n:
        density = np.array([sum(apart[i, j] < radius[i] * (1 - 1e-6) for j in acquired) for i in range(len(features))])
        score = u + 0.5 * (np.log(2 * radius + 1e-4) - psi(density + 1) / features.shape[1])
        score[chosen] = -np.inf
        chosen.append(int(np.argmax(score)))
        if chosen[-1] not in acquired:
            acquired.append(chosen[-1])
    return chosen


@pytest.mark.parametrize("n_elsewhere", [0, 15])
def test_bal_pm_is_its_definition(n_elsewhere):
    rng = np.random.default_rng(3)
    features, elsewhere = points(80), points(n_elsewhere, seed=1)
    u = rng.random(80)
    is_acquired = rng.random(80) < 0.2
    rule = bal_pm(u, np.arange(80), features, is_acquired, elsewhere, balance=0.5)
    assert picked(rule, told(80), 40) == slow_bal_pm(u, features, is_acquired, elsewhere, 40)


def test_bal_pm_asks_one_thing_once_before_it_asks_it_again():
    """Two heaps of 20, of equal uncertainty. The 20th neighbour of each is in the other heap, so each pick thickens
    its heap for all in it, and the other one is next."""
    heaps = np.repeat(np.eye(2, 6), 20, axis=0) + 0.001 * np.random.default_rng(0).normal(size=(40, 6))
    features = (heaps / np.linalg.norm(heaps, axis=1, keepdims=True)).astype(np.float32)
    none = np.zeros((0, 6), dtype=np.float32)
    rule = bal_pm(np.zeros(40), np.arange(40), features, np.zeros(40, dtype=bool), none, balance=1.0, neighbours=20)
    found = picked(rule, told(40), 10)
    assert [{one // 20, other // 20} for one, other in zip(found[::2], found[1::2], strict=True)] == [{0, 1}] * 5


def test_a_shortlist_keeps_the_most_uncertain():
    u = np.random.default_rng(0).permutation(100) / 100
    none = np.zeros((0, 5), dtype=np.float32)
    rule = bal_pm(u, np.arange(100), points(100), np.zeros(100, dtype=bool), none, shortlist=3)
    assert sorted(picked(rule, told(100, n_wanted=5))) == sorted(np.argsort(-u)[:15])


def test_neighbourhoods_in_blocks_are_those_of_scipy(monkeypatch):
    from scipy.spatial import KDTree

    monkeypatch.setattr(prompts, "ROWS", 7)
    features = points(60, seed=2)
    is_acquired = np.random.default_rng(2).random(60) < 0.5
    radii, density = neighbourhoods(features[:25], features, is_acquired, 4)
    expected = KDTree(features).query(features[:25], k=5)[0][:, -1]
    assert np.sqrt(radii) == pytest.approx(expected, rel=1e-4)
    tree = KDTree(features[is_acquired])
    counts = [len(tree.query_ball_point(x, r * (1 - 1e-4))) for x, r in zip(features[:25], expected, strict=True)]
    assert density.tolist() == counts
