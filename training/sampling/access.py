"""The only way from a request's identifier to a permitted sampling round."""

from annotate.common.errors import not_found
from annotate.projects.access import Seat
from training.sampling.models import SamplingRound
from training.sampling.selectors import sampling_rounds


def access_sampling_round(seat: Seat, pk: int) -> SamplingRound:
    found = sampling_rounds(seat.project).filter(pk=pk).first()
    if found is None:
        raise not_found("sampling round")
    return found
