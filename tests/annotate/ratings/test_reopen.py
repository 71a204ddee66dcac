"""Sending a comparison back to labelling."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from annotate.accounts.models import User
from annotate.comparisons.models import Assignment, AssignmentState, Comparison, ComparisonState
from annotate.comparisons.services import lease
from annotate.projects.models import AuditEvent, Membership, Role
from annotate.projects.services import update_project
from annotate.ratings.models import Adjudication, Flag, FlagKind
from annotate.ratings.services import Judgement, adjudicate, flag, set_gold, submit
from tests.cast import Cast, make_user

P = "/api/v1/projects/helpfulness"
Make = Callable[..., list[Comparison]]


@pytest.fixture
def labellers(cast: Cast) -> list[User]:
    """Eight more of them."""
    users = [make_user(f"labeller {number}") for number in range(8)]
    for user in users:
        Membership.objects.create(project=cast.project, user=user, role=Role.LABELLER)
    return users


def rate(cast: Cast, user: User, stored: str = "a") -> bool:
    """Whether there was something to rate."""
    seat = cast.seat(user)
    for held in lease(seat=seat, n=1):
        shown = "first" if held.first == stored else "second"
        (outcome,) = submit(seat=seat, judgements=[Judgement(uuid4(), held.pk, shown, 2)])
        assert outcome.status == "accepted"
        return True
    return False


def reopen(cast: Cast, comparison: Comparison, n_more: int = 2, user: User | None = None) -> Any:
    url = f"{P}/comparisons/{comparison.pk}/reopen"
    body = {"n_more": n_more, "reason": "The guidelines have changed."}
    return cast.client(user or cast.reviewer).post(url, body, format="json")


def settle(cast: Cast, comparison: Comparison, user: User | None = None) -> None:
    adjudicate(
        project=cast.project,
        reviewer=user or cast.reviewer,
        comparison_id=comparison.pk,
        verdict="b",
        intensity=2,
        note="",
    )


def test_it_takes_as_many_more_as_were_asked_for(cast: Cast, comparisons: Make, labellers: list[User]) -> None:
    (comparison,) = comparisons(1)
    assert [rate(cast, user) for user in labellers[:4]] == [True, True, True, False]
    answer = reopen(cast, comparison, 4)
    assert answer.status_code == 200, answer.json()
    body = answer.json()
    assert (body["state"], body["n_ratings"], body["n_required"], body["n_wanted"]) == ("open", 3, 7, 7)
    # More than the project's maximum of 5; who has rated it is not asked again.
    assert [rate(cast, user) for user in labellers] == [False] * 3 + [True] * 4 + [False]
    comparison.refresh_from_db()
    assert (comparison.state, comparison.n_ratings, comparison.n_taken) == (ComparisonState.COMPLETE, 7, 7)


def test_the_rule_goes_on_where_they_disagree(cast: Cast, comparisons: Make, labellers: list[User]) -> None:
    (comparison,) = comparisons(1)
    for user in labellers[:3]:
        rate(cast, user)
    reopen(cast, comparison, 1)
    rate(cast, labellers[3], "b")
    comparison.refresh_from_db()
    assert (comparison.state, comparison.n_wanted) == (ComparisonState.COMPLETE, 4)  # 3:1 is sure enough
    reopen(cast, comparison, 1)
    rate(cast, labellers[4], "b")
    comparison.refresh_from_db()
    assert (comparison.state, comparison.n_ratings) == (ComparisonState.COMPLETE, 5)  # 3:2, the project's most


def test_no_earlier_verdict_stands(cast: Cast, comparisons: Make, labellers: list[User]) -> None:
    (comparison,) = comparisons(1)
    for user in labellers[:3]:
        rate(cast, user)
    settle(cast, comparison)
    reopen(cast, comparison)
    shown = cast.client(cast.reviewer).get(f"{P}/comparisons/{comparison.pk}").json()
    assert (shown["state"], shown["adjudication"], shown["n_required"]) == ("open", None, 5)
    assert [one.verdict for one in Adjudication.objects.order_by("id")] == ["b", "reopened"]
    settle(cast, comparison)
    shown = cast.client(cast.reviewer).get(f"{P}/comparisons/{comparison.pk}").json()
    assert (shown["state"], shown["adjudication"]["verdict"]) == ("adjudicated", "b")


def test_its_flags_are_seen_to(cast: Cast, comparisons: Make) -> None:
    (comparison,) = comparisons(1)
    (held,) = lease(seat=cast.seat(cast.labeller), n=1)
    flag(seat=cast.seat(cast.labeller), assignment_id=held.pk, kind=FlagKind.BROKEN, note="")
    assert reopen(cast, comparison).json()["n_flags"] == 0
    assert Flag.objects.filter(resolved_at=None).count() == 0


def test_whoever_judged_it_as_a_reviewer_is_not_asked(cast: Cast, comparisons: Make) -> None:
    (comparison,) = comparisons(1)
    (held,) = lease(seat=cast.seat(cast.owner), n=1)
    Assignment.objects.filter(pk=held.pk).update(state=AssignmentState.EXPIRED)
    Comparison.objects.filter(pk=comparison.pk).update(n_taken=0)
    settle(cast, comparison, cast.owner)
    reopen(cast, comparison)
    for user in (cast.owner, cast.reviewer):
        assert lease(seat=cast.seat(user), n=1) == []
    comparison.refresh_from_db()
    assert comparison.n_taken == 0
    assert len(lease(seat=cast.seat(cast.labeller), n=1)) == 1


def test_a_lease_of_the_reviewer_ends(cast: Cast, comparisons: Make) -> None:
    (comparison,) = comparisons(1)
    assert len(lease(seat=cast.seat(cast.reviewer), n=1)) == 1
    reopen(cast, comparison)
    comparison.refresh_from_db()
    assert comparison.n_taken == 0
    assert lease(seat=cast.seat(cast.reviewer), n=1) == []


def test_it_is_recorded_with_the_reason(cast: Cast, comparisons: Make) -> None:
    (comparison,) = comparisons(1)
    reopen(cast, comparison)
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.target_id) == ("comparison.reopened", cast.reviewer, str(comparison.pk))
    assert event.details == {"n_more": 2, "n_required": 2, "reason": "The guidelines have changed."}
    adjudication = Adjudication.objects.get()
    assert (adjudication.note, adjudication.intensity) == ("The guidelines have changed.", None)


def test_gold_stays_gold(cast: Cast, comparisons: Make) -> None:
    (comparison,) = comparisons(1)
    set_gold(project=cast.project, reviewer=cast.reviewer, comparison_id=comparison.pk, preferred="a", intensity=2)
    answer = reopen(cast, comparison)
    assert (answer.status_code, answer.json()["code"]) == (409, "gold")
    assert not Adjudication.objects.exists()


def test_one_pair_of_a_ranking_is_not_asked_by_itself(cast: Cast, comparisons: Make) -> None:
    (comparison,) = comparisons(1)
    update_project(project=cast.project, actor=None, ranking_size=4)
    assert reopen(cast, comparison).json()["code"] == "part_of_ranking"


def test_it_can_only_have_so_many(cast: Cast, comparisons: Make) -> None:
    (comparison,) = comparisons(1)
    Comparison.objects.filter(pk=comparison.pk).update(n_a=45, n_taken=45)
    assert reopen(cast, comparison, 6).json()["code"] == "too_many_ratings"
    assert reopen(cast, comparison, 5).json()["n_required"] == 50


@pytest.mark.parametrize(("n_more", "reason"), [(0, "Why"), (11, "Why"), (2, "")])
def test_what_cannot_be_asked_is_refused(cast: Cast, comparisons: Make, n_more: int, reason: str) -> None:
    (comparison,) = comparisons(1)
    url = f"{P}/comparisons/{comparison.pk}/reopen"
    body = {"n_more": n_more, "reason": reason}
    assert cast.client(cast.reviewer).post(url, body, format="json").status_code == 400


def test_without_it_the_projects_rule_holds(cast: Cast, comparisons: Make) -> None:
    (comparison,) = comparisons(1)
    rate(cast, cast.labeller)
    comparison.refresh_from_db()
    assert (comparison.n_required, comparison.n_wanted) == (0, cast.project.min_ratings)
