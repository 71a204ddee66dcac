from __future__ import annotations

import math

import pytest

from training.engine.judging import asking

MESSAGES = [{"role": "user", "content": "Which tree is tallest?"}]


def test_the_question_shows_the_first_as_a_and_the_second_as_b() -> None:
    asked = asking.question(MESSAGES, "The redwood.", "The birch.", "Prefer what is true.")
    assert asked.index("Which tree") < asked.index('label="A"') < asked.index("The redwood.")
    assert asked.index('label="B"') < asked.index("The birch.") < asked.index("Prefer what is true.")


def test_the_letters_probability_is_their_softmax() -> None:
    """exp(−1) : exp(−2) is e : 1, so P(A) = e / (e + 1)."""
    assert asking.of_two(-1.0, -2.0) == pytest.approx(math.e / (math.e + 1))
    assert asking.of_two(-2.0, -1.0) == pytest.approx(1 / (math.e + 1))
    assert asking.of_two(-1000.0, 0.0) == pytest.approx(0.0)
    assert asking.of_two(0.0, -1000.0) == pytest.approx(1.0)


def test_tokens_of_one_letter_are_added_up_and_others_left_out() -> None:
    """A has 0.3 + 0.1, B 0.2: P(A) = 0.4 / 0.6."""
    listed = {"A": 0.3, " A": 0.1, "(B": 0.2, "An": 0.3, "a": 0.05}
    assert asking.from_logprobs({token: math.log(p) for token, p in listed.items()}) == pytest.approx(2 / 3)


def test_a_letter_that_is_not_listed_is_as_likely_as_the_last_that_is() -> None:
    """A has 0.9, the least likely token 0.01: P(A) = 0.9 / 0.91, softer than certain."""
    listed = {"A": math.log(0.9), "The": math.log(0.01)}
    assert asking.from_logprobs(listed) == pytest.approx(0.9 / 0.91)


def test_without_a_letter_nothing_is_known() -> None:
    assert asking.from_logprobs({"The": -0.1, "a": -2.0}) is None
    assert asking.from_logprobs({}) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A", 0.75),
        (" (B)", 0.25),
        ("B.", 0.25),
        ("**A**", 0.75),
        ("A is better.", 0.75),
        ("B, because A rambles.", 0.25),
        ("The answer is B, though A is longer", 0.25),
        ("A is short, B is long. My choice: (A)", 0.75),
        ("Both A and B are fine.", None),
        ("I cannot say.", None),
        ("", None),
    ],
)
def test_a_written_answer_is_read(text: str, expected: float | None) -> None:
    assert asking.from_text(text) == expected


def test_after_a_chain_of_thought_probabilities_stay_within_40_and_60_per_cent() -> None:
    assert [asking.clamped(p) for p in (0.0, 0.45, 0.99)] == [0.4, 0.45, 0.6]


def test_a_mere_liking_for_a_position_cancels_out() -> None:
    """P(the first shown) = 0.9 in both orders: P(a) is 0.9, then 0.1."""
    assert asking.both_orders(0.9, 0.1) == pytest.approx(0.5)
