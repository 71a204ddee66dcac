import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.comparisons.rules import ratings_wanted


@pytest.mark.parametrize(
    ("n_a", "n_b", "n_ties", "wanted"),
    [
        (0, 0, 0, 3),  # nothing yet: the minimum
        (2, 0, 0, 3),  # unanimous, but below the minimum
        (3, 0, 0, 3),  # settled at the minimum
        (2, 1, 0, 4),  # one more labeller could still undo it
        (3, 1, 0, 4),  # a lead of two: settled
        (2, 2, 0, 5),  # split: the last one decides
        (2, 2, 1, 5),  # the maximum ends it
        (1, 1, 1, 4),
    ],
)
def test_it_asks_on_while_one_labeller_could_undo_the_answer(n_a: int, n_b: int, n_ties: int, wanted: int) -> None:
    assert ratings_wanted(minimum=3, maximum=5, n_a=n_a, n_b=n_b, n_ties=n_ties) == wanted


@given(st.integers(1, 10), st.integers(0, 10), st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_it_never_wants_less_than_it_has_or_more_than_the_maximum(
    minimum: int, extra: int, n_a: int, n_b: int, n_ties: int
) -> None:
    maximum = minimum + extra
    n_ratings = n_a + n_b + n_ties
    wanted = ratings_wanted(minimum=minimum, maximum=maximum, n_a=n_a, n_b=n_b, n_ties=n_ties)
    assert wanted >= n_ratings
    assert minimum <= wanted <= max(maximum, n_ratings)
