"""Comparison sets as files: Parquet shards with their digests, through fsspec, in constant memory."""

import contextlib
import hashlib
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

SPLITS = ("train", "validation", "test")
ROWS_PER_SHARD = 100_000
ROWS_PER_GROUP = 5_000

_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
SCHEMA = pa.schema(
    [
        ("prompt", _MESSAGES),
        ("chosen", _MESSAGES),
        ("rejected", _MESSAGES),
        ("margin", pa.float32()),
        ("weight", pa.float32()),
        ("soft_preference", pa.float32()),
        ("intensity", pa.float32()),
        ("agreement", pa.float32()),
        ("n_ratings", pa.int32()),
        ("axis", pa.string()),
        ("chosen_source", pa.string()),
        ("rejected_source", pa.string()),
        ("chosen_chars", pa.int32()),
        ("rejected_chars", pa.int32()),
        ("chosen_is_a", pa.bool_()),
        ("comparison_id", pa.int64()),
        ("prompt_digest", pa.string()),
        ("split", pa.string()),
        ("rating_ids", pa.list_(pa.int64())),
        ("guideline_versions", pa.list_(pa.int32())),
        ("group", pa.string()),
        ("is_hard", pa.bool_()),
        ("safety_bucket", pa.int32()),
        ("language", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("cluster", pa.int32()),
        ("batch", pa.int32()),
        ("chosen_source_kind", pa.string()),
        ("rejected_source_kind", pa.string()),
        ("labellers", pa.list_(pa.string())),
        ("sides", pa.list_(pa.int8())),
        ("firsts", pa.list_(pa.int8())),
    ]
)

# Of a set that may have rows of AI ratings. Any other set has no such column, and the bytes that it always had.
SCHEMA_WITH_ORIGIN = SCHEMA.append(pa.field("origin", pa.string()))


class _HashedFile:
    """A file opened for writing that knows the SHA-256 of what went through it."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self.closed = False

    def write(self, data: bytes) -> int:
        self._sha256.update(data)
        self._file.write(data)
        return len(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._file.close()

    def hexdigest(self) -> str:
        return self._sha256.hexdigest()


class _Split:
    """The shards of one split; at most one of them is open."""

    def __init__(self, filesystem: Any, directory: str, split: str, schema: pa.Schema) -> None:
        self.filesystem, self.directory, self.split, self.schema = filesystem, directory, split, schema
        self.shards: list[dict[str, Any]] = []
        self._rows: list[dict[str, Any]] = []
        self._file: _HashedFile | None = None
        self._writer: pq.ParquetWriter | None = None
        self._n_written = 0

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) >= ROWS_PER_GROUP:
            self._write_group()
        if self._n_written >= ROWS_PER_SHARD:
            self.close()

    def close(self) -> None:
        """Finish the open shard, if there is one, and note its digest."""
        if self._rows:
            self._write_group()
        if self._writer is None or self._file is None:
            return
        self._writer.close()
        self._file.close()
        self.shards.append(
            {
                "path": self._name(),
                "split": self.split,
                "rows": self._n_written,
                "sha256": self._file.hexdigest(),
            }
        )
        self._writer, self._file, self._n_written = None, None, 0

    def abandon(self) -> None:
        """Close the open file, whatever is in it."""
        with contextlib.suppress(Exception):
            if self._file is not None:
                self._file.close()

    def _name(self) -> str:
        return f"{self.split}-{len(self.shards):05d}.parquet"

    def _write_group(self) -> None:
        if self._writer is None:
            self._file = _HashedFile(self.filesystem.open(f"{self.directory}/{self._name()}", "wb"))
            self._writer = pq.ParquetWriter(self._file, self.schema, compression="zstd")
        # By columns: `from_pylist` looks every field up in every row, twice as slow.
        columns = [pa.array([row[field.name] for row in self._rows], type=field.type) for field in self.schema]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self.schema), row_group_size=ROWS_PER_GROUP)
        self._n_written += len(self._rows)
        self._rows = []


class ShardWriter:
    """Writes rows into the shards of their splits. The same rows in the same order give the same bytes.

    Memory holds one row group of each split. Use as a context manager; `shards` is complete once it was left.
    """

    def __init__(self, filesystem: Any, directory: str, *, has_origin: bool = False) -> None:
        schema = SCHEMA_WITH_ORIGIN if has_origin else SCHEMA
        filesystem.makedirs(directory, exist_ok=True)
        self._splits = {split: _Split(filesystem, directory, split, schema) for split in SPLITS}

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        for split in self._splits.values():
            if kind is None:
                split.close()
            else:
                split.abandon()

    def add(self, row: dict[str, Any]) -> None:
        self._splits[row["split"]].add(row)

    @property
    def shards(self) -> list[dict[str, Any]]:
        return [shard for split in self._splits.values() for shard in split.shards]


def digest_of(shards: list[dict[str, Any]]) -> str:
    """SHA-256 over the shards' digests, in their order: one name for all the rows of a set."""
    return hashlib.sha256("".join(shard["sha256"] for shard in shards).encode()).hexdigest()
