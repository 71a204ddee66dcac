"""Texts without padding, and a prompt that several of them share computed once.

A pack is one row of tokens: for each distinct prompt its tokens, then, side by side, those of its completions.
Positions restart after the prompt for every completion; a completion attends to its prompt and to itself, never to
another completion. So every text is computed as if it stood alone, at the price of P + C₁ + C₂ tokens instead of
2P + C₁ + C₂ and none of padding. In the last layer only the final tokens go on to the MLP and the head.

It works through transformers' attention interface for any decoder whose attention is causal over all that stands
before (rotary or learned positions, grouped queries). `can_pack` tries it on a model: one that cannot is computed in
padded batches.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from training.engine.common.chat import Encoded

IMPLEMENTATION = "touchstone_packed"


# A CPU's matrix product is compiled for every shape that it meets, in 1 to 9 ms: few shapes, few compilations.
ROWS_STEP = 32
# Rows of one prompt's completions in a block. Within one, completions are computed against each other and masked, which
# is waste; but each block more is one more pass over its prompt's keys, forward and backward.
MOST_ROWS = 1024
# Where there is no backward pass.
MOST_ROWS_SCORED = 128
# Finite, so that a padded row, all of whose keys are masked, is no NaN.
MASKED = -1e30


@dataclass(frozen=True)
class Block:
    """Attention of some rows of a pack to some keys, G groups at once, padded to R rows and K keys.

    Index T stands for padding: a row of zeros behind the pack's last token.
    """

    rows: Tensor
    """(G · R,): which token each row is; no token is a row of two blocks."""
    keys: Tensor
    """(G · K,): which token each key is; no token is one twice."""
    mask: Tensor
    """(G, R, K): 0 where the row may look, MASKED elsewhere."""
    is_later: bool
    """Whether some of its keys are keys of an earlier block, so that gradients are added to what is there."""


@dataclass(frozen=True)
class Pack:
    """Some texts in one row of T tokens."""

    input_ids: Tensor
    """(1, T)."""
    position_ids: Tensor
    """(1, T): from 0 in each prompt, going on after it in each of its completions."""
    blocks: list[Block]
    """Those of completions first; each token but the idle ones is a row of one block."""
    finals: Tensor
    """(m,): the last token of each distinct text."""
    texts: Tensor
    """(n,): which of the m distinct texts each text is."""
    n_idle: int
    """Tokens at the end that belong to no text, so that T is one of few numbers."""

    @property
    def n_tokens(self) -> int:
        """T."""
        return self.input_ids.shape[1]

    def to(self, device: torch.device | str) -> Pack:
        """The same on another device."""
        blocks = [
            Block(one.rows.to(device), one.keys.to(device), one.mask.to(device), one.is_later) for one in self.blocks
        ]
        return dataclasses.replace(
            self,
            input_ids=self.input_ids.to(device),
            position_ids=self.position_ids.to(device),
            blocks=blocks,
            finals=self.finals.to(device),
            texts=self.texts.to(device),
        )


@dataclass(frozen=True)
class Padded:
    """m distinct texts right-padded to (m, t), and which of them each of n texts is, `texts` (n,)."""

    input_ids: Tensor
    attention_mask: Tensor
    texts: Tensor

    def to(self, device: torch.device | str) -> Padded:
        """The same on another device."""
        return Padded(self.input_ids.to(device), self.attention_mask.to(device), self.texts.to(device))


@dataclass(frozen=True)
class _Group:
    """A prompt and some of its completions: where each begins in the pack, and how many tokens each has."""

    prompt: int
    n_prompt: int
    start: int
    completions: list[int]

    @property
    def n_rows(self) -> int:
        return sum(self.completions)


def pack(texts: Sequence[Encoded], dtype: torch.dtype = torch.float32, *, most_rows: int = MOST_ROWS) -> Pack:
    """Lay out n texts; a prompt, or a whole text, that stands there twice is laid out once. `dtype`: of the masks."""
    branches: dict[tuple[int, ...], dict[tuple[int, ...], list[int]]] = {}
    for index, text in enumerate(texts):
        completions = branches.setdefault(tuple(text.prompt_ids), {})
        completions.setdefault(tuple(text.completion_ids), []).append(index)
    ids: list[int] = []
    positions: list[int] = []
    # By the how many-th of their prompt they are: a prompt of many completions has several, so that what these look at
    # grows with the completions and not with their square.
    parts: list[list[_Group]] = []
    finals: list[int] = []
    which = [0] * len(texts)
    for prompt, completions in branches.items():
        start, at = len(ids), len(ids) + len(prompt)
        for nth, lengths in enumerate(_some_rows([len(completion) for completion in completions], most_rows)):
            if nth == len(parts):
                parts.append([])
            parts[nth].append(_Group(start, len(prompt), at, lengths))
            at += sum(lengths)
        ids += prompt
        positions += range(len(prompt))
        for completion, members in completions.items():
            ids += completion
            positions += range(len(prompt), len(prompt) + len(completion))
            for member in members:
                which[member] = len(finals)
            finals.append(len(ids) - 1)
    n_idle = -len(ids) % _tokens_step(len(ids))
    ids += [0] * n_idle
    positions += [0] * n_idle
    completions_first = [
        _branch_block(alike, len(ids), dtype, is_later=nth > 0)
        for nth, groups in enumerate(parts)
        for alike in _alike(groups, lambda one: (one.n_rows, one.n_prompt + one.n_rows))
    ]
    then_prompts = [
        _prompt_block(alike, len(ids), dtype)
        for alike in _alike([one for one in parts[0] if one.n_prompt], lambda one: (one.n_prompt,))
    ]
    return Pack(
        torch.tensor([ids], dtype=torch.int64),
        torch.tensor([positions], dtype=torch.int64),
        completions_first + then_prompts,
        torch.tensor(finals, dtype=torch.int64),
        torch.tensor(which, dtype=torch.int64),
        n_idle,
    )


def _tokens_step(n_tokens: int) -> int:
    """What a pack's tokens are rounded up to a multiple of: 16 lengths for each doubling, so 3 % idle on average."""
    return max(ROWS_STEP, 2 ** (n_tokens.bit_length() - 1) // 16)


def _some_rows(lengths: list[int], most: int) -> list[list[int]]:
    """Lengths of completions, in order, in lists that hold `most` tokens at most, or one completion."""
    found: list[list[int]] = []
    for length in lengths:
        if found and sum(found[-1]) + length <= most:
            found[-1].append(length)
        else:
            found.append([length])
    return found


def _alike(groups: list[_Group], size: Callable[[_Group], tuple[int, ...]]) -> list[list[_Group]]:
    """Groups of about one size together, so that little of a block is padding: none is below 0.7 of its largest."""
    found: list[list[_Group]] = []
    largest: tuple[int, ...] = ()
    for group in sorted(groups, key=size, reverse=True):
        mine = size(group)
        if found and all(n >= 0.7 * most - 16 for n, most in zip(mine, largest, strict=True)):
            found[-1].append(group)
            largest = tuple(map(max, mine, largest))
        else:
            found.append([group])
            largest = mine
    return found


def _prompt_block(groups: list[_Group], padding: int, dtype: torch.dtype) -> Block:
    n = _rounded(max(group.n_prompt for group in groups))
    rows = torch.full((len(groups), n), padding, dtype=torch.int64)
    mask = torch.full((n, n), _masked(dtype), dtype=dtype).triu_(1).expand(len(groups), n, n)
    for index, group in enumerate(groups):
        rows[index, : group.n_prompt] = torch.arange(group.prompt, group.prompt + group.n_prompt)
    return Block(rows.flatten(), rows.flatten(), mask, is_later=True)


def _branch_block(groups: list[_Group], padding: int, dtype: torch.dtype, *, is_later: bool) -> Block:
    n_rows = _rounded(max(group.n_rows for group in groups))
    n_keys = _rounded(max(group.n_prompt + group.n_rows for group in groups))
    rows = torch.full((len(groups), n_rows), padding, dtype=torch.int64)
    keys = torch.full((len(groups), n_keys), padding, dtype=torch.int64)
    mask = torch.full((len(groups), n_rows, n_keys), _masked(dtype), dtype=dtype)
    for index, group in enumerate(groups):
        p, r = group.n_prompt, group.n_rows
        rows[index, :r] = torch.arange(group.start, group.start + r)
        keys[index, :p] = torch.arange(group.prompt, group.prompt + p)
        keys[index, p : p + r] = rows[index, :r]
        mask[index, :r, :p] = 0
        at = 0
        for n in group.completions:
            mask[index, at : at + n, p + at : p + at + n].triu_(1)
            at += n
    return Block(rows.flatten(), keys.flatten(), mask, is_later)


def _masked(dtype: torch.dtype) -> float:
    """MASKED, or what of it float16 can hold."""
    return max(MASKED, torch.finfo(dtype).min)


def _rounded(n: int) -> int:
    """Up to a multiple of ROWS_STEP."""
    return -(-n // ROWS_STEP) * ROWS_STEP


def can_pack(model: Any) -> bool:
    """Whether the model gives the same features for a pack as for padded texts: it is tried, on 3 prompts of 6 texts.

    False for encoders, and for decoders whose attention is not plainly causal (a window, a bias by distance, dropout).
    """
    config = model.config.get_text_config()
    if not isinstance(getattr(model, "score", None), nn.Linear) or getattr(config, "sliding_window", None):
        return False
    if any(getattr(config, name, 0) for name in ("attention_dropout", "attn_pdrop")):
        return False
    parameter = next(model.parameters())
    random = torch.Generator().manual_seed(0)

    def some(n: int) -> list[int]:
        return torch.randint(0, min(256, config.vocab_size), (n,), generator=random).tolist()

    prompts = [some(n) for n in (5, 40, 40)]
    texts = [Encoded(prompt, some(n), False) for prompt in prompts for n in (3, 21)]
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), packing(model):
            packed = packed_features(model, pack(texts, parameter.dtype).to(parameter.device)).float()
        with torch.no_grad():
            padded = lay_out(texts, pad_id=config.pad_token_id or 0, is_padded=True, dtype=parameter.dtype)
            assert isinstance(padded, Padded)
            plain = padded_features(model, padded.to(parameter.device)).float()
    except (AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError):
        return False  # whatever a model that brings its own code makes of it
    finally:
        model.train(was_training)
    tolerance = 1e-3 if parameter.dtype == torch.float32 else 5e-2
    return bool(torch.norm(packed - plain) <= tolerance * torch.norm(plain))


def padded_features(model: Any, padded: Padded) -> Tensor:
    """What the scalar head of a decoder reads for each of n texts, (n, d): the last hidden state at its final token."""
    hidden: Tensor = model.base_model(
        input_ids=padded.input_ids, attention_mask=padded.attention_mask, use_cache=False
    ).last_hidden_state
    final = padded.attention_mask.sum(dim=1) - 1
    return hidden[torch.arange(len(final), device=final.device), final][padded.texts]


def packed_features(model: Any, packed: Pack) -> Tensor:
    """What the scalar head reads for each text, (n, d). The model is one that `can_pack`, within `packing(model)`."""
    _PACKS.set(model.config.get_text_config(), packed)
    hidden: Tensor = model.base_model(
        input_ids=packed.input_ids, position_ids=packed.position_ids, use_cache=False
    ).last_hidden_state
    return hidden[0, packed.finals][packed.texts]


@contextlib.contextmanager
def packing(model: Any) -> Iterator[None]:
    """Within, `packed_features` may be called, backward passes included; padded passes before the first of them.

    Several threads may be within at once where none of them computes gradients.
    """
    config = model.config.get_text_config()
    with _ENTERING:
        entered = _ENTERED.get(model)
        if entered is None:
            entered = _ENTERED[model] = _Entered(config._attn_implementation, _finals_only(model.base_model, config))
            config._attn_implementation = IMPLEMENTATION
        entered.n += 1
    try:
        yield
    finally:
        _PACKS.forget(config)
        with _ENTERING:
            entered.n -= 1
            if not entered.n:
                del _ENTERED[model]
                config._attn_implementation = entered.implementation
                for hook in entered.hooks:
                    hook.remove()


@dataclass
class _Entered:
    """A model within `packing`: what it was before, and how many are within."""

    implementation: str
    hooks: list[RemovableHandle]
    n: int = 0


_ENTERING = threading.Lock()
_ENTERED: weakref.WeakKeyDictionary[Any, _Entered] = weakref.WeakKeyDictionary()


class _Packs:
    """The pack that is being computed, by the config that all attention layers of a model share.

    Each thread that scores has its own. One that is trained on is everybody's, and stays after the forward pass:
    gradient checkpointing computes the layers again during the backward pass, on a GPU in another thread.
    """

    def __init__(self) -> None:
        self._mine = _Mine()
        self._trained: dict[int, Pack] = {}

    def get(self, config: Any) -> Pack | None:
        return self._mine.packs.get(id(config)) or self._trained.get(id(config))

    def set(self, config: Any, packed: Pack) -> None:
        packs = self._trained if torch.is_grad_enabled() else self._mine.packs
        packs[id(config)] = packed

    def forget(self, config: Any) -> None:
        self._mine.packs.pop(id(config), None)
        self._trained.pop(id(config), None)


class _Mine(threading.local):
    def __init__(self) -> None:
        self.packs: dict[int, Pack] = {}


_PACKS = _Packs()


def _attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    """transformers' attention function. query (1, H, T, e), key and value (1, H / r, T, e); gives (1, T, H, e)."""
    packed = _PACKS.get(module.config)
    if packed is None:
        output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return output, None
    for name in ("softcap", "s_aux", "position_bias"):
        if kwargs.get(name) is not None:
            raise NotImplementedError(f"attention with {name}")
    n_heads, _, width = query.shape[1:]
    if key.shape[1] != n_heads:
        key, value = (one.repeat_interleave(n_heads // one.shape[1], dim=1) for one in (key, value))
    kind = query.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else query.dtype
    scale = kwargs.get("scaling") or width**-0.5
    output = _BlockAttention.apply(query[0].to(dtype), key[0].to(dtype), value[0].to(dtype), packed, scale)
    return output[None], None


class _BlockAttention(torch.autograd.Function):
    """softmax(q kᵀ · scale + mask) v block by block: q, k, v (H, T, e) -> (T, H, e).

    As plain matrix products over whole blocks, because a CPU's fused attention kernel takes twenty times as long
    backward as forward; with its own backward pass, because cutting a tensor into pieces costs autograd one of its size
    for each piece.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, packed: Pack, scale: float) -> Tensor:
        n_heads, n_tokens, width = q.shape
        q, k, v = (_with_padding(one) for one in (q * scale, k, v))
        output = _unwritten(q, packed.n_idle)
        shares: list[Tensor] = []
        for block in packed.blocks:
            n_groups, n_rows, n_keys = block.mask.shape
            rows = q.index_select(1, block.rows).view(n_heads * n_groups, n_rows, width)
            keys, values = (one.index_select(1, block.keys).view(n_heads * n_groups, n_keys, width) for one in (k, v))
            scores = torch.bmm(rows, keys.transpose(1, 2))
            scores.view(n_heads, n_groups, n_rows, n_keys).add_(block.mask)
            share = torch.softmax(scores, dim=-1)
            output.index_copy_(1, block.rows, torch.bmm(share, values).view(n_heads, -1, width))
            shares.append(share)
        ctx.save_for_backward(q, k, v, *shares)
        ctx.packed, ctx.scale = packed, scale
        return output[:, :n_tokens].transpose(0, 1).contiguous()

    @staticmethod
    def backward(ctx: Any, d_output: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        q, k, v, *shares = ctx.saved_tensors
        n_heads, n_padded, width = q.shape
        d_output = _with_padding(d_output.transpose(0, 1))
        d_q = _unwritten(q, ctx.packed.n_idle)
        d_k, d_v = torch.zeros_like(k), torch.zeros_like(v)
        for block, share in zip(ctx.packed.blocks, shares, strict=True):
            shape = (n_heads * block.mask.shape[0], -1, width)
            rows, d_rows = (one.index_select(1, block.rows).view(shape) for one in (q, d_output))
            keys, values = (one.index_select(1, block.keys).view(shape) for one in (k, v))
            d_share = torch.bmm(d_rows, values.transpose(1, 2))
            d_scores = torch._softmax_backward_data(d_share, share, -1, share.dtype)
            d_q.index_copy_(1, block.rows, torch.bmm(d_scores, keys).view(n_heads, -1, width))
            for total, part in (
                (d_k, torch.bmm(d_scores.transpose(1, 2), rows)),
                (d_v, torch.bmm(share.transpose(1, 2), d_rows)),
            ):
                part = part.view(n_heads, -1, width)
                if block.is_later:
                    part += total.index_select(1, block.keys)
                total.index_copy_(1, block.keys, part)
        n = n_padded - 1
        return d_q[:, :n] * ctx.scale, d_k[:, :n], d_v[:, :n], None, None


def _unwritten(like: Tensor, n_idle: int) -> Tensor:
    """(H, T + 1, e) to be written: every token is a row of one block, but for the idle ones, which are 0.

    Nothing reads these, but what is no number would spread through the gradient of every weight.
    """
    made = torch.empty_like(like)
    if n_idle:
        made[:, -1 - n_idle :] = 0
    return made


def _with_padding(tensor: Tensor) -> Tensor:
    """(H, T, e) with a row of zeros behind the last: (H, T + 1, e), contiguous."""
    padded = tensor.new_empty(tensor.shape[0], tensor.shape[1] + 1, tensor.shape[2])
    padded[:, :-1] = tensor
    padded[:, -1] = 0
    return padded


def _mask(*args: Any, config: Any = None, **kwargs: Any) -> Tensor | None:
    """No mask for a pack, which brings its own; transformers' for a padded batch."""
    return None if _PACKS.get(config) is not None else sdpa_mask(*args, config=config, **kwargs)


AttentionInterface.register(IMPLEMENTATION, _attention)
AttentionMaskInterface.register(IMPLEMENTATION, _mask)


def _finals_only(trunk: nn.Module, config: Any) -> list[RemovableHandle]:
    """Let the last layer's MLP compute the final tokens of a pack only: no other one is read."""
    mlp = _last_mlp(trunk)
    if mlp is None:
        return []

    def select(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        packed = _PACKS.get(config)
        return None if packed is None else (inputs[0][:, packed.finals], *inputs[1:])

    def scatter(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor | None:
        packed = _PACKS.get(config)
        if packed is None:
            return None
        return output.new_zeros((1, packed.n_tokens, output.shape[-1])).index_copy(1, packed.finals, output)

    return [mlp.register_forward_pre_hook(select), mlp.register_forward_hook(scatter)]


def _last_mlp(trunk: nn.Module) -> nn.Module | None:
    """The last decoder layer's MLP by the names that transformers uses; None where there is none of them."""
    layers = getattr(trunk, "layers", None) or getattr(trunk, "h", None)
    mlp = getattr(layers[-1], "mlp", None) if isinstance(layers, nn.ModuleList) else None
    return mlp if isinstance(mlp, nn.Module) else None


def lay_out(
    texts: Sequence[Encoded], *, pad_id: int, is_padded: bool, dtype: torch.dtype, most_rows: int = MOST_ROWS
) -> Pack | Padded:
    """Texts for one forward pass, padded or packed; one that stands there twice is computed once."""
    if not is_padded:
        return pack(texts, dtype, most_rows=most_rows)
    distinct: dict[tuple[int, ...], int] = {}
    which = [distinct.setdefault(tuple(text.input_ids), len(distinct)) for text in texts]
    input_ids, attention_mask = pad_right(list(distinct), pad_id)
    return Padded(input_ids, attention_mask, torch.tensor(which, dtype=torch.int64))


def pad_right(sequences: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Right-pad id lists to (n, t) int64 ids and an (n, t) int64 mask of ones over real tokens."""
    longest = max(len(sequence) for sequence in sequences)
    input_ids = torch.full((len(sequences), longest), pad_id, dtype=torch.int64)
    attention_mask = torch.zeros((len(sequences), longest), dtype=torch.int64)
    for row, sequence in enumerate(sequences):
        input_ids[row, : len(sequence)] = torch.as_tensor(sequence, dtype=torch.int64)
        attention_mask[row, : len(sequence)] = 1
    return input_ids, attention_mask
