"""When snapshots are made: marked stale by every change, made anew by a task, seldom where that takes long."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from annotate.agreement.models import AgreementSnapshot, ComparisonAnswer, LabellerFigures
from annotate.common.compiled import Compiled
from annotate.projects.models import Membership, Project

REQUEST_EVERY_S = 3
# In place of the moment since when a snapshot is stale: it is being made anew, and nothing has changed since.
BEING_READ = datetime(1970, 1, 1, tzinfo=UTC)
# A snapshot is not made again before this many times as long as the last one took: at most a tenth of a worker's time.
REST_FACTOR = 10
# A refresh that has not ended by then is taken to be dead.
LONGEST_S = 900
_BATCH = 20_000
# Answers that have moved by less than this are left as they are.
_TOLERANCE = 1e-3
_stale_since: Compiled[tuple[datetime | None]] = Compiled(
    lambda project: AgreementSnapshot.objects.filter(project=project).values_list("stale_since"), int
)


def mark_stale(*, project_id: int) -> None:
    """Note that the snapshot no longer shows everything. Writes only if it was fresh, so ratings do not queue here."""
    rows = _stale_since(project_id)
    if not rows:
        AgreementSnapshot.objects.bulk_create(
            [AgreementSnapshot(project_id=project_id, stale_since=timezone.now())], ignore_conflicts=True
        )
    if not rows or rows[0][0] in (None, BEING_READ):
        fresh = AgreementSnapshot.objects.filter(Q(stale_since=None) | Q(stale_since=BEING_READ), project_id=project_id)
        fresh.update(stale_since=timezone.now())


def request_refresh(*, project: Project, is_urgent: bool = False) -> None:
    """Have the snapshot made anew soon; called as often as pages are opened, acted on every few seconds.

    One that was asked for by hand `is_urgent`: it does not wait until a long one is due again.
    """
    from annotate.agreement.tasks import refresh_snapshot

    if cache.add(f"snapshot-requested-{project.pk}-{is_urgent}", 1, REQUEST_EVERY_S):
        transaction.on_commit(lambda: refresh_snapshot.delay(project.pk, is_urgent))


def refresh_if_due(*, project_id: int) -> AgreementSnapshot | None:
    """`refresh_snapshot`, unless the last one has just been made and took long. Beat asks again every half minute."""
    snapshot = AgreementSnapshot.objects.filter(project=project_id).defer("statistics").first()
    if snapshot is not None and snapshot.computed_at is not None:
        rest = timedelta(seconds=REST_FACTOR * snapshot.counts.get("seconds", 0.0))
        if timezone.now() < snapshot.computed_at + rest:
            return None
    return refresh_snapshot(project_id=project_id)


def refresh_snapshot(*, project_id: int) -> AgreementSnapshot | None:
    """Compute and store the project's snapshot, its labellers' figures and its comparisons' answers.

    What changes meanwhile leaves it stale for the next run. Two of one project do not run together: the second returns
    None at once, and the project stays stale.
    """
    from annotate.agreement import reading, snapshots  # bring numpy, which pages do not need

    project = Project.objects.filter(pk=project_id).first()
    if project is None:
        return None
    with _alone(project_id) as is_alone:
        if not is_alone:
            return None
        mark_stale(project_id=project_id)
        # From here on a change is marked again, and what is marked at the end has not been read.
        AgreementSnapshot.objects.filter(project=project).update(stale_since=BEING_READ)
        started_at, began = timezone.now(), time.monotonic()
        found = reading.read(project)
        included = found.ratings.select(found.is_included)
        before = AgreementSnapshot.objects.filter(project=project).values_list("statistics__models", flat=True).first()
        models = snapshots.models(included, project.n_intensities, before)
        judged = snapshots.judge(included, project.n_intensities, models["chosen"])
        _store_answers(project, snapshots.answers(project, found, judged.answers))
        _store_figures(project, snapshots.labellers(project, found, judged, models["chosen"]))
        _store_reliabilities(project, snapshots.coins(found))
        statistics, counts = snapshots.statistics(project, found), snapshots.counts(project)
        statistics["models"] = models
        counts["agreement"] = {name: statistics[name] for name in ("n_ratings", "alpha_nominal", "disagreement")}
        counts["n_worth"] = ComparisonAnswer.objects.filter(project=project, worth__gt=0).count()
        counts["seconds"] = round(time.monotonic() - began, 2)
        AgreementSnapshot.objects.filter(project=project).update(
            counts=counts, statistics=statistics, computed_at=started_at
        )
        AgreementSnapshot.objects.filter(project=project, stale_since=BEING_READ).update(stale_since=None)
    return AgreementSnapshot.objects.get(project=project)


@contextmanager
def _alone(project_id: int) -> Iterator[bool]:
    """Whether nobody else refreshes this project. A token in Redis and no lock of the session, which a pooler before
    PostgreSQL would hand to somebody else; a worker that died lets go after a while. Two at once would do no harm but
    work for nothing."""
    key, token = f"snapshot-running-{project_id}", uuid4().hex
    is_alone = cache.add(key, token, LONGEST_S)
    try:
        yield is_alone
    finally:
        if is_alone and cache.get(key) == token:
            cache.delete(key)


def _store_reliabilities(project: Project, found: dict[int, float]) -> None:
    """Keep each member's reliability by their user's id, for the queue's stop rule. Writes only what has changed."""
    members = list(Membership.objects.filter(project=project).only("id", "user_id", "reliability"))
    changed = []
    for member in members:
        value = found.get(member.user_id)
        if value is not None and (member.reliability is None or abs(member.reliability - value) > 1e-3):
            member.reliability = value
            changed.append(member)
    Membership.objects.bulk_update(changed, ["reliability"], batch_size=500)


_SORTED_BY = (
    "reliability",
    "with_others",
    "gold",
    "self_agreement",
    "first_side",
    "longer",
    "too_fast",
    "drift",
)


def _store_figures(project: Project, rows: list[tuple[int, Any, list[dict[str, Any]]]]) -> None:
    """One row for each labeller with ratings; who has none any more has no row."""
    from annotate.agreement.snapshots import figures_as_json

    figures = [
        LabellerFigures(
            project=project,
            labeller_id=labeller,
            n_ratings=of.n_ratings,
            n_findings=len(findings),
            median_active_ms=of.median_active_ms,
            figures=figures_as_json(of, findings),
            **{name: getattr(of, name).value for name in _SORTED_BY},
        )
        for labeller, of, findings in rows
    ]
    written = ["n_ratings", "n_findings", "median_active_ms", "figures", *_SORTED_BY]
    with transaction.atomic():
        LabellerFigures.objects.bulk_create(
            figures,
            batch_size=200,
            update_conflicts=True,
            unique_fields=["project", "labeller"],
            update_fields=written,
        )
        here = [labeller for labeller, _, _ in rows]
        LabellerFigures.objects.filter(project=project).exclude(labeller__in=here).delete()


_ANSWER_TYPES = {
    "comparison_id": "bigint",
    "n_ratings": "integer",
    "p_a": "double precision",
    "p_b": "double precision",
    "p_tie": "double precision",
    "expected_intensity": "double precision",
    "worth": "double precision",
    "reasons": "text",
}
_NUMBERS = [name for name, kind in _ANSWER_TYPES.items() if kind == "double precision"]
# Rows as they are are neither locked nor written; comparisons that are gone meanwhile are left out.
_UPSERT = f"""
    INSERT INTO agreement_comparisonanswer (project_id, {", ".join(_ANSWER_TYPES)})
    SELECT %(project)s, {", ".join(f"new.{name}" for name in _ANSWER_TYPES if name != "reasons")}, new.reasons::jsonb
    FROM unnest({", ".join(f"%({name})s::{kind}[]" for name, kind in _ANSWER_TYPES.items())})
        AS new ({", ".join(_ANSWER_TYPES)})
    JOIN comparisons_comparison AS asked ON asked.id = new.comparison_id
    LEFT JOIN agreement_comparisonanswer AS old ON old.comparison_id = new.comparison_id
    WHERE old.comparison_id IS NULL OR old.n_ratings <> new.n_ratings OR old.reasons <> new.reasons::jsonb
        OR greatest({", ".join(f"abs(old.{name} - new.{name})" for name in _NUMBERS)}) > %(tolerance)s
    ON CONFLICT (comparison_id) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in _ANSWER_TYPES if name != "comparison_id")}
"""  # noqa: S608  # names of this module's own


def _store_answers(project: Project, columns: dict[str, list[Any]]) -> None:
    ids = columns["comparison_id"]
    columns = {**columns, "reasons": [json.dumps(reasons) for reasons in columns["reasons"]]}
    for start in range(0, len(ids), _BATCH):
        batch = {name: values[start : start + _BATCH] for name, values in columns.items()}
        with connection.cursor() as cursor:
            cursor.execute(_UPSERT, {"project": project.pk, "tolerance": _TOLERANCE, **batch})
    stored = ComparisonAnswer.objects.filter(project=project).values_list("comparison_id", flat=True)
    gone = sorted(set(stored.iterator(chunk_size=_BATCH)).difference(ids))
    for start in range(0, len(gone), _BATCH):
        ComparisonAnswer.objects.filter(comparison__in=gone[start : start + _BATCH]).delete()


# A flag is somebody's call for help: it is in the queue before the next snapshot.
_FLAGGED = """
    INSERT INTO agreement_comparisonanswer
        (comparison_id, project_id, n_ratings, p_a, p_b, p_tie, expected_intensity, worth, reasons)
    SELECT id, project_id, 0, 1/3.0, 1/3.0, 1/3.0, 0, 1.5, '["flagged"]' FROM comparisons_comparison WHERE id = %s
    ON CONFLICT (comparison_id) DO UPDATE
    SET worth = agreement_comparisonanswer.worth + 1.5, reasons = excluded.reasons || agreement_comparisonanswer.reasons
    WHERE NOT agreement_comparisonanswer.reasons @> excluded.reasons
"""


def put_flagged_into_queue(*, comparison_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_FLAGGED, [comparison_id])
