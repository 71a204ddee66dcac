from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from training.engine.common.chat import Encoded
from training.engine.common.cli import StopFlag
from training.engine.common.config import config_from_dict
from training.engine.common.errors import EngineError
from training.engine.common.progress import Reporter
from training.engine.reward.data import Comparisons
from training.engine.reward.evaluate import EvaluateConfig, evaluate, report_on
from training.engine.reward.metrics import share_stat
from training.engine.reward.model import RewardModel
from training.engine.reward.predict import PredictConfig, predict


def _comparisons(p: list[float], is_a: list[bool], chosen_chars: list[int], rejected_chars: list[int]) -> Comparisons:
    n = len(p)
    one = np.ones(n, dtype=np.float32)
    numbers = {
        "soft_preference": np.array(p, dtype=np.float32),
        "weight": one,
        "margin": 0 * one,
        "intensity": np.array([4, 4, 1, np.nan, 2][:n], dtype=np.float32),
        "agreement": np.array([1.0, 0.8, 0.6, 0.5, 1.0][:n], dtype=np.float32),
    }
    meta: dict[str, list[Any]] = {
        "comparison_id": list(range(n)),
        "prompt_digest": [f"p{i}" for i in range(n)],
        "chosen_is_a": is_a,
        "chosen_chars": chosen_chars,
        "rejected_chars": rejected_chars,
    }
    texts = [Encoded([1], [2], is_truncated=i == 0) for i in range(n)]
    return Comparisons(texts, texts, numbers, meta)


@pytest.fixture
def report() -> dict:
    """Five comparisons: right, wrong, equal rewards, a tie of the ratings, and right where it is shorter."""
    comparisons = _comparisons(
        p=[1.0, 0.8, 0.6, 0.5, 1.0],
        is_a=[True, False, True, True, False],
        chosen_chars=[10, 20, 30, 40, 5],
        rejected_chars=[5, 20, 40, 1, 9],
    )
    chosen = np.array([2.0, 0.0, 1.0, 3.0, 1.0], dtype=np.float32)
    rejected = np.array([0.0, 1.0, 1.0, 0.0, 0.5], dtype=np.float32)
    return report_on(comparisons, chosen, rejected, split="test")


def test_accuracy_and_baselines_are_over_the_same_decided_comparisons(report: dict) -> None:
    """Model: 1, 0, ½, 1. Longer: 1, ½ (equal), 0, 0. Always a: 1, 0, 1, 0. The tie at p = ½ is in none of them."""
    assert report["n_comparisons"] == 5
    assert report["n_decided"] == 4
    assert report["accuracy"]["value"] == pytest.approx(2.5 / 4)
    assert report["baselines"]["longer"]["value"] == pytest.approx(1.5 / 4)
    assert report["baselines"]["always_a"]["value"] == pytest.approx(2 / 4)
    counts = {report["accuracy"]["n"], *(stat["n"] for stat in report["baselines"].values())}
    assert counts == {4}
    assert report["advantage"]["longer"]["value"] == pytest.approx(0.25)


def test_slices_add_up_to_the_whole(report: dict) -> None:
    for name in ("by_intensity", "by_agreement", "by_length"):
        assert sum(one["accuracy"]["n"] for one in report[name]) == 4
    by_intensity = {one["bucket"]: one["accuracy"]["value"] for one in report["by_intensity"]}
    assert by_intensity == {"1": 0.5, "2": 1.0, "4": 0.5}
    by_agreement = {one["bucket"]: one["accuracy"]["n"] for one in report["by_agreement"]}
    assert by_agreement == {"1.0": 2, "0.8 to 1.0": 1, "0.6 to 0.8": 1}
    by_length = {one["bucket"]: one["accuracy"]["value"] for one in report["by_length"]}
    assert by_length == {"preferred is longer": 1.0, "preferred is shorter": 0.75, "equal length": 0.0}


def test_calibration_is_that_of_the_stored_first_side(report: dict) -> None:
    """P(a preferred) predicted: σ(2), σ(1), ½, σ(3), σ(−½); wanted: 1, 0.2, 0.6, 0.5, 0."""
    predicted = 1 / (1 + np.exp(-np.array([2.0, 1.0, 0.0, 3.0, -0.5])))
    wanted = np.array([1.0, 0.2, 0.6, 0.5, 0.0])
    assert report["brier"] == pytest.approx(float(np.mean((predicted - wanted) ** 2)), abs=1e-6)
    assert sum(one["n"] for one in report["calibration"]["bins"]) == 5
    assert report["reward_gap"]["mean"] == pytest.approx((2 - 1 + 0 + 3 + 0.5) / 5)
    assert report["n_truncated"] == 1


def test_swapping_every_comparison_gives_the_same_report() -> None:
    """Storing the rejected side as chosen with 1 − p says the same, so every number but the gap's sign must stay."""
    chosen = np.array([2.0, 0.0, 1.0, 3.0, 1.0], dtype=np.float32)
    rejected = np.array([0.0, 1.0, 1.0, 0.0, 0.5], dtype=np.float32)
    p, is_a = [1.0, 0.75, 0.625, 0.5, 1.0], [True, False, True, True, False]
    longs, shorts = [10, 20, 30, 40, 5], [5, 20, 40, 1, 9]
    one = report_on(_comparisons(p, is_a, longs, shorts), chosen, rejected, split="test")
    swapped = _comparisons([1 - x for x in p], [not x for x in is_a], shorts, longs)
    other = report_on(swapped, rejected, chosen, split="test")
    for name in ("accuracy", "baselines", "by_intensity", "by_length", "calibration"):
        assert other[name] == one[name]
    for name in ("brier", "log_loss"):
        assert other[name] == pytest.approx(one[name])
    assert other["reward_gap"]["mean"] == pytest.approx(-one["reward_gap"]["mean"])
    within = "within_comparison"
    assert other["length_correlation"][within]["pearson"] == pytest.approx(one["length_correlation"][within]["pearson"])


@pytest.fixture(scope="module")
def untrained(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rm") / "model"
    model = RewardModel.from_base(str(tiny_base), head_std=1.0)
    model.metadata = {"format": "touchstone.reward_model/1", "max_length": 256}
    model.save(path)
    return path


def test_the_evaluate_verb_writes_the_report_of_the_loaded_model(
    untrained: Path, real_set: Callable[..., Path], tmp_path: Path
) -> None:
    directory = real_set("pandalm", limit=120)
    values = {"model": str(untrained), "comparison_set": str(directory), "split": "train", "n_threads": 1}
    config = config_from_dict(EvaluateConfig, {**values, "out": str(tmp_path / "report.json")})
    result = evaluate(config, Reporter(io.StringIO()), StopFlag())
    report = json.loads((tmp_path / "report.json").read_text())
    rows = pq.read_table(directory / "train-00000.parquet").to_pylist()
    model = RewardModel.load(untrained)
    chosen, rejected = (
        model.score([(row["prompt"], row[side][0]["content"]) for row in rows]) for side in ("chosen", "rejected")
    )
    gaps = np.subtract(chosen, rejected)
    expected = share_stat([float(gap > 0) for gap in gaps], [row["prompt_digest"] for row in rows])
    assert report["accuracy"] == result["accuracy"] == expected
    longer = np.mean([(np.sign(row["chosen_chars"] - row["rejected_chars"]) + 1) / 2 for row in rows])
    assert report["baselines"]["longer"]["value"] == pytest.approx(longer)
    assert report["n_comparisons"] == len(rows)


def test_predict_gives_the_models_rewards_in_order_and_resumes(untrained: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": f"c{i}", "messages": [{"role": "user", "content": "Say a number"}], "completion": "one " * i}
        for i in range(25)
    ]
    source = tmp_path / "completions.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def config(name: str) -> PredictConfig:
        values = {"model": str(untrained), "input": str(source), "rows_per_part": 10, "n_threads": 1}
        return config_from_dict(PredictConfig, {**values, "out_dir": str(tmp_path / name)})

    result = predict(config("whole"), Reporter(io.StringIO()), StopFlag())
    table = pq.read_table(result["rewards"])
    assert table.column("id").to_pylist() == [row["id"] for row in rows]
    expected = RewardModel.load(untrained).score([(row["messages"], row["completion"]) for row in rows])
    np.testing.assert_allclose(table.column("reward").to_numpy(), expected, rtol=1e-4, atol=1e-5)
    assert result["n_rows"] == 25
    parts = tmp_path / "stopped" / "parts"
    parts.mkdir(parents=True)
    pq.write_table(table.slice(0, 10), parts / "part-000000.parquet")  # what a killed run had finished
    (parts / "part-000001.tmp").write_bytes(b"half")
    resumed = predict(config("stopped"), Reporter(io.StringIO()), StopFlag())
    assert pq.read_table(resumed["rewards"]).equals(table)


def test_it_says_when_the_split_is_empty(untrained: Path, real_set: Callable[..., Path], tmp_path: Path) -> None:
    directory = real_set("pandalm", limit=2)
    config = EvaluateConfig(
        model=str(untrained), comparison_set=str(directory), out=str(tmp_path / "report.json"), n_threads=1
    )
    with pytest.raises(EngineError, match="no test split"):
        evaluate(config, Reporter(io.StringIO()), StopFlag())
