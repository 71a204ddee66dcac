"""`external`: a reward model on comparisons from elsewhere, by category, as RewardBench has them (arXiv 2403.13787)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.engine.common.atomic import sha256_file, write_json
from training.engine.common.cli import StopFlag
from training.engine.common.config import option
from training.engine.common.errors import EngineError, StopRequested
from training.engine.common.optimisation import resolve_device, use_threads
from training.engine.common.progress import Pace, Reporter
from training.engine.reward.metrics import share_stat
from training.engine.reward.model import RewardModel

EXTERNAL_FORMAT = "touchstone.external_report/1"
MAX_PROBLEMS = 50
NO_CATEGORY = "other"
ROWS_PER_PART = 256
MOST_REJECTED = 64

Message = dict[str, str]


@dataclass(frozen=True)
class ExternalConfig:
    """Config of `external`."""

    model: str = option(help="directory of a trained reward model")
    input: str = option(help='JSONL file of {"id", "category", "prompt", "chosen", "rejected"} rows')
    out: str = option(help="the report is written to this JSON file")
    tokens_per_batch: int = option(8192, help="tokens in one forward pass", at_least=1)
    dtype: str = option("float32", help="precision of the weights", choices=("float32", "bfloat16"))
    device: str = option("auto", help="auto, cpu, cuda, cuda:0, …")
    n_threads: int = option(2, help="CPU threads", at_least=1)


@dataclass(frozen=True)
class ExternalRow:
    """One good row: a prompt, the better completion, and those that it has to beat."""

    line: int
    id: str
    category: str
    prompt: list[Message]
    chosen: str
    rejected: list[str]


class BadRow(ValueError):
    """What is wrong with a row, in words for the one who wrote it."""


def external(config: ExternalConfig, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
    """Score the file's good rows and write the report of `external_report`; bad ones are told by line.

    Result: report (path), n_rows, n_bad_rows, accuracy. Raises EngineError: "input_not_found", "bad_input" for a file
    that is not UTF-8 text, "empty_input" (naming the first bad line) where no row is good.
    """
    path = Path(config.input)
    if not path.is_file():
        raise EngineError("input_not_found", f"the input file {path} does not exist")
    rows: list[ExternalRow] = []
    problems: list[dict[str, Any]] = []
    for line, found in read_external(path):
        if isinstance(found, ExternalRow):
            rows.append(found)
        else:
            problems.append({"line": line, "message": str(found)})
    if not rows:
        why = f"; line {problems[0]['line']}: {problems[0]['message']}" if problems else ""
        raise EngineError("empty_input", f"the input file {path} has no row that can be scored{why}")
    use_threads(config.n_threads)
    model = RewardModel.load(config.model, config.dtype, device=resolve_device(config.device))
    chosen: list[float] = []
    rejected: list[list[float]] = []
    n_truncated = 0
    pace = Pace()
    for start in range(0, len(rows), ROWS_PER_PART):
        if stop.is_set:
            raise StopRequested
        part = rows[start : start + ROWS_PER_PART]
        items = [(row.prompt, text) for row in part for text in (row.chosen, *row.rejected)]
        scored = iter(model.score_detailed(items, tokens_per_batch=config.tokens_per_batch))
        for row in part:
            one = list(itertools.islice(scored, 1 + len(row.rejected)))
            chosen.append(one[0].reward)
            rejected.append([other.reward for other in one[1:]])
            n_truncated += any(each.is_truncated for each in one)
        n = len(chosen)
        speed = f"{pace.rate(n):.0f} rows/s, ETA {pace.eta(n, len(rows))}"
        reporter.progress("external", n, len(rows), unit="rows", message=speed)
    report = external_report(rows, chosen, rejected)
    report |= {
        "n_truncated": n_truncated,
        "n_bad_rows": len(problems),
        "errors": problems[:MAX_PROBLEMS],
        "input_sha256": sha256_file(path),
    }
    write_json(config.out, report)
    return {
        "report": config.out,
        "n_rows": len(rows),
        "n_bad_rows": len(problems),
        "accuracy": report["accuracy"],
    }


def external_report(
    rows: Sequence[ExternalRow], chosen: Sequence[float], rejected: Sequence[Sequence[float]]
) -> dict[str, Any]:
    """The report as plain JSON values, from rewards of each row's chosen (n,) and of each of its rejected ones.

    A row counts 1 where chosen beats all of its rejected completions, ½ where it is level with the best of them, else
    0. `accuracy` has "rows", the share of all rows, and "categories", the mean of the categories' shares, in which a
    small one counts as much as a large one. `chance` is what rewards drawn at random would have. Rows of one prompt
    count as belonging together in the intervals.
    """
    margins = np.asarray([one - max(others) for one, others in zip(chosen, rejected, strict=True)])
    hits = 0.5 * (1 + np.sign(margins))
    prompts = np.asarray([json.dumps(row.prompt, sort_keys=True) for row in rows], dtype=object).astype(str)
    chances = np.asarray([1 / (1 + len(row.rejected)) for row in rows])
    names = np.asarray([row.category for row in rows], dtype=object)
    categories = []
    for name in sorted(set(names.tolist())):
        inside = names == name
        categories.append(
            {
                "category": name,
                "accuracy": share_stat(hits[inside], prompts[inside]),
                "chance": float(chances[inside].mean()),
                "mean_margin": float(margins[inside].mean()),
            }
        )
    return {
        "format": EXTERNAL_FORMAT,
        "n_rows": len(rows),
        "n_comparisons": int(sum(len(row.rejected) for row in rows)),
        "accuracy": {"rows": share_stat(hits, prompts), "categories": _mean_of(categories)},
        "chance": float(chances.mean()),
        "categories": categories,
    }


def read_external(path: Path) -> Iterator[tuple[int, ExternalRow | BadRow]]:
    """Each line's number with its row, or with what is wrong with it; empty lines are left out.

    Raises EngineError "bad_input" for a file that is not UTF-8.
    """
    seen: dict[tuple[str, str], int] = {}
    try:
        with path.open(encoding="utf-8-sig") as file:
            for line, text in enumerate(file, start=1):
                if not text.strip():
                    continue
                try:
                    row = parse_row(text, line)
                    if (first := seen.setdefault((row.category, row.id), line)) != line:
                        raise BadRow(f'"id" {row.id!r} of this category is that of line {first} too')
                    yield line, row
                except BadRow as problem:
                    yield line, problem
    except UnicodeDecodeError as error:
        raise EngineError("bad_input", f"{path} is not UTF-8 text: {error}") from error


def parse_row(text: str, line: int) -> ExternalRow:
    """One line as a row. Raises BadRow.

    `prompt` is text (one message of the user's) or a list of messages; `chosen` is text or a list of messages that ends
    in the assistant's, whose earlier ones go on the prompt's end; `rejected` is text or a list of texts. "subset"
    stands for a missing "category" as in RewardBench's files, and the line's number for a missing "id".
    """
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRow(f"is not valid JSON: {error}") from error
    if not isinstance(row, dict):
        raise BadRow("must be a JSON object")
    for name in ("prompt", "chosen", "rejected"):
        if name not in row:
            raise BadRow(f'"{name}" is missing')
    category = row.get("category", row.get("subset"))
    if category is not None and not isinstance(category, str):
        raise BadRow(f'"category" must be text, got {_shown(category)}')
    prompt = _prompt_of(row["prompt"])
    prompt, chosen = _chosen_of(row["chosen"], prompt)
    rejected = [row["rejected"]] if isinstance(row["rejected"], str) else row["rejected"]
    if not isinstance(rejected, list) or not rejected or not all(isinstance(one, str) for one in rejected):
        raise BadRow(f'"rejected" must be text or a list of texts, got {_shown(row["rejected"])}')
    if len(rejected) > MOST_REJECTED:
        raise BadRow(f'"rejected" has {len(rejected):,} texts; {MOST_REJECTED} are the most')
    if chosen in rejected:
        raise BadRow('"chosen" and one of "rejected" are the same text')
    identity = row.get("id")
    return ExternalRow(
        line=line,
        id=f"line {line}" if identity is None else str(identity),
        category=(category or "").strip() or NO_CATEGORY,
        prompt=prompt,
        chosen=chosen,
        rejected=rejected,
    )


def _prompt_of(value: Any) -> list[Message]:
    if isinstance(value, str):
        if not value.strip():
            raise BadRow('"prompt" is empty')
        return [{"role": "user", "content": value}]
    return _messages(value, "prompt")


def _chosen_of(value: Any, prompt: list[Message]) -> tuple[list[Message], str]:
    if isinstance(value, str):
        return prompt, value
    messages = _messages(value, "chosen")
    if messages[-1]["role"] != "assistant":
        raise BadRow('the last message of "chosen" must be the assistant\'s')
    return prompt + messages[:-1], messages[-1]["content"]


def _messages(value: Any, name: str) -> list[Message]:
    is_list = isinstance(value, list) and value
    if not is_list or not all(
        isinstance(one, dict) and isinstance(one.get("role"), str) and isinstance(one.get("content"), str)
        for one in value
    ):
        raise BadRow(f'"{name}" must be text or a list of {{"role", "content"}} messages, got {_shown(value)}')
    return [{"role": one["role"], "content": one["content"]} for one in value]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"


def _mean_of(categories: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean of independent shares: its variance is the sum of theirs over k², read off their own intervals' widths.

    The half-widths of Wilson's intervals are added as squares (Newcombe's MOVER), each side by itself.
    """
    found = [one["accuracy"] for one in categories]
    k = len(found)
    value = float(np.mean([one["value"] for one in found]))
    low = high = None
    if all(one["low"] is not None for one in found):
        low = max(0.0, value - float(np.sqrt(sum((one["value"] - one["low"]) ** 2 for one in found))) / k)
        high = min(1.0, value + float(np.sqrt(sum((one["high"] - one["value"]) ** 2 for one in found))) / k)
    return {
        "value": value,
        "low": low,
        "high": high,
        "n": sum(one["n"] for one in found),
        "n_prompts": sum(one["n_prompts"] for one in found),
        "too_few": any(one["too_few"] for one in found),
    }
