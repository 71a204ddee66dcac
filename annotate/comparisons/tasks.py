"""Housekeeping of the queue."""

from celery import shared_task

from annotate.comparisons import services
from annotate.projects.models import Project


@shared_task(name="annotate.comparisons.tasks.expire_leases")
def expire_leases() -> int:
    return services.take_back_expired_leases()


@shared_task(name="annotate.comparisons.tasks.mark_sensitive")
def mark_sensitive(project_id: int) -> int:
    project = Project.objects.filter(pk=project_id).first()
    return services.mark_sensitive(project=project) if project else 0
