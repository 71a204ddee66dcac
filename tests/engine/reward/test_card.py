from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCard

from training.engine.reward.card import model_card
from training.engine.reward.data import META, Comparisons
from training.engine.reward.evaluate import report_on

TOUCHSTONE: dict[str, Any] = {
    "format": "touchstone.reward_model/1",
    "project": "support",
    "axis": "helpfulness",
    "version": 3,
    "base_model": "some/base",
    "max_length": 512,
    "reward_mean": 0.25,
    "reward_std": 1.5,
    "comparison_set_digest": "abc",
    "engine_version": "1",
    "tuning": "full",
    "config": {"epochs": 3, "learning_rate": 3e-4, "noise_treatment": "none", "out_dir": "somewhere"},
    "forgetting": {"before": 2.0, "after": 2.5, "n_tokens": 10},
    "seconds": 12.5,
}


@pytest.fixture
def report() -> dict[str, Any]:
    """A hundred comparisons that a model of length gets right where the longer one is preferred."""
    n = 100
    index = np.arange(n)
    one = np.ones(n, dtype=np.float32)
    numbers = dict.fromkeys(("weight", "margin", "agreement"), one)
    numbers |= {"soft_preference": 0.8 * one, "intensity": (1 + index % 3).astype(np.float32)}
    meta = {name: [missing] * n for name, missing in META.items()}
    meta |= {
        "prompt_digest": [f"p{i}" for i in index],
        "chosen_is_a": (index % 2 == 0).tolist(),
        "chosen_chars": [100 if i % 3 else 40 for i in index],
        "rejected_chars": [50] * n,
        "language": ["en" if i % 2 else "a|b" for i in index],
        "sides": [[1, 1, 1, -1]] * n,
    }
    chosen = np.asarray(meta["chosen_chars"], dtype=np.float32) / 10
    return report_on(Comparisons([], [], numbers, meta), chosen, 5 * one, split="test")


def test_the_front_matter_is_what_the_hub_reads(report: dict[str, Any]) -> None:
    data: Any = ModelCard(model_card(TOUCHSTONE, report)).data
    assert data.base_model == "some/base"
    assert "reward-model" in data.tags
    (first, second) = data.eval_results
    assert (first.metric_type, first.metric_value) == ("accuracy", pytest.approx(0.66))
    assert second.metric_value == pytest.approx(report["log_loss"], abs=1e-4)
    assert first.dataset_revision == "abc"


def test_a_name_cannot_break_out_of_the_front_matter(report: dict[str, Any]) -> None:
    name = 'a"\n---\nlicense: mit\n# x'
    text = model_card({**TOUCHSTONE, "base_model": name, "project": name}, report)
    front = yaml.safe_load(re.split(r"^---$", text, flags=re.MULTILINE)[1])
    assert front["base_model"] == name
    assert "license" not in front


def test_it_tells_accuracy_ceiling_baselines_and_slices(report: dict[str, Any]) -> None:
    text = model_card(TOUCHSTONE, report)
    accuracy = report["accuracy"]
    assert f"| **this model** | 66.0% ({accuracy['low']:.1%} to {accuracy['high']:.1%}) | 100 |" in text
    assert "| one labeller against the rest | 75.0%" in text
    assert "| “the longer one is better” | 66.0%" in text
    assert "“the one shown first”" not in text  # not known
    assert text.count("| Intensity | accuracy | n |") == 1
    assert r"| a\|b | " in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(len(re.split(r"(?<!\\)\|", line)) in (4, 5) for line in tables)


def test_its_limits_are_what_the_figures_say(report: dict[str, Any]) -> None:
    text = model_card(TOUCHSTONE, report)
    assert "cannot be told from “the longer one is better”" in text
    assert "prefer the clearly shorter completion it is wrong more often than right" in text
    assert "from 2.00 to 2.50 nats a token" in text
    assert "coin toss." not in text
    assert "Too few" not in text
    assert f"divide its reward differences by {report['temperature']:.2f}" in text


def test_without_a_report_it_says_that_nothing_was_measured() -> None:
    text = model_card(TOUCHSTONE, {})
    assert "has not been evaluated" in text
    assert "%" not in text
    data: Any = ModelCard(text).data
    assert data.eval_results is None
    assert "reward model v0" in model_card({}, {})
