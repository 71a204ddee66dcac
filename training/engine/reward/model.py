"""A reward model: any `AutoModel` decoder or encoder with one scalar head, saved as transformers saves it.

Decoder: reward = w · h(last token), `AutoModelForSequenceClassification` with its bias-free `score` layer; the last
token is the end-of-sequence token of the completion. Encoder: the model's standard classification head, which reads
the first ([CLS]) token through its pooler. Either way the saved directory loads with
`AutoModelForSequenceClassification.from_pretrained` and gives the same number for the same token ids.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from training.engine.common.chat import ChatEncoder, Encoded, Message
from training.engine.common.errors import EngineError
from training.engine.common.quiet import quiet_transformers
from training.engine.reward.packing import (
    MOST_ROWS,
    MOST_ROWS_SCORED,
    Pack,
    Padded,
    can_pack,
    lay_out,
    packed_features,
    packing,
    padded_features,
)

PADDING = "<|pad|>"
MAX_LENGTH_DEFAULT = 512
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class Scored:
    """The reward of one completion, the tokens it was read from, and whether the text had to be cut."""

    reward: float
    n_tokens: int
    is_truncated: bool


class RewardModel:
    """A model with its tokenizer: (messages, completion) in, rewards or final-token features out.

    `max_length` is in tokens; `metadata` is touchstone.json of the directory it was loaded from ({} for a base model).
    """

    def __init__(
        self, model: nn.Module, tokenizer: Any, *, max_length: int, metadata: dict[str, Any] | None = None
    ) -> None:
        self.model: Any = model
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.metadata = metadata or {}
        self.is_decoder = is_decoder(model)
        self.encoder = ChatEncoder(tokenizer, max_length, is_decoder=self.is_decoder)
        self.head = final_linear(model)

    @classmethod
    def load(
        cls,
        path: str | Path,
        dtype: str = "float32",
        *,
        device: str = "cpu",
        max_length: int | None = None,
        dropout: float | None = None,
    ) -> RewardModel:
        """Load a trained reward model directory for scoring, in evaluation mode.

        `dtype` is float32, bfloat16 or float16. `max_length` defaults to the one it was trained with (touchstone.json).
        `dropout` replaces every dropout rate, for one that is to be trained further.
        Raises EngineError: "model_not_found", "model_broken" (unreadable, or no reward model with one output).
        """
        quiet_transformers()
        path = Path(path)
        if not (path / "config.json").is_file():
            raise EngineError("model_not_found", f"{path} holds no reward model (no config.json)")
        metadata_path = path / "touchstone.json"
        metadata = json.loads(metadata_path.read_text(encoding="utf-8")) if metadata_path.is_file() else {}
        try:
            config = AutoConfig.from_pretrained(path)
            for name in _dropout_names(config) if dropout is not None else ():
                setattr(config, name, dropout)
            model, info = AutoModelForSequenceClassification.from_pretrained(
                path, config=config, dtype=torch_dtype(dtype), output_loading_info=True
            )
            tokenizer = AutoTokenizer.from_pretrained(path)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise EngineError("model_broken", f"cannot load the reward model in {path}: {error}") from error
        if model.config.num_labels != 1 or info["missing_keys"]:
            missing = ", ".join(sorted(info["missing_keys"])) or f"{model.config.num_labels} outputs instead of 1"
            raise EngineError("model_broken", f"{path} is no reward model: {missing}")
        model.requires_grad_(False)
        model.eval().to(device)
        length = max_length or metadata.get("max_length") or _window(model.config)
        return cls(model, tokenizer, max_length=min(int(length), _window(model.config)), metadata=metadata)

    @classmethod
    def from_base(
        cls,
        path: str,
        *,
        max_length: int = MAX_LENGTH_DEFAULT,
        seed: int = 0,
        head_std: float = 0.01,
        dropout: float = 0.0,
    ) -> RewardModel:
        """Put a new scalar head on a base model named by directory or hub id, in float32, ready to be trained.

        The head is drawn from N(0, head_std / sqrt(d)), d its input width, so that rewards start near 0 and the first
        gradients are those of a Bradley-Terry coin toss. `dropout` replaces every dropout rate of the base (0: two
        passes over a text give one reward). A missing padding token is added, never shared with the end token, since
        transformers reads a decoder's reward at the last token that is not padding.
        Raises EngineError "model_not_found" or "model_broken".
        """
        quiet_transformers()
        try:
            config = AutoConfig.from_pretrained(path)
            for name in _dropout_names(config):
                setattr(config, name, dropout)
            config.num_labels = 1
            config.problem_type = "regression"
            tokenizer = AutoTokenizer.from_pretrained(path)
            model = AutoModelForSequenceClassification.from_pretrained(path, config=config, dtype=torch.float32)
        except OSError as error:
            raise EngineError("model_not_found", f"cannot load the base model {path!r}: {error}") from error
        except (ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise EngineError("model_broken", f"the base model {path!r} cannot carry a reward head: {error}") from error
        if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
            tokenizer.add_special_tokens({"pad_token": PADDING})
            if len(tokenizer) > model.get_input_embeddings().num_embeddings:
                model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        model.config.pad_token_id = tokenizer.pad_token_id
        model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
        head = final_linear(model)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            head.weight.copy_(torch.randn(head.weight.shape, generator=generator) * (head_std / head.in_features**0.5))
            if head.bias is not None:
                head.bias.zero_()
        return cls(model, tokenizer, max_length=min(max_length, _window(model.config)))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.head.weight.device

    @property
    def feature_size(self) -> int:
        """Width d of the features the head reads."""
        return int(self.head.in_features)

    def encode(self, messages: Sequence[Message], completion: str) -> Encoded:
        """Token ids of one (prompt, completion), cut to `max_length`."""
        return self.encoder.encode(messages, completion)

    def score(self, items: Sequence[tuple[Sequence[Message], str]], *, tokens_per_batch: int = 8192) -> list[float]:
        """Rewards of (messages, completion) items, in their order. An empty list gives an empty list."""
        return [scored.reward for scored in self.score_detailed(items, tokens_per_batch=tokens_per_batch)]

    def score_detailed(
        self, items: Sequence[tuple[Sequence[Message], str]], *, tokens_per_batch: int = 8192
    ) -> list[Scored]:
        """`score` with the number of tokens and whether the text was cut."""
        encoded = [self.encode(messages, completion) for messages, completion in items]
        rewards = self.score_encoded(encoded, tokens_per_batch=tokens_per_batch)
        return [
            Scored(reward, one.n_tokens, one.is_truncated)
            for reward, one in zip(rewards.tolist(), encoded, strict=True)
        ]

    def score_encoded(self, encoded: Sequence[Encoded], *, tokens_per_batch: int = 8192) -> NDArray[np.float32]:
        """Rewards (n,) of texts that are already token ids; batched in order of length under a token budget."""
        _, rewards = self._run(encoded, tokens_per_batch)
        return rewards

    def features(
        self, items: Sequence[tuple[Sequence[Message], str]], *, tokens_per_batch: int = 8192
    ) -> NDArray[np.float32]:
        """What the head reads for each item: (n, d) float32, d = `feature_size`; reward = head(features)."""
        features, _ = self._run([self.encode(m, completion) for m, completion in items], tokens_per_batch)
        return features

    def score_and_features(
        self, items: Sequence[tuple[Sequence[Message], str]], *, tokens_per_batch: int = 8192
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Rewards (n,) and features (n, d) of the items in one pass."""
        encoded = [self.encode(m, completion) for m, completion in items]
        return self.score_and_features_encoded(encoded, tokens_per_batch=tokens_per_batch)

    def score_and_features_encoded(
        self, encoded: Sequence[Encoded], *, tokens_per_batch: int = 8192
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """`score_and_features` of texts that are already token ids."""
        features, rewards = self._run(encoded, tokens_per_batch)
        return rewards, features

    def save(self, path: str | Path) -> None:
        """Write weights (safetensors), config and tokenizer as transformers does, and metadata if there is any.

        The caller makes it atomic (`atomic_directory`).
        """
        path = Path(path)
        self.model.save_pretrained(path)
        self.tokenizer.save_pretrained(path)
        if self.metadata:
            (path / "touchstone.json").write_text(
                json.dumps(self.metadata, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
            )

    @functools.cached_property
    def is_packable(self) -> bool:
        """Whether texts are computed packed, a shared prompt once; otherwise in padded batches."""
        return can_pack(self.model)

    @torch.no_grad()
    def _run(self, texts: Sequence[Encoded], tokens_per_batch: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        features = np.zeros((len(texts), self.feature_size), dtype=np.float32)
        rewards = np.zeros(len(texts), dtype=np.float32)
        was_training = self.model.training
        if was_training:
            self.model.eval()
        chunks = packed_chunks if self.is_packable else padded_chunks
        kind = self.device.type
        mask_dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else self.head.weight.dtype
        try:
            with packing(self.model) if self.is_packable else contextlib.nullcontext():
                for chunk in chunks(texts, tokens_per_batch):
                    laid_out = lay_out(
                        [texts[i] for i in chunk],
                        pad_id=self.tokenizer.pad_token_id,
                        is_padded=not self.is_packable,
                        dtype=mask_dtype,
                        most_rows=MOST_ROWS_SCORED if kind == "cpu" else MOST_ROWS,
                    )
                    hidden = features_of(self.model, laid_out.to(self.device))
                    features[chunk] = hidden.float().cpu().numpy()
                    rewards[chunk] = rewards_from(self.head, hidden).cpu().numpy()
        finally:
            if was_training:
                self.model.train()
        return features, rewards


def features_of(model: nn.Module, texts: Pack | Padded) -> Tensor:
    """What the scalar head reads for each of n texts, (n, d), differentiable. A pack needs `packing(model)` around it.

    Decoders: the last hidden state at each text's final token (no vocabulary logits, no head over all positions).
    """
    if isinstance(texts, Pack):
        return packed_features(model, texts)
    return padded_features(model, texts) if is_decoder(model) else _head_input(model, texts)


def rewards_from(head: nn.Linear, features: Tensor) -> Tensor:
    """Rewards (n,) of features (n, d) in float32, whatever the trunk computes in: bfloat16 has 8 bits of precision."""
    bias = None if head.bias is None else head.bias.float()
    with torch.autocast(features.device.type, enabled=False):
        return nn.functional.linear(features.float(), head.weight.float(), bias).squeeze(-1)


def _head_input(model: nn.Module, padded: Padded) -> Tensor:
    """The input of an encoder's final linear layer, whatever stands before it (pooler, dense, activation, dropout)."""
    caught: list[Tensor] = []
    hook = final_linear(model).register_forward_pre_hook(lambda _module, inputs: caught.append(inputs[0]))
    try:
        model(input_ids=padded.input_ids, attention_mask=padded.attention_mask)
    finally:
        hook.remove()
    return caught[0][padded.texts]


def is_decoder(model: nn.Module) -> bool:
    """Whether the reward is read at the last token: transformers names that head `score`, encoders' `classifier`."""
    return isinstance(getattr(model, "score", None), nn.Linear)


def final_linear(model: nn.Module) -> nn.Linear:
    """The linear layer with one output that gives the reward. Raises ValueError when there is none."""
    found = [module for module in model.modules() if isinstance(module, nn.Linear) and module.out_features == 1]
    if not found:
        raise ValueError(f"{type(model).__name__} has no scalar head")
    return found[-1]


def padded_chunks(texts: Sequence[Encoded], budget: int) -> list[list[int]]:
    """Indices in order of length, in chunks of at least one whose padded tokens (count × longest) fit `budget`."""
    order = sorted(range(len(texts)), key=lambda i: (texts[i].n_tokens, i))
    chunks: list[list[int]] = []
    for index in order:  # ascending, so the newest one is the longest of its chunk
        if chunks and (len(chunks[-1]) + 1) * texts[index].n_tokens <= budget:
            chunks[-1].append(index)
        else:
            chunks.append([index])
    return chunks


def packed_chunks(texts: Sequence[Encoded], budget: int) -> list[list[int]]:
    """Indices in chunks of at least one prompt whose tokens fit `budget`; texts of one prompt stay together.

    Prompts come in order of length. One whose texts alone exceed the budget is cut into several chunks.
    """
    prompts: dict[tuple[int, ...], list[int]] = {}
    for index, text in enumerate(texts):
        prompts.setdefault(tuple(text.prompt_ids), []).append(index)
    chunks: list[list[int]] = []
    left = 0
    for prompt, members in sorted(prompts.items(), key=lambda item: (len(item[0]), item[1][0])):
        is_open = False  # whether the chunk has the prompt already
        for index in members:
            n_completion = len(texts[index].completion_ids)
            cost = n_completion if is_open else len(prompt) + n_completion
            if not chunks or cost > left:
                chunks.append([])
                left, cost = budget, len(prompt) + n_completion
            chunks[-1].append(index)
            left -= cost
            is_open = True
    return chunks


def torch_dtype(name: str) -> torch.dtype:
    """torch's dtype of a config name. Raises EngineError "bad_config" for any other."""
    if name not in DTYPES:
        raise EngineError("bad_config", f"dtype: expected one of {', '.join(DTYPES)}, got {name!r}")
    return DTYPES[name]


def _window(config: Any) -> int:
    """The most tokens the model can read: its positions, less RoBERTa's offset of padding id + 1."""
    text = config.get_text_config()
    positions = int(getattr(text, "max_position_embeddings", None) or getattr(text, "n_positions", None) or 2**20)
    offset = (text.pad_token_id or 0) + 1 if text.model_type in ("roberta", "xlm-roberta", "camembert") else 0
    return positions - offset


def _dropout_names(config: Any) -> list[str]:
    """Names of the config's dropout rates (`hidden_dropout_prob`, `attention_dropout`, `resid_pdrop`, …)."""
    return [
        name
        for name, value in config.to_dict().items()
        if ("dropout" in name or name.endswith("pdrop"))
        and isinstance(value, int | float)
        and not isinstance(value, bool)
    ]
