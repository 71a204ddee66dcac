"""A labeller may take an answer back within the grace window; nothing is overwritten, and it counts once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.utils import timezone

from annotate.comparisons import services as queue
from annotate.comparisons.models import Assignment, Comparison, ComparisonState
from annotate.ratings import services
from annotate.ratings.models import Rating
from annotate.ratings.selectors import counted, own_assignment, own_ratings
from annotate.ratings.services import Judgement, Outcome
from tests.cast import Cast

Make = Callable[..., list[Comparison]]


@pytest.fixture
def assignment(cast: Cast, comparisons: Make) -> Assignment:
    comparisons(1)
    (lease,) = queue.lease(seat=cast.seat(cast.labeller), n=1)
    Assignment.objects.filter(pk=lease.pk).update(first="a")
    return lease


def rate(cast: Cast, assignment: Assignment, preferred: str, **fields) -> tuple[UUID, Outcome]:
    client_id = uuid4()
    judgement = Judgement(client_id, assignment.pk, preferred, None if preferred == "tie" else 2, **fields)
    return client_id, services.submit(seat=cast.seat(cast.labeller), judgements=[judgement])[0]


def age(rating_id: Any, **delta: int) -> None:
    """Make a rating older than it is, past the trigger that keeps ratings as they are."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE ratings_rating DISABLE TRIGGER USER")
        Rating.objects.filter(pk=rating_id).update(created_at=timezone.now() - timedelta(**delta))
        cursor.execute("ALTER TABLE ratings_rating ENABLE TRIGGER USER")


def test_it_supersedes_and_is_counted_once(cast: Cast, assignment: Assignment) -> None:
    before, first = rate(cast, assignment, "first")
    _, second = rate(cast, assignment, "second", supersedes=before)
    assert second.status == "accepted"
    comparison = Comparison.objects.get()
    assert (comparison.n_a, comparison.n_b, comparison.n_taken) == (0, 1, 1)
    assert Rating.objects.get(client_id=second.client_id).supersedes_id == first.rating_id
    assert list(counted(Rating.objects.all()).values_list("id", flat=True)) == [second.rating_id]


def test_a_correction_can_be_corrected_but_not_what_it_replaced(cast: Cast, assignment: Assignment) -> None:
    one, _ = rate(cast, assignment, "first")
    two, _ = rate(cast, assignment, "second", supersedes=one)
    assert rate(cast, assignment, "tie", supersedes=one)[1].code == "superseded"
    assert rate(cast, assignment, "tie", supersedes=two)[1].status == "accepted"
    assert Comparison.objects.get().n_ties == 1


def test_it_may_open_a_complete_comparison_again(cast: Cast, assignment: Assignment) -> None:
    for user in (cast.second_labeller, cast.reviewer):
        (lease,) = queue.lease(seat=cast.seat(user), n=1)
        shown = "first" if lease.first == "a" else "second"
        services.submit(seat=cast.seat(user), judgements=[Judgement(uuid4(), lease.pk, shown, 2)])
    before, _ = rate(cast, assignment, "first")
    assert Comparison.objects.get().state == ComparisonState.COMPLETE
    rate(cast, assignment, "second", supersedes=before)
    comparison = Comparison.objects.get()
    assert (comparison.state, comparison.n_wanted) == (ComparisonState.OPEN, 4)


def test_the_window_counts_from_the_first_answer(cast: Cast, assignment: Assignment) -> None:
    one, outcome = rate(cast, assignment, "first")
    two, _ = rate(cast, assignment, "second", supersedes=one)
    age(outcome.rating_id, minutes=cast.project.grace_minutes + 1)
    assert rate(cast, assignment, "tie", supersedes=two)[1].code == "grace_over"
    (shown,) = own_ratings(cast.seat(cast.labeller))
    assert vars(shown)["first_at"] < timezone.now() - timedelta(minutes=cast.project.grace_minutes)


def test_what_a_reviewer_settled_stands(cast: Cast, assignment: Assignment) -> None:
    before, _ = rate(cast, assignment, "first")
    services.adjudicate(
        project=cast.project,
        reviewer=cast.reviewer,
        comparison_id=assignment.comparison_id,
        verdict="a",
        intensity=1,
        note="",
    )
    assert rate(cast, assignment, "second", supersedes=before)[1].code == "adjudicated"


def test_one_whose_original_never_arrived_is_a_first_rating(cast: Cast, assignment: Assignment) -> None:
    _, outcome = rate(cast, assignment, "second", supersedes=uuid4())
    assert Rating.objects.get(client_id=outcome.client_id).supersedes is None


def test_the_pair_and_the_answer_can_be_looked_at_again(cast: Cast, assignment: Assignment) -> None:
    span = {"side": "second", "start": 0, "end": 4, "quote": "beta"}
    rate(cast, assignment, "second", justification="b is right", spans=[span])
    client = cast.client(cast.labeller)
    body = client.get(f"/api/v1/projects/{cast.project.slug}/assignments/{assignment.pk}").json()
    assert body["first"]["text"].startswith("alpha")
    rating = body["rating"]
    assert (rating["preferred"], rating["spans"], rating["can_correct"]) == ("second", [span], True)
    assert Rating.objects.get().spans == [{**span, "side": "b"}]
    others = cast.client(cast.second_labeller)
    assert others.get(f"/api/v1/projects/{cast.project.slug}/assignments/{assignment.pk}").status_code == 404


def test_a_pair_that_is_not_rated_yet_is_not_shown_there(cast: Cast, assignment: Assignment) -> None:
    with pytest.raises(Exception, match="assignment"):
        own_assignment(cast.seat(cast.labeller), assignment.pk)


# --- what a project asks for besides --------------------------------------------------------------------------------
def test_neither_is_acceptable_needs_no_leave_for_ties(cast: Cast, assignment: Assignment) -> None:
    cast.project.ties_allowed = False
    cast.project.save()
    assert rate(cast, assignment, "first", is_neither_acceptable=True)[1].code == "neither_with_preference"
    _, outcome = rate(cast, assignment, "tie", is_neither_acceptable=True)
    assert Rating.objects.get(client_id=outcome.client_id).is_neither_acceptable


@pytest.mark.parametrize(("bucket", "status"), [(None, "rejected"), (0, "accepted"), (2, "accepted"), (3, "rejected")])
def test_a_second_question_has_to_be_answered(
    cast: Cast, assignment: Assignment, bucket: int | None, status: str
) -> None:
    cast.project.bucket_axis, cast.project.bucket_labels = "safety", ["chosen is safe", "both safe", "both unsafe"]
    cast.project.save()
    assert rate(cast, assignment, "first", bucket=bucket)[1].status == status


def test_a_reason_may_be_asked_for(cast: Cast, assignment: Assignment) -> None:
    cast.project.justification_min_length = 10
    cast.project.save()
    assert rate(cast, assignment, "first", justification=" too short  ")[1].code == "justification_too_short"
    assert rate(cast, assignment, "first", justification="long enough")[1].status == "accepted"


def test_a_marked_span_has_to_stand_where_it_says(cast: Cast, assignment: Assignment) -> None:
    shown = Comparison.objects.get().a
    shown.text = "A 🦊 eats berries."
    shown.save()
    span = {"side": "first", "start": 4, "end": 8, "quote": "eats"}
    _, refused = rate(cast, assignment, "first", spans=[{**span, "start": 5, "end": 9}])
    assert (refused.status, refused.code) == ("rejected", "span_not_there")
    _, taken = rate(cast, assignment, "first", spans=[span])
    assert (taken.status, taken.code, taken.detail) == ("accepted", "", "")
