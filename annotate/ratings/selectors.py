"""Reads of ratings and of the comparisons that carry them."""

from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.utils import timezone

from annotate.common.errors import not_found
from annotate.comparisons.models import Comparison
from annotate.comparisons.selectors import n_available
from annotate.projects.access import Seat
from annotate.projects.models import Project
from annotate.ratings.models import Adjudication, Flag, Rating


def current(ratings: QuerySet[Rating]) -> QuerySet[Rating]:
    """Those that no later rating supersedes."""
    return ratings.filter(~Exists(Rating.objects.filter(supersedes=OuterRef("pk"))))


def labeller_progress(seat: Seat) -> dict[str, Any]:
    """What the labeller has done in this project and what waits for them."""
    mine = Rating.objects.filter(labeller=seat.user, project=seat.project)
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    available, is_capped = n_available(seat)
    return {
        "rated_today": mine.filter(created_at__gte=midnight).count(),
        "rated_total": mine.count(),
        "available": available,
        "available_is_capped": is_capped,
    }


def own_ratings(seat: Seat) -> QuerySet[Rating]:
    return current(Rating.objects.filter(labeller=seat.user, project=seat.project)).select_related(
        "comparison__prompt", "assignment"
    )


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
            Prefetch("adjudications", Adjudication.objects.select_related("reviewer").order_by("-id")),
        )
        .first()
    )
    if found is None:
        raise not_found("comparison")
    return found
