"""Taking back a labeller's qualification."""

from collections.abc import Callable
from typing import Any

import pytest

from annotate.accounts.models import User
from annotate.comparisons.models import Comparison
from annotate.comparisons.services import lease
from annotate.guidelines.models import QualificationAttempt
from annotate.guidelines.selectors import Standing, standing, version_rated_under
from annotate.projects.models import AuditEvent, Membership, Message
from tests.annotate.guidelines.quizzes import publish, take
from tests.cast import Cast

P = "/api/v1/projects/helpfulness"
Make = Callable[..., list[Comparison]]


def requalify(cast: Cast, user: User | None = None) -> Any:
    url = f"{P}/labellers/{(user or cast.labeller).pk}/requalification"
    return cast.client(cast.reviewer).post(url, {"reason": "Five odd answers in a row."}, format="json")


@pytest.mark.parametrize(("n_asked", "then"), [(3, Standing.MUST_PASS), (0, Standing.MUST_READ)])
def test_there_is_no_work_until_they_have_qualified_again(
    cast: Cast, comparisons: Make, n_asked: int, then: Standing
) -> None:
    publish(cast, n_asked)
    take(cast, cast.labeller)
    take(cast, cast.second_labeller)
    comparisons(5)
    seat = cast.seat(cast.labeller)
    assert len(lease(seat=seat, n=2)) == 2
    answer = requalify(cast)
    assert (answer.status_code, answer.json()) == (200, {"n_revoked": 1})
    assert standing(cast.labeller, cast.project) == then
    assert lease(seat=seat, n=2) == []
    assert standing(cast.second_labeller, cast.project) == Standing.OK
    body = cast.client(cast.labeller).post(f"{P}/next", {"n": 2}, format="json").json()
    assert (body["assignments"], body["block"]["code"]) == ([], then.value)
    take(cast, cast.labeller)
    assert standing(cast.labeller, cast.project) == Standing.OK
    assert len(lease(seat=seat, n=2)) == 2


def test_all_passes_that_count_are_taken_back_and_no_others(cast: Cast) -> None:
    first = publish(cast, 1)
    take(cast, cast.labeller)
    publish(cast, 1, changes_meaning=True)
    take(cast, cast.labeller)
    publish(cast, 1)  # changes nothing: the pass of the second still counts
    requalify(cast)
    attempts = QualificationAttempt.objects.order_by("id")
    assert [attempt.passed for attempt in attempts] == [True, False]
    assert [attempt.revoked_at is None for attempt in attempts] == [True, False]
    assert version_rated_under(cast.labeller, cast.project) == first


def test_it_costs_no_attempt(cast: Cast) -> None:
    publish(cast, 2)
    take(cast, cast.labeller, n_wrong=2)
    take(cast, cast.labeller)
    requalify(cast)
    found = cast.client(cast.labeller).get(f"{P}/qualification").json()
    assert (found["standing"], found["attempt"], found["n_attempts_left"]) == ("must_pass", 3, 2)


def test_the_labeller_is_told_why(cast: Cast) -> None:
    publish(cast)
    take(cast, cast.labeller)
    requalify(cast)
    message = Message.objects.get()
    assert (message.sender, message.recipient) == (cast.reviewer, cast.labeller)
    assert message.text.endswith("Five odd answers in a row.")


def test_it_is_recorded(cast: Cast) -> None:
    publish(cast)
    take(cast, cast.labeller)
    requalify(cast)
    event = AuditEvent.objects.get(action="member.requalified")
    assert (event.actor, event.subject) == (cast.reviewer, cast.labeller)
    assert event.details == {"reason": "Five odd answers in a row.", "n_revoked": 1}


def test_reviewers_see_when_a_pass_was_taken_back(cast: Cast) -> None:
    publish(cast)
    take(cast, cast.labeller)
    requalify(cast)
    (row,) = cast.client(cast.reviewer).get(f"{P}/qualifications").json()["results"]
    assert row["revoked_at"] is not None
    assert (row["passed"], row["is_blocking"]) == (False, False)


def test_somebody_who_has_left_is_not_written_to(cast: Cast) -> None:
    publish(cast)
    take(cast, cast.labeller)
    Membership.objects.filter(user=cast.labeller).update(is_active=False)
    assert requalify(cast).status_code == 200
    assert not Message.objects.exists()


def test_there_has_to_be_something_to_take_back(cast: Cast) -> None:
    answer = requalify(cast)
    assert (answer.status_code, answer.json()["code"]) == (409, "no_guidelines")
    publish(cast)
    answer = requalify(cast)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_qualified")
    assert requalify(cast, cast.outsider).status_code == 404
    assert not Message.objects.exists()


def test_allowing_more_attempts_is_recorded(cast: Cast) -> None:
    publish(cast, 4)
    for _ in range(2):
        take(cast, cast.labeller, n_wrong=4)
    url = f"{P}/qualifications/{cast.labeller.pk}/allow"
    assert cast.client(cast.reviewer).post(url).json() == {"n_forgiven": 2}
    assert cast.client(cast.reviewer).post(url).json() == {"n_forgiven": 0}
    event = AuditEvent.objects.get(action="qualification.allowed")
    assert (event.actor, event.subject, event.details) == (cast.reviewer, cast.labeller, {"n_forgiven": 2})
