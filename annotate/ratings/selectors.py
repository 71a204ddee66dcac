"""Reads of ratings and of the comparisons that carry them."""

from datetime import datetime, timedelta
from typing import Any

from django.core.cache import caches
from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.utils import timezone

from annotate.common.compiled import prepared
from annotate.common.errors import not_found
from annotate.comparisons.models import Assignment, AssignmentKind, Comparison, ComparisonState
from annotate.comparisons.selectors import n_available
from annotate.projects.access import Seat
from annotate.projects.models import Membership, Project
from annotate.ratings.models import Adjudication, Flag, Rating


def current(ratings: QuerySet[Rating]) -> QuerySet[Rating]:
    """Those that no later rating supersedes."""
    return ratings.filter(~Exists(Rating.objects.filter(supersedes=OuterRef("pk"))))


def counted(ratings: QuerySet[Rating]) -> QuerySet[Rating]:
    """Those that say something of the comparison: current, and one a labeller, so without repeats."""
    return current(ratings).filter(is_repeat=False)


def included(ratings: QuerySet[Rating]) -> QuerySet[Rating]:
    """Those that count for the project as a whole: `counted`, without those of members who are excluded from it."""
    excluded = Membership.objects.filter(
        project=OuterRef("project"), user=OuterRef("labeller"), excluded_at__isnull=False
    )
    return counted(ratings).filter(~Exists(excluded))


def _n_since(seat: Seat, midnight: datetime) -> int:
    with prepared() as cursor:
        cursor.execute(
            "SELECT count(*) FROM ratings_rating"
            " WHERE labeller_id = %s AND project_id = %s AND supersedes_id IS NULL AND created_at >= %s",
            [seat.user.pk, seat.project.pk, midnight],
        )
        return int(cursor.fetchone()[0])


def midnight() -> datetime:
    """When today began."""
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


def labeller_progress(seat: Seat, n_today: int | None = None) -> dict[str, Any]:
    """What the labeller has done in this project and what waits for them. What they did before today is counted once a
    day; a changed rating is no second one. `n_today` is their count of today where the caller knows it."""
    today = midnight()
    rated_before = caches["process"].get_or_set(
        f"rated-before-{today:%Y%m%d}-{seat.project.pk}-{seat.user.pk}",
        lambda: Rating.objects.filter(
            labeller=seat.user, project=seat.project, supersedes=None, created_at__lt=today
        ).count(),
        24 * 3600,
    )
    rated_today = _n_since(seat, today) if n_today is None else n_today
    available, is_capped = n_available(seat)
    gold = _gold_agreement(seat) if seat.project.is_gold_shown else None
    return {
        "rated_today": rated_today,
        "rated_total": (rated_before or 0) + rated_today,
        "available": available,
        "available_is_capped": is_capped,
        "gold": gold,
    }


def _gold_agreement(seat: Seat) -> dict[str, int]:
    """How many of the labeller's pairs with a known answer they answered as it is, by side.

    Told once the answers can no longer be changed: at once it would say which pair it was, and that it was missed.
    """
    final = timezone.now() - timedelta(minutes=seat.project.grace_minutes)
    answers = gold_answers(seat).filter(assignment__ratings__supersedes=None, assignment__ratings__created_at__lt=final)
    return answers.aggregate(n=Count("id"), n_right=Count("id", filter=Q(preferred=F("comparison__gold_preferred"))))


def gold_answers(seat: Seat) -> QuerySet[Rating]:
    """The caller's current answers to what has a known answer still."""
    return current(
        Rating.objects.filter(
            labeller=seat.user,
            project=seat.project,
            assignment__kind=AssignmentKind.GOLD,
            comparison__gold_preferred__isnull=False,
        )
    )


def own_ratings(seat: Seat) -> QuerySet[Rating]:
    """The caller's current ratings here, each with `first_at`, when its pair was first rated.

    Without the pairs of rankings, which are told as the rankings they came from (`rankings.selectors`).
    """
    first = Rating.objects.filter(assignment=OuterRef("assignment"), supersedes=None).values("created_at")
    return (
        current(Rating.objects.filter(labeller=seat.user, project=seat.project, ranking_id=None))
        .annotate(first_at=Subquery(first[:1]))
        .select_related("comparison__prompt", "assignment", "project")
    )


def can_correct(rating: Rating) -> bool:
    """Whether its labeller may still change it: within the grace window of its first version, and not settled.

    Reads `comparison` and `project`, and `first_at`, which `own_ratings` annotates.
    """
    first_at = getattr(rating, "first_at", rating.created_at)
    return rating.comparison.state != ComparisonState.ADJUDICATED and timezone.now() <= first_at + timedelta(
        minutes=rating.project.grace_minutes
    )


def own_assignment(seat: Seat, assignment_id: int) -> Assignment:
    """A pair that the caller has rated, with `rating`, their current one; 404 for any other."""
    rating = own_ratings(seat).filter(assignment_id=assignment_id).first()
    if rating is None:
        raise not_found("assignment")
    found = Assignment.objects.select_related("comparison__prompt", "comparison__a", "comparison__b").get(
        pk=assignment_id
    )
    found.rating = rating  # type: ignore[attr-defined]  # what the serializer shows beside the pair
    return found


SHOW = ("all", "split", "unrated", "gold", "flagged")


def comparisons(project: Project, show: str) -> QuerySet[Comparison]:
    """The comparisons of a project: all of them, or those that split labellers, are unrated, gold or flagged."""
    rows = Comparison.objects.filter(project=project).select_related("prompt")
    if show == "split":
        return rows.filter(n_dissenting__gt=0)
    if show == "unrated":
        return rows.filter(n_ratings=0)
    if show == "gold":
        return rows.filter(gold_preferred__isnull=False)
    if show == "flagged":
        return rows.filter(n_flags__gt=0)
    return rows


def comparison_detail(project: Project, comparison_id: int) -> Comparison:
    """One comparison with all that was said about it, superseded ratings included. A fixed number of queries."""
    found = (
        Comparison.objects.filter(project=project, pk=comparison_id)
        .select_related("prompt", "a__source", "b__source")
        .prefetch_related(
            Prefetch(
                "ratings",
                Rating.objects.select_related("labeller", "assignment", "guideline_version", "superseded_by").order_by(
                    "id"
                ),
            ),
            Prefetch("flags", Flag.objects.select_related("labeller").order_by("id")),
            Prefetch(
                "adjudications",
                Adjudication.objects.select_related("reviewer", "guideline_version").order_by("-id"),
            ),
        )
        .first()
    )
    if found is None:
        raise not_found("comparison")
    return found
