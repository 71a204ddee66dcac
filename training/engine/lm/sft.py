"""`sft`: fine-tune a causal language model on (messages, completion) rows, with loss on the completions only."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jinja2 import TemplateError
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.engine.common.atomic import sha256_file
from training.engine.common.chat import ChatEncoder
from training.engine.common.checkpoint import Checkpoints
from training.engine.common.cli import StopFlag
from training.engine.common.config import claim_run_directory, finished_result, option
from training.engine.common.errors import EngineError
from training.engine.common.optimisation import resolve_device, resolve_precision, use_threads
from training.engine.common.progress import Reporter
from training.engine.common.rows import read_rows, row_completion, row_messages
from training.engine.lm.base import save_run
from training.engine.lm.packing import PackedRows, pack_whole
from training.engine.lm.trainer import FitSettings, fit, mean_token_loss
from training.engine.reward.tuning import merge_lora, prepare


@dataclass(frozen=True)
class SftConfig:
    """Config of `sft`. The defaults take under a minute on two CPU cores for the built-in base model."""

    base_model: str = option(help="directory or hub id of a causal language model")
    data: str = option(help='JSONL or Parquet file of {"messages", "completion"} rows')
    out_dir: str = option(help="run directory; the model is written to OUT/model")
    context_length: int = option(512, help="tokens per packed row; longer prompts are cut on the left", at_least=32)
    epochs: float = option(2.0, help="passes over the data, as far as max_tokens allows", above=0)
    max_tokens: int = option(
        300_000, help="most tokens to train on (prompts included), which bounds the time", at_least=1
    )
    rows_per_step: int = option(4, help="rows of context_length tokens per update", at_least=1)
    learning_rate: float = option(1e-3, help="peak learning rate; for a hub model of 100M and more take 1e-5", above=0)
    warmup_share: float = option(0.05, help="share of the updates that warm up", at_least=0, at_most=1)
    weight_decay: float = option(0.0, help="decoupled weight decay of matrices", at_least=0)
    max_grad_norm: float = option(1.0, help="gradients are clipped to this norm", above=0)
    seed: int = option(0, help="of the data order", at_least=0)
    precision: str = option("auto", help="bf16 where the hardware has it", choices=("auto", "fp32", "bf16"))
    device: str = option("auto", help="auto, cpu, cuda, cuda:0, …")
    n_threads: int = option(2, help="CPU threads", at_least=1)
    checkpoint_steps: int = option(40, help="updates between checkpoints", at_least=1)
    # None where a run directory of an earlier version has no such field, so that it is taken up again.
    heldout: str | None = option(None, help="rows like those of data, measured before and after and not trained on")
    lora_rank: int | None = option(
        None, help="rank of LoRA adapters on all linear layers; all weights without", at_least=1
    )


def sft(config: SftConfig, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
    """Fine-tune; OUT/model is a directory for AutoTokenizer and AutoModelForCausalLM, LoRA merged into its weights.

    Result: model, n_examples, n_truncated, n_steps, n_tokens, first_loss, last_loss (nats per completion token),
    precision, seconds; with `heldout` also n_heldout, heldout_before and heldout_after.
    """
    out = Path(config.out_dir)
    for path in filter(None, (config.data, config.heldout)):
        if not Path(path).is_file():
            raise EngineError("input_not_found", f"the data file {path} does not exist")
    device = resolve_device(config.device)
    precision = resolve_precision(config.precision, device)
    fingerprint = {"data": sha256_file(config.data), "precision": precision}
    if config.heldout:
        fingerprint["heldout"] = sha256_file(config.heldout)
    claim_run_directory(out, config, fingerprint=fingerprint)
    if (done := finished_result(out)) is not None:
        return done
    started = time.monotonic()
    use_threads(config.n_threads)
    torch.manual_seed(config.seed)
    model, tokenizer = load_causal(config.base_model)
    model.to(device)
    length = _row_length(model, config, reporter)
    encoder, pad_id = ChatEncoder(tokenizer, length), tokenizer.pad_token_id or 0
    rows, n_examples, n_truncated = sft_rows(config.data, encoder, pad_id)
    if n_truncated:
        reporter.log(f"{n_truncated} of {n_examples} examples are longer than {length} tokens and were cut")
    told: dict[str, Any] = {}
    heldout = None
    if config.heldout:
        heldout, told["n_heldout"], _ = sft_rows(config.heldout, encoder, pad_id)
        # Of the model as it came, also where the training goes on from a checkpoint.
        told["heldout_before"] = mean_token_loss(model, heldout, device=device, precision=precision)
    if config.lora_rank:
        _add_lora(model, config.lora_rank)
    rows_wanted = min(config.epochs * len(rows), config.max_tokens / length)
    n_steps = max(1, math.ceil(rows_wanted / config.rows_per_step))
    checkpoints = Checkpoints(out / "checkpoints")
    losses = fit(
        model,
        rows,
        FitSettings(
            n_steps=n_steps,
            rows_per_step=config.rows_per_step,
            learning_rate=config.learning_rate,
            warmup_share=config.warmup_share,
            weight_decay=config.weight_decay,
            max_grad_norm=config.max_grad_norm,
            seed=config.seed,
            precision=precision,
            device=device,
            checkpoint_steps=config.checkpoint_steps,
        ),
        checkpoints=checkpoints,
        reporter=reporter,
        stop=stop,
        stage="sft",
    )
    if config.lora_rank:
        merge_lora(model)
    if heldout is not None:
        told["heldout_after"] = mean_token_loss(model, heldout, device=device, precision=precision)
    result = {
        "model": str(out / "model"),
        "n_examples": n_examples,
        "n_truncated": n_truncated,
        "n_steps": n_steps,
        "n_tokens": n_steps * config.rows_per_step * length,
        **losses,
        **told,
        "precision": precision,
        "seconds": round(time.monotonic() - started, 1),
    }
    return save_run(out, model, tokenizer, result, checkpoints)


def _row_length(model: Any, config: SftConfig, reporter: Reporter) -> int:
    """Tokens per row: what the config asks for, as far as the model reads."""
    most = getattr(model.config, "max_position_embeddings", None) or config.context_length
    if most < config.context_length:
        reporter.log(f"{config.base_model} reads {most} tokens: rows have so many, not {config.context_length}")
    return min(config.context_length, most)


def _add_lora(model: Any, rank: int) -> None:
    """LoRA matrices beside every linear layer but the output's, at a scale of 2; nothing else is trained."""
    head: nn.Linear = model.get_output_embeddings()
    prepare(model, head, tuning="lora", lora_rank=rank, lora_alpha=2.0 * rank)
    head.requires_grad_(False)


def sft_rows(path: str, encoder: ChatEncoder, pad_id: int) -> tuple[PackedRows, int, int]:
    """Packed rows of the examples in a file, how many examples there were, and how many had to be cut.

    A row may have an "id", by which it is named where something is wrong with it. Raises EngineError.
    """
    documents: list[tuple[list[int], int]] = []
    n_truncated = 0
    for number, row in enumerate(read_rows(path), start=1):
        where = f"{path} row {number}" + (f" ({row['id']})" if row.get("id") else "")
        messages, completion = row_messages(row, where), row_completion(row, where)
        try:
            encoded = encoder.encode(messages, completion)
        except TemplateError as error:
            raise EngineError("bad_input", f"{where}: the model's chat template does not take it: {error}") from error
        documents.append((encoded.input_ids, len(encoded.prompt_ids)))
        n_truncated += encoded.is_truncated
    if not documents:
        raise EngineError("empty_input", f"{path} holds no examples")
    return pack_whole(documents, encoder.max_length, pad_id), len(documents), n_truncated


def load_causal(path: str) -> tuple[Any, Any]:
    """Model (float32) and tokenizer by directory or hub id. Raises EngineError "model_not_found" or "model_broken"."""
    try:
        return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32), AutoTokenizer.from_pretrained(path)
    except OSError as error:
        raise EngineError("model_not_found", f"cannot load the language model {path!r}: {error}") from error
    except (ValueError, KeyError, RuntimeError) as error:
        raise EngineError("model_broken", f"{path!r} is no causal language model: {error}") from error
