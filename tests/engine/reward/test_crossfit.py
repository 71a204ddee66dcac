from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from tests.engine.conftest import comparison_row, real_comparisons, write_comparison_set
from training.engine.common.cli import StopFlag
from training.engine.common.config import config_from_dict
from training.engine.common.errors import ConfigError, EngineError, StopRequested
from training.engine.common.progress import Reporter
from training.engine.reward.crossfit import PART_SCHEMA, CrossFitConfig, _merge, crossfit, write_without_fold
from training.engine.reward.data import open_comparison_set, read_split, tokenise
from training.engine.reward.evaluate import score_comparisons
from training.engine.reward.model import RewardModel
from training.engine.reward.noise import fold_of
from training.engine.reward.trainer import RewardTrainConfig, train

TRAIN = {
    "max_length": 64,
    "batch_size": 16,
    "epochs": 3,
    "learning_rate": 3e-3,
    "precision": "fp32",
    "device": "cpu",
    "n_threads": 1,
}
FLIPPED_EVERY = 8


@pytest.fixture(scope="module")
def noisy_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 prompts whose right side ends in "yes yes yes yes" and whose other in "no no no no"; every 8th is flipped."""
    rows = []
    for number, one in enumerate(real_comparisons("pandalm")[:200]):
        row = comparison_row(one, number)
        start = one["completions"][0]["text"][:40]
        sides = [f"{start} yes yes yes yes", f"{start} no no no no"]
        if number % FLIPPED_EVERY == 0:
            sides.reverse()
        row["chosen"], row["rejected"] = ([{"role": "assistant", "content": text}] for text in sides)
        row["soft_preference"] = 1.0
        row["prompt_digest"] = hashlib.sha256(str(number // 2).encode()).hexdigest()  # two comparisons a prompt
        rows.append(row)
    return write_comparison_set(tmp_path_factory.mktemp("noisy"), rows)


def _config(base: Path, comparison_set: Path, out: Path, **changes: Any) -> CrossFitConfig:
    values = {"base_model": str(base), "comparison_set": str(comparison_set), "out_dir": str(out), "n_folds": 2}
    return config_from_dict(CrossFitConfig, {**values, "train": TRAIN, **changes})


@pytest.fixture(scope="module")
def fitted(
    tiny_base: Path, noisy_set: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any], list[dict[str, Any]]]:
    """A finished run: its directory, its result and the events it reported."""
    out = tmp_path_factory.mktemp("crossfit") / "run"
    stream = io.StringIO()
    result = crossfit(_config(tiny_base, noisy_set, out), Reporter(stream, every_s=0), StopFlag())
    return out, result, [json.loads(line) for line in stream.getvalue().splitlines()]


Fitted = tuple[Path, dict[str, Any], list[dict[str, Any]]]


def _rows(comparison_set: Path) -> list[dict[str, Any]]:
    source = open_comparison_set(comparison_set)
    return [row for split in ("train", "validation", "test") for row in read_split(source, split).to_pylist()]


def test_every_comparison_of_every_split_is_judged_once(fitted: Fitted, noisy_set: Path) -> None:
    found = pq.read_table(fitted[0] / "strengths.parquet").to_pydict()
    rows = {row["comparison_id"]: row for row in _rows(noisy_set)}
    assert found["comparison_id"] == sorted(rows)
    assert found["fold"] == [fold_of(rows[pk]["prompt_digest"], 2) for pk in sorted(rows)]


def test_a_strength_is_that_of_a_model_trained_without_the_fold(
    fitted: Fitted, tiny_base: Path, noisy_set: Path, tmp_path: Path
) -> None:
    """The second fold, done again by hand: a set without its prompts, `train` with the seed of the second model."""
    source = open_comparison_set(noisy_set)
    without = write_without_fold(source, tmp_path / "without", 1, 2)
    left = _rows(without)
    assert {fold_of(row["prompt_digest"], 2) for row in left} == {0}
    assert {row["split"] for row in left} == {"train", "validation"}
    paths = {"base_model": str(tiny_base), "comparison_set": str(without), "out_dir": str(tmp_path / "run")}
    trained = train(
        config_from_dict(RewardTrainConfig, {**TRAIN, **paths, "seed": 1}), Reporter(io.StringIO()), StopFlag()
    )
    model = RewardModel.load(trained["model"])
    found = pq.read_table(fitted[0] / "strengths.parquet").to_pydict()
    strength = dict(zip(found["comparison_id"], found["strength"], strict=True))
    compared = 0
    for split in ("train", "test"):
        comparisons = tokenise(read_split(source, split), model.encoder)
        chosen, rejected = score_comparisons(model, comparisons, 8192)
        gaps = dict(zip(comparisons.meta["comparison_id"], (chosen - rejected).tolist(), strict=True))
        mine = [pk for pk, fold in zip(found["comparison_id"], found["fold"], strict=True) if fold == 1 and pk in gaps]
        assert [gaps[pk] for pk in mine] == pytest.approx([strength[pk] for pk in mine], abs=1e-4)
        compared += len(mine)
    assert compared > 50


def test_planted_wrong_labels_are_contradicted(fitted: Fitted) -> None:
    out, result, _ = fitted
    found = pq.read_table(out / "strengths.parquet").to_pydict()
    is_flipped = np.array(found["comparison_id"]) % FLIPPED_EVERY == 0
    auc = stats.mannwhitneyu(np.array(found["strength"])[~is_flipped], np.array(found["strength"])[is_flipped])
    assert auc.statistic / (is_flipped.sum() * (~is_flipped).sum()) > 0.9
    assert result["n_decided"] == result["n_comparisons"] == 200
    assert result["share_contradicted"] == pytest.approx(1 / FLIPPED_EVERY, abs=0.06)
    worst = [one["comparison_id"] for one in result["suspicious"][:15]]
    assert sum(pk % FLIPPED_EVERY == 0 for pk in worst) >= 13


def test_its_progress_is_that_of_one_job(fitted: Fitted) -> None:
    out, _, events = fitted
    progress = [event for event in events if event["event"] == "progress"]
    done = [event["done"] for event in progress]
    assert {event["stage"] for event in progress} == {"crossfit"}
    assert done == sorted(done)
    assert 0 < done[len(done) // 2] < 100
    assert done[-1] == 100
    assert any("fold 2 (2 of 2)" in event["message"] for event in progress)
    assert sorted(path.name for path in out.iterdir()) == ["config.json", "result.json", "strengths.parquet"]


def test_a_run_stopped_at_any_place_ends_with_the_same_strengths(
    fitted: Fitted, tiny_base: Path, noisy_set: Path, tmp_path: Path
) -> None:
    """Stopped in the first model, then in the second; a third call finishes."""

    class StopAt(Reporter):
        def __init__(self, flag: StopFlag, percent: int) -> None:
            super().__init__(io.StringIO(), every_s=0)
            self.flag, self.percent = flag, percent

        def progress(self, stage: str, done: int, total: int | None, **rest: Any) -> None:
            self.flag.is_set = self.flag.is_set or done >= self.percent

    config = _config(tiny_base, noisy_set, tmp_path / "run")
    for percent in (20, 70):
        flag = StopFlag()
        with pytest.raises(StopRequested):
            crossfit(config, StopAt(flag, percent), flag)
    assert (tmp_path / "run" / "parts" / "fold-0-0.parquet").is_file()
    crossfit(config, Reporter(io.StringIO()), StopFlag())
    one, other = (pq.read_table(out / "strengths.parquet") for out in (fitted[0], tmp_path / "run"))
    assert one.equals(other)


def test_strengths_serve_the_trainer_as_they_are(
    fitted: Fitted, tiny_base: Path, noisy_set: Path, tmp_path: Path
) -> None:
    paths = {"base_model": str(tiny_base), "comparison_set": str(noisy_set), "out_dir": str(tmp_path / "run")}
    options = {"noise_treatment": "drop", "strengths": fitted[1]["strengths"], "max_steps": 2}
    config = config_from_dict(RewardTrainConfig, {**TRAIN, **paths, **options})
    assert Path(train(config, Reporter(io.StringIO()), StopFlag())["model"]).is_dir()


def _part(path: Path, ids: list[int], p: list[float], gap: list[float], variance: list[float]) -> Path:
    columns = {
        "comparison_id": ids,
        "prompt_digest": [str(pk) for pk in ids],
        "soft_preference": p,
        "gap": gap,
        "variance": variance,
    }
    pq.write_table(pa.table(columns, schema=PART_SCHEMA), path)
    return path


def test_repeats_and_the_heads_doubt_make_one_deviation(tmp_path: Path) -> None:
    """Gaps 1 and 3 with variances 2 and 4: strength 2, std √(1 + 3) = 2, E σ ≈ σ(2 / √(1 + π/2)).

    Comparison 3 is a tie and has no label to contradict; 2 is preferred the other way (p = 0.2), so its −1 agrees.
    """
    config = config_from_dict(
        CrossFitConfig, {"base_model": "b", "comparison_set": "c", "out_dir": "o", "n_folds": 2, "n_repeats": 2}
    )
    paths = [
        [
            _part(tmp_path / "0-0", [7, 3], [1.0, 0.5], [1.0, -5.0], [2.0, 0.0]),
            _part(tmp_path / "0-1", [7, 3], [1.0, 0.5], [3.0, -5.0], [4.0, 0.0]),
        ],
        [
            _part(tmp_path / "1-0", [2, 5], [0.2, 0.9], [-1.0, -4.0], [0.0, 0.0]),
            _part(tmp_path / "1-1", [2, 5], [0.2, 0.9], [-1.0, -4.0], [0.0, 0.0]),
        ],
    ]
    result = _merge(config, paths, tmp_path / "strengths.parquet")
    rows = pq.read_table(tmp_path / "strengths.parquet").to_pylist()
    assert [row["comparison_id"] for row in rows] == [2, 3, 5, 7]
    assert [row["fold"] for row in rows] == [1, 0, 1, 0]
    assert rows[3]["strength"] == 2
    assert rows[3]["std"] == pytest.approx(2)
    assert rows[3]["p_chosen"] == pytest.approx(1 / (1 + math.exp(-2 / math.sqrt(1 + math.pi / 2))))
    assert result["n_decided"] == 3
    assert result["share_contradicted"] == pytest.approx(1 / 3)
    assert result["accuracy"]["value"] == pytest.approx(2 / 3)
    assert result["mean_strength"] == pytest.approx((2 + 1 - 4) / 3)
    assert [one["comparison_id"] for one in result["suspicious"]] == [5, 2, 7]


def test_a_set_without_a_fold_is_the_same_bytes_every_time(noisy_set: Path, tmp_path: Path) -> None:
    source = open_comparison_set(noisy_set)
    digests = [
        open_comparison_set(write_without_fold(source, tmp_path / name, 0, 5)).digest for name in ("one", "other")
    ]
    assert digests[0] == digests[1] != source.digest


def test_what_cannot_be_cross_fitted_is_refused_before_any_work(
    tiny_base: Path, noisy_set: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="labels as they are"):
        _config(tiny_base, noisy_set, tmp_path, train={"noise_treatment": "flip", "strengths": "x"})
    with pytest.raises(ConfigError, match="learning_rate"):
        _config(tiny_base, noisy_set, tmp_path, train={"learning_rat": 1.0})
    with pytest.raises(ConfigError, match="decided by the job"):
        _config(tiny_base, noisy_set, tmp_path, train={"out_dir": "x"})
    assert list(tmp_path.iterdir()) == []


def test_one_prompt_is_too_few(real_set: Callable[..., Path], tiny_base: Path, tmp_path: Path) -> None:
    row = comparison_row(real_comparisons("pandalm")[0], 0) | {"split": "train", "soft_preference": 1.0}
    alone = write_comparison_set(tmp_path / "set", [row])
    with pytest.raises(EngineError, match="too few prompts") as caught:
        crossfit(_config(tiny_base, alone, tmp_path / "run"), Reporter(io.StringIO()), StopFlag())
    assert caught.value.code == "empty_input"
