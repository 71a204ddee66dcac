"""A mix: several ways to sample completions of the same prompts in one run, and the file their rows go to."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from training.engine.common.atomic import write_json
from training.engine.common.config import config_from_dict, option
from training.engine.common.errors import ConfigError
from training.engine.common.rows import read_rows, row_messages


@dataclass(frozen=True)
class MixPart:
    """How some completions of every prompt are sampled; `system` is put in front of the prompt's messages."""

    n_per_prompt: int = option(1, help="completions sampled for each prompt", at_least=1)
    temperature: float = option(0.8, help="divides the logits", at_least=0)
    top_p: float = option(0.95, help="total probability of the tokens sampled among", above=0, at_most=1)
    system: str = option("", help="system prompt put in front of the messages; empty: none")

    def asked(self, messages: list[dict[str, str]]) -> list[dict[str, str]]:
        """What the model is asked. A system prompt that the prompt has already is kept behind it, in one message."""
        if not self.system:
            return messages
        first = messages[0]
        if first["role"] != "system":
            return [{"role": "system", "content": self.system}, *messages]
        return [{"role": "system", "content": f"{self.system}\n\n{first['content']}"}, *messages[1:]]


class _HasMix(Protocol):
    @property
    def mix(self) -> list[dict[str, Any]]: ...
    @property
    def n_per_prompt(self) -> int: ...
    @property
    def temperature(self) -> float: ...
    @property
    def top_p(self) -> float: ...


def parts_of(config: _HasMix) -> list[MixPart]:
    """The parts of the mix, or the config's own fields as the only one. Raises ConfigError naming the part."""
    own = {"n_per_prompt": config.n_per_prompt, "temperature": config.temperature, "top_p": config.top_p}
    parts = []
    for number, raw in enumerate(config.mix or [{}]):
        try:
            parts.append(config_from_dict(MixPart, {**own, **raw}))
        except ConfigError as error:
            raise ConfigError(f"mix[{number}].{error.field}", error.message.removeprefix(f"{error.field}: ")) from error
    return parts


@dataclass(frozen=True, slots=True)
class Asked:
    """One completion to be: of which prompt, in which part of the mix, as the how manieth of all of its prompt."""

    prompt_id: str
    messages: list[dict[str, str]]
    part: int
    index: int

    def row(self, **fields: Any) -> str:
        """Its line in completions.jsonl."""
        mine = {"id": self.prompt_id, "messages": self.messages, "part": self.part, "sample_index": self.index}
        return json.dumps({**mine, **fields}, ensure_ascii=False) + "\n"


def asked_batches(prompts: str, parts: Sequence[MixPart], batch_size: int) -> list[list[Asked]]:
    """Everything to be sampled, part by part, in the order of the prompts; a batch is of one part.

    The number of a completion runs on over the parts, so that two of one prompt never share their random numbers.
    """
    rows = [
        (str(row.get("id", number)), row_messages(row, f"{prompts} row {number}"))
        for number, row in enumerate(read_rows(prompts), start=1)
    ]
    batches: list[list[Asked]] = []
    first = 0
    for number, part in enumerate(parts):
        indices = range(first, first + part.n_per_prompt)
        jobs = [Asked(prompt_id, messages, number, index) for prompt_id, messages in rows for index in indices]
        batches += [jobs[start : start + batch_size] for start in range(0, len(jobs), batch_size)]
        first += part.n_per_prompt
    return batches


def finish(out: Path, partial: Path, n_completions: int, n_per_prompt: int, started: float) -> dict[str, Any]:
    """Give the whole output its name and write the result. `started` is of time.monotonic()."""
    partial.touch()  # where there was nothing to do
    n_tokens = sum(int(row["n_tokens"] or 0) for row in read_rows(partial))
    os.replace(partial, out / "completions.jsonl")
    result = {
        "completions": str(out / "completions.jsonl"),
        "n_prompts": n_completions // n_per_prompt,
        "n_completions": n_completions,
        "n_tokens": n_tokens,
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(out / "result.json", result)
    return result


def sample_seed(seed: int, prompt_id: str, index: int) -> int:
    """A 64-bit seed of one completion, the same on every machine and in every batch."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{prompt_id}/{index}".encode(), digest_size=8).digest())


def keep_whole_batches(path: Path, sizes: Sequence[int]) -> int:
    """Cut a partial output back to whole batches, so that a resumed run batches as the uninterrupted one did.

    `sizes` are the lines of each batch. Returns how many batches are kept.
    """
    if not path.is_file():
        return 0
    whole = [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    n_lines = n_kept = 0
    for size in sizes:
        if n_lines + size > len(whole):
            break
        n_lines += size
        n_kept += 1
    with open(path, "r+b") as file:
        file.truncate(sum(len(line) for line in whole[:n_lines]))
    return n_kept
