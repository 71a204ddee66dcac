"""`compare`: two reward models on the very same held-out comparisons. Every difference is b − a."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from training.engine.common.atomic import write_json
from training.engine.common.cli import StopFlag
from training.engine.common.config import option
from training.engine.common.errors import EngineError, StopRequested
from training.engine.common.optimisation import resolve_device, use_threads
from training.engine.common.progress import Reporter
from training.engine.reward.data import Comparisons, comparison_ids, open_comparison_set, read_split, tokenise
from training.engine.reward.evaluate import Judged, excerpts, score_comparisons
from training.engine.reward.metrics import (
    brier_score,
    calibration,
    difference_stat,
    log_loss,
    mcnemar_exact,
    share_stat,
    sign_hits,
    temperature,
)
from training.engine.reward.model import RewardModel

COMPARISON_FORMAT = "touchstone.reward_comparison/1"
MAX_DIFFERENCES = 20

Gaps = NDArray[np.float64]


@dataclass(frozen=True)
class CompareConfig:
    """Config of `compare`."""

    model_a: str = option(help="directory of a trained reward model")
    model_b: str = option(help="directory of another")
    comparison_set: str = option(help="directory of a comparison set")
    out: str = option(help="the report is written to this JSON file")
    split: str = option("test", help="which split", choices=("train", "validation", "test"))
    earlier_set: str = option(
        "", help="directory of an earlier comparison set: what is not in it is judged by itself, as `fresh`"
    )
    tokens_per_batch: int = option(8192, help="tokens in one forward pass", at_least=1)
    dtype: str = option("float32", help="precision of the weights", choices=("float32", "bfloat16"))
    device: str = option("auto", help="auto, cpu, cuda, cuda:0, …")
    n_threads: int = option(2, help="CPU threads", at_least=1)


def compare(config: CompareConfig, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
    """Write the report of `compare_on`. One model is in memory at a time, and each reads texts by its own tokenizer.

    Result: report (path), difference, p_value. Raises EngineError "empty_input" for a split without comparisons.
    """
    use_threads(config.n_threads)
    source = open_comparison_set(config.comparison_set)
    table = read_split(source, config.split)
    if not table.num_rows:
        raise EngineError("empty_input", f"the comparison set {config.comparison_set} has no {config.split} split")
    gaps: list[Gaps] = []
    told: list[dict[str, Any]] = []
    for nth, path in enumerate((config.model_a, config.model_b)):
        if stop.is_set:
            raise StopRequested
        model = RewardModel.load(path, config.dtype, device=resolve_device(config.device))
        comparisons = tokenise(table, model.encoder, reporter, split=config.split)
        chosen, rejected = score_comparisons(model, comparisons, config.tokens_per_batch)
        gaps.append(chosen.astype(np.float64) - rejected)
        names = ("project", "axis", "version", "base_model", "comparison_set_digest")
        told.append({name: model.metadata.get(name) for name in names} | {"n_truncated": comparisons.n_truncated})
        reporter.progress("compare", nth + 1, 2, unit="models", force=True)
    earlier = comparison_ids(open_comparison_set(config.earlier_set)) if config.earlier_set else None
    report = compare_on(comparisons, gaps[0], gaps[1], split=config.split, table=table, earlier=earlier)
    report["a"] = {**told[0], **report["a"]}
    report["b"] = {**told[1], **report["b"]}
    report["comparison_set_digest"] = source.digest
    write_json(config.out, report)
    return {"report": config.out, "difference": report["difference"], "p_value": report["p_value"]}


def compare_on(
    comparisons: Comparisons,
    gap_a: Gaps,
    gap_b: Gaps,
    *,
    split: str,
    table: pa.Table | None = None,
    earlier: Set[int] | None = None,
) -> dict[str, Any]:
    """The report as plain JSON values, from both models' reward gaps (n,), chosen minus rejected.

    a, b: accuracy, log_loss, brier, calibration and temperature of each, as in a report on one model. difference: the
    paired one of their accuracies with an interval over prompts. p_value and mcnemar: McNemar's exact test, which takes
    comparisons as independent. log_loss_difference: below 0 where b predicts the ratings better. agreement: how often
    they prefer the same side, over all comparisons. slices: `difference` by bucket, the buckets of a report on one.
    fresh, where there are `earlier` comparisons (ids): a, b and difference on the decided ones that are not among them.
    differences: those comparisons on which one is right and the other is not, the furthest apart first, in units of
    each model's own gaps since rewards have no common scale.
    """
    judged = Judged(comparisons)
    hits_a, hits_b = judged.hits(gap_a), judged.hits(gap_b)
    test = mcnemar_exact(hits_a, hits_b)
    report = {
        "format": COMPARISON_FORMAT,
        "split": split,
        "n_comparisons": len(gap_a),
        "n_decided": int(judged.decided.sum()),
        "n_prompts": len(np.unique(judged.prompts)),
        "a": _of_one(judged, gap_a, hits_a),
        "b": _of_one(judged, gap_b, hits_b),
        "difference": difference_stat(hits_b, hits_a, judged.groups),
        "p_value": test["p_value"],
        "mcnemar": test,
        "log_loss_difference": difference_stat(_losses(judged, gap_b), _losses(judged, gap_a), judged.prompts),
        "agreement": share_stat(1 - np.abs(sign_hits(gap_a) - sign_hits(gap_b)), judged.prompts),
        "slices": {
            name: [
                {
                    "bucket": bucket,
                    "difference": difference_stat(hits_b[inside], hits_a[inside], judged.groups[inside]),
                }
                for bucket, inside in buckets
            ]
            for name, buckets in judged.buckets().items()
        },
        "differences": _differences(judged, gap_a, gap_b, table),
    }
    if earlier is not None:
        inside = np.asarray([pk not in earlier for pk in judged.column("comparison_id")], dtype=bool)
        report["fresh"] = {
            "n": int(inside.sum()),
            "a": share_stat(hits_a[inside], judged.groups[inside]),
            "b": share_stat(hits_b[inside], judged.groups[inside]),
            "difference": difference_stat(hits_b[inside], hits_a[inside], judged.groups[inside]),
        }
    return report


def _of_one(judged: Judged, gap: Gaps, hits: Gaps) -> dict[str, Any]:
    towards_a = np.where(judged.is_a, 1.0, -1.0)
    predicted_a = 1 / (1 + np.exp(-gap * towards_a))
    observed_a = np.where(judged.is_a, judged.p, 1 - judged.p)
    return {
        "accuracy": share_stat(hits, judged.groups),
        "log_loss": log_loss(gap, judged.p),
        "brier": brier_score(predicted_a, observed_a),
        "calibration": calibration(predicted_a, observed_a, prompts=judged.prompts),
        "temperature": temperature(gap, judged.p),
    }


def _losses(judged: Judged, gap: Gaps) -> Gaps:
    losses: Gaps = judged.p * np.logaddexp(0, -gap) + (1 - judged.p) * np.logaddexp(0, gap)
    return losses


def _differences(judged: Judged, gap_a: Gaps, gap_b: Gaps, table: pa.Table | None) -> list[dict[str, Any]]:
    """Reward gaps there are the preferred side's minus the other's: the model above 0 is right."""
    a, b = gap_a[judged.decided] * judged.side, gap_b[judged.decided] * judged.side
    apart = np.abs(a / _size(gap_a) - b / _size(gap_b))
    found = [nth for nth in np.argsort(-apart, kind="stable") if (a[nth] > 0) != (b[nth] > 0)]
    return [
        {"reward_gap_a": float(a[nth]), "reward_gap_b": float(b[nth]), **excerpts(judged, int(nth), table)}
        for nth in found[:MAX_DIFFERENCES]
    ]


def _size(gap: Gaps) -> float:
    return float(np.sqrt(np.mean(gap**2))) or 1.0
