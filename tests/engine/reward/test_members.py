from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file
from torch import equal

from training.engine.common.cli import StopFlag
from training.engine.common.config import config_from_dict
from training.engine.common.errors import ConfigError, StopRequested
from training.engine.common.progress import Reporter
from training.engine.reward.data import open_comparison_set, read_split, tokenise
from training.engine.reward.ensemble import RewardEnsemble
from training.engine.reward.members import MembersConfig, ensemble_report, members
from training.engine.reward.model import RewardModel
from training.engine.reward.trainer import RewardTrainConfig, train

TRAIN = {"max_length": 64, "batch_size": 16, "epochs": 1, "precision": "fp32", "device": "cpu", "n_threads": 1}


@pytest.fixture(scope="module")
def comparison_set(real_set: Callable[..., Path]) -> Path:
    return real_set("pandalm", limit=120)


def _config(base: Path, comparison_set: Path, out: Path, **changes: Any) -> MembersConfig:
    paths = {"base_model": str(base), "comparison_set": str(comparison_set), "out_dir": str(out)}
    return config_from_dict(MembersConfig, {**paths, "train": {**TRAIN, "seed": 4}, "n_members": 2, **changes})


Made = tuple[Path, dict[str, Any], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def made(tiny_base: Path, comparison_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A finished run: its directory, its result and the events it reported."""
    out = tmp_path_factory.mktemp("members") / "run"
    stream = io.StringIO()
    result = members(_config(tiny_base, comparison_set, out), Reporter(stream, every_s=0), StopFlag())
    return out, result, [json.loads(line) for line in stream.getvalue().splitlines()]


def _same_weights(one: Path, other: Path) -> bool:
    a, b = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    return a.keys() == b.keys() and all(equal(a[name], b[name]) for name in a)


def test_a_member_is_what_train_makes_of_its_seed(
    made: Made, tiny_base: Path, comparison_set: Path, tmp_path: Path
) -> None:
    """Member 0 has the seed of the config, 4, and member 1 the next."""
    paths = {"base_model": str(tiny_base), "comparison_set": str(comparison_set), "out_dir": str(tmp_path / "run")}
    alone = train(
        config_from_dict(RewardTrainConfig, {**TRAIN, **paths, "seed": 5}), Reporter(io.StringIO()), StopFlag()
    )
    assert _same_weights(made[0] / "model" / "members" / "1", Path(alone["model"]))
    assert not _same_weights(made[0] / "model", Path(alone["model"]))


def test_the_directory_is_one_model_and_an_ensemble(made: Made, comparison_set: Path) -> None:
    """RewardModel reads member 0, RewardEnsemble both; the report's accuracies are those of their rewards."""
    out, result, _ = made
    assert json.loads((out / "model" / "ensemble.json").read_text()) == {
        "format": "touchstone.ensemble/1",
        "members": [".", "members/1"],
        "combination": "mean",
        "coefficient": 0.5,
    }
    model, ensemble = RewardModel.load(out / "model"), RewardEnsemble.load(out / "model")
    test = tokenise(read_split(open_comparison_set(comparison_set), "test"), model.encoder)
    rewards = ensemble.score_members_encoded([*test.chosen, *test.rejected])
    assert rewards[0, : len(test)] == pytest.approx(model.score_encoded(test.chosen), abs=1e-5)
    gap = (rewards[:, : len(test)] - rewards[:, len(test) :]).mean(axis=0)
    report = json.loads((out / "model" / "report.json").read_text())
    assert report["ensemble"] == result["ensemble"]
    assert report["accuracy"] == result["accuracy"]
    assert report["ensemble"]["accuracy"]["mean"]["value"] == pytest.approx(np.mean(0.5 * (1 + np.sign(gap))))
    assert report["ensemble"]["members"][0]["value"] == pytest.approx(result["accuracy"]["value"])
    assert report["ensemble"]["mean_std"] > 0


def test_its_progress_is_that_of_one_job_and_nothing_else_is_left(made: Made) -> None:
    out, _, events = made
    done = [event["done"] for event in events if event["event"] == "progress"]
    assert done == sorted(done)
    assert done[-1] == 100
    assert any(45 < one < 80 for one in done)
    assert sorted(path.name for path in out.iterdir()) == ["config.json", "model", "result.json"]


def test_a_stopped_run_goes_on_and_ends_at_the_same_weights(
    made: Made, tiny_base: Path, comparison_set: Path, tmp_path: Path
) -> None:
    class StopAt(Reporter):
        def __init__(self, flag: StopFlag, percent: int) -> None:
            super().__init__(io.StringIO(), every_s=0)
            self.flag, self.percent = flag, percent

        def progress(self, stage: str, done: int, total: int | None, **rest: Any) -> None:
            self.flag.is_set = self.flag.is_set or done >= self.percent

    config = _config(tiny_base, comparison_set, tmp_path / "run")
    for percent in (20, 70):
        flag = StopFlag()
        with pytest.raises(StopRequested):
            members(config, StopAt(flag, percent), flag)
    result = members(config, Reporter(io.StringIO()), StopFlag())
    for name in (".", "members/1"):
        assert _same_weights(made[0] / "model" / name, Path(result["model"]) / name)
    assert members(config, Reporter(io.StringIO()), StopFlag()) == result


def test_the_report_is_the_closed_form() -> None:
    """Gaps of two members on three comparisons: (1, −1, 2) and (3, 1, −4); the third label is the other way (p = 0.1).

    Mean gaps 2, 0, −1: right, half, right. The signs agree on one of three, and the gaps' deviations are 1, 1 and 3.
    """
    chosen = [[1.0, 1.0, 2.0], [3.0, 2.0, 0.0]]
    rejected = [[0.0, 2.0, 0.0], [0.0, 1.0, 4.0]]
    report = ensemble_report(chosen, rejected, [0.9, 0.9, 0.1], ["a", "b", "c"], coefficient=0.5)
    assert report["n_members"] == 2
    assert report["accuracy"]["mean"]["value"] == pytest.approx((1 + 0.5 + 1) / 3)
    assert [one["value"] for one in report["members"]] == pytest.approx([1 / 3, 1.0])
    assert report["agreement"] == pytest.approx(1 / 3)
    assert report["mean_std"] == pytest.approx(5 / 3)
    # Least: chosen (1, 1, 0), rejected (0, 1, 0), so gaps 1, 0, 0: right, half, half.
    assert report["accuracy"]["worst"]["value"] == pytest.approx(2 / 3)
    # Chosen (2 − ½, 1.5 − ⅛, 1 − ½), rejected (0, 1.5 − ⅛, 2 − 2): gaps 1.5, 0, 0.5: right, half, wrong.
    assert report["accuracy"]["uncertainty"]["value"] == pytest.approx(0.5)
    softplus = [math.log1p(math.exp(-z)) for z in (2.0, 0.0, 1.0)]
    expected = (softplus[0] + 0.1 * 2 + softplus[1] + softplus[2] + 0.1 * 1) / 3
    assert report["log_loss"] == pytest.approx(expected)


def test_a_wrong_training_option_is_refused_before_any_work(
    tiny_base: Path, comparison_set: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="epochs"):
        _config(tiny_base, comparison_set, tmp_path, train={"epochs": 0})
    with pytest.raises(ConfigError, match="one of"):
        _config(tiny_base, comparison_set, tmp_path, combination="best")
