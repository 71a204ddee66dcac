"""Reading rows of prompts, completions and texts, streaming, from JSONL (also .gz) and Parquet."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from training.engine.common.errors import EngineError


def read_rows(path: str | Path) -> Iterator[dict[str, Any]]:
    """Rows of a JSONL (.jsonl, .jsonl.gz) or Parquet (.parquet) file as dicts, one at a time.

    Raises EngineError: "input_not_found", or "bad_input" naming the file and the line.
    """
    path = Path(path)
    if not path.is_file():
        raise EngineError("input_not_found", f"the input file {path} does not exist")
    if path.suffix == ".parquet":
        for batch in pq.ParquetFile(path).iter_batches(batch_size=1024):
            yield from batch.to_pylist()
        return
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise EngineError("bad_input", f"{path} line {number} is not valid JSON: {error}") from error
            if not isinstance(row, dict):
                raise EngineError("bad_input", f"{path} line {number} must be a JSON object")
            yield row


def row_messages(row: dict[str, Any], where: str) -> list[dict[str, str]]:
    """The `messages` of a row, checked. Raises EngineError "bad_input" saying where and what was expected."""
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        raise EngineError("bad_input", f'{where}: "messages" must be a non-empty list of {{"role", "content"}}')
    for message in messages:
        is_message = isinstance(message, dict) and all(isinstance(message.get(k), str) for k in ("role", "content"))
        if not is_message:
            raise EngineError("bad_input", f'{where}: each message needs "role" and "content" as text, got {message!r}')
    return messages


def row_completion(row: dict[str, Any], where: str) -> str:
    """The `completion` text of a row, checked. Raises EngineError "bad_input"."""
    completion = row.get("completion")
    if not isinstance(completion, str):
        raise EngineError("bad_input", f'{where}: "completion" must be text, got {completion!r}')
    return completion
