"""Rows of every format, good and bad; and whatever comes, nothing but a BadRow."""

import contextlib
import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.imports.models import ImportFormat
from annotate.imports.parsing import BadRow, ParsedRow, Vote, parse, recognise

ASK = [{"role": "user", "content": "Why is the sky blue?"}]
TURN = "\n\nHuman: Why is the sky blue?\n\nAssistant:"
GOOD = {
    ImportFormat.TOUCHSTONE: {
        "prompt": ASK,
        "completions": [{"text": "Rayleigh.", "source": "m1"}, {"text": "Because.", "source": "m2"}],
        "ratings": [{"labeller": "ann", "preferred": 0, "intensity": 3, "axis": "helpfulness", "seconds": 4.5}],
    },
    ImportFormat.CHOSEN_REJECTED: {"prompt": "Why is the sky blue?", "chosen": "Rayleigh.", "rejected": "Because."},
    ImportFormat.TRANSCRIPT: {"chosen": f"{TURN} Rayleigh.", "rejected": f"{TURN} Because."},
    ImportFormat.COMPLETIONS: {"prompt": "Why is the sky blue?", "completions": ["Rayleigh.", {"text": "Because."}]},
}


@pytest.mark.parametrize("format", GOOD)
def test_each_format_is_recognised_and_says_the_same(format):
    row = GOOD[format]
    assert recognise(row) == format
    parsed = parse(row, format)
    assert parsed.messages == ASK
    assert [one.text for one in parsed.completions] == ["Rayleigh.", "Because."]
    assert [sorted(pair) for pair in parsed.pairs] == [[0, 1]]


def test_votes_are_kept_whole():
    votes = parse(GOOD[ImportFormat.TOUCHSTONE], ImportFormat.TOUCHSTONE).votes
    assert votes == [Vote("ann", 0, 3, 4.5, "helpfulness")]
    assert parse(GOOD[ImportFormat.TRANSCRIPT], ImportFormat.TRANSCRIPT).votes == [Vote("", 0)]


MESSAGES = [{"role": "system", "content": "Be brief."}, *ASK]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": MESSAGES, "chosen": "Rayleigh.", "rejected": "Because."},
        {
            "prompt": MESSAGES,
            "chosen": [{"role": "assistant", "content": "Rayleigh."}],
            "rejected": [{"role": "assistant", "content": "Because."}],
        },
        {
            "chosen": [*MESSAGES, {"role": "assistant", "content": "Rayleigh."}],
            "rejected": [*MESSAGES, {"role": "assistant", "content": "Because."}],
        },
        {
            "prompt": json.dumps(MESSAGES),
            "chosen": json.dumps([{"role": "assistant", "content": "Rayleigh."}]),
            "rejected": "Because.",
        },
    ],
)
def test_the_ways_trl_writes_preferences(row):
    assert recognise(row) == ImportFormat.CHOSEN_REJECTED
    parsed = parse(row, ImportFormat.CHOSEN_REJECTED)
    assert parsed.messages == MESSAGES
    assert [one.text for one in parsed.completions] == ["Rayleigh.", "Because."]


def test_a_transcript_of_several_turns():
    talk = "\n\nHuman: Hi\n\nAssistant: Hello! How\nare you?\n\nHuman: Fine: and you?\n\nAssistant:"
    parsed = parse({"chosen": f"{talk} Well.", "rejected": f"{talk} No."}, ImportFormat.TRANSCRIPT)
    assert [message["role"] for message in parsed.messages] == ["user", "assistant", "user"]
    assert parsed.messages[1]["content"] == "Hello! How\nare you?"
    assert parsed.messages[2]["content"] == "Fine: and you?"


def test_every_completion_is_asked_about():
    for n in range(2, 9):
        row = {"prompt": "?", "completions": [f"text {i}" for i in range(n)]}
        pairs = parse(row, ImportFormat.COMPLETIONS).pairs
        assert {i for pair in pairs for i in pair} == set(range(n))
        assert len(pairs) == (n + 1) // 2
    assert parse({"prompt": "?", "completion": "one"}, ImportFormat.COMPLETIONS).pairs == []


T, C, H, N = (
    ImportFormat.TOUCHSTONE,
    ImportFormat.CHOSEN_REJECTED,
    ImportFormat.TRANSCRIPT,
    ImportFormat.COMPLETIONS,
)


@pytest.mark.parametrize(
    ("format", "change", "field", "says"),
    [
        (T, {"prompt": None}, "prompt", "Missing"),
        (T, {"prompt": "  "}, "prompt", "Empty"),
        (T, {"prompt": [{"role": "human", "content": "x"}]}, "prompt[0].role", "'human'"),
        (T, {"prompt": [{"role": "assistant", "content": "x"}]}, "prompt[0].role", "the user's"),
        (T, {"prompt": [{"role": "user", "content": 3}]}, "prompt[0].content", "Expected text, got a number"),
        (T, {"prompt": "a\x00b"}, "prompt", "NUL"),
        (T, {"prompt": "a\ud800b"}, "prompt", "surrogate"),
        (T, {"prompt": "x" * 200_001}, "prompt", "200,001 characters"),
        (T, {"completions": []}, "completions", "1 to 64"),
        (T, {"completions": ["same", "same"]}, "completions[1]", "same text"),
        (T, {"completions": ["a", ""]}, "completions[1]", "Empty"),
        (T, {"completions": ["a", "b", "c"]}, "ratings", "exactly two"),
        (T, {"ratings": [{"labeller": "ann", "preferred": 2}]}, "ratings[0].preferred", "0, 1 or null"),
        (T, {"ratings": [{"labeller": "ann", "preferred": True}]}, "ratings[0].preferred", "0, 1 or null"),
        (T, {"ratings": [{"labeller": "ann"}]}, "ratings[0].preferred", "'missing'"),
        (T, {"ratings": [{"preferred": 0}]}, "ratings[0].labeller", "name"),
        (T, {"ratings": [{"labeller": "a", "preferred": 0, "intensity": 9}]}, "ratings[0].intensity", "1 (weakest)"),
        (T, {"ratings": [{"labeller": "a", "preferred": None, "intensity": 1}]}, "ratings[0].intensity", "tie"),
        (T, {"ratings": [{"labeller": "a", "preferred": 0, "seconds": -1}]}, "ratings[0].seconds", "number"),
        (C, {"rejected": "Rayleigh."}, "rejected", "same text"),
        (C, {"chosen": None}, "chosen", "Missing"),
        (C, {"prompt": None}, "prompt", "the same words"),
        (H, {"rejected": "\n\nHuman: Other?\n\nAssistant: No."}, "rejected", "differs from chosen"),
        (H, {"chosen": f"{TURN}"}, "chosen[1].content", "Empty"),
        (H, {"chosen": "no turns"}, "chosen", 'starts with "Human:"'),
        (N, {"completions": "not a list"}, "completions", "1 to 64"),
        (N, {"completions": [3]}, "completions[0]", "a number"),
        (N, {"completions": ["a", {"text": "b", "author": 3}]}, "completions[1].author", "e-mail or pseudonym"),
        (N, {"completions": [{"text": "b", "author": "x" * 255}]}, "completions[0].author", "e-mail or pseudonym"),
        (N, {"completions": [{"text": "b", "author": "a\x00"}]}, "completions[0].author", "NUL"),
    ],
)
def test_a_bad_row_names_its_field(format, change, field, says):
    with pytest.raises(BadRow) as bad:
        parse(GOOD[format] | change, format)
    assert bad.value.field == field
    assert says in bad.value.reason


# Any characters, also those that JSON can say and PostgreSQL cannot hold.
TEXT = st.text(st.characters(exclude_categories=()) | st.sampled_from("\x00\ud800\n"), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "text", "author", "labeller", "preferred", "x"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(["prompt", "completions", "completion", "chosen", "rejected", "ratings", "tags", "source"])


@given(st.dictionaries(FIELDS, JSON, max_size=6) | JSON, st.sampled_from(list(GOOD)))
def test_whatever_comes_it_is_a_row_or_a_bad_row(row, format):
    with contextlib.suppress(BadRow):
        parsed = parse(row, format)
        assert isinstance(parsed, ParsedRow)
        stored = [
            *(message["content"] for message in parsed.messages),
            *(text for one in parsed.completions for text in (one.text, one.source, one.author)),
            *(vote.labeller for vote in parsed.votes),
            parsed.language,
            parsed.origin,
            *parsed.tags,
        ]
        assert "\x00" not in "".join(stored).encode().decode(), "PostgreSQL takes every text of it"


def test_what_cannot_be_stored_is_left_out_where_it_does_not_matter():
    row = GOOD[N] | {"source": "a\ud800", "language": "\x00", "tags": ["ok", "\udfff", "x" * 61, 3]}
    parsed = parse(row, N)
    assert (parsed.origin, parsed.language, parsed.tags) == ("", "", ["ok"])


@pytest.mark.parametrize("text", ['[{"name": "x"}]', '["x"]', "[]", "[{" * 5000, '[{"role": "user"}]'])
def test_a_text_that_looks_like_json_stays_a_text(text):
    parsed = parse({"prompt": text, "chosen": text, "rejected": "y"}, C)
    assert parsed.messages == [{"role": "user", "content": text}]
    assert parsed.completions[0].text == text


def test_two_texts_that_begin_alike_share_that_as_their_prompt():
    parsed = parse({"chosen": "The sky is blue.", "rejected": "The sky is black."}, C)
    assert parsed.messages == [{"role": "user", "content": "The sky is"}]
    assert [one.text for one in parsed.completions] == ["blue.", "black."]


def test_a_transcript_of_nothing_but_newlines_takes_no_time():
    gap = "\n" * 150_000
    row = {"chosen": f"\n\nHuman: a{gap}b\n\nAssistant: c", "rejected": f"\n\nHuman: a{gap}b\n\nAssistant: d"}
    started = time.monotonic()
    assert parse(row, H).messages[0]["content"] == f"a{gap}b"
    assert time.monotonic() - started < 2


def test_the_rows_in_the_documentation_are_what_it_says():
    page = (Path(__file__).resolve().parents[3] / "docs" / "import-formats.md").read_text()
    sections = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    n_rows = 0
    for section in sections:
        named = re.search(r"\(`(\w+)`\)$", section.splitlines()[0])
        for block in re.findall(r"^```json\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL):
            assert named is not None
            rows, start = [], 0
            while block[start:].strip():
                start += len(block[start:]) - len(block[start:].lstrip())
                value, start = json.JSONDecoder().raw_decode(block, start)
                rows.append(value)
            assert [recognise(one) for one in rows] == [ImportFormat(named[1])] * len(rows)
            n_rows += len([parse(one, ImportFormat(named[1])) for one in rows])
    assert n_rows == 8
