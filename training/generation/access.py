"""The only way from a request's identifier to a permitted generation."""

from annotate.common.errors import not_found
from annotate.projects.access import Seat
from training.generation.models import Generation
from training.generation.selectors import generations


def access_generation(seat: Seat, pk: int) -> Generation:
    found = generations(seat.project).filter(pk=pk).first()
    if found is None:
        raise not_found("generation")
    return found
