"""The screen's own request: one rating goes, the next pairs come, in one transaction if nothing is in the way."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from annotate.comparisons.api.serializers import AssignmentSerializer, shown
from annotate.comparisons.models import Assignment, Comparison
from annotate.comparisons.services import lease, waiting_for
from annotate.projects.models import Membership
from annotate.projects.services import update_project
from annotate.ratings.models import Rating
from tests.cast import Cast

Make = Callable[..., list[Comparison]]


def send(cast: Cast, *ratings: dict[str, Any], n: int = 3) -> dict[str, Any]:
    answer = cast.client(cast.labeller).post(
        f"/api/v1/projects/{cast.project.slug}/ratings", {"ratings": ratings, "next": n}, format="json"
    )
    assert answer.status_code == 200
    return answer.json()


def rate(assignment: Assignment, **fields: Any) -> dict[str, Any]:
    rating = {"client_id": str(uuid4()), "assignment_id": assignment.pk, "preferred": "first", "intensity": 1}
    return {**rating, **fields}


def test_it_tells_what_the_labeller_holds_and_has_done(cast: Cast, comparisons: Make) -> None:
    comparisons(10)
    first, second, third = lease(seat=cast.seat(cast.labeller), n=3)
    for number, assignment in enumerate((first, second), start=1):
        body = send(cast, rate(assignment))
        assert body["progress"]["rated_today"] == body["progress"]["rated_total"] == number
    assert body["assignments"][0]["id"] == third.pk
    assert len(body["assignments"]) == 3
    held = Assignment.objects.filter(labeller=cast.labeller, state="leased").order_by("id")
    assert [given["id"] for given in body["assignments"]] == [assignment.pk for assignment in held]


def test_a_correction_is_no_second_rating_of_today(cast: Cast, comparisons: Make) -> None:
    comparisons(5)
    (assignment,) = lease(seat=cast.seat(cast.labeller), n=1)
    before = rate(assignment)
    send(cast, before)
    body = send(cast, rate(assignment, preferred="second", supersedes=before["client_id"]))
    assert (body["results"][0]["status"], body["progress"]["rated_today"]) == ("accepted", 1)
    assert len(body["assignments"]) == 3


def test_what_is_refused_still_brings_the_next(cast: Cast, comparisons: Make) -> None:
    comparisons(5)
    (assignment,) = lease(seat=cast.seat(cast.labeller), n=1)
    body = send(cast, rate(assignment, intensity=None))
    assert (body["results"][0]["status"], body["results"][0]["code"]) == ("rejected", "intensity_out_of_range")
    assert len(body["assignments"]) == 3
    assert not Rating.objects.exists()


def test_the_same_rating_sent_again_is_a_duplicate_and_brings_the_next(cast: Cast, comparisons: Make) -> None:
    comparisons(5)
    (assignment,) = lease(seat=cast.seat(cast.labeller), n=1)
    rating = rate(assignment)
    (stored,) = send(cast, rating)["results"]
    body = send(cast, rating)
    assert body["results"] == [{**stored, "status": "duplicate"}]
    assert len(body["assignments"]) == 3
    assert Rating.objects.count() == 1


def test_one_client_id_twice_in_one_batch_is_stored_once(cast: Cast, comparisons: Make) -> None:
    comparisons(5)
    (assignment,) = lease(seat=cast.seat(cast.labeller), n=1)
    rating = rate(assignment)
    assert [result["status"] for result in send(cast, rating, rating)["results"]] == ["accepted", "duplicate"]
    assert Rating.objects.count() == 1


def test_one_client_id_for_two_pairs_is_stored_once(cast: Cast, comparisons: Make) -> None:
    comparisons(5)
    first, second = lease(seat=cast.seat(cast.labeller), n=2)
    rating = rate(first)
    send(cast, rating)
    body = send(cast, {**rating, "assignment_id": second.pk})
    assert body["results"][0]["status"] == "duplicate"
    second.refresh_from_db()
    assert (second.state, Rating.objects.count()) == ("leased", 1)


def test_a_rating_that_pauses_its_labeller_brings_nothing(cast: Cast, comparisons: Make) -> None:
    update_project(project=cast.project, actor=None, gold_rate=0, repeat_rate=0, gold_floor=0.6, gold_window=1)
    comparisons(5)
    (assignment,) = lease(seat=cast.seat(cast.labeller), n=1)
    Assignment.objects.filter(pk=assignment.pk).update(kind="gold")
    wrong = "b" if assignment.first == "a" else "a"
    Comparison.objects.filter(pk=assignment.comparison_id).update(state="closed", gold_preferred=wrong)
    body = send(cast, rate(assignment))
    assert body["results"][0]["status"] == "accepted"
    assert (body["assignments"], body["block"]["code"]) == ([], "paused")
    assert Membership.objects.get(user=cast.labeller).paused_at is not None


def test_what_is_shown_is_what_the_schema_says(cast: Cast, comparisons: Make) -> None:
    comparisons(4)
    given = lease(seat=cast.seat(cast.labeller), n=4)
    stored = Assignment.objects.filter(labeller=cast.labeller).order_by("id")
    expected = [dict(row) for row in AssignmentSerializer(stored, many=True).data]
    assert [
        {**shown(assignment), "lease_until": assignment.lease_until.isoformat().replace("+00:00", "Z")}
        for assignment in given
    ] == expected


def test_the_lease_gives_what_waits(cast: Cast, comparisons: Make) -> None:
    """The compiled query and the queryset it was made of."""
    comparisons(6)
    comparisons(2, priority=1)
    seat = cast.seat(cast.second_labeller)
    lease(seat=seat, n=1)
    waiting = list(waiting_for(seat).values_list("id", flat=True)[:3])
    assert [assignment.comparison_id for assignment in lease(seat=seat, n=4)][1:] == waiting
