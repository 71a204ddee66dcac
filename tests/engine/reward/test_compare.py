from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from tests.engine.conftest import comparison_row, real_comparisons
from training.engine.common.cli import StopFlag
from training.engine.common.config import config_from_dict
from training.engine.common.errors import EngineError
from training.engine.common.progress import Reporter
from training.engine.reward.compare import CompareConfig, compare, compare_on
from training.engine.reward.data import META, Comparisons
from training.engine.reward.evaluate import report_on
from training.engine.reward.model import RewardModel


def _comparisons(n: int) -> Comparisons:
    """n of one prompt each, preference 0.9 for the chosen side, but for the rejected one in each fifth; two batches."""
    index = np.arange(n)
    one = np.ones(n, dtype=np.float32)
    numbers = dict.fromkeys(("weight", "margin", "intensity", "agreement"), one)
    numbers["soft_preference"] = np.where(index % 5 == 0, 0.1, 0.9).astype(np.float32)
    meta = {name: [missing] * n for name, missing in META.items()}
    meta |= {
        "comparison_id": index.tolist(),
        "prompt_digest": [f"p{i}" for i in index],
        "chosen_is_a": (index % 2 == 0).tolist(),
        "batch": (1 + index % 2).tolist(),
    }
    return Comparisons([], [], numbers, meta)


@pytest.fixture
def gaps() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.normal(0.3, 1, 200), random.normal(0.8, 2, 200)


def test_the_difference_is_paired_and_the_test_is_mcnemars(gaps: tuple[np.ndarray, np.ndarray]) -> None:
    """One comparison a prompt: the t interval of the paired differences (scipy), and statsmodels' exact McNemar."""
    comparisons = _comparisons(200)
    report = compare_on(comparisons, *gaps, split="test")
    side = np.where(np.arange(200) % 5 == 0, -1, 1)
    right_a, right_b = ((gap * side > 0).astype(float) for gap in gaps)
    paired = stats.ttest_1samp(right_b - right_a, 0).confidence_interval(0.95)
    assert report["difference"]["value"] == pytest.approx((right_b - right_a).mean())
    assert (report["difference"]["low"], report["difference"]["high"]) == pytest.approx((paired.low, paired.high))
    table = [[(right_a * right_b).sum(), (right_a * (1 - right_b)).sum()], [((1 - right_a) * right_b).sum(), 0]]
    assert report["p_value"] == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert report["agreement"]["value"] == pytest.approx(((gaps[0] > 0) == (gaps[1] > 0)).mean())
    for name, right in (("a", right_a), ("b", right_b)):
        assert report[name]["accuracy"]["value"] == pytest.approx(right.mean())
    batches = {one["bucket"]: one["difference"] for one in report["slices"]["batch"]}
    odd = np.arange(200) % 2 == 1
    assert batches["2"]["value"] == pytest.approx((right_b - right_a)[odd].mean())
    assert batches["1"]["n"] == batches["2"]["n"] == 100


def test_what_is_not_in_an_earlier_set_is_judged_by_itself(gaps: tuple[np.ndarray, np.ndarray]) -> None:
    """The last 60 of 200 are fresh; without an earlier set, or with nothing fresh, the report says no more of them."""
    comparisons = _comparisons(200)
    fresh = compare_on(comparisons, *gaps, split="test", earlier=set(range(140)))["fresh"]
    side = np.where(np.arange(200) % 5 == 0, -1, 1)
    right_a, right_b = ((gap * side > 0).astype(float)[140:] for gap in gaps)
    paired = stats.ttest_1samp(right_b - right_a, 0).confidence_interval(0.95)
    assert fresh["n"] == fresh["a"]["n"] == fresh["difference"]["n"] == 60
    assert (fresh["a"]["value"], fresh["b"]["value"]) == pytest.approx((right_a.mean(), right_b.mean()))
    assert fresh["difference"]["value"] == pytest.approx((right_b - right_a).mean())
    assert (fresh["difference"]["low"], fresh["difference"]["high"]) == pytest.approx((paired.low, paired.high))
    assert "fresh" not in compare_on(comparisons, *gaps, split="test")
    none = compare_on(comparisons, *gaps, split="test", earlier=set(range(200)))["fresh"]
    assert (none["n"], none["difference"]["value"]) == (0, None)


def test_each_side_says_what_a_report_on_it_alone_says(gaps: tuple[np.ndarray, np.ndarray]) -> None:
    comparisons = _comparisons(200)
    report = compare_on(comparisons, *gaps, split="test")
    for name, gap in zip("ab", gaps, strict=True):
        alone = report_on(comparisons, gap, 0 * gap, split="test")
        assert report[name] == {key: alone[key] for key in report[name]}
    losses = [report[name]["log_loss"] for name in "ab"]
    assert report["log_loss_difference"]["value"] == pytest.approx(losses[1] - losses[0])


def test_swapping_the_models_turns_every_difference(gaps: tuple[np.ndarray, np.ndarray]) -> None:
    comparisons = _comparisons(200)
    one, other = compare_on(comparisons, *gaps, split="test"), compare_on(comparisons, *gaps[::-1], split="test")
    assert other["difference"]["low"] == pytest.approx(-one["difference"]["high"])
    assert (other["p_value"], other["agreement"]) == (one["p_value"], one["agreement"])
    assert {row["comparison_id"] for row in other["differences"]} == {
        row["comparison_id"] for row in one["differences"]
    }


def test_they_part_where_one_is_right_and_the_other_is_not(gaps: tuple[np.ndarray, np.ndarray]) -> None:
    rows = compare_on(_comparisons(200), *gaps, split="test")["differences"]
    assert len(rows) == 20
    assert all((row["reward_gap_a"] > 0) != (row["reward_gap_b"] > 0) for row in rows)
    sizes = [np.sqrt(np.mean(gap**2)) for gap in gaps]
    apart = [abs(row["reward_gap_a"] / sizes[0] - row["reward_gap_b"] / sizes[1]) for row in rows]
    assert apart == sorted(apart, reverse=True)
    turned = next(row for row in rows if row["comparison_id"] % 5 == 0)
    assert turned["reward_gap_a"] == pytest.approx(-gaps[0][turned["comparison_id"]])
    assert turned["soft_preference"] == pytest.approx(0.9)


def test_a_model_beside_itself_is_no_different() -> None:
    gap = np.random.default_rng(1).normal(size=50)
    report = compare_on(_comparisons(50), gap, gap, split="test")
    assert (report["difference"]["value"], report["p_value"], report["agreement"]["value"]) == (0.0, 1.0, 1.0)
    assert report["differences"] == []


@pytest.fixture(scope="module")
def models(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    paths = []
    for seed in (0, 1):
        model = RewardModel.from_base(str(tiny_base), head_std=1.0, seed=seed)
        model.metadata = {"format": "touchstone.reward_model/1", "max_length": 256, "version": seed + 1}
        paths.append(tmp_path_factory.mktemp("rm") / "model")
        model.save(paths[-1])
    return paths


def test_the_compare_verb_reports_on_both_models(
    models: list[Path], real_set: Callable[..., Path], tmp_path: Path
) -> None:
    directory = real_set("pandalm", limit=120)
    values = {"model_a": str(models[0]), "model_b": str(models[1]), "comparison_set": str(directory), "n_threads": 1}
    config = config_from_dict(CompareConfig, {**values, "split": "train", "out": str(tmp_path / "report.json")})
    result = compare(config, Reporter(io.StringIO()), StopFlag())
    report = json.loads((tmp_path / "report.json").read_text())
    rows = pq.read_table(directory / "train-00000.parquet").to_pylist()
    right = []
    for path in models:
        model = RewardModel.load(path)
        scores = [
            model.score([(row["prompt"], row[side][0]["content"]) for row in rows]) for side in ("chosen", "rejected")
        ]
        right.append(np.subtract(scores[0], scores[1]) > 0)
    decided = np.array([row["soft_preference"] != 0.5 for row in rows])
    expected = right[1][decided].mean() - right[0][decided].mean()
    assert report["difference"]["value"] == pytest.approx(expected)
    assert result["difference"] == report["difference"]
    assert (report["a"]["version"], report["b"]["version"]) == (1, 2)
    texts = {comparison_row(one, 0)["chosen"][0]["content"][:50] for one in real_comparisons("pandalm")}
    assert report["differences"]
    assert all(row["prompt"] and row["chosen"][:50] in texts for row in report["differences"])


def test_it_says_when_the_split_is_empty(models: list[Path], real_set: Callable[..., Path], tmp_path: Path) -> None:
    config = CompareConfig(
        model_a=str(models[0]),
        model_b=str(models[1]),
        comparison_set=str(real_set("pandalm", limit=2)),
        out=str(tmp_path / "report.json"),
        n_threads=1,
    )
    with pytest.raises(EngineError, match="no test split"):
        compare(config, Reporter(io.StringIO()), StopFlag())
