"""Rows of a file, one at a time: JSONL (also .gz), CSV and Parquet, from any fsspec URL, in constant memory."""

import codecs
import contextlib
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import fsspec

from annotate.imports.parsing import BadRow

MAX_LINE_BYTES = 16 * 1024**2
SUFFIXES = (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz", ".csv", ".csv.gz", ".parquet")


class Unreadable(Exception):
    """The file as a whole cannot be read; the message says why."""


@dataclass
class RawRow:
    """A row and where it stands: `line` counts lines of the file from 1 (rows in Parquet). `value` may be a BadRow.

    `done` of `total` is how far the file has been read, in bytes (rows in Parquet); `n_bytes` about what it holds.
    """

    line: int
    value: Any
    done: int
    total: int
    n_bytes: int


def kind_of_file(filename: str) -> str:
    """ "jsonl", "csv" or "parquet" by the name. Raises Unreadable for any other."""
    name = filename.lower()
    if name.endswith(".parquet"):
        return "parquet"
    if name.endswith((".csv", ".csv.gz")):
        return "csv"
    if name.endswith(SUFFIXES):
        return "jsonl"
    raise Unreadable(f"{filename}: expected a name that ends in .jsonl, .jsonl.gz, .csv or .parquet.")


def read(url: str, filename: str) -> Iterator[RawRow]:
    """All rows of the file. A row that cannot be decoded is yielded as a BadRow, and the next one follows.

    Raises Unreadable.
    """
    readers = {"jsonl": _read_jsonl, "csv": _read_csv, "parquet": _read_parquet}
    reader = readers[kind_of_file(filename)]
    try:
        with fsspec.open(url, "rb") as raw:
            yield from reader(raw, filename)
    except FileNotFoundError:
        raise Unreadable(f"{filename} is no longer there.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Unreadable(f"{filename} is broken gzip: {error}") from error


def _size(raw: IO[bytes]) -> int:
    size = raw.seek(0, io.SEEK_END)
    raw.seek(0)
    return size


@contextlib.contextmanager
def _unpacked(raw: IO[bytes], filename: str) -> Iterator[IO[bytes]]:
    if not filename.lower().endswith(".gz"):
        yield raw
        return
    with gzip.open(raw, "rb") as unpacked:
        yield unpacked  # type: ignore[misc]  # GzipFile reads as IO[bytes] does


def _read_jsonl(raw: IO[bytes], filename: str) -> Iterator[RawRow]:
    total = _size(raw)
    with _unpacked(raw, filename) as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            n_bytes = len(line)
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            value: Any
            if len(line) > MAX_LINE_BYTES:
                while line and not line.endswith(b"\n"):  # the rest of it
                    line = file.readline(MAX_LINE_BYTES)
                value = BadRow("", f"The line is longer than {MAX_LINE_BYTES // 1024**2} MiB.")
            elif not line.strip():
                continue
            else:
                value = _decode(line)
            yield RawRow(number, value, raw.tell(), total, n_bytes)


def _decode(line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return BadRow("", f"Not UTF-8: byte {error.start + 1} of the line.")
    except json.JSONDecodeError as error:
        return BadRow("", f"Not JSON: {error.msg}, at character {error.colno}.")
    except RecursionError:
        return BadRow("", "Nested too deeply.")
    except ValueError as error:  # a number with more digits than Python reads
        return BadRow("", f"Not JSON: {error}")


def _read_csv(raw: IO[bytes], filename: str) -> Iterator[RawRow]:
    total = _size(raw)
    csv.field_size_limit(MAX_LINE_BYTES)
    with _unpacked(raw, filename) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
        rows = csv.DictReader(_lines(text, filename), restkey="", strict=False)
        try:
            if not rows.fieldnames:
                raise Unreadable(f"{filename} has no line with the names of its columns.")
            while True:
                line = rows.line_num + 1
                try:
                    row = next(rows)
                except StopIteration:
                    return
                value: Any = row
                if "" in row:
                    value = BadRow("", f"More cells than the {len(rows.fieldnames)} columns that the first line names.")
                n_bytes = sum(len(cell or "") for cell in row.values())
                yield RawRow(line, value, raw.tell(), total, n_bytes)
        except csv.Error as error:
            raise Unreadable(f"{filename}, line {rows.line_num + 1}: {error}") from error


def _lines(text: IO[str], filename: str) -> Iterator[str]:
    """A cell may run over many lines, so where a line without end would go on cannot be known: the file ends there."""
    number = 0
    while line := text.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise Unreadable(f"{filename}, line {number}: longer than {MAX_LINE_BYTES // 1024**2} MiB.")
        yield line


def _read_parquet(raw: IO[bytes], filename: str) -> Iterator[RawRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Not pre_buffer, which would hold a whole row group: pages are read as they are needed.
        file = pq.ParquetFile(raw, pre_buffer=False)
        number, total = 0, file.metadata.num_rows
        for batch in file.iter_batches(batch_size=256):
            n_bytes = batch.nbytes // max(batch.num_rows, 1)
            for value in _plain_rows(batch):
                number += 1
                yield RawRow(number, value, number, total, n_bytes)
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(f"{filename} is no readable Parquet file: {error}") from error


def _plain_rows(batch: Any) -> Iterator[Any]:
    """The batch's rows as dicts. Parquet calls bytes a string without a look at them, so one of them may be none."""
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for number in range(batch.num_rows):
            try:
                yield batch.slice(number, 1).to_pylist()[0]
            except UnicodeDecodeError as error:
                yield BadRow("", f"Not UTF-8: byte {error.start + 1} of a text.")
