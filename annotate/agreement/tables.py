"""Tables as CSV: what the pages show, for spreadsheets. People are pseudonyms here, whoever downloads it."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from rest_framework import serializers

from annotate.agreement import guidelines, selectors
from annotate.common.days import end_of, start_of
from annotate.common.errors import not_found
from annotate.projects import audit
from annotate.projects.access import Seat
from annotate.projects.api.serializers import AuditQuerySerializer
from annotate.ratings.api.serializers import RatingFiltersSerializer
from annotate.ratings.filters import rating_rows

Query = Mapping[str, str]


@dataclass(frozen=True)
class Table:
    header: list[str]
    rows: Iterable[list[Any]]


_STAT = ("value", "low", "high", "n")


def table(seat: Seat, name: str, query: Query) -> Table:
    """One of `TABLES`; 404 for another name, 400 for filters that say nothing."""
    if name not in TABLES:
        raise not_found("table")
    return TABLES[name](seat, query)


class _Echo:
    """What csv.writer writes to: gives each line back."""

    def write(self, line: str) -> str:
        return line


def as_csv(found: Table) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(found.header)
    for row in found.rows:
        yield writer.writerow([_cell(value) for value in row])


def _cell(value: Any) -> Any:
    """No spreadsheet takes it for a formula: parts of it come from labellers and from other people's files."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value.lstrip().startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


def _of_stat(name: str) -> list[str]:
    return [name, f"{name}_low", f"{name}_high", f"{name}_n"]


def _stat(stat: dict[str, Any]) -> list[Any]:
    return [stat[part] for part in _STAT]


# --- Agreement -------------------------------------------------------------------------------------------------------


def _ratings_per_day(seat: Seat, query: Query) -> Table:
    return Table(["date", "ratings"], ([day["date"], day["n"]] for day in selectors.overview(seat)["ratings_per_day"]))


def _over_time(seat: Seat, query: Query) -> Table:
    weeks = selectors.agreement(seat)["over_time"]
    return Table(
        ["week", "ratings", *_of_stat("alpha"), *_of_stat("disagreement")],
        ([week["week"], week["n_ratings"], *_stat(week["alpha"]), *_stat(week["disagreement"])] for week in weeks),
    )


def _versions(seat: Seat, query: Query) -> Table:
    def row(one: dict[str, Any]) -> list[Any]:
        change = one["change"] or {"previous": None, "difference": selectors.NO_STAT, "verdict": None}
        return [
            one["number"],
            one["published_at"],
            one["change_note"],
            one["changes_meaning"],
            one["n_ratings"],
            *_stat(one["alpha"]),
            *_stat(one["disagreement"]),
            change["previous"],
            *_stat(change["difference"]),
            change["verdict"],
        ]

    header = ["version", "published_at", "change_note", "changes_meaning", "ratings", *_of_stat("alpha")]
    header += [*_of_stat("disagreement"), "compared_with", *_of_stat("difference"), "verdict"]
    return Table(header, map(row, selectors.agreement(seat)["versions"]))


def _slices(seat: Seat, query: Query) -> Table:
    plain = ["dimension", "key", "label", "n_comparisons", "n_ratings"]
    return Table(
        [*plain, *_of_stat("disagreement"), *_of_stat("alpha"), "share", "excess"],
        (
            [
                *(one[name] for name in plain),
                *_stat(one["disagreement"]),
                *_stat(one["alpha"]),
                one["share"],
                one["excess"],
            ]
            for one in selectors.agreement(seat)["slices"]
        ),
    )


def _pairs(seat: Seat, query: Query) -> Table:
    """One row for each two labellers."""
    found = selectors.pairs(seat.project)
    names = [one["pseudonym"] for one in found["labellers"]]
    matrices = [found[name] for name in ("kappa", "low", "high", "n", "weighted")]
    return Table(
        ["labeller", "other_labeller", "kappa", "kappa_low", "kappa_high", "comparisons", "weighted_kappa"],
        (
            [names[one], names[other], *(matrix[one][other] for matrix in matrices)]
            for one in range(len(names))
            for other in range(one + 1, len(names))
        ),
    )


def _models(seat: Seat, query: Query) -> Table:
    found = selectors.agreement(seat)["models"] or {"chosen": None, "n_held_out": 0, "rows": []}
    header = ["model", "log_likelihood", "accuracy"]
    return Table(
        [*header, "n_held_out", "is_chosen"],
        (
            [*(one[name] for name in header), found["n_held_out"], one["model"] == found["chosen"]]
            for one in found["rows"]
        ),
    )


def _axes(seat: Seat, query: Query) -> Table:
    buckets = ("unanimous", "majority", "split", "rate")
    return Table(
        ["axis", "project", "ratings", *_of_stat("alpha"), *buckets],
        (
            [
                one["axis"],
                one["slug"],
                one["n_ratings"],
                *_stat(one["alpha_nominal"]),
                *(one["disagreement"][name] for name in buckets),
            ]
            for one in selectors.agreement(seat)["axes"]
        ),
    )


# --- Labellers -------------------------------------------------------------------------------------------------------


def _labellers(seat: Seat, query: Query) -> Table:
    stats = selectors.STATS_OF_LABELLER

    def row(one: dict[str, Any]) -> list[Any]:
        return [
            one["pseudonym"],
            one["kind"],
            one["n_ratings"],
            *(part for name in stats for part in _stat(one[name])),
            one["median_active_ms"],
            " ".join(finding["code"] for finding in one["findings"]),
            one["paused_at"],
            one["excluded_at"],
            one["is_active"],
        ]

    header = ["labeller", "kind", "ratings", *(part for name in stats for part in _of_stat(name))]
    header += ["median_active_ms", "findings", "paused_at", "excluded_at", "is_active"]
    rows = selectors.labeller_rows(seat, list(selectors.labellers(seat)))
    return Table(header, map(row, rows))


class OneLabellerSerializer(serializers.Serializer):
    labeller = serializers.IntegerField()


def _one_labeller(query: Query) -> int:
    asked = OneLabellerSerializer(data=query)
    asked.is_valid(raise_exception=True)
    return int(asked.validated_data["labeller"])


def _labeller_weeks(seat: Seat, query: Query) -> Table:
    weeks = selectors.labeller(seat, _one_labeller(query))["weeks"]
    return Table(
        ["week", "ratings", "active_ms", *_of_stat("with_others"), *_of_stat("gold")],
        (
            [one["week"], one["n_ratings"], one["active_ms"], *_stat(one["with_others"]), *_stat(one["gold"])]
            for one in weeks
        ),
    )


def _labeller_versions(seat: Seat, query: Query) -> Table:
    versions = selectors.labeller(seat, _one_labeller(query))["versions"]
    return Table(
        ["version", "ratings", *_of_stat("with_others")],
        ([one["version"], one["n_ratings"], *_stat(one["with_others"])] for one in versions),
    )


def _labeller_qualifications(seat: Seat, query: Query) -> Table:
    header = ["version", "passed", "n_right", "n_questions", "revoked_at", "created_at"]
    attempts = selectors.labeller(seat, _one_labeller(query))["qualifications"]
    return Table(header, ([one[name] for name in header] for one in attempts))


def _labeller_disagreements(seat: Seat, query: Query) -> Table:
    def row(one: Any) -> list[Any]:
        said = one.comparison.answer
        return [
            one.comparison_id,
            one.comparison.prompt.excerpt,
            one.preferred,
            one.intensity,
            one.justification,
            one.created_at,
            *(said.p_a, said.p_b, said.p_tie, said.expected_intensity),
        ]

    header = ["comparison", "prompt_excerpt", "preferred", "intensity", "justification", "created_at"]
    rows = selectors.dissent(seat.project, _one_labeller(query)).order_by("-created_at", "-id")
    return Table([*header, "p_a", "p_b", "p_tie", "expected_intensity"], map(row, rows.iterator(chunk_size=1000)))


class TimesheetQuerySerializer(serializers.Serializer):
    since = serializers.DateField(required=False, allow_null=True, default=None)
    until = serializers.DateField(required=False, allow_null=True, default=None)

    def to_internal_value(self, data: Any) -> Any:
        named = {"from": "since", "to": "until"}
        return super().to_internal_value({named.get(name, name): value for name, value in data.items() if value != ""})


_TIMESHEET = """
    SELECT week, pseudonym, kind, n, active_ms, median_ms FROM (
        SELECT date_trunc('week', created_at AT TIME ZONE 'UTC')::date AS week, labeller_id, count(*) AS n,
            coalesce(sum(active_ms), 0) AS active_ms,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY active_ms) AS median_ms
        FROM ratings_rating
        WHERE project_id = %(project)s AND created_at >= %(since)s AND created_at <= %(until)s
        GROUP BY week, labeller_id
    ) AS worked JOIN accounts_user ON accounts_user.id = labeller_id
    ORDER BY week, pseudonym
"""


def _timesheet(seat: Seat, query: Query) -> Table:
    """Work by week and labeller, corrections and repeats included: they took time. A week begins with its Monday."""
    asked = TimesheetQuerySerializer(data=query)
    asked.is_valid(raise_exception=True)
    since, until = asked.validated_data["since"], asked.validated_data["until"]
    pay = seat.project.pay_per_hour
    with connection.cursor() as cursor:
        cursor.execute(
            _TIMESHEET,
            {
                "project": seat.project.pk,
                "since": start_of(since or date(1970, 1, 1)),
                "until": end_of(until or date.max),
            },
        )
        worked = cursor.fetchall()

    def row(week: date, pseudonym: str, kind: str, n: int, active_ms: Decimal, median_ms: float | None) -> list[Any]:
        hours = Decimal(active_ms) / 3_600_000
        return [
            week.isoformat(),
            pseudonym,
            kind,
            n,
            round(hours, 4),
            None if median_ms is None else round(median_ms / 1000, 1),
            None if pay is None else selectors.money(pay * hours),
        ]

    cost = f"cost_{seat.project.currency.lower()}" if pay is not None else "cost"
    header = ["week", "labeller", "kind", "ratings", "active_hours", "median_seconds", cost]
    return Table(header, (row(*one) for one in worked))


# --- Comparisons and ratings -----------------------------------------------------------------------------------------


def _disagreements(seat: Seat, query: Query) -> Table:
    def row(one: Any) -> list[Any]:
        asked = one.comparison
        opinion, doubting = selectors.model_of(asked), selectors.cross_fitted_of(asked)
        return [
            one.comparison_id,
            asked.prompt.excerpt,
            asked.n_a,
            asked.n_b,
            asked.n_ties,
            asked.n_flags,
            one.worth,
            " ".join(selectors.reasons_now(one, asked)),
            *((one.p_a, one.p_b, one.p_tie, one.expected_intensity) if one.n_ratings else [None] * 4),
            opinion.p_a if opinion else None,
            opinion.version if opinion else None,
            doubting.p_a if doubting else None,
        ]

    header = ["comparison", "prompt_excerpt", "n_a", "n_b", "n_ties", "n_flags", "worth", "reasons"]
    header += ["p_a", "p_b", "p_tie", "expected_intensity", "model_p_a", "model_version", "cross_fitted_p_a"]
    rows = selectors.disagreements(seat.project, query.get("reason", "")).order_by("-worth", "-comparison")
    return Table(header, map(row, rows.iterator(chunk_size=1000)))


def _ratings(seat: Seat, query: Query) -> Table:
    filters = RatingFiltersSerializer.filters(query)

    def row(one: Any) -> list[Any]:
        return [
            one.pk,
            one.comparison_id,
            one.prompt_excerpt,
            one.labeller.pseudonym,
            one.preferred,
            one.intensity,
            hasattr(one, "superseded_by"),
            one.is_repeat,
            one.justification,
            one.active_ms,
            one.guideline_version.number if one.guideline_version else None,
            one.created_at,
            one.comparison_agreement,
        ]

    header = ["id", "comparison", "prompt_excerpt", "labeller", "preferred", "intensity", "is_superseded", "is_repeat"]
    header += ["justification", "active_ms", "guideline_version", "created_at", "agreement"]
    rows = rating_rows(seat.project, filters).order_by("-created_at", "-id")
    return Table(header, map(row, rows.iterator(chunk_size=1000)))


# --- Audit and guidelines --------------------------------------------------------------------------------------------


def _audit(seat: Seat, query: Query) -> Table:
    """Without the details, which may hold addresses."""
    asked = AuditQuerySerializer(data=query)
    asked.is_valid(raise_exception=True)

    def row(one: Any) -> list[Any]:
        return [
            one.pk,
            one.created_at,
            one.actor.pseudonym if one.actor else None,
            one.action,
            one.target,
            one.target_id,
            one.subject.pseudonym if one.subject else None,
            one.summary,
        ]

    rows = audit.events(seat.project, **asked.validated_data)
    header = ["id", "created_at", "actor", "action", "target", "target_id", "subject", "summary"]
    return Table(header, map(row, rows.iterator(chunk_size=1000)))


def _sections(seat: Seat, query: Query) -> Table:
    header = ["heading", "n_adjudications", "n_flags", "n_disputed"]
    rows = guidelines.disagreement(seat.project)["sections"]
    return Table(
        [*header, "comparisons"],
        ([*(one[name] for name in header), " ".join(map(str, one["comparisons"]))] for one in rows),
    )


def _examples(seat: Seat, query: Query) -> Table:
    def row(one: dict[str, Any]) -> list[Any]:
        mostly = one["mostly"] or {"preferred": None, "n": None}
        return [
            one["position"],
            one["prompt"],
            one["n_answers"],
            *_stat(one["share_wrong"]),
            mostly["preferred"],
            mostly["n"],
            one["comparison"],
        ]

    header = ["position", "prompt", "n_answers", *_of_stat("share_wrong"), "commonest_wrong_answer", "n_commonest"]
    return Table([*header, "comparison"], map(row, guidelines.disagreement(seat.project)["examples"]))


TABLES: dict[str, Callable[[Seat, Query], Table]] = {
    "ratings-per-day": _ratings_per_day,
    "agreement-over-time": _over_time,
    "guideline-versions": _versions,
    "slices": _slices,
    "axes": _axes,
    "models": _models,
    "labellers": _labellers,
    "pairs": _pairs,
    "labeller-weeks": _labeller_weeks,
    "labeller-versions": _labeller_versions,
    "labeller-qualifications": _labeller_qualifications,
    "labeller-disagreements": _labeller_disagreements,
    "disagreements": _disagreements,
    "ratings": _ratings,
    "audit": _audit,
    "timesheet": _timesheet,
    "guideline-sections": _sections,
    "guideline-examples": _examples,
}
