"""Files for engine tests: real ratings as comparison sets, a tiny base model, and engine commands as processes."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import training.engine  # noqa: F401 - first, since it says how torch's threads wait
from tests.real_data import real_data

import torch  # isort: skip

REPOSITORY = Path(__file__).resolve().parents[2]

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
COMPARISON_SCHEMA = pa.schema(
    [
        ("prompt", MESSAGES),
        ("chosen", MESSAGES),
        ("rejected", MESSAGES),
        ("margin", pa.float32()),
        ("weight", pa.float32()),
        ("soft_preference", pa.float32()),
        ("intensity", pa.float32()),
        ("agreement", pa.float32()),
        ("n_ratings", pa.int32()),
        ("axis", pa.string()),
        ("chosen_source", pa.string()),
        ("rejected_source", pa.string()),
        ("chosen_chars", pa.int32()),
        ("rejected_chars", pa.int32()),
        ("chosen_is_a", pa.bool_()),
        ("comparison_id", pa.int64()),
        ("prompt_digest", pa.string()),
        ("split", pa.string()),
        ("rating_ids", pa.list_(pa.int64())),
        ("guideline_versions", pa.list_(pa.int32())),
    ]
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # the models here are tiny; a second thread only waits


def real_comparisons(name: str) -> list[dict[str, Any]]:
    """Comparisons of one of the real data sets."""
    with gzip.open(real_data(f"{name}.jsonl.gz"), "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def comparison_row(comparison: dict[str, Any], number: int) -> dict[str, Any]:
    """A row of a comparison set from one real comparison: majority as chosen, the share of votes as soft preference."""
    votes = [rating["preferred"] for rating in comparison["ratings"]]
    for_a = sum(1.0 if vote == 0 else 0.5 if vote is None else 0.0 for vote in votes) / len(votes)
    is_a = for_a >= 0.5
    a, b = comparison["completions"]
    chosen, rejected = (a, b) if is_a else (b, a)
    return {
        "prompt": comparison["prompt"],
        "chosen": [{"role": "assistant", "content": chosen["text"]}],
        "rejected": [{"role": "assistant", "content": rejected["text"]}],
        "margin": 0.0,
        "weight": 1.0,
        "soft_preference": max(for_a, 1 - for_a),
        "intensity": None,
        "agreement": max(votes.count(vote) for vote in set(votes)) / len(votes),
        "n_ratings": len(votes),
        "axis": "overall",
        "chosen_source": chosen["source"],
        "rejected_source": rejected["source"],
        "chosen_chars": len(chosen["text"]),
        "rejected_chars": len(rejected["text"]),
        "chosen_is_a": is_a,
        "comparison_id": number,
        "prompt_digest": hashlib.sha256(json.dumps(comparison["prompt"]).encode()).hexdigest(),
        "split": None,
        "rating_ids": [],
        "guideline_versions": [],
    }


def split_of(prompt_digest: str) -> str:
    """80/10/10 by prompt digest."""
    tenth = int(prompt_digest[:8], 16) % 10
    return "test" if tenth == 0 else "validation" if tenth == 1 else "train"


def write_comparison_set(directory: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write rows as a comparison set directory; rows without a split get theirs from the prompt digest."""
    directory.mkdir(parents=True, exist_ok=True)
    parts: dict[str, list[dict[str, Any]]] = {"train": [], "validation": [], "test": []}
    for row in rows:
        split = row["split"] or split_of(row["prompt_digest"])
        parts[split].append({**row, "split": split})
    shards = []
    for split, members in parts.items():
        if not members:
            continue
        path = directory / f"{split}-00000.parquet"
        pq.write_table(pa.Table.from_pylist(members, schema=COMPARISON_SCHEMA), path, compression="zstd")
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        shards.append({"path": path.name, "split": split, "rows": len(members), "sha256": sha256})
    digest = hashlib.sha256("".join(str(shard["sha256"]) for shard in shards).encode()).hexdigest()
    manifest = {
        "format": "touchstone.comparison_set/1",
        "project": "real",
        "axis": "overall",
        "spec": {},
        "counts": {split: len(members) for split, members in parts.items()},
        "shards": shards,
        "code_version": "test",
        "digest": digest,
    }
    (directory / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return directory


@pytest.fixture(scope="session")
def real_set(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A comparison set made from the real ratings of one data set, ties at ½ left out unless asked for."""

    def make(name: str, *, limit: int | None = None, ties: bool = False) -> Path:
        rows = [comparison_row(one, number) for number, one in enumerate(real_comparisons(name)[:limit])]
        rows = [row for row in rows if ties or row["soft_preference"] != 0.5]
        return write_comparison_set(tmp_path_factory.mktemp(f"set-{name}"), rows)

    return make


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model of 0.2M parameters trained for a few seconds on real text by `train-base` itself."""
    from training.engine.common.cli import StopFlag
    from training.engine.common.progress import Reporter
    from training.engine.lm.base import TrainBaseConfig, train_base

    root = tmp_path_factory.mktemp("tiny-base")
    corpus = root / "corpus.jsonl"
    with open(corpus, "w", encoding="utf-8") as file:
        for one in real_comparisons("pandalm")[:300]:
            messages = [*one["prompt"], {"role": "assistant", "content": one["completions"][0]["text"]}]
            file.write(json.dumps({"messages": messages}) + "\n")
    config = TrainBaseConfig(
        corpus=str(corpus),
        out_dir=str(root / "run"),
        vocab_size=600,
        hidden_size=64,
        intermediate_size=128,
        n_layers=2,
        n_heads=2,
        context_length=256,
        max_tokens=100_000,
        epochs=4.0,
        rows_per_step=2,
        learning_rate=6e-3,
        precision="fp32",
        n_threads=1,
    )
    with open(os.devnull, "w", encoding="utf-8") as quiet:
        result = train_base(config, Reporter(quiet), StopFlag())
    return Path(result["model"])


class EngineProcess:
    """Starts engine commands as the workers do and reads their JSON lines."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._n_configs = 0

    def command(self, part: str, verb: str, config: dict[str, Any]) -> list[str]:
        """The command line of a verb, its config written to a file of its own."""
        self._n_configs += 1
        path = self.directory / f"{verb}-{self._n_configs}.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        return [sys.executable, "-m", f"training.engine.{part}", verb, "--config", str(path)]

    def start(self, part: str, verb: str, config: dict[str, Any]) -> subprocess.Popen[str]:
        """The verb as a running process with its events on stdout."""
        return subprocess.Popen(
            self.command(part, verb, config),
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, part: str, verb: str, config: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
        """Exit status and events of the verb run to its end."""
        done = subprocess.run(
            self.command(part, verb, config), cwd=REPOSITORY, capture_output=True, text=True, timeout=240, check=False
        )
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def engine(tmp_path: Path) -> EngineProcess:
    """Engine commands with their config files in this test's directory."""
    return EngineProcess(tmp_path)


@pytest.fixture(scope="session")
def trained_model(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, real_set: Callable[..., Path]) -> Path:
    """Directory of a reward model trained on 150 real comparisons."""
    from training.engine.common.cli import StopFlag
    from training.engine.common.progress import Reporter
    from training.engine.reward.trainer import RewardTrainConfig, train

    config = RewardTrainConfig(
        base_model=str(tiny_base),
        comparison_set=str(real_set("pandalm", limit=150)),
        out_dir=str(tmp_path_factory.mktemp("trained") / "run"),
        max_length=128,
        batch_size=16,
        epochs=1,
        n_threads=1,
        version=1,
    )
    with open(os.devnull, "w", encoding="utf-8") as quiet:
        return Path(train(config, Reporter(quiet), StopFlag())["model"])
