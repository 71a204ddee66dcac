"""Sections of a Markdown text, and which of them other text is about."""

import random
import time

import pytest

from annotate.guidelines.sections import Closest, Section, closest, sections, words


def headings(body: str) -> list[str]:
    return [section.heading for section in sections(body)]


class TestSections:
    def test_a_heading_has_the_text_up_to_the_next_one(self) -> None:
        body = "# Truth\nNo lies.\n\n## Guesses\nSay so.\n### Numbers\n\n# Tone\nKind.\n"
        assert sections(body) == [
            Section("Truth", "No lies."),
            Section("Guesses", "Say so."),
            Section("Numbers", ""),
            Section("Tone", "Kind."),
        ]

    def test_text_before_the_first_heading_has_none(self) -> None:
        assert sections("Read this.\n# Truth\n") == [Section("", "Read this."), Section("Truth", "")]
        assert headings("\n \n# Truth") == ["Truth"]
        assert sections("") == []

    def test_underlined_headings_count(self) -> None:
        assert headings("Truth\n=====\nNo lies.\n\nTone\n---\nKind.") == ["Truth", "Tone"]

    @pytest.mark.parametrize(
        "body", ["- one\n---\n", "Text\n\n---\n", "> quoted\n---\n", "1. one\n---\n", "    code\n---"]
    )
    def test_a_rule_is_no_underline(self, body: str) -> None:
        assert headings(body) == [""]

    @pytest.mark.parametrize(
        "body",
        [
            "```\n# not one\n```\n# Truth",
            "~~~ python\n# not one\n```\n# nor this\n~~~\n# Truth",
            "````\n```\n# not one\n````\n# Truth",
            "  ```sh\n# not one\n  ```\n# Truth",
        ],
    )
    def test_what_is_fenced_is_no_heading(self, body: str) -> None:
        assert headings(body) == ["", "Truth"]

    def test_a_fence_that_is_not_closed_goes_on_to_the_end(self) -> None:
        assert headings("# Truth\n```\n# not one") == ["Truth"]

    def test_code_in_a_line_opens_no_fence(self) -> None:
        assert headings("```one``` line\n# Truth") == ["", "Truth"]

    @pytest.mark.parametrize("line", ["#Truth", "####### Truth", "    # Truth", "\\# Truth"])
    def test_what_looks_alike_is_none(self, line: str) -> None:
        assert headings(line) == [""]

    @pytest.mark.parametrize(
        ("line", "heading"),
        [
            ("## Truth ##", "Truth"),
            ("# **Truth** and `code`", "Truth and code"),
            ("# _Truth_ of snake_case", "Truth of snake_case"),
            ("# [Truth](https://example.org/x)  first", "Truth first"),
            ("   # Truth", "Truth"),
            ("# C#", "C#"),
            ("#", ""),
        ],
    )
    def test_a_heading_is_told_as_it_is_read(self, line: str, heading: str) -> None:
        assert headings(line) == [heading]

    def test_the_same_heading_is_one_section(self) -> None:
        assert sections("# A\nOne.\n# B\nTwo.\n# A\nThree.") == [Section("A", "One.\nThree."), Section("B", "Two.")]

    def test_a_long_heading_is_cut_to_what_a_verdict_can_name(self) -> None:
        assert headings("# " + "x" * 300) == ["x" * 200]

    def test_a_long_text_takes_no_time_to_speak_of(self) -> None:
        began = time.perf_counter()
        for line in ("# " + "[" * 10_000, "# " + " " * 10_000 + "x", "# " + " #" * 5_000 + "x", "#" + "\t" * 10_000):
            assert len(sections("\n".join([line] * 20))) == 1
        assert time.perf_counter() - began < 1


TEXTS = [
    Section("Truth", "The answer that is right is better. The one with false facts is worse."),
    Section("Length", "The shorter answer is better where the two say the same."),
    Section("Safety", "The answer that refuses to help with weapons is better."),
]


class TestClosest:
    @pytest.mark.parametrize(
        ("text", "heading"),
        [
            ("B has false facts about Rome", "Truth"),
            ("Both say the same, A is shorter", "Length"),
            ("A explains how to build WEAPONS!", "Safety"),
            ("length", "Length"),
        ],
    )
    def test_it_is_the_one_with_the_same_words(self, text: str, heading: str) -> None:
        place = closest(text, TEXTS)
        assert place is not None
        assert TEXTS[place].heading == heading

    @pytest.mark.parametrize("text", ["", "I like it", "The answer is better", "?!"])
    def test_words_of_every_section_say_nothing(self, text: str) -> None:
        assert closest(text, TEXTS) is None

    def test_weights_by_hand(self) -> None:
        """A heading counts twice. Of two sections, xx is in both and weighs nothing; all others weigh ln 2.

        So the sections are (aa 2, yy 1, zz 1) of length √6 and (bb 2, vv 3) of length √13. "vv yy" has 1/√6 = 0.41 of
        the first and 3/√13 = 0.83 of the second; with yy three times it is 3/√6 = 1.22 of the first.
        """
        of = [Section("aa", "xx yy zz"), Section("bb", "xx vv vv vv")]
        assert closest("xx", of) is None
        assert closest("vv yy", of) == 1
        assert closest("vv yy yy yy", of) == 0

    def test_a_long_section_does_not_win_by_its_length(self) -> None:
        of = [Section("Everything", "facts " + " ".join(f"word{n}" for n in range(500))), Section("Truth", "facts")]
        of.append(Section("Tone", "kind"))
        assert closest("facts", of) == 1

    def test_of_equals_it_is_the_first(self) -> None:
        of = [Section("aa", "same"), Section("bb", "same"), Section("cc", "other")]
        assert closest("same", of) == 0

    def test_one_section_takes_all_that_shares_a_word(self) -> None:
        of = [Section("Truth", "No lies.")]
        assert (closest("lies", of), closest("kind", of)) == (0, None)

    def test_without_sections_there_is_none(self) -> None:
        assert closest("anything", []) is None

    def test_words_know_other_scripts(self) -> None:
        assert words("Größe, naïve l'été 2026 _x_ ДА a") == ["größe".casefold(), "naïve", "été", "2026", "да"]

    def test_it_is_the_same_whatever_came_before(self) -> None:
        finder = Closest(TEXTS)
        texts = [
            " ".join(random.Random(seed).choices(["false", "facts", "shorter", "same", "weapons"], k=5))
            for seed in range(40)
        ]
        assert [finder.to(text) for text in texts] == [closest(text, TEXTS) for text in texts]
        assert len({finder.to(text) for text in texts}) == 3
