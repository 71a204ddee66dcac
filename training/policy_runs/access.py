"""The only way from a request's identifiers to a permitted policy run or one of its evaluations."""

from annotate.common.errors import not_found
from annotate.projects.access import Seat
from training.policy_runs.models import PolicyEvaluation, PolicyRun
from training.policy_runs.selectors import policy_runs


def access_policy_run(seat: Seat, number: int) -> PolicyRun:
    found = policy_runs(seat.project).filter(number=number).first()
    if found is None:
        raise not_found("policy run")
    return found


def access_evaluation(seat: Seat, number: int, step: int) -> PolicyEvaluation:
    found = PolicyEvaluation.objects.filter(run__project=seat.project, run__number=number, step=step)
    evaluation = found.select_related("run__project").defer("run__steps").first()
    if evaluation is None:
        raise not_found("evaluation")
    return evaluation
