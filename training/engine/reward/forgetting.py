"""What a reward model's trunk has forgotten of language: its language-modelling loss on texts it was not trained on.

A reward model that starts from the SFT model and loses its language reads what the policy writes worse. The loss is
that of the trunk with the language-modelling head of the base; where this head shares the embeddings' weights, with the
trained embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from training.engine.common.quiet import quiet_transformers

ROWS_AT_ONCE = 512


class LanguageHead:
    """The language-modelling head of a base model."""

    def __init__(self, weight: Tensor | None, bias: Tensor | None) -> None:
        self.weight = weight
        self.bias = bias

    @classmethod
    def of(cls, base_model: str) -> LanguageHead | None:
        """The head of the base in a directory or on the hub; None where it has none that is one linear layer."""
        quiet_transformers()
        try:
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                base_model, dtype=torch.float32, output_loading_info=True
            )
        except (OSError, ValueError, KeyError, RuntimeError):
            return None
        model, info = loaded
        scaled = ("final_logit_softcapping", "logit_scale", "logits_scaling")
        if any(getattr(model.config, name, None) for name in scaled):
            return None  # its logits are more than a matrix product
        head = model.get_output_embeddings()
        if head is None or info["missing_keys"]:
            return None
        is_tied = head.weight is model.get_input_embeddings().weight
        return cls(None if is_tied else head.weight.detach(), None if head.bias is None else head.bias.detach())


@torch.no_grad()
def language_loss(
    model: nn.Module, head: LanguageHead, texts: Sequence[list[int]], *, max_tokens: int = 20_000
) -> dict[str, float] | None:
    """Mean nats a token over the first texts that make up `max_tokens`: {"loss", "n_tokens"}; None without a token."""
    trunk: Any = model.base_model
    embeddings = trunk.get_input_embeddings().weight
    weight = embeddings if head.weight is None else head.weight.to(embeddings)
    bias = None if head.bias is None else head.bias.to(embeddings)
    was_training = model.training
    model.eval()
    total, n = 0.0, 0
    for ids in texts:
        if len(ids) < 2 or n >= max_tokens:
            continue
        input_ids = torch.tensor([ids], device=embeddings.device)
        hidden = trunk(input_ids=input_ids, use_cache=False).last_hidden_state[0, :-1]
        for start in range(0, len(hidden), ROWS_AT_ONCE):
            logits = nn.functional.linear(hidden[start : start + ROWS_AT_ONCE], weight, bias).float()
            target = input_ids[0, start + 1 : start + 1 + len(logits)]
            total += float(nn.functional.cross_entropy(logits, target, reduction="sum"))
        n += len(ids) - 1
    model.train(was_training)
    return {"loss": total / n, "n_tokens": float(n)} if n else None
