"""A researcher asks whether the policy has drifted, waits for the worker, and reads the verdict."""

import re

import pytest
from playwright.sync_api import Page, expect

from annotate.common.processes import wait_until
from tests.cast import PASSWORD, Cast
from tests.e2e.test_accessibility import in_light_and_dark, overflows
from tests.engine.conftest import tiny_base
from tests.live import CeleryWorkers
from tests.training.drift.test_drift import model, shout, trained_on, weights, write_completions
from training.drift.models import DriftReport, Verdict
from training.reward.models import RewardModel

__all__ = ["model", "tiny_base", "trained_on", "weights"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def test_from_the_button_to_the_verdict(
    cast: Cast, model: RewardModel, celery_workers: CeleryWorkers, live_web: str, browser_page: Page
) -> None:
    write_completions(cast.project, 80, shout)
    page, home = browser_page, f"{live_web}/projects/helpfulness"
    page.goto(f"{home}/drift")
    page.get_by_label("E-mail").fill(cast.researcher.email)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("No drift report yet")).to_be_visible()
    page.get_by_role("button", name="Compare now").click()

    # The worker's progress, then what it found, and by what.
    page.wait_for_url(re.compile(r"/drift/\d+$"))
    expect(page.get_by_role("heading", name="Drift report 1")).to_be_visible()
    expect(page.get_by_role("progressbar", name=re.compile("Progress of"))).to_be_visible()
    measures = page.get_by_role("table", name="Measures")
    expect(measures).to_be_visible(timeout=240_000)
    verdict = page.get_by_role("alert").filter(has_text="Strong drift")
    expect(verdict).to_contain_text("the newest completions of the current policy (80 prompts)")
    told_apart = measures.get_by_role("row", name=re.compile("Told apart by a classifier"))
    expect(told_apart).to_contain_text("Strong drift")
    expect(page.get_by_role("heading", name="Lengths in characters")).to_be_visible()
    assert DriftReport.objects.get().verdict == Verdict.STRONG
    assert in_light_and_dark(page) == []
    page.set_viewport_size({"width": 390, "height": 800})
    assert wait_until(lambda: not overflows(page), 30)
    page.set_viewport_size({"width": 1280, "height": 900})

    # It stands on top of the list, which says by which model.
    page.get_by_role("navigation", name="Project").get_by_role("link", name="Drift", exact=True).click()
    expect(page.get_by_role("heading", name=f"Latest: report 1 on v{model.version}")).to_be_visible()
    row = page.get_by_role("table", name="Drift reports").get_by_role("row", name=re.compile("Drift report 1"))
    expect(row).to_contain_text("Strong drift")

    # Who may not train reads it, and starts none.
    page.context.clear_cookies()
    page.goto(f"{home}/drift")
    page.get_by_label("E-mail").fill(cast.reviewer.email)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Drift report 1")).to_be_visible()
    expect(page.get_by_role("button", name="Compare now")).to_have_count(0)
