from __future__ import annotations

from pathlib import Path

import pytest
import torch

from training.engine.common.checkpoint import Checkpoints
from training.engine.common.errors import EngineError


def test_it_keeps_the_newest_and_restores_the_random_state(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert checkpoints.load() is None
    checkpoints.save(1, {"model": {"w": torch.zeros(2)}})
    torch.manual_seed(7)
    checkpoints.save(2, {"model": {"w": torch.ones(2)}, "losses": [0.5]})
    expected = torch.rand(3)
    torch.manual_seed(8)
    state = checkpoints.load()
    assert state is not None
    assert state["step"] == 2
    assert state["losses"] == [0.5]
    assert torch.equal(state["model"]["w"], torch.ones(2))
    assert torch.equal(torch.rand(3), expected)
    assert sorted(path.name for path in checkpoints.directory.iterdir()) == ["latest", "step-000002"]


def test_it_loads_the_last_whole_one_when_a_writer_died(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(10, {"x": 1})
    (tmp_path / ".step-000020.tmp-dead").mkdir()
    (tmp_path / ".step-000020.tmp-dead" / "state.pt").write_bytes(b"half")
    state = checkpoints.load()
    assert state is not None
    assert state["step"] == 10


def test_it_finds_a_checkpoint_whose_pointer_was_never_written(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(10, {"x": 1})
    (tmp_path / "latest").unlink()
    state = checkpoints.load()
    assert state is not None
    assert state["step"] == 10


def test_it_does_not_start_over_silently_from_a_broken_one(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    path = checkpoints.save(10, {"x": 1})
    (path / "state.pt").write_bytes(b"garbage")
    with pytest.raises(EngineError) as caught:
        checkpoints.load()
    assert caught.value.code == "checkpoint_broken"
