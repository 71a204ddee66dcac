from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.engine.common.chat import ChatEncoder
from training.engine.common.cli import StopFlag
from training.engine.common.config import config_from_dict
from training.engine.common.errors import EngineError, StopRequested
from training.engine.common.progress import Reporter
from training.engine.common.rows import read_rows
from training.engine.lm.base import TrainBaseConfig, train_base
from training.engine.lm.packing import pack_whole
from training.engine.lm.sft import SftConfig, load_causal, sft, sft_rows
from training.engine.lm.trainer import mean_token_loss

ROWS = [
    {"messages": [{"role": "user", "content": f"Say {word}"}], "completion": f"The word is {word}, and that is all."}
    for word in ("red", "green", "blue", "cyan", "pink", "grey", "gold", "teal")
]


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    path = tmp_path / "sft.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def _sft_config(base: Path, data: Path, out: Path, **changes: Any) -> SftConfig:
    values = {"max_tokens": 6_400, "epochs": 100, "context_length": 128, "rows_per_step": 2, "precision": "fp32"}
    values |= {"n_threads": 1}
    return config_from_dict(
        SftConfig, {"base_model": str(base), "data": str(data), "out_dir": str(out), **values, **changes}
    )


def _quiet() -> Reporter:
    return Reporter(io.StringIO())


class StopAfter(StopFlag):
    """A stop request that arrives when the loop has looked at it a number of times."""

    def __init__(self, looks: int) -> None:
        self._left = looks

    @property
    def is_set(self) -> bool:  # type: ignore[override]
        self._left -= 1
        return self._left < 0


def test_the_base_model_loads_with_transformers_and_has_learnt_the_language(tiny_base: Path) -> None:
    """Better than the best model that ignores context: its held-out loss is below the entropy of token frequencies."""
    model = AutoModelForCausalLM.from_pretrained(tiny_base)
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    result = json.loads((tiny_base.parent / "result.json").read_text())
    assert model.config.vocab_size == len(tokenizer) == result["vocab_size"]
    corpus = tiny_base.parent.parent / "corpus.jsonl"
    encoder = ChatEncoder(tokenizer, 256)
    ids = [i for row in read_rows(corpus) for i in encoder.conversation_ids(row["messages"])]
    share = np.bincount(ids, minlength=len(tokenizer)) / len(ids)
    unigram_entropy = -float(np.sum(share[share > 0] * np.log(share[share > 0])))
    assert result["heldout_loss"] < unigram_entropy - 0.1


def test_the_same_corpus_and_seed_give_the_same_weights(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps({"text": f"number {i} of many words"}) + "\n" for i in range(60)))

    def weights(name: str, seed: int) -> dict[str, torch.Tensor]:
        values = {"vocab_size": 300, "hidden_size": 16, "intermediate_size": 16, "n_layers": 1, "n_heads": 1}
        config = config_from_dict(
            TrainBaseConfig,
            {
                "corpus": str(corpus),
                "out_dir": str(tmp_path / name),
                "context_length": 32,
                "max_tokens": 640,
                "seed": seed,
                "n_threads": 1,
                **values,
            },
        )
        return load_file(Path(train_base(config, _quiet(), StopFlag())["model"]) / "model.safetensors")

    first, second, other = weights("a", 0), weights("b", 0), weights("c", 1)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_sft_takes_loss_on_completion_tokens_only(tiny_base: Path, examples: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    encoder = ChatEncoder(tokenizer, 128)
    rows, n_examples, n_truncated = sft_rows(str(examples), encoder, tokenizer.pad_token_id)
    assert (n_examples, n_truncated) == (8, 0)
    predicted = rows.input_ids[rows.has_loss]
    texts = str(tokenizer.decode(predicted)).split("<|end|>")
    assert sorted(texts[:-1]) == sorted(str(row["completion"]) for row in ROWS)
    assert texts[-1] == ""


def test_sft_learns_the_completions(tiny_base: Path, examples: Path, tmp_path: Path) -> None:
    config = _sft_config(tiny_base, examples, tmp_path / "run", learning_rate=3e-3, max_tokens=12_800)
    result = sft(config, _quiet(), StopFlag())
    messages, completion = [{"role": "user", "content": "Say white"}], "The word is white, and that is all."
    losses = {}
    for name, path in (("before", tiny_base), ("after", Path(result["model"]))):
        model, tokenizer = load_causal(str(path))
        encoded = ChatEncoder(tokenizer, 128).encode(messages, completion)
        rows = pack_whole([(encoded.input_ids, len(encoded.prompt_ids))], 128, 0)
        losses[name] = mean_token_loss(model, rows, device="cpu", precision="fp32")
    assert losses["after"] < losses["before"] - 1


def test_a_stopped_sft_resumes_to_the_same_weights(tiny_base: Path, examples: Path, tmp_path: Path) -> None:
    whole = sft(_sft_config(tiny_base, examples, tmp_path / "whole"), _quiet(), StopFlag())
    config = _sft_config(tiny_base, examples, tmp_path / "stopped")
    with pytest.raises(StopRequested):
        sft(config, _quiet(), StopAfter(7))
    assert not (tmp_path / "stopped" / "model").exists()
    resumed = sft(config, _quiet(), StopFlag())
    expected = load_file(Path(whole["model"]) / "model.safetensors")
    actual = load_file(Path(resumed["model"]) / "model.safetensors")
    assert expected.keys() == actual.keys()
    assert all(torch.equal(expected[name], actual[name]) for name in expected)
    assert not (tmp_path / "stopped" / "checkpoints").exists()


def test_a_diverging_sft_stops_with_its_reason(tiny_base: Path, examples: Path, tmp_path: Path) -> None:
    config = _sft_config(tiny_base, examples, tmp_path / "run", learning_rate=1e30)
    with pytest.raises(EngineError, match="lower learning_rate") as caught:
        sft(config, _quiet(), StopFlag())
    assert caught.value.code == "diverged"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"messages": []}', "non-empty list"),
        ('{"messages": [{"role": "user"}]}', '"role" and "content"'),
        ('{"messages": [{"role": "user", "content": "x"}]}', '"completion" must be text'),
        ("{", "line 1 is not valid JSON"),
    ],
)
def test_it_names_the_row_that_is_wrong(line: str, words: str, tiny_base: Path, tmp_path: Path) -> None:
    data = tmp_path / "bad.jsonl"
    data.write_text(line + "\n")
    with pytest.raises(EngineError, match=words) as caught:
        sft(_sft_config(tiny_base, data, tmp_path / "run"), _quiet(), StopFlag())
    assert caught.value.code == "bad_input"


def test_heldout_rows_are_measured_before_and_after(tiny_base: Path, examples: Path, tmp_path: Path) -> None:
    heldout = tmp_path / "heldout.jsonl"
    row = {"messages": [{"role": "user", "content": "Say white"}], "completion": "The word is white, and that is all."}
    heldout.write_text(json.dumps(row) + "\n")
    config = _sft_config(tiny_base, examples, tmp_path / "run", learning_rate=3e-3, heldout=str(heldout))
    result = sft(config, _quiet(), StopFlag())
    assert result["n_heldout"] == 1
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    rows, _, _ = sft_rows(str(heldout), ChatEncoder(tokenizer, 128), tokenizer.pad_token_id)
    for name, path in (("heldout_before", tiny_base), ("heldout_after", Path(result["model"]))):
        loss = mean_token_loss(load_causal(str(path))[0], rows, device="cpu", precision="fp32")
        assert result[name] == pytest.approx(loss, abs=1e-5)
    assert result["heldout_after"] < result["heldout_before"] - 1


def test_a_stopped_sft_measures_the_model_as_it_came(tiny_base: Path, examples: Path, tmp_path: Path) -> None:
    whole = sft(_sft_config(tiny_base, examples, tmp_path / "whole", heldout=str(examples)), _quiet(), StopFlag())
    config = _sft_config(tiny_base, examples, tmp_path / "stopped", heldout=str(examples))
    with pytest.raises(StopRequested):
        sft(config, _quiet(), StopAfter(7))
    resumed = sft(config, _quiet(), StopFlag())
    for name in ("heldout_before", "heldout_after"):
        assert resumed[name] == whole[name]


def test_lora_changes_linear_layers_only_and_leaves_a_plain_model(
    tiny_base: Path, examples: Path, tmp_path: Path
) -> None:
    def run(name: str, stop: StopFlag) -> dict[str, Any]:
        config = _sft_config(tiny_base, examples, tmp_path / name, lora_rank=4, learning_rate=1e-2)
        return sft(config, _quiet(), stop)

    result = run("whole", StopFlag())
    before = load_file(tiny_base / "model.safetensors")
    after = load_file(Path(result["model"]) / "model.safetensors")
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(name.endswith("_proj.weight") for name in changed)
    assert result["last_loss"] < result["first_loss"]
    with pytest.raises(StopRequested):
        run("stopped", StopAfter(7))
    resumed = load_file(Path(run("stopped", StopFlag())["model"]) / "model.safetensors")
    assert all(torch.equal(after[name], resumed[name]) for name in after)


def test_rows_are_as_long_as_the_model_reads(tiny_base: Path, examples: Path, tmp_path: Path) -> None:
    most = AutoModelForCausalLM.from_pretrained(tiny_base).config.max_position_embeddings
    out = io.StringIO()
    config = _sft_config(tiny_base, examples, tmp_path / "run", context_length=4 * most, epochs=1)
    result = sft(config, Reporter(out), StopFlag())
    assert result["n_tokens"] == result["n_steps"] * 2 * most
    assert f"reads {most} tokens" in out.getvalue()


def test_a_row_that_the_template_does_not_take_is_named(tiny_base: Path, tmp_path: Path) -> None:
    model, tokenizer = load_causal(str(tiny_base))
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        + (tokenizer.chat_template or "")
    )
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    data = tmp_path / "system.jsonl"
    bad = {"id": "comparison 7", "messages": [{"role": "system", "content": "Be kind."}], "completion": "Yes."}
    data.write_text("".join(json.dumps(row) + "\n" for row in (ROWS[0], bad)))
    with pytest.raises(EngineError, match=r"row 2 \(comparison 7\).*no system role") as caught:
        sft(_sft_config(tmp_path / "base", data, tmp_path / "run"), _quiet(), StopFlag())
    assert caught.value.code == "bad_input"
