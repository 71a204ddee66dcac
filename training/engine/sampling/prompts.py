"""Rules for prompts: which of them to ask about next, when each comes with the pair that is worth most.

A rule is told about the round and gives prompts one after the other; it may look only at prompts that are open at that
moment, since whoever asks closes those for which the batch has no more room. Features of prompts are unit vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.engine.sampling.acquisition import CHUNK, Floats, Ints

Terms = dict[str, float]

# A rule whose cost grows with candidates × picks looks at so many times as many prompts as it picks: those worth most.
SHORTLIST = 10
# BAL-PM measures the distance of each to the whole pool: at most so many, unless more are wanted.
MOST_WEIGHED = 20_000
# BADGE looks at each candidate once a pick; more looks than these would take minutes on two cores.
MOST_LOOKS = 200_000_000
BALANCE = 0.01
NEIGHBOURS = 13
# Rows of a block of distances: with 100,000 columns in float32 it takes 100 MB.
ROWS = 256


@dataclass(frozen=True)
class Round:
    """What a rule is told. best: (prompts,) the pair of each prompt that is worth most, −1 where none is left.
    is_open: (prompts,) whether a prompt may be given; changes between two picks. drawn: pairs that are in the batch
    already. n_wanted: how many prompts will be asked for, if none is closed."""

    best: Ints
    is_open: NDArray[np.bool_]
    drawn: Ints
    n_wanted: int
    rng: np.random.Generator


PromptRule = Callable[[Round], Iterator[tuple[int, Terms]]]


def uniform(told: Round) -> Iterator[tuple[int, Terms]]:
    """Every prompt with the same chance, whatever its pair is worth: isolates what the choice of the pair does."""
    for prompt in told.rng.permutation(np.flatnonzero(told.best >= 0)):
        if told.is_open[prompt]:
            yield int(prompt), {}


def badge(gradients: Callable[[Ints], Floats]) -> PromptRule:
    """BADGE (Ash et al. 2020) for Bradley-Terry: k-means++ seeding on the gradients that the answers expected by the
    model would give its head. Large ones are uncertain, distant ones are unlike: no knob weighs one against the other.

    gradients: from (k,) pairs to (k, d), see `gradient_embedding`. Each prompt is drawn in proportion to its squared
    distance to the nearest gradient in the batch; the first one, of a batch that is empty, to its squared length.
    Where candidates × picks exceed MOST_LOOKS, only those with the largest gradients are candidates.
    """

    def rule(told: Round) -> Iterator[tuple[int, Terms]]:
        prompts = np.flatnonzero(told.best >= 0)
        points = gradients(told.best[prompts])
        squares = np.einsum("nd,nd->n", points, points)
        most = max(MOST_LOOKS // told.n_wanted, 2 * told.n_wanted)
        if len(prompts) > most:
            kept = np.sort(np.argpartition(-squares, most)[:most])
            prompts, points, squares = prompts[kept], points[kept], squares[kept]
        lengths = np.sqrt(squares)
        distances = squares.astype(np.float64)
        if len(told.drawn):
            distances = np.full(len(points), np.inf)
            for row in gradients(told.drawn):
                distances = np.minimum(distances, squared_distances(row[None], points)[0])
        is_left = np.ones(len(prompts), dtype=bool)
        is_first = not len(told.drawn)
        while True:
            weights = np.where(is_left & told.is_open[prompts], distances, -1.0)
            if not (weights >= 0).any():
                return
            reach = np.cumsum(np.maximum(weights, 0.0))
            if reach[-1] > 0:
                pick = int(np.searchsorted(reach, told.rng.random() * reach[-1], side="right"))
                pick = min(pick, len(prompts) - 1)
            else:  # everything that is left equals something in the batch
                pick = int(told.rng.choice(np.flatnonzero(weights >= 0)))
            yield int(prompts[pick]), {"gradient": float(lengths[pick]), "distance": float(np.sqrt(distances[pick]))}
            is_left[pick] = False
            near = squared_distances(points[pick : pick + 1], points, squares)[0]
            distances = near.astype(np.float64) if is_first else np.minimum(distances, near)
            is_first = False

    return rule


def gradient_embedding(gap: Floats, differences: Floats) -> Floats:
    """(1 − σ(|Δ|)) · (features of the one with the larger reward − those of the other), (n, d): the gradient of the
    log-likelihood of the answer the model expects, with respect to its head. gap Δ (n,), differences of a and b (n, d).
    """
    doubt = 1 / (1 + np.exp(np.minimum(np.abs(gap), 80.0)))
    embedding: Floats = (np.where(gap >= 0, doubt, -doubt)[:, None] * differences).astype(np.float32)
    return embedding


def v_optimal(vectors: Callable[[Ints], Floats], doubt: Floats, target: Floats) -> PromptRule:
    """Least variance over the pool: greedily the prompt whose answer lowers the mean variance of the gaps of *all*
    candidate pairs most. V-optimal design, as transductive experimental design (Yu, Bi & Tresp 2006) and after Cohn,
    Ghahramani & Jordan (1996); with p(1 − p) it is the Fisher information ratio of Hoi et al. (2006).

    Among answers that would tell as much about the head, it takes those about what the pool is made of: an odd pair,
    whatever its variance, tells of no other. vectors: from (k,) pairs to their v (k, r), of which vᵀv' is the
    covariance of two gaps under the posterior. doubt: (n,) p(1 − p) of each pair, see `coin_variance`. target: (r, r)
    mean of vvᵀ over the pool. With M = (I + Σ_{s ∈ S} doubt v_s v_sᵀ)⁻¹ for a batch S, next is the largest

        doubt vᵀ M target M v / (1 + doubt vᵀ M v).

    What the random share has drawn counts from the start. Where candidates × picks exceed MOST_LOOKS, only those worth
    most by themselves are candidates. `reduction` is a share of what the pool's variance was before the batch.
    """

    def rule(told: Round) -> Iterator[tuple[int, Terms]]:
        prompts = np.flatnonzero(told.best >= 0)
        known = np.eye(len(target))
        for v, p in zip(vectors(told.drawn).astype(np.float64), doubt[told.drawn], strict=True):
            turned = known @ v
            known -= p / (1 + p * (v @ turned)) * np.outer(turned, turned)
        points, weights = vectors(told.best[prompts]), doubt[told.best[prompts]].astype(np.float64)
        variance = np.einsum("nd,nd->n", points @ known, points)
        aimed = np.einsum("nd,nd->n", points @ (known @ target @ known), points)
        most = max(MOST_LOOKS // told.n_wanted, 2 * told.n_wanted)
        if len(prompts) > most:
            kept = np.sort(np.argpartition(-weights * aimed / (1 + weights * variance), most)[:most])
            prompts, points, weights = prompts[kept], points[kept], weights[kept]
            variance, aimed = variance[kept], aimed[kept]
        whole = max(float(np.trace(target)), 1e-300)
        is_left = np.ones(len(prompts), dtype=bool)
        while True:
            values = weights * np.maximum(aimed, 0.0) / (1 + weights * np.maximum(variance, 0.0))
            values = np.where(is_left & told.is_open[prompts], values, -1.0)
            if not len(values) or values.max() < 0:
                return
            pick = int(np.argmax(values))
            yield int(prompts[pick]), {"reduction": float(values[pick]) / whole}
            is_left[pick] = False
            turned = known @ points[pick].astype(np.float64)
            share = weights[pick] / (1 + weights[pick] * (points[pick] @ turned))
            toward = known @ (target @ turned)
            # Two products with each candidate are all it takes: M falls by share · turned turnedᵀ.
            along, across = (points @ np.stack([turned, toward], axis=1).astype(points.dtype)).T.astype(np.float64)
            aimed = aimed - 2 * share * along * across + share**2 * (turned @ target @ turned) * along**2
            variance = variance - share * along**2
            known -= share * np.outer(turned, turned)

    return rule


def coin_variance(gap: Floats) -> Floats:
    """p(1 − p), p = σ(gap), (n,): the Fisher information of an answer about its gap."""
    odds = np.exp(-np.minimum(np.abs(gap), 80.0))
    variance: Floats = odds / (1 + odds) ** 2
    return variance


def second_moment(vectors: Callable[[Ints], Floats], n: int) -> Floats:
    """Mean of vvᵀ (r, r) over n pairs, in float64; not all vectors are in memory at a time."""
    total: Floats = np.zeros((0, 0))
    for start in range(0, n, CHUNK):
        block = vectors(np.arange(start, min(start + CHUNK, n))).astype(np.float64)
        total = total + block.T @ block if len(total) else block.T @ block
    return total / max(n, 1)


def bal_pm(
    uncertainty: Floats,
    pair_prompts: Ints,
    features: Floats,
    is_acquired: NDArray[np.bool_],
    elsewhere: Floats,
    *,
    balance: float = BALANCE,
    neighbours: int = NEIGHBOURS,
    shortlist: int = SHORTLIST,
) -> PromptRule:
    """Bayesian active learner for preference modelling (Melo et al. 2024): U + β · Ĥ, greedily.

    U: what the prompt's pair tells about the head (`bald`), uncertainty (n,) of each pair. Ĥ: the entropy that the
    prompt adds to those acquired so far, by the nearest-neighbour estimator of Kraskov, Stögbauer & Grassberger (2004):
    log(2 D + 1e-4) − ψ(n_b + 1) / d, D the distance to the k-th nearest prompt of all, n_b how many acquired ones are
    nearer than D. n_b grows with each pick, so that a batch does not ask one thing many times over.

    pair_prompts: (n,) prompt of each pair. features: (prompts, d). is_acquired: (prompts,) whether a prompt is labelled
    already. elsewhere: (m, d) features of labelled prompts that are no candidates. Of a large pool only `shortlist`
    times as many prompts as are wanted (at most MOST_WEIGHED, at least as many as are wanted), those of the largest U,
    are weighed; their neighbours are sought among all.
    """
    from scipy.special import psi

    def rule(told: Round) -> Iterator[tuple[int, Terms]]:
        prompts = np.flatnonzero(told.best >= 0)
        u = uncertainty[told.best[prompts]]
        most = max(told.n_wanted, min(shortlist * told.n_wanted, MOST_WEIGHED))
        if len(prompts) > most:
            kept = np.sort(np.argpartition(-u, most)[:most])
            prompts, u = prompts[kept], u[kept]
        acquired = is_acquired.copy()
        acquired[pair_prompts[told.drawn]] = True
        points = features[prompts]
        everything = np.concatenate([features, elsewhere])
        is_known = np.append(acquired, np.ones(len(elsewhere), dtype=bool))
        radii, density = neighbourhoods(points, everything, is_known, neighbours)
        spread = np.log(2 * np.sqrt(radii) + 1e-4)
        dimension = max(features.shape[1], 1)
        scores = u + balance * (spread - psi(density + 1) / dimension)
        is_left = np.ones(len(prompts), dtype=bool)
        while True:
            values = np.where(is_left & told.is_open[prompts], scores, -np.inf)
            pick = int(np.argmax(values)) if len(values) else 0
            if not len(values) or values[pick] == -np.inf:
                return
            entropy = float(spread[pick] - psi(density[pick] + 1) / dimension)
            yield (
                int(prompts[pick]),
                {"uncertainty": float(u[pick]), "entropy": entropy, "density": float(density[pick])},
            )
            is_left[pick] = False
            if acquired[prompts[pick]]:
                continue
            near = squared_distances(points[pick : pick + 1], points)[0] < radii
            density[near] += 1
            scores[near] = u[near] + balance * (spread[near] - psi(density[near] + 1) / dimension)

    return rule


def neighbourhoods(
    points: Floats, everything: Floats, is_acquired: NDArray[np.bool_], k: int
) -> tuple[Floats, NDArray[np.int64]]:
    """Squared distance (n,) of each of `points` (n, d) to its k-th nearest in `everything` (m, d), itself not counted,
    and how many acquired ones (m,) are nearer than that. In blocks of rows: memory does not hold n × m distances."""
    k = min(k, len(everything) - 1)
    radii = np.zeros(len(points))
    density = np.zeros(len(points), dtype=np.int64)
    squares = np.einsum("nd,nd->n", everything, everything)
    acquired = np.flatnonzero(is_acquired)
    for start in range(0, len(points), ROWS):
        block = squared_distances(points[start : start + ROWS], everything, squares)
        known = block[:, acquired]
        block.partition(k, axis=1)  # the smallest one is the point itself
        # A little less, so that the k-th neighbour is not nearer than itself when it is computed in another block.
        radii[start : start + ROWS] = np.maximum(block[:, k] * (1 - 1e-5), 0)
        density[start : start + ROWS] = (known < radii[start : start + ROWS, None]).sum(axis=1)
    return radii, density


def squared_distances(one: Floats, other: Floats, squares: Floats | None = None) -> Floats:
    """‖one_i − other_j‖² (n, m) of (n, d) and (m, d); squares: ‖other_j‖² where it is known already."""
    if squares is None:
        squares = np.einsum("nd,nd->n", other, other)
    distances: Floats = one @ other.T
    distances *= -2
    distances += squares
    distances += np.einsum("nd,nd->n", one, one)[:, None]
    return np.maximum(distances, 0, out=distances)


PROMPT_RULES = ("value", "uniform", "badge", "v_optimal", "bal_pm")
