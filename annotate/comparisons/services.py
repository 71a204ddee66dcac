"""The queue: making comparisons, leasing them, taking leases back.

Lock order everywhere: the labeller's row, then comparisons, then assignments.
"""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.errors import DomainError, not_found
from annotate.comparisons.models import (
    Assignment,
    AssignmentKind,
    AssignmentState,
    Comparison,
    ComparisonState,
)
from annotate.projects.access import Seat
from annotate.projects.models import Project

MAX_LEASES = 20


def add_comparisons(
    *, project: Project, pairs: Iterable[tuple[int, int, int]], priority: int = 0
) -> dict[tuple[int, int], int]:
    """Make the comparisons that do not exist yet: (prompt id, completion id, completion id) each.

    Returns comparison ids by (lower completion id, higher completion id), of the existing ones too. Three queries for
    any number of pairs; safe beside a concurrent call, since the pair is unique and conflicts are ignored.
    """
    rows = {(min(x, y), max(x, y)): prompt for prompt, x, y in pairs}
    Comparison.objects.bulk_create(
        [
            Comparison(
                project=project, prompt_id=prompt, a_id=a, b_id=b, priority=priority, n_wanted=project.min_ratings
            )
            for (a, b), prompt in rows.items()
        ],
        ignore_conflicts=True,
        batch_size=1000,
    )
    existing = Comparison.objects.filter(project=project, a_id__in={a for a, _ in rows}).values_list(
        "a_id", "b_id", "id"
    )
    return {(a, b): pk for a, b, pk in existing if (a, b) in rows}


@transaction.atomic
def lease(*, seat: Seat, n: int) -> list[Assignment]:
    """Top the labeller's leases up to `n` and return them, oldest first, each renewed.

    Asking again returns the same leases, so a reload, a second tab or a lost answer does not pile them up. Locks the
    labeller's row against their own concurrent requests and the chosen comparisons, skipping those that somebody else
    is being given at this moment.
    """
    n = min(n, MAX_LEASES)
    User.objects.select_for_update(no_key=True).get(pk=seat.user.pk)
    until = timezone.now() + timedelta(minutes=seat.project.lease_minutes)
    held = Assignment.objects.filter(
        labeller=seat.user, comparison__project=seat.project, state=AssignmentState.LEASED
    ).order_by("id")
    held_ids = list(held.values_list("id", flat=True)[:n])
    Assignment.objects.filter(pk__in=held_ids).update(lease_until=until)
    missing = n - len(held_ids)
    if missing > 0:
        chosen = list(waiting_for(seat).select_for_update(skip_locked=True)[:missing])
        if len(chosen) < missing and take_back_expired_leases(project=seat.project):
            chosen = list(waiting_for(seat).select_for_update(skip_locked=True)[:missing])
        held_ids += [_give(comparison, seat.user, until).pk for comparison in chosen]
    return list(
        Assignment.objects.filter(pk__in=held_ids)
        .select_related("comparison__prompt", "comparison__a", "comparison__b")
        .order_by("id")
    )


def waiting_for(seat: Seat) -> QuerySet[Comparison]:
    """Comparisons that want this labeller: open, a place free, never theirs before; highest priority, then oldest."""
    theirs = Assignment.objects.filter(comparison=OuterRef("pk"), labeller=seat.user).exclude(
        state=AssignmentState.EXPIRED
    )
    return Comparison.objects.filter(
        ~Exists(theirs), project=seat.project, state=ComparisonState.OPEN, n_taken__lt=F("n_wanted")
    ).order_by("-priority", "id")


def _give(comparison: Comparison, labeller: User, until: datetime) -> Assignment:
    """Lease one locked comparison. The side shown first is drawn here, once, and stays."""
    used = set(
        comparison.assignments.filter(
            state__in=[AssignmentState.LEASED, AssignmentState.SUBMITTED],
            kind__in=[AssignmentKind.REGULAR, AssignmentKind.GOLD],
        ).values_list("place", flat=True)
    )
    place = next(place for place in range(len(used) + 1) if place not in used)
    Comparison.objects.filter(pk=comparison.pk).update(n_taken=F("n_taken") + 1)
    assignment, made = Assignment.objects.get_or_create(
        comparison=comparison,
        labeller=labeller,
        kind=AssignmentKind.REGULAR,
        defaults={"first": secrets.choice("ab"), "place": place, "lease_until": until},
    )
    if not made:  # theirs once, expired meanwhile
        assignment.state, assignment.place, assignment.lease_until = AssignmentState.LEASED, place, until
        assignment.save(update_fields=["state", "place", "lease_until"])
    return assignment


@transaction.atomic
def take_back_expired_leases(*, project: Project | None = None, limit: int = 500) -> int:
    """Free the places of leases that ran out. Locks their comparisons, skipping those in use. Returns how many."""
    expired = Assignment.objects.filter(state=AssignmentState.LEASED, lease_until__lt=timezone.now())
    if project is not None:
        expired = expired.filter(comparison__project=project)
    comparison_ids = set(expired.values_list("comparison_id", flat=True)[:limit])
    locked = Comparison.objects.filter(pk__in=comparison_ids).order_by("id").select_for_update(skip_locked=True)
    n_freed = 0
    for comparison in locked:
        freed = comparison.assignments.filter(state=AssignmentState.LEASED, lease_until__lt=timezone.now()).update(
            state=AssignmentState.EXPIRED
        )
        Comparison.objects.filter(pk=comparison.pk).update(n_taken=F("n_taken") - freed)
        n_freed += freed
    return n_freed


def lock_for_labeller(*, seat: Seat, assignment_id: int) -> tuple[Comparison, Assignment]:
    """Lock the comparison of the labeller's own assignment; 404 for anybody else's. Call inside a transaction."""
    comparison = (
        Comparison.objects.select_for_update(of=("self",))
        .filter(assignments__pk=assignment_id, assignments__labeller=seat.user, project=seat.project)
        .first()
    )
    if comparison is None:
        raise not_found("assignment")
    return comparison, Assignment.objects.get(pk=assignment_id)


@transaction.atomic
def skip(*, seat: Seat, assignment_id: int, reason: str) -> Assignment:
    """The labeller passes; the place is free for somebody else. Locks the comparison."""
    comparison, assignment = lock_for_labeller(seat=seat, assignment_id=assignment_id)
    if assignment.state == AssignmentState.SUBMITTED:
        raise DomainError("already_rated", "You have rated this comparison; it can no longer be skipped.")
    if assignment.state == AssignmentState.LEASED:
        Comparison.objects.filter(pk=comparison.pk).update(n_taken=F("n_taken") - 1)
    assignment.state, assignment.skip_reason = AssignmentState.SKIPPED, reason[:300]
    assignment.save(update_fields=["state", "skip_reason"])
    return assignment
