"""Reads of the queue."""

from django.core.cache import caches

from annotate.comparisons.services import waiting_ids
from annotate.projects.access import Seat

COUNT_UP_TO = 200
# "More than 200" stays true for a while.
_KEPT_S = 30


def n_available(seat: Seat) -> tuple[int, bool]:
    """How many comparisons wait for this labeller, counted up to 200, and whether there are more."""
    many = f"many-available-{seat.project.pk}-{seat.user.pk}"
    cache = caches["process"]
    if cache.get(many):
        return COUNT_UP_TO, True
    n = len(waiting_ids(seat, COUNT_UP_TO + 1))
    if n > COUNT_UP_TO:
        cache.set(many, 1, _KEPT_S)
    return min(n, COUNT_UP_TO), n > COUNT_UP_TO
