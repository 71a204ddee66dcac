"""The only way from a request's identifier to a permitted constitution, judge or run, and to what was judged."""

from annotate.common.errors import not_found
from annotate.comparisons.models import Comparison
from annotate.projects.access import Seat
from training.judges import selectors
from training.judges.models import Constitution, ConstitutionVersion, Judge, JudgeRun


def access_constitution(seat: Seat, pk: int) -> Constitution:
    found = selectors.constitutions(seat.project).filter(pk=pk).first()
    if found is None:
        raise not_found("constitution")
    return found


def access_version(seat: Seat, pk: int) -> ConstitutionVersion:
    found = (
        ConstitutionVersion.objects.filter(constitution__project=seat.project, pk=pk)
        .select_related("constitution")
        .first()
    )
    if found is None:
        raise not_found("version of a constitution")
    return found


def access_judge(seat: Seat, pk: int) -> Judge:
    found = selectors.judges(seat.project).filter(pk=pk).first()
    if found is None:
        raise not_found("judge")
    return found


def access_comparison(seat: Seat, pk: int) -> Comparison:
    found = Comparison.objects.filter(project=seat.project, pk=pk).first()
    if found is None:
        raise not_found("comparison")
    return found


def access_run(seat: Seat, pk: int) -> JudgeRun:
    found = selectors.runs(seat.project).filter(pk=pk).first()
    if found is None:
        raise not_found("judge run")
    return found
