"""A rating is stored once, in comparison order, or refused with a reason."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from annotate.common.errors import DomainError
from annotate.comparisons import services as queue
from annotate.comparisons.models import Assignment, Comparison, ComparisonState
from annotate.guidelines.models import QualificationAttempt
from annotate.guidelines.services import publish_guidelines
from annotate.projects.services import update_project
from annotate.ratings import services
from annotate.ratings.models import Flag, FlagKind, Rating
from annotate.ratings.services import Judgement
from tests.cast import Cast

Make = Callable[..., list[Comparison]]


@pytest.fixture
def assignment(cast: Cast, comparisons: Make) -> Assignment:
    comparisons(1)
    return queue.lease(seat=cast.seat(cast.labeller), n=1)[0]


def submit(cast: Cast, assignment: Assignment, preferred: str = "first", intensity: int | None = 3, **fields):
    judgement = Judgement(fields.pop("client_id", uuid4()), assignment.pk, preferred, intensity, **fields)
    return services.submit(seat=cast.seat(fields.pop("user", cast.labeller)), judgements=[judgement])[0]


@pytest.mark.parametrize(
    ("first", "shown", "stored"), [("a", "first", "a"), ("a", "second", "b"), ("b", "first", "b"), ("b", "second", "a")]
)
def test_it_stores_the_side_that_was_meant_whatever_the_order_on_screen(
    cast: Cast, assignment: Assignment, first: str, shown: str, stored: str
) -> None:
    Assignment.objects.filter(pk=assignment.pk).update(first=first)
    outcome = submit(cast, assignment, shown, 3)
    assert outcome.status == "accepted"
    assert Rating.objects.get(pk=outcome.rating_id).preferred == stored


def test_it_stores_a_rating_sent_twice_once(cast: Cast, assignment: Assignment) -> None:
    client_id = uuid4()
    first, second = (submit(cast, assignment, client_id=client_id) for _ in range(2))
    assert (first.status, second.status) == ("accepted", "duplicate")
    assert first.rating_id == second.rating_id
    assert Rating.objects.count() == 1


def test_it_refuses_a_second_rating_of_one_assignment(cast: Cast, assignment: Assignment) -> None:
    submit(cast, assignment)
    outcome = submit(cast, assignment)
    assert (outcome.status, outcome.code) == ("rejected", "already_rated")


@pytest.mark.parametrize(
    ("preferred", "intensity", "code"),
    [
        ("first", None, "intensity_out_of_range"),
        ("first", 0, "intensity_out_of_range"),
        ("first", 5, "intensity_out_of_range"),
        ("tie", 1, "tie_with_intensity"),
    ],
)
def test_it_refuses_an_intensity_the_project_does_not_have(
    cast: Cast, assignment: Assignment, preferred: str, intensity: int | None, code: str
) -> None:
    assert submit(cast, assignment, preferred, intensity).code == code


def test_it_refuses_a_tie_where_ties_are_not_allowed(cast: Cast, assignment: Assignment) -> None:
    cast.project.ties_allowed = False
    assert submit(cast, assignment, "tie", None).code == "ties_not_allowed"


def test_it_keeps_the_good_ones_of_a_batch(cast: Cast, comparisons: Make) -> None:
    comparisons(2)
    seat = cast.seat(cast.labeller)
    good, bad = queue.lease(seat=seat, n=2)
    outcomes = services.submit(
        seat=seat, judgements=[Judgement(uuid4(), bad.pk, "first", 9), Judgement(uuid4(), good.pk, "first", 1)]
    )
    assert [outcome.status for outcome in outcomes] == ["rejected", "accepted"]
    assert Rating.objects.count() == 1


def test_it_knows_no_assignment_of_somebody_else(cast: Cast, assignment: Assignment) -> None:
    seat = cast.seat(cast.second_labeller)
    (outcome,) = services.submit(seat=seat, judgements=[Judgement(uuid4(), assignment.pk, "first", 1)])
    assert (outcome.status, outcome.code) == ("rejected", "not_found")


def test_it_takes_a_rating_that_comes_after_the_lease_ran_out(cast: Cast, assignment: Assignment) -> None:
    """Offline for an hour; others were given the place; the work still counts."""
    Assignment.objects.filter(pk=assignment.pk).update(lease_until=timezone.now() - timedelta(hours=1))
    queue.take_back_expired_leases()
    others = [cast.second_labeller, cast.reviewer, cast.researcher]
    for user in others:
        (lease,) = queue.lease(seat=cast.seat(user), n=1)
        services.submit(seat=cast.seat(user), judgements=[Judgement(uuid4(), lease.pk, "tie", None)])
    outcome = submit(cast, assignment)
    assert outcome.status == "accepted"
    comparison = Comparison.objects.get(pk=assignment.comparison_id)
    assert (comparison.n_ties, comparison.n_ratings, comparison.n_taken) == (3, 4, 4)


def test_it_completes_a_comparison_when_it_has_its_ratings(cast: Cast, comparisons: Make) -> None:
    (comparison,) = comparisons(1)
    for user in (cast.labeller, cast.second_labeller, cast.reviewer):
        seat = cast.seat(user)
        (lease,) = queue.lease(seat=seat, n=1)
        shown = "first" if lease.first == "a" else "second"
        services.submit(seat=seat, judgements=[Judgement(uuid4(), lease.pk, shown, 2)])
    comparison.refresh_from_db()
    assert (comparison.n_a, comparison.n_b, comparison.state) == (3, 0, ComparisonState.COMPLETE)
    assert queue.lease(seat=cast.seat(cast.researcher), n=1) == []


def test_it_pins_the_guidelines_it_was_made_under(cast: Cast, assignment: Assignment) -> None:
    version = publish_guidelines(project=cast.project, author=cast.owner, body="Prefer the truthful one.", examples=[])
    QualificationAttempt.objects.create(labeller=cast.labeller, version=version, passed=True)
    outcome = submit(cast, assignment)
    assert Rating.objects.get(pk=outcome.rating_id).guideline_version == version


def test_a_pair_that_was_out_when_meaning_changed_was_rated_under_the_version_before(
    cast: Cast, assignment: Assignment
) -> None:
    text = {"project": cast.project, "author": cast.owner, "body": "Prefer the truthful one.", "examples": []}
    first = publish_guidelines(**text)
    QualificationAttempt.objects.create(labeller=cast.labeller, version=first, passed=True)
    publish_guidelines(**text, changes_meaning=True)
    outcome = submit(cast, assignment)
    assert Rating.objects.get(pk=outcome.rating_id).guideline_version == first


@pytest.mark.parametrize(
    "statement", ["UPDATE ratings_rating SET preferred = 'tie', intensity = NULL", "DELETE FROM ratings_rating"]
)
def test_the_database_refuses_to_change_a_rating(cast: Cast, assignment: Assignment, statement: str) -> None:
    submit(cast, assignment)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_flagging_an_unrated_pair_skips_it_and_counts(cast: Cast, assignment: Assignment) -> None:
    services.flag(seat=cast.seat(cast.labeller), assignment_id=assignment.pk, kind=FlagKind.HARMFUL, note="")
    comparison = Comparison.objects.get(pk=assignment.comparison_id)
    assert (comparison.n_flags, comparison.n_taken, Flag.objects.count()) == (1, 0, 1)


def test_adjudication_settles_and_resolves_flags(cast: Cast, assignment: Assignment) -> None:
    submit(cast, assignment)
    services.flag(seat=cast.seat(cast.labeller), assignment_id=assignment.pk, kind=FlagKind.OTHER, note="odd")
    services.adjudicate(
        project=cast.project,
        reviewer=cast.reviewer,
        comparison_id=assignment.comparison_id,
        verdict="b",
        intensity=2,
        note="b answers the question",
    )
    comparison = Comparison.objects.get(pk=assignment.comparison_id)
    assert (comparison.state, comparison.n_flags) == (ComparisonState.ADJUDICATED, 0)
    assert Flag.objects.get().resolved_at is not None


def test_purging_a_project_takes_its_ratings_along(cast: Cast, assignment: Assignment) -> None:
    submit(cast, assignment)
    assert services.purge(project=cast.project) == {"ratings": 1}
    assert Rating.objects.count() == 0
    assert Comparison.objects.count() == 0


def test_what_ratings_use_stays_in_the_settings(cast: Cast, comparisons: Make) -> None:
    update_project(project=cast.project, actor=None, bucket_axis="Safety", bucket_labels=["safe", "unsafe"])
    cast.project.refresh_from_db()
    comparisons(1)
    (assignment,) = queue.lease(seat=cast.seat(cast.labeller), n=1)
    submit(cast, assignment, "first", 3, bucket=1)
    for change, code in (
        ({"intensity_labels": ["much", "little"]}, "intensity_in_use"),
        ({"bucket_axis": "", "bucket_labels": []}, "bucket_in_use"),
    ):
        with pytest.raises(DomainError) as refused:
            update_project(project=cast.project, actor=None, **change)
        assert refused.value.code == code
    update_project(project=cast.project, actor=None, bucket_labels=["harmless", "harmful", "unclear"])
