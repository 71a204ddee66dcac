"""Taking a round back: work of people stays, and everything can be undone."""

import pytest
from django.db import IntegrityError, transaction

from annotate.common.errors import DomainError
from annotate.comparisons.models import Comparison
from annotate.comparisons.services import lease
from annotate.projects.models import AuditEvent
from tests.training.ratings import rate
from training.sampling.models import SamplingRound
from training.sampling.services import PRIORITY_OF_A_ROUND, restore_round, withdraw_round


def priorities(comparisons) -> list[int]:
    found = dict(Comparison.objects.values_list("pk", "priority"))
    return [found[comparison.pk] for comparison in comparisons]


def test_it_takes_only_what_nobody_has_rated_or_holds(cast, comparisons, draw):
    made = comparisons(4, priority=7)
    sampling_round = draw(made)
    on_top = priorities(made)
    assert min(on_top) >= PRIORITY_OF_A_ROUND
    (leased,) = lease(seat=cast.seat(cast.labeller), n=1)
    assert leased.comparison_id == made[0].pk
    rate(made[1], "a")

    assert withdraw_round(sampling_round=sampling_round, actor=cast.researcher) == 2
    assert priorities(made) == [*on_top[:2], 7, 7]
    assert list(sampling_round.sampled_comparisons.values_list("is_withdrawn", flat=True)) == [False, False, True, True]
    assert Comparison.objects.get(pk=made[1].pk).n_ratings == 1
    leased.refresh_from_db()
    assert leased.state == "leased"
    with pytest.raises(DomainError, match="already"):
        withdraw_round(sampling_round=sampling_round, actor=cast.researcher)


def test_it_can_be_undone(cast, comparisons, draw):
    made = comparisons(3)
    sampling_round = draw(made)
    on_top = priorities(made)
    withdraw_round(sampling_round=sampling_round, actor=cast.researcher)
    rate(made[0], "b")
    assert restore_round(sampling_round=sampling_round, actor=cast.researcher) == 2
    assert priorities(made) == [0, *on_top[1:]]
    sampling_round.refresh_from_db()
    assert sampling_round.withdrawn_at is None
    with pytest.raises(DomainError, match="has not been withdrawn"):
        restore_round(sampling_round=sampling_round, actor=cast.researcher)
    actions = list(AuditEvent.objects.order_by("id").values_list("action", "details__n_comparisons"))
    assert actions[-2:] == [("sampling_round.withdrawn", 3), ("sampling_round.restored", 2)]


def test_what_another_round_asks_for_too_keeps_that_ones_place(cast, comparisons, draw):
    made = comparisons(2, priority=5)
    first = draw(made)
    of_first = priorities(made)
    second = draw(made[::-1])
    of_second = priorities(made)
    withdraw_round(sampling_round=first, actor=None)
    assert priorities(made) == of_second
    withdraw_round(sampling_round=second, actor=None)
    assert priorities(made) == [5, 5]
    restore_round(sampling_round=first, actor=None)
    assert priorities(made) == of_first


def test_a_round_that_is_not_drawn_cannot_be_withdrawn(cast, draw, comparisons):
    sampling_round = draw(comparisons(1))
    SamplingRound.objects.update(finished_at=None)
    with pytest.raises(DomainError, match="cancel its job"):
        withdraw_round(sampling_round=sampling_round, actor=None)
    with pytest.raises(IntegrityError, match="sampling_rounds_withdrawn_after_it_was_drawn"), transaction.atomic():
        SamplingRound.objects.update(withdrawn_at=sampling_round.created_at)
