"""Whole runs with a small model against a real scorer: the same as TRL alone, resumable, and ended for a reason."""

import io
import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.engine.conftest import real_comparisons
from tests.engine.scoring.running import serving
from training.demo.gold import serving_truth
from training.engine.common.cli import StopFlag
from training.engine.common.config import config_from_dict
from training.engine.common.errors import EngineError
from training.engine.common.progress import Reporter
from training.engine.policy.config import OptimiseConfig
from training.engine.policy.judge import Judge
from training.engine.policy.optimise import optimise
from training.engine.scoring.client import reward_function

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory, trained_model):
    with serving(tmp_path_factory.mktemp("scorer"), ("helpfulness", 1, trained_model)) as running:
        yield running


@pytest.fixture(scope="module")
def prompts(tmp_path_factory) -> tuple[Path, Path]:
    """Short real prompts: to train on, and to probe with."""
    known = {json.dumps(one["prompt"]): one["prompt"] for one in real_comparisons("pandalm")[:600]}
    short = [one for one in known.values() if len(one[0]["content"]) < 200]
    directory = tmp_path_factory.mktemp("prompts")
    for name, part in (("train", short[:40]), ("probe", short[40:52])):
        rows = [json.dumps({"id": f"{name}-{number}", "messages": one}) for number, one in enumerate(part)]
        (directory / f"{name}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return directory / "train.jsonl", directory / "probe.jsonl"


@pytest.fixture
def values(tiny_base: Path, scorer, prompts: tuple[Path, Path], tmp_path: Path) -> dict[str, Any]:
    return {
        "policy": str(tiny_base),
        "prompts": str(prompts[0]),
        "probe": str(prompts[1]),
        "out_dir": str(tmp_path / "run"),
        "scorer_url": scorer.url,
        "reward_model": "helpfulness",
        "n_steps": 6,
        "prompts_per_step": 4,
        "completions_per_prompt": 2,
        "max_new_tokens": 12,
        "max_prompt_tokens": 120,
        "learning_rate": 3e-3,
        "evaluate_every": 3,
        "checkpoint_steps": 2,
        "n_threads": 1,
        "device": "cpu",
    }


def steps(out: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (Path(out) / "steps.jsonl").read_text().splitlines()]
    for row in rows:
        del row["seconds"]
    return rows


def evaluation(out: str, step: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(out) / "evaluations" / f"{step:05d}" / "evaluation.json").read_text())
    return found


def assert_alike(policy: str, one: str, other: str) -> None:
    """Two runs from a policy did the same, to rounding: which completions the scorer computes together goes by the
    clock, and by whose request comes first."""
    for mine, theirs in zip(steps(one), steps(other), strict=True):
        assert mine == pytest.approx(theirs, abs=1e-3)
    last = f"{steps(one)[-1]['step']:05d}"
    mine, theirs = (load_file(Path(out) / "evaluations" / last / "model" / "model.safetensors") for out in (one, other))
    before = load_file(Path(policy) / "model.safetensors")
    apart, moved = (
        sum(float((mine[name] - weights[name]).abs().sum()) for name in mine) for weights in (theirs, before)
    )
    assert apart < 0.01 * moved


@pytest.mark.parametrize("algorithm", ["rloo", "grpo"])
def test_it_is_trl_and_the_scorer_and_nothing_else(
    engine, values: dict[str, Any], algorithm: str, tmp_path: Path
) -> None:
    """TRL's trainer by itself, with the scorer's own reward function: the same rewards, KL and entropy each step."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

    n_steps = 3
    status, _ = engine.run("policy", "optimise", {**values, "algorithm": algorithm, "n_steps": n_steps})
    assert status == 0
    trainer_class, config_class = {"rloo": (RLOOTrainer, RLOOConfig), "grpo": (GRPOTrainer, GRPOConfig)}[algorithm]
    rows = [json.loads(line) for line in Path(values["prompts"]).read_text().splitlines()]
    trainer = trainer_class(
        model=AutoModelForCausalLM.from_pretrained(values["policy"], dtype=torch.float32),
        processing_class=AutoTokenizer.from_pretrained(values["policy"]),
        reward_funcs=reward_function(values["scorer_url"], "helpfulness"),
        train_dataset=Dataset.from_list([{"prompt": row["messages"]} for row in rows]),
        args=config_class(
            output_dir=str(tmp_path / "trl"),
            max_steps=n_steps,
            per_device_train_batch_size=8,
            num_generations=2,
            max_completion_length=12,
            temperature=1.0,
            beta=0.05,
            learning_rate=3e-3,
            lr_scheduler_type="constant_with_warmup",
            warmup_steps=5,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            seed=0,
            bf16=False,
            use_cpu=True,
            gradient_checkpointing=False,
        ),
    )
    trainer.train()
    theirs = [row for row in trainer.state.log_history if "loss" in row]
    ours = steps(values["out_dir"])
    assert len(ours) == len(theirs) == n_steps
    for mine, row in zip(ours, theirs, strict=True):
        assert mine["reward"] == pytest.approx(row["reward"], abs=2e-4)
        assert mine["raw_reward"] == pytest.approx(row["reward"], abs=2e-4)
        assert mine["entropy"] == pytest.approx(row["entropy"], rel=1e-3)
        assert mine["kl"] == pytest.approx(row["kl"] * row["completions/mean_length"], abs=1e-3)


def test_the_reference_is_no_step_away_from_itself_and_training_moves(engine, values: dict[str, Any]) -> None:
    status, events = engine.run("policy", "optimise", values)
    assert status == 0
    told = [event for event in events if event["event"] == "evaluation"]
    assert [event["step"] for event in told] == [0, 3, 6]
    start, end = evaluation(values["out_dir"], 0), evaluation(values["out_dir"], 6)
    assert start["kl"] == start["kl_k1"] == start["reward_gain"] == 0
    assert end["kl"] > 0.01
    assert end["kl_k3"] > 0
    rows = [json.loads(line) for line in (Path(told[-1]["path"]) / "samples.jsonl").read_text().splitlines()]
    assert len(rows) == end["n_prompts"] == 12
    assert start["outlying"] == start["reference_outlying"] == end["reference_outlying"]
    assert end["outlying"] == pytest.approx(sum(row["distance"] > 0.99 for row in rows) / 12)
    gains = [row["reward"] - row["reference_reward"] for row in rows]
    assert end["reward_gain"] == pytest.approx(sum(gains) / 12, abs=1e-6)
    assert end["kl"] == pytest.approx(sum(row["kl"] for row in rows) / 12, abs=1e-6)
    # What it says of the texts is what the scorer says of them.
    judge = Judge(values["scorer_url"], "helpfulness")
    again = judge.judge([row["messages"] for row in rows], [row["completion"] for row in rows])
    assert again.rewards.tolist() == pytest.approx([row["reward"] for row in rows], abs=1e-4)
    kept = Path(events[-1]["model"])
    assert AutoModelForCausalLM.from_pretrained(kept).num_parameters() > 0
    assert not (Path(values["out_dir"]) / "evaluations" / "00003" / "model").exists()


def test_killed_with_9_it_goes_on_to_the_same_policy(engine, values: dict[str, Any], tmp_path: Path) -> None:
    changes = {"shaping": "sigmoid", "kl_target": 0.5, "kl_horizon": 50.0, "n_steps": 12}
    whole = {**values, **changes, "out_dir": str(tmp_path / "whole")}
    killed = {**values, **changes, "out_dir": str(tmp_path / "killed")}
    assert engine.run("policy", "optimise", whole)[0] == 0
    process = engine.start("policy", "optimise", killed)
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "evaluation" and event["step"] == 6:
            break
    process.kill()
    process.stdout.close()
    assert process.wait(timeout=30) == -signal.SIGKILL
    status, events = engine.run("policy", "optimise", killed)
    assert status == 0
    assert any(event.get("message", "").startswith("resumed at step") for event in events)
    mine, theirs = steps(whole["out_dir"]), steps(killed["out_dir"])
    assert len({row["beta"] for row in mine}) > 1
    assert len(mine) == len(theirs) == 12
    assert_alike(values["policy"], whole["out_dir"], killed["out_dir"])
    again, (last,) = engine.run("policy", "optimise", killed)  # finished: the result at once
    assert (again, last) == (0, events[-1])


def test_sigterm_leaves_a_checkpoint_and_a_stop_file_ends_it(engine, values: dict[str, Any]) -> None:
    values |= {"n_steps": 500, "checkpoint_steps": 400, "evaluate_every": 100}
    process = engine.start("policy", "optimise", values)
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "progress" and event["stage"] == "policy":
            break
    process.send_signal(signal.SIGTERM)
    for line in process.stdout:
        assert json.loads(line)["event"] in ("progress", "log", "evaluation")
    assert process.wait(timeout=60) == 143
    reached = steps(values["out_dir"])[-1]["step"]
    stop = {"reason": "people", "message": "Labellers prefer the reference."}
    (Path(values["out_dir"]) / "stop.json").write_text(json.dumps(stop))
    status, events = engine.run("policy", "optimise", values)
    assert status == 0
    result = events[-1]
    assert (result["stop_reason"], result["stop_message"]) == (stop["reason"], stop["message"])
    assert result["last_step"] == reached + 1


def test_updates_on_a_batch_used_before_have_its_length(engine, values: dict[str, Any]) -> None:
    values |= {"algorithm": "grpo", "n_iterations": 2, "n_steps": 4, "checkpoint_steps": 4}
    assert engine.run("policy", "optimise", values)[0] == 0
    rows = steps(values["out_dir"])
    assert rows[0]["length"] == rows[1]["length"] > 0
    assert rows[2]["length"] == rows[3]["length"] > 0
    assert rows[3]["kl"] > 0  # GRPO measures it anew


def test_adapters_alone_are_trained_and_merged_when_kept(engine, values: dict[str, Any]) -> None:
    values |= {"lora_rank": 4, "n_steps": 3, "shaping": "sigmoid"}  # which asks what the reference would write
    status, events = engine.run("policy", "optimise", values)
    assert status == 0
    assert evaluation(values["out_dir"], 0)["kl"] == 0
    assert evaluation(values["out_dir"], 3)["kl"] > 0
    model = Path(events[-1]["model"])
    # Kept as a whole model that needs no adapters' code, and only the matrices of linear layers have changed.
    before, after = (load_file(Path(path) / "model.safetensors") for path in (values["policy"], model))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert before.keys() == after.keys()
    assert changed
    assert all(name.endswith("_proj.weight") for name in changed)


def test_people_are_asked_at_a_kl_and_the_limit_ends_it(engine, values: dict[str, Any]) -> None:
    values |= {"n_steps": 60, "evaluate_every": 60, "human_kls": [0.05], "beta": 0.001, "kl_limit": 0.01}
    status, events = engine.run("policy", "optimise", values)
    assert status == 0
    assert events[-1]["stop_reason"] == "kl_limit"
    asked = evaluation(values["out_dir"], events[-1]["last_step"])
    assert asked["human_kl"] == 0.05
    assert steps(values["out_dir"])[-1]["kl"] >= 0.05
    assert events[-1]["last_step"] < 60


def test_a_gold_judge_chooses_what_is_kept(engine, values: dict[str, Any]) -> None:
    with serving_truth() as gold:
        values |= {"gold_url": gold, "gold_model": "truth", "learning_rate": 0.05, "early_stop": False}
        status, events = engine.run("policy", "optimise", values)
    assert status == 0
    gains = {step: evaluation(values["out_dir"], step)["gold_gain"] for step in (0, 3, 6)}
    assert gains[0] == 0
    assert events[-1]["best_step"] == max(gains, key=lambda step: (gains[step], -step))
    assert events[-1]["model"] == (
        values["policy"]
        if events[-1]["best_step"] == 0
        else str(Path(values["out_dir"]) / "evaluations" / f"{events[-1]['best_step']:05d}" / "model")
    )


def test_two_models_are_one_reward(engine, values: dict[str, Any], trained_model: Path, tmp_path: Path) -> None:
    """As the scorer combines them. Here it is the same model twice: its reward in units of its spread."""
    with serving(tmp_path, ("helpfulness", 1, trained_model), ("quality", 2, trained_model)) as two:
        values |= {"scorer_url": two.url, "reward_model": "helpfulness@1+quality@2", "n_steps": 3}
        status, _ = engine.run("policy", "optimise", values)
        assert status == 0
        lines = (Path(values["out_dir"]) / "evaluations" / "00003" / "samples.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        one, both = (Judge(two.url, name) for name in ("helpfulness", values["reward_model"]))
        found = one.judge([row["messages"] for row in rows], [row["completion"] for row in rows])
    assert (both.mean, both.std) == (0, 1)
    expected = (found.rewards - one.mean) / one.std
    assert [row["reward"] for row in rows] == pytest.approx(expected.tolist(), abs=1e-3)
    assert {row["uncertainty"] for row in rows} == {None}


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"reward_model": "nobody"}, "model_not_served", "it serves: helpfulness@1"),
        ({"prompts_per_step": 41}, "too_few_prompts", "fewer than one batch of 41"),
        ({"kl_target": 1.0, "beta": 0.0}, "bad_config", "kl_target"),
        ({"stop_rule": {"confidence": 2.0}}, "bad_config", "stop_rule"),
        ({"ensemble": "worst"}, "bad_config", "no members"),
        ({"human_kls": [3.0, 1.0]}, "bad_config", "human_kls"),
    ],
)
def test_what_cannot_be_is_said(values: dict[str, Any], change: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(EngineError, match=words) as error:
        optimise(config_from_dict(OptimiseConfig, {**values, **change}), Reporter(io.StringIO()), StopFlag())
    assert error.value.code == code
