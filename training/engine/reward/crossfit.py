"""`crossfit`: how strongly models that never saw a comparison's prompt prefer its chosen side, for every comparison.

Wang et al. 2024 (arXiv 2401.06080 §2) take the mean reward gap over several models as preference strength and find the
labels that it contradicts mostly wrong. Their models were trained on the very comparisons; here, prompts are dealt into
folds and a fold is judged by models trained on the others only.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from training.engine.common.atomic import atomic_directory, sha256_file, write_json
from training.engine.common.cli import StopFlag
from training.engine.common.config import claim_run_directory, finished_result, option
from training.engine.common.errors import ConfigError, EngineError, StopRequested
from training.engine.common.optimisation import resolve_device
from training.engine.common.progress import Pace, Reporter
from training.engine.reward.data import ComparisonSet, open_comparison_set, tokenise
from training.engine.reward.metrics import log_loss, share_stat, sign_hits
from training.engine.reward.model import RewardModel
from training.engine.reward.noise import fold_of, mean_sigmoid, strengths
from training.engine.reward.parts import PartReporter, one_process_only, percent_done, train_config
from training.engine.reward.posterior import HeadPosterior
from training.engine.reward.trainer import train

STRENGTHS_SCHEMA = pa.schema(
    [
        ("comparison_id", pa.int64()),
        ("fold", pa.int32()),
        ("strength", pa.float64()),
        ("std", pa.float64()),
        ("p_chosen", pa.float64()),
    ]
)
PART_SCHEMA = pa.schema(
    [
        ("comparison_id", pa.int64()),
        ("prompt_digest", pa.string()),
        ("soft_preference", pa.float32()),
        ("gap", pa.float64()),
        ("variance", pa.float64()),
    ]
)
SPLITS = ("train", "validation", "test")
N_SUSPICIOUS = 50
ROWS = 1024


@dataclass(frozen=True)
class CrossFitConfig:
    """Config of `crossfit`."""

    base_model: str = option(help="directory or hub id of a decoder or encoder, as of `train`")
    comparison_set: str = option(help="directory of a comparison set")
    out_dir: str = option(help="run directory; the strengths are written to OUT/strengths.parquet")
    train: dict[str, Any] = option(  # noqa: RUF009 - option gives a field, as above
        help="fields of `train`'s config other than its defaults", default_factory=dict
    )
    n_folds: int = option(5, help="parts into which the prompts are dealt", at_least=2, at_most=20)
    n_repeats: int = option(1, help="models per fold, which differ in head and data order", at_least=1, at_most=20)
    tokens_per_batch: int = option(8192, help="padded tokens in one forward pass of scoring", at_least=1)

    def validate(self) -> None:
        """Raise ConfigError for what `train` would refuse, and for a treatment of the noise that is to be measured."""
        config = train_config(
            self.train, base_model=self.base_model, comparison_set=self.comparison_set, out_dir=self.out_dir
        )
        if config.noise_treatment != "none":
            raise ConfigError(
                "train.noise_treatment", "label noise is measured on the labels as they are: expected none"
            )
        if config.start_from:
            raise ConfigError(
                "train.start_from", "expected none: a fold is judged by models that did not learn from it"
            )


def crossfit(config: CrossFitConfig, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
    """Train n_folds · n_repeats models, each to judge the fold it has not seen, and write OUT/strengths.parquet.

    Its columns, one row per comparison of all splits in order of comparison_id: fold; strength, the mean reward gap
    chosen − rejected over the repeats; std, its standard deviation over the repeats and what the head's posterior
    leaves open together; p_chosen = E[σ(d)] for d ~ N(strength, std²). Training rows of the other folds train a model
    and their validation rows stop it; the test split trains none, so it stays held out.

    Result: strengths (path), n_comparisons, n_folds, n_repeats, n_decided (not ties), accuracy (share of the decided
    whose label the strength agrees with, a Stat), share_contradicted, log_loss, mean_strength, strength_quantiles,
    suspicious (the labels that are contradicted most), seconds. Resumes model by model; within one as `train` does.
    Raises EngineError: those of `train`; "empty_input" where a fold leaves nothing to train on.
    """
    one_process_only()
    out = Path(config.out_dir)
    config.validate()
    source = open_comparison_set(config.comparison_set)
    claim_run_directory(out, config, fingerprint={"comparison_set": source.digest})
    if (done := finished_result(out)) is not None:
        return done
    started = time.monotonic()
    n_parts = config.n_folds * config.n_repeats
    paths = [
        [out / "parts" / f"fold-{fold}-{repeat}.parquet" for repeat in range(config.n_repeats)]
        for fold in range(config.n_folds)
    ]
    pace = Pace(done=percent_done(sum(path.is_file() for fold in paths for path in fold), n_parts))
    for fold, files in enumerate(paths):
        for repeat, path in enumerate(files):
            part = fold * config.n_repeats + repeat
            name = f"fold {fold + 1}" + (f", model {repeat + 1}" if config.n_repeats > 1 else "")
            within = PartReporter(reporter, stage="crossfit", part=part, n_parts=n_parts, name=name, pace=pace)
            if path.is_file():
                continue
            _judge(config, source, fold, repeat, path, within, stop)
            if stop.is_set and part + 1 < n_parts:
                raise StopRequested
        shutil.rmtree(_fold_directory(out, fold), ignore_errors=True)
    result = {**_merge(config, paths, out / "strengths.parquet"), "seconds": round(time.monotonic() - started, 1)}
    write_json(out / "result.json", result)
    for name in ("parts", "folds", "runs"):
        shutil.rmtree(out / name, ignore_errors=True)
    reporter.progress("crossfit", 100, 100, unit="%", force=True)
    return result


def write_without_fold(source: ComparisonSet, directory: Path, fold: int, n_folds: int) -> Path:
    """A comparison set of the training and validation rows outside of a fold, streamed; the same bytes every time.

    An existing one is kept: it is whole, being written under another name first.
    Raises EngineError "empty_input" where it has nothing to train on.
    """
    if directory.is_dir():
        return directory
    with atomic_directory(directory) as temporary:
        shards = []
        for split in ("train", "validation"):
            path = temporary / f"{split}-00000.parquet"
            n_rows, writer = 0, None
            for batch, folds in _batches(source, split, n_folds):
                kept = batch.filter(pa.array(folds != fold))
                writer = writer or pq.ParquetWriter(path, kept.schema, compression="zstd")
                writer.write_batch(kept)
                n_rows += kept.num_rows
            if writer is not None:
                writer.close()
                shards.append({"path": path.name, "split": split, "rows": n_rows, "sha256": sha256_file(path)})
            if split == "train" and n_rows == 0:
                raise EngineError(
                    "empty_input", f"fold {fold + 1} of {n_folds} leaves no training comparisons: too few prompts"
                )
        text = json.dumps([shard["sha256"] for shard in shards])
        manifest = {
            **source.manifest,
            "shards": shards,
            "counts": {shard["split"]: shard["rows"] for shard in shards},
            "digest": hashlib.sha256(text.encode()).hexdigest(),
        }
        write_json(temporary / "manifest.json", manifest)
    return directory


def _judge(
    config: CrossFitConfig,
    source: ComparisonSet,
    fold: int,
    repeat: int,
    path: Path,
    reporter: Reporter,
    stop: StopFlag,
) -> None:
    """Train one model without the fold and write its gaps on the fold to `path`."""
    out = Path(config.out_dir)
    without = write_without_fold(source, _fold_directory(out, fold), fold, config.n_folds)
    run = out / "runs" / f"fold-{fold}-{repeat}"
    options = train_config(
        config.train,
        base_model=config.base_model,
        comparison_set=str(without),
        out_dir=str(run),
        nth=fold * config.n_repeats + repeat,
    )
    trained = Path(train(options, reporter, stop)["model"])
    model = RewardModel.load(trained, device=resolve_device(options.device))
    posterior = HeadPosterior.load(trained)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    n_scored = 0
    with pq.ParquetWriter(temporary, PART_SCHEMA, compression="zstd") as writer:
        for split in SPLITS:
            for batch, folds in _batches(source, split, config.n_folds):
                table = pa.Table.from_batches([batch.filter(pa.array(folds == fold))])
                if not table.num_rows:
                    continue
                gap, variance = _gaps(model, posterior, table, config.tokens_per_batch)
                columns = {
                    "comparison_id": table.column("comparison_id"),
                    "prompt_digest": pa.array(_keys(table)),
                    "soft_preference": table.column("soft_preference"),
                    "gap": gap,
                    "variance": variance,
                }
                writer.write_table(pa.table(columns, schema=PART_SCHEMA))
                n_scored += len(gap)
                reporter.progress("score", n_scored, None, unit="comparisons")
    os.replace(temporary, path)
    shutil.rmtree(run, ignore_errors=True)


def _gaps(
    model: RewardModel, posterior: HeadPosterior | None, table: pa.Table, tokens_per_batch: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Reward gaps (n,) of comparisons and how much variance (n,) the head's posterior gives them (0 without one)."""
    comparisons = tokenise(table, model.encoder)
    n = len(comparisons)
    texts = [*comparisons.chosen, *comparisons.rejected]
    rewards, features = model.score_and_features_encoded(texts, tokens_per_batch=tokens_per_batch)
    gap = rewards[:n].astype(np.float64) - rewards[n:].astype(np.float64)
    variance = np.zeros(n) if posterior is None else posterior.gap_variance(features[:n] - features[n:])
    return gap, variance


def _merge(config: CrossFitConfig, paths: list[list[Path]], target: Path) -> dict[str, Any]:
    """Write the strengths of all folds and sum them up."""
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in (*STRENGTHS_SCHEMA.names, "p", "prompt")}
    for fold, files in enumerate(paths):
        tables = [pq.read_table(path) for path in files]
        mean, spread = strengths([table.column("gap").to_numpy() for table in tables])
        unsure = np.mean([table.column("variance").to_numpy() for table in tables], axis=0)
        std = np.sqrt(spread**2 + unsure)
        columns["comparison_id"].append(tables[0].column("comparison_id").to_numpy())
        columns["fold"].append(np.full(len(mean), fold, dtype=np.int32))
        columns["strength"].append(mean)
        columns["std"].append(std)
        columns["p_chosen"].append(mean_sigmoid(mean, std))
        columns["p"].append(tables[0].column("soft_preference").to_numpy())
        columns["prompt"].append(tables[0].column("prompt_digest").to_numpy(zero_copy_only=False))
    whole = {name: np.concatenate(parts) for name, parts in columns.items()}
    order = np.argsort(whole["comparison_id"], kind="stable")
    whole = {name: column[order] for name, column in whole.items()}
    temporary = target.with_suffix(".tmp")
    table = pa.table({name: whole[name] for name in STRENGTHS_SCHEMA.names}, schema=STRENGTHS_SCHEMA)
    pq.write_table(table, temporary, compression="zstd")
    os.replace(temporary, target)

    # A preference below ½ says that the rejected side is preferred: strength is counted along the label.
    direction = np.sign(whole["p"].astype(np.float64) - 0.5)
    is_decided = direction != 0
    along = (whole["strength"] * direction)[is_decided]
    p_label = np.where(direction > 0, whole["p_chosen"], 1 - whole["p_chosen"])[is_decided]
    worst = np.flatnonzero(is_decided)[np.argsort(p_label, kind="stable")[:N_SUSPICIOUS]]
    quantiles = np.quantile(along, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist() if len(along) else [None] * 5
    return {
        "strengths": str(target),
        "n_comparisons": len(whole["strength"]),
        "n_folds": config.n_folds,
        "n_repeats": config.n_repeats,
        "n_decided": int(is_decided.sum()),
        "accuracy": share_stat(sign_hits(along), whole["prompt"][is_decided].astype(str)),
        "share_contradicted": float(np.mean(along < 0)) if len(along) else None,
        "log_loss": log_loss(whole["strength"], whole["p"]) if len(whole["p"]) else None,
        "mean_strength": float(along.mean()) if len(along) else None,
        "strength_quantiles": dict(zip(("p05", "p25", "median", "p75", "p95"), quantiles, strict=True)),
        "suspicious": [
            {
                "comparison_id": int(whole["comparison_id"][at]),
                "p_chosen": round(float(whole["p_chosen"][at]), 4),
                "strength": round(float(whole["strength"][at]), 4),
                "std": round(float(whole["std"][at]), 4) if math.isfinite(whole["std"][at]) else None,
            }
            for at in worst.tolist()
        ],
    }


def _batches(source: ComparisonSet, split: str, n_folds: int) -> Iterator[tuple[pa.RecordBatch, NDArray[np.int64]]]:
    """The rows of a split in their order, some at a time, each with its fold."""
    for shard in source.manifest["shards"]:
        if shard["split"] != split:
            continue
        with pq.ParquetFile(source.directory / shard["path"]) as file:
            for batch in file.iter_batches(batch_size=ROWS):
                yield batch, np.asarray([fold_of(key, n_folds) for key in _keys(batch)], dtype=np.int64)


def _keys(rows: pa.RecordBatch | pa.Table) -> list[str]:
    """What makes prompts equal: their digest, or the prompt itself where a set has none."""
    digests = rows.column("prompt_digest").to_pylist()
    if all(digests):
        return digests
    prompts = rows.column("prompt").to_pylist()
    return [digest or json.dumps(prompt) for digest, prompt in zip(digests, prompts, strict=True)]


def _fold_directory(out: Path, fold: int) -> Path:
    return out / "folds" / f"without-{fold}"
