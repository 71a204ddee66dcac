"""Reads of the queue."""

from annotate.comparisons.services import waiting_for
from annotate.projects.access import Seat

COUNT_UP_TO = 200


def n_available(seat: Seat) -> tuple[int, bool]:
    """How many comparisons wait for this labeller, counted up to 200, and whether there are more."""
    n = len(waiting_for(seat).values_list("id", flat=True)[: COUNT_UP_TO + 1])
    return min(n, COUNT_UP_TO), n > COUNT_UP_TO
