"""`generate`: sample completions of prompts from a causal language model, in batches, resumable to the same texts."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.engine.common.atomic import sha256_file
from training.engine.common.chat import ChatEncoder, Message
from training.engine.common.cli import StopFlag
from training.engine.common.config import claim_run_directory, finished_result, option
from training.engine.common.errors import EngineError, StopRequested
from training.engine.common.optimisation import resolve_device, resolve_precision, use_threads
from training.engine.common.progress import Pace, Reporter
from training.engine.lm.mix import asked_batches, finish, keep_whole_batches, parts_of, sample_seed
from training.engine.lm.sft import load_causal


@dataclass(frozen=True)
class GenerateConfig:
    """Config of `generate`."""

    model: str = option(help="directory or hub id of a causal language model")
    prompts: str = option(help='JSONL or Parquet file of {"messages"} rows, "id" optional (else the row number)')
    out_dir: str = option(help="run directory; the completions are written to OUT/completions.jsonl")
    n_per_prompt: int = option(1, help="completions sampled for each prompt", at_least=1)
    temperature: float = option(0.8, help="divides the logits; 0 takes the likeliest token", at_least=0)
    top_p: float = option(
        0.95, help="sample among the likeliest tokens with this total probability", above=0, at_most=1
    )
    max_new_tokens: int = option(160, help="longest completion in tokens", at_least=1)
    max_prompt_tokens: int = option(320, help="longer prompts are cut on the left", at_least=8)
    batch_size: int = option(32, help="completions sampled together", at_least=1)
    mix: list[dict[str, Any]] = option(  # noqa: RUF009 - option gives a field, as above
        default_factory=list,
        help='parts {"n_per_prompt", "temperature", "top_p", "system"} sampled one after the other; '
        "what a part leaves out is the config's",
    )
    fits_window: bool = option(
        False, help="cut prompts to what the model's window leaves, instead of refusing what is too long"
    )
    seed: int = option(
        0, help="of the sampling; a completion depends on it, its prompt's id and its number", at_least=0
    )
    precision: str = option("auto", help="bf16 where the hardware has it", choices=("auto", "fp32", "bf16"))
    device: str = option("auto", help="auto, cpu, cuda, cuda:0, …")
    n_threads: int = option(2, help="CPU threads", at_least=1)

    def validate(self) -> None:
        parts_of(self)


@dataclass(frozen=True, slots=True)
class Sampled:
    """One sampled completion: its text, its tokens (the end token among them), their count, their mean log-probability
    (nats) and why it ended."""

    text: str
    token_ids: list[int]
    n_tokens: int
    mean_logprob: float
    finish_reason: str


def generate(config: GenerateConfig, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
    """Sample; one JSON line {"id", "messages", "part", "sample_index", "completion", "n_tokens", "mean_logprob",
    "finish_reason" ("stop" or "length")} per completion: part by part of the mix, each in the order of the prompts.

    Result: completions (path), n_prompts, n_completions, n_tokens, seconds. A run that is stopped or killed keeps whole
    batches and goes on after the last one.
    """
    out = Path(config.out_dir)
    if not Path(config.prompts).is_file():
        raise EngineError("input_not_found", f"the prompts file {config.prompts} does not exist")
    device = resolve_device(config.device)
    precision = resolve_precision(config.precision, device)
    claim_run_directory(out, config, fingerprint={"prompts": sha256_file(config.prompts), "precision": precision})
    if (done := finished_result(out)) is not None:
        return done
    started = time.monotonic()
    use_threads(config.n_threads)
    model, tokenizer = load_causal(config.model)
    # Weights are converted once: autocast would do it again for every token.
    model.to(device=device, dtype=torch.bfloat16 if precision == "bf16" else torch.float32).eval()
    parts = parts_of(config)
    max_prompt_tokens = _room_for_prompts(config, int(model.config.max_position_embeddings))
    encoder = ChatEncoder(tokenizer, max_prompt_tokens)
    batches = asked_batches(config.prompts, parts, config.batch_size)
    n_jobs = sum(map(len, batches))
    partial = out / "completions.jsonl.part"
    n_batches = keep_whole_batches(partial, [len(batch) for batch in batches])
    n_done = sum(len(batch) for batch in batches[:n_batches])
    if n_done:
        reporter.log(f"resumed after {n_done} of {n_jobs} completions")
    pace = Pace(done=n_done)
    with open(partial, "a", encoding="utf-8") as file:
        for batch in batches[n_batches:]:
            if stop.is_set:
                raise StopRequested
            part = parts[batch[0].part]
            sampled = sample(
                model,
                tokenizer,
                [_prompt_ids(encoder, part.asked(one.messages), max_prompt_tokens) for one in batch],
                [sample_seed(config.seed, one.prompt_id, one.index) for one in batch],
                temperature=part.temperature,
                top_p=part.top_p,
                max_new_tokens=config.max_new_tokens,
            )
            for asked, one in zip(batch, sampled, strict=True):
                file.write(
                    asked.row(
                        completion=one.text,
                        n_tokens=one.n_tokens,
                        mean_logprob=one.mean_logprob,
                        finish_reason=one.finish_reason,
                    )
                )
            file.flush()
            os.fsync(file.fileno())
            n_done += len(batch)
            reporter.progress(
                "generate",
                n_done,
                n_jobs,
                unit="completions",
                message=f"{pace.rate(n_done):.1f} completions/s, ETA {pace.eta(n_done, n_jobs)}",
            )
    return finish(out, partial, n_jobs, sum(part.n_per_prompt for part in parts), started)


def _room_for_prompts(config: GenerateConfig, window: int) -> int:
    """Tokens a prompt may have. Raises EngineError "bad_config" where the window is too small."""
    if config.fits_window:
        room = window - config.max_new_tokens
        if room < 8:
            raise EngineError(
                "bad_config",
                f"max_new_tokens: {config.max_new_tokens} leave no room for a prompt in this model's window of "
                f"{window} tokens; ask for {window - 8} at most",
            )
        return min(room, config.max_prompt_tokens)
    if config.max_prompt_tokens + config.max_new_tokens > window:
        raise EngineError(
            "bad_config", f"max_prompt_tokens + max_new_tokens must stay within the model's window of {window} tokens"
        )
    return config.max_prompt_tokens


@torch.no_grad()
def sample(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[int],
    *,
    temperature: float,
    top_p: float,
    max_new_tokens: int,
) -> list[Sampled]:
    """Sample one completion per row of token ids, by inverse transform of one uniform number a token.

    The uniforms come from each row's own seed, so a completion does not depend on what it was batched with (up to
    rounding). Prompts are padded on the left; the model's key-value cache is used; rows that have ended leave the batch
    when at least half of them have.
    """
    eos, pad = tokenizer.eos_token_id, tokenizer.pad_token_id or 0
    device = model.get_input_embeddings().weight.device
    uniforms = np.stack([np.random.Generator(np.random.Philox(seed)).random(max_new_tokens) for seed in seeds])
    longest = max(len(prompt) for prompt in prompts)
    input_ids = torch.full((len(prompts), longest), pad, dtype=torch.int64)
    mask = torch.zeros((len(prompts), longest), dtype=torch.int64)
    for row, prompt in enumerate(prompts):
        input_ids[row, longest - len(prompt) :] = torch.as_tensor(prompt)
        mask[row, longest - len(prompt) :] = 1
    input_ids, mask = input_ids.to(device), mask.to(device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    alive = torch.arange(len(prompts), device=device)
    chosen: list[list[int]] = [[] for _ in prompts]
    logprobs = np.zeros(len(prompts))
    ended = np.zeros(len(prompts), dtype=bool)
    cache = None
    for step in range(max_new_tokens):
        output = model(
            input_ids=input_ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = output.past_key_values
        u = torch.from_numpy(uniforms[alive.cpu().numpy(), step]).to(device)
        token, logprob = pick_tokens(output.logits[:, -1], u, temperature=temperature, top_p=top_p)
        for row, token_id, value in zip(alive.tolist(), token.tolist(), logprob.tolist(), strict=True):
            if not ended[row]:
                chosen[row].append(token_id)
                logprobs[row] += value
                ended[row] = token_id == eos
        if ended.all():
            break
        is_alive = torch.from_numpy(~ended[alive.cpu().numpy()]).to(device)
        keep = torch.arange(len(alive), device=device)
        if int(is_alive.sum()) * 2 <= len(alive):
            keep = torch.nonzero(is_alive).squeeze(1)
            cache.batch_select_indices(keep)
            alive = alive[keep]
        input_ids = token[keep][:, None]
        mask = torch.cat([mask[keep], torch.ones((len(keep), 1), dtype=mask.dtype, device=device)], dim=1)
        positions = positions[keep][:, -1:] + 1
    return [
        Sampled(
            text=tokenizer.decode(ids[:-1] if has_ended else ids, skip_special_tokens=True).strip(),
            token_ids=ids,
            n_tokens=len(ids),
            mean_logprob=float(total / max(1, len(ids))),
            finish_reason="stop" if has_ended else "length",
        )
        for ids, total, has_ended in zip(chosen, logprobs, ended, strict=True)
    ]


def pick_tokens(logits: Tensor, uniforms: Tensor, *, temperature: float, top_p: float) -> tuple[Tensor, Tensor]:
    """One token per row of `logits` (n, v) from one uniform number in [0, 1) each (n,).

    Tokens are sorted by probability (softmax of logits / temperature); the smallest prefix whose mass reaches `top_p`
    is kept; the token is where `u × kept mass` falls in it. Temperature 0 takes the likeliest. Returns token ids (n,)
    and their log-probability under the untempered model (n,).
    """
    logits = logits.double()
    logprob = torch.log_softmax(logits, dim=-1)
    if temperature == 0:
        token = logits.argmax(dim=-1)
        return token, logprob.gather(1, token[:, None]).squeeze(1)
    probability, order = torch.softmax(logits / temperature, dim=-1).sort(dim=-1, descending=True, stable=True)
    mass = probability.cumsum(dim=-1)
    n_kept = ((mass - probability) < top_p).sum(dim=-1, keepdim=True)
    kept_mass = mass.gather(1, n_kept - 1)
    rank = torch.searchsorted(mass, uniforms[:, None].to(mass) * kept_mass, right=True)
    rank = torch.minimum(rank, n_kept - 1)
    token = order.gather(1, rank).squeeze(1)
    return token, logprob.gather(1, token[:, None]).squeeze(1)


def _prompt_ids(encoder: ChatEncoder, messages: Sequence[Message], max_tokens: int) -> list[int]:
    return encoder.cut_prompt(encoder.prompt_ids(messages), max_tokens)
