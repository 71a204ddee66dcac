"""Who is given which ranking, in which order, and that no race gives it to more labellers than it wants."""

import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotate.comparisons.models import Comparison
from annotate.comparisons.services import add_comparisons
from annotate.comparisons.services import lease as lease_pairs
from annotate.guidelines.services import publish_guidelines
from annotate.projects.models import Membership, Role
from annotate.projects.services import update_project
from annotate.rankings import services
from annotate.rankings.models import Ranking, RankingAssignment, RankingAssignmentState, RankingItem
from annotate.rankings.services import Order
from annotate.ratings.models import Rating
from annotate.ratings.services import adjudicate
from tests.annotate.rankings.conftest import make_rankings
from tests.cast import Cast, make_user

Make = Callable[..., list[Ranking]]


def let_expire(assignment: RankingAssignment) -> None:
    RankingAssignment.objects.filter(pk=assignment.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_it_gives_the_highest_priority_first_then_the_oldest(cast: Cast, rankings: Make) -> None:
    old, younger = rankings(2)
    (urgent,) = rankings(1, priority=10)
    leases = services.lease(seat=cast.seat(cast.labeller), n=3)
    assert [lease.ranking_id for lease in leases] == [urgent.pk, old.pk, younger.pk]


def test_it_returns_the_same_leases_in_the_same_order_when_asked_again(cast: Cast, rankings: Make) -> None:
    rankings(5, size=9)
    seat = cast.seat(cast.labeller)
    before = [(lease.pk, lease.order) for lease in services.lease(seat=seat, n=2)]
    assert [(lease.pk, lease.order) for lease in services.lease(seat=seat, n=3)][:2] == before


def test_it_draws_an_order_for_each_labeller(cast: Cast, rankings: Make) -> None:
    (ranking,) = rankings(1, size=9)
    orders = [
        services.lease(seat=cast.seat(user), n=1)[0].order
        for user in (cast.labeller, cast.second_labeller, cast.reviewer)
    ]
    everything = sorted(ranking.items.values_list("completion_id", flat=True))
    assert [sorted(order) for order in orders] == [everything] * 3
    assert len({tuple(order) for order in orders}) > 1  # three alike: once in 9!² draws


def test_the_queue_of_pairs_hands_out_none_of_its_pairs(cast: Cast, rankings: Make) -> None:
    rankings(1)
    seat = cast.seat(cast.labeller)
    (lease,) = services.lease(seat=seat, n=1)
    services.submit(seat=seat, orders=[Order(uuid4(), lease.pk, [[0], [1], [2], [3]])])
    assert set(Comparison.objects.values_list("state", flat=True)) == {"closed"}
    assert lease_pairs(seat=cast.seat(cast.second_labeller), n=5) == []


def test_it_leases_a_ranking_to_no_more_labellers_than_it_wants(cast: Cast, rankings: Make) -> None:
    update_project(project=cast.project, actor=None, min_ratings=1)
    cast.project.refresh_from_db()
    (ranking,) = rankings(1)
    assert len(services.lease(seat=cast.seat(cast.labeller), n=1)) == 1
    assert services.lease(seat=cast.seat(cast.second_labeller), n=1) == []
    ranking.refresh_from_db()
    assert ranking.n_taken == 1


def test_it_frees_the_place_of_an_absent_labeller(cast: Cast, rankings: Make) -> None:
    update_project(project=cast.project, actor=None, min_ratings=1)
    cast.project.refresh_from_db()
    rankings(1)
    (lost,) = services.lease(seat=cast.seat(cast.labeller), n=1)
    let_expire(lost)
    (given,) = services.lease(seat=cast.seat(cast.second_labeller), n=1)
    assert given.ranking_id == lost.ranking_id
    lost.refresh_from_db()
    assert lost.state == RankingAssignmentState.EXPIRED


def test_it_gives_a_labeller_back_what_they_let_expire_as_it_was(cast: Cast, rankings: Make) -> None:
    rankings(1)
    seat = cast.seat(cast.labeller)
    (lost,) = services.lease(seat=seat, n=1)
    let_expire(lost)
    assert services.take_back_expired() == 1
    (again,) = services.lease(seat=seat, n=1)
    assert (again.pk, again.order, again.state) == (lost.pk, lost.order, RankingAssignmentState.LEASED)


def test_it_does_not_offer_what_the_labeller_skipped(cast: Cast, rankings: Make) -> None:
    (ranking,) = rankings(1)
    seat = cast.seat(cast.labeller)
    (lease,) = services.lease(seat=seat, n=1)
    services.skip(seat=seat, assignment_id=lease.pk, reason="not my field")
    assert services.lease(seat=seat, n=1) == []
    ranking.refresh_from_db()
    assert ranking.n_taken == 0


def test_it_gives_nothing_to_who_is_paused(cast: Cast, rankings: Make) -> None:
    rankings(1)
    Membership.objects.filter(user=cast.labeller).update(paused_at=timezone.now(), pause_reason="Talk to us first.")
    assert services.lease(seat=cast.seat(cast.labeller), n=1) == []


def test_it_gives_nothing_before_the_guidelines_are_read(cast: Cast, rankings: Make) -> None:
    rankings(1)
    publish_guidelines(project=cast.project, author=cast.owner, body="Prefer the truthful one.", examples=[])
    assert services.lease(seat=cast.seat(cast.labeller), n=1) == []


def test_it_asks_nobody_about_what_they_wrote(cast: Cast, rankings: Make) -> None:
    (ranking,) = rankings(1)
    completion = ranking.completions.first()
    completion.author = cast.labeller
    completion.save()
    assert services.lease(seat=cast.seat(cast.labeller), n=1) == []
    assert len(services.lease(seat=cast.seat(cast.second_labeller), n=1)) == 1


def test_it_asks_no_reviewer_about_a_pair_that_they_settled(cast: Cast, rankings: Make) -> None:
    (ranking,) = rankings(1)
    one, two, *_ = ranking.items.values_list("completion_id", flat=True)
    (comparison_id,) = add_comparisons(project=cast.project, pairs=[(ranking.prompt_id, one, two)]).values()
    adjudicate(
        project=cast.project, reviewer=cast.reviewer, comparison_id=comparison_id, verdict="a", intensity=1, note=""
    )
    assert services.lease(seat=cast.seat(cast.reviewer), n=1) == []
    assert len(services.lease(seat=cast.seat(cast.labeller), n=1)) == 1


def test_it_gives_no_declined_category_and_no_more_than_the_days_cap(cast: Cast, rankings: Make) -> None:
    warned, second, plain = rankings(3)
    for ranking in (warned, second):
        ranking.prompt.tags = ["violence"]
        ranking.prompt.save()
    cast.project.sensitive_tags, cast.project.sensitive_per_day = ["violence"], 1
    cast.project.save()
    given = services.lease(seat=cast.seat(cast.labeller), n=1)
    assert [lease.ranking_id for lease in given] == [warned.pk]
    given = services.lease(seat=cast.seat(cast.labeller), n=3)
    assert [lease.ranking_id for lease in given] == [warned.pk, plain.pk]
    given = services.lease(seat=cast.seat(cast.second_labeller), n=3)
    assert [lease.ranking_id for lease in given] == [warned.pk, plain.pk]
    Membership.objects.filter(user=cast.second_labeller).update(declined_tags=["violence"])
    given = services.lease(seat=cast.seat(cast.second_labeller), n=3)
    assert [lease.ranking_id for lease in given] == [plain.pk]


def test_any_number_of_leases_takes_the_same_number_of_queries(cast: Cast, rankings: Make) -> None:
    rankings(12, size=9)

    def queries(user, n: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert len(services.lease(seat=cast.seat(user), n=n)) == n
        return len(captured)

    assert queries(cast.labeller, 1) == queries(cast.second_labeller, 10)


@pytest.mark.django_db(transaction=True)
def test_it_over_assigns_nothing_when_many_labellers_ask_at_once(cast: Cast) -> None:
    """8 threads fight for 12 rankings that want 2 labellers each, ranking all they get."""
    update_project(project=cast.project, actor=None, min_ratings=2)
    cast.project.refresh_from_db()
    make_rankings(cast.project, 12)
    seats = []
    for number in range(8):
        user = make_user(f"labeller {number}")
        Membership.objects.create(project=cast.project, user=user, role=Role.LABELLER)
        seats.append(cast.seat(user))
    failures: list[BaseException] = []

    def work(seat) -> None:
        try:
            while leases := services.lease(seat=seat, n=2):
                orders = [Order(uuid4(), lease.pk, [[2], [0, 1], [3]]) for lease in leases]
                outcomes = services.submit(seat=seat, orders=orders)
                assert {outcome.status for outcome in outcomes} == {"accepted"}
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(seat,)) for seat in seats]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    rows = Ranking.objects.values_list("n_taken", "n_wanted", "state")
    assert list(rows) == [(2, 2, "complete")] * 12
    assert Rating.objects.count() == 12 * 2 * 6
    counts = Comparison.objects.values_list("n_ratings", "n_taken")
    assert list(counts) == [(2, 2)] * (12 * 6)


# --- constraints ----------------------------------------------------------------------------------------------------
@pytest.fixture
def leased(cast: Cast, rankings: Make) -> RankingAssignment:
    rankings(1)
    return services.lease(seat=cast.seat(cast.labeller), n=1)[0]


def refuses(name: str, row) -> None:
    """Both the model's check and the database's."""
    with pytest.raises(ValidationError):
        row.full_clean()
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        row.save()


def another(leased: RankingAssignment, cast: Cast, **fields) -> RankingAssignment:
    given = {"labeller": cast.second_labeller, "place": leased.place + 1, "lease_until": timezone.now()}
    return RankingAssignment(ranking=leased.ranking, **{"order": leased.order, **given, **fields})


def test_two_live_assignments_cannot_hold_one_place(cast: Cast, leased: RankingAssignment) -> None:
    refuses("ranking_assignments_one_per_place", another(leased, cast, place=leased.place))


def test_a_labeller_has_a_ranking_once(cast: Cast, leased: RankingAssignment) -> None:
    refuses("ranking_assignments_once_per_labeller", another(leased, cast, labeller=cast.labeller))


def test_a_live_assignment_holds_a_place(cast: Cast, leased: RankingAssignment) -> None:
    refuses("ranking_assignments_live_ones_hold_a_place", another(leased, cast, place=None))


def test_a_lease_ends(cast: Cast, leased: RankingAssignment) -> None:
    refuses("ranking_assignments_leases_end", another(leased, cast, lease_until=None))


@pytest.mark.parametrize("order", [[1, 2], list(range(10))])
def test_three_to_nine_are_ordered(cast: Cast, leased: RankingAssignment, order: list[int]) -> None:
    refuses("ranking_assignments_order_size", another(leased, cast, order=order))


def test_a_completion_is_ranked_once(leased: RankingAssignment) -> None:
    item = leased.ranking.items.first()
    refuses(
        "ranking_items_completion_once", RankingItem(ranking=leased.ranking, completion=item.completion, position=8)
    )


def test_the_same_completions_are_one_ranking(leased: RankingAssignment) -> None:
    ranking = leased.ranking
    refuses(
        "rankings_unique_in_project",
        Ranking(project=ranking.project, prompt=ranking.prompt, digest=ranking.digest, n_wanted=1),
    )


@pytest.mark.parametrize("size", [2, 10])
def test_a_project_ranks_three_to_nine(cast: Cast, size: int) -> None:
    cast.project.ranking_size = size
    refuses("projects_ranking_size_range", cast.project)
