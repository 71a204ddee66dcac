from __future__ import annotations

import io
import json
import math
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from training.engine.common.cli import StopFlag
from training.engine.common.config import config_from_dict
from training.engine.common.errors import EngineError
from training.engine.common.progress import Reporter
from training.engine.lm.generate import GenerateConfig, generate, pick_tokens, sample, sample_seed
from training.engine.lm.sft import load_causal


@pytest.fixture(scope="module")
def causal(tiny_base: Path) -> tuple[Any, Any]:
    model, tokenizer = load_causal(str(tiny_base))
    return model.eval(), tokenizer


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        for number in range(6):
            message = {"role": "user", "content": f"Name {number} kinds of tree" + " please" * number}
            file.write(json.dumps({"id": f"p{number}", "messages": [message]}) + "\n")
    return path


def test_it_picks_by_inverse_transform_within_the_nucleus() -> None:
    """Probabilities 0.5, 0.3, 0.15, 0.05 for tokens 2, 0, 3, 1. top_p 0.7 keeps tokens 2 and 0 (mass 0.8), so u = 0.6
    falls at 0.48, in token 2, and u = 0.65 at 0.52, in token 0."""
    logits = torch.log(torch.tensor([[0.3, 0.05, 0.5, 0.15]])).repeat(4, 1)
    uniforms = torch.tensor([0.0, 0.6, 0.65, 0.999])
    token, logprob = pick_tokens(logits, uniforms, temperature=1.0, top_p=0.7)
    assert token.tolist() == [2, 2, 0, 0]
    assert logprob.tolist() == pytest.approx([math.log(0.5), math.log(0.5), math.log(0.3), math.log(0.3)])


def test_temperature_sharpens_and_zero_is_greedy() -> None:
    """At temperature ½ probabilities are squared: 0.8² / (0.8² + 0.2²) = 0.941."""
    logits = torch.log(torch.tensor([[0.2, 0.8]])).repeat(3, 1)
    uniforms = torch.tensor([0.93, 0.95, 0.95])
    assert pick_tokens(logits, uniforms, temperature=0.5, top_p=1.0)[0].tolist() == [1, 0, 0]
    assert pick_tokens(logits, uniforms, temperature=0.0, top_p=1.0)[0].tolist() == [1, 1, 1]


def test_shares_of_many_draws_are_the_probabilities() -> None:
    n = 20_000
    logits = torch.log(torch.tensor([[0.1, 0.6, 0.3]])).repeat(n, 1)
    uniforms = (torch.arange(n) + 0.5) / n
    token, _ = pick_tokens(logits, uniforms, temperature=1.0, top_p=1.0)
    shares = (torch.bincount(token, minlength=3) / n).tolist()
    assert shares == pytest.approx([0.1, 0.6, 0.3], abs=1e-3)


def test_greedy_sampling_is_transformers_greedy_search(causal: tuple[Any, Any]) -> None:
    model, tokenizer = causal
    ids = tokenizer("<|user|>\nName a tree<|end|>\n<|assistant|>\n")["input_ids"]
    (mine,) = sample(model, tokenizer, [ids], [0], temperature=0, top_p=1, max_new_tokens=12)
    theirs = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=12)[0, len(ids) :]
    assert mine.text == tokenizer.decode(theirs, skip_special_tokens=True).strip()
    assert mine.n_tokens == len(theirs)


def test_a_completion_does_not_depend_on_its_batch(causal: tuple[Any, Any]) -> None:
    model, tokenizer = causal
    prompts = [tokenizer(text)["input_ids"] for text in ("<|user|>\nHi", "<|user|>\nWrite a long story about", "Why")]
    seeds = [sample_seed(0, f"p{i}", 0) for i in range(3)]
    together = sample(model, tokenizer, prompts, seeds, temperature=1, top_p=0.9, max_new_tokens=20)
    alone = [
        sample(model, tokenizer, [prompt], [seed], temperature=1, top_p=0.9, max_new_tokens=20)[0]
        for prompt, seed in zip(prompts, seeds, strict=True)
    ]
    assert [one.text for one in together] == [one.text for one in alone]
    assert len({one.text for one in together}) == 3


def test_it_resumes_to_the_same_texts(causal: tuple[Any, Any], tiny_base: Path, prompts: Path, tmp_path: Path) -> None:
    def config(name: str) -> GenerateConfig:
        values = {
            "batch_size": 4,
            "n_per_prompt": 2,
            "max_new_tokens": 10,
            "max_prompt_tokens": 64,
            "precision": "fp32",
        }
        values |= {"n_threads": 1}
        return config_from_dict(
            GenerateConfig,
            {"model": str(tiny_base), "prompts": str(prompts), "out_dir": str(tmp_path / name), **values},
        )

    whole = generate(config("whole"), Reporter(io.StringIO()), StopFlag())
    expected = Path(whole["completions"]).read_bytes()
    rows = [json.loads(line) for line in expected.splitlines()]
    assert [(row["id"], row["sample_index"]) for row in rows] == [(f"p{i}", k) for i in range(6) for k in range(2)]
    assert all(row["finish_reason"] in ("stop", "length") for row in rows)
    broken = tmp_path / "broken"
    broken.mkdir()
    lines = expected.splitlines(keepends=True)
    (broken / "completions.jsonl.part").write_bytes(b"".join(lines[:6]) + lines[6][:20])  # killed while writing
    resumed = generate(config("broken"), Reporter(io.StringIO()), StopFlag())
    assert Path(resumed["completions"]).read_bytes() == expected


def test_it_refuses_more_tokens_than_the_window(tiny_base: Path, prompts: Path, tmp_path: Path) -> None:
    config = GenerateConfig(
        model=str(tiny_base), prompts=str(prompts), out_dir=str(tmp_path / "out"), max_new_tokens=300
    )
    with pytest.raises(EngineError, match="window of 256"):
        generate(config, Reporter(io.StringIO()), StopFlag())


def test_sigterm_stops_it_with_143_and_the_same_command_finishes(engine, tiny_base: Path, prompts: Path) -> None:
    config = {
        "model": str(tiny_base),
        "prompts": str(prompts),
        "out_dir": str(engine.directory / "out"),
        "n_per_prompt": 10,
        "batch_size": 2,
        "max_new_tokens": 40,
        "max_prompt_tokens": 64,
        "n_threads": 1,
    }
    process = engine.start("lm", "generate", config)
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert first["event"] == "progress"
    process.send_signal(signal.SIGTERM)
    rest = [json.loads(line) for line in process.stdout]
    assert process.wait(timeout=60) == 143
    assert all(event["event"] != "result" for event in rest)
    status, events = engine.run("lm", "generate", {**config})
    assert status == 0
    assert events[0]["message"].startswith("resumed after ")
    assert events[-1]["n_completions"] == 60
