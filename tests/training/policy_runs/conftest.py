"""Prompts on both sides of the split, a reward model in use, and evaluations as the engine writes them."""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from annotate.pool.models import Prompt
from annotate.projects.models import Project
from tests.training.ratings import make_prompt, sha256
from tests.training.reward.registered import make_model
from training.policy_runs.models import PolicyEvaluation, PolicyRun
from training.policy_runs.options import PolicyRunOptions
from training.policy_runs.running import store_evaluation
from training.policy_runs.services import start_policy_run
from training.reward.models import RewardModel, RewardModelState

N_TRAIN, N_HELD_OUT = 9, 14


def prompts_of(project: Project, side: str, n: int, first: int = 0) -> list[Prompt]:
    """n prompts that policies are trained on ("train") or not ("held out")."""
    texts = (f"Name a tree that grows in valley {number}" for number in itertools.count(first))
    fitting = (text for text in texts if (int(sha256(text)[:8], 16) % 10 < 7) == (side == "train"))
    return [make_prompt(project, text, []) for text in itertools.islice(fitting, n)]


@pytest.fixture
def registry_file() -> Iterator[Path]:
    path = Path(os.environ["VAR_DIR"]) / "artifacts" / "scorer" / "registry.json"
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def promoted(cast, registry_file) -> RewardModel:
    return make_model(cast.project, RewardModelState.PROMOTED)


@pytest.fixture
def training_side(cast) -> list[Prompt]:
    return prompts_of(cast.project, "train", N_TRAIN)


@pytest.fixture
def held_out(cast) -> list[Prompt]:
    return prompts_of(cast.project, "held out", N_HELD_OUT)


@pytest.fixture
def started(cast, promoted, training_side, held_out) -> Callable[..., PolicyRun]:
    """Start a run with the options given."""

    def start(**options: Any) -> PolicyRun:
        asked = PolicyRunOptions.parse({"reward_model": 1, "n_probe": N_HELD_OUT, "n_human": 10, **options})
        return start_policy_run(project=cast.project, options=asked, created_by=cast.researcher)

    return start


def metrics(step: int, **values: Any) -> dict[str, Any]:
    """An evaluation.json of the engine, as far as the server reads it."""
    kl = values.pop("kl", step / 10)
    return {
        "step": step,
        "kl": kl,
        "d": kl**0.5,
        "reward_gain": step / 20,
        "gold_gain": None,
        "gold_gain_se": None,
        "length": 20.0,
        "human_kl": None,
        **values,
    }


def rows(
    prompts: Sequence[Prompt], step: int, changes: dict[int, dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """A samples.jsonl: gains grow by 1 from prompt to prompt, from 0.5; `changes` by the place of a prompt."""
    return [
        {
            "prompt_id": str(prompt.pk),
            "messages": prompt.messages,
            "completion": f"An oak, said at step {step} for {prompt.pk}.",
            "reference": f"A lime for {prompt.pk}.",
            "reward": place + 0.5,
            "reference_reward": 0.0,
            "kl": 1.0,
            "n_tokens": 7,
            "reference_n_tokens": 4,
            **(changes or {}).get(place, {}),
        }
        for place, prompt in enumerate(prompts)
    ]


@pytest.fixture
def evaluated(held_out) -> Callable[..., PolicyEvaluation]:
    """Store an evaluation of a run as its job does."""

    def store(
        run: PolicyRun, step: int, changes: dict[int, dict[str, Any]] | None = None, **values: Any
    ) -> PolicyEvaluation:
        return store_evaluation(run=run, metrics=metrics(step, **values), rows=rows(held_out, step, changes))

    return store
