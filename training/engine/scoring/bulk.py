"""Scoring files of any size: rows of Parquet or JSONL through fsspec in, shards of Parquet with rewards out.

No torch and no Django: whoever runs it brings `ask`, which gets rewards from a scorer. How the input is cut into shards
is kept as a `Plan`, so that a run that was killed goes on with the first shard that is not there. A shard appears under
its name once it is whole, and says in its own metadata what went into it. Memory holds a few requests and one row
group.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from training.engine.common.errors import EngineError
from training.engine.scoring.bulk_input import REJECTED, SCORES, Chunk, Plan, read, rejection
from training.engine.scoring.client import Item, ItemScores

FORMAT = "touchstone.bulk_scoring/1"
PLAN, MANIFEST = "plan.json", "manifest.json"
_ROWS_PER_GROUP = 1_000
_BYTES_PER_GROUP = 16 * 1024**2
_READ_BYTES = 1024**2
_COUNTS = ("rows", "scored", "rejected", "completions", "truncated")

Ask = Callable[[Sequence[Item]], Sequence[ItemScores]]


# --- the output -----------------------------------------------------------------------------------------------------
def shard_name(number: int) -> str:
    return f"part-{number:05d}.parquet"


def _rejected_name(number: int) -> str:
    return f"rejected-{number:05d}.jsonl"


class Output:
    """The directory that the shards go to. A file appears there under its name once it is whole."""

    def __init__(self, url: str) -> None:
        self.filesystem, self.path = fsspec.core.url_to_fs(url)
        self.is_local = isinstance(self.filesystem, LocalFileSystem)
        self.filesystem.makedirs(self.path, exist_ok=True)

    def tidy(self) -> None:
        """Remove what a killed run has left half written."""
        if self.is_local:
            for leftover in Path(self.path).glob(".*.tmp-*"):
                leftover.unlink(missing_ok=True)

    @contextlib.contextmanager
    def new_file(self, name: str) -> Iterator[Path]:
        """A local path to write; put into its place at the end, or forgotten on an exception."""
        here = Path(self.path) if self.is_local else Path(tempfile.gettempdir())
        temporary = here / f".{name}.tmp-{uuid.uuid4().hex[:8]}"
        try:
            yield temporary
            if self.is_local:
                with open(temporary, "rb") as file:
                    os.fsync(file.fileno())
                os.replace(temporary, here / name)
            else:
                self.filesystem.put_file(str(temporary), f"{self.path}/{name}")
        finally:
            temporary.unlink(missing_ok=True)

    def open(self, name: str) -> Any:
        return self.filesystem.open(f"{self.path}/{name}", "rb")

    def has(self, name: str) -> bool:
        return bool(self.filesystem.exists(f"{self.path}/{name}"))

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.rm_file(f"{self.path}/{name}")

    def write_json(self, name: str, value: Any) -> None:
        with self.new_file(name) as path:
            path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")

    def read_json(self, name: str) -> Any:
        """None when there is no such file."""
        if not self.has(name):
            return None
        with self.open(name) as file:
            return json.loads(file.read())

    def counts_of(self, shard: int) -> dict[str, int] | None:
        """What a whole shard says of itself; None while it is not there."""
        if not self.has(shard_name(shard)):
            return None
        with self.open(shard_name(shard)) as file:
            metadata = pq.read_metadata(file).metadata
        found: dict[str, int] = json.loads(metadata[b"touchstone"])
        return found

    def digest(self, name: str) -> tuple[str, int]:
        """SHA-256 and size in bytes."""
        sha256, size = hashlib.sha256(), 0
        with self.open(name) as file:
            while block := file.read(_READ_BYTES):
                sha256.update(block)
                size += len(block)
        return sha256.hexdigest(), size


class _ShardWriter:
    """Writes one shard, a row group at a time."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._schema = schema
        self._tables: list[pa.Table] = []
        self.counts = dict.fromkeys(_COUNTS, 0)
        self.rejected: list[dict[str, Any]] = []

    def add(self, chunk: Chunk, scores: Sequence[ItemScores], model: str, version: int) -> None:
        kept = [place for place, one in enumerate(scores) if not one.error]
        rejected = [*chunk.rejected]
        for (file, row), one in zip(chunk.places, scores, strict=True):
            if one.error:
                rejected.append(rejection(file, row, "", one.error))
        self.rejected += sorted(rejected, key=lambda one: (one["file"], one["row"]))
        table = chunk.table if len(kept) == len(scores) else chunk.table.take(pa.array(kept, pa.int64()))
        good = [scores[place] for place in kept]
        added = {
            name: [getattr(one, name) for one in good] for name in SCORES.names if name not in ("model", "version")
        }
        added |= {"model": [model] * len(good), "version": [version] * len(good)}
        columns = [pa.array(added[one.name], one.type) for one in SCORES]
        self._tables.append(pa.table([*table.columns, *columns], self._schema))
        self.counts["rows"] += chunk.n_rows
        self.counts["scored"] += len(good)
        self.counts["rejected"] += len(rejected)
        self.counts["completions"] += sum(len(one.rewards) for one in good)
        self.counts["truncated"] += sum(sum(one.truncated) for one in good)
        n_bytes = sum(one.nbytes for one in self._tables)
        if sum(one.num_rows for one in self._tables) >= _ROWS_PER_GROUP or n_bytes >= _BYTES_PER_GROUP:
            self._write_group()

    def _write_group(self) -> None:
        if self._tables:
            self._writer.write_table(pa.concat_tables(self._tables))
        self._tables = []

    def close(self) -> None:
        self._write_group()
        self._writer.add_key_value_metadata({"touchstone": json.dumps(self.counts)})
        self._writer.close()

    def abandon(self) -> None:
        with contextlib.suppress(Exception):
            self._writer.close()


# --- scoring --------------------------------------------------------------------------------------------------------
def score_shards(
    plan: Plan,
    output: Output,
    ask: Ask,
    *,
    model: str,
    version: int,
    n_parallel: int = 3,
    on_rows: Callable[[int], None] = lambda n_rows: None,
    on_wait: Callable[[], None] = lambda: None,
    on_shard: Callable[[int], None] = lambda shard: None,
) -> dict[str, int]:
    """Score every shard that is not there yet, and return the counts of them all: {"rows", "scored", ...}.

    `ask` is called from `n_parallel` threads at once. `on_rows` hears how many rows are done, `on_wait` is called while
    an answer is awaited, `on_shard` after each shard; each may raise to stop: the shard under way is forgotten then.
    Raises EngineError as `read`, and whatever `ask` raises.
    """
    output.tidy()
    counts = dict.fromkeys(_COUNTS, 0)
    first = 0
    while first < plan.n_shards and (found := output.counts_of(first)) is not None:
        counts = {name: counts[name] + found[name] for name in _COUNTS}
        first += 1
    on_rows(counts["rows"])
    pool = ThreadPoolExecutor(n_parallel, thread_name_prefix="ask")
    answers = _answers(read(plan, first), pool, ask, n_parallel, on_wait)
    try:
        for shard in range(first, plan.n_shards):
            made = _score_shard(
                plan, output, shard, answers, model, version, partial(_onwards, on_rows, counts["rows"])
            )
            counts = {name: counts[name] + made[name] for name in _COUNTS}
            on_shard(shard)
        for _ in answers:  # so that `read` says it when there are more rows than planned
            raise EngineError("input_changed", "The input has more rows than when this job began: start it anew.")
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        answers.close()
    return counts


def _onwards(on_rows: Callable[[int], None], before: int, n_rows: int) -> None:
    on_rows(before + n_rows)


def _answers(
    chunks: Iterator[Chunk], pool: ThreadPoolExecutor, ask: Ask, n_parallel: int, on_wait: Callable[[], None]
) -> Generator[tuple[Chunk, Sequence[ItemScores]]]:
    """Chunks with their scores, in order, while the next ones are being scored."""
    waiting: deque[tuple[Chunk, Future[Sequence[ItemScores]] | None]] = deque()
    for chunk in chunks:
        waiting.append((chunk, pool.submit(ask, chunk.items) if chunk.items else None))
        if len(waiting) > n_parallel:
            yield _answer(*waiting.popleft(), on_wait)
    while waiting:
        yield _answer(*waiting.popleft(), on_wait)


def _answer(
    chunk: Chunk, future: Future[Sequence[ItemScores]] | None, on_wait: Callable[[], None]
) -> tuple[Chunk, Sequence[ItemScores]]:
    if future is None:
        return chunk, []
    while not wait([future], timeout=0.5).done:
        on_wait()
    return chunk, future.result()


def _score_shard(
    plan: Plan,
    output: Output,
    shard: int,
    answers: Iterator[tuple[Chunk, Sequence[ItemScores]]],
    model: str,
    version: int,
    on_rows: Callable[[int], None],
) -> dict[str, int]:
    with output.new_file(shard_name(shard)) as path:
        writer = _ShardWriter(path, pa.schema([*plan.schema, *SCORES]))
        try:
            while writer.counts["rows"] < plan.rows_of(shard):
                chunk, scores = next(answers)
                writer.add(chunk, scores, model, version)
                on_rows(writer.counts["rows"])
            writer.close()
        except BaseException:
            writer.abandon()
            raise
        # Before the shard itself: once that is there, all that belongs to it is.
        if writer.rejected:
            with output.new_file(_rejected_name(shard)) as lines, lines.open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in writer.rejected)
    return writer.counts


def write_manifest(
    plan: Plan, output: Output, counts: Mapping[str, int], *, on_shard: Callable[[int], None], **told: Any
) -> dict[str, Any]:
    """Gather the refused rows into one file, and write what there is, with the SHA-256 of every shard."""
    names = [_rejected_name(number) for number in range(plan.n_shards)]
    if counts["rejected"]:
        with output.new_file(REJECTED) as path, path.open("wb") as target:
            for name in filter(output.has, names):
                with output.open(name) as file:
                    while block := file.read(_READ_BYTES):
                        target.write(block)
    shards = []
    for number in range(plan.n_shards):
        sha256, size = output.digest(shard_name(number))
        found = output.counts_of(number) or {}
        shards.append({"path": shard_name(number), "rows": found["scored"], "bytes": size, "sha256": sha256})
        on_shard(number)
    manifest = {
        "format": FORMAT,
        **told,
        "files": [{"name": file.name, "rows": file.rows, "bytes": file.size} for file in plan.files],
        "rows_per_shard": plan.rows_per_shard,
        "counts": dict(counts),
        "replaced_columns": plan.replaced,
        "shards": shards,
    }
    output.write_json(MANIFEST, manifest)
    for name in filter(output.has, names):
        output.remove(name)
    return manifest
