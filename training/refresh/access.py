"""The only way from a request's identifier to a permitted refresh."""

from annotate.common.errors import not_found
from annotate.projects.access import Seat
from training.refresh.models import RefreshCycle
from training.refresh.selectors import refreshes


def access_refresh(seat: Seat, pk: int) -> RefreshCycle:
    found = refreshes(seat.project).filter(pk=pk).first()
    if found is None:
        raise not_found("refresh")
    return found
