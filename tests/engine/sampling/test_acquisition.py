"""What is worth asking: each function against a closed form or a slow computation of its own."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from training.engine.sampling import acquisition
from training.engine.sampling.acquisition import ACQUISITIONS, PairScores


def pool(n_prompts=40, seed=0, heads=9, sizes=(2, 3, 4, 5)):
    """Prompts of different sizes, some pairs of which are no candidates any more."""
    rng = np.random.default_rng(seed)
    counts = rng.choice(sizes, n_prompts)
    prompts = np.repeat(np.arange(n_prompts), counts)
    pairs = []
    for start, count in zip(np.cumsum(counts) - counts, counts, strict=True):
        mine = [(start + a, start + b) for a in range(count) for b in range(count) if a < b]
        kept = [pair for pair in mine if rng.random() < 0.8] or mine[:1]
        pairs += [pair if rng.random() < 0.5 else pair[::-1] for pair in kept]
    first, second = np.array(pairs).T
    rewards = rng.normal(size=len(prompts))
    return PairScores(
        rewards=rewards,
        head_rewards=rewards[:, None] + rng.normal(size=(len(prompts), heads)) + 5 * rng.normal(size=heads),
        prompts=prompts,
        first=first,
        second=second,
        noise=rng.random(len(first)),
        seed=seed,
    )


def swapped(scores):
    """The same with a and b of every pair exchanged."""
    return PairScores(
        scores.rewards, scores.head_rewards, scores.prompts, scores.second, scores.first, scores.noise, scores.seed
    )


def test_bald_is_the_mutual_information_by_scipy():
    scores = pool()
    for pair in range(len(scores)):
        gaps = scores.head_rewards[scores.first[pair]] - scores.head_rewards[scores.second[pair]]
        p = 1 / (1 + np.exp(-gaps))
        expected = entropy([p.mean(), 1 - p.mean()]) - np.mean([entropy([one, 1 - one]) for one in p])
        assert ACQUISITIONS["bald"](scores)[pair] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("head_gaps", "nats"),
    [
        ([0.0, 0.0], 0.0),  # a coin toss that all heads call one: nothing to learn
        ([3.0, 3.0], 0.0),
        ([1000.0, -1000.0], math.log(2)),  # half of the heads would be refuted
    ],
)
def test_bald_by_hand(head_gaps, nats):
    scores = PairScores.of_gaps(np.zeros(1), np.array([head_gaps]), np.zeros(1))
    assert ACQUISITIONS["bald"](scores)[0] == pytest.approx(nats, abs=1e-12)


def test_delta_ucb_is_the_larger_of_both_orders():
    scores = pool()
    worth = ACQUISITIONS["delta_ucb"](scores)
    centred = scores.head_rewards.copy()
    for prompt in range(scores.prompts.max() + 1):
        mine = scores.prompts == prompt
        centred[mine] -= centred[mine].mean(axis=0)
    s = centred.std(axis=1)
    upper, lower = scores.rewards + s, scores.rewards - s
    for pair, (a, b) in enumerate(zip(scores.first, scores.second, strict=True)):
        assert worth[pair] == pytest.approx(max(upper[a] - lower[b], upper[b] - lower[a]))


def test_delta_ucb_of_two_completions_is_the_gap_and_its_deviation():
    """Centred on two completions, each head's deviations are ± half its gap, so the two spreads add up to the gap's."""
    scores = pool(sizes=(2,))
    expected = np.abs(scores.gap) + np.sqrt(scores.disagreement)
    assert ACQUISITIONS["delta_ucb"](scores) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["gap", "disagreement", "bald", "delta_ucb", "drts", "dts"])
def test_what_a_head_adds_to_a_whole_prompt_changes_nothing(name):
    scores = pool()
    rng = np.random.default_rng(1)
    offsets = rng.normal(scale=20, size=(scores.prompts.max() + 1, scores.n_heads))
    moved = PairScores(
        scores.rewards,
        scores.head_rewards + offsets[scores.prompts],
        scores.prompts,
        scores.first,
        scores.second,
        scores.noise,
        scores.seed,
    )
    assert ACQUISITIONS[name](moved) == pytest.approx(ACQUISITIONS[name](scores), abs=1e-9)


@pytest.mark.parametrize("name", list(ACQUISITIONS))
@pytest.mark.parametrize("seed", range(3))
def test_swapping_a_and_b_changes_nothing(name, seed):
    scores = pool(seed=seed)
    assert ACQUISITIONS[name](swapped(scores)) == pytest.approx(ACQUISITIONS[name](scores), abs=1e-12)


@pytest.mark.parametrize("name", list(ACQUISITIONS))
def test_a_large_pool_is_the_same_in_chunks(name, monkeypatch):
    scores = pool(n_prompts=50)
    whole = ACQUISITIONS[name](scores)
    monkeypatch.setattr(acquisition, "CHUNK", 28)
    parts = ACQUISITIONS[name](pool(n_prompts=50))
    if name == "dts":  # draws the heads' order chunk by chunk
        assert len(parts) == len(whole) and (parts >= 1).sum() == (whole >= 1).sum()
    else:
        assert parts == pytest.approx(whole, abs=1e-12)


@given(st.integers(0, 10**6), st.sampled_from(["dts", "drts"]))
def test_thompson_sampling_draws_one_pair_of_each_prompt(seed, name):
    scores = pool(n_prompts=8, seed=seed)
    worth = ACQUISITIONS[name](scores)
    drawn = scores.pair_prompts[worth >= 1]
    assert sorted(drawn) == list(range(8))
    assert (worth >= 0).all() and (worth < 2).all()
    assert np.array_equal(worth, ACQUISITIONS[name](pool(n_prompts=8, seed=seed)))


def same_prompt(n, rewards, head_rewards, pairs, seed=0):
    """n prompts alike: rewards (k,), head_rewards (k, heads), pairs of places."""
    k, m = len(rewards), len(pairs)
    offsets = k * np.repeat(np.arange(n), m)
    first, second = np.tile(np.array(pairs), (n, 1)).T
    return PairScores(
        rewards=np.tile(np.asarray(rewards, float), n),
        head_rewards=np.tile(np.asarray(head_rewards, float), (n, 1)),
        prompts=np.repeat(np.arange(n), k),
        first=first + offsets,
        second=second + offsets,
        noise=np.random.default_rng(seed).random(n * m),
        seed=seed,
    )


def shares(scores, name, n_pairs):
    return (ACQUISITIONS[name](scores) >= 1).reshape(-1, n_pairs).mean(axis=0)


def test_dts_pairs_the_heads_favourites():
    """Three heads favour completions 0, 0 and 1. Two of one mind never pair 0 with itself: 0 and 1 always meet."""
    heads = [[3.0, 2.0, 0.0], [0.0, 0.0, 1.0], [-1.0, -1.0, -1.0]]
    scores = same_prompt(200, [1.0, 0.5, -1.0], heads, [(0, 1), (0, 2), (1, 2)])
    assert shares(scores, "dts", 3).tolist() == [1.0, 0.0, 0.0]


def test_dts_falls_back_to_any_pair_where_all_heads_agree():
    heads = np.array([[3.0, 2.0], [0.0, 1.0], [-1.0, -1.0]])
    scores = same_prompt(3000, [1.0, 0.5, -1.0], heads, [(0, 1), (0, 2), (1, 2)])
    assert shares(scores, "dts", 3) == pytest.approx([1 / 3] * 3, abs=0.05)


def test_dts_draws_its_heads_uniformly():
    """Heads favour 0, 1 and 2: the first two drawn say the pair, each of the three pairs with probability 1/3."""
    scores = same_prompt(3000, [0.0, 0.0, 0.0], np.eye(3), [(0, 1), (0, 2), (1, 2)])
    assert shares(scores, "dts", 3) == pytest.approx([1 / 3] * 3, abs=0.05)


def test_drts_without_doubt_pairs_the_best_with_the_worst():
    heads = np.array([[0.5, 0.5], [2.0, 2.0], [-1.0, -1.0]])
    scores = same_prompt(50, [0.5, 2.0, -1.0], heads, [(0, 1), (0, 2), (2, 1)])
    assert shares(scores, "drts", 3).tolist() == [0.0, 0.0, 1.0]


def test_drts_takes_a_candidate_where_best_and_worst_are_none():
    heads = np.array([[0.5, 0.5], [2.0, 2.0], [-1.0, -1.0]])
    scores = same_prompt(2000, [0.5, 2.0, -1.0], heads, [(0, 1), (0, 2)])
    assert shares(scores, "drts", 2) == pytest.approx([0.5, 0.5], abs=0.05)


def test_drts_draws_as_often_as_a_plain_simulation():
    """Against the definition, prompt by prompt, with numbers of its own."""
    rng = np.random.default_rng(5)
    rewards = np.array([0.0, 0.4, 0.8])
    heads = rewards[:, None] + np.array([[1.0, -1.0], [-0.5, 0.5], [-0.5, 0.5]])
    s = np.array([1.0, 0.5, 0.5])
    pairs = [(0, 1), (0, 2), (1, 2)]
    counts = np.zeros(3)
    for _ in range(20_000):
        best = worst = 0
        while best == worst:
            best = int(np.argmax(rewards + rng.uniform(-1, 1, 3) * s))
            worst = int(np.argmin(rewards + rng.uniform(-1, 1, 3) * s))
        counts[pairs.index((min(best, worst), max(best, worst)))] += 1
    scores = same_prompt(20_000, rewards, heads, pairs)
    assert shares(scores, "drts", 3) == pytest.approx(counts / counts.sum(), abs=0.015)


@pytest.mark.parametrize("name", list(ACQUISITIONS))
def test_no_pairs_are_no_trouble(name):
    none = np.zeros(0, dtype=np.int64)
    empty = PairScores(np.zeros(0), np.zeros((0, 4)), none, none, none, np.zeros(0))
    assert len(ACQUISITIONS[name](empty)) == 0
