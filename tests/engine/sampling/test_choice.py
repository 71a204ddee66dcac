"""What is worth asking, and how a batch is put together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.engine.sampling.acquisition import ACQUISITIONS, PairScores
from training.engine.sampling.choice import Clusters, choose
from training.engine.sampling.diversity import facility_location, k_centre, unit_vectors
from training.engine.sampling.prompts import badge, bal_pm, second_moment, uniform, v_optimal
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


def some_pool(n_prompts, seed):
    """worth and prompt of the pairs of prompts with 1 to 4 pairs each, clusters of very different sizes, features."""
    rng = np.random.default_rng(seed)
    prompts = np.repeat(np.arange(n_prompts), rng.integers(1, 5, n_prompts))
    clusters = np.minimum(rng.geometric(0.4, n_prompts) - 1, 5)
    return rng.random(len(prompts)), prompts, clusters, unit_vectors(rng.normal(size=(n_prompts, 4)))


def rules_of(prompt_rule, batch_rule, worth, prompts, points):
    nothing = points[:0]
    return {
        "prompt_rule": {
            "value": None,
            "uniform": uniform,
            "badge": badge(lambda pairs: points[prompts[pairs]] * worth[pairs, None].astype(np.float32)),
            "v_optimal": v_optimal(
                lambda pairs: points[prompts[pairs]],
                worth,
                second_moment(lambda pairs: points[prompts[pairs]], len(prompts)),
            ),
            "bal_pm": bal_pm(worth, prompts, points, np.zeros(len(points), dtype=bool), nothing),
        }[prompt_rule],
        "batch_rule": {
            "none": None,
            "k_centre": k_centre(points, nothing),
            "facility_location": facility_location(points, nothing, np.random.default_rng(0)),
        }[batch_rule],
    }


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(["value", "uniform", "badge", "v_optimal", "bal_pm"]),
    st.sampled_from(["none", "quotas", "k_centre", "facility_location"]),
    st.integers(1, 30),
    st.integers(1, 60),
    st.sampled_from([0.0, 0.15, 0.5, 1.0]),
    st.sampled_from([1.0, 0.5, 0.2]),
    st.integers(0, 1000),
)
def test_whatever_the_rules_budget_and_caps_are_kept(
    prompt_rule, diversity, n_prompts, budget, random_share, max_share, seed
):
    worth, prompts, of_prompt, points = some_pool(n_prompts, seed)
    sizes = np.bincount(of_prompt, minlength=6)
    picked = chosen(
        worth,
        prompts,
        budget=budget,
        random_share=random_share,
        rng=np.random.default_rng(seed),
        clusters=Clusters(of_prompt, sizes, has_quotas=diversity == "quotas", max_share=max_share),
        **rules_of(prompt_rule, "none" if diversity == "quotas" else diversity, worth, prompts, points),
    )
    budget = min(budget, len(worth))
    assert len({one.index for one in picked}) == len(picked) <= budget
    drawn = np.array([one.index for one in picked if one.is_random], dtype=int)
    assert len(drawn) == round(budget * random_share)
    cap = budget if max_share == 1 else max(1, int(max_share * budget + 1e-9))
    at_random = np.bincount(of_prompt[prompts[drawn]], minlength=6)
    all_chosen = np.bincount(of_prompt[prompts[[one.index for one in picked]]], minlength=6)
    assert (all_chosen <= np.maximum(cap, at_random)).all()
    # A batch falls short only where every cluster has reached its cap or has nothing left.
    pairs = np.bincount(of_prompt[prompts], minlength=6)
    if len(picked) < budget:
        assert ((all_chosen >= cap) | (all_chosen == pairs)).all()


@pytest.mark.parametrize("prompt_rule", ["value", "uniform", "badge", "v_optimal", "bal_pm"])
@pytest.mark.parametrize("batch_rule", ["none", "k_centre", "facility_location"])
def test_the_random_arm_does_not_depend_on_the_rules(prompt_rule, batch_rule):
    """Drawn first, from everything: the control is the same uniform draw whatever the rest of the budget does."""
    worth, prompts, of_prompt, points = some_pool(60, 3)
    clusters = Clusters(of_prompt, np.bincount(of_prompt), max_share=0.3)
    arms = []
    for order, batch in (("value", "none"), (prompt_rule, batch_rule)):
        rules = rules_of(order, batch, worth, prompts, points)
        picked = chosen(worth, prompts, budget=30, random_share=0.3, clusters=clusters, **rules)
        arms.append([one.index for one in picked if one.is_random])
    assert len(arms[0]) == 9 and arms[0] == arms[1]


@pytest.mark.parametrize("prompt_rule", ["uniform", "badge", "v_optimal", "bal_pm"])
def test_a_prompt_rule_asks_each_prompt_once_and_takes_its_best_pair(prompt_rule):
    worth, prompts, _, points = some_pool(40, 1)
    picked = chosen(worth, prompts, budget=40, **rules_of(prompt_rule, "none", worth, prompts, points))
    best = [worth[prompts == prompt].max() for prompt in range(40)]
    assert sorted(int(prompts[one.index]) for one in picked) == list(range(40))
    assert all(worth[one.index] == best[prompts[one.index]] for one in picked)


@pytest.mark.parametrize("prompt_rule", ["uniform", "badge", "v_optimal", "bal_pm"])
def test_a_prompt_rule_comes_back_to_prompts_when_all_had_their_turn(prompt_rule):
    worth, prompts, _, points = some_pool(10, 1)
    picked = chosen(worth, prompts, budget=len(worth), **rules_of(prompt_rule, "none", worth, prompts, points))
    order = [int(prompts[one.index]) for one in picked]
    n_second = int((np.bincount(prompts) > 1).sum())
    assert sorted(order[:10]) == list(range(10))
    seconds = [order.index(prompt) for prompt in order[10 : 10 + n_second]]
    assert len(seconds) > 1 and seconds == sorted(seconds)


def test_quotas_give_the_tails_their_share():
    """Clusters of 81, 16 and 1 prompts, √ 9 : 4 : 1, and all that is worth much lies in the first one."""
    of_prompt = np.repeat([0, 1, 2], [81, 16, 1])
    clusters = Clusters(of_prompt, np.array([81, 16, 1]), has_quotas=True)
    picked = chosen(np.arange(98)[::-1], np.arange(98), budget=14, clusters=clusters)
    assert {one.index for one in picked} == {*range(9), *range(81, 85), 97}


def test_a_cap_passes_over_what_is_worth_more():
    of_prompt = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    clusters = Clusters(of_prompt, np.array([4, 2, 2]), max_share=0.5)
    picked = chosen([9, 8, 7, 6, 5, 4, 3, 2], np.arange(8), budget=4, clusters=clusters)
    assert [one.index for one in picked] == [0, 1, 4, 5]


def test_a_batch_rule_picks_among_the_best_only():
    """Budget 2, so a shortlist of 20: what is far away but beyond the 20th place is not looked at."""
    points = np.zeros((30, 2), dtype=np.float32)
    points[:, 0] = 1
    points[19] = points[29] = [-1, 0]
    picked = chosen(np.arange(30)[::-1], np.arange(30), budget=2, batch_rule=k_centre(points, points[:0]))
    assert [one.index for one in picked] == [0, 19]
