"""The input of bulk scoring: rows of Parquet and JSONL through fsspec, looked through once, cut into shards, and read.

No torch and no Django. Memory holds the rows of a request, however long the files are.
"""

from __future__ import annotations

import base64
import codecs
import contextlib
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from training.engine.common.errors import EngineError
from training.engine.scoring.bulk_rows import BadRow, item_of
from training.engine.scoring.client import Item

ROWS_PER_SHARD = 5_000
REJECTED = "rejected.jsonl"
MAX_LINE_BYTES = 16 * 1024**2
# A request: small enough that a few of them wait nowhere long, large enough that its overhead does not count.
ROWS_PER_REQUEST = 64
COMPLETIONS_PER_REQUEST = 512
CHARS_PER_REQUEST = 4 * 1024**2
_ROWS_LOOKED_AT = 1_000
_BYTES_LOOKED_AT = 8 * 1024**2
_READ_BYTES = 1024**2
_SUFFIXES = {"parquet": (".parquet",), "jsonl": (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")}

_REALS = pa.list_(pa.float64())
SCORES = pa.schema(
    [
        ("rewards", _REALS),
        ("uncertainty", _REALS),
        ("members", pa.list_(_REALS)),
        ("calibrated", _REALS),
        ("n_tokens", pa.list_(pa.int32())),
        ("truncated", pa.list_(pa.bool_())),
        ("model", pa.string()),
        ("version", pa.int32()),
    ]
)
"""What is added to each row: lists over its completions. A column of the input with such a name is replaced."""


# --- the input ------------------------------------------------------------------------------------------------------
@dataclass
class File:
    """One file of the input, by its path in its filesystem. `rows` is known once it was looked through."""

    path: str
    size: int
    rows: int = 0

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]

    @property
    def kind(self) -> str:
        return kind_of_file(self.path)


def kind_of_file(name: str) -> str:
    """ "parquet" or "jsonl", by how the name ends; "" for anything else."""
    return next((kind for kind, ends in _SUFFIXES.items() if name.lower().endswith(ends)), "")


def files_of(url: str) -> tuple[Any, list[File]]:
    """The filesystem and the files of a URL or path: one file, a directory with all below it, or a glob; by name.

    Raises EngineError "input_not_found" and "unknown_file_kind".
    """
    filesystem, path = fsspec.core.url_to_fs(url)
    try:
        if any(sign in path for sign in "*?["):
            found = filesystem.glob(path, detail=True)
            infos = [info for info in found.values() if info["type"] == "file" and kind_of_file(info["name"])]
        elif filesystem.isdir(path):
            infos = [info for info in filesystem.find(path, detail=True).values() if _is_data(info["name"], path)]
        else:
            infos = [filesystem.info(path)]
            if not kind_of_file(path):
                raise EngineError("unknown_file_kind", f"{url}: the name should end in .parquet, .jsonl or .jsonl.gz.")
    except FileNotFoundError:
        raise EngineError("input_not_found", f"There is nothing at {url}.") from None
    if not infos:
        raise EngineError("input_not_found", f"There is no .parquet, .jsonl or .jsonl.gz file at {url}.")
    return filesystem, [File(info["name"], int(info["size"] or 0)) for info in sorted(infos, key=lambda i: i["name"])]


def _is_data(path: str, root: str) -> bool:
    parts = path.removeprefix(root).strip("/").split("/")
    is_hidden = any(part.startswith((".", "_")) for part in parts)
    return bool(kind_of_file(path)) and not is_hidden and parts[-1] != REJECTED


@dataclass(frozen=True)
class Mark:
    """Where a shard begins: a file by its place in the plan, and how many rows, lines and bytes of it come before."""

    file: int
    rows: int
    lines: int
    offset: int


@dataclass
class Plan:
    """What is scored and how it is cut: the same plan gives the same shards.

    `types` has an Arrow type for each column that is kept; None stands for values of no common type, which are kept as
    JSON text.
    """

    url: str
    rows_per_shard: int
    files: list[File]
    marks: list[Mark] = field(default_factory=list)
    types: dict[str, pa.DataType | None] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)

    @property
    def n_rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def n_shards(self) -> int:
        return len(self.marks)

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(name, kind or pa.string()) for name, kind in self.types.items()])

    def rows_of(self, shard: int) -> int:
        """Rows of the input that belong to a shard."""
        return min(self.rows_per_shard, self.n_rows - shard * self.rows_per_shard)

    def to_json(self) -> dict[str, Any]:
        return {
            "url": self.url,
            "rows_per_shard": self.rows_per_shard,
            "files": [[file.path, file.size, file.rows] for file in self.files],
            "marks": [[mark.file, mark.rows, mark.lines, mark.offset] for mark in self.marks],
            "schema": base64.b64encode(self.schema.serialize().to_pybytes()).decode(),
            "as_json": [name for name, kind in self.types.items() if kind is None],
            "replaced": self.replaced,
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Plan:
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(raw["schema"])))
        types = {one.name: None if one.name in raw["as_json"] else one.type for one in schema}
        files = [File(*file) for file in raw["files"]]
        marks = [Mark(*mark) for mark in raw["marks"]]
        return cls(raw["url"], raw["rows_per_shard"], files, marks, types, raw["replaced"])


def make_plan(
    url: str, rows_per_shard: int = ROWS_PER_SHARD, on_rows: Callable[[int], None] = lambda n_rows: None
) -> Plan:
    """Look the input through once: how many rows, where the shards begin, which types the columns have.

    Of Parquet only the metadata is read; lines of JSONL are all read, since every one may bring a new column. `on_rows`
    hears now and then how many rows there are so far, and may raise to stop. Raises EngineError "input_not_found",
    "unknown_file_kind" and "unreadable_file".
    """
    filesystem, files = files_of(url)
    plan = Plan(url, rows_per_shard, files)
    for number, file in enumerate(files):
        with _readable(file):
            if file.kind == "parquet":
                _survey_parquet(filesystem, plan, number)
            else:
                _survey_jsonl(filesystem, plan, number, on_rows)
        on_rows(plan.n_rows)
    plan.replaced = [name for name in plan.types if name in SCORES.names]
    plan.types = {name: kind for name, kind in plan.types.items() if name not in SCORES.names}
    return plan


def _survey_parquet(filesystem: Any, plan: Plan, number: int) -> None:
    file = plan.files[number]
    before = plan.n_rows
    with filesystem.open(file.path, "rb") as raw:
        parquet = pq.ParquetFile(raw, pre_buffer=False)
        file.rows = parquet.metadata.num_rows
        names = parquet.schema_arrow.names
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise EngineError("unreadable_file", f"{file.name} has several columns of the name {twice!r}.")
        for one in parquet.schema_arrow:
            plan.types[one.name] = _common(plan.types.get(one.name, one.type), one.type)
    first = -before % plan.rows_per_shard
    plan.marks += [Mark(number, row, row, 0) for row in range(first, file.rows, plan.rows_per_shard)]


def _survey_jsonl(filesystem: Any, plan: Plan, number: int, on_rows: Callable[[int], None]) -> None:
    file = plan.files[number]
    good: list[dict[str, Any]] = []
    start, before, n_bytes = Mark(number, 0, 0, 0), plan.n_rows, 0
    for line in _lines(filesystem, file, start):
        if (before + file.rows) % plan.rows_per_shard == 0:
            plan.marks.append(Mark(number, file.rows, line.number - 1, line.offset))
        file.rows += 1
        # A row that will be refused has no say in the types.
        with contextlib.suppress(BadRow):
            item_of(line.value)
            good.append(line.value)
        n_bytes += line.n_bytes
        if len(good) >= _ROWS_LOOKED_AT or n_bytes >= _BYTES_LOOKED_AT:
            _learn_types(plan.types, good)
            good, n_bytes = [], 0
        if file.rows % _ROWS_LOOKED_AT == 0:
            on_rows(plan.n_rows)
    _learn_types(plan.types, good)


def _learn_types(types: dict[str, pa.DataType | None], rows: Sequence[dict[str, Any]]) -> None:
    for name in {name: None for row in rows for name in row}:
        found: pa.DataType | None
        try:
            found = pa.array([row.get(name) for row in rows]).type
        except (pa.ArrowException, OverflowError, ValueError, TypeError):
            found = None
        if found is not None and not _can_be_stored(found):
            found = None
        types[name] = _common(types.get(name, found), found)


def _common(a: pa.DataType | None, b: pa.DataType | None) -> pa.DataType | None:
    """A type that takes the values of both; None when there is none."""
    if a is None or b is None or a == b:
        return a if a == b else None
    try:
        schemas = [pa.schema([("x", kind)]) for kind in (a, b)]
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return None


def _can_be_stored(kind: pa.DataType) -> bool:
    """Parquet has no objects without a field."""
    if pa.types.is_struct(kind):
        return kind.num_fields > 0 and all(_can_be_stored(kind.field(i).type) for i in range(kind.num_fields))
    return _can_be_stored(kind.value_type) if pa.types.is_list(kind) else True


# --- reading --------------------------------------------------------------------------------------------------------
@dataclass
class Chunk:
    """Rows of one shard that go to the scorer together: those that can be scored, with their columns, and others."""

    shard: int
    n_rows: int
    table: pa.Table
    items: list[Item]
    places: list[tuple[str, int]]
    """File and row (line, in JSONL; from 1) of each item."""
    rejected: list[dict[str, Any]]


def read(plan: Plan, shard: int = 0) -> Iterator[Chunk]:
    """All rows from a shard on, in their order; no chunk reaches over the end of a shard.

    Raises EngineError "input_changed" where a file is not the one that was planned, and "unreadable_file".
    """
    if shard >= plan.n_shards:
        return
    filesystem, _ = fsspec.core.url_to_fs(plan.url)
    at = plan.marks[shard]
    row = shard * plan.rows_per_shard
    for number in range(at.file, len(plan.files)):
        file = plan.files[number]
        start = at if number == at.file else Mark(number, 0, 0, 0)
        with _readable(file):
            if int(filesystem.info(file.path)["size"] or 0) != file.size:
                raise EngineError("input_changed", f"{file.name} has changed since this job began: start it anew.")
            for piece in (_parquet_pieces if file.kind == "parquet" else _jsonl_pieces)(filesystem, file, start):
                for part in _parts(piece, row, plan.rows_per_shard):
                    yield _chunk(plan, file, part, row // plan.rows_per_shard)
                    row += len(part.values)
    if row != plan.n_rows:
        raise EngineError("input_changed", f"{plan.n_rows:,} rows were planned and {row:,} found: start it anew.")


@dataclass
class _Piece:
    """Rows of one file, as values and, from Parquet, also as they were."""

    numbers: Sequence[int]
    values: list[Any]
    table: pa.Table | None


@dataclass
class _Line:
    number: int
    offset: int
    n_bytes: int
    value: Any


def _lines(filesystem: Any, file: File, start: Mark) -> Iterator[_Line]:
    """The lines of a JSONL file that are not empty, from a mark on, each decoded or a BadRow."""
    with filesystem.open(file.path, "rb") as raw:
        stream: IO[bytes] = raw
        number, offset = start.lines, start.offset
        if file.path.lower().endswith(".gz"):
            stream = gzip.open(raw, "rb")  # noqa: SIM115 - closed with what it reads from
            for _ in range(number):
                while (line := stream.readline(_READ_BYTES)) and not line.endswith(b"\n"):
                    pass
        elif offset:
            stream.seek(offset)
        while line := stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            begin, offset = offset, offset + len(line)
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if len(line) > MAX_LINE_BYTES:
                while line and not line.endswith(b"\n"):  # the rest of it
                    line = stream.readline(_READ_BYTES)
                    offset += len(line)
                problem = BadRow("", f"Expected a line of {MAX_LINE_BYTES // 1024**2} MiB at most.")
                yield _Line(number, begin, 0, problem)
            elif line.strip():
                yield _Line(number, begin, len(line), _decoded(line))


def _decoded(line: bytes) -> Any:
    try:
        value = json.loads(line.decode("utf-8"))
        if b"\\u" in line:  # the only way to half a surrogate pair, such as half an emoji that somebody cut
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except UnicodeEncodeError:
        try:
            item_of(value)
        except BadRow as problem:
            return problem
        return BadRow("", "Expected text; half a surrogate pair stands in a column.")
    except UnicodeDecodeError as error:
        return BadRow("", f"Expected UTF-8; byte {error.start + 1} of the line is not.")
    except json.JSONDecodeError as error:
        return BadRow("", f"Expected JSON: {error.msg}, at character {error.colno}.")
    except (RecursionError, ValueError) as error:  # nested too deeply, a number with too many digits
        return BadRow("", f"Expected JSON that can be read: {error}")


def _jsonl_pieces(filesystem: Any, file: File, start: Mark) -> Iterator[_Piece]:
    lines: list[_Line] = []
    n_bytes = 0
    for line in _lines(filesystem, file, start):
        lines.append(line)
        n_bytes += line.n_bytes
        if len(lines) == ROWS_PER_REQUEST or n_bytes >= CHARS_PER_REQUEST:
            n_bytes = 0
            yield _Piece([one.number for one in lines], [one.value for one in lines], None)
            lines = []
    if lines:
        yield _Piece([one.number for one in lines], [one.value for one in lines], None)


def _parquet_pieces(filesystem: Any, file: File, start: Mark) -> Iterator[_Piece]:
    with filesystem.open(file.path, "rb") as raw:
        # Not pre_buffer, which would hold a whole row group: pages are read as they are needed.
        parquet = pq.ParquetFile(raw, pre_buffer=False)
        sizes = [parquet.metadata.row_group(group).num_rows for group in range(parquet.metadata.num_row_groups)]
        group, before = 0, 0
        while group < len(sizes) and before + sizes[group] <= start.rows:
            before += sizes[group]
            group += 1
        number = before
        groups = range(group, len(sizes))
        for batch in parquet.iter_batches(batch_size=ROWS_PER_REQUEST, row_groups=groups):
            first = max(start.rows - number, 0)
            number += batch.num_rows
            batch = batch.slice(first)
            if batch.num_rows:
                rows = range(number - batch.num_rows + 1, number + 1)
                yield _Piece(rows, list(_plain_rows(batch)), pa.Table.from_batches([batch]))


def _plain_rows(batch: pa.RecordBatch) -> Iterator[Any]:
    """The batch's rows as dicts, with only the columns that are read here; bytes that are no UTF-8 make a BadRow."""
    read_here = ("messages", "prompt", "completions", "completion", "chosen", "rejected")
    batch = batch.select([name for name in batch.schema.names if name in read_here])
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for number in range(batch.num_rows):
            try:
                yield batch.slice(number, 1).to_pylist()[0]
            except UnicodeDecodeError as error:
                yield BadRow("", f"Expected UTF-8; byte {error.start + 1} of a text is not.")


def _parts(piece: _Piece, row: int, rows_per_shard: int) -> Iterator[_Piece]:
    """The piece cut where a shard ends and where a request has enough."""
    start, n_completions, n_chars = 0, 0, 0
    for place, value in enumerate(piece.values):
        here, chars = _size(value)
        is_full = n_completions + here > COMPLETIONS_PER_REQUEST or n_chars + chars > CHARS_PER_REQUEST
        if place > start and (is_full or (row + place) % rows_per_shard == 0):
            yield _part(piece, start, place)
            start, n_completions, n_chars = place, 0, 0
        n_completions += here
        n_chars += chars
    yield _part(piece, start, len(piece.values))


def _part(piece: _Piece, start: int, end: int) -> _Piece:
    table = None if piece.table is None else piece.table.slice(start, end - start)
    return _Piece(piece.numbers[start:end], piece.values[start:end], table)


def _size(value: Any) -> tuple[int, int]:
    """Completions of a row and their characters, as far as it has any."""
    try:
        messages, completions = item_of(value)
    except BadRow:
        return 0, 0
    return len(completions), sum(len(one["content"]) for one in messages) + sum(map(len, completions))


def _chunk(plan: Plan, file: File, part: _Piece, shard: int) -> Chunk:
    items, kept, rejected = [], [], []
    for place, value in enumerate(part.values):
        try:
            items.append(item_of(value))
            kept.append(place)
        except BadRow as problem:
            rejected.append(rejection(file.name, part.numbers[place], problem.field, problem.message))
    if part.table is not None:
        table = _as_planned(plan, part.table.take(pa.array(kept, pa.int64())))
    else:
        table = _table_of(plan, [part.values[place] for place in kept])
    places = [(file.name, part.numbers[place]) for place in kept]
    return Chunk(shard, len(part.values), table, items, places, rejected)


def rejection(file: str, row: int, field: str, message: str) -> dict[str, Any]:
    """A line of the file of bad rows; field "": the row as a whole."""
    return {"file": file, "row": row, "field": field, "message": message}


def _table_of(plan: Plan, rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.table([_array([row.get(name) for row in rows], kind) for name, kind in plan.types.items()], plan.schema)


def _array(values: Sequence[Any], kind: pa.DataType | None) -> pa.Array:
    if kind is not None:
        if pa.types.is_floating(kind):  # Arrow refuses a whole number that a float holds only nearly
            values = [one if one is None else float(one) for one in values]
        try:
            return pa.array(values, kind)
        except pa.ArrowInvalid:  # the same within lists and objects
            return pa.array([_as_floats(one) for one in values], kind)
    as_text = [None if one is None else json.dumps(one, ensure_ascii=False, default=str) for one in values]
    return pa.array(as_text, pa.string())


def _as_floats(value: Any) -> Any:
    """The value with every whole number as a float."""
    if isinstance(value, dict):
        return {name: _as_floats(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_as_floats(one) for one in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _as_planned(plan: Plan, table: pa.Table) -> pa.Table:
    columns = []
    for name, kind in plan.types.items():
        if name not in table.column_names:
            columns.append(pa.nulls(table.num_rows, kind or pa.string()))
        elif kind is not None and table.column(name).type == kind:
            columns.append(table.column(name))
        else:
            columns.append(_array(table.column(name).to_pylist(), kind))
    return pa.table(columns, plan.schema)


@contextlib.contextmanager
def _readable(file: File) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise EngineError("input_changed", f"{file.name} is no longer there.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error, pa.ArrowException, OSError) as error:
        raise EngineError("unreadable_file", f"{file.name} cannot be read: {error}") from error
