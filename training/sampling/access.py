"""The only ways from a request's identifiers to permitted sampling rounds, and to generations to choose from."""

from annotate.common.errors import not_found
from annotate.projects.access import Seat
from training.generation.models import Generation
from training.sampling.models import SamplingRound
from training.sampling.selectors import sampling_rounds


def access_sampling_round(seat: Seat, pk: int) -> SamplingRound:
    found = sampling_rounds(seat.project).filter(pk=pk).first()
    if found is None:
        raise not_found("sampling round")
    return found


def access_generation(seat: Seat, pk: int) -> Generation:
    found = Generation.objects.filter(project=seat.project, pk=pk).first()
    if found is None:
        raise not_found("generation")
    return found
