"""Agreement on the real ratings beside independent libraries: makes the tables of docs/agreement-on-real-ratings.md.

    python bench/real_agreement.py [--write] [--data ../shared/data]

Prints the tables; with --write it also puts them between the marks in the document, whose text says what they mean.
"""

import argparse
import gzip
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from annotate.agreement import metrics  # noqa: E402  # the repository is on the path only now
from annotate.agreement.metrics.reliability import one_coin_fit  # noqa: E402

DOCUMENT = REPOSITORY / "docs" / "agreement-on-real-ratings.md"
BEGIN, END = "<!-- tables: bench/real_agreement.py --write -->", "<!-- end of the tables -->"
# Files with several labellers a comparison, and the axis that is taken of each.
FILES = [
    ("pandalm", None),
    ("mtbench_human_turn1", None),
    ("cragc25", None),
    ("ukpconvarg1", None),
    ("xstest_pairs", "helpfulness"),
    ("xstest_pairs", "safety"),
]
SCALE = np.arange(-4, 5)
N_ORIENTATIONS = 100
MOST_LABELLERS = 200
N_RESAMPLES = 200
# Both libraries' models of labellers do exactly so many steps, so that no stopping rule is compared.
N_STEPS = 50
N_OF_KNOWN = 20


@dataclass(frozen=True)
class Ratings:
    """A file's ratings (n,): signed values as the file has its completions. A labeller counts once a comparison."""

    name: str
    units: np.ndarray
    labellers: np.ndarray
    fixed: np.ndarray

    @cached_property
    def signed(self) -> np.ndarray:
        """Signed intensities with sides exchanged by lot."""
        return metrics.randomise_orientation(self.units, self.fixed)

    @cached_property
    def side(self) -> np.ndarray:
        return np.sign(self.signed)


def read(path: Path, axis: str | None) -> Ratings:
    rows: dict[tuple[int, int], int] = {}
    numbers: dict[str, int] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for unit, line in enumerate(lines):
            for rating in json.loads(line)["ratings"]:
                if axis in (None, rating["axis"]):
                    labeller = numbers.setdefault(rating["labeller"], len(numbers))
                    side = {0: 1, 1: -1, None: 0}[rating["preferred"]]
                    rows.setdefault((unit, labeller), side * (rating["intensity"] or 1))
    units, labellers = np.array(list(rows)).T
    name = path.name.removesuffix(".jsonl.gz") + (f", {axis}" if axis else "")
    return Ratings(name, units, labellers, np.array(list(rows.values())))


# --- cells ----------------------------------------------------------------------------------------------------------
def with_interval(stat: metrics.Stat) -> str:
    if stat.value is None or stat.low is None or stat.high is None:
        return "–"
    return f"{number(stat.value)} ({number(stat.low)} to {number(stat.high)})"


def number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}".replace("-", "−")


def difference(ours: float | None, theirs: float) -> str:
    """In scientific notation where it is no more than rounding."""
    assert ours is not None
    apart = ours - theirs
    if apart == 0:
        return "0"
    return f"{apart:.0e}".replace("-", "−") if abs(apart) < 5e-4 else number(apart)


def table(title: str, columns: str, rows: Iterator[list[str]]) -> str:
    names = [column.strip() for column in columns.split("|")]
    lines = [f"### {title}", "", "| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


# --- the libraries --------------------------------------------------------------------------------------------------
def counted(units: np.ndarray, values: np.ndarray) -> float:
    """Percent agreement by going through the pairs."""
    by_unit: dict[int, list[int]] = defaultdict(list)
    for unit, value in zip(units.tolist(), values.tolist(), strict=True):
        by_unit[unit].append(value)
    same = [one == other for said in by_unit.values() for one, other in combinations(said, 2)]
    return sum(same) / len(same)


def alpha_of_library(units: np.ndarray, values: np.ndarray, level: metrics.Level) -> float:
    import krippendorff

    matrix = np.full((len(np.unique(units)), int(np.bincount(units).max())), np.nan)
    _, unit = np.unique(units, return_inverse=True)
    order = np.argsort(unit, kind="stable")
    nth = np.arange(len(unit)) - np.searchsorted(unit[order], unit[order])
    matrix[unit[order], nth] = values[order]  # which labeller is which row makes no difference to α
    return float(krippendorff.alpha(reliability_data=matrix.T, level_of_measurement=level))


def fitted_by_library(ratings: Ratings, model: str) -> tuple[np.ndarray, np.ndarray]:
    """Posterior (U, V) by crowd-kit, units and values ascending, and the reliability of each labeller (L,)."""
    import pandas as pd
    from crowdkit.aggregation import DawidSkene, OneCoinDawidSkene

    data = pd.DataFrame({"task": ratings.units, "worker": ratings.labellers, "label": ratings.side})
    is_one_coin = model == "one-coin"
    fit: Any = (OneCoinDawidSkene if is_one_coin else DawidSkene)(n_iter=N_STEPS, tol=-np.inf).fit(data)
    posterior = fit.probas_.sort_index().sort_index(axis=1).to_numpy()
    return posterior, fit.skills_.sort_index().to_numpy() if is_one_coin else np.empty(0)


# --- the tables -----------------------------------------------------------------------------------------------------
def sizes(files: list[Ratings]) -> Iterator[list[str]]:
    for one in files:
        _, each = np.unique(one.units, return_counts=True)
        agreement = metrics.percent_agreement(one.units, one.side)
        theirs = counted(one.units, one.side)
        yield [
            one.name,
            f"{(each > 1).sum():,}",
            f"{each[each > 1].sum():,}",
            f"{len(np.unique(one.labellers)):,}",
            with_interval(agreement),
            number(theirs),
            difference(agreement.value, theirs),
        ]


def alphas(files: list[Ratings], level: metrics.Level) -> Iterator[list[str]]:
    for one in files:

        def values(signed: np.ndarray) -> np.ndarray:
            return np.sign(signed) if level == "nominal" else signed

        ours = metrics.krippendorff_alpha(one.units, values(one.signed), level=level)
        theirs = alpha_of_library(one.units, values(one.signed), level)
        lots = [
            metrics.krippendorff_alpha(
                one.units,
                values(metrics.randomise_orientation(one.units, one.fixed, salt=salt)),
                level=level,
                n_resamples=0,
            ).value
            for salt in range(1, N_ORIENTATIONS + 1)
        ]
        as_file = metrics.krippendorff_alpha(one.units, values(one.fixed), level=level, n_resamples=0).value
        # a is the completion that more labellers preferred: as in files that name the chosen one first.
        _, unit = np.unique(one.units, return_inverse=True)
        lead = np.bincount(unit, weights=np.sign(one.fixed))[unit]
        winner = np.where(lead < 0, -one.fixed, one.fixed)
        chosen_first = metrics.krippendorff_alpha(one.units, values(winner), level=level, n_resamples=0).value
        yield [
            one.name,
            with_interval(ours),
            number(theirs),
            difference(ours.value, theirs),
            f"{number(np.nanmin(np.array(lots, float)))} to {number(np.nanmax(np.array(lots, float)))}",
            number(as_file or 0.0),
            number(chosen_first or 0.0),
        ]


def fleiss(files: list[Ratings]) -> Iterator[list[str]]:
    from statsmodels.stats.inter_rater import fleiss_kappa

    for one in files:
        whole = metrics.fleiss_kappa(one.units, one.side)
        counts, ids, _ = metrics.value_counts(one.units, one.side)
        per_unit = counts.sum(axis=1)
        commonest = int(np.bincount(per_unit)[2:].argmax() + 2)
        chosen = np.isin(one.units, ids[per_unit == commonest])
        ours = metrics.fleiss_kappa(one.units[chosen], one.side[chosen])
        theirs = float(fleiss_kappa(counts[per_unit == commonest]))
        yield [
            one.name,
            with_interval(whole),
            f"{commonest} ({ours.n:,})",
            with_interval(ours),
            number(theirs),
            difference(ours.value, theirs),
        ]


def kappas(files: list[Ratings], weights: metrics.Weights) -> Iterator[list[str]]:
    """Mean κ of the pairs that share ten comparisons or more, of the labellers with the most ratings."""
    from sklearn.metrics import cohen_kappa_score

    for one in files:
        ids, n = np.unique(one.labellers, return_counts=True)
        most = np.sort(ids[np.argsort(-n, kind="stable")][:MOST_LABELLERS])
        chosen = np.isin(one.labellers, most)
        units, labellers, signed = one.units[chosen], one.labellers[chosen], one.signed[chosen]
        values = np.sign(signed) if weights == "none" else signed
        found = metrics.kappa_matrix(
            units, labellers, values, labeller_ids=most, weights=weights, categories=SCALE, n_resamples=0
        )
        pairs = np.argwhere(np.triu(np.isfinite(found.kappa)))
        said = [metrics.paired_values(units, labellers, values, most[i], most[j]) for i, j in pairs]
        kind = None if weights == "none" else weights
        theirs = np.array([cohen_kappa_score(a, b, labels=SCALE, weights=kind) for a, b in said])
        ours = found.kappa[pairs[:, 0], pairs[:, 1]]
        value = float(ours.mean())
        half = 1.96 * spread_of_mean(units, labellers, values, most, pairs, weights)
        mean = metrics.Stat(value, value - half, min(1.0, value + half), len(pairs), too_few=False)
        yield [
            one.name,
            f"{len(pairs):,}",
            with_interval(mean),
            number(float(theirs.mean())),
            difference(mean.value, float(theirs.mean())),
            difference(float(np.abs(ours - theirs).max()), 0.0),
        ]


def spread_of_mean(
    units: np.ndarray,
    labellers: np.ndarray,
    values: np.ndarray,
    most: np.ndarray,
    pairs: np.ndarray,
    weights: metrics.Weights,
) -> float:
    """Standard error of the mean κ of the same pairs, by drawing comparisons, each time for all pairs at once.

    The spread of the resamples is used, not their place: one repeats comparisons, which pulls the κ of a pair that
    shares few of them to one side.
    """
    ids, starts, n = np.unique(np.sort(units), return_index=True, return_counts=True)
    order = np.argsort(units, kind="stable")
    rng = np.random.default_rng(0)
    means = []
    for _ in range(N_RESAMPLES):
        drawn = rng.integers(0, len(ids), len(ids))
        rows = order[np.repeat(starts[drawn] - np.cumsum(n[drawn]) + n[drawn], n[drawn]) + np.arange(n[drawn].sum())]
        names = np.repeat(np.arange(len(drawn)), n[drawn])
        again = metrics.kappa_matrix(
            names,
            labellers[rows],
            values[rows],
            labeller_ids=most,
            weights=weights,
            categories=SCALE,
            min_units=1,
            n_resamples=0,
        )
        means.append(np.nanmean(again.kappa[pairs[:, 0], pairs[:, 1]]))
    return float(np.std(means))


def answer_rate(ratings: Ratings, posterior: np.ndarray, values: np.ndarray) -> metrics.Stat:
    """Chance that a rating gives the answer of its comparison; comparisons are resampled, the model stays."""
    _, unit, n = np.unique(ratings.units, return_inverse=True, return_counts=True)
    right = posterior[unit, np.searchsorted(values, ratings.side)]
    of_unit = np.bincount(unit, weights=right)
    weights = np.random.default_rng(0).multinomial(len(n), np.full(len(n), 1 / len(n)), size=1000)
    low, high = np.quantile((weights @ of_unit) / (weights @ n), [0.025, 0.975])
    return metrics.Stat(float(right.mean()), float(low), float(high), len(n), too_few=False)


def dawid_skenes(files: list[Ratings]) -> Iterator[list[str]]:
    for one in files:
        values = np.unique(one.side)
        fit = metrics.dawid_skene(
            one.units,
            one.labellers,
            one.side,
            scale=values,
            is_symmetric=False,
            shrinkage=0,
            n_iterations=N_STEPS,
            tolerance=-np.inf,
        )
        posterior, _ = fitted_by_library(one, "Dawid-Skene")
        ours, theirs = answer_rate(one, fit.posterior, values), answer_rate(one, posterior, values).value or 0.0
        apart = np.abs(fit.posterior - posterior).max(axis=1)
        yield [
            one.name,
            with_interval(ours),
            number(theirs),
            difference(ours.value, theirs),
            same_answer(fit.posterior, posterior),
            f"{difference(float(apart.max()), 0.0)} ({(apart > 0.01).sum():,} of {len(apart):,})",
        ]


def one_coins(files: list[Ratings]) -> Iterator[list[str]]:
    for one in files:
        values = np.unique(one.side)
        fit = one_coin_fit(one.units, one.labellers, one.side, scale=values)
        posterior, skills = fitted_by_library(one, "one-coin")
        ours, theirs = answer_rate(one, fit.posterior, values), answer_rate(one, posterior, values).value or 0.0
        own = np.array([p for _, p in sorted(metrics.one_coin(one.units, one.labellers, one.side).items())])
        _, n = np.unique(one.labellers, return_counts=True)
        many = n >= N_OF_KNOWN
        apart = np.abs(own - skills)
        yield [
            one.name,
            with_interval(ours),
            number(theirs),
            difference(ours.value, theirs),
            same_answer(fit.posterior, posterior),
            f"{number(float(apart[many].mean()))} ({many.sum():,})",
            f"{number(float(apart[~many].mean()))} ({(~many).sum():,})" if not many.all() else "–",
        ]


def answers(files: list[Ratings]) -> Iterator[list[str]]:
    """The model that the pages use, beside crowd-kit's Dawid-Skene and the plain majority."""
    for one in files:
        columns = metrics.Ratings.from_arrays(
            comparison=one.units, labeller=one.labellers, side=np.sign(one.fixed), signed_intensity=one.fixed
        )
        found = metrics.answers(columns)
        used = np.array([1, -1, 0])[found.p.argmax(axis=1)]
        values = np.unique(one.side)
        posterior, _ = fitted_by_library(one, "Dawid-Skene")
        _, first = np.unique(one.units, return_index=True)
        turned = np.where(one.signed[first] == one.fixed[first], 1, -1)  # theirs was told sides by lot
        theirs = values[posterior.argmax(axis=1)] * turned
        counts, _, said = metrics.value_counts(one.units, np.sign(one.fixed))
        has_majority = (counts == counts.max(axis=1, keepdims=True)).sum(axis=1) == 1
        majority = said[counts.argmax(axis=1)]
        yield [
            one.name,
            f"{100 * (used == theirs).mean():.1f} %",
            f"{100 * (used == majority)[has_majority].mean():.1f} %",
            f"{100 * (theirs == majority)[has_majority].mean():.1f} %",
            f"{has_majority.sum():,} of {len(used):,}",
        ]


def same_answer(one: np.ndarray, other: np.ndarray) -> str:
    return f"{100 * (one.argmax(axis=1) == other.argmax(axis=1)).mean():.1f} %"


def tables(files: list[Ratings]) -> Iterator[str]:
    yield table(
        "Percent agreement",
        "file | comparisons | ratings | labellers | ours (95 %) | counted pair by pair | difference",
        sizes(files),
    )
    titles: dict[metrics.Level, str] = {
        "nominal": "Krippendorff's α of the side, nominal",
        "ordinal": "Krippendorff's α of the signed intensity, ordinal",
        "interval": "Krippendorff's α of the signed intensity, interval",
    }
    for level, title in titles.items():
        yield table(
            title,
            f"file | ours (95 %) | `krippendorff` | difference | {N_ORIENTATIONS} other lots | as in the file "
            "| preferred first",
            alphas(files, level),
        )
    yield table(
        "Fleiss' κ of the side",
        "file | ours, all (95 %) | ratings each (comparisons) | ours on these (95 %) | statsmodels on these "
        "| difference",
        fleiss(files),
    )
    kinds: list[tuple[metrics.Weights, str]] = [
        ("none", "side, plain"),
        ("quadratic", "signed intensity, quadratic weights"),
    ]
    for weights, what in kinds:
        yield table(
            f"Mean of Cohen's κ over pairs of labellers: {what}",
            "file | pairs | ours (95 %) | scikit-learn | difference | largest of one pair",
            kappas(files, weights),
        )
    yield table(
        "Dawid-Skene: how often a rating gives the answer",
        "file | ours (95 %) | crowd-kit | difference | same answer | largest difference of a chance (over 0.01)",
        dawid_skenes(files),
    )
    yield table(
        "One coin: how often a rating gives the answer",
        "file | ours (95 %) | crowd-kit | difference | same answer "
        f"| reliabilities differ by, {N_OF_KNOWN} ratings or more (labellers) | fewer (labellers)",
        one_coins(files),
    )
    yield table(
        "The answers on the pages",
        "file | same as crowd-kit's Dawid-Skene | same as the majority | crowd-kit's same as the majority "
        "| comparisons with a majority",
        answers(files),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the tables into the document")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("TOUCHSTONE_DATA") or REPOSITORY.parent / "shared" / "data"),
        help="directory with the real ratings",
    )
    given = parser.parse_args()
    paths = [(given.data / f"{name}.jsonl.gz", axis) for name, axis in FILES]
    missing: list[Any] = sorted({path.name for path, _ in paths if not path.is_file()})
    if missing:
        print(f"{given.data} lacks {', '.join(missing)}: no tables. See --data.")
        return
    made = []
    for one in tables([read(path, axis) for path, axis in paths]):
        print(one, flush=True)
        print()
        made.append(one)
    if given.write:
        text = DOCUMENT.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        assert after, f"{DOCUMENT} lacks its marks"
        DOCUMENT.write_text(f"{before}{BEGIN}\n\n" + "\n\n".join(made) + f"\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
