"""Housekeeping of the queue."""

from celery import shared_task

from annotate.comparisons.services import take_back_expired_leases


@shared_task(name="annotate.comparisons.tasks.expire_leases")
def expire_leases() -> int:
    return take_back_expired_leases()
