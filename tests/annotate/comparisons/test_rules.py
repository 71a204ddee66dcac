from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.comparisons.rules import ANSWERS, anonymous_votes, posterior, ratings_wanted

reliabilities = st.one_of(st.none(), st.floats(0.01, 0.99))
votes = st.lists(st.tuples(st.sampled_from(ANSWERS), reliabilities), max_size=12)


@pytest.mark.parametrize(
    ("n_a", "n_b", "wanted"),
    [
        (0, 0, 3),  # nothing yet: the minimum
        (2, 0, 3),  # unanimous, but below the minimum
        (3, 0, 3),  # settled at the minimum
        (2, 1, 4),  # 0.75: not sure
        (3, 1, 4),  # 0.9: sure
        (2, 2, 5),  # split: the last one decides
        (3, 2, 5),  # the maximum ends it
        (4, 2, 6),  # more than the maximum were made, off line: they all count
    ],
)
def test_it_asks_on_until_the_answer_is_sure(n_a: int, n_b: int, wanted: int) -> None:
    votes = anonymous_votes(n_a, n_b, 0)
    assert ratings_wanted(minimum=3, maximum=5, confidence=0.9, votes=votes, ties_allowed=False) == wanted


def test_reliable_labellers_need_fewer() -> None:
    def after_two(reliability: float) -> int:
        votes = [("a", reliability)] * 2
        return ratings_wanted(minimum=2, maximum=5, confidence=0.95, votes=votes, ties_allowed=False)

    assert (after_two(0.95), after_two(0.6)) == (2, 3)


def test_a_reliable_labeller_outweighs_two_careless_ones() -> None:
    found = posterior([("a", 0.95), ("b", 0.6), ("b", 0.6)], ties_allowed=False)
    # Odds 19 for a against (0.6 / 0.4)² = 2.25 for b.
    assert found["a"] == pytest.approx(19 / (19 + 2.25))


def test_a_labeller_who_is_mostly_wrong_counts_against_their_answer() -> None:
    assert posterior([("a", 0.2)], ties_allowed=False)["a"] == pytest.approx(0.2)


@given(votes, st.booleans())
def test_the_posterior_is_bayes_rule(given_votes: list[tuple[str, float | None]], ties_allowed: bool) -> None:
    found = posterior(given_votes, ties_allowed=ties_allowed)
    answers = ANSWERS if ties_allowed or any(said == "tie" for said, _ in given_votes) else ANSWERS[:2]
    likelihood = dict.fromkeys(answers, 1.0)
    for truth in answers:
        for said, reliability in given_votes:
            p = float(np.clip(0.75 if reliability is None else reliability, 0.05, 0.98))
            likelihood[truth] *= p if said == truth else (1 - p) / (len(answers) - 1)
    total = sum(likelihood.values())
    assert found == pytest.approx({truth: value / total for truth, value in likelihood.items()})


@given(st.integers(1, 10), st.integers(0, 10), votes, st.floats(0.51, 1.0))
def test_it_never_wants_less_than_it_has_or_more_than_the_maximum(
    minimum: int, extra: int, given_votes: list[tuple[str, float | None]], confidence: float
) -> None:
    maximum = minimum + extra
    wanted = ratings_wanted(
        minimum=minimum, maximum=maximum, confidence=confidence, votes=given_votes, ties_allowed=True
    )
    assert wanted >= len(given_votes)
    assert minimum <= wanted <= max(maximum, len(given_votes))


@given(st.integers(0, 8), st.integers(0, 8))
def test_who_asks_for_more_confidence_never_asks_for_fewer_ratings(n_a: int, n_b: int) -> None:
    votes = anonymous_votes(n_a, n_b, 0)
    wanted = [
        ratings_wanted(minimum=2, maximum=9, confidence=confidence, votes=votes, ties_allowed=False)
        for confidence in (0.6, 0.8, 0.9, 0.99)
    ]
    assert all(low <= high for low, high in pairwise(wanted))
