"""Housekeeping of the queue of rankings."""

from celery import shared_task

from annotate.rankings.services import take_back_expired


@shared_task(name="annotate.rankings.tasks.expire_leases")
def expire_leases() -> int:
    return take_back_expired()
