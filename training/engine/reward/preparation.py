"""The comparisons that a run trains on, from those of the set: columns that its config does not use made neutral."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from training.engine.common.chat import ChatEncoder, Encoded
from training.engine.common.errors import EngineError
from training.engine.reward.data import META, NUMBERS, Comparisons
from training.engine.reward.length import random_pairs
from training.engine.reward.loss import group_weights, margins_from
from training.engine.reward.noise import treat

if TYPE_CHECKING:
    from training.engine.reward.trainer import RewardTrainConfig


def prepare(training: Comparisons, config: RewardTrainConfig, encoder: ChatEncoder) -> Comparisons:
    """Margins, preferences and weights as the config wants them; some dropped, some added.

    Weights have mean 1 over comparisons, times 1 / C for each of the C pairs of one ranking, which count as one
    example. Raises EngineError "bad_input" (weights; strengths of another set), "empty_input".
    """
    numbers = dict(training.numbers)
    n = len(training)
    weight = numbers["weight"] if config.use_weights else np.ones(n, dtype=np.float32)
    margin = np.zeros(n, dtype=np.float32)
    if config.use_margins:
        mapping = None if config.margin_map is None else {int(level): m for level, m in config.margin_map.items()}
        from_set = numbers["margin"] if mapping is None else margins_from(numbers["intensity"], mapping)
        margin = (from_set * config.margin_scale).astype(np.float32)
    p = numbers["soft_preference"]
    if not config.use_soft_preferences:
        p = np.where(p > 0.5, 1.0, np.where(p < 0.5, 0.0, 0.5)).astype(np.float32)
    if config.noise_treatment != "none":
        mean, std = read_strengths(config.strengths, training.meta["comparison_id"])
        p, margin, weight = treat(p, margin, weight, mean, std, config.noise_treatment)
    numbers |= {"margin": margin, "soft_preference": p.astype(np.float32), "weight": weight.astype(np.float32)}
    prepared = Comparisons(training.chosen, training.rejected, numbers, training.meta)
    keep = prepared.numbers["weight"] > 0
    if config.ties == "drop":
        keep &= prepared.numbers["soft_preference"] != 0.5
    # Weight 0 stays unless a rule put it there: it teaches nothing, but the order of the batches is the set's.
    if config.ties == "drop" or config.noise_treatment == "drop":
        prepared = select(prepared, np.flatnonzero(keep))
    if not len(prepared):
        raise EngineError("empty_input", "the config leaves no comparison to train on")
    if config.objective == "labellers" and not any(prepared.meta["sides"]):
        raise EngineError("bad_input", "the comparison set has no single ratings, which the objective labellers needs")
    prepared.numbers["weight"] = normalised_weights(prepared.numbers["weight"])
    if config.length_remedy == "random_pairing":
        prepared = with_random_pairs(prepared, encoder, seed=config.seed, share=config.random_pairing_share)
    prepared.numbers["weight"] = prepared.numbers["weight"] * group_weights(prepared.meta["group"])
    return prepared


def select(comparisons: Comparisons, indices: NDArray[np.integer[Any]]) -> Comparisons:
    """Some of them, in the order of `indices`."""
    picked = indices.tolist()
    return Comparisons(
        [comparisons.chosen[i] for i in picked],
        [comparisons.rejected[i] for i in picked],
        {name: column[indices] for name, column in comparisons.numbers.items()},
        {name: [column[i] for i in picked] for name, column in comparisons.meta.items()},
    )


def with_random_pairs(comparisons: Comparisons, encoder: ChatEncoder, *, seed: int, share: float) -> Comparisons:
    """Add comparisons of a chosen completion with one that answers another prompt.

    Singhal et al. 2023 (arXiv 2310.03716): such a completion is worse however long it is, which takes reward away from
    length alone.
    """
    rows, others = random_pairs(comparisons.meta["prompt_digest"], np.random.default_rng((seed, 1)), share)
    added = [
        (comparisons.chosen[i], encoder.join(comparisons.chosen[i].prompt_ids, comparisons.chosen[j].completion_ids))
        for i, j in zip(rows.tolist(), others.tolist(), strict=True)
    ]
    numbers = {name: np.zeros(len(added), dtype=np.float32) for name in NUMBERS}
    numbers["soft_preference"] += 1
    numbers["weight"] += 1
    meta = {name: [META[name]] * len(added) for name in comparisons.meta}
    return _joined(comparisons, [one for one, _ in added], [other for _, other in added], numbers, meta)


def normalised_weights(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights scaled to mean 1, so that the learning rate means the same with and without them.

    Raises EngineError "bad_input" for a negative weight or no positive one.
    """
    if len(weights) == 0 or weights.min() < 0 or weights.max() <= 0:
        raise EngineError("bad_input", "weights of a comparison set must be at least 0 and not all 0")
    scaled: NDArray[np.float32] = (weights / weights.mean(dtype=np.float64)).astype(np.float32)
    return scaled


def read_strengths(path: str, comparison_ids: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cross-fitted strengths of these comparisons and their standard deviations, (n,) each, from `crossfit`'s file."""
    if not path:
        raise EngineError("bad_config", "noise_treatment needs strengths: a file of `crossfit` on this comparison set")
    table = pq.read_table(path, columns=["comparison_id", "strength", "std"])
    columns = (table.column(name).to_pylist() for name in table.column_names)
    found = {pk: (strength, std) for pk, strength, std in zip(*columns, strict=True)}
    missing = [pk for pk in comparison_ids if pk not in found]
    if missing:
        raise EngineError("bad_input", f"{path} has no strength of comparison {missing[0]}: it is of another set")
    chosen = np.asarray([found[pk] for pk in comparison_ids], dtype=np.float64).reshape(-1, 2)
    return chosen[:, 0], chosen[:, 1]


def _joined(
    comparisons: Comparisons,
    chosen: list[Encoded],
    rejected: list[Encoded],
    numbers: dict[str, NDArray[np.float32]],
    meta: dict[str, list[Any]],
) -> Comparisons:
    return Comparisons(
        comparisons.chosen + chosen,
        comparisons.rejected + rejected,
        {name: np.concatenate([column, numbers[name]]) for name, column in comparisons.numbers.items()},
        {name: [*column, *meta[name]] for name, column in comparisons.meta.items()},
    )
