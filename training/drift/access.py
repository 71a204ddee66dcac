"""The only way from a request's identifier to a permitted drift report."""

from annotate.common.errors import not_found
from annotate.projects.access import Seat
from training.drift.models import DriftReport
from training.drift.selectors import drift_reports


def access_drift_report(seat: Seat, pk: int) -> DriftReport:
    found = drift_reports(seat.project).filter(pk=pk).first()
    if found is None:
        raise not_found("drift report")
    return found
