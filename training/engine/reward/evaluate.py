"""`evaluate`: how good a reward model is on one split of a comparison set, beside what needs no model at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.engine.common.atomic import write_json
from training.engine.common.cli import StopFlag
from training.engine.common.config import option
from training.engine.common.errors import EngineError
from training.engine.common.optimisation import resolve_device, use_threads
from training.engine.common.progress import Reporter
from training.engine.reward.data import Comparisons, open_comparison_set, read_split, tokenise
from training.engine.reward.metrics import (
    brier_score,
    calibration,
    correlation,
    difference_stat,
    distribution,
    log_loss,
    share_stat,
    sign_hits,
)
from training.engine.reward.model import RewardModel

REPORT_FORMAT = "touchstone.reward_report/1"
AGREEMENT_BUCKETS = ((0.0, 0.6), (0.6, 0.8), (0.8, 1.0), (1.0, 1.0 + 1e-9))


@dataclass(frozen=True)
class EvaluateConfig:
    """Config of `evaluate`."""

    model: str = option(help="directory of a trained reward model")
    comparison_set: str = option(help="directory of a comparison set")
    out: str = option(help="the report is written to this JSON file")
    split: str = option("test", help="which split", choices=("train", "validation", "test"))
    tokens_per_batch: int = option(8192, help="padded tokens in one forward pass", at_least=1)
    dtype: str = option("float32", help="precision of the weights", choices=("float32", "bfloat16"))
    device: str = option("auto", help="auto, cpu, cuda, cuda:0, …")
    n_threads: int = option(2, help="CPU threads", at_least=1)


def evaluate(config: EvaluateConfig, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
    """Write the report of `report_on` and return it with its path."""
    use_threads(config.n_threads)
    source = open_comparison_set(config.comparison_set)
    model = RewardModel.load(config.model, config.dtype, device=resolve_device(config.device))
    comparisons = tokenise(read_split(source, config.split), model.encoder, reporter, split=config.split)
    if not len(comparisons):
        raise EngineError("empty_input", f"the comparison set {config.comparison_set} has no {config.split} split")
    chosen, rejected = score_comparisons(model, comparisons, config.tokens_per_batch)
    report = report_on(comparisons, chosen, rejected, split=config.split)
    report["comparison_set_digest"] = source.digest
    write_json(config.out, report)
    reporter.progress("evaluate", len(comparisons), len(comparisons), unit="comparisons")
    return {"report": config.out, "accuracy": report["accuracy"], "baselines": report["baselines"]}


def score_comparisons(
    model: RewardModel, comparisons: Comparisons, tokens_per_batch: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rewards of the chosen and of the rejected completions, (n,) each."""
    n = len(comparisons)
    rewards = model.score_encoded([*comparisons.chosen, *comparisons.rejected], tokens_per_batch=tokens_per_batch)
    return rewards[:n], rewards[n:]


def report_on(
    comparisons: Comparisons, chosen: NDArray[np.float32], rejected: NDArray[np.float32], *, split: str
) -> dict[str, Any]:
    """The report as plain JSON values, from rewards (n,) of the chosen and the rejected completions.

    Accuracy is over comparisons whose soft preference is not ½ (the ratings decide); equal rewards count half. The
    baselines "longer is better" (characters; equal lengths count half) and "always a" (the stored first side) are taken
    over the very same comparisons, and `advantage` is the paired difference to each. Calibration is that of
    σ(reward of a − reward of b) against the soft preference for a, over all comparisons, ties included.
    """
    gap = chosen.astype(np.float64) - rejected.astype(np.float64)
    p = comparisons.numbers["soft_preference"].astype(np.float64)
    prompts = np.asarray(comparisons.meta["prompt_digest"], dtype=object).astype(str)
    is_a = np.asarray(comparisons.meta["chosen_is_a"], dtype=bool)
    chosen_chars = np.asarray(comparisons.meta["chosen_chars"], dtype=np.float64)
    rejected_chars = np.asarray(comparisons.meta["rejected_chars"], dtype=np.float64)
    decided = p != 0.5
    side = np.sign(p - 0.5)[decided]
    hits = {
        "model": sign_hits(gap[decided] * side),
        "longer": sign_hits((chosen_chars - rejected_chars)[decided] * side),
        "always_a": sign_hits(np.where(is_a, 1.0, -1.0)[decided] * side),
    }
    groups = prompts[decided]
    towards_a = np.where(is_a, 1.0, -1.0)
    predicted_a = 1 / (1 + np.exp(-gap * towards_a))
    observed_a = np.where(is_a, p, 1 - p)

    def slices(values: NDArray[Any], names: list[tuple[str, NDArray[np.bool_]]]) -> list[dict[str, Any]]:
        return [
            {"bucket": name, "accuracy": share_stat(values[inside], groups[inside])}
            for name, inside in names
            if inside.any()
        ]

    intensity = comparisons.numbers["intensity"][decided]
    # As float64 and rounded: float32(0.7) is below 0.7, and no float32 lies between 1 and the last bucket's end.
    agreement = np.round(comparisons.numbers["agreement"][decided].astype(np.float64), 6)
    longer = ((chosen_chars - rejected_chars)[decided] * side).astype(np.float64)
    levels = [int(level) for level in np.unique(np.rint(intensity[np.isfinite(intensity)]))]
    by_intensity = [(str(level), np.rint(intensity) == level) for level in levels]
    by_agreement = [
        ("1.0" if low == 1.0 else f"{low:.1f} to {high:.1f}", (agreement >= low) & (agreement < high))
        for low, high in AGREEMENT_BUCKETS
    ]
    unknown = [("unknown", ~np.isfinite(intensity))], [("unknown", ~np.isfinite(agreement))]
    by_length = [
        ("preferred is longer", longer > 0),
        ("preferred is shorter", longer < 0),
        ("equal length", longer == 0),
    ]
    return {
        "format": REPORT_FORMAT,
        "split": split,
        "n_comparisons": len(gap),
        "n_decided": int(decided.sum()),
        "n_prompts": len(np.unique(prompts)),
        "n_truncated": comparisons.n_truncated,
        "accuracy": share_stat(hits["model"], groups),
        "baselines": {name: share_stat(hits[name], groups) for name in ("longer", "always_a")},
        "advantage": {name: difference_stat(hits["model"], hits[name], groups) for name in ("longer", "always_a")},
        "by_intensity": slices(hits["model"], by_intensity + unknown[0]),
        "by_agreement": slices(hits["model"], by_agreement + unknown[1]),
        "by_length": slices(hits["model"], by_length),
        "log_loss": log_loss(gap, p),
        "brier": brier_score(predicted_a, observed_a),
        "calibration": calibration(predicted_a, observed_a),
        "reward_gap": distribution(gap),
        "rewards": {"chosen": distribution(chosen), "rejected": distribution(rejected)},
        "length_correlation": {
            "over_completions": correlation(
                np.concatenate([chosen, rejected]), np.concatenate([chosen_chars, rejected_chars])
            ),
            "within_comparison": correlation(gap * towards_a, (chosen_chars - rejected_chars) * towards_a),
        },
    }
