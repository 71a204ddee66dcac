"""When the work is done: what is expected, and that the interval holds what happens."""

from datetime import date

import numpy as np
import pytest

from annotate.agreement.metrics.forecast import forecast, ratings_remaining


def test_an_even_pace_gives_the_day_without_doubt() -> None:
    found = forecast(95, [10] * 14)
    assert (found.per_day, found.days, found.earliest, found.latest) == (10.0, 10, 10, 10)


def test_nothing_left_is_done_today_and_no_pace_never() -> None:
    assert forecast(0, [3, 4]).days == 0
    found = forecast(5, [0, 0, 0])
    assert (found.per_day, found.days, found.latest) == (0.0, None, None)
    assert forecast(5, []).days is None
    assert forecast(10**7, [1, 0]).days is None, "nobody plans for so long"


def test_the_same_days_give_the_same_forecast() -> None:
    assert forecast(1000, [3, 80, 0, 41, 7], seed=1) == forecast(1000, [3, 80, 0, 41, 7], seed=1)


def test_an_uneven_pace_widens_the_interval() -> None:
    even, uneven = forecast(1000, [50] * 14), forecast(1000, [0, 100] * 7)
    assert even.days == uneven.days == 20
    assert even.latest is not None and uneven.earliest is not None and uneven.latest is not None
    assert uneven.earliest < 20 < uneven.latest
    assert uneven.latest - uneven.earliest > 5


def test_what_happens_lies_in_the_interval_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for seed in range(200):
        past = rng.poisson(rng.gamma(4, 10, 14))
        future = rng.poisson(rng.gamma(4, 10, 400)).cumsum()
        happened = int(np.searchsorted(future, 1200)) + 1
        found = forecast(1200, past.tolist(), n_resamples=200, seed=seed)
        assert found.earliest is not None and found.latest is not None
        hits += found.earliest <= happened <= found.latest
    assert hits >= 170, f"{hits} of 200"


def test_disputed_comparisons_take_more_than_they_want_at_first() -> None:
    completed = {3: 60, 5: 40}
    # Of those that want 3, four in ten end at 5; who wants 5 takes 5.
    assert ratings_remaining({(3, 0): 10}, completed) == pytest.approx(10 * 3.8)
    assert ratings_remaining({(3, 2): 1, (5, 4): 2}, completed) == pytest.approx(1.8 + 2)
    assert ratings_remaining({(3, 1): 10}, {3: 5}) == 20, "too few completed ones to learn from"
    assert ratings_remaining({(3, 4): 2}, {}) == 0


def test_dates_are_counted_from_the_day_of_the_snapshot() -> None:
    from annotate.agreement.snapshots import day_after

    assert day_after(date(2026, 2, 27), 2) == "2026-03-01"
    assert day_after(date(2026, 2, 27), None) is None
