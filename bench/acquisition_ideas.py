"""Rules that were tried on the simulator, by their definition, before any of them was built into the engine.

    python bench/acquisition_ideas.py [--rules relative/badge …] [--seeds 5] [--cache DIRECTORY]

All on the seeds of `bench/acquisition.py` that rules are chosen by: none of these figures is to be reported as what a
rule saves. Everything else is as there, at the ridge of its table.

x is the difference of the features of a pair, Σ the posterior's covariance of the head, w = p(1 − p) with p = σ(gap).
What a rule is worth is computed from x itself, and not from some heads that are drawn, but for `relative_heads`.

Which pairs: `relative` xᵀΣx / xᵀx, what is left of the prior's variance. `relative_heads` the same from 32 heads.
`information` w xᵀΣx, and `relative_information`, that divided by xᵀx. `pool` w xᵀΣCΣx / (1 + w xᵀΣx): by how much a
label lowers the mean variance of all pairs, C the mean of xxᵀ (V-optimal design; "ALC" of Cohn, Ghahramani & Jordan
1996). `relative_pool` the same of x at length 1. Which prompts: those of the engine; `d_optimal` greedily the
largest determinant of Σ⁻¹ + the sum of w xxᵀ; `pool` greedily the lowest mean variance; `relative_d_optimal` and
`relative_pool` the same of x at length 1.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import acquisition as bench  # first, since it says how many threads there are
import numpy as np

from training.engine.sampling.acquisition import ACQUISITIONS, PairScores
from training.engine.sampling.choice import Chosen, choose
from training.engine.sampling.prompts import Ints, PromptRule, Round, Terms, badge, gradient_embedding, v_optimal

RIDGE = 0.1
# In the order in which they were tried: ten that were named before one was run, then seven more, and two that tell what
# heads that are drawn make of the first.
TRIED = (
    *(f"{name}/{rule}" for name in ("relative", "information", "relative_information") for rule in ("value", "badge")),
    *("information/d_optimal", "relative_information/relative_d_optimal"),
    *("dts/d_optimal", "gap/d_optimal"),
    *("pool/value", "pool/badge", "pool/pool", "relative_pool/badge", "relative_pool/relative_pool"),
    *("dts/pool", "gap/pool", "relative_heads/value", "relative_heads/badge"),
)


@dataclass(frozen=True)
class Pairs:
    """The pairs that are left, n of them, by what is known exactly."""

    told: bench.Told

    @property
    def scores(self) -> PairScores:
        return self.told.scores

    @cached_property
    def x(self) -> np.ndarray:
        found = self.told.features[self.scores.first].astype(np.float64) - self.told.features[self.scores.second]
        return found

    @cached_property
    def unit(self) -> np.ndarray:
        """x at the length of a typical labelled pair."""
        return self.x * np.sqrt(self.told.prior / np.maximum(self.squares, 1e-12))[:, None]

    @cached_property
    def squares(self) -> np.ndarray:
        return np.square(self.x).sum(axis=1)

    @cached_property
    def covariance(self) -> np.ndarray:
        return np.linalg.inv(self.told.posterior.precision)

    @cached_property
    def variance(self) -> np.ndarray:
        return np.einsum("nd,nd->n", self.x @ self.covariance, self.x)

    @cached_property
    def doubt(self) -> np.ndarray:
        p = 1 / (1 + np.exp(-np.abs(self.scores.gap)))
        return p * (1 - p)

    def lowers(self, x: np.ndarray) -> np.ndarray:
        """By how much a label of each lowers the mean variance of all, (n,)."""
        turned = x @ self.covariance
        aim = x.T @ x / len(x)
        return (
            self.doubt
            * np.einsum("nd,nd->n", turned @ aim, turned)
            / (1 + self.doubt * np.einsum("nd,nd->n", turned, x))
        )

    def exact_vectors(self, x: np.ndarray) -> Callable[[Ints], np.ndarray]:
        """Of which the products are covariances of gaps, (n, d)."""
        whitened = np.linalg.solve(np.linalg.cholesky(self.told.posterior.precision), x.T).T
        return lambda pairs: whitened[pairs]

    def gradients(self, pairs: Ints) -> np.ndarray:
        return gradient_embedding(self.scores.gap[pairs], self.x[pairs])


WORTH: dict[str, Callable[[Pairs], np.ndarray]] = {
    "relative": lambda pairs: pairs.variance / np.maximum(pairs.squares, 1e-12),
    "relative_heads": lambda pairs: pairs.scores.disagreement / np.maximum(pairs.squares, 1e-12),
    "information": lambda pairs: pairs.doubt * pairs.variance,
    "relative_information": lambda pairs: pairs.doubt * pairs.variance / np.maximum(pairs.squares, 1e-12),
    "pool": lambda pairs: pairs.lowers(pairs.x),
    "relative_pool": lambda pairs: pairs.lowers(pairs.unit),
}


def d_optimal(vectors: Callable[[Ints], np.ndarray], doubt: np.ndarray) -> PromptRule:
    """Bayesian D-optimal design (Chaloner & Verdinelli 1995): greedily the largest log det(I + Σ doubt v vᵀ) over the
    batch, v by `vectors`; for reward models Shen et al. 2025, "Reviving the classics"."""

    def rule(told: Round) -> Iterator[tuple[int, Terms]]:
        prompts = np.flatnonzero(told.best >= 0)
        points = vectors(told.best[prompts]) * np.sqrt(doubt[told.best[prompts]])[:, None]
        left = np.einsum("nd,nd->n", points, points)
        inverse = np.eye(points.shape[1])

        def add(point: np.ndarray) -> None:
            nonlocal inverse, left
            turned = inverse @ point
            turned /= np.sqrt(1 + point @ turned)
            inverse = inverse - np.outer(turned, turned)
            left = np.maximum(left - np.square(points @ turned), 0.0)

        for point in vectors(told.drawn) * np.sqrt(doubt[told.drawn])[:, None]:
            add(point)
        is_left = np.ones(len(prompts), dtype=bool)
        while True:
            values = np.where(is_left & told.is_open[prompts], left, -1.0)
            if not len(values) or values.max() < 0:
                return
            pick = int(np.argmax(values))
            is_left[pick] = False
            yield int(prompts[pick]), {}
            add(points[pick])

    return rule


def least_variance(pairs: Pairs, x: np.ndarray) -> PromptRule:
    """The engine's `v_optimal` of x (n, d), with nothing projected."""
    vectors = pairs.exact_vectors(x)
    whole = vectors(np.arange(len(x)))
    return v_optimal(vectors, pairs.doubt, whole.T @ whole / len(x))


PROMPT_RULES: dict[str, Callable[[Pairs], PromptRule | None]] = {
    "value": lambda pairs: None,
    "badge": lambda pairs: badge(pairs.gradients),
    "d_optimal": lambda pairs: d_optimal(pairs.exact_vectors(pairs.x), pairs.doubt),
    "relative_d_optimal": lambda pairs: d_optimal(pairs.exact_vectors(pairs.unit), pairs.doubt),
    "pool": lambda pairs: least_variance(pairs, pairs.x),
    "relative_pool": lambda pairs: least_variance(pairs, pairs.unit),
}


def by_ideas(rule: bench.Rule, told: bench.Told) -> list[Chosen]:
    """As `by_the_engine`, with these rules beside the engine's."""
    name, prompt_rule, _ = rule
    if name not in WORTH and prompt_rule not in PROMPT_RULES:
        return bench.by_the_engine(rule, told)
    pairs = Pairs(told)
    return choose(
        WORTH[name](pairs) if name in WORTH else ACQUISITIONS[name](told.scores),
        told.scores.pair_prompts,
        budget=told.batch,
        random_share=0.15,
        max_per_prompt=2,
        rng=np.random.default_rng([told.scores.seed, 1]),
        prompt_rule=PROMPT_RULES[prompt_rule](pairs),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rules", nargs="*", default=TRIED, help="as acquisition/prompt_rule")
    parser.add_argument("--seeds", type=int, default=bench.N_CHOOSING)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "touchstone-acquisition")
    given = parser.parse_args()
    started = time.perf_counter()
    bench.CHOOSE = by_ideas
    world = bench.simulated(1600, given.cache)
    pairs = [one.split("/") for one in given.rules]
    rules: tuple[bench.Rule, ...] = (bench.RANDOM, *((name, prompt_rule, "none") for name, prompt_rule in pairs))
    found = bench.curves(world, range(1000, 1000 + given.seeds), rules, (RIDGE,))[:, :, 0]
    shown = [world.counts[at] for at in (3, 6, 11)]
    heads = ["which pairs", "which prompts", *(f"at {n}" for n in shown), "labels saved, ×", "by log-likelihood, ×"]
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for number, rule in enumerate(rules):
        cells = [rule[0], rule[1], *(f"{100 * found[:, number, at, 0].mean():.1f} %" for at in (3, 6, 11))]
        cells += [
            f"{bench.saved(found[:, 0, :, place], found[:, number, :, place], world.counts):.2f}" for place in (0, 1)
        ]
        print("| " + " | ".join(cells) + " |", flush=True)
    print(f"\n{given.seeds} seeds, {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
