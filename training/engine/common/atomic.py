"""Files and directories that are either whole or absent, whatever kills the process."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file through a synced temporary sibling and a rename, so that a reader sees the old or the new one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp-{uuid.uuid4().hex[:8]}")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_directory(path.parent)


def write_text(path: str | Path, content: str) -> None:
    """Write UTF-8 text as `write_bytes` does."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as indented JSON as `write_bytes` does. NaN and infinities raise ValueError: they are no JSON."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def write_rows(path: str | Path, rows: Iterable[dict[str, Any]], *, told: Callable[[int], None] | None = None) -> int:
    """Write rows as JSONL, streaming, into a sibling that is renamed at the end; returns how many there were.

    `told` is called with the number of rows after every 500th. One writer a path.
    """
    path = Path(path)
    draft = path.with_name(f".{path.name}.draft")
    n = 0
    with open(draft, "w", encoding="utf-8") as file:
        for n, row in enumerate(rows, start=1):  # how many there were
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            if told is not None and n % 500 == 0:
                told(n)
    os.replace(draft, path)
    return n


@contextlib.contextmanager
def atomic_directory(path: str | Path) -> Iterator[Path]:
    """Fill a directory under a temporary name; on success every file is synced and the directory is renamed into place.

    An existing directory of that name is replaced (its last moment is a rename aside, so a reader may for an instant
    find nothing: use a fresh name and a pointer file where that matters). On an exception nothing is left. What earlier
    killed writers of the same path left behind is removed, hence one writer per path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{path.name}.tmp-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary = path.with_name(f".{path.name}.tmp-{uuid.uuid4().hex[:8]}")
    temporary.mkdir()
    try:
        yield temporary
        for file in sorted(temporary.rglob("*")):
            if file.is_file():
                with open(file, "rb") as handle:
                    os.fsync(handle.fileno())
            else:
                _sync_directory(file)
        _sync_directory(temporary)
        if path.exists():
            aside = path.with_name(f".{path.name}.tmp-{uuid.uuid4().hex[:8]}")
            os.rename(path, aside)
            os.rename(temporary, path)
            shutil.rmtree(aside, ignore_errors=True)
        else:
            os.rename(temporary, path)
        _sync_directory(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def sha256_file(path: str | Path) -> str:
    """SHA-256 of a file's content as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
