"""The only way from a request's identifier to a permitted comparison set."""

from annotate.common.errors import not_found
from annotate.projects.access import Seat
from training.exports.models import ComparisonSet


def access_comparison_set(seat: Seat, pk: int) -> ComparisonSet:
    found = ComparisonSet.objects.filter(project=seat.project, pk=pk).select_related("job", "project").first()
    if found is None:
        raise not_found("comparison set")
    return found
