"""The only way from a request's identifier to a permitted reward model, comparison of two or bulk scoring."""

from annotate.common.errors import not_found
from annotate.projects.access import Seat
from training.reward import selectors
from training.reward.models import BulkScoring, ModelComparison, RewardModel


def access_reward_model(seat: Seat, pk: int) -> RewardModel:
    found = (
        RewardModel.objects.filter(project=seat.project, pk=pk)
        .select_related("comparison_set", "job", "project")
        .first()
    )
    if found is None:
        raise not_found("reward model")
    return found


def access_comparison(seat: Seat, pk: int) -> ModelComparison:
    found = selectors.comparisons(seat.project).filter(pk=pk).first()
    if found is None:
        raise not_found("comparison of reward models")
    return found


def access_bulk_scoring(seat: Seat, pk: int) -> BulkScoring:
    found = selectors.bulk_scorings(seat.project).filter(pk=pk).first()
    if found is None:
        raise not_found("bulk scoring")
    return found
