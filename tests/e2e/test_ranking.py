"""Somebody ranks four completions by keyboard, and four by drag; the ratings of all the pairs are in the database."""

import re
from collections.abc import Callable
from itertools import combinations

import pytest
from playwright.sync_api import Page, expect

from annotate.common.processes import wait_until
from annotate.rankings.models import RankingAnswer, RankingAssignment
from annotate.ratings.models import Rating
from tests.annotate.rankings.conftest import make_rankings
from tests.cast import PASSWORD, Cast
from tests.e2e.test_accessibility import in_light_and_dark, overflows, violations

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

Open = Callable[..., Page]
CARD = "ABCD"


@pytest.fixture
def ranking(cast: Cast, live_web: str, browser_page: Page) -> Open:
    """The ranking page of a labeller with some rankings of four completions waiting."""

    def act(n: int = 3, **settings: object) -> Page:
        for name, value in settings.items():
            setattr(cast.project, name, value)
        cast.project.save()
        make_rankings(cast.project, n)
        page = browser_page
        page.goto(f"{live_web}/projects/{cast.project.slug}")
        page.get_by_label("E-mail").fill(cast.labeller.email)
        page.get_by_role("textbox", name="Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name="Ranking", exact=True).click()
        expect(order(page)).to_have_text("A > B > C > D")
        return page

    return act


def order(page: Page):
    return page.get_by_test_id("order")


def place_of(tiers: str) -> dict[str, int]:
    """ "D > A > C = B": the place of each letter."""
    return {letter: number for number, tier in enumerate(tiers.split(" > ")) for letter in tier.split(" = ")}


def assert_stored(assignment: RankingAssignment, tiers: str) -> None:
    """The answer has these tiers, and there is one rating of each pair that says the same."""
    assert wait_until(lambda: RankingAnswer.objects.filter(assignment=assignment).exists(), 30, 0.1)
    answer = RankingAnswer.objects.get(assignment=assignment)
    shown = [[CARD[assignment.order.index(pk)] for pk in tier] for tier in answer.tiers]
    assert shown == [tier.split(" = ") for tier in tiers.split(" > ")]
    place = place_of(tiers)
    ratings = Rating.objects.filter(ranking_id=answer.client_id).select_related("comparison")
    said = {(one.comparison.a_id, one.comparison.b_id): one.preferred for one in ratings}
    expected = {}
    for a, b in combinations(sorted(assignment.order), 2):
        mine, other = (place[CARD[assignment.order.index(pk)]] for pk in (a, b))
        expected[a, b] = "tie" if mine == other else "a" if mine < other else "b"
    assert said == expected
    assert len(ratings) == 6


def test_by_keyboard(cast: Cast, ranking: Open) -> None:
    page = ranking(ties_allowed=True)
    first, second, *_ = RankingAssignment.objects.filter(labeller=cast.labeller).order_by("id")
    for keys, then in (
        ("D1", "D > A > B > C"),
        (["c", "ArrowUp"], "D > A > C > B"),
        ("bt", "D > A > C = B"),
        (["ArrowDown", "ArrowDown"], "D > A > C > B"),
        ("t", "D > A > C = B"),
    ):
        for key in keys:
            page.keyboard.press(key)
        expect(order(page)).to_have_text(then)
    expect(page.get_by_role("status").filter(has_text="B shares place 3 of 3 with C.")).to_be_attached()
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 today").first).to_be_visible()
    expect(order(page)).to_have_text("A > B > C > D")
    assert_stored(first, "D > A > C = B")

    # Untouched, it is sent only when that is said twice.
    page.keyboard.press("Enter")
    expect(page.get_by_text("You have moved nothing.").first).to_be_visible()
    assert not RankingAnswer.objects.filter(assignment=second).exists()
    page.context.set_offline(True)
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 unsent").first).to_be_visible()
    page.keyboard.press("b")
    page.keyboard.press("1")
    expect(order(page)).to_have_text("B > A > C > D")
    page.context.set_offline(False)
    expect(page.get_by_text("unsent")).to_have_count(0, timeout=20_000)
    assert_stored(second, "A > B > C > D")
    assert RankingAnswer.objects.count() == 2


def test_by_drag_and_by_buttons(cast: Cast, ranking: Open) -> None:
    page = ranking(ties_allowed=False)
    (first, *_) = RankingAssignment.objects.filter(labeller=cast.labeller).order_by("id")
    handle = page.get_by_test_id("drag-A").bounding_box()
    target = page.get_by_test_id("drag-C").bounding_box()
    assert handle and target
    page.mouse.move(handle["x"] + 10, handle["y"] + 10)
    page.mouse.down()
    page.mouse.move(handle["x"] + 10, handle["y"] + 40, steps=3)
    page.mouse.move(target["x"] + 10, target["y"] + 30, steps=8)
    page.mouse.up()
    expect(order(page)).to_have_text("B > C > A > D")
    page.get_by_role("button", name="Move D up").click()
    expect(order(page)).to_have_text("B > C > D > A")
    expect(page.get_by_role("button", name=re.compile("^Tie "))).to_have_count(0)
    page.get_by_role("button", name="Send (↵)").click()
    expect(page.get_by_text("1 today").first).to_be_visible()
    assert_stored(first, "B > C > D > A")

    page.keyboard.press("s")
    page.get_by_role("dialog").get_by_role("button", name="Skip").click()
    assert wait_until(lambda: RankingAssignment.objects.filter(state="skipped").count() == 1, 30, 0.1)


def test_axe_finds_nothing_and_a_phone_is_wide_enough(ranking: Open) -> None:
    page = ranking(ties_allowed=True, is_length_shown=True)
    page.emulate_media(reduced_motion="reduce")
    found = in_light_and_dark(page)
    for key in "b", "t", "j":
        page.keyboard.press(key)
    found += in_light_and_dark(page)
    page.keyboard.press("Escape")
    for key, name in ("s", "Skip this ranking"), ("?", "Keys"):
        page.keyboard.press(key)
        expect(page.get_by_role("dialog", name=name)).to_be_visible()
        found += in_light_and_dark(page)
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
    for width, height in (640, 450), (390, 844), (320, 568):
        page.set_viewport_size({"width": width, "height": height})
        assert not overflows(page), f"{width} pixels are too few"
        found += violations(page)
    assert not found, "\n".join(found)
