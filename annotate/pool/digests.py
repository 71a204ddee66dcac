"""What makes two prompts or two completions the same: the SHA-256 of their canonical form."""

import hashlib
import json
from collections.abc import Mapping, Sequence

EXCERPT_CHARS = 200


def prompt_digest(messages: Sequence[Mapping[str, str]]) -> str:
    """Of roles and contents in order; nothing else that a file may carry beside them counts."""
    canonical = [[message["role"], message["content"]] for message in messages]
    return _sha256(json.dumps(canonical, ensure_ascii=False, separators=(",", ":")))


def completion_digest(text: str) -> str:
    return _sha256(text)


def excerpt(messages: Sequence[Mapping[str, str]]) -> str:
    """The start of the last message in one line, for lists."""
    line = " ".join(messages[-1]["content"].split())
    return line if len(line) <= EXCERPT_CHARS else line[: EXCERPT_CHARS - 1] + "…"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
