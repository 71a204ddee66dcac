"""A language model on this machine as judge: the letters' log-probabilities from one forward pass a question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from training.engine.common.chat import ChatEncoder
from training.engine.common.errors import EngineError
from training.engine.common.optimisation import resolve_device, resolve_precision, use_threads
from training.engine.judging import asking
from training.engine.judging.judge import Answer, Asked, JudgeConfig
from training.engine.lm.generate import sample
from training.engine.lm.sft import load_causal


class LocalAsker:
    """Asks a causal language model. Raises EngineError "no_letters" where its tokenizer has no token for A and B."""

    def __init__(self, config: JudgeConfig) -> None:
        use_threads(config.n_threads)
        device = resolve_device(config.device)
        precision = resolve_precision(config.precision, device)
        self._config = config
        self._model, self._tokenizer = load_causal(config.model or "")
        self._model.to(device=device, dtype=torch.bfloat16 if precision == "bf16" else torch.float32).eval()
        window = int(getattr(self._model.config, "max_position_embeddings", config.max_prompt_tokens))
        reserve = config.max_thought_tokens if config.chain_of_thought else 0
        self._n_prompt = min(config.max_prompt_tokens, window - reserve)
        if self._n_prompt < 64:
            raise EngineError(
                "bad_config", f"the model's window of {window} tokens leaves no room beside {reserve} tokens of thought"
            )
        self._encoder = ChatEncoder(self._tokenizer, self._n_prompt)
        self._letters = [_letter_ids(self._tokenizer, letter) for letter in asking.LETTERS]
        if not all(self._letters):
            raise EngineError("no_letters", f"the tokenizer of {config.model} has no single token for A and for B")

    def ask(self, questions: Sequence[Asked]) -> list[Answer]:
        """Questions longer than the window are not asked: cut, they would ask something else."""
        thoughts: list[tuple[str, int]] = [("", 0)] * len(questions)
        if self._config.chain_of_thought:
            prompts = [self._encoder.prompt_ids(asking.thinking(asked.text)) for asked in questions]
            thoughts = self._think(prompts)
            messages = [
                asking.concluding(asked.text, thought) for asked, (thought, _) in zip(questions, thoughts, strict=True)
            ]
        else:
            messages = [asking.direct(asked.text) for asked in questions]
        prompts = [self._encoder.prompt_ids(one) for one in messages]
        fits = [at for at, ids in enumerate(prompts) if len(ids) <= self._n_prompt]
        p: dict[int, float] = {}
        # Of like length together, so that little is padded.
        fits.sort(key=lambda at: len(prompts[at]))
        for start in range(0, len(fits), self._config.batch_size):
            batch = fits[start : start + self._config.batch_size]
            p.update(zip(batch, self._p_first([prompts[at] for at in batch]), strict=True))
        return [
            Answer(p.get(at), thought, n_tokens + (len(prompts[at]) if at in p else 0))
            for at, (thought, n_tokens) in enumerate(thoughts)
        ]

    def _think(self, prompts: list[list[int]]) -> list[tuple[str, int]]:
        """The reasons and the tokens they took, prompts included; none for a prompt that does not fit."""
        found: list[tuple[str, int]] = [("", 0)] * len(prompts)
        fits = [at for at, ids in enumerate(prompts) if len(ids) <= self._n_prompt]
        for start in range(0, len(fits), self._config.batch_size):
            batch = fits[start : start + self._config.batch_size]
            sampled = sample(
                self._model,
                self._tokenizer,
                [prompts[at] for at in batch],
                [0] * len(batch),  # the likeliest token is taken: nothing is drawn
                temperature=0.0,
                top_p=1.0,
                max_new_tokens=self._config.max_thought_tokens,
            )
            for at, one in zip(batch, sampled, strict=True):
                found[at] = (one.text, len(prompts[at]) + one.n_tokens)
        return found

    @torch.no_grad()
    def _p_first(self, prompts: list[list[int]]) -> list[float]:
        """P(A) of each question, from the log-probabilities of what comes first after it."""
        device = self._model.get_input_embeddings().weight.device
        longest = max(len(ids) for ids in prompts)
        input_ids = torch.full((len(prompts), longest), self._tokenizer.pad_token_id or 0, dtype=torch.int64)
        mask = torch.zeros((len(prompts), longest), dtype=torch.int64)
        for row, ids in enumerate(prompts):
            input_ids[row, longest - len(ids) :] = torch.as_tensor(ids)
            mask[row, longest - len(ids) :] = 1
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        logits = self._model(
            input_ids=input_ids.to(device),
            attention_mask=mask.to(device),
            position_ids=positions.to(device),
            use_cache=False,
            logits_to_keep=1,
        ).logits[:, -1]
        a, b = (self._logprob(logits, ids) for ids in self._letters)
        return [asking.of_two(one, other) for one, other in zip(a.tolist(), b.tolist(), strict=True)]

    @staticmethod
    def _logprob(logits: Tensor, ids: list[int]) -> Tensor:
        """Log of the summed (unnormalised) probability of some tokens (n,); what it is short of cancels out."""
        return torch.logsumexp(logits[:, ids].double(), dim=1)


def _letter_ids(tokenizer: Any, letter: str) -> list[int]:
    """The single tokens that stand for a letter: bare, after a space, after a bracket."""
    found = set()
    for text in (letter, f" {letter}", f"({letter}"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(ids) == 1:
            found.add(int(ids[0]))
    return sorted(found)
