"""Counts of words by hand, and against plain loops."""

from collections import Counter

import pytest

from training.demo import simulator
from training.engine.policy import texts


def test_words_are_lower_case_and_without_punctuation():
    assert texts.words("Don't panic: größer, 3.5 and naïve!") == ["don't", "panic", "größer", "3", "5", "and", "naïve"]
    assert texts.lengths(["", "One two.", "كما هو معروف"]).tolist() == [0, 2, 3]


def test_repetition_by_hand():
    assert texts.repetition("a b c") == 0.0
    assert texts.repetition("a b c d e") == 0.0
    # Five runs: abcd bcda cdab dabc abcd, one of them again.
    assert texts.repetition("a b c d a b c d") == pytest.approx(1 / 5)
    assert texts.repetition("so " * 100) == pytest.approx(1 - 1 / 97)
    assert texts.repetitions(["a b c d a b c d", ""]).tolist() == pytest.approx([0.2, 0.0])


@pytest.mark.parametrize("n", [1, 2, 3])
def test_distinct_n_counts_over_all_texts(n):
    said = [one.text for prompt in simulator.prompts(8, "texts") for one in simulator.completions(prompt)]
    counts = Counter()
    for text in said:
        tokens = texts.words(text)
        counts.update(" ".join(tokens[at : at + n]) for at in range(len(tokens)) if at + n <= len(tokens))
    assert texts.distinct_n(said, n) == len(counts) / counts.total()


def test_distinct_n_of_nothing_and_of_the_same_again():
    assert texts.distinct_n([], 2) == texts.distinct_n(["one"], 2) == 0.0
    assert texts.distinct_n(["a b c", "a b c"], 1) == 0.5
