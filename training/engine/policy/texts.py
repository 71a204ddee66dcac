"""How a sample of texts is written: lengths, repetition, variety. Counts of words, so that no tokenizer is needed."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RUN = 4
_WORD = re.compile(r"\w+(?:['’]\w+)*")


def words(text: str) -> list[str]:
    """Its words in lower case, without punctuation."""
    return _WORD.findall(text.lower())


def lengths(texts: Sequence[str]) -> NDArray[np.int64]:
    """(n,) words of each text."""
    return np.array([len(words(text)) for text in texts], dtype=np.int64)


def runs(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """Its runs of n words (n-grams), in order."""
    return [tuple(tokens[at : at + n]) for at in range(len(tokens) - n + 1)]


def repetition(text: str) -> float:
    """Share of its runs of four words that it has said before: 0 none, near 1 a loop. 0 for fewer than four words."""
    found = runs(words(text), RUN)
    return 1 - len(set(found)) / len(found) if found else 0.0


def repetitions(texts: Sequence[str]) -> Floats:
    """(n,) the repetition within each text."""
    return np.array([repetition(text) for text in texts], dtype=np.float64)


def distinct_n(texts: Sequence[str], n: int) -> float:
    """Different runs of n words over all of them, in all texts together (distinct-n, Li et al. 2016): 1 says nothing
    twice. It falls with the amount of text, so compare samples of one size only. 0 where there is no run.
    """
    found = [run for text in texts for run in runs(words(text), n)]
    return len(set(found)) / len(found) if found else 0.0
