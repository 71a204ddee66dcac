"""What the options of training do: which weights move, what is dropped or added, several heads, forgetting."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from training.engine.common.cli import StopFlag
from training.engine.common.config import config_from_dict
from training.engine.common.errors import ConfigError, EngineError
from training.engine.common.progress import Reporter
from training.engine.reward.data import Comparisons, open_comparison_set, read_split, tokenise
from training.engine.reward.model import RewardModel
from training.engine.reward.preparation import prepare, with_random_pairs
from training.engine.reward.trainer import RewardTrainConfig, TrainingRun, train


@pytest.fixture(scope="module")
def comparison_set(real_set: Callable[..., Path]) -> Path:
    return real_set("pandalm", limit=120, ties=True)


@pytest.fixture
def values(tiny_base: Path, comparison_set: Path, tmp_path: Path) -> dict[str, Any]:
    paths = {"base_model": str(tiny_base), "comparison_set": str(comparison_set), "out_dir": str(tmp_path / "run")}
    sizes = {"max_length": 128, "batch_size": 8, "epochs": 1, "n_threads": 1, "learning_rate": 3e-3}
    return {**paths, **sizes, "precision": "fp32", "device": "cpu"}


def _train(values: dict[str, Any]) -> dict[str, Any]:
    return train(config_from_dict(RewardTrainConfig, values), Reporter(io.StringIO()), StopFlag())


def _training(values: dict[str, Any]) -> tuple[RewardModel, Comparisons]:
    model = RewardModel.from_base(values["base_model"], max_length=128, head_std=1.0)
    return model, tokenise(read_split(open_comparison_set(values["comparison_set"]), "train"), model.encoder)


def _run(values: dict[str, Any], training: Comparisons | None = None) -> TrainingRun:
    model, comparisons = _training(values)
    config = config_from_dict(RewardTrainConfig, values)
    return TrainingRun(config, model, training or comparisons, comparisons, Path(values["out_dir"]), "cpu", "fp32")


def _trunk(directory: str | Path) -> dict[str, torch.Tensor]:
    model = AutoModelForSequenceClassification.from_pretrained(directory, num_labels=1)
    return {name: one for name, one in model.state_dict().items() if not name.startswith("score")}


def _moved(values: dict[str, Any], result: dict[str, Any]) -> list[str]:
    before, after = _trunk(values["base_model"]), _trunk(result["model"])
    return [name for name in before if not torch.equal(before[name], after[name])]


def test_packed_and_padded_training_take_the_same_steps(values: dict[str, Any]) -> None:
    packed, padded = _run({**values, "packing": "packed"}), _run({**values, "packing": "padded"})
    for _ in range(3):
        assert packed._update() == pytest.approx(padded._update(), rel=1e-4)
        packed.step += 1
        padded.step += 1
    for one, other in zip(packed.model.parameters(), padded.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_half_precision_learns_what_single_precision_does(values: dict[str, Any]) -> None:
    """The trunk in bfloat16 with float32 weights behind it: nearly the same loss after an epoch, and exact resuming."""
    single = _train(values)
    half = _train({**values, "precision": "bf16", "out_dir": values["out_dir"] + "-half"})
    assert half["validation_loss"] == pytest.approx(single["validation_loss"], abs=0.02)
    saved = load_file(Path(half["model"]) / "model.safetensors")
    assert {one.dtype for one in saved.values()} == {torch.float32}
    assert any(not torch.equal(one, one.bfloat16().float()) for one in saved.values())  # not the copies
    report = json.loads((Path(half["model"]) / "report.json").read_text())
    model = RewardModel.load(half["model"])
    test = tokenise(read_split(open_comparison_set(values["comparison_set"]), "test"), model.encoder)
    gap = model.score_encoded(test.chosen) - model.score_encoded(test.rejected)
    assert report["reward_gap"]["mean"] == pytest.approx(float(gap.mean()), abs=1e-5)  # rotary frequencies too


def test_head_only_training_leaves_the_trunk_alone(values: dict[str, Any]) -> None:
    result = _train({**values, "tuning": "head", "epochs": 3})
    assert _moved(values, result) == []
    assert result["train_loss"] < 0.693


def test_lora_moves_linear_layers_and_is_kept_beside_the_merged_weights(values: dict[str, Any]) -> None:
    result = _train({**values, "tuning": "lora", "lora_rank": 4})
    moved = _moved(values, result)
    assert moved and all(name.endswith("_proj.weight") for name in moved)
    adapter = load_file(Path(result["model"]) / "lora.safetensors")
    assert adapter and all("lora_" in name for name in adapter)
    assert json.loads((Path(result["model"]) / "touchstone.json").read_text())["tuning"] == "lora"


def test_forgetting_is_measured_and_lora_forgets_less_than_all_weights_do(values: dict[str, Any]) -> None:
    found = {}
    for tuning in ("full", "head"):
        result = _train({**values, "tuning": tuning, "out_dir": f"{values['out_dir']}-{tuning}", "learning_rate": 1e-2})
        found[tuning] = json.loads((Path(result["model"]) / "touchstone.json").read_text())["forgetting"]
        report = json.loads((Path(result["model"]) / "report.json").read_text())
        assert report["forgetting"] == found[tuning], "the page reads it there"
    assert found["head"]["after"] == pytest.approx(found["head"]["before"], rel=1e-6)  # its trunk is the base's
    assert found["full"]["before"] == pytest.approx(found["head"]["before"], rel=1e-6)
    assert found["full"]["after"] > found["full"]["before"] + 0.1


def test_the_mean_of_several_heads_is_the_models_head(values: dict[str, Any]) -> None:
    result = _train({**values, "n_heads": 4})
    directory = Path(result["model"])
    heads = load_file(directory / "heads.safetensors")["weight"]
    head = load_file(directory / "model.safetensors")["score.weight"]
    assert heads.shape[0] == 4
    torch.testing.assert_close(heads.mean(dim=0, keepdim=True), head)
    assert float(heads.std(dim=0).mean()) > 0
    # Not run off. What so few comparisons come to is chance, which is another one on another kind of CPU.
    assert result["train_loss"] < 1.2


def test_a_ranking_weighs_as_one_comparison(values: dict[str, Any]) -> None:
    """Three comparisons, as one ranking, move the weights by the mean of their losses, once."""
    model, comparisons = _training(values)
    groups: list[Any] = [None] * len(comparisons)
    groups[0] = groups[1] = groups[2] = "ranking"
    grouped = Comparisons(
        comparisons.chosen, comparisons.rejected, dict(comparisons.numbers), {**comparisons.meta, "group": groups}
    )
    config = config_from_dict(RewardTrainConfig, {**values, "use_weights": False})
    weights = prepare(grouped, config, model.encoder).numbers["weight"]
    assert weights[:4].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1.0])
    assert len(_run(values, grouped).examples) == len(comparisons) - 2


def test_dropped_ties_are_not_trained_on(values: dict[str, Any]) -> None:
    _, comparisons = _training(values)
    n_ties = int((comparisons.numbers["soft_preference"] == 0.5).sum())
    assert n_ties > 0
    assert len(_run({**values, "ties": "drop"}).training) == len(comparisons) - n_ties
    assert len(_run({**values, "ties": "davidson"}).training) == len(comparisons)


def test_random_pairs_answer_another_prompt(values: dict[str, Any]) -> None:
    model, comparisons = _training(values)
    more = with_random_pairs(comparisons, model.encoder, seed=1, share=0.5)
    added = range(len(comparisons), len(more))
    assert len(added) == pytest.approx(0.5 * len(comparisons), abs=3)
    own: dict[tuple[int, ...], set[tuple[int, ...]]] = {}
    for side in (comparisons.chosen, comparisons.rejected):
        for one in side:
            own.setdefault(tuple(one.prompt_ids), set()).add(tuple(one.completion_ids))
    shared = [tuple(more.rejected[i].completion_ids) in own.get(tuple(more.chosen[i].prompt_ids), set()) for i in added]
    assert sum(shared) == 0
    assert np.array_equal(more.numbers["soft_preference"][-len(added) :], np.ones(len(added), dtype=np.float32))


@pytest.mark.parametrize(
    "option",
    [
        {"length_remedy": "odin"},
        {"length_remedy": "random_pairing"},
        {"ties": "davidson"},
        {"use_margins": True, "margin_map": {"1": 0.0, "4": 1.0}},
        {"label_smoothing": 0.1, "centring": 0.01},
        {"gradient_checkpointing": True},
    ],
    ids=lambda option: next(iter(option)),
)
def test_it_trains_with(values: dict[str, Any], option: dict[str, Any]) -> None:
    """Each to a model that loads and gives finite rewards, having learnt something on what it was trained on."""
    result = _train({**values, **option, "epochs": 2})
    assert result["validation_loss"] < 0.75
    model = RewardModel.load(result["model"])
    assert np.isfinite(model.score([([{"role": "user", "content": "Hi"}], "Hello there")])).all()


def test_the_same_seed_gives_the_same_lora(values: dict[str, Any]) -> None:
    """Whatever was drawn in the process before."""
    weights = []
    for name in ("one", "other"):
        torch.rand(7 if name == "one" else 3)
        result = _train({**values, "tuning": "lora", "max_steps": 3, "out_dir": f"{values['out_dir']}-{name}"})
        weights.append(load_file(Path(result["model"]) / "lora.safetensors"))
    assert all(torch.equal(one, weights[1][name]) for name, one in weights[0].items())


@pytest.mark.parametrize(
    ("clash", "field"),
    [
        ({"noise_treatment": "flip"}, "noise_treatment"),
        ({"n_heads": 2, "length_remedy": "odin"}, "n_heads"),
        ({"ties": "davidson", "use_margins": True}, "ties"),
        ({"objective": "labellers", "centring": 0.1}, "objective"),
        ({"margin_map": {"weak": 0.0}}, "margin_map"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_options_that_leave_others_without_effect_are_refused(
    values: dict[str, Any], clash: dict[str, Any], field: str
) -> None:
    with pytest.raises(ConfigError, match=field):
        config_from_dict(RewardTrainConfig, {**values, **clash})


def test_single_ratings_are_needed_to_learn_from_them(values: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match="no single ratings"):
        _run({**values, "objective": "labellers"})
