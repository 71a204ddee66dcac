"""`train-base`: a tokenizer and a small Llama-shaped decoder from scratch on the project's own corpus."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from training.engine.common.atomic import atomic_directory, sha256_file, write_json
from training.engine.common.chat import ChatEncoder
from training.engine.common.checkpoint import Checkpoints
from training.engine.common.cli import StopFlag
from training.engine.common.config import claim_run_directory, finished_result, option
from training.engine.common.errors import ConfigError, EngineError
from training.engine.common.optimisation import resolve_device, resolve_precision, use_threads
from training.engine.common.progress import Reporter
from training.engine.common.rows import read_rows, row_messages
from training.engine.lm.packing import pack_split
from training.engine.lm.tokenizer import train_tokenizer
from training.engine.lm.trainer import FitSettings, fit, mean_token_loss


@dataclass(frozen=True)
class TrainBaseConfig:
    """Config of `train-base`. The defaults take under a minute on two CPU cores with bf16 instructions."""

    corpus: str = option(help='JSONL or Parquet file of {"text"} or {"messages"} rows')
    out_dir: str = option(help="run directory; the model is written to OUT/model")
    vocab_size: int = option(4096, help="size of the byte-level BPE vocabulary", at_least=300)
    hidden_size: int = option(256, help="width of the decoder", at_least=16)
    intermediate_size: int = option(640, help="width of its MLPs", at_least=16)
    n_layers: int = option(4, help="number of layers", at_least=1)
    n_heads: int = option(4, help="attention heads; must divide hidden_size", at_least=1)
    context_length: int = option(512, help="longest text the model reads, in tokens", at_least=32)
    epochs: float = option(4.0, help="passes over the corpus, as far as max_tokens allows", above=0)
    max_tokens: int = option(400_000, help="most tokens to train on, which bounds the time", at_least=1)
    rows_per_step: int = option(4, help="rows of context_length tokens per update", at_least=1)
    learning_rate: float = option(3e-3, help="peak learning rate", above=0)
    warmup_share: float = option(0.05, help="share of the updates that warm up", at_least=0, at_most=1)
    weight_decay: float = option(0.1, help="decoupled weight decay of matrices", at_least=0)
    max_grad_norm: float = option(1.0, help="gradients are clipped to this norm", above=0)
    heldout_share: float = option(0.02, help="share of the documents kept out of training", at_least=0, at_most=0.5)
    seed: int = option(0, help="of the initial weights and the data order", at_least=0)
    precision: str = option("auto", help="bf16 where the hardware has it", choices=("auto", "fp32", "bf16"))
    device: str = option("auto", help="auto, cpu, cuda, cuda:0, …")
    n_threads: int = option(2, help="CPU threads", at_least=1)
    checkpoint_steps: int = option(40, help="updates between checkpoints", at_least=1)

    def validate(self) -> None:
        """Checks over several fields."""
        if self.hidden_size % self.n_heads or (self.hidden_size // self.n_heads) % 2:
            raise ConfigError("n_heads", f"must divide hidden_size {self.hidden_size} into heads of even width")


def train_base(config: TrainBaseConfig, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
    """Train tokenizer and model; OUT/model is a directory for AutoTokenizer and AutoModelForCausalLM.

    Result: model, n_parameters, vocab_size, n_documents, n_tokens (trained on), first_loss, last_loss, heldout_loss
    (nats per token; null without held-out documents), seconds.
    """
    out = Path(config.out_dir)
    if not Path(config.corpus).is_file():
        raise EngineError("input_not_found", f"the corpus {config.corpus} does not exist")
    device = resolve_device(config.device)
    precision = resolve_precision(config.precision, device)
    claim_run_directory(out, config, fingerprint={"corpus": sha256_file(config.corpus), "precision": precision})
    if (done := finished_result(out)) is not None:
        return done
    started = time.monotonic()
    use_threads(config.n_threads)
    torch.manual_seed(config.seed)
    reporter.progress("tokenizer", 0, 1, unit="tokenizers", message="training the tokenizer")
    tokenizer = train_tokenizer(_texts(config.corpus), vocab_size=config.vocab_size, max_length=config.context_length)
    reporter.progress("tokenizer", 1, 1, unit="tokenizers", message=f"{len(tokenizer)} tokens")
    training, heldout = _documents(config, tokenizer)
    if not training:
        raise EngineError("empty_input", f"the corpus {config.corpus} holds no text")
    rows = pack_split(training, config.context_length)
    tokens_per_step = config.rows_per_step * config.context_length
    n_steps = max(1, round(min(config.epochs * rows.input_ids.size, config.max_tokens) / tokens_per_step))
    model: Any = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_hidden_layers=config.n_layers,
            num_attention_heads=config.n_heads,
            num_key_value_heads=config.n_heads,
            head_dim=config.hidden_size // config.n_heads,
            max_position_embeddings=config.context_length,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    model.to(device)
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
        stage="base",
    )
    heldout_loss = None
    if heldout:
        heldout_loss = mean_token_loss(
            model, pack_split(heldout, config.context_length), device=device, precision=precision
        )
    result = {
        "model": str(out / "model"),
        "n_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "vocab_size": len(tokenizer),
        "n_documents": len(training),
        "n_tokens": n_steps * tokens_per_step,
        **losses,
        "heldout_loss": heldout_loss,
        "precision": precision,
        "seconds": round(time.monotonic() - started, 1),
    }
    return save_run(out, model, tokenizer, result, checkpoints)


def save_run(out: Path, model: Any, tokenizer: Any, result: dict[str, Any], checkpoints: Checkpoints) -> dict[str, Any]:
    """Write OUT/model, then OUT/result.json, then drop the checkpoints: in this order a kill anywhere loses nothing."""
    with atomic_directory(out / "model") as directory:
        model.save_pretrained(directory)
        tokenizer.save_pretrained(directory)
    write_json(out / "result.json", result)
    checkpoints.clear()
    return result


def _texts(corpus: str) -> Iterator[str]:
    for number, row in enumerate(read_rows(corpus), start=1):
        if isinstance(row.get("text"), str):
            yield row["text"]
        else:
            for message in row_messages(row, f"{corpus} row {number}"):
                yield message["content"]


def _documents(config: TrainBaseConfig, tokenizer: Any) -> tuple[list[list[int]], list[list[int]]]:
    """Token ids of training and held-out documents; which is which depends on the text alone, not on its place."""
    encoder = ChatEncoder(tokenizer, config.context_length)
    training: list[list[int]] = []
    heldout: list[list[int]] = []
    for number, row in enumerate(read_rows(config.corpus), start=1):
        if isinstance(row.get("text"), str):
            ids = encoder.text_ids(row["text"])
        else:
            ids = encoder.conversation_ids(row_messages(row, f"{config.corpus} row {number}"))
        digest = hashlib.blake2b(repr(ids).encode(), digest_size=8).digest()
        is_heldout = int.from_bytes(digest) < config.heldout_share * 2**64
        (heldout if is_heldout else training).append(ids)
    return training, heldout
