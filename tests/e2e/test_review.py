"""A reviewer's hour: from the overview to a pair that labellers dispute, to its verdict and to clearer guidelines."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from annotate.agreement.models import ComparisonAnswer
from annotate.comparisons.models import Comparison, ComparisonState
from annotate.guidelines.models import GuidelineDraft, GuidelineVersion
from annotate.projects.models import AuditEvent, Message, Project
from annotate.ratings.models import Adjudication, Rating

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

RATIONALE = "The other one says less, and what it says is wrong."


def shown_comparison(page: Page) -> Comparison:
    """The one on the screen, by the page's heading."""
    heading = page.get_by_role("heading", level=1, name=re.compile(r"^Comparison \d+$"))
    return Comparison.objects.get(pk=int(heading.inner_text().split()[1]))


def test_a_disputed_pair_becomes_gold_and_a_worked_example(seeded: str, sign_in: Any) -> None:
    project = Project.objects.get(slug="demo-helpfulness")
    assert ComparisonAnswer.objects.filter(project=project, reasons__contains=["split"]).count() > 2
    current = project.guideline_versions.order_by("-number")[0]

    # From the overview to the queue, narrowed down to split votes.
    page = sign_in(seeded, "reviewer")
    page.goto(f"{seeded}/projects/{project.slug}")
    page.get_by_role("navigation", name="Project").get_by_role("link", name="Disagreements").click()
    page.get_by_role("combobox", name="Reason").click()
    page.get_by_role("option", name="Labellers split", exact=True).click()
    expect(page).to_have_url(re.compile("reason=split"))
    queue = page.get_by_role("table", name="Disagreements")
    expect(queue.get_by_text(re.compile(r"^Labellers split")).first).to_be_visible()
    queue.get_by_role("link").first.click()
    expect(page.get_by_text(re.compile(r"^1 of the first \d+"))).to_be_visible()

    # All that there is to know: every rating, and what they say together.
    comparison = shown_comparison(page)
    assert comparison.n_a > 0 and comparison.n_b > 0
    ratings = page.get_by_role("table", name="Ratings").get_by_role("row")
    assert ratings.count() == 1 + Rating.objects.filter(comparison=comparison).count()
    expect(page.get_by_role("img", name=re.compile("^All ratings together: A"))).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="Labellers split")).to_be_visible()

    # The verdict on labelling's keys, with two of the steps that can follow from it; what is typed in a field is text.
    page.keyboard.press("2")
    expect(page.get_by_role("button", name="A better (2)")).to_have_attribute("aria-pressed", "true")
    assert not comparison.adjudications.exists()
    page.get_by_role("combobox", name="Section of the guidelines").click()
    page.get_by_role("option", name="Traps").click()
    page.get_by_role("checkbox", name="Make it gold").check()
    page.get_by_role("checkbox", name="Make it a worked example").check()
    page.get_by_role("textbox", name="Reason in the guidelines").fill(RATIONALE)
    page.get_by_role("checkbox", name="Note for the next guidelines").check()
    page.get_by_role("textbox", name="What they should say").fill("Say what 2 or 8 wrong facts weigh.")
    page.keyboard.press("Control+Enter")

    # The next one comes by itself.
    expect(page.get_by_text("Settled: A better.")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^2 of the first \d+"))).to_be_visible()
    assert shown_comparison(page) != comparison
    comparison.refresh_from_db()
    assert (comparison.gold_preferred, comparison.gold_intensity, comparison.state) == ("a", 3, ComparisonState.CLOSED)
    verdict = Adjudication.objects.get(comparison=comparison)
    assert (verdict.verdict, verdict.intensity, verdict.guideline_section) == ("a", 3, "Traps")
    draft = GuidelineDraft.objects.get(project=project)
    assert [one["rationale"] for one in draft.examples if one["comparison"] == comparison.pk] == [RATIONALE]
    assert [note["comparison"] for note in draft.notes] == [comparison.pk]

    # The second one by keys alone.
    second = shown_comparison(page)
    page.keyboard.press("x")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Settled: Not a valid comparison.")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^3 of the first \d+"))).to_be_visible()
    assert Adjudication.objects.get(comparison=second).verdict == "invalid"

    # The draft has the example and the note; what is written into it is saved, then published.
    page.get_by_role("navigation", name="Project").get_by_role("link", name="Guidelines").click()
    page.get_by_role("link", name="Go on with the draft").click()
    expect(page.get_by_role("link", name=f"From comparison {comparison.pk}")).to_be_visible()
    page.get_by_role("tab", name="Notes (1)").click()
    expect(page.get_by_text("Say what 2 or 8 wrong facts weigh.")).to_be_visible()
    page.get_by_role("tab", name="Write").click()
    text = page.get_by_label(re.compile("^Text"))
    text.fill(text.input_value() + "\n\nOne wrong fact weighs more than a missing one.\n")
    expect(page.get_by_text(re.compile(r"^Saved \d"))).to_be_visible()
    draft.refresh_from_db()
    assert "One wrong fact weighs more" in draft.body
    page.get_by_label("What changed").fill("Wrong facts.")
    page.get_by_role("button", name=f"Publish version {current.number + 1}").click()
    expect(page.get_by_text(f"Version {current.number + 1} is published.")).to_be_visible()
    assert not GuidelineDraft.objects.filter(project=project).exists()
    version = GuidelineVersion.objects.get(project=project, number=current.number + 1)
    assert version.examples.get(rationale=RATIONALE).comparison == comparison
    page.get_by_role("link", name="Watch the effect").click()
    expect(page.get_by_role("heading", level=1, name="Agreement")).to_be_visible()

    # All of it is in the audit, which is searched by its words.
    page.get_by_role("navigation", name="Project").get_by_role("link", name="Audit").click()
    page.get_by_role("searchbox", name="Words").fill(f"Comparison {comparison.pk}")
    expect(page).to_have_url(re.compile(rf"q=Comparison(\+|%20){comparison.pk}"))
    about_it = page.get_by_role("table", name="Audit").get_by_role("row").filter(has_text=f"Comparison {comparison.pk}")
    expect(about_it.filter(has_text="Comparison settled")).to_have_count(1)
    expect(about_it.filter(has_text="Known answer given")).to_have_count(1)
    assert AuditEvent.objects.filter(project=project, action="guidelines.published").exists()


def test_two_who_write_guidelines_do_not_write_over_each_other(seeded: str, sign_in: Any) -> None:
    project = Project.objects.get(slug="demo-helpfulness")
    page = sign_in(seeded, "reviewer")
    page.goto(f"{seeded}/projects/{project.slug}/guidelines/edit")
    text = page.get_by_label(re.compile("^Text"))
    text.fill("Be kind.")
    expect(page.get_by_text(re.compile(r"^Saved \d"))).to_be_visible()
    other = page.context.new_page()
    other.goto(f"{seeded}/projects/{project.slug}/guidelines/edit")
    expect(other.get_by_label(re.compile("^Text"))).to_have_value("Be kind.")
    other.get_by_label(re.compile("^Text")).fill("Be kind and brief.")
    expect(other.get_by_text(re.compile(r"^Saved \d"))).to_be_visible()
    text.fill("Be clear.")
    expect(page.get_by_text("has saved the draft meanwhile")).to_be_visible()
    assert GuidelineDraft.objects.get(project=project).body == "Be kind and brief."
    page.get_by_role("button", name="Load theirs").click()
    expect(text).to_have_value("Be kind and brief.")


def test_a_labeller_reads_what_a_reviewer_wrote(seeded: str, sign_in: Any) -> None:
    project = Project.objects.get(slug="demo-helpfulness")
    page = sign_in(seeded, "labeller")
    lena = project.memberships.get(user__email="labeller@demo.example").user
    rosa = project.memberships.get(user__email="reviewer@demo.example").user
    Message.objects.filter(recipient=lena).delete()
    message = Message.objects.create(project=project, sender=rosa, recipient=lena, text="Take your time with code.")
    page.goto(f"{seeded}/projects/{project.slug}/label")
    notice = page.get_by_role("region", name="Messages from the reviewers")
    expect(notice.get_by_text("Take your time with code.")).to_be_visible()
    page.goto(f"{seeded}/projects/{project.slug}")
    notice.get_by_role("button", name="Mark as read").click()
    expect(notice).to_have_count(0)
    message.refresh_from_db()
    assert message.read_at is not None
    page.goto(f"{seeded}/projects/{project.slug}/my-ratings")
    expect(page.get_by_text("Take your time with code.")).to_be_visible()
