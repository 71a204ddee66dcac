"""Labelling all day: nobody waits for the server, and nothing that was rated is lost or stored twice."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Error, Page, expect

from annotate.ratings.models import Rating
from annotate.ratings.selectors import counted
from tests.cast import PASSWORD, Cast, make_comparisons

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

Open = Callable[..., Page]


@pytest.fixture
def sign_in_as(live_web: str, browser_page: Page) -> Open:
    def act(email: str) -> Page:
        browser_page.goto(live_web)
        fill_in(browser_page, email)
        browser_page.get_by_role("heading", name="Projects").wait_for()
        return browser_page

    return act


def fill_in(page: Page, email: str) -> None:
    page.get_by_label("E-mail").fill(email)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def labelling(cast: Cast, live_web: str, sign_in_as: Open) -> Open:
    """The labelling page of a labeller with 12 pairs waiting, and settings of the project."""

    def act(**settings: Any) -> Page:
        for name, value in settings.items():
            setattr(cast.project, name, value)
        cast.project.save()
        make_comparisons(cast.project, 12)
        page = sign_in_as(cast.labeller.email)
        page.goto(f"{live_web}/projects/{cast.project.slug}/label")
        expect(page.get_by_role("region", name="Completion B", exact=True)).to_be_visible()
        return page

    return act


class Line:
    """The way from a browser to the API, in all its tabs; the pages themselves always load."""

    def __init__(self, page: Page) -> None:
        self.is_cut = self.holds = False
        self.held: list[Any] = []
        # Never taken off again, since that fails once a tab has crashed.
        page.context.route("**/api/v1/**", self._pass)

    def _pass(self, route: Any) -> None:
        if self.is_cut:
            route.abort()
        elif self.holds:
            self.held.append(route)
        else:
            route.continue_()

    @contextmanager
    def cut(self) -> Iterator[None]:
        self.is_cut = True
        yield
        self.is_cut = False

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Requests are kept back, and go on afterwards."""
        self.holds = True
        yield
        self.holds = False
        for route in self.held:
            route.continue_()


def question(page: Page) -> str:
    found = re.search(r"Question \d+", page.get_by_role("region", name="Prompt").inner_text())
    assert found
    return found[0]


def press(page: Page, key: str) -> str:
    """Answer the pair on the screen; returns its question once another is there."""
    before = question(page)
    page.keyboard.press(key)
    expect(page.get_by_role("region", name="Prompt")).not_to_contain_text(f"{before}?")
    return before


def stored(page: Page, n: int, n_with_corrected: int | None = None) -> bool:
    """Whether n ratings count before long. Waits in the browser, whose requests pass through this process."""
    for _ in range(150):
        ratings = Rating.objects.all()
        if counted(ratings).count() == n and ratings.count() == (n_with_corrected or n):
            return True
        page.wait_for_timeout(100)
    return False


def prompts_of(ratings: list[Rating]) -> list[str]:
    return [rating.comparison.prompt.excerpt.rstrip("?") for rating in ratings]


def test_the_next_pair_does_not_wait_for_the_server(labelling: Open) -> None:
    page = labelling()
    line = Line(page)
    with line.held_up():
        rated = [press(page, key) for key in "1845"]
        expect(page.get_by_text("4 unsent").first).to_be_visible()
        assert Rating.objects.count() == 0 and line.held
    assert stored(page, 4)
    expect(page.get_by_text("unsent")).to_have_count(0)
    ratings = list(Rating.objects.select_related("comparison__prompt").order_by("id"))
    assert prompts_of(ratings) == rated
    assert [rating.intensity for rating in ratings] == [4, 4, 1, 1]


def test_a_reload_a_second_tab_and_a_crash_lose_nothing(labelling: Open) -> None:
    page = labelling()
    context, line = page.context, Line(page)
    with line.cut():
        rated = [press(page, "1"), press(page, "8")]
        expect(page.get_by_text("2 unsent").first).to_be_visible()
        page.reload()
    expect(page.get_by_role("region", name="Completion A", exact=True)).to_be_visible()
    assert stored(page, 2)
    assert question(page) not in rated

    with line.cut():
        rated.append(press(page, "2"))
        expect(page.get_by_text("1 unsent").first).to_be_visible()
        url = page.url
        with page.expect_event("crash"), suppress(Error):
            page.goto("chrome://crash")
    second, third = context.new_page(), context.new_page()
    second.goto(url)
    third.goto(url)
    assert stored(second, 3)
    for tab in (second, third):
        expect(tab.get_by_text("unsent")).to_have_count(0)
        expect(tab.get_by_role("region", name="Completion A", exact=True)).to_be_visible()
        assert question(tab) not in rated
    # Both tabs show the same pair; it is stored once, and the other tab says what happened or moves on.
    assert question(second) == question(third)
    second.keyboard.press("1")
    third.keyboard.press("1")
    assert stored(second, 4)
    ratings = list(Rating.objects.select_related("comparison__prompt"))
    assert len({rating.comparison_id for rating in ratings}) == len(ratings) == 4


def test_an_expired_session_loses_nothing(cast: Cast, labelling: Open) -> None:
    page = labelling()
    Session.objects.all().delete()
    rated = press(page, "3")
    expect(page.get_by_text("You have been signed out. 1 rating kept", exact=False)).to_be_visible()
    page.get_by_role("button", name="Sign in again").click()
    fill_in(page, cast.labeller.email)
    expect(page.get_by_role("region", name="Completion A", exact=True)).to_be_visible()
    assert stored(page, 1)
    assert question(page) != rated
    expect(page.get_by_text("unsent")).to_have_count(0)


def test_going_back_and_changing_from_the_history(cast: Cast, labelling: Open) -> None:
    page = labelling()
    first = press(page, "1")
    assert stored(page, 1)
    second = question(page)
    page.keyboard.press("z")
    expect(page.get_by_text("You are changing your rating")).to_be_visible()
    assert question(page) == first
    page.keyboard.press("8")
    expect(page.get_by_text("You are changing your rating")).to_have_count(0)
    assert question(page) == second
    assert stored(page, 1, 2)

    page.goto(page.url.replace("/label", "/my-ratings"))
    page.get_by_role("link", name=re.compile("Change the rating")).click()
    expect(page.get_by_text("You are changing your rating")).to_be_visible()
    page.keyboard.press("0")
    assert stored(page, 1, 3)
    now = counted(Rating.objects.all()).get()
    assert (now.preferred, now.is_neither_acceptable) == ("tie", True)
    assert now.comparison.prompt.excerpt == f"{first}?"
    now.comparison.refresh_from_db()
    assert (now.comparison.n_a, now.comparison.n_b, now.comparison.n_ties) == (0, 0, 1)


def test_the_second_question_a_required_reason_and_a_marked_word(labelling: Open) -> None:
    page = labelling(
        bucket_axis="Safety", bucket_labels=["chosen safe", "both safe", "both unsafe"], justification_min_length=12
    )
    page.keyboard.press("h")
    left = page.get_by_role("region", name="Completion A", exact=True)
    left.get_by_text(re.compile("alpha|beta")).dblclick(position={"x": 5, "y": 8})
    expect(page.get_by_role("button", name=re.compile("(alpha|beta)"))).to_have_count(1)
    page.keyboard.press("h")
    page.keyboard.press("u")
    page.keyboard.press("2")
    page.keyboard.type("It answers.")
    page.keyboard.press("Control+Enter")
    assert Rating.objects.count() == 0, "one character is missing"
    page.keyboard.type("!")
    page.keyboard.press("Control+Enter")
    assert stored(page, 1)
    rating = Rating.objects.select_related("comparison__a", "comparison__b").get()
    assert (rating.bucket, rating.intensity, rating.justification) == (0, 3, "It answers.!")
    (span,) = rating.spans
    text = getattr(rating.comparison, span["side"]).text
    assert text[span["start"] : span["end"]] == span["quote"]
    assert span["quote"].strip() in ("alpha", "beta")
    assert rating.active_ms is not None and rating.active_ms > 0
