"""The real human ratings that lie beside the repository, not in it."""

import os
from pathlib import Path

import pytest

REAL_DATA = Path(os.environ.get("TOUCHSTONE_DATA") or Path(__file__).resolve().parents[1].parent / "shared" / "data")


def real_data(name: str) -> Path:
    """Path of one file of real ratings; skips the test, saying so, on a machine that does not have it."""
    path = REAL_DATA / name
    if not path.is_file():
        pytest.skip(f"{path} is missing: set TOUCHSTONE_DATA to the directory with the real ratings")
    return path
