"""A researcher writes a constitution, has a judge rate by it, and sees how it compares with people."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.cast import PASSWORD, Cast, make_comparisons
from tests.e2e.test_accessibility import in_light_and_dark
from tests.training.judges.world import judge_them
from tests.training.ratings import rate
from training.judges.models import Judge, JudgeRun
from training.judges.services import update_report

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def test_from_a_constitution_to_ratings_that_count(cast: Cast, live_web: str, browser_page: Page) -> None:
    made = make_comparisons(cast.project, 110)
    for number, comparison in enumerate(made):
        rate(comparison, "ab"[number % 2], "ab"[number % 2])
    page, home = browser_page, f"{live_web}/projects/helpfulness"
    page.goto(f"{home}/judges")
    page.get_by_label("E-mail").fill(cast.researcher.email)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    page.get_by_role("main").get_by_role("link", name="Write a constitution").first.click()
    page.get_by_role("textbox", name="Name").fill("House rules")
    page.get_by_role("textbox", name="Principle 1").fill("Prefer the completion that answers the question.")
    page.get_by_role("button", name="Save the draft").click()
    page.get_by_role("button", name="Publish").click()
    found = in_light_and_dark(page)
    page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    expect(page.get_by_role("heading", name=re.compile("^Version 1"))).to_be_visible()

    page.get_by_role("link", name="AI labellers").click()
    page.mouse.move(700, 300)  # what is hovered over has colours of its own
    page.get_by_role("textbox", name="Directory of the model").fill("/models/judge")
    expect(page.get_by_text(re.compile(r"110 comparisons of 110: 110 judgements in 220 questions"))).to_be_visible()
    found += in_light_and_dark(page)
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("heading", name="Judge run 1")).to_be_visible()
    run = JudgeRun.objects.select_related("judge__version__constitution").get()
    assert (run.scope, run.judge.name) == ("rated", "path:/models/judge")

    # No worker has that model: what it would say, were it of one mind with people but once.
    judge_them(run.judge, [(one, 0.9 if at % 2 == 0 or at == 1 else 0.1) for at, one in enumerate(made)], run=run)
    update_report(judge=run.judge)
    page.goto(f"{home}/judges/{run.judge_id}")
    expect(page.get_by_role("heading", name="Beside people")).to_be_visible()
    expect(page.get_by_role("link", name=f"Comparison {made[1].pk}")).to_be_visible()
    found += in_light_and_dark(page)
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("Its ratings may be put into comparison sets.")).to_be_visible()
    assert Judge.objects.get().allowed_at is not None

    # Beside the comparison it is marked as what it is.
    page.goto(f"{home}/comparisons/{made[1].pk}")
    told = page.get_by_role("article", name="AI rating by /models/judge")
    expect(told.get_by_text("AI", exact=True)).to_be_visible()
    expect(told.get_by_text("House rules v1 · allowed")).to_be_visible()
    expect(told.get_by_role("img", name=re.compile(r"^Soft label of .*judge: A 90.?%, B 10.?%"))).to_be_visible()
    found += in_light_and_dark(page)
    told.get_by_role("link", name="/models/judge").click()

    # Compared anew by a worker, of which there is none here.
    page.get_by_role("button", name="Compare anew").click()
    expect(page.get_by_role("region", name="Comparing it anew").get_by_text("Waiting for a worker")).to_be_visible()
    found += in_light_and_dark(page)
    assert "\n".join(found) == ""

    page.set_viewport_size({"width": 390, "height": 800})
    parts = ("judges", f"judges/{run.judge_id}", f"judge-runs/{run.pk}")
    for path in (*parts, f"comparisons/{made[1].pk}", f"constitutions/{run.judge.version.constitution_id}"):
        page.goto(f"{home}/{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
