"""A small model trained on real human ratings must find what people preferred, on prompts it has not seen."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import comparison_row, real_comparisons, write_comparison_set
from training.engine.common.cli import StopFlag
from training.engine.common.config import config_from_dict
from training.engine.common.progress import Reporter
from training.engine.reward.trainer import RewardTrainConfig, train


def _refusals(flipped_training: bool) -> list[dict[str, Any]]:
    """XSTest's unsafe prompts: two annotators prefer refusal to compliance. A third of the prompts is the test."""
    rows = []
    for number, one in enumerate(real_comparisons("xstest_pairs")):
        row = comparison_row(one, number)
        if one["ratings"][0]["axis"] != "safety" or row["soft_preference"] == 0.5:
            continue
        tenth = int(hashlib.sha256(one["id"].encode()).hexdigest()[:8], 16) % 12
        row["split"] = "test" if tenth < 4 else "validation" if tenth == 4 else "train"
        if flipped_training and row["split"] != "test":
            row["soft_preference"] = 1 - row["soft_preference"]
        rows.append(row)
    return rows


def _train(base: Path, root: Path, *, flipped_training: bool) -> dict[str, Any]:
    values = {
        "base_model": str(base),
        "comparison_set": str(write_comparison_set(root / "set", _refusals(flipped_training))),
        "out_dir": str(root / "run"),
        "max_length": 192,
        "batch_size": 8,
        "epochs": 6,
        "learning_rate": 1e-3,
        "precision": "fp32",
        "device": "cpu",
        "n_threads": 1,
    }
    result = train(config_from_dict(RewardTrainConfig, values), Reporter(io.StringIO()), StopFlag())
    report: dict[str, Any] = json.loads((Path(result["model"]) / "report.json").read_text())
    return report


@pytest.fixture(scope="module")
def report(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return _train(tiny_base, tmp_path_factory.mktemp("real"), flipped_training=False)


def test_it_beats_both_baselines_on_unseen_prompts(report: dict[str, Any]) -> None:
    """Refusals are mostly shorter, so "longer is better" is right in about a fifth; a coin in half."""
    assert report["accuracy"]["n"] >= 40
    assert report["accuracy"]["low"] > 0.7
    for name in ("longer", "always_a"):
        assert report["advantage"][name]["low"] > 0
    assert report["log_loss"] < 0.5


def test_ratings_turned_round_turn_the_model_round(report: dict[str, Any], tiny_base: Path, tmp_path: Path) -> None:
    """The control: a sign error anywhere between the ratings and the report would pass the test above on these."""
    flipped = _train(tiny_base, tmp_path, flipped_training=True)
    assert flipped["accuracy"]["high"] < 0.3
    assert flipped["baselines"] == report["baselines"]
