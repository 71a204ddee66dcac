"""A researcher has completions generated in the browser and sees what came of it."""

import pytest
from playwright.sync_api import expect

from annotate.common.processes import wait_until
from annotate.pool.models import Completion
from tests.cast import PASSWORD
from tests.training.ratings import make_prompt
from training.generation.models import Generation

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def fits(page) -> bool:
    """Whether nothing is wider than the window; what moves when the window is resized takes a moment."""
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_from_the_mix_to_the_texts(cast, live_web, browser_page, celery_workers):
    for number in range(9):
        make_prompt(cast.project, f"Question {number}?", [f"Answer {number} of the first kind", f"No {number}"])
    page = browser_page
    page.goto(f"{live_web}/projects/{cast.project.slug}/generations")
    page.get_by_label("E-mail").fill(cast.researcher.email)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Generate completions").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("9 prompts fit")).to_be_visible()
    # Choosing a system prompt brings one to start from.
    dialog.get_by_role("combobox", name="Found").first.click()
    page.get_by_role("option", name="adversarial, by a system prompt").click()
    assert dialog.get_by_label("System prompt").input_value().startswith("Write an answer")
    page.set_viewport_size({"width": 390, "height": 800})
    assert wait_until(lambda: fits(page), 30, 0.1)
    assert dialog.evaluate("one => one.scrollWidth <= one.clientWidth + 1")
    page.set_viewport_size({"width": 1280, "height": 900})
    # A small model would take its time: what comes from the pool alone does not.
    for _ in range(2):
        dialog.get_by_role("button", name="Remove source 1").click()
    expect(dialog.get_by_role("combobox", name="Source 1")).to_have_value("Another prompt's completion")
    dialog.get_by_label("How many prompts").fill("7")
    expect(dialog.get_by_text("7 prompts, at most 7 completions")).to_be_visible()
    dialog.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url("**/generations/*")
    sources = page.get_by_role("table", name="By source")
    expect(sources.get_by_role("row", name="another prompt's completion")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("succeeded")).to_be_visible(timeout=60_000)
    generation = Generation.objects.get()
    assert generation.counts["written"] == Completion.objects.filter(generated_in__generation=generation).count() == 7
    page.set_viewport_size({"width": 390, "height": 800})
    assert wait_until(lambda: fits(page), 30, 0.1)
