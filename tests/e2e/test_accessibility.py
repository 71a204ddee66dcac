"""WCAG 2.2 AA as far as a program can tell: axe finds nothing on any page, in light, dark, large and on a phone."""

from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

from annotate.comparisons.models import Comparison
from annotate.guidelines.models import QualificationAttempt
from annotate.projects.models import Project
from annotate.ratings.models import Rating

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

AXE = Path(__file__).parents[2] / "frontend/node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def violations(page: Page) -> list[str]:
    """What axe finds on the page as it is, in words.

    What it finds is looked at again a second later, all styles computed anew: on a busy machine a text has been seen
    in the colour of one scheme on the ground of the other.
    """
    found = _look(page)
    if found:
        page.wait_for_timeout(1_000)
        page.evaluate("document.documentElement.style.display = 'none'; document.documentElement.offsetHeight")
        page.evaluate("document.documentElement.style.display = ''; document.documentElement.offsetHeight")
        found = _look(page)
    return found


def _look(page: Page) -> list[str]:
    # A half-faded element has half its contrast.
    page.evaluate(
        "Promise.allSettled(document.getAnimations()"
        ".filter((one) => one.effect.getComputedTiming().endTime < 10_000).map((one) => one.finished))"
    )
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = page.evaluate(
        "(rules) => axe.run({ runOnly: rules }).then((results) => results.violations)", RULES
    )
    return [
        f"{page.url}: {violation['id']}: {node['failureSummary']} {node['html'][:300]}"
        for violation in found
        for node in violation["nodes"]
    ]


def in_light_and_dark(page: Page) -> list[str]:
    found = violations(page)
    set_scheme(page, "dark")
    found += [f"dark: {one}" for one in violations(page)]
    set_scheme(page, "light")
    return found


def set_scheme(page: Page, scheme: Literal["dark", "light"]) -> None:
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function("(wanted) => document.documentElement.dataset.mantineColorScheme === wanted", arg=scheme)
    # The colours follow in the next frames; one that is looked at between them has the text of one scheme and the
    # ground of the other.
    page.wait_for_timeout(150)


def overflows(page: Page) -> bool:
    """Whether the page scrolls sideways."""
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


def test_the_labelling_screen_in_each_of_its_states(seeded: str, sign_in: Any) -> None:
    found: list[str] = []
    page = sign_in(seeded, "labeller")
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{seeded}/projects/demo-helpfulness/label")
    expect(page.get_by_role("region", name="Completion B", exact=True)).to_be_visible()
    found += in_light_and_dark(page)
    for key in "d", "r", "h":
        page.keyboard.press(key)
        found += in_light_and_dark(page)
        page.keyboard.press(key)
    page.keyboard.press("g")
    expect(page.get_by_role("complementary", name="Guidelines").get_by_role("heading").first).to_be_visible()
    page.keyboard.press("j")
    found += in_light_and_dark(page)
    page.keyboard.press("Escape")
    for key, name in ("s", "Skip this comparison"), ("f", "Flag this comparison"), ("?", "Keys"):
        page.keyboard.press(key)
        expect(page.get_by_role("dialog", name=name)).to_be_visible()
        found += in_light_and_dark(page)
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("g")
    page.keyboard.press("1")
    page.keyboard.press("z")
    expect(page.get_by_text("You are changing your rating")).to_be_visible()
    found += in_light_and_dark(page)
    page.get_by_role("button", name="Leave it as it was").click()

    # 1280 pixels at 200 %, a phone, and 400 %, at which nothing may need scrolling in two directions.
    for width, height in (640, 450), (390, 844), (320, 568):
        page.set_viewport_size({"width": width, "height": height})
        assert not overflows(page), f"{width} pixels are too few"
        found += violations(page)
        assert page.get_by_role("button", name="A significantly better").bounding_box()["height"] >= 24
    page.set_viewport_size({"width": 1280, "height": 900})

    QualificationAttempt.objects.all().delete()
    page.goto(f"{seeded}/projects/demo-helpfulness/label")
    expect(page.get_by_role("heading", name="Before you start: the guidelines")).to_be_visible()
    found += in_light_and_dark(page)
    page.get_by_role("button", name="Go to the quiz").click()
    expect(page.get_by_role("heading", name="Quiz: question 1")).to_be_visible()
    found += in_light_and_dark(page)
    assert not found, "\n".join(found)


def test_every_other_page(seeded: str, sign_in: Any) -> None:
    project = Project.objects.get(slug="demo-helpfulness")
    comparison = Comparison.objects.filter(project=project, n_a__gt=0, n_b__gt=0).first()
    assert comparison is not None
    labeller = Rating.objects.filter(project=project).values_list("labeller", flat=True)[0]
    page = sign_in(seeded, "owner")
    page.emulate_media(reduced_motion="reduce")
    inside = (
        "", "prompts", f"prompts/{comparison.prompt_id}", "imports", "guidelines", "guidelines/edit", "agreement",
        "labellers", f"labellers/{labeller}", "ratings", "ratings?agreement=split", "disagreements", "comparisons",
        f"comparisons/{comparison.pk}", f"comparisons/{comparison.pk}?queue=1", "audit", "guidelines?tab=disagreement",
        "my-ratings", "reward-models", "reward-models/new", "reward-models/compare", "comparison-sets",
        "comparison-sets/new?min_ratings=2&low_agreement=hard&margins=large", "playground", "bulk-scorings",
        "generations", "refreshes", "sft-runs", "sft-runs/new", "policy-runs", "policy-runs/new", "jobs", "members",
        "settings", "rank",
    )  # fmt: skip
    found: list[str] = []
    for path in ["projects", "projects/new", "account", *(f"projects/{project.slug}/{path}" for path in inside)]:
        page.goto(f"{seeded}/{path}")
        page.get_by_role("heading", level=1).first.wait_for()
        page.wait_for_load_state("networkidle")
        found += in_light_and_dark(page)
    assert not found, "\n".join(found)
