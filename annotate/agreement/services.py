"""When snapshots are made: marked stale by every change, made anew by a task."""

from datetime import datetime

from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from annotate.agreement.models import AgreementSnapshot
from annotate.common.compiled import Compiled
from annotate.projects.models import Membership, Project

REQUEST_EVERY_S = 3
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
    if not rows or rows[0][0] is None:
        AgreementSnapshot.objects.filter(project_id=project_id, stale_since=None).update(stale_since=timezone.now())


def request_refresh(*, project: Project) -> None:
    """Have the snapshot made anew soon; called as often as pages are opened, acted on every few seconds."""
    from annotate.agreement.tasks import refresh_snapshot

    if cache.add(f"snapshot-requested-{project.pk}", 1, REQUEST_EVERY_S):
        transaction.on_commit(lambda: refresh_snapshot.delay(project.pk))


def refresh_snapshot(*, project_id: int) -> AgreementSnapshot | None:
    """Compute and store the project's snapshot. What changes meanwhile leaves it stale for the next run."""
    from annotate.agreement import snapshots  # brings numpy, which pages do not need

    project = Project.objects.filter(pk=project_id).first()
    if project is None:
        return None
    mark_stale(project_id=project_id)
    started_at = timezone.now()
    columns = snapshots.read_ratings(project)
    AgreementSnapshot.objects.filter(project=project).update(
        counts=snapshots.counts(project), statistics=snapshots.statistics(columns), computed_at=started_at
    )
    _store_reliabilities(project, snapshots.reliabilities(columns))
    AgreementSnapshot.objects.filter(project=project, stale_since__lte=started_at).update(stale_since=None)
    return AgreementSnapshot.objects.get(project=project)


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
