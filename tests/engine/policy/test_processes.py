"""Several processes that train one policy: the same batch, files and decisions as one process makes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from tests.engine.conftest import REPOSITORY
from tests.engine.policy.test_optimise import assert_alike, evaluation, prompts, scorer, steps  # noqa: F401 - fixtures
from training.demo.gold import serving_truth
from training.engine.common.config import config_from_dict
from training.engine.common.errors import ConfigError
from training.engine.common.launch import launch_command, n_processes_for
from training.engine.policy.config import OptimiseConfig

pytestmark = pytest.mark.timeout(300)

RECORDED = "tests.engine.policy.recorded"


@pytest.fixture(scope="module")
def values(tiny_base: Path, scorer, prompts: tuple[Path, Path]) -> dict[str, Any]:  # noqa: F811
    return {
        "policy": str(tiny_base),
        "prompts": str(prompts[0]),
        "probe": str(prompts[1]),
        "scorer_url": scorer.url,
        "reward_model": "helpfulness",
        "n_steps": 4,
        "prompts_per_step": 4,
        "completions_per_prompt": 2,
        "max_new_tokens": 12,
        "max_prompt_tokens": 120,
        "learning_rate": 3e-3,
        "kl_target": 0.5,
        "kl_horizon": 50.0,
        "shaping": "sigmoid",
        "evaluate_every": 2,
        "checkpoint_steps": 1,
        "n_threads": 1,
        "device": "cpu",
    }


def start(module: str, n: int, values: dict[str, Any], out: Path) -> subprocess.Popen[str]:
    config = out.with_suffix(".json")
    config.write_text(json.dumps({**values, "out_dir": str(out)}))
    return subprocess.Popen(
        launch_command(module, ["optimise", "--config", str(config)], n),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "RECORDS": str(out.with_suffix(".records"))},
        start_new_session=True,
    )


def finished(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Its events, all that it says: one process tells."""
    told = process.communicate(timeout=240)[0]
    return [json.loads(line) for line in told.splitlines()]


def records(out: Path) -> list[dict[str, Any]]:
    return [torch.load(path) for path in sorted(out.with_suffix(".records").glob("*.pt"))]


def names(out: Path) -> list[str]:
    return sorted(str(path.relative_to(out)) for path in out.rglob("*"))


@pytest.fixture(scope="module")
def alone(values: dict[str, Any], tmp_path_factory) -> Path:
    """A run by one process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    assert finished(start(RECORDED, 1, values, out))[-1]["event"] == "result"
    return out


@pytest.fixture(scope="module")
def together(values: dict[str, Any], tmp_path_factory) -> Path:
    """The same by two."""
    out = tmp_path_factory.mktemp("together") / "run"
    events = finished(start(RECORDED, 2, values, out))
    assert [event["event"] for event in events].count("result") == 1
    assert [event["step"] for event in events if event["event"] == "evaluation"] == [0, 2, 4]
    return out


def test_two_processes_share_one_batch(values: dict[str, Any], alone: Path, together: Path) -> None:
    (one,), both = records(alone), records(together)
    assert len(both) == 2
    for batch, *parts in zip(one["batches"], both[0]["batches"], both[1]["batches"], strict=True):
        assert [len(ids) for ids, _ in parts] == [4, 4]
        assert parts[0][0] + parts[1][0] == batch[0]
    # What is written down of a step is of both parts.
    rows = steps(str(together))
    for row, *parts in zip(rows, both[0]["batches"], both[1]["batches"], strict=True):
        rewards = parts[0][1] + parts[1][1]
        assert row["reward"] == pytest.approx(sum(rewards) / 8, abs=1e-5)
    assert len({row["beta"] for row in rows}) > 1
    assert names(together) == names(alone)


def test_all_end_with_the_same_weights(values: dict[str, Any], together: Path) -> None:
    first, second = (one["weights"] for one in records(together))
    kept = load_file(together / "evaluations" / "00004" / "model" / "model.safetensors")
    before = load_file(Path(values["policy"]) / "model.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(torch.equal(first[name], kept[name]) for name in kept)
    assert any(not torch.equal(before[name], kept[name]) for name in kept)


def test_an_evaluation_is_shared_out_and_put_together_again(alone: Path, together: Path) -> None:
    """Before the first update both write the same."""
    one, two = (
        [json.loads(line) for line in (out / "evaluations" / "00000" / "samples.jsonl").read_text().splitlines()]
        for out in (alone, together)
    )
    assert [row["completion"] for row in one] == [row["completion"] for row in two]
    assert [row["prompt_id"] for row in one] == [row["prompt_id"] for row in two]
    expected = evaluation(str(alone), 0)
    del expected["exploits"]
    found = evaluation(str(together), 0)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-5)
    assert evaluation(str(together), 4)["kl"] > 0.001


def _trainers(launcher: subprocess.Popen[str]) -> list[psutil.Process]:
    return [one for one in psutil.Process(launcher.pid).children(recursive=True) if "optimise" in one.cmdline()]


def test_a_killed_group_leaves_nobody_behind_and_goes_on_to_the_same_policy(
    values: dict[str, Any], together: Path, tmp_path: Path
) -> None:
    process = start(RECORDED, 2, values, tmp_path / "run")
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "evaluation" and event["step"] == 2:
            break
    trainers = _trainers(process)
    assert len(trainers) == 2
    os.killpg(process.pid, signal.SIGKILL)  # trainers have groups of their own
    process.stdout.close()
    process.wait(timeout=30)
    assert not psutil.wait_procs(trainers, timeout=10)[1]
    events = finished(start(RECORDED, 2, values, tmp_path / "run"))
    assert any(event.get("message", "").startswith("resumed at step") for event in events)
    assert_alike(values["policy"], str(tmp_path / "run"), str(together))


@pytest.fixture
def gold() -> Iterator[str]:
    with serving_truth() as url:
        yield url


def test_a_stop_signal_and_the_stop_rule_end_all(values: dict[str, Any], gold: str, tmp_path: Path) -> None:
    """Stopped by SIGTERM with a checkpoint, then, gone on, by the rule: gold falls where a policy is spoilt."""
    out = tmp_path / "run"
    rule = {"confidence": 0.01, "patience": 0, "least": 2}
    changes = {"gold_url": gold, "gold_model": "truth", "learning_rate": 0.05, "stop_rule": rule}
    values = {**values, **changes, "n_steps": 200, "evaluate_every": 3, "checkpoint_steps": 100}
    process = start("training.engine.policy", 2, values, out)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "progress":
            break
    trainers = _trainers(process)
    process.terminate()
    told = [json.loads(line)["event"] for line in process.stdout]
    assert process.wait(timeout=60) != 0
    assert set(told) <= {"progress", "log", "evaluation"}
    assert not psutil.wait_procs(trainers, timeout=10)[1]
    reached = steps(str(out))[-1]["step"]
    events = finished(start("training.engine.policy", 2, values, out))
    assert any(event.get("message", "").startswith(f"resumed at step {reached} ") for event in events)
    result = events[-1]
    assert (result["event"], result["stop_reason"]) == ("result", "gold_fell")
    assert result["last_step"] == steps(str(out))[-1]["step"] < 200


def test_what_one_process_cannot_do_ends_all(tmp_path: Path) -> None:
    """An error of the second is the first one's too, at once: nobody waits for one that is gone."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os\n"
        "from training.engine.common.distributed import Peers\n"
        "from training.engine.common.errors import EngineError\n"
        "peers = Peers.join('cpu')\n"
        "def work():\n"
        "    if peers.rank == 1:\n"
        "        raise EngineError('scorer_unavailable', 'it is away')\n"
        "try:\n"
        "    peers.each(work)\n"
        "except EngineError as error:\n"
        # In one piece: two processes share the pipe.
        "    os.write(1, f'{peers.rank} {error.code} {error.message}\\n'.encode())\n"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(program)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert sorted(done.stdout.splitlines()) == [f"{rank} scorer_unavailable it is away" for rank in (0, 1)]
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("change", "n", "words"),
    [
        ({"prompts_per_step": 3, "completions_per_prompt": 3}, 2, "3 × 3 = 9 .* evenly among 2"),
        ({"micro_batch_size": 8}, 2, "micro_batch_size: must divide the 4"),
    ],
)
def test_a_batch_that_cannot_be_shared_out_is_refused(
    values: dict[str, Any], change: dict[str, Any], n: int, words: str
) -> None:
    config = config_from_dict(OptimiseConfig, {**values, **change, "out_dir": "run"})
    assert config.n_completions_of(1) == config.n_completions
    with pytest.raises(ConfigError, match=words):
        config.n_completions_of(n)


def test_as_many_processes_as_share_a_batch_evenly() -> None:
    assert [n_processes_for(64, n) for n in (0, 1, 2, 3, 4, 6, 8)] == [1, 1, 2, 2, 4, 4, 8]
    assert n_processes_for(6, 8) == 6
