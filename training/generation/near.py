"""Near-duplicates among the completions of one prompt: pure functions on texts.

A completion that says the same in the same words gives labellers a pair without a difference. Texts are compared as
sets of shingles (Broder 1997): every run of five words, whatever case and punctuation. Two texts are near-duplicates
when the Jaccard similarity of their sets, |A ∩ B| / |A ∪ B|, reaches the threshold. A prompt has dozens of completions
at most, so the similarity is computed exactly, and only for texts that share a shingle.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum

SHINGLE_WORDS = 5
# A word, or one sign of a script that is written without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese).
_WORD = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]|[^\W\u0e00-\u9fff]+")


class Drop(StrEnum):
    """Why a text is not taken."""

    EMPTY = "empty"
    REFUSED = "refused"
    DUPLICATE = "duplicate"
    NEAR_DUPLICATE = "near_duplicate"


def normalise(text: str) -> str:
    """The text in one form: compatible characters as one, lower case, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """Runs of five words of a normalised text; a shorter one is one run; one without words is itself."""
    words = _WORD.findall(text) or [text]
    last = max(1, len(words) - SHINGLE_WORDS + 1)
    return frozenset(tuple(words[start : start + SHINGLE_WORDS]) for start in range(last))


class SeenTexts:
    """The texts of one prompt that are there, to tell of a new one whether it may join them."""

    def __init__(self, threshold: float, texts: Iterable[str] = ()) -> None:
        """`threshold` is the least Jaccard similarity (0, 1] of near-duplicates; 1 only finds texts of equal runs."""
        self._threshold = threshold
        self._texts: set[str] = set()
        self._sizes: list[int] = []
        # Which texts have a shingle: only those can be near.
        self._holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for text in texts:
            self._add(normalise(text))

    def take(self, text: str) -> Drop | None:
        """Why the text is dropped; None: it has joined those that are there."""
        normal = normalise(text)
        if not normal:
            return Drop.EMPTY
        if normal in self._texts:
            return Drop.DUPLICATE
        mine = shingles(normal)
        shared: dict[int, int] = defaultdict(int)
        for shingle in mine:
            for number in self._holders.get(shingle, ()):
                shared[number] += 1
        for number, n in shared.items():
            if n / (len(mine) + self._sizes[number] - n) >= self._threshold:
                return Drop.NEAR_DUPLICATE
        self._add(normal)
        return None

    def _add(self, normal: str) -> None:
        if not normal or normal in self._texts:
            return
        self._texts.add(normal)
        mine = shingles(normal)
        for shingle in mine:
            self._holders[shingle].append(len(self._sizes))
        self._sizes.append(len(mine))


def drops(texts: Sequence[str], *, threshold: float, there: Iterable[str] = ()) -> list[Drop | None]:
    """For each text of a prompt why it is dropped beside those before it and those already there; None: kept."""
    seen = SeenTexts(threshold, there)
    return [seen.take(text) for text in texts]
