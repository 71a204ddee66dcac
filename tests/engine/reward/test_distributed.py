"""Several processes that train one model end where one process does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

REPOSITORY = Path(__file__).resolve().parents[3]


def _launch(n: int, config: Path) -> list[dict[str, Any]]:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n}"]
    done = subprocess.run(
        [*launch, "-m", "training.engine.reward", "train", "--config", str(config)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_two_processes_end_at_the_weights_of_one(
    tiny_base: Path, real_set: Callable[..., Path], tmp_path: Path
) -> None:
    """Nine comparisons in the last batch and odd numbers before: shares are unequal, and the sum is the same."""
    comparison_set = real_set("pandalm", limit=60)
    weights = []
    for n in (1, 2):
        config = tmp_path / f"{n}.json"
        values = {
            "base_model": str(tiny_base),
            "comparison_set": str(comparison_set),
            "out_dir": str(tmp_path / f"run-{n}"),
            "max_length": 128,
            "batch_size": 11,
            "epochs": 2,
            "precision": "fp32",
            "device": "cpu",
            "n_threads": 1,
            "seed": 5,
        }
        config.write_text(json.dumps(values))
        events = _launch(n, config)
        assert [event["event"] for event in events].count("result") == 1, "one process tells"
        weights.append(load_file(tmp_path / f"run-{n}" / "model" / "model.safetensors"))
    for name, one in weights[0].items():
        torch.testing.assert_close(one, weights[1][name], rtol=1e-3, atol=1e-4, msg=name)
