"""How far the labelling of a round is, and when it will be done at the pace of the last days."""

import math
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Q
from django.utils import timezone

from annotate.agreement.metrics.forecast import Forecast, forecast
from annotate.agreement.selectors import recent_pace
from annotate.comparisons.models import ComparisonState
from annotate.projects.models import Project
from training.refresh.config import LabellingOptions
from training.sampling.models import SampledComparison, SamplingRound


@dataclass(frozen=True)
class Labelling:
    """n_asked: comparisons of the round that stand in the queue or stood there; n_labelled of them need no rating any
    more (complete, settled by a reviewer, or closed); n_target are to be. ratings_missing: until the target, those
    nearest to their end first."""

    n_asked: int
    n_labelled: int
    n_target: int
    ratings_missing: int

    @property
    def is_met(self) -> bool:
        return self.n_labelled >= self.n_target

    def told(self) -> str:
        done = f"{self.n_labelled} of {self.n_asked} comparisons are labelled"
        if self.is_met:
            return f"{done}; {self.n_target} were to be."
        return f"{done}; the refresh goes on at {self.n_target}."


def labelling_of(sampling_round: SamplingRound, options: LabellingOptions) -> Labelling:
    """Two queries, over the round's own comparisons alone."""
    asked = SampledComparison.objects.filter(sampling_round=sampling_round, is_withdrawn=False)
    is_open = Q(comparison__state=ComparisonState.OPEN)
    counts = asked.aggregate(n=Count("pk"), n_open=Count("pk", filter=is_open))
    n_asked, n_labelled = counts["n"], counts["n"] - counts["n_open"]
    # A share such as 0.9 is a little more or less than it says: a hundredth of a comparison is none.
    n_target = math.ceil(n_asked * options.target_share - 0.01)
    n_missing = max(0, n_target - n_labelled)
    nearest = asked.filter(is_open).annotate(missing=F("comparison__n_wanted") - F("comparison__n_ratings"))
    ratings = sum(max(1, n) for n in nearest.order_by("missing").values_list("missing", flat=True)[:n_missing])
    return Labelling(n_asked, n_labelled, n_target, ratings)


def when_done(project: Project, ratings_missing: int) -> Forecast:
    """At the pace of the last two weeks."""
    return forecast(ratings_missing, recent_pace(project))


def is_too_late(options: LabellingOptions, since: datetime | None) -> bool:
    """Whether the days are over that people were given."""
    if options.max_days is None or since is None:
        return False
    return timezone.now() >= since + timedelta(days=options.max_days)


def as_json(project: Project, found: Labelling) -> dict[str, Any]:
    """The labelling and its forecast, days counted from today."""
    later = when_done(project, found.ratings_missing)
    return asdict(found) | {
        "is_met": found.is_met,
        "per_day": later.per_day,
        "days": later.days,
        "earliest": later.earliest,
        "latest": later.latest,
    }
