"""Where the models' wing keeps its files: shared artifacts under ARTIFACTS_URL, runs and caches under VAR_DIR.

The engine reads and writes local directories. With a `file://` ARTIFACTS_URL an artifact's directory is used where it
lies; with object storage it is fetched once into VAR_DIR/cache.
"""

import fcntl
import hashlib
import shutil
import uuid
from pathlib import Path
from typing import Any

import fsspec
from django.conf import settings
from django.db import transaction
from fsspec.implementations.local import LocalFileSystem

from training.engine.common.atomic import atomic_directory, write_bytes


def artifact_url(*parts: str | int) -> str:
    """ARTIFACTS_URL with path parts appended."""
    return "/".join([settings.ARTIFACTS_URL.rstrip("/"), *map(str, parts)])


def open_filesystem(url: str) -> tuple[Any, str]:
    """The fsspec filesystem of a URL and the path in it."""
    return fsspec.core.url_to_fs(url)


def is_local(url: str) -> bool:
    return isinstance(open_filesystem(url)[0], LocalFileSystem)


def remove(url: str) -> None:
    """Remove a file or directory; nothing happens when there is none."""
    filesystem, path = open_filesystem(url)
    if filesystem.exists(path):
        filesystem.rm(path, recursive=True)


def write_file(url: str, content: bytes) -> None:
    """Write a small file so that a reader sees the old one or the new one, never a part."""
    filesystem, path = open_filesystem(url)
    if isinstance(filesystem, LocalFileSystem):
        write_bytes(path, content)
    else:
        filesystem.pipe_file(path, content)  # object stores show an object once it is whole


def read_file(url: str) -> bytes | None:
    """The content of a small file, or None when there is none."""
    filesystem, path = open_filesystem(url)
    try:
        return bytes(filesystem.cat_file(path))
    except FileNotFoundError:
        return None


def publish_directory(source: Path, url: str) -> str:
    """Copy a finished local directory to its place among the artifacts and return what to store: a path or a URL.

    Doing it again replaces the copy, so a publication that was cut short is simply repeated.
    """
    filesystem, path = open_filesystem(url)
    if isinstance(filesystem, LocalFileSystem):
        with atomic_directory(path) as target:
            shutil.copytree(source, target, dirs_exist_ok=True)
        return path
    remove(url)
    filesystem.put(f"{source}/", f"{path}/", recursive=True)
    return url


def local_directory(uri: str) -> Path:
    """A local directory with an artifact's files, fetched into the cache when they lie elsewhere.

    Artifacts are never changed once published, so what is in the cache is right.
    """
    return fetch_directory(
        uri, settings.VAR_DIR / "cache" / "artifacts" / hashlib.sha256(uri.encode()).hexdigest()[:32]
    )


def fetch_directory(uri: str, target: Path) -> Path:
    """Where a directory lies, if it does on this machine, and else `target`, to which it is fetched once.

    Processes that want the same target wait for the one that fetches.
    """
    if "://" not in uri or is_local(uri):
        return Path(open_filesystem(uri)[1])
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target.with_name(f".{target.name}.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.is_dir():
                filesystem, path = open_filesystem(uri)
                with atomic_directory(target) as draft:
                    filesystem.get(f"{path}/", f"{draft}/", recursive=True)
    return target


def forget_run(job_id: uuid.UUID) -> None:
    """Remove a job's run directories from this machine, once what says that it is over is committed."""
    directory = settings.VAR_DIR / "runs" / str(job_id)
    transaction.on_commit(lambda: shutil.rmtree(directory, ignore_errors=True), robust=True)


def run_directory(job_id: uuid.UUID, part: str) -> Path:
    """Where a job's engine processes keep configs and checkpoints; a resumed job finds them again."""
    path = settings.VAR_DIR / "runs" / str(job_id) / part
    path.mkdir(parents=True, exist_ok=True)
    return path
