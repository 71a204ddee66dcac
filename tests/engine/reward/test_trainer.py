from __future__ import annotations

import io
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from training.engine.common.cli import StopFlag
from training.engine.common.config import config_from_dict
from training.engine.common.errors import EngineError
from training.engine.common.progress import Reporter
from training.engine.reward.data import Comparisons, open_comparison_set, read_split, tokenise
from training.engine.reward.model import RewardModel
from training.engine.reward.preparation import normalised_weights
from training.engine.reward.trainer import RewardTrainConfig, TrainingRun, train


@pytest.fixture(scope="module")
def comparison_set(real_set: Callable[..., Path]) -> Path:
    return real_set("pandalm", limit=150)


def _values(base: Path, comparison_set: Path, out: Path, **changes: Any) -> dict[str, Any]:
    values = {"max_length": 128, "batch_size": 8, "epochs": 2, "precision": "fp32", "n_threads": 1, "device": "cpu"}
    paths = {"base_model": str(base), "comparison_set": str(comparison_set), "out_dir": str(out)}
    return {**paths, **values, "checkpoint_steps": 3, **changes}


def _train(values: dict[str, Any]) -> dict[str, Any]:
    return train(config_from_dict(RewardTrainConfig, values), Reporter(io.StringIO()), StopFlag())


def _weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model" / "model.safetensors")


def _same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _run(values: dict[str, Any], training: Comparisons | None = None) -> TrainingRun:
    config = config_from_dict(RewardTrainConfig, values)
    model = RewardModel.from_base(config.base_model, max_length=config.max_length, seed=config.seed, head_std=1.0)
    source = open_comparison_set(config.comparison_set)
    comparisons = training or tokenise(read_split(source, "train"), model.encoder)
    return TrainingRun(config, model, comparisons, comparisons, Path(config.out_dir), "cpu", "fp32")


def test_accumulation_over_micro_batches_is_the_whole_batch(
    tiny_base: Path, comparison_set: Path, tmp_path: Path
) -> None:
    """One update of 8 comparisons at once, and in parts of one comparison: same loss, gradient norm and weights."""
    whole = _run(_values(tiny_base, comparison_set, tmp_path, micro_batch_tokens=10**6))
    parts = _run(_values(tiny_base, comparison_set, tmp_path, micro_batch_tokens=1))
    for _ in range(3):
        expected, actual = whole._update(), parts._update()
        assert actual == pytest.approx(expected, rel=1e-4)
        whole.step += 1
        parts.step += 1
    for one, other in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-5)


def test_swapping_chosen_and_rejected_with_the_preference_gives_the_same_updates(
    tiny_base: Path, comparison_set: Path, tmp_path: Path
) -> None:
    values = _values(tiny_base, comparison_set, tmp_path)
    one = _run(values)
    numbers = {**one.training.numbers, "soft_preference": 1 - one.training.numbers["soft_preference"]}
    other = _run(values, Comparisons(one.training.rejected, one.training.chosen, numbers, one.training.meta))
    for _ in range(3):
        assert one._update() == pytest.approx(other._update(), rel=1e-4)
        one.step += 1
        other.step += 1
    for mine, theirs in zip(one.model.parameters(), other.model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=2e-5)


def test_weights_are_scaled_to_mean_one_and_checked() -> None:
    assert normalised_weights(np.array([1, 2, 3], dtype=np.float32)).tolist() == [0.5, 1.0, 1.5]
    with pytest.raises(EngineError, match="at least 0"):
        normalised_weights(np.array([1, -1], dtype=np.float32))
    with pytest.raises(EngineError, match="not all 0"):
        normalised_weights(np.array([0, 0], dtype=np.float32))


def test_a_comparison_of_weight_zero_teaches_nothing(tiny_base: Path, comparison_set: Path, tmp_path: Path) -> None:
    """Flipping the preference of comparisons that weigh 0 must leave the first update as it was."""
    values = _values(tiny_base, comparison_set, tmp_path)
    base = _run(values).training
    weight = np.ones(len(base), dtype=np.float32)
    weight[::2] = 0
    flipped = base.numbers["soft_preference"].copy()
    flipped[::2] = 1 - flipped[::2]
    one = _run(values, Comparisons(base.chosen, base.rejected, {**base.numbers, "weight": weight}, base.meta))
    other_numbers = {**base.numbers, "weight": weight, "soft_preference": flipped}
    other = _run(values, Comparisons(base.chosen, base.rejected, other_numbers, base.meta))
    unweighted = _run(
        {**values, "use_weights": False}, Comparisons(base.chosen, base.rejected, other_numbers, base.meta)
    )
    loss, _, norm = one._update()
    assert other._update()[0] == loss
    assert unweighted._update()[0] != pytest.approx(loss, rel=1e-3)
    assert norm > 0


def test_a_head_learning_rate_reaches_the_head_only(tiny_base: Path, comparison_set: Path, tmp_path: Path) -> None:
    run = _run(_values(tiny_base, comparison_set, tmp_path, head_learning_rate_factor=10.0, learning_rate=1e-4))
    rates = {id(p): group["initial_lr"] for group in run.optimiser.param_groups for p in group["params"]}
    assert rates.pop(id(run.reward_model.head.weight)) == pytest.approx(1e-3)
    assert set(rates.values()) == {1e-4}
    assert len(rates) == len(list(run.model.parameters())) - 1


def test_it_writes_the_artifact_with_its_lineage_and_report(
    tiny_base: Path, comparison_set: Path, tmp_path: Path
) -> None:
    result = _train(_values(tiny_base, comparison_set, tmp_path / "run", project="trees", version=3))
    metadata = json.loads((tmp_path / "run" / "model" / "touchstone.json").read_text())
    manifest = json.loads((comparison_set / "manifest.json").read_text())
    assert metadata["format"] == "touchstone.reward_model/1"
    assert (metadata["project"], metadata["axis"], metadata["version"]) == ("trees", "overall", 3)
    assert metadata["comparison_set_digest"] == manifest["digest"]
    assert metadata["max_length"] == 128
    report = json.loads((tmp_path / "run" / "model" / "report.json").read_text())
    assert report["n_comparisons"] == manifest["counts"]["test"] == result["n_test"]
    assert report["accuracy"] == result["accuracy"]
    model = RewardModel.load(tmp_path / "run" / "model")
    training = tokenise(read_split(open_comparison_set(comparison_set), "train"), model.encoder)
    rewards = model.score_encoded([*training.chosen, *training.rejected])
    assert metadata["reward_mean"] == pytest.approx(float(rewards.mean()), abs=1e-4)
    assert metadata["reward_std"] == pytest.approx(float(rewards.std()), rel=1e-3)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_it_keeps_the_weights_of_the_best_validation(tiny_base: Path, comparison_set: Path, tmp_path: Path) -> None:
    """A high rate overfits at once, so the best validation loss comes before the end and early stopping follows."""
    values = _values(tiny_base, comparison_set, tmp_path / "run", learning_rate=1e-2, epochs=12, patience=3)
    result = _train(values)
    best = min(result["evaluations"], key=lambda one: one["loss"])
    assert result["best_step"] == best["step"] < result["n_steps"] < 12 * 15
    assert result["validation_loss"] == best["loss"]
    assert len(result["evaluations"]) == [one["step"] for one in result["evaluations"]].index(best["step"]) + 1 + 3
    model = RewardModel.load(tmp_path / "run" / "model")
    validation = tokenise(read_split(open_comparison_set(comparison_set), "validation"), model.encoder)
    gap = model.score_encoded(validation.chosen) - model.score_encoded(validation.rejected)
    p = validation.numbers["soft_preference"]
    loss = float(np.mean(p * np.logaddexp(0, -gap) + (1 - p) * np.logaddexp(0, gap)))
    assert loss == pytest.approx(best["loss"], rel=1e-3)


def test_a_run_killed_with_9_again_and_again_ends_at_the_same_weights(
    engine, tiny_base: Path, comparison_set: Path, tmp_path: Path
) -> None:
    """Dropout is on, so the random state matters too; the kills fall wherever the process happens to be."""
    # Progress is told by the clock: the run is long enough to be killed well before its end on any machine.
    changes = {"dropout": 0.1, "epochs": 8, "checkpoint_steps": 2}
    status, events = engine.run("reward", "train", _values(tiny_base, comparison_set, tmp_path / "whole", **changes))
    assert status == 0
    values = _values(tiny_base, comparison_set, tmp_path / "killed", **changes)
    n_steps = events[-1]["n_steps"]
    reached: list[int] = []
    for kill_at in (5, 17, 30):
        process = engine.start("reward", "train", values)
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "progress" and event["stage"] == "train":
                reached.append(event["done"])
                if event["done"] >= kill_at:
                    break
        process.kill()
        process.stdout.close()
        assert process.wait(timeout=30) == -signal.SIGKILL
        assert not (tmp_path / "killed" / "model").exists()
    assert max(reached) < n_steps
    status, events = engine.run("reward", "train", values)
    assert status == 0
    assert any(event.get("message", "").startswith("resumed at step") for event in events)
    assert _same(_weights(tmp_path / "whole"), _weights(tmp_path / "killed"))
    first, second = (
        json.loads((tmp_path / name / "model" / "report.json").read_text()) for name in ("whole", "killed")
    )
    assert first == second


def test_sigterm_writes_a_checkpoint_and_exits_143(
    engine, tiny_base: Path, comparison_set: Path, tmp_path: Path
) -> None:
    values = _values(tiny_base, comparison_set, tmp_path / "run", epochs=3, checkpoint_steps=10_000)
    values["evaluations_per_epoch"] = 1
    process = engine.start("reward", "train", values)
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "progress" and event["stage"] == "train":
            break
    process.send_signal(signal.SIGTERM)
    rest = [json.loads(line) for line in process.stdout]
    assert process.wait(timeout=60) == 143
    assert rest[-1]["event"] == "log"
    assert "checkpoint was written" in rest[-1]["message"]
    assert (tmp_path / "run" / "checkpoints" / "latest").is_file()
    status, events = engine.run("reward", "train", values)
    assert status == 0
    assert any(event.get("message", "").startswith("resumed at step") for event in events)
    again, (last,) = engine.run("reward", "train", values)  # finished: the result at once, nothing else
    assert again == 0
    assert last == events[-1]


def test_a_diverging_run_stops_with_its_code(engine, tiny_base: Path, comparison_set: Path, tmp_path: Path) -> None:
    values = _values(tiny_base, comparison_set, tmp_path / "run", learning_rate=1e20)
    status, events = engine.run("reward", "train", values)
    assert status == 1
    assert events[-1]["event"] == "error"
    assert events[-1]["code"] == "diverged"
    assert "lower learning_rate" in events[-1]["message"]
    assert not (tmp_path / "run" / "model").exists()


def test_a_bad_config_is_an_error_event(engine, tiny_base: Path, comparison_set: Path, tmp_path: Path) -> None:
    values = _values(tiny_base, comparison_set, tmp_path / "run", batchsize=4)
    status, events = engine.run("reward", "train", values)
    assert status == 1
    assert events == [
        {"event": "error", "code": "bad_config", "message": "batchsize: no such field; did you mean 'batch_size'?"}
    ]


def test_it_does_not_resume_on_other_data(
    tiny_base: Path, comparison_set: Path, real_set: Callable[..., Path], tmp_path: Path
) -> None:
    values = _values(tiny_base, comparison_set, tmp_path / "run", max_steps=1)
    _train(values)
    with pytest.raises(EngineError, match="comparison_set") as caught:
        _train({**values, "comparison_set": str(real_set("pandalm", limit=40))})
    assert caught.value.code == "config_changed"
