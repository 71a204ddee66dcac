"""The sections of a guideline's text, and which of them other text is about. Pure functions."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log, sqrt

# Longer ones are cut: an adjudication names its section by its heading.
HEADING_LENGTH = 200

_HASHES = re.compile(r" {0,3}#{1,6}(?=[ \t]|$)")
_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}|~{3,})(?P<rest>.*)$")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+)[ \t]*$")
# Lines that are no paragraph, so that what is beneath them underlines nothing.
_NO_PARAGRAPH = re.compile(r"(?: {4}|\t| {0,3}(?:[-*+>]|\d+[.)])(?:\s|$))")
_LINK = re.compile(r"!?\[(?P<text>[^\]]*)\]\([^)]*\)")
_WORD = re.compile(r"[^\W_]{2,}")


@dataclass(frozen=True)
class Section:
    """A heading, as it is read without its Markdown, and the text below it up to the next heading of any level."""

    heading: str
    text: str


def sections(body: str) -> list[Section]:
    """The sections of a Markdown text in order. Headings are those with # and those that are underlined; what stands in
    a fenced block is none. Text before the first heading is a section without a heading. Of several with the same
    heading one is made, since it is the heading that verdicts name.
    """
    found: dict[str, list[str]] = {}
    heading: str | None = None
    lines: list[str] = []

    def close() -> None:
        if heading is not None or any(line.strip() for line in lines):
            found.setdefault(heading or "", []).extend(lines)

    fence = ""
    for line in body.splitlines():
        mark = _FENCE.match(line)
        if fence:
            if mark and mark["fence"].startswith(fence) and not mark["rest"].strip():
                fence = ""
        elif mark and not (mark["fence"][0] == "`" and "`" in mark["rest"]):
            fence = mark["fence"]
        elif hashes := _HASHES.match(line):
            close()
            heading, lines = _plain(_without_closing_hashes(line[hashes.end() :])), []
            continue
        elif _UNDERLINE.match(line) and lines and lines[-1].strip() and not _NO_PARAGRAPH.match(lines[-1]):
            above = lines.pop()
            close()
            heading, lines = _plain(above), []
            continue
        lines.append(line)
    close()
    return [Section(name, "\n".join(text).strip()) for name, text in found.items()]


def _without_closing_hashes(text: str) -> str:
    text = text.strip()
    rest = text.rstrip("#")
    return rest if not rest or rest[-1].isspace() else text


def _plain(heading: str) -> str:
    """Without emphasis, code marks and the addresses of links."""
    # What is longer is no heading, and would take long to look through.
    text = _LINK.sub(lambda link: link["text"], heading.strip()[: 5 * HEADING_LENGTH])
    text = re.sub(r"(?<!\w)_+|_+(?!\w)|[*`]", "", text)
    return " ".join(text.split())[:HEADING_LENGTH].rstrip()


def words(text: str) -> list[str]:
    """Words of two letters or digits and more, without case."""
    return _WORD.findall(text.casefold())


class Closest:
    """Finds the section that a text shares most with, by its words.

    Texts are compared by the cosine of their words' weights: how often a word occurs, times ln(sections / sections that
    have it). A word of every section weighs nothing, so common words need no list in any language; where there is one
    section, all words weigh the same.
    """

    def __init__(self, of: Sequence[Section]) -> None:
        self._counts = [Counter(words(f"{section.heading} {section.heading} {section.text}")) for section in of]

    @cached_property
    def _weights(self) -> dict[str, float]:
        n_having = Counter(word for counts in self._counts for word in counts)
        n = len(self._counts)
        return {word: log(n / having) if n > 1 else 1.0 for word, having in n_having.items()}

    @cached_property
    def _by_word(self) -> dict[str, list[tuple[int, float]]]:
        """Word: (section, its share of the section's unit vector)."""
        found: dict[str, list[tuple[int, float]]] = {}
        for place, counts in enumerate(self._counts):
            weighed = {word: n * self._weights[word] for word, n in counts.items() if self._weights[word]}
            length = sqrt(sum(value * value for value in weighed.values()))
            for word, value in weighed.items():
                found.setdefault(word, []).append((place, value / length))
        return found

    def to(self, text: str) -> int | None:
        """Place of the closest section; None where they share no word that says anything. Of equals the first."""
        shared: dict[int, float] = {}
        for word, n in Counter(words(text)).items():
            for place, value in self._by_word.get(word, ()):
                # The text's own length is the same for every section, so it is left out.
                shared[place] = shared.get(place, 0.0) + n * self._weights[word] * value
        return min(shared, key=lambda place: (-shared[place], place), default=None)


def closest(text: str, of: Sequence[Section]) -> int | None:
    """Place of the section that the text is closest to (`Closest`, which is made once for many texts)."""
    return Closest(of).to(text)
