"""Who is given what, and that no race gives a comparison to more labellers than it wants."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from annotate.comparisons import services
from annotate.comparisons.models import Assignment, AssignmentState, Comparison
from annotate.projects.models import Membership, Role
from annotate.projects.services import update_project
from annotate.ratings.services import Judgement, submit
from tests.cast import Cast, make_comparisons, make_user

Make = Callable[..., list[Comparison]]


def test_it_gives_the_highest_priority_first_then_the_oldest(cast: Cast, comparisons: Make) -> None:
    old, older_than_urgent = comparisons(2)
    (urgent,) = comparisons(1, priority=10)
    leases = services.lease(seat=cast.seat(cast.labeller), n=3)
    given = sorted(leases, key=lambda assignment: assignment.pk)
    assert [assignment.comparison_id for assignment in given] == [urgent.pk, old.pk, older_than_urgent.pk]


def test_it_returns_the_same_leases_with_the_same_sides_when_asked_again(cast: Cast, comparisons: Make) -> None:
    comparisons(5)
    seat = cast.seat(cast.labeller)
    before = [(a.pk, a.first) for a in services.lease(seat=seat, n=2)]
    assert [(a.pk, a.first) for a in services.lease(seat=seat, n=2)] == before
    assert [(a.pk, a.first) for a in services.lease(seat=seat, n=3)][:2] == before


def test_it_draws_both_orders(cast: Cast, comparisons: Make) -> None:
    comparisons(40)
    shown_first = {a.first for _ in range(2) for a in services.lease(seat=cast.seat(cast.labeller), n=20)} | {
        a.first for a in services.lease(seat=cast.seat(cast.second_labeller), n=20)
    }
    assert shown_first == {"a", "b"}  # 40 fair draws miss one side once in 2**39


def test_it_leases_a_comparison_to_no_more_labellers_than_it_wants(cast: Cast, comparisons: Make) -> None:
    update_project(project=cast.project, actor=None, min_ratings=1, max_ratings=1)
    cast.project.refresh_from_db()
    (comparison,) = comparisons(1)
    assert len(services.lease(seat=cast.seat(cast.labeller), n=1)) == 1
    assert services.lease(seat=cast.seat(cast.second_labeller), n=1) == []
    comparison.refresh_from_db()
    assert comparison.n_taken == 1


def test_it_frees_the_place_of_an_absent_labeller(cast: Cast, comparisons: Make) -> None:
    update_project(project=cast.project, actor=None, min_ratings=1, max_ratings=1)
    cast.project.refresh_from_db()
    comparisons(1)
    (lost,) = services.lease(seat=cast.seat(cast.labeller), n=1)
    Assignment.objects.filter(pk=lost.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    (given,) = services.lease(seat=cast.seat(cast.second_labeller), n=1)
    assert given.comparison_id == lost.comparison_id
    lost.refresh_from_db()
    assert lost.state == AssignmentState.EXPIRED


def test_it_gives_a_labeller_back_what_they_let_expire(cast: Cast, comparisons: Make) -> None:
    comparisons(1)
    seat = cast.seat(cast.labeller)
    (lost,) = services.lease(seat=seat, n=1)
    Assignment.objects.filter(pk=lost.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert services.take_back_expired_leases() == 1
    (again,) = services.lease(seat=seat, n=1)
    assert (again.pk, again.first, again.state) == (lost.pk, lost.first, AssignmentState.LEASED)


def test_it_does_not_offer_what_the_labeller_skipped(cast: Cast, comparisons: Make) -> None:
    comparisons(1)
    seat = cast.seat(cast.labeller)
    (assignment,) = services.lease(seat=seat, n=1)
    services.skip(seat=seat, assignment_id=assignment.pk, reason="not my field")
    assert services.lease(seat=seat, n=1) == []
    assert len(services.lease(seat=cast.seat(cast.second_labeller), n=1)) == 1


@pytest.mark.django_db(transaction=True)
def test_it_over_assigns_nothing_when_many_labellers_ask_at_once(cast: Cast) -> None:
    """12 threads fight for 30 comparisons that want 2 labellers each, rating all they get."""
    update_project(project=cast.project, actor=None, min_ratings=2, max_ratings=2)
    cast.project.refresh_from_db()
    make_comparisons(cast.project, 30)
    seats = []
    for number in range(12):
        user = make_user(f"labeller {number}")
        Membership.objects.create(project=cast.project, user=user, role=Role.LABELLER)
        seats.append(cast.seat(user))
    failures: list[BaseException] = []

    def work(seat) -> None:
        from uuid import uuid4

        try:
            while leases := services.lease(seat=seat, n=3):
                judgements = [Judgement(uuid4(), lease.pk, "first", 2) for lease in leases]
                outcomes = submit(seat=seat, judgements=judgements)
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
    rows = Comparison.objects.filter(project=cast.project).values_list("n_taken", "n_ratings", "n_wanted")
    assert list(rows) == [(2, 2, 2)] * 30
    assert Assignment.objects.filter(state=AssignmentState.SUBMITTED).count() == 60


def test_two_live_assignments_cannot_hold_one_place(cast: Cast, comparisons: Make) -> None:
    comparisons(1)
    (assignment,) = services.lease(seat=cast.seat(cast.labeller), n=1)
    with pytest.raises(IntegrityError, match="assignments_one_per_place"), transaction.atomic():
        Assignment.objects.create(
            comparison_id=assignment.comparison_id,
            labeller=cast.second_labeller,
            first="a",
            place=assignment.place,
            lease_until=timezone.now(),
        )
