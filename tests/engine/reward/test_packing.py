"""Packed texts against the plain padded computation: features, rewards and gradients, in float32."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Qwen3Config,
)

from training.engine.common.chat import Encoded
from training.engine.reward import packing as packing_module
from training.engine.reward.packing import (
    Pack,
    can_pack,
    lay_out,
    pack,
    packed_features,
    packing,
    pad_right,
    padded_features,
)

SHARED: dict[str, Any] = {
    "vocab_size": 120,
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
}
FEW = {"bos_token_id": None, "eos_token_id": None}
DECODERS = {
    "rotary": LlamaConfig(**SHARED, **FEW, num_key_value_heads=4),
    "rotary, grouped queries": Qwen3Config(**SHARED, **FEW, num_key_value_heads=2, head_dim=16),
    "rotary on a part": GPTNeoXConfig(**SHARED, **FEW, hidden_dropout=0.0, attention_dropout=0.0),
    "learned positions": GPT2Config(
        vocab_size=120,
        n_embd=48,
        n_layer=3,
        n_head=4,
        n_positions=512,
        pad_token_id=0,
        resid_pdrop=0.0,
        attn_pdrop=0.0,
        embd_pdrop=0.0,
        **FEW,
    ),
}


def _model(config: Any) -> Any:
    torch.manual_seed(3)
    config.num_labels = 1
    return AutoModelForSequenceClassification.from_config(config).float()


def _ids(n: int, generator: torch.Generator) -> list[int]:
    return torch.randint(1, 120, (n,), generator=generator).tolist()


def _texts() -> list[Encoded]:
    """Shared prompts, one without a prompt, one of a single completion, a text that comes twice, long and short."""
    generator = torch.Generator().manual_seed(1)
    sizes = [(30, (10, 7)), (5, (20, 33)), (0, (12, 9)), (40, (1, 2, 3)), (300, (40, 90)), (61, (8,))]
    texts = []
    for n_prompt, completions in sizes:
        prompt = _ids(n_prompt, generator)
        texts += [Encoded(prompt, _ids(n, generator), False) for n in completions]
    return [*texts, texts[0]]


def _gradients(model: nn.Module, rewards: torch.Tensor, weights: torch.Tensor) -> dict[str, torch.Tensor]:
    (rewards * weights).sum().backward()
    found = {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}
    model.zero_grad()
    return found


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("checkpointing", [False, True], ids=["", "gradient checkpointing"])
def test_features_and_gradients_are_those_of_padded_texts(name: str, checkpointing: bool) -> None:
    model = _model(DECODERS[name]).train()
    if checkpointing:
        model.activation_checkpointing_enable()
    texts = _texts()
    weights = torch.randn(len(texts), generator=torch.Generator().manual_seed(2))
    padded = lay_out(texts, pad_id=0, is_padded=True, dtype=torch.float32)
    plain = padded_features(model, padded)
    expected = _gradients(model, model.score(plain).squeeze(-1), weights)
    with packing(model):
        features = packed_features(model, pack(texts))
        actual = _gradients(model, model.score(features).squeeze(-1), weights)
    torch.testing.assert_close(features, plain, rtol=1e-4, atol=1e-5)
    assert actual.keys() == expected.keys()
    for parameter, gradient in expected.items():
        error = float((actual[parameter] - gradient).norm() / gradient.norm().clamp_min(1e-12))
        assert error < 1e-4, f"{parameter}: {error}"


def test_many_completions_of_a_prompt_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen rows at most in a block: the prompt's keys are read by several, whose gradients add up."""
    monkeypatch.setattr(packing_module, "MOST_ROWS", 16)
    model = _model(DECODERS["rotary, grouped queries"]).train()
    texts = _texts()
    weights = torch.randn(len(texts), generator=torch.Generator().manual_seed(2))
    plain = padded_features(model, lay_out(texts, pad_id=0, is_padded=True, dtype=torch.float32))
    expected = _gradients(model, model.score(plain).squeeze(-1), weights)
    laid_out = pack(texts)
    assert len(laid_out.blocks) > len(pack(texts[:2]).blocks) + 1
    with packing(model):
        features = packed_features(model, laid_out)
        actual = _gradients(model, model.score(features).squeeze(-1), weights)
    torch.testing.assert_close(features, plain, rtol=1e-4, atol=1e-5)
    for parameter, gradient in expected.items():
        error = float((actual[parameter] - gradient).norm() / gradient.norm().clamp_min(1e-12))
        assert error < 1e-4, f"{parameter}: {error}"


def test_the_packed_gradient_is_that_of_finite_differences() -> None:
    """In float64, along random directions: (f(w + h d) − f(w − h d)) / 2h against the gradient's product with d."""
    model = _model(DECODERS["learned positions"]).double()  # the others' norms compute in float32 whatever comes in
    texts = _texts()
    laid_out = pack(texts, torch.float64)

    def loss() -> torch.Tensor:
        with packing(model):
            return torch.nn.functional.softplus(model.score(packed_features(model, laid_out)).squeeze(-1)).sum()

    loss().backward()
    parameters = [one for one in model.parameters() if one.grad is not None]
    generator = torch.Generator().manual_seed(4)
    for _ in range(3):
        directions = [torch.randn(one.shape, generator=generator, dtype=torch.float64) for one in parameters]
        along = sum(float((one.grad * d).sum()) for one, d in zip(parameters, directions, strict=True))
        values = []
        for h in (1e-5, -1e-5):
            with torch.no_grad():
                for one, d in zip(parameters, directions, strict=True):
                    one += h * d
                values.append(float(loss()))
                for one, d in zip(parameters, directions, strict=True):
                    one -= h * d
        assert (values[0] - values[1]) / 2e-5 == pytest.approx(along, rel=1e-5)


def test_what_else_is_in_the_pack_changes_nothing() -> None:
    model = _model(DECODERS["rotary"]).eval()
    texts = _texts()
    with torch.no_grad(), packing(model):
        together = packed_features(model, pack(texts))
        alone = torch.cat([packed_features(model, pack([text])) for text in texts])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_a_shared_prompt_and_a_repeated_text_are_laid_out_once() -> None:
    prompt, first, second = [1, 2, 3], [4, 5], [6]
    laid_out = pack([Encoded(prompt, first, False), Encoded(prompt, second, False), Encoded(prompt, first, False)])
    assert laid_out.input_ids.tolist() == [[1, 2, 3, 4, 5, 6] + [0] * 26]
    assert laid_out.position_ids.tolist() == [[0, 1, 2, 3, 4, 3] + [0] * 26]
    assert laid_out.finals.tolist() == [4, 5]
    assert laid_out.texts.tolist() == [0, 1, 0]


def test_the_number_of_tokens_is_one_of_few() -> None:
    laid_out = pack([Encoded([1] * 200, [2] * 100, False)])
    assert (laid_out.n_tokens, laid_out.n_idle) == (320, 20)
    assert pack([Encoded([1] * 20, [2] * 20, False)]).n_tokens == 64
    lengths = {pack([Encoded([], [1] * n, False)]).n_tokens for n in range(2048, 4096)}
    assert len(lengths) <= 17
    assert isinstance(laid_out.to("cpu"), Pack)


def test_several_threads_score_at_once_and_each_its_own_pack() -> None:
    model = _model(DECODERS["rotary"]).eval()
    before = model.config._attn_implementation
    random = torch.Generator().manual_seed(3)
    batches = [
        [Encoded(_ids(n + 3, random), _ids(n + 5, random), False) for n in range(nth % 7 + 1)] for nth in range(120)
    ]

    @torch.no_grad()
    def score(texts: list[Encoded]) -> torch.Tensor:
        with packing(model):
            return packed_features(model, pack(texts))

    alone = [score(texts) for texts in batches]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(score, batches))
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    assert model.config._attn_implementation == before
    assert not model.base_model.layers[-1].mlp._forward_hooks


def test_padded_forward_passes_work_as_before_within_and_after_packing() -> None:
    model = _model(DECODERS["rotary"]).eval()
    input_ids, attention_mask = pad_right([text.input_ids for text in _texts()], 0)
    with torch.no_grad():
        before = model(input_ids=input_ids, attention_mask=attention_mask).logits
        with packing(model):
            within = model(input_ids=input_ids, attention_mask=attention_mask).logits
            packed_features(model, pack(_texts()))
        after = model(input_ids=input_ids, attention_mask=attention_mask).logits
    torch.testing.assert_close(within, before)
    torch.testing.assert_close(after, before)


@pytest.mark.parametrize("name", DECODERS)
def test_it_finds_out_that_a_decoder_can_be_packed(name: str) -> None:
    assert can_pack(_model(DECODERS[name]))


def test_it_finds_out_that_others_cannot() -> None:
    """An encoder, a decoder with a window, one with dropout, and one whose attention looks ahead."""
    assert not can_pack(_model(BertConfig(**SHARED)))
    assert not can_pack(_model(MistralConfig(**SHARED, **FEW, num_key_value_heads=2, sliding_window=16)))
    assert not can_pack(_model(LlamaConfig(**SHARED, **FEW, attention_dropout=0.1)))
    ahead: Any = LlamaConfig(**SHARED, **FEW)
    ahead.is_causal = False
    assert not can_pack(_model(ahead))
