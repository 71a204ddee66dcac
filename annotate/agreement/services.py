"""When snapshots are made: marked stale by every change, made anew by a task."""

from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from annotate.agreement.models import AgreementSnapshot
from annotate.projects.models import Project

REQUEST_EVERY_S = 3


def mark_stale(*, project_id: int) -> None:
    """Note that the snapshot no longer shows everything. Writes only if it was fresh, so ratings do not queue here."""
    changed = AgreementSnapshot.objects.filter(project_id=project_id, stale_since=None).update(
        stale_since=timezone.now()
    )
    if not changed:
        AgreementSnapshot.objects.bulk_create(
            [AgreementSnapshot(project_id=project_id, stale_since=timezone.now())], ignore_conflicts=True
        )


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
    AgreementSnapshot.objects.filter(project=project).update(
        counts=snapshots.counts(project), statistics=snapshots.statistics(project), computed_at=started_at
    )
    AgreementSnapshot.objects.filter(project=project, stale_since__lte=started_at).update(stale_since=None)
    return AgreementSnapshot.objects.get(project=project)
