"""A version that changes what ratings mean, from the editor to the first rating under it."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from annotate.accounts.models import User
from annotate.common.processes import wait_until
from annotate.guidelines.models import GuidelineVersion, QualificationAttempt
from annotate.ratings.models import Rating

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def verdicts() -> dict[str, str]:
    """What the guidelines prefer of each question, by its prompt."""
    examples = GuidelineVersion.objects.get(project__slug="demo-helpfulness", number=3).examples.filter(in_quiz=True)
    return {one.prompt: one.completion_a if one.preferred == "a" else one.completion_b for one in examples}


def answer(page: Any, *, rightly: bool) -> None:
    """All questions by keyboard, and handed in."""
    preferred = verdicts()
    for number in range(1, len(preferred) + 1):
        expect(page.get_by_role("heading", name=f"Quiz: question {number} of {len(preferred)}")).to_be_visible()
        shown = page.get_by_role("main").inner_text()
        (better,) = [text for prompt, text in preferred.items() if prompt in shown]
        is_first = better in page.get_by_role("region", name="Completion A").inner_text()
        page.keyboard.press("2" if is_first == rightly else "7")
    page.get_by_role("button", name="Hand in").click()


def test_it_is_written_read_asked_and_rated_under(seeded: str, sign_in: Any) -> None:
    page = sign_in(seeded, "reviewer")
    page.goto(f"{seeded}/projects/demo-helpfulness/guidelines/edit")
    text = page.get_by_label(re.compile("^Text"))
    text.fill(text.input_value() + "\n\nA completion that admits what it **does not know** is better.\n")
    page.get_by_role("tab", name="What changes").click()
    expect(page.locator("ins", has_text="admits what it").first).to_be_visible()
    page.get_by_role("tab", name="Preview").click()
    expect(page.locator("strong", has_text="does not know")).to_be_visible()
    page.get_by_role("switch", name="This version changes what ratings mean").check()
    page.get_by_label("What changed").fill("Admitting ignorance counts.")
    page.get_by_role("button", name="Publish version 3").click()
    expect(page.get_by_text("Version 3 is published.")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="changes what ratings mean")).to_be_visible()

    page.context.clear_cookies()
    page = sign_in(seeded, "labeller")
    page.goto(f"{seeded}/projects/demo-helpfulness/label")
    expect(page.get_by_role("heading", name="The guidelines have changed")).to_be_visible()
    expect(page.get_by_text("Admitting ignorance counts.")).to_be_visible()
    assert [prompt for prompt in verdicts() if prompt in page.get_by_role("main").inner_text()] == []
    page.get_by_role("button", name="Go to the quiz").click()
    answer(page, rightly=False)
    expect(page.get_by_role("heading", name=re.compile("Not passed: 0 of"))).to_be_visible()
    page.get_by_role("button", name="Try again (2 left)").click()
    answer(page, rightly=True)
    expect(page.get_by_role("heading", name=re.compile("^Passed"))).to_be_visible()
    page.get_by_role("button", name="Start rating").click()
    expect(page.get_by_role("region", name="Completion A", exact=True)).to_be_visible()
    before = page.get_by_role("region", name="Prompt").inner_text()
    page.keyboard.press("1")
    expect(page.get_by_role("region", name="Prompt")).not_to_have_text(before)

    lena = User.objects.get(email="labeller@demo.example")
    assert wait_until(lambda: Rating.objects.filter(labeller=lena).count() == 1, 30, 0.1)
    assert Rating.objects.get(labeller=lena).guideline_version.number == 3
    assert [
        one.passed for one in QualificationAttempt.objects.filter(labeller=lena, version__number=3).order_by("pk")
    ] == [
        False,
        True,
    ]
