"""The timeline of refreshes: how each one's reward model does on each batch of comparisons, and what that took.

Everything is read in a handful of queries, however many refreshes there are: of the models' reports, which are large,
the database gives out only the parts that are shown.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Q, Sum, Window

from annotate.agreement.selectors import money
from annotate.agreement.snapshots import PAID
from annotate.projects.models import Project
from training.refresh.models import RefreshCycle
from training.reward.selectors import UNKNOWN
from training.sampling.models import SampledComparison
from training.sampling.outcome import accuracies_of, pairs_agree

MOST_REFRESHES = 50
# Beside what no round asked for. A page has no room for more, and each is as many cells as there are models.
MOST_BATCHES = 20
# Of a drift report's measures: how well what the policy writes is told apart (½: not at all), and how much of it lies
# outside of what the model was trained on.
HEADLINES = ("classifier", "outliers")
MS_PER_HOUR = 3_600_000

_PARTS = {
    "accuracy": "accuracy",
    "agreement": "agreement",
    "human_ceiling": "human_ceiling",
    "incumbent": "incumbent",
    "by_intensity": "slices__intensity",
    "by_batch": "slices__batch",
    "by_cell": "slices__batch_intensity",
}


def timeline(project: Project) -> dict[str, Any]:
    """The latest 50 refreshes, oldest first, and the batches that their models were judged on.

    refreshes: of each its model (None before there is one) with held-out accuracy, by intensity (`levels`) and by batch
    (`batches`: of all intensities where `intensity` is None), and the paired difference to the model that was in use;
    `agreement` of labellers on the comparisons that accuracy is over; drift; the round, and its cost at today's rate.
    batches: their numbers, which are those of the sampling rounds, 0 for what none asked for; the newest 20 rounds.
    n_refreshes: of all there are. n_batches: likewise.
    """
    rows = list(
        RefreshCycle.objects.filter(project=project)
        .annotate(
            started_at=F("created_at"),
            n_refreshes=Window(Count("pk")),
            version=F("reward_model__version"),
            model_state=F("reward_model__state"),
            **{name: F(f"reward_model__report__{path}") for name, path in _PARTS.items()},
            drift_number=F("drift_report__number"),
            verdict=F("drift_report__verdict"),
            measures=F("drift_report__report__measures"),
            round_number=F("sampling_round__number"),
        )
        .order_by("-number")
        .values(
            "id", "number", "name", "state", "trigger", "started_at", "finished_at", "n_refreshes",
            "reward_model", "version", "model_state", *_PARTS,
            "drift_report", "drift_number", "verdict", "measures",
            "sampling_round", "round_number",
        )[:MOST_REFRESHES]
    )  # fmt: skip
    rows.reverse()
    batches = sorted({int(one["bucket"]) for row in rows for one in row["by_batch"] or [] if one["bucket"].isdigit()})
    shown = [number for number in batches if number == 0] + [number for number in batches if number][-MOST_BATCHES:]
    rounds = _rounds({row["sampling_round"] for row in rows} - {None})
    costs = _costs(project, rounds)
    return {
        "refreshes": [
            {
                **{name: row[name] for name in _OWN},
                "model": _model(row, set(shown)),
                "agreement": _agreement(row),
                "drift": _drift(row),
                "round": _round(row, rounds),
                "cost": costs.get(row["sampling_round"]),
            }
            for row in rows
        ],
        "n_refreshes": rows[0]["n_refreshes"] if rows else 0,
        "batches": shown,
        "n_batches": len(batches),
    }


_OWN = ("id", "number", "name", "state", "trigger", "started_at", "finished_at")


def _stat(raw: dict[str, Any]) -> dict[str, Any]:
    return {name: raw.get(name, missing) for name, missing in UNKNOWN.items()}


def _stat_or_none(raw: dict[str, Any] | None) -> dict[str, Any] | None:
    return _stat(raw) if raw else None


def _model(row: dict[str, Any], shown: set[int]) -> dict[str, Any] | None:
    """What the report says; a model that was not evaluated yet has an accuracy over nothing."""
    if row["reward_model"] is None:
        return None
    incumbent = row["incumbent"] or None
    return {
        "id": row["reward_model"],
        "version": row["version"],
        "state": row["model_state"],
        "accuracy": _stat(row["accuracy"] or {}),
        "incumbent": incumbent
        and {
            "id": incumbent["id"],
            "version": incumbent["version"],
            "difference": _stat_or_none(incumbent.get("difference")),
        },
        "levels": [
            {"intensity": int(one["bucket"]), "stat": _stat(one["accuracy"])}
            for one in row["by_intensity"] or []
            if one["bucket"].isdigit()
        ],
        "batches": [one for one in _cells(row, incumbent or {}) if one["batch"] in shown],
    }


def _cells(row: dict[str, Any], incumbent: dict[str, Any]) -> list[dict[str, Any]]:
    """Accuracy by batch, then by batch and intensity. Comparisons of unknown intensity are in the former alone."""
    difference = {one["bucket"]: _stat_or_none(one.get("difference")) for one in incumbent.get("batches") or []}
    whole = [
        {
            "batch": int(one["bucket"]),
            "intensity": None,
            "stat": _stat(one["accuracy"]),
            "difference": difference.get(one["bucket"]),
        }
        for one in row["by_batch"] or []
        if one["bucket"].isdigit()
    ]
    parts = row["by_cell"] or []
    if not parts and [one["batch"] for one in whole] == [0]:
        # No round asked for any of them: the report does not say the same thing twice.
        parts = [
            {"batch": 0, "intensity": int(one["bucket"]), "accuracy": one["accuracy"]}
            for one in row["by_intensity"] or []
            if one["bucket"].isdigit()
        ]
    return whole + [
        {
            "batch": one["batch"],
            "intensity": one["intensity"],
            "stat": _stat(one["accuracy"]),
            "difference": None,
        }
        for one in parts
        if one["intensity"] is not None
    ]


def _agreement(row: dict[str, Any]) -> dict[str, Any] | None:
    """pairs: how often two ratings of one comparison say the same. ceiling: one labeller against the majority of the
    others. Both of the held-out comparisons; None without ratings enough, and of reports from before they said it."""
    found = {"pairs": _stat_or_none(row["agreement"]), "ceiling": _stat_or_none(row["human_ceiling"])}
    return found if any(found.values()) else None


def _drift(row: dict[str, Any]) -> dict[str, Any] | None:
    if row["drift_report"] is None:
        return None
    measures = {one["name"]: one for one in row["measures"] or []}
    return {
        "id": row["drift_report"],
        "number": row["drift_number"],
        "verdict": row["verdict"],
        "measures": [
            {key: measures[name][key] for key in ("name", "value", "low", "high")}
            for name in HEADLINES
            if name in measures
        ],
    }


def _rounds(ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """What each round asked and what came of it, from the ratings so far. What was withdrawn is not asked for.

    accuracy: of the model that chose, on the part it chose and on the part drawn at random: how well it knew what was
    asked before it was labelled.
    """
    accuracies = accuracies_of(ids)
    asked = SampledComparison.objects.filter(sampling_round__in=accuracies, is_withdrawn=False).order_by()
    counts = [f"comparison__n_{answer}" for answer in ("a", "b", "ties")]
    patterns: dict[int, list[tuple[int, int, int, int]]] = {pk: [] for pk in accuracies}
    for pk, *pattern in asked.values_list("sampling_round", *counts).annotate(n=Count("pk")):
        patterns[pk].append(tuple(pattern))
    return {
        pk: {
            "n_asked": sum(n for *_, n in found),
            "n_labelled": sum(n for *answers, n in found if any(answers)),
            "n_labels": sum(sum(answers) * n for *answers, n in found),
            "accuracy": accuracies[pk],
            "agreement": pairs_agree(found),
        }
        for pk, found in patterns.items()
    }


def _round(row: dict[str, Any], rounds: dict[int, dict[str, Any]]) -> dict[str, Any] | None:
    pk = row["sampling_round"]
    return None if pk is None else {"id": pk, "number": row["round_number"], **rounds[pk]}


def _costs(project: Project, rounds: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Of the ratings that people, or simulated ones, gave to each round's comparisons, corrections and second looks
    among them: n_labels; hours of active time, with the mean of the others for the n_untimed that say none, None where
    none says any; amount at today's rate, None without one. A round that nobody has worked for yet has no cost."""
    is_paid = Q(comparison__ratings__origin__in=PAID)
    worked = (
        SampledComparison.objects.filter(sampling_round__in=list(rounds), is_withdrawn=False)
        .order_by()
        .values("sampling_round")
        .annotate(
            n_labels=Count("comparison__ratings", filter=is_paid),
            n_timed=Count("comparison__ratings__active_ms", filter=is_paid),
            active_ms=Sum("comparison__ratings__active_ms", filter=is_paid),
        )
    )
    found = {}
    for row in worked:
        if not row["n_labels"]:
            continue
        hours = row["active_ms"] / row["n_timed"] * row["n_labels"] / MS_PER_HOUR if row["n_timed"] else None
        pay = project.pay_per_hour
        found[row["sampling_round"]] = {
            "n_labels": row["n_labels"],
            "n_untimed": row["n_labels"] - row["n_timed"],
            "hours": hours,
            "amount": None if pay is None or hours is None else money(pay * Decimal(hours)),
            "currency": project.currency,
        }
    return found
