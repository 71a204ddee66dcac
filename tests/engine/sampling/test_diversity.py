"""Clusters, quotas, k-centre, facility location and coverage against definitions and other libraries."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from training.engine.sampling import diversity
from training.engine.sampling.diversity import (
    Shortlist,
    cluster,
    coverage,
    facility_location,
    k_centre,
    quotas,
    unit_vectors,
)

NOTHING = np.zeros((0, 3), dtype=np.float32)


def points(n, d=3, seed=0):
    return unit_vectors(np.random.default_rng(seed).normal(size=(n, d)))


def shortlist(n, drawn=(), is_open=None):
    is_open = np.ones(n, dtype=bool) if is_open is None else is_open
    return Shortlist(np.arange(n), np.array(drawn, dtype=np.int64), is_open)


def picked(rule, given, n=None):
    return [entry for entry, _ in itertools.islice(rule(given), n)]


@pytest.mark.parametrize("n", [400, 6000])  # plain k-means and the one in small batches
def test_clusters_find_what_is_there(n):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 6, n)
    features = 8 * rng.normal(size=(6, 10))[truth] + rng.normal(size=(n, 10))
    found, centres = cluster(features.astype(np.float32), 6, seed=1)
    assert len(centres) == 6
    assert adjusted_rand_score(truth, found) > 0.8
    sizes = np.bincount(found)
    assert (np.diff(sizes) <= 0).all()  # the largest is the first
    nearest = np.linalg.norm(features[:, None] - centres[None], axis=2).argmin(axis=1)
    assert (nearest == found).mean() > 0.99


def test_the_number_of_clusters_follows_the_pool():
    assert len(cluster(points(200), 0, seed=0)[1]) == 10  # √(200/2)
    assert len(cluster(points(3), 50, seed=0)[1]) == 3
    assert len(cluster(np.ones((20, 3), dtype=np.float32), 5, seed=0)[1]) == 1
    assert len(cluster(NOTHING, 0, seed=0)[1]) == 0


def test_quotas_are_the_square_roots():
    """√ of 400, 100, 25: 20, 10 and 5 of 35."""
    assert quotas(np.array([400, 100, 25]), np.array([400, 100, 25]), 35, np.random.default_rng(0)).tolist() == [
        20,
        10,
        5,
    ]


def test_a_tail_has_a_quarter_of_an_even_share():
    """√ of 1,000,000 and 1: 1000 to 1 would leave the tail nothing of 16; 8 are even, a quarter of that is 2."""
    assert quotas(np.array([10**6, 1]), np.array([99, 99]), 16, np.random.default_rng(0)).tolist() == [14, 2]


def test_what_one_cluster_lacks_goes_to_the_others():
    assert quotas(np.array([100, 100, 100]), np.array([2, 50, 50]), 30, np.random.default_rng(0)).tolist() == [
        2,
        14,
        14,
    ]


def test_tails_have_their_turn_even_when_clusters_outnumber_the_budget():
    sizes = np.array([900] + [1] * 9)
    rng = np.random.default_rng(0)
    given = np.array([quotas(sizes, sizes, 3, rng) for _ in range(1000)])
    assert (given.sum(axis=1) == 3).all()
    # √: 30 of 39 parts, 2.31 of 3 comparisons; each tail 0.077.
    assert given.mean(axis=0) == pytest.approx([2.3077] + [0.0769] * 9, abs=0.03)


@given(
    st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 60)), min_size=1, max_size=20),
    st.integers(0, 300),
    st.integers(0, 5),
)
def test_quotas_use_the_budget_and_give_nobody_more_than_it_has(rows, budget, seed):
    sizes, available = np.array(rows).T
    found = quotas(sizes, available, budget, np.random.default_rng(seed))
    assert found.sum() == min(budget, available.sum())
    assert (found >= 0).all() and (found <= available).all()


def test_k_centre_is_the_greedy_of_its_definition():
    features, labelled = points(60), points(5, seed=1)
    found = picked(k_centre(features, labelled), shortlist(60, drawn=[7]), 20)
    known = [*labelled, features[7]]
    expected: list[int] = []
    while len(expected) < 20:
        away = np.array([min(np.linalg.norm(x - y) for y in known) for x in features])
        away[expected] = -1
        expected.append(int(np.argmax(away)))
        known.append(features[expected[-1]])
    assert found == expected


def test_k_centre_covers_within_twice_the_best_radius():
    features = points(12, seed=3)
    chosen = picked(k_centre(features, NOTHING), shortlist(12), 3)
    apart = np.linalg.norm(features[:, None] - features[None], axis=2)
    best = min(apart[:, list(some)].min(axis=1).max() for some in itertools.combinations(range(12), 3))
    assert apart[:, chosen].min(axis=1).max() <= 2 * best + 1e-6
    assert chosen[0] == 0  # nothing is known yet: what is worth most


def test_lazy_facility_location_is_the_plain_greedy(monkeypatch):
    monkeypatch.setattr(diversity, "LAZY_BLOCK", 3)
    features, labelled = points(70), points(4, seed=1)
    rule = facility_location(features, labelled, np.random.default_rng(0))
    found = list(itertools.islice(rule(shortlist(70, drawn=[5])), 25))
    similar = np.maximum(features @ features.T, 0).astype(np.float64)
    covered = np.maximum(features @ np.vstack([labelled, features[5:6]]).T, 0).max(axis=1).astype(np.float64)
    expected: list[int] = []
    for entry, terms in found:
        gains = np.maximum(similar - covered, 0).sum(axis=1)
        gains[expected] = -1
        expected.append(int(np.argmax(gains)))
        assert entry == expected[-1]
        assert terms["gain"] == pytest.approx(gains[entry] / 70, rel=1e-4, abs=1e-6)
        covered = np.maximum(covered, similar[entry])


def test_facility_location_is_near_the_best_there_is():
    features = points(12, seed=4)
    similar = np.maximum(features @ features.T, 0)
    chosen = picked(facility_location(features, NOTHING, np.random.default_rng(0)), shortlist(12), 3)
    best = max(similar[:, list(some)].max(axis=1).sum() for some in itertools.combinations(range(12), 3))
    assert similar[:, chosen].max(axis=1).sum() >= (1 - 1 / np.e) * best


def test_prompts_that_all_gain_nothing_are_still_picked():
    same = np.tile(np.float32([1, 0, 0]), (50, 1))
    assert sorted(picked(facility_location(same, NOTHING, np.random.default_rng(0)), shortlist(50))) == list(range(50))


def test_a_large_pool_is_covered_by_a_sample():
    features = points(50)
    rule = facility_location(features, NOTHING, np.random.default_rng(0), ground=20)
    assert sorted(picked(rule, shortlist(50))) == list(range(50))


@pytest.mark.parametrize(
    "make", [lambda x: k_centre(x, NOTHING), lambda x: facility_location(x, NOTHING, np.random.default_rng(0))]
)
def test_what_is_closed_meanwhile_is_not_picked(make):
    is_open = np.ones(30, dtype=bool)
    came = []
    for entry, _ in make(points(30))(shortlist(30, is_open=is_open)):
        came.append(entry)
        is_open[(entry + 15) % 30] = False
    assert len(came) == 15


def test_coverage_by_hand():
    """Cluster 0: prompts 10 (labelled), 11, 12; cluster 1: 13, 14 (labelled). Asked: 11 twice, 14 again."""
    clusters = np.array([0, 0, 0, 1, 1])
    features = np.array([[0.0], [0.2], [0.9], [5.0], [6.0]])
    rows, rest = coverage(
        clusters,
        np.array([10, 11, 12, 13, 14]),
        np.array([True, False, False, False, True]),
        np.array([1, 1, 4]),
        features,
        np.array([[0.3], [5.9]]),
    )
    assert rest is None
    assert rows == [
        {"cluster": 0, "n_prompts": 3, "before": 1, "after": 2, "chosen": 2, "example": 11},
        {"cluster": 1, "n_prompts": 2, "before": 1, "after": 1, "chosen": 1, "example": 14},
    ]


def test_coverage_sums_what_it_does_not_list(monkeypatch):
    monkeypatch.setattr(diversity, "LARGEST_LISTED", 2)
    clusters = np.array([0, 0, 0, 1, 1, 2, 3])
    rows, rest = coverage(clusters, np.arange(7), clusters == 3, np.array([5]), np.zeros((7, 1)), np.zeros((4, 1)))
    assert [row["cluster"] for row in rows] == [0, 1]
    assert rest == {"cluster": -1, "n_prompts": 2, "before": 1, "after": 2, "chosen": 1}


def test_unit_vectors_leave_out_the_common_direction():
    features = np.array([[100.0, 1.0], [100.0, -1.0]])
    assert unit_vectors(features).tolist() == [[0.0, 1.0], [0.0, -1.0]]
    assert unit_vectors(np.ones((3, 2))).tolist() == [[0.0, 0.0]] * 3
