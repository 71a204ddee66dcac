"""Models of labellers: which one predicts ratings it has not seen, and how fast they are.

    python bench/reliability.py [--data ../shared/data] [--seeds 5] [--ratings 1000000] [--labellers 200]

Table 1. Five folds over the ratings; each is predicted from the other four. Ratings count whose comparison has others
in those. "log" is the mean natural logarithm of the chance given to the side that was said (a, b, tie), "right" the
share of those whose likeliest side was said; "± " is the standard error of the difference to the vote shares, over
folds and seeds. Where intensities were given, the same for signed values. Real ratings and the simulator's.

Table 2. On the simulator, where the truth is known: the answers' accuracy and mean log chance of the truth, and how
near the labellers' reliabilities are to the true ones (rank correlation, mean absolute error).

Table 3. A million ratings: seconds and memory of each model in a process of its own, and crowd-kit's Dawid-Skene, with
the same number of iterations.
"""

import argparse
import gzip
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from annotate.agreement.metrics import reliability as models  # noqa: E402  # the repository is on the path only now

FILES = ("cragc25", "ukpconvarg1", "pandalm", "mtbench_human_turn1", "xstest_pairs")
Model = Callable[..., models.Fit]
BY_SIDE: dict[str, Model] = {
    "vote shares": models.vote_shares,
    "one coin": models.one_coin_fit,
    "Dawid-Skene, as published": partial(models.dawid_skene, is_symmetric=False, shrinkage=0.0),
    "Dawid-Skene, shrunk": partial(models.dawid_skene, is_symmetric=False),
    "Dawid-Skene, shrunk, symmetric": models.dawid_skene,
    "MACE": models.mace,
    "graded": models.graded,
}
BY_VALUE: dict[str, Model] = {
    "vote shares": models.vote_shares,
    "Dawid-Skene, shrunk, symmetric": models.dawid_skene,
    "MACE": models.mace,
    "graded": models.graded,
}


# --- Ratings ---------------------------------------------------------------------------------------------------------
def real(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Units, labellers, signed values; the first rating of a labeller on a comparison and axis."""
    numbers: dict[str, int] = {}
    rows = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for unit, line in enumerate(lines):
            once = {(rating["labeller"], rating["axis"]): rating for rating in reversed(json.loads(line)["ratings"])}
            for rating in once.values():
                side = {0: 1, 1: -1, None: 0}[rating["preferred"]]
                labeller = numbers.setdefault(rating["labeller"], len(numbers))
                rows.append((unit, labeller, side * (rating["intensity"] or 1)))
    unit, labeller, value = np.array(rows).T
    return unit, labeller, value


def simulated(n_pairs: int, seed: int) -> Any:
    from training.demo.crowd import pairs_of, simulate
    from training.demo.labellers import LABELLERS

    pairs = pairs_of(n_pairs, seed=seed)
    return pairs, LABELLERS, simulate(pairs, LABELLERS, np.random.default_rng(seed))


def many(n: int, n_labellers: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three to five ratings a unit, of labellers who are right in 60 to 95 %, ties and four intensities."""
    rng = np.random.default_rng(seed)
    n_each = rng.integers(3, 6, n // 3)
    unit = np.repeat(np.arange(len(n_each)), n_each)[:n]
    labeller = rng.integers(0, n_labellers, n)
    truth = rng.choice([-3, -2, -1, 1, 2, 3], n)[unit]
    noise = rng.logistic(size=n) * np.linspace(0.5, 2.5, n_labellers)[labeller]
    value = np.clip(np.rint(truth + noise), -4, 4).astype(np.int64)
    return unit, labeller, value


# --- Table 1 ---------------------------------------------------------------------------------------------------------
def held_out(
    title: str, columns: tuple[np.ndarray, np.ndarray, np.ndarray], tried: dict[str, Model], seeds: int
) -> None:
    unit, labeller, value = columns
    scale = models.scale_of(value)
    first: list[models.HeldOut] = []
    print(
        f"\n{title}: {len(unit):,} ratings, {len(np.unique(labeller)):,} labellers, "
        f"{len(np.unique(unit)):,} comparisons"
    )
    print(f"{'':34}{'log':>9}{'gain':>9}{'±':>8}{'right %':>9}{'log, value':>12}{'right %':>9}{'s':>7}")
    for name, fit in tried.items():
        started = time.perf_counter()
        found = [
            models.held_out_log_likelihood(*columns, partial(fit, scale=scale), seed=seed) for seed in range(seeds)
        ]
        seconds = (time.perf_counter() - started) / (5 * seeds)
        first = first or found
        logs = np.array([one.log_likelihood for one in found])
        gains = logs - np.array([one.log_likelihood for one in first])
        error = gains.std(ddof=1) / np.sqrt(seeds) if seeds > 1 else float("nan")
        right, value_log, value_right = np.mean(
            [(one.accuracy, one.log_likelihood_of_value, one.accuracy_of_value) for one in found], axis=0
        )
        print(
            f"{name:34}{logs.mean():9.4f}{gains.mean():+9.4f}{error:8.4f}{100 * right:9.2f}"
            f"{value_log:12.4f}{100 * value_right:9.2f}{seconds:7.2f}",
            flush=True,
        )


# --- Table 2 ---------------------------------------------------------------------------------------------------------
def truth(n_pairs: int, seeds: int) -> None:
    from scipy.stats import spearmanr

    from training.demo import crowd

    rows: dict[str, list[tuple[float, ...]]] = {}
    for seed in range(seeds):
        pairs, labellers, project = simulated(n_pairs, seed)
        ratings = project.ratings
        true = np.array([crowd.reliability(pairs, one) for one in labellers])
        tried = {
            **{f"{name}, sides": (fit, ratings.side) for name, fit in BY_SIDE.items()},
            **{f"{name}, values": (fit, ratings.signed_intensity) for name, fit in BY_VALUE.items()},
        }
        for name, (fit, values) in tried.items():
            fitted = fit(ratings.comparison, ratings.labeller, values, scale=models.scale_of(values))
            p = fitted.posterior @ fitted.sides
            answer = np.array([2, 0, 1])[pairs.answer]  # 0 a tie, 1 a, −1 b
            chance = np.maximum(p[np.arange(len(p)), answer], 1e-10)
            row: tuple[float, ...] = ((p.argmax(axis=1) == answer).mean(), np.log(chance).mean())
            if "vote" in name:
                row += (np.nan, np.nan)
            else:
                told = np.array([fitted.reliability[at] for at in range(len(labellers))])
                row += (spearmanr(told, true).statistic, np.abs(told - true).mean())
            row += (spearmanr(fitted.posterior @ fitted.strength, pairs.gap).statistic,)
            rows.setdefault(name, []).append(row)
    print(f"\nThe simulator's truth: {n_pairs:,} pairs, 3 of 8 labellers each, {seeds} seeds")
    print(f"{'':42}{'right %':>9}{'log':>9}{'ranks':>8}{'error':>8}{'strength':>10}")
    for name, found in rows.items():
        right, log, ranks, error, strength = np.mean(found, axis=0)
        print(f"{name:42}{100 * right:9.2f}{log:9.4f}{ranks:8.3f}{error:8.3f}{strength:10.3f}")


# --- Table 3 ---------------------------------------------------------------------------------------------------------
SPEED = (
    "Dawid-Skene",
    "Dawid-Skene to convergence",
    "MACE",
    "graded, sides",
    "graded, values",
    "crowd-kit Dawid-Skene",
)


def timed(name: str, n: int, n_labellers: int, n_iterations: int) -> None:
    """One model in this process: prints its seconds, iterations and the process's largest memory before and after."""
    import resource

    unit, labeller, value = many(n, n_labellers)
    side = np.sign(value)
    frame: Any = None
    if name.startswith("crowd-kit"):
        import pandas as pd
        from crowdkit.aggregation import DawidSkene

        frame = pd.DataFrame({"task": unit, "worker": labeller, "label": side})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.perf_counter()
    if name == "crowd-kit Dawid-Skene":
        done = len(DawidSkene(n_iter=n_iterations, tol=-1).fit(frame).loss_history_)
    elif name == "Dawid-Skene":
        done = models.dawid_skene(
            unit, labeller, side, is_symmetric=False, shrinkage=0.0, n_iterations=n_iterations, tolerance=-np.inf
        ).n_iterations
    elif name == "Dawid-Skene to convergence":
        done = models.dawid_skene(unit, labeller, side).n_iterations
    elif name == "MACE":
        done = models.mace(unit, labeller, side).n_iterations
    else:
        done = models.graded(unit, labeller, side if name == "graded, sides" else value).n_iterations
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "iterations": done, "mib_before": before, "mib": after}))


def speed(n: int, n_labellers: int, n_iterations: int) -> None:
    print(f"\n{n:,} ratings of {n_labellers} labellers, each model in a process of its own")
    print(f"{'':30}{'s':>8}{'iterations':>12}{'MiB':>8}{'of it ratings':>15}{'s, of crowd-kit':>17}")
    found = {}
    for name in reversed(SPEED):
        command = [sys.executable, __file__, "--timed", name, "--ratings", str(n), "--labellers", str(n_labellers)]
        done = subprocess.run(
            [*command, "--iterations", str(n_iterations)], capture_output=True, text=True, check=True, cwd=REPOSITORY
        )
        found[name] = json.loads(done.stdout.splitlines()[-1])
    theirs = found["crowd-kit Dawid-Skene"]["seconds"]
    for name in SPEED:
        one = found[name]
        print(
            f"{name:30}{one['seconds']:8.2f}{one['iterations']:12}{one['mib']:8.0f}{one['mib_before']:15.0f}"
            f"{one['seconds'] / theirs:17.3f}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("TOUCHSTONE_DATA") or REPOSITORY.parent / "shared" / "data"),
        help="directory with the real ratings",
    )
    parser.add_argument("--seeds", type=int, default=5, help="divisions into folds, and simulated projects")
    parser.add_argument("--pairs", type=int, default=3_000, help="pairs of the simulator")
    parser.add_argument("--ratings", type=int, default=1_000_000)
    parser.add_argument("--labellers", type=int, default=200)
    parser.add_argument("--iterations", type=int, default=20, help="of the two Dawid-Skenes that are compared")
    parser.add_argument("--only", choices=("held-out", "truth", "speed"), help="one of the tables")
    parser.add_argument("--timed", choices=SPEED, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.timed:
        timed(given.timed, given.ratings, given.labellers, given.iterations)
        sys.exit()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}")
    if given.only in (None, "held-out"):
        _, _, project = simulated(given.pairs, 0)
        one = project.ratings
        held_out("Simulator, sides", (one.comparison, one.labeller, one.side), BY_SIDE, given.seeds)
        held_out("Simulator, values", (one.comparison, one.labeller, one.signed_intensity), BY_VALUE, given.seeds)
        for file in FILES:
            where = given.data / f"{file}.jsonl.gz"
            if not where.is_file():
                print(f"\n{where} is missing: {file} is left out")
                continue
            columns = real(where)
            has_values = bool((np.abs(columns[2]) > 1).any())
            held_out(f"{file}, sides", (columns[0], columns[1], np.sign(columns[2])), BY_SIDE, given.seeds)
            if has_values:
                held_out(f"{file}, values", columns, BY_VALUE, given.seeds)
    if given.only in (None, "truth"):
        truth(given.pairs, given.seeds)
    if given.only in (None, "speed"):
        speed(given.ratings, given.labellers, given.iterations)
