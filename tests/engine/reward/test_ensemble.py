from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.engine.conftest import real_comparisons
from training.engine.common.errors import EngineError
from training.engine.reward.ensemble import RewardEnsemble, combine
from training.engine.reward.model import RewardModel


def test_members_are_combined_by_closed_forms() -> None:
    """Rewards 1, 3 and 2, 2: means 2 and 2, least 1 and 2, variances 1 and 0."""
    rewards = [[1.0, 2.0], [3.0, 2.0]]
    assert combine(rewards).tolist() == [2.0, 2.0]
    assert combine(rewards, "worst").tolist() == [1.0, 2.0]
    assert combine(rewards, "uncertainty", 0.5).tolist() == [1.5, 2.0]
    assert combine([[4.0]], "uncertainty").tolist() == [4.0]
    with pytest.raises(ValueError, match="expected one of"):
        combine(rewards, "best")


def _items(n: int = 5) -> list[tuple[list[dict[str, str]], str]]:
    return [(one["prompt"], one["completions"][0]["text"]) for one in real_comparisons("pandalm")[:n]]


def _edit(path: Path, **values: object) -> None:
    old = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**old, **values}))


def test_a_plain_model_is_an_ensemble_of_one(trained_model: Path) -> None:
    ensemble = RewardEnsemble.load(trained_model)
    expected = RewardModel.load(trained_model).score(_items())
    assert len(ensemble) == 1
    assert ensemble.score_members(_items()) == pytest.approx(np.asarray([expected]), abs=1e-6)
    assert ensemble.score(_items()) == pytest.approx(expected, abs=1e-6)


@pytest.fixture
def pair(trained_model: Path, tmp_path: Path) -> Path:
    """The trained model, and as member 1 the same one with its head turned round and all rewards 3 higher in mean."""
    directory = tmp_path / "model"
    shutil.copytree(trained_model, directory)
    other = directory / "members" / "1"
    shutil.copytree(trained_model, other)
    model = RewardModel.load(other)
    model.head.weight.data.neg_()
    model.metadata["reward_mean"] = -float(model.metadata["reward_mean"])
    model.save(other)
    _edit(
        directory / "ensemble.json",
        format="touchstone.ensemble/1",
        members=[".", "members/1"],
        combination="worst",
    )
    return directory


def test_members_are_brought_to_the_first_ones_level(pair: Path) -> None:
    """Member 1 is −r with mean −m, so relative to its mean it is m − r: at member 0's level, 2m − r."""
    ensemble = RewardEnsemble.load(pair)
    r = np.asarray(RewardModel.load(pair).score(_items()))
    mean = ensemble.models[0].metadata["reward_mean"]
    expected = np.stack([r, 2 * mean - r])
    assert ensemble.score_members(_items()) == pytest.approx(expected, abs=1e-5)
    assert ensemble.score(_items()) == pytest.approx(expected.min(axis=0), abs=1e-5)
    encoded = [ensemble.models[0].encode(*item) for item in _items()]
    assert ensemble.score_members_encoded(encoded) == pytest.approx(expected, abs=1e-5)


def test_heads_on_one_trunk_are_members(trained_model: Path, tmp_path: Path) -> None:
    """Heads w and 3w of one model, means m and 3m: relative to its mean, the second is three times that."""
    directory = tmp_path / "model"
    shutil.copytree(trained_model, directory)
    model = RewardModel.load(directory)
    weight = model.head.weight.numpy()
    mean = float(model.metadata["reward_mean"])
    save_file(
        {"weight": np.concatenate([weight, 3 * weight]), "reward_mean": np.array([mean, 3 * mean], dtype=np.float32)},
        directory / "heads.safetensors",
    )
    ensemble = RewardEnsemble.load(directory)
    r = np.asarray(model.score(_items()))
    assert len(ensemble) == 2
    assert ensemble.score_members(_items()) == pytest.approx(np.stack([r, mean + 3 * (r - mean)]), abs=1e-5)


def test_a_broken_description_says_what_is_wrong(pair: Path) -> None:
    file = pair / "ensemble.json"
    _edit(file, members=[".", "../../elsewhere"])
    with pytest.raises(EngineError, match="outside its directory"):
        RewardEnsemble.load(pair)
    _edit(file, members=[".", "members/7"])
    with pytest.raises(EngineError, match="no reward model"):
        RewardEnsemble.load(pair)
    _edit(file, members=["."], combination="best")
    with pytest.raises(EngineError, match="unknown way"):
        RewardEnsemble.load(pair)
    _edit(file, format="other")
    with pytest.raises(EngineError, match="format"):
        RewardEnsemble.load(pair)
    file.write_text("{")
    with pytest.raises(EngineError, match="not valid JSON"):
        RewardEnsemble.load(pair)
    (pair / "ensemble.json").unlink()
    save_file({"weight": np.zeros((2, 3), dtype=np.float32)}, pair / "heads.safetensors")
    with pytest.raises(EngineError, match="holds no heads"):
        RewardEnsemble.load(pair)
