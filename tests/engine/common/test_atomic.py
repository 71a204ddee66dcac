from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from training.engine.common.atomic import atomic_directory, sha256_file, write_json, write_rows, write_text


def test_it_replaces_a_file_and_leaves_no_other(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "one")
    write_text(tmp_path / "a.txt", "zwei ü")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "zwei ü"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_it_refuses_numbers_that_are_no_json_and_keeps_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": 1})
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert (tmp_path / "a.json").read_text() == '{\n  "x": 1\n}\n'


def test_it_leaves_nothing_of_a_directory_whose_writer_failed(tmp_path: Path) -> None:
    def write_half() -> None:
        with atomic_directory(tmp_path / "model") as directory:
            (directory / "half").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_it_keeps_the_old_directory_when_the_writer_is_killed(tmp_path: Path) -> None:
    with atomic_directory(tmp_path / "model") as directory:
        (directory / "weights").write_text("old")
    script = (
        "import os, signal, sys\n"
        "from training.engine.common.atomic import atomic_directory\n"
        "with atomic_directory(sys.argv[1]) as directory:\n"
        "    (directory / 'weights').write_text('new')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    repository = Path(__file__).resolve().parents[3]
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "model")], cwd=repository, check=False)
    assert killed.returncode == -9
    assert (tmp_path / "model" / "weights").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2  # what the killed writer left
    with atomic_directory(tmp_path / "model") as directory:
        (directory / "weights").write_text("newer")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "weights").read_text() == "newer"


def test_it_takes_the_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_file(tmp_path / "abc") == expected


def test_rows_are_there_when_all_are_and_the_old_ones_until_then(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    heard: list[int] = []
    assert write_rows(path, ({"text": f"ü{n}"} for n in range(1001)), told=heard.append) == 1001
    assert heard == [500, 1000]
    lines = path.read_text(encoding="utf-8").splitlines()
    assert (lines[0], len(lines)) == ('{"text": "ü0"}', 1001)

    def broken():
        yield {"text": "new"}
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write_rows(path, broken())
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1001
    assert write_rows(path, []) == 0 and path.read_text(encoding="utf-8") == ""
