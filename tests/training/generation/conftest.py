"""Prompts to complete, and a tiny language model that does."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from annotate.jobs.context import JobContext
from annotate.projects.models import Pool
from annotate.projects.services import create_project
from tests.engine.conftest import real_comparisons
from tests.training.ratings import make_prompt, running_job
from training.generation.models import Generation
from training.generation.options import GenerationOptions
from training.generation.services import create_generation, run_generation
from training.policy.models import Checkpoint

SMALL = {"max_new_tokens": 12, "max_prompt_tokens": 100}


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model of a few thousand parameters that has seen next to nothing: its texts are all different."""
    from training.engine.common.cli import StopFlag
    from training.engine.common.progress import Reporter
    from training.engine.lm.base import TrainBaseConfig, train_base

    root = tmp_path_factory.mktemp("tiny-policy")
    texts = [one["completions"][0]["text"] for one in real_comparisons("pandalm")[:60]]
    (root / "corpus.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    config = TrainBaseConfig(
        corpus=str(root / "corpus.jsonl"),
        out_dir=str(root / "run"),
        vocab_size=400,
        hidden_size=32,
        intermediate_size=64,
        n_layers=1,
        n_heads=2,
        context_length=128,
        max_tokens=2_000,
        epochs=1.0,
        precision="fp32",
        n_threads=1,
    )
    with open(os.devnull, "w", encoding="utf-8") as quiet:
        return Path(train_base(config, Reporter(quiet), StopFlag())["model"])


@pytest.fixture
def prompts(cast):
    """Six prompts, each with two completions of its own."""
    return [
        make_prompt(cast.project, f"Name {n} kinds of tree", [f"oak number {n}", f"lime number {n}"]) for n in range(6)
    ]


@pytest.fixture
def policy(cast, tiny_base: Path) -> Checkpoint:
    return Checkpoint.objects.create(pool=cast.project.pool, name="policy-1", kind="policy", path=str(tiny_base))


@pytest.fixture
def other_pool(cast) -> Pool:
    return create_project(owner=cast.owner, name="Elsewhere").pool


@pytest.fixture
def run(cast) -> Callable[..., Generation]:
    """A generation of the mix, run to its end in a job of this process."""

    def made(*mix: dict, context: JobContext | None = None, **options) -> Generation:
        generation = create_generation(
            project=cast.project, options=GenerationOptions.parse({"mix": list(mix), **SMALL, **options})
        )
        return run_generation(generation=generation, context=context or running_job(cast.project, "generate"))

    return made
