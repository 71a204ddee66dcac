"""When the work will be done at the pace of the last days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

# Fewer completed comparisons than this say nothing of how many ratings an open one will want in the end.
MIN_COMPLETED = 20
# A date farther away than this is no forecast.
HORIZON_DAYS = 3650


@dataclass(frozen=True)
class Forecast:
    """per_day: ratings a day. days: until the work is done, 0 when it is; earliest, latest: with the interval's chance
    between them. None where it would not be within ten years.
    """

    per_day: float
    days: int | None
    earliest: int | None
    latest: int | None


def ratings_remaining(
    open_by_need: Mapping[tuple[int, int], int], completed: Mapping[int, int], *, min_completed: int = MIN_COMPLETED
) -> float:
    """Ratings that open comparisons will still take.

    open_by_need: how many open comparisons want w ratings and have r, by (w, r). completed: how many completed
    comparisons took n ratings, by n. A comparison that turns out to be disputed wants more than at first: one that
    wants w now is expected to take as many as the completed ones that took w or more did on average.
    """
    total = 0.0
    for (wanted, has), n in open_by_need.items():
        final = {took: times for took, times in completed.items() if took >= wanted}
        n_final = sum(final.values())
        mean = sum(took * times for took, times in final.items()) / n_final if n_final >= min_completed else wanted
        total += n * max(mean - has, 0.0)
    return total


def forecast(
    n_remaining: float,
    per_day: Sequence[int],
    *,
    confidence: float = 0.95,
    n_resamples: int = 500,
    seed: int = 0,
) -> Forecast:
    """From the ratings of each of the last days (D,), the quiet ones among them as 0.

    The days to come are taken to be as the last ones were. For the interval the last days are drawn with replacement
    (so the pace itself is uncertain), and the days to come are drawn from those.
    """
    days = np.asarray(per_day, dtype=np.float64)
    pace = float(days.mean()) if len(days) else 0.0
    if n_remaining <= 0:
        return Forecast(pace, 0, 0, 0)
    if pace <= 0:
        return Forecast(0.0, None, None, None)
    likely = ceil(n_remaining / pace)
    rng = np.random.default_rng(seed)
    horizon = min(HORIZON_DAYS, 4 * likely + 30)
    took = np.empty(n_resamples)
    for at in range(n_resamples):
        drawn = rng.choice(days, len(days))
        done = rng.choice(drawn, horizon).cumsum()
        took[at] = np.searchsorted(done, n_remaining) + 1 if done[-1] >= n_remaining else np.inf
    tail = (1 - confidence) / 2
    earliest, latest = np.quantile(took, [tail, 1 - tail], method="higher")
    return Forecast(pace, _within(likely), _within(earliest), _within(latest))


def _within(days: float) -> int | None:
    return int(days) if days <= HORIZON_DAYS else None
