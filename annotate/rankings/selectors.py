"""Reads of rankings for their labeller."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from annotate.comparisons.selectors import COUNT_UP_TO
from annotate.projects.access import Seat
from annotate.rankings.models import RankingAnswer
from annotate.rankings.services import waiting_for


def labeller_progress(seat: Seat) -> dict[str, Any]:
    """How many rankings the labeller has made in this project, and how many wait for them, counted up to 200."""
    mine = RankingAnswer.objects.filter(labeller=seat.user, project=seat.project)
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    n_waiting = len(waiting_for(seat).values_list("id", flat=True)[: COUNT_UP_TO + 1])
    return {
        "ranked_today": mine.filter(created_at__gte=midnight).count(),
        "ranked_total": mine.count(),
        "available": min(n_waiting, COUNT_UP_TO),
        "available_is_capped": n_waiting > COUNT_UP_TO,
    }


def own_answers(seat: Seat) -> QuerySet[RankingAnswer]:
    return RankingAnswer.objects.filter(labeller=seat.user, project=seat.project).select_related(
        "assignment__ranking__prompt"
    )
