"""What is worth asking, and how a batch is put together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.engine.sampling.acquisition import ACQUISITIONS, PairScores
from training.engine.sampling.choice import choose
from training.sampling.options import ACQUISITIONS as OFFERED


def test_people_are_offered_what_the_engine_knows():
    assert sorted(OFFERED) == sorted(ACQUISITIONS)


def test_each_rule_by_hand():
    scores = PairScores.of_gaps(
        gap=np.array([0.0, -3.0, 1.0]),
        head_gaps=np.array([[1.0, 1.0], [-4.0, -2.0], [-1.0, 3.0]]),
        noise=np.array([0.2, 0.9, 0.1]),
    )
    assert ACQUISITIONS["gap"](scores).tolist() == [0.0, -3.0, -1.0]
    assert ACQUISITIONS["disagreement"](scores).tolist() == [0.0, 1.0, 4.0]
    assert ACQUISITIONS["random"](scores).tolist() == [0.2, 0.9, 0.1]


def chosen(worth, prompts, **options):
    values = {"budget": 10, "random_share": 0.0, "max_per_prompt": 2, "rng": np.random.default_rng(0)} | options
    return choose(np.asarray(worth, float), np.asarray(prompts), **values)


def test_the_best_come_first():
    assert [one.index for one in chosen([1, 9, 5, 7], [0, 1, 2, 3], budget=3)] == [1, 3, 2]


def test_a_prompt_with_many_good_pairs_does_not_take_all():
    picked = chosen([9, 8, 7, 6, 1, 0], [0, 0, 0, 0, 1, 2], budget=4)
    assert [one.index for one in picked] == [0, 1, 4, 5]


def test_what_is_left_of_a_prompt_fills_the_budget():
    assert [one.index for one in chosen([9, 8, 7, 6], [0, 0, 0, 0], budget=4)] == [0, 1, 2, 3]


def test_the_random_share_is_uniform_and_spread_out():
    n, times = 40, np.zeros(40)
    for seed in range(2000):
        picked = chosen(np.arange(n), np.arange(n), budget=10, random_share=0.5, rng=np.random.default_rng(seed))
        random = [place for place, one in enumerate(picked) if one.is_random]
        assert len(random) == 5 and max(random) >= 8 and min(random) <= 1
        for one in picked:
            times[one.index] += one.is_random
    assert times.mean() == 250
    assert np.abs(times - 250).max() < 5 * np.sqrt(250)


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.integers(0, 5)), max_size=40),
    st.integers(1, 30),
    st.floats(0, 1),
    st.integers(0, 3),
)
def test_it_never_asks_twice_nor_more_than_the_budget(rows, budget, random_share, seed):
    picked = chosen(
        [worth for worth, _ in rows],
        [prompt for _, prompt in rows],
        budget=budget,
        random_share=random_share,
        rng=np.random.default_rng(seed),
    )
    assert len(picked) == min(budget, len(rows))
    assert len({one.index for one in picked}) == len(picked)
    assert sum(one.is_random for one in picked) == round(min(budget, len(rows)) * random_share)


@pytest.mark.parametrize("random_share", [0.0, 0.3])
def test_the_same_seed_chooses_the_same(random_share):
    worth = np.zeros(50)  # ties alone
    first, again = (chosen(worth, np.arange(50), random_share=random_share) for _ in range(2))
    assert first == again
    other = chosen(worth, np.arange(50), random_share=random_share, rng=np.random.default_rng(1))
    assert first != other
