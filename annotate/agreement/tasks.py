"""Refreshing snapshots."""

from celery import shared_task

from annotate.agreement import services
from annotate.agreement.models import AgreementSnapshot


@shared_task(name="annotate.agreement.tasks.refresh_snapshot")
def refresh_snapshot(project_id: int, is_urgent: bool = False) -> None:
    if is_urgent:
        services.refresh_snapshot(project_id=project_id)
    else:
        services.refresh_if_due(project_id=project_id)


@shared_task(name="annotate.agreement.tasks.refresh_stale_snapshots")
def refresh_stale_snapshots() -> int:
    """Beat's sweep: whatever was marked and not yet refreshed by a visitor's request."""
    stale = list(AgreementSnapshot.objects.filter(stale_since__isnull=False).values_list("project_id", flat=True)[:50])
    for project_id in stale:
        refresh_snapshot.delay(project_id)
    return len(stale)
