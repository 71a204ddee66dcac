"""A row of prompts and completions, in the shapes that people have them, as an item for the scorer."""

from __future__ import annotations

from typing import Any

from training.engine.scoring.client import Item

MAX_COMPLETIONS = 1_024


class BadRow(ValueError):
    """What is wrong with a row: the field ("" for the row as a whole), and what was expected there."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def item_of(row: Any) -> Item:
    """(messages, completions) of a row in one of the accepted shapes. Raises BadRow.

    {"messages" or "prompt", "completions": [...]}, {"prompt", "completion"} or {"prompt", "chosen", "rejected"}, of
    which chosen comes first. A prompt is text or messages {"role", "content"}; a completion text or such messages.
    """
    if isinstance(row, BadRow):
        raise row
    if not isinstance(row, dict):
        raise BadRow("", f"Expected an object with a prompt and completions, got {_kind(row)}.")
    name = "messages" if row.get("messages") is not None else "prompt"
    if row.get(name) is None:
        raise BadRow("prompt", 'Expected "prompt" (text or messages) or "messages".')
    messages = _messages(row[name], name)
    if row.get("completions") is not None:
        given = row["completions"]
        if not isinstance(given, list) or not given:
            raise BadRow("completions", f"Expected a list of at least one completion, got {_kind(given)}.")
        if len(given) > MAX_COMPLETIONS:
            raise BadRow("completions", f"{len(given):,} completions; {MAX_COMPLETIONS:,} of one prompt at most.")
        return messages, [_completion(one, f"completions[{place}]") for place, one in enumerate(given)]
    if row.get("completion") is not None:
        return messages, [_completion(row["completion"], "completion")]
    if row.get("chosen") is not None or row.get("rejected") is not None:
        return messages, [_completion(row.get(side), side) for side in ("chosen", "rejected")]
    raise BadRow("completions", 'Expected "completions", "completion", or "chosen" and "rejected".')


def _messages(given: Any, name: str) -> list[dict[str, str]]:
    if isinstance(given, str):
        return [{"role": "user", "content": _text(given, name)}]
    if not isinstance(given, list) or not given:
        raise BadRow(name, f"Expected text or a list of messages, got {_kind(given)}.")
    found = []
    for place, message in enumerate(given):
        where = f"{name}[{place}]"
        if not isinstance(message, dict):
            raise BadRow(where, f'Expected a message {{"role", "content"}}, got {_kind(message)}.')
        found.append({key: _text(message.get(key), f"{where}.{key}") for key in ("role", "content")})
    return found


def _completion(given: Any, name: str) -> str:
    """Text, or the contents of messages put together, as trainers give a completion of a conversation."""
    if isinstance(given, list) and given:
        text = "".join(message["content"] for message in _messages(given, name))
    else:
        text = _text(given, name)
    if not text:
        raise BadRow(name, "Expected a text that is not empty.")
    return text


def _text(given: Any, name: str) -> str:
    if not isinstance(given, str):
        raise BadRow(name, f"Expected text, got {_kind(given)}.")
    try:
        given.encode()
    except UnicodeEncodeError:
        raise BadRow(name, "Expected text in Unicode, got half of a surrogate pair.") from None
    return given


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if value == []:
        return "an empty list"
    kinds = {bool: "true or false", str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), type(value).__name__)
