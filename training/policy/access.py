"""The only way from a request's identifier to a permitted SFT run."""

from annotate.common.errors import not_found
from annotate.projects.access import Seat
from training.policy.models import SftRun
from training.policy.selectors import sft_runs


def access_sft_run(seat: Seat, number: int) -> SftRun:
    found = sft_runs(seat.project).filter(number=number).first()
    if found is None:
        raise not_found("SFT run")
    return found
