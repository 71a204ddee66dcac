"""Leaving a labeller's ratings out, and taking them in again."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from annotate.accounts.models import User, UserKind
from annotate.agreement.models import AgreementSnapshot
from annotate.comparisons.models import Assignment, AssignmentKind, AssignmentState, Comparison
from annotate.comparisons.services import lease
from annotate.projects.models import AuditEvent, Membership, Role
from annotate.projects.services import create_project, exclude_member, include_member, remove_member
from annotate.ratings.models import Rating, RatingOrigin
from annotate.ratings.selectors import counted, included
from annotate.ratings.services import Judgement, submit
from tests.cast import Cast

P = "/api/v1/projects/helpfulness"
Make = Callable[..., list[Comparison]]


def rate(cast: Cast, user: User, n: int = 1) -> None:
    for held in lease(seat=cast.seat(user), n=n):
        (outcome,) = submit(seat=cast.seat(user), judgements=[Judgement(uuid4(), held.pk, "first", 2)])
        assert outcome.status == "accepted"


def imported_labeller(cast: Cast, comparison: Comparison) -> User:
    user = User.objects.create(kind=UserKind.IMPORTED, external_key="helpfulness/w1")
    assignment = Assignment.objects.create(
        comparison=comparison, labeller=user, kind=AssignmentKind.IMPORTED, state=AssignmentState.SUBMITTED
    )
    Rating.objects.create(
        comparison=comparison,
        assignment=assignment,
        labeller=user,
        project=cast.project,
        preferred="a",
        origin=RatingOrigin.IMPORTED,
        created_at=timezone.now(),
    )
    return user


def exclusion(cast: Cast, user: User, method: str = "post") -> Any:
    client = getattr(cast.client(cast.reviewer), method)
    return client(f"{P}/labellers/{user.pk}/exclusion", {"reason": "Random answers."}, format="json")


def test_it_is_recorded_with_its_reason_and_taken_back(cast: Cast) -> None:
    answer = exclusion(cast, cast.labeller)
    assert answer.status_code == 200
    assert set(answer.json()) == {"excluded_at", "exclusion_reason"}
    assert answer.json()["exclusion_reason"] == "Random answers."
    assert exclusion(cast, cast.labeller, "delete").json() == {"excluded_at": None, "exclusion_reason": ""}
    events = AuditEvent.objects.order_by("id")
    assert [(event.action, event.actor, event.subject) for event in events] == [
        ("member.excluded", cast.reviewer, cast.labeller),
        ("member.included", cast.reviewer, cast.labeller),
    ]
    assert events[1].details == {"was_excluded_for": "Random answers."}


def test_a_reason_is_asked_for(cast: Cast) -> None:
    client = cast.client(cast.reviewer)
    assert client.post(f"{P}/labellers/{cast.labeller.pk}/exclusion", {}, format="json").status_code == 400


def test_the_ratings_stay_and_do_not_count(cast: Cast, comparisons: Make) -> None:
    comparisons(2)
    rate(cast, cast.labeller, 2)
    rate(cast, cast.second_labeller, 2)
    exclude_member(project=cast.project, user_id=cast.labeller.pk, reason="Random.", actor=cast.reviewer)
    ratings = Rating.objects.filter(project=cast.project)
    assert (ratings.count(), counted(ratings).count()) == (4, 4)
    assert set(included(ratings).values_list("labeller", flat=True)) == {cast.second_labeller.pk}
    include_member(project=cast.project, user_id=cast.labeller.pk, actor=cast.reviewer)
    assert included(ratings).count() == 4


def test_it_holds_in_this_project_alone(cast: Cast, comparisons: Make) -> None:
    comparisons(1)
    rate(cast, cast.labeller)
    other = create_project(owner=cast.owner, name="Safety", pool=cast.project.pool)
    Membership.objects.create(project=other, user=cast.labeller)
    exclude_member(project=other, user_id=cast.labeller.pk, reason="Random.", actor=cast.owner)
    assert included(Rating.objects.filter(project=cast.project)).count() == 1


def test_the_snapshot_is_stale_then(cast: Cast) -> None:
    AgreementSnapshot.objects.create(project=cast.project, computed_at=timezone.now())
    exclude_member(project=cast.project, user_id=cast.labeller.pk, reason="Random.", actor=cast.reviewer)
    snapshot = AgreementSnapshot.objects.get(project=cast.project)
    assert snapshot.stale_since is not None
    AgreementSnapshot.objects.update(stale_since=None)
    include_member(project=cast.project, user_id=cast.labeller.pk, actor=cast.reviewer)
    snapshot.refresh_from_db()
    assert snapshot.stale_since is not None


def test_the_labeller_of_an_imported_file_gets_a_seat_that_opens_nothing(cast: Cast, comparisons: Make) -> None:
    user = imported_labeller(cast, comparisons(1)[0])
    assert exclusion(cast, user, "delete").json()["excluded_at"] is None
    assert not Membership.objects.filter(user=user).exists()
    assert exclusion(cast, user).status_code == 200
    seat = Membership.objects.get(project=cast.project, user=user)
    assert (seat.is_active, seat.role) == (False, Role.LABELLER)
    assert not included(Rating.objects.filter(project=cast.project)).exists()
    assert exclusion(cast, user, "delete").status_code == 200
    assert included(Rating.objects.filter(project=cast.project)).exists()


def test_removal_does_not_undo_it(cast: Cast, comparisons: Make) -> None:
    comparisons(1)
    rate(cast, cast.labeller)
    membership = exclude_member(project=cast.project, user_id=cast.labeller.pk, reason="Random.", actor=cast.reviewer)
    remove_member(membership=membership, actor=cast.owner)
    membership.refresh_from_db()
    assert not membership.is_active
    assert not included(Rating.objects.filter(project=cast.project)).exists()
    assert cast.client(cast.labeller).get(P).status_code == 404


@pytest.mark.parametrize("method", ["post", "delete"])
def test_who_has_nothing_to_do_with_the_project_is_not_found(cast: Cast, method: str) -> None:
    assert exclusion(cast, cast.outsider, method).status_code == 404
    assert not Membership.objects.filter(user=cast.outsider).exists()


def test_the_members_page_tells_it(cast: Cast) -> None:
    exclusion(cast, cast.labeller)
    members = cast.client(cast.reviewer).get(f"{P}/members").json()["results"]
    reasons = {member["user"]["id"]: member["exclusion_reason"] for member in members}
    assert reasons[cast.labeller.pk] == "Random answers."
    assert reasons[cast.second_labeller.pk] == ""
