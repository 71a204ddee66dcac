"""Submitting ratings, flags and adjudications. Every one of them holds the comparison's lock while it counts."""

import uuid
from dataclasses import dataclass
from typing import Any, Literal

from django.db import IntegrityError, transaction
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.errors import DomainError, not_found
from annotate.comparisons.models import Assignment, AssignmentState, Comparison, ComparisonState
from annotate.comparisons.rules import ratings_wanted
from annotate.comparisons.services import lock_for_labeller, skip
from annotate.guidelines.models import GuidelineVersion
from annotate.guidelines.selectors import current_version
from annotate.projects.access import Seat
from annotate.projects.models import Project
from annotate.ratings.models import Adjudication, Flag, FlagKind, Preferred, Rating, RatingOrigin
from annotate.ratings.signals import ratings_changed


@dataclass(frozen=True)
class Judgement:
    """A rating as the labeller made it, in screen order."""

    client_id: uuid.UUID
    assignment_id: int
    preferred: Literal["first", "second", "tie"]
    intensity: int | None
    active_ms: int | None = None
    justification: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one judgement of a batch."""

    client_id: uuid.UUID
    status: Literal["accepted", "duplicate", "rejected"]
    rating_id: int | None = None
    code: str = ""
    detail: str = ""


def submit(*, seat: Seat, judgements: list[Judgement]) -> list[Outcome]:
    """Store each judgement in a transaction of its own: one that is refused does not lose the others."""
    version = current_version(seat.project)
    outcomes = []
    for judgement in judgements:
        try:
            outcomes.append(_submit_one(seat, judgement, version))
        except DomainError as error:
            outcomes.append(Outcome(judgement.client_id, "rejected", None, error.code, error.message))
    return outcomes


def _submit_one(seat: Seat, judgement: Judgement, version: GuidelineVersion | None) -> Outcome:
    if sent_before := _sent_before(seat, judgement):
        return sent_before
    try:
        with transaction.atomic():
            rating = _store(seat, judgement, version)
    except IntegrityError:
        # The same judgement was being stored by another request of this client at this moment.
        if sent_before := _sent_before(seat, judgement):
            return sent_before
        raise
    return Outcome(judgement.client_id, "accepted", rating.pk)


def _sent_before(seat: Seat, judgement: Judgement) -> Outcome | None:
    rating = Rating.objects.filter(client_id=judgement.client_id).only("id", "labeller_id").first()
    if rating is None:
        return None
    if rating.labeller_id != seat.user.pk:
        raise DomainError("client_id_taken", "This client_id belongs to another rating; make a new random UUID.")
    return Outcome(judgement.client_id, "duplicate", rating.pk)


def _store(seat: Seat, judgement: Judgement, version: GuidelineVersion | None) -> Rating:
    _validate(seat.project, judgement)
    comparison, assignment = lock_for_labeller(seat=seat, assignment_id=judgement.assignment_id)
    if assignment.state == AssignmentState.SUBMITTED:
        raise DomainError("already_rated", "You have rated this comparison already, perhaps in another tab.")
    if assignment.state == AssignmentState.SKIPPED:
        raise DomainError("skipped", "You have skipped this comparison.")
    if assignment.state == AssignmentState.EXPIRED:
        # The lease ran out while the labeller was offline. The work is done, so it counts: it takes a place again,
        # an additional one if others have filled the comparison meanwhile.
        places = comparison.assignments.exclude(place=None).order_by("-place").values_list("place", flat=True)
        assignment.place = (places.first() or 0) + 1
        comparison.n_taken += 1
    assignment.state = AssignmentState.SUBMITTED
    assignment.save(update_fields=["state", "place"])
    rating = Rating.objects.create(
        comparison=comparison,
        assignment=assignment,
        labeller=seat.user,
        project=seat.project,
        preferred=stored_side(judgement.preferred, assignment),
        intensity=judgement.intensity,
        justification=judgement.justification,
        active_ms=judgement.active_ms,
        guideline_version=version,
        client_id=judgement.client_id,
        origin=RatingOrigin.LABELLER,
        created_at=timezone.now(),
    )
    count(comparison, rating.preferred, +1)
    settle(comparison, seat.project)
    comparison.save(update_fields=["n_a", "n_b", "n_ties", "n_taken", "n_wanted", "state"])
    ratings_changed.send(sender=Rating, project_id=seat.project.pk)
    return rating


def _validate(project: Project, judgement: Judgement) -> None:
    if judgement.preferred == "tie":
        if not project.ties_allowed:
            raise DomainError("ties_not_allowed", "This project asks for a decision: a tie is not an answer here.")
        if judgement.intensity is not None:
            raise DomainError("tie_with_intensity", "A tie has no intensity.")
    elif judgement.intensity is None or not 1 <= judgement.intensity <= project.n_intensities:
        raise DomainError(
            "intensity_out_of_range", f"Intensity runs from 1 to {project.n_intensities} in this project."
        )


def stored_side(shown: str, assignment: Assignment) -> str:
    """From screen order (first, second, tie) to comparison order (a, b, tie)."""
    if shown == "tie":
        return Preferred.TIE.value
    return str(assignment.first) if shown == "first" else {"a": "b", "b": "a"}[str(assignment.first)]


def count(comparison: Comparison, preferred: str, change: int) -> None:
    """Add to the comparison's count of one answer, on a row that the caller has locked and will save."""
    name = {"a": "n_a", "b": "n_b", "tie": "n_ties"}[preferred]
    setattr(comparison, name, getattr(comparison, name) + change)


def settle(comparison: Comparison, project: Project) -> None:
    """Decide whether the comparison wants more ratings, on a row that the caller has locked and will save."""
    if comparison.state not in (ComparisonState.OPEN, ComparisonState.COMPLETE):
        return
    n_ratings = comparison.n_a + comparison.n_b + comparison.n_ties
    wanted = ratings_wanted(
        minimum=project.min_ratings,
        maximum=project.max_ratings,
        n_a=comparison.n_a,
        n_b=comparison.n_b,
        n_ties=comparison.n_ties,
    )
    comparison.n_wanted = wanted
    comparison.state = ComparisonState.COMPLETE if n_ratings >= wanted else ComparisonState.OPEN


@transaction.atomic
def flag(*, seat: Seat, assignment_id: int, kind: FlagKind, note: str) -> Flag:
    """Say that something is wrong with a comparison; an unrated one is skipped by it. Locks the comparison."""
    comparison, assignment = lock_for_labeller(seat=seat, assignment_id=assignment_id)
    raised, made = Flag.objects.get_or_create(
        comparison=comparison, labeller=seat.user, kind=kind, defaults={"note": note}
    )
    if made:
        comparison.n_flags += 1
        comparison.save(update_fields=["n_flags"])
    if assignment.state == AssignmentState.LEASED:
        skip(seat=seat, assignment_id=assignment_id, reason=f"flagged: {FlagKind(kind).label}")
    ratings_changed.send(sender=Flag, project_id=seat.project.pk)
    return raised


@transaction.atomic
def adjudicate(
    *, project: Project, reviewer: User, comparison_id: int, verdict: str, intensity: int | None, note: str
) -> Adjudication:
    """Settle a comparison: the verdict stands for its ratings in training, and its flags are resolved.

    Locks the comparison. A reviewer who rated it cannot settle it.
    """
    comparison = Comparison.objects.select_for_update().filter(pk=comparison_id, project=project).first()
    if comparison is None:
        raise not_found("comparison")
    if comparison.ratings.filter(labeller=reviewer).exists():
        raise DomainError("own_rating", "You rated this comparison yourself; another reviewer has to settle it.")
    if verdict in ("a", "b") and not 1 <= (intensity or 0) <= project.n_intensities:
        raise DomainError(
            "intensity_out_of_range", f"Intensity runs from 1 to {project.n_intensities} in this project."
        )
    adjudication = Adjudication(
        comparison=comparison,
        reviewer=reviewer,
        verdict=verdict,
        intensity=intensity if verdict in ("a", "b") else None,
        note=note,
    )
    adjudication.full_clean()
    adjudication.save()
    comparison.flags.filter(resolved_at=None).update(resolved_at=timezone.now())
    comparison.state, comparison.n_flags = ComparisonState.ADJUDICATED, 0
    comparison.save(update_fields=["state", "n_flags"])
    ratings_changed.send(sender=Adjudication, project_id=project.pk)
    return adjudication


def purge(*, project: Project) -> dict[str, Any]:
    """Delete a project with everything in it, ratings too: the one way past their append-only trigger."""
    from django.db import connection

    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL touchstone.purge = 'on'")
        ratings = Rating.objects.filter(project=project)
        deleted = ratings._raw_delete(ratings.db)
        Comparison.objects.filter(project=project).delete()
        project.delete()
    return {"ratings": deleted}
