"""Agreement of a million ratings by 200 labellers: seconds and memory, beside PyPI `krippendorff` in the same run.

    python bench/agreement.py [--ratings 1000000] [--labellers 200] [--only "alpha ordinal"]

Ratings are made up from a seed: comparisons with one to five ratings each, three on average, by labellers of unequal
skill, sides and intensities −4…4 with ties, 100 tags, 52 weeks, six guideline versions. Every row is a process of its
own. Seconds are those of the statistic alone, from columns in memory as the snapshot task has them, with ids of
comparisons as they come (not sorted); of what takes less than half a second, ours and theirs, the fastest of five.
"cpu" is the processor's time, which another load on the machine changes less; the ratios are of it. Memory is the
process's peak: Python, numpy, the ratings and the statistic.

Ours with interval: 1,000 resamples of comparisons, of which the κ matrix has 200 for each of its pairs.

Theirs: `krippendorff.alpha`, which has no interval. "from counts" gives it the table of value counts, ready-made and
not timed (ours makes its own, in its time); "from ratings" times the matrix of labellers by comparisons that it asks
for, and the call. With interval is a bootstrap as one writes it: draw comparisons, take their rows of the table, ask
again. So many resamples are measured as the line says and the time is multiplied up to 1,000; nothing else is
extrapolated.

The models of labellers come last, beside crowd-kit's Dawid-Skene: `bench/reliability.py --only speed` does that.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from annotate.agreement import metrics  # noqa: E402  # the repository is on the path only now

N_RESAMPLES = 1000
SCALE = np.arange(-4, 5)


@dataclass(frozen=True)
class Columns:
    """Ratings (n,) and, of comparisons, their ids with the tag of each (a comparison may have several tags)."""

    units: np.ndarray
    labellers: np.ndarray
    side: np.ndarray
    signed: np.ndarray
    week: np.ndarray
    version: np.ndarray
    tagged: np.ndarray
    tags: np.ndarray


def made_up(n: int, n_labellers: int, seed: int = 0) -> Columns:
    rng = np.random.default_rng(seed)
    n_units = n // 3
    per_unit = rng.permutation(np.resize([1, 2, 3, 3, 4, 5], n_units))
    unit = np.repeat(np.arange(n_units, dtype=np.int32), per_unit)[:n]
    nth = np.arange(len(unit)) - np.searchsorted(unit, unit)
    # A comparison's labellers are some steps apart, so nobody is there twice.
    first = rng.integers(0, n_labellers, n_units)
    step = rng.integers(1, max(2, n_labellers // 5), n_units)
    labeller = (first[unit] + nth * step[unit]) % n_labellers
    noise = rng.uniform(0.5, 2.0, n_labellers)
    utility = rng.normal(size=n_units) * 2
    signed = np.clip(np.round(utility[unit] + noise[labeller] * rng.normal(size=len(unit))), -4, 4).astype(np.int8)
    week = np.sort(rng.integers(0, 52, n_units))[unit]
    order = rng.permutation(len(unit))
    ids = rng.permutation(n_units * 3)[:n_units]  # as a database has them: not dense, in no order
    tagged = np.concatenate([ids, ids[: n_units // 2]])
    return Columns(
        units=ids[unit][order],
        labellers=labeller[order],
        side=np.sign(signed)[order],
        signed=signed[order],
        week=week[order],
        version=week[order] // 9,
        tagged=tagged,
        tags=rng.integers(0, 100, len(tagged)),
    )


# --- the rows -------------------------------------------------------------------------------------------------------
def alpha(level: metrics.Level, n_resamples: int) -> Callable[[Columns], Any]:
    return lambda made: metrics.krippendorff_alpha(
        made.units, made.side if level == "nominal" else made.signed, level=level, n_resamples=n_resamples
    )


def matrix(made: Columns) -> Any:
    return metrics.kappa_matrix(made.units, made.labellers, made.side)


def weighted_matrix(made: Columns) -> Any:
    return metrics.kappa_matrix(made.units, made.labellers, made.signed, weights="quadratic", categories=SCALE)


OURS: dict[str, Callable[[Columns], Any]] = {
    "percent agreement": lambda made: metrics.percent_agreement(made.units, made.side),
    "buckets of disagreement": lambda made: metrics.disagreement(made.units, made.side),
    "alpha nominal, no interval": alpha("nominal", 0),
    "alpha nominal": alpha("nominal", N_RESAMPLES),
    "alpha ordinal, no interval": alpha("ordinal", 0),
    "alpha ordinal": alpha("ordinal", N_RESAMPLES),
    "Fleiss kappa": lambda made: metrics.fleiss_kappa(made.units, made.side),
    "kappa of all pairs": matrix,
    "kappa of all pairs, weighted": weighted_matrix,
    "slices: 100 tags": lambda made: metrics.by_unit_group(made.units, made.side, made.tagged, made.tags),
    "slices: 52 weeks": lambda made: metrics.by_rating_group(made.units, made.side, made.week),
    "slices: intensities": lambda made: metrics.agreement_of_ratings(made.units, made.side, np.abs(made.signed)),
    "changes: 6 versions": lambda made: metrics.changes(made.units, made.side, made.version),
}


def all_of_it(made: Columns) -> None:
    for row, function in OURS.items():
        if "no interval" not in row:
            function(made)


@dataclass(frozen=True)
class Took:
    seconds: float
    cpu: float


def fastest(function: Callable[[], Any]) -> tuple[Took, Any]:
    """Time and the result; what takes less than half a second is done five times, and the fastest counts."""
    times: list[Took] = []
    while not times or (times[0].seconds < 0.5 and len(times) < 5):
        started, cpu = time.perf_counter(), time.process_time()
        found = function()
        times.append(Took(time.perf_counter() - started, time.process_time() - cpu))
    return min(times, key=lambda took: took.cpu), found


def measured(made: Columns, row: str) -> dict[str, Any]:
    function = all_of_it if row == "all of it" else OURS[row]
    took, found = fastest(lambda: function(made))
    return {**asdict(took), "value": found.value if isinstance(found, metrics.Stat) else None}


def measured_theirs(made: Columns, level: metrics.Level, how: str, n_resamples: int) -> dict[str, Any]:
    import krippendorff

    values = made.side if level == "nominal" else made.signed

    def from_ratings() -> float:
        unit_ids, unit = np.unique(made.units, return_inverse=True)
        matrix = np.full((made.labellers.max() + 1, len(unit_ids)), np.nan)
        matrix[made.labellers, unit] = values
        return float(krippendorff.alpha(reliability_data=matrix, level_of_measurement=level))

    if how == "from ratings":
        took, value = fastest(from_ratings)
        return {**asdict(took), "value": value}

    counts, _, distinct = metrics.value_counts(made.units, values)

    def from_counts(table: np.ndarray) -> float:
        return float(krippendorff.alpha(value_counts=table, value_domain=distinct, level_of_measurement=level))

    took, value = fastest(lambda: from_counts(counts))
    if how == "from counts":
        return {**asdict(took), "value": value}
    rng = np.random.default_rng(0)
    started, cpu = time.perf_counter(), time.process_time()
    for _ in range(n_resamples):
        from_counts(counts[rng.integers(0, len(counts), len(counts))])
    scale = N_RESAMPLES / n_resamples
    seconds = took.seconds + scale * (time.perf_counter() - started)
    return {"seconds": seconds, "cpu": took.cpu + scale * (time.process_time() - cpu), "value": value}


# --- the table ------------------------------------------------------------------------------------------------------
def in_a_process(given: argparse.Namespace, row: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--row", row]
    for name in ("ratings", "labellers", "resamples"):
        command += [f"--{name}", str(getattr(given, name))]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(told.splitlines()[-1]))


def one_row(given: argparse.Namespace) -> None:
    made = made_up(given.ratings, given.labellers)
    whose, _, row = given.row.partition(": ")
    if whose == "ours":
        found = measured(made, row)
    elif whose == "theirs":
        level, _, how = row.partition(", ")
        found = measured_theirs(made, "nominal" if level == "nominal" else "ordinal", how, given.resamples)
    else:
        found = {}
    found["mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    print(json.dumps(found))


def line(name: str, found: dict[str, Any], ours: dict[str, Any] | None = None) -> None:
    cells = f"{name:46}{found['seconds']:9.2f}{found['cpu']:9.2f}{found['mb']:9.0f}"
    print(cells + (f"{found['cpu'] / ours['cpu']:9.1f}×" if ours else ""), flush=True)


def table(given: argparse.Namespace) -> None:
    print(f"{given.ratings:,} ratings by {given.labellers} labellers\n")
    print(f"{'':46}{'s':>9}{'cpu s':>9}{'peak MB':>9}{'of ours':>10}")
    if not given.only:
        print(f"{'(the ratings alone)':64}{in_a_process(given, 'nothing')['mb']:9.0f}")
    for row in [*OURS, "all of it"]:
        if given.only and given.only != row:
            continue
        ours = in_a_process(given, f"ours: {row}")
        line(row, ours)
        if row.startswith("alpha"):
            level = row.split()[1].rstrip(",")
            named = {
                f"with interval ({given.resamples} resamples, × {N_RESAMPLES / given.resamples:g})": "with interval"
            }
            if "no interval" in row:
                named = {"from counts": "from counts", "from ratings": "from ratings"}
            for name, how in named.items():
                theirs = in_a_process(given, f"theirs: {level}, {how}")
                assert abs(theirs["value"] - ours["value"]) < 1e-9, (theirs, ours)
                line(f"  krippendorff {name}", theirs, ours)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ratings", type=int, default=1_000_000)
    parser.add_argument("--labellers", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=20, help="measured of the bootstrap around krippendorff")
    parser.add_argument("--only", help="one row by its name")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.row:
        one_row(given)
    else:
        print(
            f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}"
        )
        started = time.perf_counter()
        table(given)
        if not given.only:
            sys.stdout.flush()
            size = ["--ratings", str(given.ratings), "--labellers", str(given.labellers)]
            models = REPOSITORY / "bench" / "reliability.py"
            subprocess.run([sys.executable, str(models), "--only", "speed", *size], check=True)
        print(f"\n{time.perf_counter() - started:.0f} s")
