"""A researcher asks where it matters: starts a round, sees why what was chosen, what it brought, and takes it back."""

import re

import pytest
from playwright.sync_api import Page, expect

from annotate.common.processes import wait_until
from annotate.comparisons.models import Comparison
from tests.cast import PASSWORD, Cast
from tests.e2e.test_accessibility import in_light_and_dark, overflows
from tests.engine.conftest import tiny_base
from tests.live import CeleryWorkers
from tests.training.ratings import make_prompt, rate
from tests.training.reward.registered import make_model, save_models
from training.reward.models import RewardModelState

__all__ = ["tiny_base"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture
def served(cast: Cast, celery_workers: CeleryWorkers, live_web: str, tiny_base, tmp_path) -> str:
    """Address of the application, with 20 prompts of three completions each and a reward model in use."""
    for number in range(20):
        make_prompt(cast.project, f"What is {number} + 1?", [f"It is {number + 1}.", "Ask somebody else.", "No idea"])
    directory = save_models(tiny_base, tmp_path)["single"]
    make_model(cast.project, RewardModelState.PROMOTED, artifact_uri=str(directory))
    return live_web


def test_from_the_form_to_what_a_round_brought(cast: Cast, served: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(f"{served}/projects/helpfulness/sampling-rounds")
    page.get_by_label("E-mail").fill(cast.researcher.email)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="No sampling round yet")).to_be_visible()

    # The form says what the labels would take as it is filled in.
    page.get_by_role("button", name="Start a sampling round").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("60 pairs of 20 prompts to choose from.")).to_be_visible()
    dialog.get_by_label("Comparisons to ask for").fill("30")
    dialog.get_by_label("Of them at random, %").fill("40")
    expect(dialog.get_by_text("90 labels")).to_be_visible()
    dialog.get_by_role("combobox", name="How the round is spread over the pool").click()
    page.get_by_role("option", name="shares for clusters of prompts").click()
    expect(dialog.get_by_text("Small clusters get more than their size")).to_be_visible()
    dialog.get_by_role("button", name="Start", exact=True).click()

    # It is drawn by a worker; then the page says why.
    page.wait_for_url(re.compile(r"/sampling-rounds/\d+$"))
    table = page.get_by_role("table", name="Chosen comparisons")
    expect(table.get_by_role("row")).to_have_count(31, timeout=60_000)
    expect(page.get_by_text("Spread: shares for clusters of prompts.")).to_be_visible()
    expect(page.get_by_text("Their completions: 60 external.")).to_be_visible()
    expect(table.get_by_text("random", exact=True)).to_have_count(12)
    expect(table.get_by_text(re.compile("disagreement")).first).to_be_visible()
    expect(page.get_by_role("table", name="Coverage by cluster").get_by_role("row").nth(1)).to_be_visible()
    expect(page.get_by_text("Nobody has rated one of its comparisons yet.")).to_be_visible()

    # Ratings come in: both parts, with intervals.
    for comparison in Comparison.objects.filter(sampled_in__isnull=False).order_by("-priority")[:29]:
        rate(comparison, "a", "a")
    page.reload()
    parts = page.get_by_role("table", name="Both parts of the round")
    expect(parts.get_by_role("row", name=re.compile("Chosen by the rule"))).to_contain_text(re.compile(r"\d\s%.*to.*%"))
    expect(parts.get_by_role("row", name=re.compile("Drawn at random"))).to_contain_text(re.compile(r"1[12] of 12"))
    assert in_light_and_dark(page) == []
    page.set_viewport_size({"width": 390, "height": 800})
    assert wait_until(lambda: not overflows(page), 30)
    page.set_viewport_size({"width": 1280, "height": 900})

    # Taken back after a question, and put back.
    page.get_by_role("button", name="Withdraw").click()
    page.get_by_role("dialog").get_by_role("button", name="Withdraw it").click()
    expect(page.get_by_text("One comparison has left the top of the queue.")).to_be_visible()
    assert Comparison.objects.filter(sampled_in__isnull=False, priority=0).count() == 1
    page.get_by_role("button", name="Put back on top").click()
    expect(page.get_by_role("button", name="Withdraw", exact=True)).to_be_visible()
    assert not Comparison.objects.filter(sampled_in__isnull=False, priority=0).exists()

    page.get_by_role("link", name="Sampling", exact=True).click()
    row = page.get_by_role("table", name="Sampling rounds").get_by_role("row", name=re.compile("Round 1"))
    expect(row).to_contain_text("29 of 30")
    expect(row).to_contain_text("being labelled")
