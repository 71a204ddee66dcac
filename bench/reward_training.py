"""Reward model training: this project's engine and TRL's RewardTrainer, the same model, comparisons and machine.

    python bench/reward_training.py                    # both shapes, on a CPU 10 to 20 minutes
    python bench/reward_training.py --shape 15m --pairs 256 --rounds 3

Real comparisons of HH-RLHF (harmless, test), cut to 512 tokens and taken in an order by a fixed seed; a decoder of the
given shape with random weights. Every arm starts from the same weights, sees the same comparisons in batches of the
same size with the same peak learning rate, and is followed by the same held-out loss, computed in fp32. Arms:

    trl defaults   bf16, gradient checkpointing (what RewardConfig does by itself)
    trl tuned      bf16, no gradient checkpointing, grouped by length, the best of several batch splits
    padded         this engine without packing
    packed         this engine as it comes

Each arm runs in a process of its own, one after the other, `--rounds` times over; the table has medians. Seconds are of
the training loop alone: loading and tokenising are nobody's. Memory is the process's peak. "of peak" is the share of
this machine's measured bf16 matrix product that the arithmetic of a plain padded-free pass, 6 · parameters without
embeddings · tokens of both texts, would take: what TRL computes less of, by padding, and the engine more, by sharing.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
DATA = Path(os.environ.get("TOUCHSTONE_DATA") or ROOT.parent / "shared" / "data")
SHAPES: dict[str, dict[str, int]] = {
    "15m": {
        "vocab_size": 16_384,
        "hidden_size": 384,
        "intermediate_size": 1024,
        "num_hidden_layers": 6,
        "num_attention_heads": 6,
        "num_key_value_heads": 6,
    },
    "135m": {
        "vocab_size": 16_384,
        "hidden_size": 768,
        "intermediate_size": 2048,
        "num_hidden_layers": 17,
        "num_attention_heads": 12,
        "num_key_value_heads": 12,
    },
}
ARMS = ("trl defaults", "trl tuned", "padded", "packed")
BATCH, LENGTH, RATE, HELD_OUT = 32, 512, 2e-4, 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=[*SHAPES, "both"], default="both")
    parser.add_argument("--pairs", type=int, help="comparisons to train on (default 768 and 128)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--arms", nargs="*", choices=ARMS, default=list(ARMS))
    parser.add_argument("--arm", nargs=4, metavar=("NAME", "SHAPE", "DIRECTORY", "PAIRS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.arm:
        name, shape, directory, pairs = options.arm
        print(json.dumps(run_arm(name, shape, Path(directory), int(pairs))))
        return
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory() as directory:
        for shape in SHAPES if options.shape == "both" else [options.shape]:
            pairs = options.pairs or {"15m": 768, "135m": 128}[shape]
            make_base(shape, Path(directory))
            found: dict[str, list[dict[str, Any]]] = {arm: [] for arm in options.arms}
            for round_ in range(options.rounds):
                # One order forwards, the next backwards: a machine that slows down favours nobody.
                for arm in options.arms if round_ % 2 == 0 else options.arms[::-1]:
                    found[arm].append(in_a_process(arm, shape, directory, pairs))
            show(shape, pairs, found)


def show(shape: str, pairs: int, found: dict[str, list[dict[str, Any]]]) -> None:
    print(f"{shape}: {pairs} comparisons, batches of {BATCH}, one epoch, at most {LENGTH} tokens a text\n")
    some = next(iter(found.values()))[0]
    print(f"{some['n_tokens']:,} tokens, {some['n_distinct']:,} of them with a shared prompt counted once\n")
    names = ("pairs/s", 8), ("(lowest–highest)", 18), ("tokens/s", 9), ("of peak", 8), ("peak MiB", 9), ("loss", 8)
    print(f"{'':14} " + " ".join(f"{name:>{width}}" for name, width in names))
    for arm, runs in found.items():
        rates = [run["pairs_per_s"] for run in runs]
        print(
            f"{arm:14} {statistics.median(rates):8.1f} {f'{min(rates):.1f}–{max(rates):.1f}':>18}"
            f" {statistics.median(run['tokens_per_s'] for run in runs):9.0f}"
            f" {statistics.median(run['of_peak'] for run in runs):8.0%}"
            f" {statistics.median(run['peak_mib'] for run in runs):9.0f}"
            f" {statistics.median(run['held_out_loss'] for run in runs):8.4f}   {runs[0]['how']}"
        )
    for arm in ("trl defaults", "trl tuned", "padded"):
        if arm in found and "packed" in found:
            both = zip(found["packed"], found[arm], strict=True)
            ratios = [ours["pairs_per_s"] / theirs["pairs_per_s"] for ours, theirs in both]
            print(f"packed / {arm}: {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f} by round)")
    print()


def in_a_process(arm: str, shape: str, directory: str, pairs: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--arm", arm, shape, directory, str(pairs)]
    environment = os.environ | {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{arm} failed:\n{done.stderr[-4000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def run_arm(arm: str, shape: str, directory: Path, n_pairs: int) -> dict[str, Any]:
    """Train once; what it took and what came of it."""
    import torch

    from training.engine.reward.model import RewardModel

    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    peak = matrix_peak(device)
    torch.manual_seed(0)
    model = RewardModel.from_base(str(directory / shape), max_length=LENGTH, seed=0)
    rows = pairs_of(directory)
    encoded = [
        model.encoder.encode_group(row["prompt"], [row["chosen"], row["rejected"]])
        for row in rows[: n_pairs + HELD_OUT]
    ]
    pairs, held_out = encoded[:n_pairs], encoded[n_pairs:]
    n_tokens = sum(one.n_tokens for pair in pairs for one in pair)
    train: Callable[..., tuple[float, str]] = train_with_trl if arm.startswith("trl") else train_with_engine
    seconds, how = train(arm, model, pairs, directory, device)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if device == "cuda":
        peak_mib = torch.cuda.max_memory_allocated() / 2**20
    model.model.float()
    gap = model.score_encoded([pair[0] for pair in held_out]) - model.score_encoded([pair[1] for pair in held_out])
    body = sum(p.numel() for name, p in model.model.named_parameters() if "embed" not in name)
    return {
        "n_tokens": n_tokens,
        "n_distinct": n_tokens - sum(len(one.prompt_ids) for one, other in pairs if one.prompt_ids == other.prompt_ids),
        "pairs_per_s": len(pairs) / seconds,
        "tokens_per_s": n_tokens / seconds,
        "of_peak": 6 * body * n_tokens / seconds / peak,
        "peak_mib": peak_mib,
        "held_out_loss": float(torch.nn.functional.softplus(-torch.from_numpy(gap).double()).mean()),
        "how": how,
    }


def train_with_engine(arm: str, model: Any, pairs: list[Any], directory: Path, device: str) -> tuple[float, str]:
    import io

    import numpy as np

    from training.engine.common.cli import StopFlag
    from training.engine.common.progress import Reporter
    from training.engine.reward.data import META, NUMBERS, Comparisons
    from training.engine.reward.trainer import RewardTrainConfig, TrainingRun

    n = len(pairs)
    numbers = {name: np.ones(n, dtype=np.float32) for name in NUMBERS}
    meta: dict[str, list[Any]] = {name: [missing] * n for name, missing in META.items()}
    comparisons = Comparisons([pair[0] for pair in pairs], [pair[1] for pair in pairs], numbers, meta)
    empty = Comparisons([], [], {name: column[:0] for name, column in numbers.items()}, {name: [] for name in META})
    config = RewardTrainConfig(
        base_model="",
        comparison_set="",
        out_dir="",
        epochs=1,
        batch_size=BATCH,
        learning_rate=RATE,
        warmup_share=0.1,
        max_length=LENGTH,
        packing="padded" if arm == "padded" else "auto",
        checkpoint_steps=100_000,
    )
    with tempfile.TemporaryDirectory(dir=directory) as out:
        model.model.to(device)
        run = TrainingRun(config, model, comparisons, empty, Path(out), device, "bf16")
        run._checkpoint = lambda: None  # type: ignore[method-assign]  # writing to disk is nobody's here
        started = time.perf_counter()
        run.fit(Reporter(io.StringIO()), StopFlag())
        return time.perf_counter() - started, f"micro-batches of {run.micro_batch_tokens} tokens"


def train_with_trl(arm: str, model: Any, pairs: list[Any], directory: Path, device: str) -> tuple[float, str]:
    from datasets import Dataset
    from trl import RewardConfig, RewardTrainer

    rows = Dataset.from_dict(
        {
            "chosen_ids": [one.input_ids for one, _ in pairs],
            "rejected_ids": [other.input_ids for _, other in pairs],
            "length": [max(one.n_tokens, other.n_tokens) for one, other in pairs],
        }
    )
    tuned: dict[str, Any] = {}
    how = "bf16, gradient checkpointing, 8 × 4"
    if arm == "trl tuned":
        # Grouped by length at 8 a forward pass: the quickest of 4, 8, 16 and 32 on two cores.
        tuned = {
            "gradient_checkpointing": False,
            "train_sampling_strategy": "group_by_length",
            "remove_unused_columns": False,  # or it drops the lengths
        }
        how = "bf16, grouped by length, 8 × 4"
    with tempfile.TemporaryDirectory(dir=directory) as out:
        config = RewardConfig(
            output_dir=out,
            max_length=LENGTH,
            num_train_epochs=1,
            per_device_train_batch_size=8,
            gradient_accumulation_steps=BATCH // 8,
            learning_rate=RATE,
            lr_scheduler_type="cosine",
            warmup_steps=0.1,
            weight_decay=0.01,
            bf16=True,
            save_strategy="no",
            report_to="none",
            logging_steps=1_000,
            disable_tqdm=True,
            use_cpu=device == "cpu",
            seed=0,
            **tuned,
        )
        trainer = RewardTrainer(
            model=model.model.train(), args=config, train_dataset=rows, processing_class=model.tokenizer
        )
        started = time.perf_counter()
        trainer.train()
        return time.perf_counter() - started, how


def pairs_of(directory: Path) -> list[dict[str, Any]]:
    """The real comparisons in an order of their own, once written by `make_base`."""
    rows: list[dict[str, Any]] = json.loads((directory / "pairs.json").read_text())
    return rows


def make_base(shape: str, directory: Path) -> None:
    """A decoder with random weights and a tokenizer made from the comparisons' texts, for every arm the same."""
    import random

    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from training.engine.lm.tokenizer import train_tokenizer

    path = DATA / "hh_harmless_test.jsonl.gz"
    if not path.is_file():
        raise SystemExit(f"{path} is missing: set TOUCHSTONE_DATA to the directory with the real ratings")
    rows = []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            one = json.loads(line)
            preferred = one["ratings"][0]["preferred"]
            texts = [completion["text"] for completion in one["completions"]]
            rows.append({"prompt": one["prompt"], "chosen": texts[preferred], "rejected": texts[1 - preferred]})
    random.Random(0).shuffle(rows)
    (directory / "pairs.json").write_text(json.dumps(rows))
    texts = [message["content"] for row in rows for message in row["prompt"]]
    texts += [row[side] for row in rows for side in ("chosen", "rejected")]
    tokenizer = train_tokenizer(texts, vocab_size=SHAPES[shape]["vocab_size"], max_length=LENGTH)
    torch.manual_seed(0)
    sizes: dict[str, Any] = dict(SHAPES[shape])
    config = LlamaConfig(
        **sizes,
        max_position_embeddings=LENGTH,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(directory / shape)
    tokenizer.save_pretrained(directory / shape)


def matrix_peak(device: str, dtype: str = "bfloat16") -> float:
    """FLOP/s of a large matrix product on this device, the best of six."""
    import torch

    n = 4096 if device == "cpu" else 8192
    a, b = (torch.randn(n, n, dtype=getattr(torch, dtype), device=device) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        if device == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return 2 * n**3 / best


def machine() -> str:
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {os.cpu_count()} cores, {gpu}; torch {torch.__version__}"


if __name__ == "__main__":
    main()
