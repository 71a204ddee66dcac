"""A training that goes on from a model: the same rewards at its start, what it sees again, and what it forgets."""

from __future__ import annotations

import hashlib
import io
import json
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.engine.conftest import comparison_row, real_comparisons, split_of, write_comparison_set
from training.engine.common.cli import StopFlag
from training.engine.common.config import config_from_dict
from training.engine.common.errors import ConfigError, EngineError
from training.engine.common.progress import Reporter
from training.engine.reward.compare import CompareConfig, compare
from training.engine.reward.continuing import Start, drawn, replay_of
from training.engine.reward.crossfit import CrossFitConfig
from training.engine.reward.data import comparison_ids, open_comparison_set, read_split, tokenise
from training.engine.reward.ensemble import RewardEnsemble
from training.engine.reward.members import MembersConfig, members
from training.engine.reward.model import RewardModel
from training.engine.reward.trainer import RewardTrainConfig, train

Values = Callable[..., dict[str, Any]]


def _train(values: dict[str, Any]) -> dict[str, Any]:
    return train(config_from_dict(RewardTrainConfig, values), Reporter(io.StringIO()), StopFlag())


def _start(values: dict[str, Any]) -> Start:
    return Start.of(config_from_dict(RewardTrainConfig, values))


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """150 real comparisons, and these with 60 more."""
    root = tmp_path_factory.mktemp("sets")
    rows = [comparison_row(one, number) for number, one in enumerate(real_comparisons("pandalm")[:210])]
    rows = [row for row in rows if row["soft_preference"] != 0.5]
    earlier = [row for row in rows if row["comparison_id"] < 150]
    return write_comparison_set(root / "earlier", earlier), write_comparison_set(root / "both", rows)


@pytest.fixture
def values(tiny_base: Path, trained_model: Path, sets: tuple[Path, Path], tmp_path: Path) -> Values:
    """A config that goes on from the trained model, with changes."""

    def make(**changes: Any) -> dict[str, Any]:
        paths = {"base_model": str(tiny_base), "comparison_set": str(sets[1]), "out_dir": str(tmp_path / "run")}
        start = {"start_from": str(trained_model), "earlier_set": str(sets[0])}
        sizes = {"max_length": 128, "batch_size": 8, "epochs": 2, "n_threads": 1, "checkpoint_steps": 3}
        return {**paths, **start, **sizes, "precision": "fp32", "device": "cpu", "learning_rate": 1e-3} | changes

    return make


def _encoded(model: RewardModel, directory: Path, split: str = "test") -> list[Any]:
    comparisons = tokenise(read_split(open_comparison_set(directory), split), model.encoder)
    return [*comparisons.chosen, *comparisons.rejected]


@pytest.mark.parametrize("tuning", ["full", "lora", "head"])
def test_before_the_first_update_its_rewards_are_exactly_those_of_its_start(
    values: Values, trained_model: Path, sets: tuple[Path, Path], tuning: str
) -> None:
    """Also after a whole run whose updates make nothing better: a rate of 1e-12 moves no float32 weight."""
    before = RewardModel.load(trained_model)
    expected = before.score_encoded(_encoded(before, sets[1]))
    start = _start(values()).model
    assert start.score_encoded(_encoded(start, sets[1])).tolist() == expected.tolist()
    result = _train(values(tuning=tuning, learning_rate=1e-12, epochs=1))
    assert result["evaluations"][0]["step"] == 0
    after = RewardModel.load(result["model"])
    assert after.score_encoded(_encoded(after, sets[1])).tolist() == expected.tolist()


def test_the_start_counts_as_evaluated(tiny_base: Path, tmp_path: Path) -> None:
    """It learns the opposite of what it is validated on: the weights that are kept are the start's."""
    rows = _polite(0, 200, seed=0)
    earlier = write_comparison_set(tmp_path / "earlier", rows[:150])
    turned = [
        row | {"chosen": row["rejected"], "rejected": row["chosen"]}
        if split_of(row["prompt_digest"]) == "train"
        else row
        for row in rows
    ]
    both = write_comparison_set(tmp_path / "both", turned)
    common = {**POLITE, "base_model": str(tiny_base)}
    start = _train({**common, "comparison_set": str(earlier), "out_dir": str(tmp_path / "start"), "epochs": 3})
    paths = {"comparison_set": str(both), "start_from": start["model"], "earlier_set": str(earlier)}
    result = _train({**common, **paths, "out_dir": str(tmp_path / "run"), "epochs": 3})
    assert result["best_step"] == 0 < result["n_steps"]
    assert result["evaluations"][-1]["loss"] > result["evaluations"][0]["loss"] == result["validation_loss"]
    one, other = (load_file(Path(run["model"]) / "model.safetensors") for run in (start, result))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_it_resumes_to_the_same_weights(engine: Any, values: Values, tmp_path: Path) -> None:
    whole = values(dropout=0.1, checkpoint_steps=4, epochs=1, out_dir=str(tmp_path / "whole"), replay=0.5)
    status, events = engine.run("reward", "train", whole)
    assert status == 0
    killed = {**whole, "out_dir": str(tmp_path / "killed")}
    process = engine.start("reward", "train", killed)
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "progress" and event["stage"] == "train" and event["done"] >= 5:
            break
    process.kill()
    process.stdout.close()
    assert process.wait(timeout=30) == -signal.SIGKILL
    status, again = engine.run("reward", "train", killed)
    assert status == 0
    assert any(event.get("message", "").startswith("resumed at step") for event in again)
    one, other = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert again[-1]["evaluations"] == events[-1]["evaluations"]


def test_it_does_not_resume_from_another_start(values: Values, trained_model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "start"
    shutil.copytree(trained_model, copy)
    _train(values(start_from=str(copy), max_steps=1))
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(EngineError, match="_inputs"):
        _train(values(start_from=str(copy), max_steps=1))


# --- replay ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("replay", "expected"), [(0.0, 0), (0.5, 10), (1.0, 20), (2.0, 40), (7.0, 80)])
def test_all_new_ones_are_taken_and_so_many_earlier_ones_for_each(replay: float, expected: int) -> None:
    is_earlier = np.arange(100) % 5 != 0
    found = drawn(is_earlier, replay, seed=0)
    assert (found.n_new, found.n_earlier, found.n_replayed) == (20, 80, expected)
    assert set(np.flatnonzero(~is_earlier)) <= set(found.rows)
    assert len(found.rows) == len(set(found.rows.tolist())) == 20 + expected
    assert found.rows.tolist() == sorted(found.rows.tolist())
    again = drawn(is_earlier, replay, seed=0)
    assert again.rows.tolist() == found.rows.tolist()
    if 0 < expected < 80:
        assert drawn(is_earlier, replay, seed=1).rows.tolist() != found.rows.tolist()


def test_the_earlier_ones_are_those_of_the_earlier_set(values: Values, sets: tuple[Path, Path]) -> None:
    training = tokenise(read_split(open_comparison_set(sets[1]), "train"), _start(values()).model.encoder)
    ids = training.meta["comparison_id"]
    found = replay_of(training, config_from_dict(RewardTrainConfig, values(replay=0.5)))
    assert found is not None
    new = [pk for pk in ids if pk >= 150]
    taken = [ids[row] for row in found.rows]
    assert [pk for pk in taken if pk >= 150] == new
    assert len(taken) - len(new) == found.n_replayed == round(0.5 * len(new))
    assert comparison_ids(open_comparison_set(sets[0])) >= {pk for pk in taken if pk < 150}
    result = _train(values(replay=0.5, max_steps=1))
    assert result["replay"] == found.to_dict()
    assert result["n_train"] == len(found.rows)
    counts = json.loads((sets[1] / "manifest.json").read_text())["counts"]
    assert (result["n_validation"], result["n_test"]) == (counts["validation"], counts["test"])


def test_without_a_new_comparison_there_is_nothing_to_do(values: Values, sets: tuple[Path, Path]) -> None:
    with pytest.raises(EngineError) as caught:
        _train(values(comparison_set=str(sets[0])))
    assert caught.value.code == "nothing_new"


def test_replay_keeps_what_a_shifted_batch_takes_away(tiny_base: Path, tmp_path: Path) -> None:
    """First polite completions were preferred. Of the new batch, those with a source are, which are the rude ones.

    A model that learns from the batch alone turns round about politeness; with half as many of the old comparisons in
    between it learns that a source counts for more, and keeps the rest. So it was with seeds 0, 1 and 2.
    """
    old, new = _polite(0, 250, seed=0), _with_source(1000, 350, seed=1)
    earlier = write_comparison_set(tmp_path / "earlier", old)
    both = write_comparison_set(tmp_path / "both", old + new)
    common = {**POLITE, "base_model": str(tiny_base)}
    start = _train({**common, "comparison_set": str(earlier), "out_dir": str(tmp_path / "start"), "epochs": 2})

    def accuracies(replay: float) -> tuple[float, float]:
        """On the old slice and on the new one, after four epochs from the start."""
        out = tmp_path / f"replay-{replay}"
        paths = {"comparison_set": str(both), "earlier_set": str(earlier), "start_from": start["model"]}
        options = {"epochs": 4, "learning_rate": 4e-3, "replay": replay}
        model = _train({**common, **paths, **options, "out_dir": str(out)})["model"]
        report = tmp_path / "report.json"
        asked = {"model_a": start["model"], "model_b": model, "out": str(report), "earlier_set": str(earlier)}
        told = []
        for directory in (earlier, both):
            config = config_from_dict(CompareConfig, {**asked, "comparison_set": str(directory), "device": "cpu"})
            compare(config, Reporter(io.StringIO()), StopFlag())
            told.append(json.loads(report.read_text()))
        assert told[0]["a"]["accuracy"]["value"] == 1.0 and told[0]["fresh"]["n"] == 0
        assert told[1]["fresh"]["a"]["value"] == 0.0 and told[1]["fresh"]["n"] >= 20
        return told[0]["b"]["accuracy"]["value"], told[1]["fresh"]["b"]["value"]

    (alone_old, alone_new), (replayed_old, replayed_new) = accuracies(0.0), accuracies(0.5)
    assert (alone_new, replayed_new) == (1.0, 1.0)
    assert alone_old < 0.5 < 0.9 < replayed_old


# --- what does not fit ----------------------------------------------------------------------------------------------
def test_what_is_no_model_of_ours_is_refused(values: Values, tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"start_from: .*touchstone\.json"):
        _start(values(start_from=str(tiny_base)))
    with pytest.raises(ConfigError, match="start_from"):
        _start(values(start_from=str(tmp_path / "nowhere")))


def test_another_number_of_heads_is_refused_and_the_same_heads_go_on(
    values: Values, tiny_base: Path, sets: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"n_heads: expected 1, .* got 3"):
        _start(values(n_heads=3))
    fresh = values(n_heads=3, comparison_set=str(sets[0]), out_dir=str(tmp_path / "heads"), max_steps=3)
    three = _train({**fresh, "start_from": "", "earlier_set": ""})["model"]
    with pytest.raises(ConfigError, match=r"n_heads: expected 3, .* got 1"):
        _start(values(start_from=three))
    moved = _train(values(start_from=three, n_heads=3, learning_rate=1e-12, epochs=1))["model"]
    texts = _encoded(RewardModel.load(three), sets[1])
    one, other = (RewardEnsemble.load(path) for path in (three, moved))
    assert len(one) == len(other) == 3
    gaps = [member.members[0].score(texts, 8192) for member in (one, other)]
    spread = [gap - gap.mean(axis=1, keepdims=True) for gap in gaps]
    assert np.abs(spread[0] - spread[1]).max() < 1e-5 < np.abs(spread[0][0] - spread[0][1]).max()


def test_a_model_of_another_base_is_refused(values: Values, tiny_base: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_base, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"hidden_size": 32}))
    with pytest.raises(ConfigError, match=r"start_from: .*hidden_size 64 there, 32 here"):
        _start(values(base_model=str(other)))


def test_options_that_need_a_start_are_refused_without_one(values: Values) -> None:
    with pytest.raises(ConfigError, match="earlier_set: "):
        config_from_dict(RewardTrainConfig, values(start_from=""))
    with pytest.raises(ConfigError, match="replay: "):
        config_from_dict(RewardTrainConfig, values(start_from="", earlier_set="", replay=2.0))
    with pytest.raises(ConfigError, match="replay"):
        config_from_dict(RewardTrainConfig, values(replay=-1.0))


def test_label_noise_is_not_judged_by_a_model_that_has_seen_the_labels(values: Values, tmp_path: Path) -> None:
    given = values()
    own = {name: given.pop(name) for name in ("base_model", "comparison_set")}
    given.pop("out_dir")
    with pytest.raises(ConfigError, match=r"train\.start_from"):
        config_from_dict(CrossFitConfig, {**own, "out_dir": str(tmp_path), "train": given})


# --- ensembles and what is told -------------------------------------------------------------------------------------
def test_each_member_goes_on_from_its_own(values: Values, sets: tuple[Path, Path], tmp_path: Path) -> None:
    given = values(learning_rate=1e-12, epochs=1)
    own = {name: given.pop(name) for name in ("base_model", "comparison_set", "out_dir")}

    def run(name: str, n_members: int, **changes: Any) -> Path:
        config = {**own, "out_dir": str(tmp_path / name), "n_members": n_members, "train": {**given, **changes}}
        return Path(members(config_from_dict(MembersConfig, config), Reporter(io.StringIO()), StopFlag())["model"])

    first = run("first", 2, start_from="", earlier_set="", learning_rate=3e-3)
    second = run("second", 2, start_from=str(first))
    for name in (".", "members/1"):
        one, other = (load_file(path / name / "model.safetensors") for path in (first, second))
        assert all(torch.equal(one[key], other[key]) for key in one)
    with pytest.raises(ConfigError, match="n_members: expected 2 at most"):
        run("third", 3, start_from=str(first))


def test_it_says_where_it_goes_on_from(values: Values, sets: tuple[Path, Path], trained_model: Path) -> None:
    result = _train(values(max_steps=2))
    told = json.loads((Path(result["model"]) / "touchstone.json").read_text())
    digest = json.loads((trained_model / "touchstone.json").read_text())["comparison_set_digest"]
    assert told["continued_from"] == {
        "project": "real",
        "version": 1,
        "comparison_set_digest": digest,
        **result["replay"],
    }
    assert told["base_model"] == values()["base_model"]
    card = (Path(result["model"]) / "README.md").read_text()
    new, again, earlier = (result["replay"][name] for name in ("n_new", "n_replayed", "n_earlier"))
    assert f"went on from real v1, with {new} new comparisons and {again} of the {earlier} that it had learnt" in card
    assert "| continued from | `real v1` |" in card and "| replay | `1.0` |" in card


# --- completions that are preferred for being polite, and others for their source ------------------------------------
POLITE = {
    "max_length": 96,
    "batch_size": 16,
    "learning_rate": 2e-3,
    "patience": 100,
    "seed": 1,
    "n_threads": 1,
    "precision": "fp32",
    "device": "cpu",
    "measure_forgetting": False,
    "checkpoint_steps": 1000,
}
TOPICS = ("rivers", "bread", "chess", "tides", "maps", "clocks", "bees", "glass", "salt", "trains")


def _polite(first: int, n: int, seed: int) -> list[dict[str, Any]]:
    drawn_topics = random.Random(seed).choices(TOPICS, k=n)
    return [_row(first + i, topic, _kind(topic), _rude(topic)) for i, topic in enumerate(drawn_topics)]


def _with_source(first: int, n: int, seed: int) -> list[dict[str, Any]]:
    source = random.Random(seed)
    drawn_topics = source.choices(TOPICS, k=n)
    return [
        _row(first + i, topic, f"{_rude(topic)} See the book, page {source.randint(1, 99)}.", _kind(topic))
        for i, topic in enumerate(drawn_topics)
    ]


def _kind(topic: str) -> str:
    return f"Thank you for asking about {topic}."


def _rude(topic: str) -> str:
    return f"I do not care about {topic}."


def _row(number: int, topic: str, chosen: str, rejected: str) -> dict[str, Any]:
    prompt = f"{number}: what of {topic}?"
    made = {
        "prompt": [{"role": "user", "content": prompt}],
        "completions": [{"text": chosen, "source": "x"}, {"text": rejected, "source": "x"}],
        "ratings": [{"preferred": 0}],
    }
    return comparison_row(made, number) | {"prompt_digest": hashlib.sha256(prompt.encode()).hexdigest()}
