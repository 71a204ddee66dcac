"""`evaluate`: how good a reward model is on one split of a comparison set, beside what needs no model at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from training.engine.common.atomic import write_json
from training.engine.common.cli import StopFlag
from training.engine.common.config import option
from training.engine.common.errors import EngineError
from training.engine.common.optimisation import resolve_device, use_threads
from training.engine.common.progress import Reporter
from training.engine.reward.data import META, Comparisons, open_comparison_set, read_split, tokenise
from training.engine.reward.ensemble import FILE_NAME, HEADS_NAME, RewardEnsemble
from training.engine.reward.length import fit_length_calibration, matched_and_opposed
from training.engine.reward.metrics import (
    Stat,
    brier_score,
    calibration,
    ceiling_hits,
    correlation,
    difference_stat,
    distribution,
    first_hits,
    log_loss,
    pair_hits,
    share_stat,
    sign_hits,
    temperature,
)
from training.engine.reward.model import RewardModel

REPORT_FORMAT = "touchstone.reward_report/2"
MAX_BUCKETS = 30
# Batches that are told apart by intensity too, the newest: at five levels at most some 40 KB of a report.
MAX_CELL_BATCHES = 30
MAX_ERRORS = 20
EXCERPT_CHARS = 600
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
    """Write the report of `report_on` and return it with its path.

    A directory with several members or heads is judged as it is loaded alone, and its members are in `ensemble`.
    """
    use_threads(config.n_threads)
    source = open_comparison_set(config.comparison_set)
    device = resolve_device(config.device)
    model = RewardModel.load(config.model, config.dtype, device=device)
    table = read_split(source, config.split)
    comparisons = tokenise(table, model.encoder, reporter, split=config.split)
    if not len(comparisons):
        raise EngineError("empty_input", f"the comparison set {config.comparison_set} has no {config.split} split")
    chosen, rejected = score_comparisons(model, comparisons, config.tokens_per_batch)
    members = None
    if any((Path(config.model) / name).is_file() for name in (FILE_NAME, HEADS_NAME)):
        ensemble = RewardEnsemble.load(config.model, config.dtype, device=device)
        both = [*comparisons.chosen, *comparisons.rejected]
        rewards = ensemble.score_members_encoded(both, tokens_per_batch=config.tokens_per_batch)
        members = rewards[:, : len(comparisons)] - rewards[:, len(comparisons) :]
    report = report_on(comparisons, chosen, rejected, split=config.split, table=table, ensemble=members)
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
    comparisons: Comparisons,
    chosen: NDArray[np.float32],
    rejected: NDArray[np.float32],
    *,
    split: str,
    table: pa.Table | None = None,
    ensemble: NDArray[np.float64] | None = None,
) -> dict[str, Any]:
    """The report as plain JSON values, from rewards (n,) of the chosen and the rejected completions.

    Accuracy is over comparisons whose soft preference is not ½ (the ratings decide); equal rewards count half. The
    baselines "longer is better" (characters; equal lengths count half) and "always a" (the stored first side) are taken
    over the very same comparisons, "first shown" over those of them whose order on the screen is known (the key is
    missing where it is of none), and `advantage` is the paired difference to each. `human_ceiling` is one labeller
    against the majority of a comparison's others, over ratings; None where no comparison has three. `agreement` is how
    often two ratings of one comparison say the same, over such pairs of all comparisons, ties included; None without
    any. `slices`, `length` and `errors` are over the comparisons that accuracy is over. `slices.batch_intensity` has a
    row for each batch at each intensity, {"bucket": "2 · 3", "batch": 2, "intensity": 3, "accuracy"}, intensity None
    where it is not known: of the newest 30 batches, and of what no round asked for (batch 0).
    Calibration is that of σ(reward of a − reward of b) against the soft preference for a, over all comparisons, ties
    included, as are log-loss, Brier score and `temperature`.

    `table` is the split that was tokenised, for the texts of `errors`, which are empty without it. `ensemble` are the
    members' reward gaps (k, n), chosen minus rejected. docs/reward-model-reports.md says how to read each figure.
    """
    judged = Judged(comparisons)
    gap = chosen.astype(np.float64) - rejected.astype(np.float64)
    p, decided, side, groups = judged.p, judged.decided, judged.side, judged.groups
    towards_a = np.where(judged.is_a, 1.0, -1.0)
    hits = {
        "model": judged.hits(gap),
        "longer": judged.hits(judged.chosen_chars - judged.rejected_chars),
        "always_a": judged.hits(towards_a),
    }
    predicted_a = 1 / (1 + np.exp(-gap * towards_a))
    observed_a = np.where(judged.is_a, p, 1 - p)
    preferred_gap = gap[decided] * side
    first = first_hits(judged.column("firsts"), side)
    is_known = np.isfinite(first)
    baselines = {name: share_stat(hits[name], groups) for name in ("longer", "always_a")}
    advantage = {name: difference_stat(hits["model"], hits[name], groups) for name in ("longer", "always_a")}
    if is_known.any():
        baselines["first_shown"] = share_stat(first[is_known], groups[is_known])
        advantage["first_shown"] = difference_stat(hits["model"][is_known], first[is_known], groups[is_known])
    ceiling, rated = ceiling_hits(judged.column("sides"))
    pairs, paired = pair_hits(comparisons.meta.get("sides", []))

    def slices(buckets: list[Bucket]) -> list[dict[str, Any]]:
        return [
            {
                "bucket": name,
                "accuracy": share_stat(hits["model"][inside], groups[inside]),
                "predicted": float(np.mean(1 / (1 + np.exp(-preferred_gap[inside])))),
                "log_loss": log_loss(gap[decided][inside], p[decided][inside]),
            }
            for name, inside in buckets
        ]

    by = {name: slices(buckets) for name, buckets in judged.buckets().items()}
    by["batch_intensity"] = [
        {
            "bucket": f"{batch} · {'unknown' if intensity is None else intensity}",
            "batch": batch,
            "intensity": intensity,
            "accuracy": share_stat(hits["model"][inside], groups[inside]),
        }
        for batch, intensity, inside in judged.cells()
    ]
    report = {
        "format": REPORT_FORMAT,
        "split": split,
        "n_comparisons": len(gap),
        "n_decided": int(decided.sum()),
        "n_prompts": len(np.unique(judged.prompts)),
        "n_truncated": comparisons.n_truncated,
        "n_hard": int(sum(bool(one) for one in comparisons.meta.get("is_hard", []))),
        "accuracy": share_stat(hits["model"], groups),
        "human_ceiling": share_stat(ceiling, groups[rated]) if len(rated) else None,
        "agreement": share_stat(pairs, judged.prompts[paired]) if len(paired) else None,
        "baselines": baselines,
        "advantage": advantage,
        "by_intensity": by["intensity"],
        "by_agreement": by["agreement"],
        "by_length": slices(judged.by_longer()),
        "slices": by,
        "log_loss": log_loss(gap, p),
        "brier": brier_score(predicted_a, observed_a),
        "temperature": temperature(gap, p),
        "calibration": calibration(predicted_a, observed_a, prompts=judged.prompts),
        "reward_gap": distribution(gap),
        "rewards": {"chosen": distribution(chosen), "rejected": distribution(rejected)},
        "length_correlation": {
            "over_completions": correlation(
                np.concatenate([chosen, rejected]), np.concatenate([judged.chosen_chars, judged.rejected_chars])
            ),
            "within_comparison": correlation(
                gap * towards_a, (judged.chosen_chars - judged.rejected_chars) * towards_a
            ),
        },
        "length": _length(judged, gap, hits["model"]),
        "errors": _errors(judged, preferred_gap, table),
    }
    if ensemble is not None:
        report["ensemble"] = _ensemble(judged, np.asarray(ensemble, dtype=np.float64))
    return report


Bucket = tuple[str, NDArray[np.bool_]]


class Judged:
    """n comparisons as a report sees them: which the ratings decide, for which side, and how they fall into slices.

    `p`, `is_a`, `decided`, `prompts`, `chosen_chars`, `rejected_chars` are (n,); `side` (+1 the stored chosen one is
    preferred, −1 the rejected one), `groups` (prompts) and `column` are of the m decided ones.
    """

    def __init__(self, comparisons: Comparisons) -> None:
        self.comparisons = comparisons
        self.p = comparisons.numbers["soft_preference"].astype(np.float64)
        self.prompts = np.asarray(comparisons.meta["prompt_digest"], dtype=object).astype(str)
        self.is_a = np.asarray(comparisons.meta["chosen_is_a"], dtype=bool)
        self.chosen_chars = np.asarray(comparisons.meta["chosen_chars"], dtype=np.float64)
        self.rejected_chars = np.asarray(comparisons.meta["rejected_chars"], dtype=np.float64)
        self.decided = self.p != 0.5
        self.rows = np.flatnonzero(self.decided)
        self.side = np.sign(self.p - 0.5)[self.decided]
        self.groups = self.prompts[self.decided]
        is_chosen = self.side > 0
        chosen, rejected = self.chosen_chars[self.decided], self.rejected_chars[self.decided]
        self.preferred_chars = np.where(is_chosen, chosen, rejected)
        self.other_chars = np.where(is_chosen, rejected, chosen)

    def hits(self, gap: NDArray[np.float64]) -> NDArray[np.float64]:
        """1, ½ or 0 (m,): whether a gap (n,), chosen minus rejected, is on the preferred side."""
        return sign_hits(gap[self.decided] * self.side)

    def column(self, name: str) -> list[Any]:
        """A column of META of the decided comparisons, its default where the set has none."""
        values = self.comparisons.meta.get(name)
        return [META[name] if values is None else values[row] for row in self.rows.tolist()]

    def by_longer(self) -> list[Bucket]:
        """Whether the preferred completion is the longer one."""
        longer = self.preferred_chars - self.other_chars
        names = {"preferred is longer": longer > 0, "preferred is shorter": longer < 0, "equal length": longer == 0}
        return _filled(list(names.items()))

    @property
    def batch(self) -> NDArray[np.int64]:
        """The sampling round that asked for each decided comparison (m,), 0 where none did."""
        return np.array([0 if one is None else int(one) for one in self.column("batch")], dtype=np.int64)

    def cells(self) -> list[tuple[int, int | None, NDArray[np.bool_]]]:
        """The decided comparisons by batch and intensity: (batch, intensity, mask (m,)) of what is not empty, in order,
        the unknown intensity (None) last. Batch 0 and the newest MAX_CELL_BATCHES others; [] where no round asked for
        any, since that says no more than the intensities alone."""
        batch = self.batch
        rounds = np.unique(batch[batch > 0])[-MAX_CELL_BATCHES:]
        if not len(rounds):
            return []
        intensity = np.rint(self.comparisons.numbers["intensity"][self.decided])
        is_known = np.isfinite(intensity)
        found: list[tuple[int, int | None, NDArray[np.bool_]]] = []
        for one in [0, *rounds.tolist()]:
            inside = batch == one
            levels = np.unique(intensity[inside & is_known]).tolist()
            found += [(one, int(level), inside & (intensity == level)) for level in levels]
            if (inside & ~is_known).any():
                found.append((one, None, inside & ~is_known))
        return found

    def buckets(self) -> dict[str, list[Bucket]]:
        """The decided comparisons by each way to slice them: names and masks (m,) of the buckets that are not empty.

        Ways that the set says nothing about have no buckets; of many, the 30 largest stay.
        """
        intensity = np.rint(self.comparisons.numbers["intensity"][self.decided])
        # As float64 and rounded: float32(0.7) is below 0.7, and no float32 lies between 1 and the last bucket's end.
        agreement = np.round(self.comparisons.numbers["agreement"][self.decided].astype(np.float64), 6)
        levels = [int(level) for level in np.unique(intensity[np.isfinite(intensity)])]
        by_intensity = [(str(level), intensity == level) for level in levels]
        by_agreement = [
            ("1.0" if low == 1.0 else f"{low:.1f} to {high:.1f}", (agreement >= low) & (agreement < high))
            for low, high in AGREEMENT_BUCKETS
        ]
        is_hard = np.asarray(self.column("is_hard"), dtype=bool)
        return {
            "intensity": _filled([*by_intensity, ("unknown", ~np.isfinite(intensity))]),
            "agreement": _filled([*by_agreement, ("unknown", ~np.isfinite(agreement))]),
            "source_pair": _named(self._source_pairs()),
            "axis": _named(self.column("axis")),
            "language": _named(self.column("language")),
            "cluster": _named(self.column("cluster"), order=int),
            "batch": _named(self.batch.tolist(), order=int, most=None),
            "length_difference": self._by_length_difference(),
            "hard": _filled([("hard", is_hard), ("not hard", ~is_hard)]),
        }

    def _source_pairs(self) -> list[str]:
        """Kind of the preferred completion's source and of the other's; its name where the kind is not known."""
        kinds = {
            side: [
                kind or name
                for kind, name in zip(self.column(f"{side}_source_kind"), self.column(f"{side}_source"), strict=True)
            ]
            for side in ("chosen", "rejected")
        }
        pairs = zip(kinds["chosen"], kinds["rejected"], self.side.tolist(), strict=True)
        return [
            ""
            if not (one or other)
            else f"{one or '?'} · {other or '?'}"
            if side > 0
            else f"{other or '?'} · {one or '?'}"
            for one, other, side in pairs
        ]

    def _by_length_difference(self) -> list[Bucket]:
        """By (preferred − other) / the longer of the two, in characters."""
        longest = np.maximum(np.maximum(self.preferred_chars, self.other_chars), 1)
        x = (self.preferred_chars - self.other_chars) / longest
        return _filled(
            [
                ("shorter by more than half", x < -0.5),
                ("shorter by 10 to 50 %", (x >= -0.5) & (x < -0.1)),
                ("within 10 %", np.abs(x) <= 0.1),
                ("longer by 10 to 50 %", (x > 0.1) & (x <= 0.5)),
                ("longer by more than half", x > 0.5),
            ]
        )


def excerpts(judged: Judged, nth: int, table: pa.Table | None) -> dict[str, Any]:
    """What a page needs to show the nth decided comparison: numbers, and the beginnings of its texts.

    `chosen` is the side that the ratings prefer, whichever the set stores as chosen; `prompt` the last message.
    """
    row = int(judged.rows[nth])
    agreement = float(judged.comparisons.numbers["agreement"][row])
    texts = {"prompt": "", "chosen": "", "rejected": ""}
    if table is not None:
        stored = {name: table.column(name)[row].as_py() for name in texts}
        names = ("chosen", "rejected") if judged.side[nth] > 0 else ("rejected", "chosen")
        texts["prompt"] = excerpt(stored["prompt"][-1]["content"] if stored["prompt"] else "")
        texts["chosen"], texts["rejected"] = (excerpt(stored[name][0]["content"]) for name in names)
    return {
        "comparison_id": (judged.comparisons.meta.get("comparison_id") or {row: None})[row],
        "soft_preference": float(max(judged.p[row], 1 - judged.p[row])),
        "agreement": agreement if np.isfinite(agreement) else None,
        "n_ratings": (judged.comparisons.meta.get("n_ratings") or {row: None})[row],
        **texts,
    }


def excerpt(text: str) -> str:
    """The beginning of a text, at most 600 characters."""
    return text if len(text) <= EXCERPT_CHARS else text[: EXCERPT_CHARS - 1] + "…"


def _filled(buckets: list[Bucket]) -> list[Bucket]:
    return [(name, inside) for name, inside in buckets if inside.any()]


def _named(
    values: list[Any], order: Callable[[str], Any] | None = None, most: int | None = MAX_BUCKETS
) -> list[Bucket]:
    """A bucket for each value, the `most` frequent ones; by `order` or, without it, the largest first."""
    names = np.asarray(["unknown" if value is None or value == "" else str(value) for value in values], dtype=object)
    counts = {name: int((names == name).sum()) for name in sorted(set(names.tolist()))}
    if set(counts) <= {"unknown"}:
        return []
    kept = sorted(counts, key=lambda name: (-counts[name], name))[:most]
    if order is not None:
        kept.sort(key=lambda name: (name == "unknown", 0 if name == "unknown" else order(name)))
    return [(name, names == name) for name in kept]


def _length(judged: Judged, gap: NDArray[np.float64], hits: NDArray[np.float64]) -> dict[str, Any]:
    """Accuracy where length says nothing, points the wrong way, and the right way; the excess taste for it."""
    masks = matched_and_opposed(judged.preferred_chars, judged.other_chars)
    found = fit_length_calibration(
        gap,
        judged.chosen_chars - judged.rejected_chars,
        judged.p,
        lengths=(judged.chosen_chars, judged.rejected_chars),
    )
    stats: dict[str, Stat] = {
        name: share_stat(hits[inside], judged.groups[inside]) for name, inside in masks._asdict().items()
    }
    return {**stats, "coefficient": found.coefficient, "scale": found.scale}


def _errors(judged: Judged, preferred_gap: NDArray[np.float64], table: pa.Table | None) -> list[dict[str, Any]]:
    """The comparisons that it gets wrong by the widest gap; reward_gap is preferred minus other, below 0."""
    worst = np.argsort(preferred_gap, kind="stable")[:MAX_ERRORS]
    return [
        {"reward_gap": float(preferred_gap[nth]), **excerpts(judged, int(nth), table)}
        for nth in worst
        if preferred_gap[nth] < 0
    ]


def _ensemble(judged: Judged, gaps: NDArray[np.float64]) -> dict[str, Any]:
    """k members' reward gaps (k, n): how far apart they are, and how often one votes against their mean."""
    mean = gaps.mean(axis=0)
    is_apart = (np.sign(gaps) != np.sign(mean)).any(axis=0).astype(np.float64)
    return {
        "n_members": len(gaps),
        "mean_std": float(gaps.std(axis=0).mean()),
        "disagreement": share_stat(is_apart, judged.prompts),
        "accuracy": share_stat(judged.hits(mean), judged.groups),
        "members": [share_stat(judged.hits(one), judged.groups) for one in gaps],
    }
