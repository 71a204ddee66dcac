"""Files of every kind, and broken ones."""

import contextlib
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.imports import reading
from annotate.imports.parsing import BadRow
from annotate.imports.reading import Unreadable, read

ROWS = [{"prompt": f"Question {i}?", "completions": ["a", "b"]} for i in range(5)]


def rows_of(path):
    return list(read(f"file://{path}", path.name))


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.parquet"])
def test_rows_come_back_with_their_lines(tmp_path, name):
    path = tmp_path / name
    text = "".join(json.dumps(row) + "\n" for row in ROWS)
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    rows = rows_of(path)
    assert [row.value for row in rows] == ROWS
    assert [row.line for row in rows] == [1, 2, 3, 4, 5]
    assert rows[-1].done == rows[-1].total


def test_a_csv_with_lines_in_its_cells(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('\ufeffprompt,chosen,rejected\n"Why?\nReally?",yes,no\nHow?,so,"a, b"\nx,y,z,too many\n')
    rows = rows_of(path)
    assert rows[0].value == {"prompt": "Why?\nReally?", "chosen": "yes", "rejected": "no"}
    assert [row.line for row in rows] == [2, 4, 5]
    assert isinstance(rows[2].value, BadRow)


def test_a_bad_line_does_not_end_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_LINE_BYTES", 100)
    path = tmp_path / "x.jsonl"
    lines = [b'{"a": 1}', b"{broken", b"\xff\xfe", b"", b'"' + b"x" * 500 + b'"', b"[" * 90, b'{"a": 2}']
    path.write_bytes(b"\n".join(lines))
    rows = rows_of(path)
    assert [row.line for row in rows] == [1, 2, 3, 5, 6, 7]
    assert [row.value for row in rows if not isinstance(row.value, BadRow)] == [{"a": 1}, {"a": 2}]
    reasons = [row.value.reason for row in rows if isinstance(row.value, BadRow)]
    assert ["Not JSON" in reasons[0], "Not UTF-8: byte 1" in reasons[1], "longer than" in reasons[2]] == [True] * 3


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.jsonl.gz", b"not gzip", "broken gzip"),
        ("x.parquet", b"not parquet", "no readable Parquet"),
        ("x.csv", b"", "names of its columns"),
        ("x.docx", b"", "expected a name that ends in"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=says):
        rows_of(path)


def test_half_a_gzip_says_so(tmp_path):
    path = tmp_path / "x.jsonl.gz"
    packed = gzip.compress("".join(json.dumps({"n": i, "x": str(i**9)}) + "\n" for i in range(5000)).encode())
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(Unreadable, match="broken gzip"):
        rows_of(path)


def test_a_file_that_is_gone(tmp_path):
    with pytest.raises(Unreadable, match="no longer there"):
        rows_of(tmp_path / "x.jsonl")


def test_a_text_in_parquet_that_is_no_utf8_is_one_bad_row(tmp_path):
    path = tmp_path / "x.parquet"
    offsets = pa.py_buffer(b"".join(n.to_bytes(4, "little") for n in (0, 1, 2, 3)))
    texts = pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"a\xffb")])
    pq.write_table(pa.table({"prompt": texts}), path)
    first, second, third = rows_of(path)
    assert (first.value, third.value) == ({"prompt": "a"}, {"prompt": "b"})
    assert isinstance(second.value, BadRow) and "Not UTF-8" in second.value.reason


def test_a_parquet_file_with_a_broken_page_says_so(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.Table.from_pylist([{"prompt": str(i**7)} for i in range(5000)]), path)
    content = bytearray(path.read_bytes())
    content[2000:2400] = bytes(byte ^ 0x5A for byte in content[2000:2400])
    path.write_bytes(content)
    with pytest.raises(Unreadable, match="no readable Parquet"):
        rows_of(path)


@pytest.mark.parametrize("content", ["a,b\nx,y\n" + "z" * 500, 'a,b\nx,y\n"' + "z\n" * 500])
def test_a_csv_with_a_line_or_a_cell_without_end(tmp_path, monkeypatch, content):
    monkeypatch.setattr(reading, "MAX_LINE_BYTES", 100)
    path = tmp_path / "x.csv"
    path.write_text(content)
    rows = read(f"file://{path}", path.name)
    assert next(rows).value == {"a": "x", "b": "y"}
    with pytest.raises(Unreadable, match=r"x.csv, line"):
        next(rows)


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x.jsonl.gz", "x.csv.gz", "x.parquet"])
@given(content=st.binary(max_size=200), is_packed=st.booleans())
def test_whatever_the_bytes_are_it_is_rows_or_unreadable(tmp_path_factory, name, content, is_packed):
    path = tmp_path_factory.mktemp("garbage") / name
    path.write_bytes(gzip.compress(content) if is_packed and name.endswith(".gz") else content)
    with contextlib.suppress(Unreadable):
        lines = [row.line for row in rows_of(path)]
        assert lines == sorted(set(lines))
