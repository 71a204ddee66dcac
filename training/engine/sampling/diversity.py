"""Making a batch diverse: clusters of prompts, their quotas, k-centre and facility location, and what was covered."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.engine.sampling.acquisition import Floats, Ints
from training.engine.sampling.prompts import ROWS, Terms, squared_distances

# Quotas grow with the square root of a cluster's size; none is below this share of an even one.
TEMPERATURE = 0.5
FLOOR = 0.25
# Prompts that facility location has to cover: a uniform sample of a larger pool.
GROUND = 10_000
# Up to so many prompts plain k-means takes seconds; beyond, it goes on in small batches.
SMALL = 5_000
BLOCK = 8_192
# Centres of a large pool are found from a uniform sample: at least so many, and so many for each cluster.
SAMPLE, SAMPLE_PER_CLUSTER = 20_000, 50
# So many gains are computed anew at a time: one matrix product costs little more than one vector's.
LAZY_BLOCK = 16
LARGEST_LISTED = 200
DIVERSITIES = ("none", "quotas", "k_centre", "facility_location")


def unit_vectors(features: NDArray[np.floating], mean: Floats | None = None) -> Floats:
    """features (n, d) less `mean` (their own one by default), scaled to length 1, float32. What is 0 then stays 0.

    The features of a transformer share one large direction, in which all texts look alike; hence the mean.
    """
    points = np.asarray(features, dtype=np.float32)
    points = points - (points.mean(axis=0) if mean is None and len(points) else 0.0 if mean is None else mean)
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    unit: Floats = points / np.maximum(lengths, 1e-12)
    return unit


def cluster(points: Floats, n_clusters: int, seed: int) -> tuple[NDArray[np.int64], Floats]:
    """k-means of (n, d) points: cluster of each (n,), the largest one 0, and the centres (k, d).

    n_clusters 0: √(n/2). Never more than there are different points.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    n = len(points)
    if n == 0:
        return np.zeros(0, dtype=np.int64), np.zeros((0, points.shape[1]), dtype=np.float32)
    wanted = min(n_clusters or max(1, round(math.sqrt(n / 2))), n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different points than clusters: they are dropped
        if n <= SMALL:
            model = KMeans(wanted, n_init=3, random_state=seed).fit(points)
        else:
            n_sample = min(n, max(SAMPLE, SAMPLE_PER_CLUSTER * wanted))
            sample = np.sort(np.random.default_rng(seed).choice(n, n_sample, replace=False))
            model = MiniBatchKMeans(wanted, n_init=1, batch_size=4096, random_state=seed).fit(points[sample])
    labels = np.concatenate(
        [
            squared_distances(points[start : start + BLOCK], model.cluster_centers_).argmin(axis=1)
            for start in range(0, n, BLOCK)
        ]
    )
    sizes = np.bincount(labels, minlength=wanted)
    order = np.argsort(-sizes, kind="stable")[: int((sizes > 0).sum())]
    number = np.zeros(wanted, dtype=np.int64)
    number[order] = np.arange(len(order))
    centres: Floats = model.cluster_centers_[order]
    return number[labels], centres


def quotas(sizes: Ints, available: Ints, budget: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How many of `budget` comparisons each cluster gets, (k,): in proportion to √size, which gives small clusters more
    than their share of the pool, and at least a quarter of an even share.

    available: (k,) what each has to give; what one cannot use goes to the others. The sum is the smaller of the budget
    and all that is available. Fractions are settled by systematic sampling, so that with a budget below the number of
    clusters the tails have their turn by chance rather than never.
    """
    given = np.zeros(len(sizes), dtype=np.float64)
    available = np.asarray(available, dtype=np.float64)
    left = float(min(budget, available.sum()))
    weights = np.where(available > 0, np.asarray(sizes, dtype=np.float64) ** TEMPERATURE, 0.0)
    if left <= 0 or not weights.any():
        return given.astype(np.int64)
    has_any = available > 0
    floor = np.where(has_any, np.minimum(available, FLOOR * left / has_any.sum()), 0.0)
    # Water-filling: the scale at which max(floor, scale · √size), cut at what is available, uses the budget up.
    low, high = 0.0, left / weights[has_any].min() + available.max()
    for _ in range(200):
        middle = (low + high) / 2
        given = np.minimum(available, np.maximum(floor, middle * weights))
        low, high = (middle, high) if given.sum() < left else (low, middle)
    given = np.minimum(available, np.maximum(floor, high * weights))
    return _rounded(given, round(left), rng)


def _rounded(shares: Floats, total: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Whole numbers (k,), each the floor or the ceiling of its share, that sum to `total`; each right on average."""
    whole = np.floor(shares + 1e-9)
    rest = np.maximum(shares - whole, 0.0)
    missing = total - int(whole.sum())
    if missing > 0:
        order = rng.permutation(len(rest))
        reach = np.cumsum(rest[order])
        steps = (rng.random() + np.arange(missing)) * (reach[-1] / missing)
        whole[order[np.minimum(np.searchsorted(reach, steps, side="right"), len(order) - 1)]] += 1
    return whole.astype(np.int64)


@dataclass(frozen=True)
class Shortlist:
    """What a batch is picked from. prompts: (s,) prompt of each entry, in the order of their worth. drawn: prompts
    that are in the batch already. is_open: (all prompts,) whether there is room for one; changes between two picks."""

    prompts: Ints
    drawn: Ints
    is_open: NDArray[np.bool_]


BatchRule = Callable[[Shortlist], Iterator[tuple[int, Terms]]]


def k_centre(features: Floats, labelled: Floats) -> BatchRule:
    """Core-set selection (Sener & Savarese 2018): next is whatever is farthest from all that is labelled or picked, a
    2-approximation of the smallest covering radius (Gonzalez 1985).

    features: (prompts, d). labelled: (m, d), may be empty; then the entry that is worth most is the first.
    Gives entries of the shortlist with their distance to the nearest one before them.
    """

    def rule(given: Shortlist) -> Iterator[tuple[int, Terms]]:
        points = features[given.prompts]
        squares = np.einsum("nd,nd->n", points, points)
        nearest = np.full(len(points), np.inf, dtype=np.float32)
        known = np.concatenate([labelled, features[given.drawn]])
        for start in range(0, len(known), ROWS):
            block = squared_distances(known[start : start + ROWS], points, squares)
            nearest = np.minimum(nearest, block.min(axis=0))
        is_left = np.ones(len(points), dtype=bool)
        while True:
            values = np.where(is_left & given.is_open[given.prompts], nearest, -1.0)
            if not len(values) or values.max() < 0:
                return
            pick = int(np.argmax(values))
            yield pick, {"distance": float(np.sqrt(nearest[pick]))} if np.isfinite(nearest[pick]) else {}
            is_left[pick] = False
            nearest = np.minimum(nearest, squared_distances(points[pick : pick + 1], points, squares)[0])

    return rule


def facility_location(
    features: Floats, labelled: Floats, rng: np.random.Generator, *, ground: int = GROUND
) -> BatchRule:
    """Facility location F(S) = Σ_i max_{s ∈ S} max(0, cos(i, s)) over the prompts i of the pool: how well the batch
    and what is labelled stand for everything. Greedy, hence at least 1 − 1/e of the best (Nemhauser et al. 1978), and
    lazy (Minoux 1978): gains only fall, so an old gain is a bound and most are never computed again.

    features: unit vectors (prompts, d), of which at most `ground`, drawn uniformly, are to be covered. labelled:
    (m, d). Gives entries of the shortlist with their gain as a share of all there is to cover.
    """

    def rule(given: Shortlist) -> Iterator[tuple[int, Terms]]:
        n = len(features)
        pool = features if n <= ground else features[np.sort(rng.choice(n, ground, replace=False))]
        points = features[given.prompts]
        covered = np.zeros(len(pool), dtype=np.float32)
        known = np.concatenate([labelled, features[given.drawn]])
        for start in range(0, len(known), ROWS):
            covered = np.maximum(covered, (known[start : start + ROWS] @ pool.T).max(axis=0))

        def gains(rows: Ints) -> Floats:
            more = points[rows] @ pool.T
            more -= covered
            total: Floats = np.maximum(more, 0, out=more).sum(axis=1, dtype=np.float64)
            return total

        bounds = np.concatenate(
            [gains(np.arange(start, min(start + ROWS, len(points)))) for start in range(0, len(points), ROWS)]
            or [np.zeros(0)]
        )
        is_left = np.ones(len(points), dtype=bool)
        is_fresh = np.ones(len(points), dtype=bool)
        while True:
            values = np.where(is_left & given.is_open[given.prompts], bounds, -1.0)
            if not len(values) or values.max() < 0:
                return
            while not is_fresh[pick := int(np.argmax(values))]:
                block = np.argpartition(-values, min(LAZY_BLOCK, len(values) - 1))[:LAZY_BLOCK]
                block = np.append(block, pick)  # which is not among them where many are equal
                block = block[~is_fresh[block] & (values[block] >= 0)]
                bounds[block] = values[block] = gains(block)
                is_fresh[block] = True
            yield pick, {"gain": float(values[pick]) / len(pool)}
            is_left[pick] = False
            is_fresh[:] = False
            covered = np.maximum(covered, pool @ points[pick])

    return rule


def coverage(
    clusters: Ints,
    prompt_ids: Ints,
    was_labelled: NDArray[np.bool_],
    chosen: Ints,
    points: Floats,
    centres: Floats,
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """What a batch does for each cluster of the pool, largest first, and the sum of those beyond the 200th or None.

    clusters, prompt_ids, was_labelled: (prompts,) of every prompt, candidate or labelled. chosen: prompt (its place in
    those arrays) of each chosen comparison. points (prompts, d), centres (k, d). Rows: cluster, n_prompts, before
    (prompts labelled before), after (with the newly chosen ones), chosen (comparisons), example (the prompt_id nearest
    to the centre).
    """
    k = len(centres)
    is_labelled_after = was_labelled.copy()
    is_labelled_after[chosen] = True
    counts = {
        "n_prompts": np.bincount(clusters, minlength=k),
        "before": np.bincount(clusters[was_labelled], minlength=k),
        "after": np.bincount(clusters[is_labelled_after], minlength=k),
        "chosen": np.bincount(clusters[chosen], minlength=k),
    }
    distances = np.square(points - centres[clusters]).sum(axis=1) if len(points) else np.zeros(0)
    order = np.lexsort((distances, clusters))
    nearest = order[np.flatnonzero(np.diff(clusters[order], prepend=-1))]
    rows: list[dict[str, Any]] = [
        {"cluster": number, **{name: int(count[number]) for name, count in counts.items()}, "example": int(example)}
        for number, example in enumerate(prompt_ids[nearest])
    ]
    rows.sort(key=lambda row: (-row["n_prompts"], row["cluster"]))
    rest = rows[LARGEST_LISTED:]
    if not rest:
        return rows, None
    summed = {"cluster": -1, **{name: sum(row[name] for row in rest) for name in counts}}
    return rows[:LARGEST_LISTED], summed
