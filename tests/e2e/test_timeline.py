"""A researcher looks whether refreshing works: the chart, every model on every batch, what it cost."""

import re
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from annotate.ratings.models import RatingOrigin
from tests.cast import PASSWORD, Cast, make_comparisons
from tests.e2e.test_accessibility import in_light_and_dark, violations
from tests.training.ratings import rate
from tests.training.refresh.test_timeline import engine_report, make_refresh
from tests.training.reward.registered import make_model
from tests.training.sampling.conftest import draw
from training.drift.models import DriftReport
from training.refresh.models import RefreshCycle
from training.reward.models import RewardModelState

__all__ = ["draw"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def make_refreshes(cast: Cast, draw) -> None:
    """Five refreshes: each brings a batch of its own, and its model is better on it than the model before."""
    random = np.random.default_rng(1)
    cast.project.pay_per_hour, cast.project.currency = 20, "EUR"
    cast.project.save()
    for number in range(1, 6):
        batch = np.repeat(np.arange(number), 160)
        intensity = random.integers(1, 5, len(batch))
        share = 0.5 + 0.02 * number + 0.09 * (intensity - 1) - 0.02 * (batch == number - 1)
        right = (random.random(len(batch)) < share).tolist()
        sides = [[1, 1, 1 if one else -1] for one in random.random(len(batch)) < 0.8]
        report = engine_report(batch.tolist(), intensity.astype(float).tolist(), right, sides=sides)
        state = RewardModelState.CANDIDATE if number > 1 else RewardModelState.PROMOTED
        model = make_model(cast.project, state, report=report)
        fields: dict[str, Any] = {"reward_model": model}
        if number > 1:
            made = make_comparisons(cast.project, 24)
            fields["sampling_round"] = draw(made, random=tuple(range(12)), gaps=[1.0] * 24)
            for comparison in made[:20]:
                rate(comparison, "a", "a", "b", active_ms=45_000, origin=RatingOrigin.SIMULATED)
            measures = [{"name": "classifier", "value": 0.71, "low": 0.64, "high": 0.78}]
            fields["drift_report"] = DriftReport.objects.create(
                project=cast.project, number=number, reward_model=model, verdict="some",
                finished_at=timezone.now(), report={"measures": measures},
            )  # fmt: skip
        cycle = make_refresh(cast.project, **fields)
        began = timezone.now() - timedelta(days=7 * (6 - number))
        RefreshCycle.objects.filter(pk=cycle.pk).update(created_at=began)


def test_from_the_chart_to_what_a_refresh_cost(cast: Cast, live_web: str, browser_page: Page, draw) -> None:
    page = browser_page
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{live_web}/projects/helpfulness/refreshes/timeline")
    page.get_by_label("E-mail").fill(cast.researcher.email)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="No refresh yet")).to_be_visible()
    found = in_light_and_dark(page)

    make_refreshes(cast, draw)
    page.reload()
    # A point for each refresh on the line of all, and on that of each of four intensities.
    chart = page.get_by_role("region", name="Held-out accuracy by refresh")
    expect(chart.locator("svg circle")).to_have_count(25)
    expect(chart.locator("path.recharts-area-area")).to_have_count(1)
    found += in_light_and_dark(page)

    # Every model on every batch; the batch of the refresh itself stands out.
    table = page.get_by_role("table", name="Accuracy by batch")
    expect(table.get_by_role("row")).to_have_count(6)
    expect(
        table.get_by_title(re.compile(r"^v5, Round 4: \d+\.\d.%; 95 % interval .*; 160 comparisons"))
    ).to_be_visible()
    expect(table.get_by_title("v1, Round 4: not judged")).to_be_visible()

    # One intensity by itself, with the keyboard alone; the address keeps it.
    page.get_by_role("radio", name="All intensities").focus()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"\?intensity=4$"))
    expect(table.get_by_title(re.compile("^v5, Round 4, significantly better: "))).to_be_visible()

    # The chart's numbers as a table, which leads on.
    page.get_by_role("button", name="Show as table: Held-out accuracy by refresh").focus()
    page.keyboard.press("Enter")
    numbers = page.get_by_role("table", name="Held-out accuracy by refresh")
    expect(numbers.get_by_role("row")).to_have_count(6)
    found += in_light_and_dark(page)

    costs = page.get_by_role("table", name="What each refresh found and cost")
    latest = costs.get_by_role("row").nth(1)
    expect(latest).to_contain_text("20 of 24 labelled")
    expect(latest).to_contain_text("Some drift")
    expect(latest).to_contain_text("€15.00")  # 60 ratings of 45 s at 20 an hour
    expect(costs.get_by_role("row").last).to_contain_text("€60.00")

    for width, height in (390, 844), (320, 568):
        page.set_viewport_size({"width": width, "height": height})
        # The frame of the page moves aside first, where it has to.
        page.wait_for_function("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        found += violations(page)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_role("link", name="All refreshes").click()
    expect(page.get_by_role("table", name="Refreshes")).to_be_visible()
    assert not found, "\n".join(found)
