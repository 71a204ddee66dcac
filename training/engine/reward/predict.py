"""`predict`: rewards of many (messages, completion) rows, from a file to a Parquet file, in resumable parts."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from training.engine.common.atomic import sha256_file, write_json
from training.engine.common.cli import StopFlag
from training.engine.common.config import claim_run_directory, finished_result, option
from training.engine.common.errors import EngineError, StopRequested
from training.engine.common.optimisation import resolve_device, use_threads
from training.engine.common.progress import Pace, Reporter
from training.engine.common.rows import read_rows, row_completion, row_messages
from training.engine.reward.model import RewardModel

SCHEMA = pa.schema(
    [("id", pa.string()), ("reward", pa.float32()), ("n_tokens", pa.int32()), ("is_truncated", pa.bool_())]
)


@dataclass(frozen=True)
class PredictConfig:
    """Config of `predict`."""

    model: str = option(help="directory of a trained reward model")
    input: str = option(help='JSONL or Parquet file of {"id", "messages", "completion"} rows')
    out_dir: str = option(help="run directory; the rewards are written to OUT/rewards.parquet")
    rows_per_part: int = option(2048, help="rows that are scored between two safe points", at_least=1)
    tokens_per_batch: int = option(8192, help="padded tokens in one forward pass", at_least=1)
    dtype: str = option("float32", help="precision of the weights", choices=("float32", "bfloat16"))
    device: str = option("auto", help="auto, cpu, cuda, cuda:0, …")
    n_threads: int = option(2, help="CPU threads", at_least=1)


def predict(config: PredictConfig, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
    """Score all rows in their order; OUT/rewards.parquet has id, reward, n_tokens, is_truncated.

    Result: rewards (path), n_rows, n_truncated, seconds. The input is streamed; memory holds one part.
    """
    out = Path(config.out_dir)
    if not Path(config.input).is_file():
        raise EngineError("input_not_found", f"the input file {config.input} does not exist")
    claim_run_directory(out, config, fingerprint={"input": sha256_file(config.input)})
    if (done := finished_result(out)) is not None:
        return done
    started = time.monotonic()
    use_threads(config.n_threads)
    model = RewardModel.load(config.model, config.dtype, device=resolve_device(config.device))
    n_rows = sum(1 for _ in read_rows(config.input))
    parts = out / "parts"
    parts.mkdir(exist_ok=True)
    rows = enumerate(read_rows(config.input), start=1)
    n_done = 0
    pace: Pace | None = None
    paths: list[Path] = []
    while chunk := list(itertools.islice(rows, config.rows_per_part)):
        path = parts / f"part-{len(paths):06d}.parquet"
        paths.append(path)
        if not path.exists():
            pace = pace or Pace(done=n_done)
            items = []
            for number, row in chunk:
                where = f"{config.input} row {number}"
                if "id" not in row:
                    raise EngineError("bad_input", f'{where}: "id" is missing')
                items.append((row_messages(row, where), row_completion(row, where)))
            scored = model.score_detailed(items, tokens_per_batch=config.tokens_per_batch)
            columns = {
                "id": [str(row["id"]) for _, row in chunk],
                "reward": [one.reward for one in scored],
                "n_tokens": [one.n_tokens for one in scored],
                "is_truncated": [one.is_truncated for one in scored],
            }
            temporary = path.with_suffix(".tmp")
            pq.write_table(pa.table(columns, schema=SCHEMA), temporary, compression="zstd")
            os.replace(temporary, path)
        n_done += len(chunk)
        speed = f"{pace.rate(n_done):.0f} completions/s, ETA {pace.eta(n_done, n_rows)}" if pace else "resumed"
        reporter.progress("predict", n_done, n_rows, unit="completions", message=speed)
        if stop.is_set and n_done < n_rows:
            raise StopRequested
    target = out / "rewards.parquet"
    temporary = target.with_suffix(".tmp")
    n_truncated = 0
    with pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
        for path in paths:
            table = pq.read_table(path)
            n_truncated += sum(table.column("is_truncated").to_pylist())
            writer.write_table(table)
    os.replace(temporary, target)
    result = {
        "rewards": str(target),
        "n_rows": n_rows,
        "n_truncated": n_truncated,
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(out / "result.json", result)
    shutil.rmtree(parts, ignore_errors=True)
    return result
