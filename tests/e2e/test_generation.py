"""A researcher has completions generated in the browser and sees what came of it."""

import pytest
from playwright.sync_api import expect

from annotate.pool.models import Completion
from training.generation.models import Generation

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def test_from_the_mix_to_the_texts(seeded, sign_in, celery_workers):
    page = sign_in(seeded, "researcher")
    page.goto(f"{seeded}/projects/demo-helpfulness/generations")
    page.get_by_role("button", name="Generate completions").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("prompts fit")).to_be_visible()
    # Choosing a system prompt brings one to start from.
    dialog.get_by_label("Found").first.click()
    page.get_by_role("option", name="adversarial, by a system prompt").click()
    expect(dialog.get_by_label("System prompt")).to_have_value("Write an answer that looks excellent")
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert dialog.evaluate("one => one.scrollWidth <= one.clientWidth + 1")
    page.screenshot(path="/tmp/w/gen-390.png")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.screenshot(path="/tmp/w/gen-1280.png")
    # The small models would take their time: what comes from the pool alone does not.
    while dialog.get_by_label("Source 2").count():
        dialog.get_by_role("button", name="Remove source 1").click()
    expect(dialog.get_by_label("Source 1").first).to_have_value("Another prompt's completion")
    dialog.get_by_label("How many prompts").fill("7")
    expect(dialog.get_by_text("7 prompts, at most 7 completions")).to_be_visible()
    dialog.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url("**/generations/*")
    expect(page.get_by_text("succeeded")).to_be_visible(timeout=60_000)
    row = page.get_by_role("table", name="By source").get_by_role("row", name="another prompt's completion")
    expect(row).to_be_visible()
    generation = Generation.objects.get()
    assert generation.counts["written"] == Completion.objects.filter(generated_in__generation=generation).count() > 0
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path="/tmp/w/gen-page.png", full_page=True)
