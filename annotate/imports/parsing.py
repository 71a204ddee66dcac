"""From a raw row to prompt, completions and votes: pure functions, one for each format.

Every one of them raises BadRow with the field and what was expected there; nothing else.
"""

import itertools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from annotate.imports.models import ImportFormat
from annotate.pool.digests import completion_digest

_SURROGATE = re.compile("[\\ud800-\\udfff]")
ROLES = ("system", "user", "assistant")
MAX_CHARS = 200_000
MAX_COMPLETIONS = 64
MAX_INTENSITY = 4
# As long as an e-mail address can be stored.
MAX_AUTHOR_CHARS = 254


class BadRow(Exception):
    """Why a row cannot be taken."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


@dataclass(frozen=True)
class ParsedCompletion:
    text: str
    # "" where the row names none: the import's own source.
    source: str = ""
    source_kind: str = ""
    # E-mail or pseudonym of the member who wrote it, "" where none did or nobody says.
    author: str = ""


@dataclass(frozen=True)
class Vote:
    """What one labeller said of the row's two completions: preferred is 0, 1, or None for a tie.

    `axis` is "" where the row names none; `labeller` is "" for the unnamed author of chosen/rejected rows.
    """

    labeller: str
    preferred: int | None
    intensity: int | None = None
    seconds: float | None = None
    axis: str = ""


@dataclass(frozen=True)
class ParsedRow:
    """`pairs`: indices of the completions that are to be compared."""

    messages: list[dict[str, str]]
    completions: list[ParsedCompletion]
    pairs: list[tuple[int, int]]
    votes: list[Vote] = field(default_factory=list)
    language: str = ""
    origin: str = ""
    tags: list[str] = field(default_factory=list)


def recognise(row: Mapping[str, Any]) -> ImportFormat | None:
    """The format of a row by its fields, None when it is like none of them."""
    if "chosen" in row and "rejected" in row:
        chosen = row["chosen"]
        is_transcript = isinstance(chosen, str) and _TURN.match(chosen) and not row.get("prompt")
        return ImportFormat.TRANSCRIPT if is_transcript else ImportFormat.CHOSEN_REJECTED
    if "prompt" in row and "ratings" in row:
        return ImportFormat.TOUCHSTONE
    if "prompt" in row and ("completions" in row or "completion" in row):
        return ImportFormat.COMPLETIONS
    return None


def parse(row: Any, format: ImportFormat) -> ParsedRow:
    if not isinstance(row, Mapping):
        raise BadRow("", f"Expected an object with named fields, got {_named(row)}.")
    try:
        return _PARSERS[format](row)
    except RecursionError:
        raise BadRow("", "Nested too deeply.") from None


# --- the formats ----------------------------------------------------------------------------------------------------
def _touchstone(row: Mapping[str, Any]) -> ParsedRow:
    completions = _completions(row)
    votes = [_vote(raw, number) for number, raw in enumerate(_list(row, "ratings"))] if row.get("ratings") else []
    if votes and len(completions) != 2:
        raise BadRow("ratings", f"Ratings need exactly two completions; this row has {len(completions)}.")
    return ParsedRow(_prompt(row), completions, _pairs(completions), votes, **_extras(row))


def _with_completions(row: Mapping[str, Any]) -> ParsedRow:
    completions = _completions(row)
    return ParsedRow(_prompt(row), completions, _pairs(completions), **_extras(row))


def _chosen_rejected(row: Mapping[str, Any]) -> ParsedRow:
    chosen, rejected = (_maybe_messages(_required(row, name)) for name in ("chosen", "rejected"))
    if row.get("prompt") not in (None, ""):
        prompt = _prompt(row)
        texts = [_final_text(value, prompt, name) for value, name in ((chosen, "chosen"), (rejected, "rejected"))]
    elif isinstance(chosen, str) and isinstance(rejected, str):
        prompt, texts = _shared_beginning(_text(chosen, "chosen"), _text(rejected, "rejected"))
    else:
        conversations = [
            _messages(value, name, ends_with="assistant")
            for value, name in ((chosen, "chosen"), (rejected, "rejected"))
        ]
        prompt, texts = _shared_prompt(*conversations)
    return _preference(prompt, texts, row)


def _transcript(row: Mapping[str, Any]) -> ParsedRow:
    prompt, texts = _shared_prompt(*(_turns(_required(row, name), name) for name in ("chosen", "rejected")))
    return _preference(prompt, texts, row)


_PARSERS: dict[ImportFormat, Callable[[Mapping[str, Any]], ParsedRow]] = {
    ImportFormat.TOUCHSTONE: _touchstone,
    ImportFormat.CHOSEN_REJECTED: _chosen_rejected,
    ImportFormat.TRANSCRIPT: _transcript,
    ImportFormat.COMPLETIONS: _with_completions,
}


def _preference(prompt: list[dict[str, str]], texts: list[str], row: Mapping[str, Any]) -> ParsedRow:
    """A row whose author preferred the first of two texts."""
    completions = [
        ParsedCompletion(_text(text, name)) for text, name in zip(texts, ("chosen", "rejected"), strict=True)
    ]
    if completions[0].text == completions[1].text:
        raise BadRow("rejected", "Chosen and rejected are the same text.")
    return ParsedRow(prompt, completions, [(0, 1)], [Vote("", 0)], **_extras(row))


# --- prompts --------------------------------------------------------------------------------------------------------
def _prompt(row: Mapping[str, Any]) -> list[dict[str, str]]:
    value = _maybe_messages(_required(row, "prompt"))
    if isinstance(value, str):
        return [{"role": "user", "content": _text(value, "prompt")}]
    return _messages(value, "prompt", ends_with="user")


def _messages(value: Any, name: str, *, ends_with: str) -> list[dict[str, str]]:
    if not isinstance(value, list) or not value:
        raise BadRow(name, f'Expected text or a list of {{"role", "content"}}, got {_named(value)}.')
    messages = []
    for number, message in enumerate(value):
        where = f"{name}[{number}]"
        if not isinstance(message, Mapping):
            raise BadRow(where, f'Expected {{"role", "content"}}, got {_named(message)}.')
        if message.get("role") not in ROLES:
            raise BadRow(f"{where}.role", f"Expected {', '.join(ROLES[:-1])} or {ROLES[-1]}, got {_short(message)}.")
        messages.append({"role": message["role"], "content": _text(message.get("content"), f"{where}.content")})
    if messages[-1]["role"] != ends_with:
        raise BadRow(f"{name}[{len(messages) - 1}].role", f"The last message must be the {ends_with}'s.")
    return messages


def _final_text(value: Any, prompt: list[dict[str, str]], name: str) -> str:
    """The text of a completion given as text, as one message, or as the whole conversation."""
    if isinstance(value, str):
        return value
    messages = _messages(value, name, ends_with="assistant")
    if len(messages) > 1 and messages[:-1] != prompt:
        raise BadRow(name, "Its messages before the last one differ from the prompt.")
    return messages[-1]["content"]


def _shared_prompt(
    chosen: list[dict[str, str]], rejected: list[dict[str, str]]
) -> tuple[list[dict[str, str]], list[str]]:
    if chosen[:-1] != rejected[:-1]:
        raise BadRow("rejected", "It differs from chosen before its last turn; only the last turn may differ.")
    if len(chosen) < 2 or chosen[-2]["role"] != "user":
        raise BadRow("chosen", "Before the last turn there must be one of the user's.")
    return chosen[:-1], [chosen[-1]["content"], rejected[-1]["content"]]


def _shared_beginning(chosen: str, rejected: str) -> tuple[list[dict[str, str]], list[str]]:
    """Prompt and completions of two texts that begin alike (TRL's implicit prompt), cut between words."""
    alike = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(chosen, rejected, strict=False))
    n_shared = sum(1 for _ in alike)
    while n_shared and not chosen[n_shared - 1].isspace():
        n_shared -= 1
    if not chosen[:n_shared].strip():
        raise BadRow("prompt", "Missing, and chosen and rejected do not begin with the same words.")
    return [{"role": "user", "content": chosen[:n_shared].rstrip()}], [chosen[n_shared:], rejected[n_shared:]]


# No `\s*` before the newlines: on a long run of them it would try every start again.
_TURN = re.compile(r"\n\n(Human|Assistant):[ \t]?|\A\s*(Human|Assistant):[ \t]?")


def _turns(value: Any, name: str) -> list[dict[str, str]]:
    """A transcript of "Human:" and "Assistant:" turns as messages, the last one the assistant's."""
    if not isinstance(value, str):
        raise BadRow(name, f"Expected a transcript as text, got {_named(value)}.")
    marks = list(_TURN.finditer(value))
    if not marks or value[: marks[0].start()].strip():
        raise BadRow(name, 'Expected a transcript that starts with "Human:".')
    ends = [mark.start() for mark in marks[1:]] + [len(value)]
    messages = [
        {
            "role": "user" if (mark[1] or mark[2]) == "Human" else "assistant",
            "content": value[mark.end() : end].strip(),
        }
        for mark, end in zip(marks, ends, strict=True)
    ]
    return _messages(messages, name, ends_with="assistant")


# --- completions and votes ------------------------------------------------------------------------------------------
def _completions(row: Mapping[str, Any]) -> list[ParsedCompletion]:
    if "completions" not in row and "completion" in row:
        values: Any = [_required(row, "completion")]
    else:
        values = _maybe_json(_required(row, "completions"))
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_COMPLETIONS:
        raise BadRow("completions", f"Expected a list of 1 to {MAX_COMPLETIONS} completions.")
    completions = [_completion(value, f"completions[{number}]") for number, value in enumerate(values)]
    seen: dict[str, int] = {}
    for number, completion in enumerate(completions):
        first = seen.setdefault(completion.text, number)
        if first != number:
            raise BadRow(f"completions[{number}]", f"The same text as completions[{first}].")
    return completions


def _completion(value: Any, where: str) -> ParsedCompletion:
    if isinstance(value, str):
        return ParsedCompletion(_text(value, where))
    if not isinstance(value, Mapping):
        raise BadRow(where, f'Expected text or {{"text", "source"}}, got {_named(value)}.')
    source = value.get("source") or ""
    if not isinstance(source, str) or len(source) > 120:
        raise BadRow(f"{where}.source", "Expected a name of at most 120 characters.")
    kind = value.get("source_kind") or ""
    if kind and kind not in _source_kinds():
        raise BadRow(f"{where}.source_kind", f"Expected one of {', '.join(_source_kinds())}.")
    _storable(source, f"{where}.source")
    author = value.get("author") or ""
    if not isinstance(author, str) or len(author) > MAX_AUTHOR_CHARS:
        raise BadRow(f"{where}.author", "Expected the e-mail or pseudonym of a member, or null.")
    _storable(author, f"{where}.author")
    return ParsedCompletion(_text(value.get("text"), f"{where}.text"), source.strip(), kind, author.strip())


def _pairs(completions: list[ParsedCompletion]) -> list[tuple[int, int]]:
    """Pairs to begin with: each completion is in one, by a fixed lot; active sampling asks for others later."""
    order = sorted(range(len(completions)), key=lambda i: completion_digest(completions[i].text))
    pairs = [(order[i], order[i + 1]) for i in range(0, len(order) - 1, 2)]
    if len(order) % 2 and len(order) > 1:
        pairs.append((order[-1], order[0]))
    return pairs


def _vote(raw: Any, number: int) -> Vote:
    where = f"ratings[{number}]"
    if not isinstance(raw, Mapping):
        raise BadRow(where, f'Expected {{"labeller", "preferred", "intensity"}}, got {_named(raw)}.')
    labeller = raw.get("labeller")
    if not isinstance(labeller, str) or not labeller.strip() or len(labeller) > 150:
        raise BadRow(f"{where}.labeller", "Expected a name of 1 to 150 characters.")
    _storable(labeller, f"{where}.labeller")
    preferred = raw.get("preferred", "missing")
    if isinstance(preferred, bool) or preferred not in (0, 1, None):
        raise BadRow(f"{where}.preferred", f"Expected 0, 1 or null (a tie), got {_short(preferred)}.")
    intensity = raw.get("intensity")
    if intensity is not None:
        is_whole = isinstance(intensity, int) and not isinstance(intensity, bool)
        if not is_whole or not 1 <= intensity <= MAX_INTENSITY:
            raise BadRow(f"{where}.intensity", f"Expected a level from 1 (weakest) to {MAX_INTENSITY}, or null.")
        if preferred is None:
            raise BadRow(f"{where}.intensity", "A tie has no intensity.")
    seconds = raw.get("seconds")
    if seconds is not None and (
        isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 1_000_000
    ):
        raise BadRow(f"{where}.seconds", f"Expected seconds as a number, or null, got {_short(seconds)}.")
    axis = raw.get("axis") or ""
    if not isinstance(axis, str):
        raise BadRow(f"{where}.axis", f"Expected the name of an axis, got {_named(axis)}.")
    return Vote(labeller.strip(), None if preferred is None else int(preferred), intensity, seconds, axis.strip())


# --- values ---------------------------------------------------------------------------------------------------------
def _extras(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is taken along where it fits; files carry all sorts of things under these names."""
    language, origin, tags = row.get("language"), row.get("source"), row.get("tags")
    return {
        "language": language if _is_storable(language) and len(language) <= 12 else "",
        "origin": origin[:200] if _is_storable(origin) else "",
        "tags": [tag for tag in tags if _is_storable(tag) and 0 < len(tag) <= 60][:20]
        if isinstance(tags, list)
        else [],
    }


def _is_storable(value: Any) -> TypeGuard[str]:
    """Whether it is text that PostgreSQL can hold: any character but one, and no half of a surrogate pair."""
    return isinstance(value, str) and "\x00" not in value and not _SURROGATE.search(value)


def _required(row: Mapping[str, Any], name: str) -> Any:
    if row.get(name) is None:
        raise BadRow(name, "Missing.")
    return row[name]


def _list(row: Mapping[str, Any], name: str) -> list[Any]:
    value = _maybe_json(row[name])
    if not isinstance(value, list):
        raise BadRow(name, f"Expected a list, got {_named(value)}.")
    return value


def _maybe_json(value: Any) -> Any:
    """Lists as they stand in a CSV's cell."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _maybe_messages(value: Any) -> Any:
    """Messages as they stand in a CSV's cell. A text that is some other JSON stays what it is: a text."""
    read = _maybe_json(value)
    if (
        isinstance(read, list)
        and read
        and all(isinstance(one, Mapping) and {"role", "content"} <= one.keys() for one in read)
    ):
        return read
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise BadRow(where, f"Expected text, got {_named(value)}.")
    if not value.strip():
        raise BadRow(where, "Empty.")
    if len(value) > MAX_CHARS:
        raise BadRow(where, f"{len(value):,} characters long; {MAX_CHARS:,} at most are taken.")
    _storable(value, where)
    return value


def _storable(value: str, where: str) -> None:
    """PostgreSQL's text holds any character but one, and no half of a surrogate pair."""
    if "\x00" in value:
        raise BadRow(where, "Holds a NUL character (\\u0000), which cannot be stored.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRow(where, "Holds broken Unicode (half of a surrogate pair).") from None


def _source_kinds() -> list[str]:
    from annotate.pool.models import SourceKind

    return SourceKind.values


def _named(value: Any) -> str:
    names = {
        dict: "an object", list: "a list", str: "text", int: "a number", float: "a number", bool: "true or false"
    }  # fmt: skip
    return "nothing" if value is None else names.get(type(value), type(value).__name__)


def _short(value: Any) -> str:
    text = repr(value.get("role") if isinstance(value, Mapping) else value)
    return text if len(text) <= 40 else text[:39] + "…"
