"""Checkpoints of a training run: whole or absent, and enough in them to continue to the very same weights."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch

from training.engine.common.atomic import atomic_directory, write_text
from training.engine.common.errors import EngineError


class Checkpoints:
    """The checkpoints in one directory, named step-000120, with `latest` naming the newest.

    A checkpoint is one dict of tensors and plain values (weights, optimiser, scheduler, random state, position in the
    data). It is written under a temporary name, synced, renamed, and only then named by `latest`; older ones are
    removed last. A process killed anywhere in between leaves the previous checkpoint in force.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)

    def save(self, step: int, state: dict[str, Any]) -> Path:
        """Write the checkpoint of `step` with the process's random state added, and drop older ones."""
        path = self.directory / f"step-{step:06d}"
        with atomic_directory(path) as temporary:
            torch.save({**state, "step": step, "random": random_state()}, temporary / "state.pt")
        write_text(self.directory / "latest", path.name + "\n")
        for other in self.directory.glob("step-*"):
            if other != path:
                shutil.rmtree(other, ignore_errors=True)
        return path

    def load(self) -> dict[str, Any] | None:
        """The newest checkpoint, its random state restored into this process; None when there is none yet.

        Raises EngineError "checkpoint_broken" when there is one that cannot be read: starting over silently would hide
        a failing disk.
        """
        path = self._newest()
        if path is None:
            return None
        try:
            state: dict[str, Any] = torch.load(path / "state.pt", map_location="cpu", weights_only=True)
        except Exception as error:
            raise EngineError(
                "checkpoint_broken", f"cannot read the checkpoint {path}: {error}; remove the directory to start over"
            ) from error
        restore_random_state(state["random"])
        return state

    def clear(self) -> None:
        """Remove all checkpoints, once the run's result is safe."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _newest(self) -> Path | None:
        pointer = self.directory / "latest"
        if pointer.is_file():
            named = self.directory / pointer.read_text(encoding="utf-8").strip()
            if named.is_dir():
                return named
        found = sorted(self.directory.glob("step-*"))
        return found[-1] if found else None


def random_state() -> dict[str, Any]:
    """State of every random generator that training draws from (torch on CPU and, where there is one, GPU)."""
    state: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Put back what `random_state` returned."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
