"""Somebody rates ten pairs by keyboard, and a reviewer sees them counted."""

import re
from uuid import UUID

import pytest
from playwright.sync_api import expect

from annotate.accounts.models import User
from annotate.common.processes import wait_until
from annotate.comparisons.models import Assignment
from annotate.projects.models import Project
from annotate.ratings.models import Rating

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
KEYS = "1827364512"


def today(page, n):
    """The counter on the screen, not what is announced to screen readers."""
    return page.get_by_text(re.compile(rf"^{n} today ·"))


def test_ten_pairs_by_keyboard_are_seen_in_agreement(seeded, sign_in, celery_workers):
    before = Rating.objects.filter(project__slug="demo-helpfulness", is_repeat=False).count()
    page = sign_in(seeded, "labeller")
    page.get_by_role("link", name="Demo: helpfulness").click()
    page.get_by_role("link", name="Label", exact=True).first.click()
    for n, key in enumerate(KEYS, start=1):
        expect(page.get_by_role("region", name="Completion A", exact=True)).to_be_visible()
        expect(page.get_by_role("region", name="Completion B", exact=True)).to_be_visible()
        page.keyboard.press(key)
        expect(today(page, n)).to_be_visible()
    page.get_by_role("button", name="Open navigation").or_(
        page.get_by_role("link", name="Demo: helpfulness")
    ).first.click()
    page.get_by_role("link", name="My ratings").click()
    expect(page.get_by_role("table").get_by_role("row")).to_have_count(11)

    lena = User.objects.get(email="labeller@demo.example")
    assert wait_until(lambda: Rating.objects.filter(labeller=lena).count() == 10, 30, 0.1)
    ratings = list(Rating.objects.filter(labeller=lena).select_related("assignment").order_by("id"))
    assert [rating.intensity for rating in ratings] == [
        {"1": 4, "2": 3, "3": 2, "4": 1}.get(key) or int(key) - 4 for key in KEYS
    ]
    for rating, key in zip(ratings, KEYS, strict=True):
        shown_first = rating.preferred == rating.assignment.first
        assert shown_first == (int(key) <= 4), "keys 1 to 4 are for the completion on the left"
        assert isinstance(rating.client_id, UUID) and rating.guideline_version.number == 2
    assert not Assignment.objects.filter(labeller=lena, state="submitted").exclude(ratings__in=ratings).exists()

    page.context.clear_cookies()
    page = sign_in(seeded, "owner")
    page.goto(f"{seeded}/projects/demo-helpfulness/agreement")
    # By itself it is computed anew after ten times as long as the last time took, which on a busy machine is minutes.
    page.get_by_role("button", name="Recompute").click()
    expect(page.get_by_text(f"{before + 10:,} ratings by 9 labellers")).to_be_visible(timeout=90_000)
    page.goto(f"{seeded}/projects/demo-helpfulness/labellers")
    row = page.get_by_role("table", name="Labellers").get_by_role("row", name=lena.pseudonym)
    expect(row.get_by_role("cell").nth(1)).to_have_text("10")


def test_a_lost_connection_loses_no_rating(seeded, sign_in):
    page = sign_in(seeded, "labeller")
    page.goto(f"{seeded}/projects/demo-helpfulness/label")
    expect(page.get_by_role("region", name="Completion A", exact=True)).to_be_visible()
    page.keyboard.press("1")
    expect(today(page, 1)).to_be_visible()
    lena = User.objects.get(email="labeller@demo.example")
    assert wait_until(lambda: Rating.objects.filter(labeller=lena).count() == 1, 30, 0.1)
    page.context.set_offline(True)
    page.keyboard.press("2")
    expect(today(page, 2)).to_be_visible()
    page.keyboard.press("7")
    expect(today(page, 3)).to_be_visible()
    expect(page.get_by_text("2 unsent").first).to_be_visible()
    assert Rating.objects.filter(labeller=lena).count() == 1
    page.context.set_offline(False)
    expect(page.get_by_text("unsent")).to_have_count(0, timeout=20_000)
    expect(today(page, 3)).to_be_visible()
    assert wait_until(lambda: Rating.objects.filter(labeller=lena).count() == 3, 30, 0.1)


def test_an_admin_makes_a_project_imports_a_file_and_invites(seeded, sign_in, celery_workers, tmp_path):
    page = sign_in(seeded, "owner")
    page.get_by_role("link", name="New project").click()
    page.get_by_label("Name").first.fill("Colours")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="Colours")).to_be_visible()
    project = Project.objects.get(name="Colours")

    file = tmp_path / "colours.csv"
    file.write_text("prompt,chosen,rejected\nName a colour.,Blue.,Seven.\nName another.,Red.,\n")
    page.goto(f"{seeded}/projects/{project.slug}/imports")
    page.set_input_files("input[type=file]", str(file))
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("succeeded")).to_be_visible(timeout=30_000)
    row = page.get_by_role("row", name="rejected")
    expect(row).to_contain_text("3")
    assert project.comparisons.count() == 1

    page.goto(f"{seeded}/projects/{project.slug}/members")
    page.get_by_role("button", name="Invite").click()
    page.get_by_label("E-mail").fill("new@example.org")
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Invite|Make")).click()
    expect(page.get_by_text(re.compile(r"/invitations/\S+")).first).to_be_visible()
    assert project.invitations.get().email == "new@example.org"
