"""Near-duplicates, beside a slow version of the definition."""

import re
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.generation.near import drops, normalise, shingles

WORDS = st.sampled_from(["a", "b", "c", "Oak", "oak,", "lime", "Ｏak", "树", "."])
TEXTS = st.lists(st.lists(WORDS, max_size=12).map(" ".join), max_size=8)


def by_the_definition(texts: list[str], threshold: float) -> list[str | None]:
    """Every text against every kept one, on lists, with no index."""

    def runs(text: str) -> list[list[str]]:
        text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
        words = re.findall(r"树|[a-z]+", text) or [text]
        return [words[i : i + 5] for i in range(len(words) - 4)] if len(words) >= 5 else [words]

    kept: list[str] = []
    found: list[str | None] = []
    for text in texts:
        normal = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
        why = None
        if normal == "":
            why = "empty"
        elif normal in kept:
            why = "duplicate"
        else:
            for other in kept:
                mine, theirs = runs(normal), runs(other)
                both = [run for i, run in enumerate(mine) if run not in mine[:i] and run in theirs]
                either = [run for i, run in enumerate(mine + theirs) if run not in (mine + theirs)[:i]]
                if len(both) / len(either) >= threshold:
                    why = "near_duplicate"
        found.append(why)
        if why is None:
            kept.append(normal)
    return found


@settings(max_examples=200, deadline=None)
@given(texts=TEXTS, threshold=st.sampled_from([0.05, 0.3, 0.5, 0.8, 1.0]))
def test_it_is_the_definition(texts: list[str], threshold: float) -> None:
    assert drops(texts, threshold=threshold) == by_the_definition(texts, threshold)


def test_similarity_by_hand() -> None:
    """Of six runs of five words, changing the last of ten words changes one: 5 / 7 = 0.714."""
    first = "one two three four five six seven eight nine ten"
    second = "one two three four five six seven eight nine eleven"
    assert drops([first, second], threshold=0.71) == [None, "near_duplicate"]
    assert drops([first, second], threshold=0.72) == [None, None]


def test_case_spaces_and_punctuation_are_no_difference() -> None:
    assert drops(["An oak.", "an  OAK.", "An oak!", " ", "A lime"], threshold=1) == [
        None,
        "duplicate",
        "near_duplicate",
        "empty",
        None,
    ]


def test_texts_that_are_there_count_and_are_not_told() -> None:
    assert drops(["an oak", "a lime"], threshold=0.8, there=["An oak"]) == ["duplicate", None]


@pytest.mark.parametrize("text", ["树木很高大而且美丽", "ต้นไม้สูงใหญ่"])
def test_scripts_without_spaces_have_runs(text: str) -> None:
    assert len(shingles(text)) == len(text) - 4 or len(shingles(text)) > 3


def test_no_text_is_nearer_than_itself() -> None:
    for a, b in pairwise(["x", "", "x y", "?!"]):
        assert (shingles(normalise(a)) == shingles(normalise(b))) is (a == b)
