"""A researcher tries texts in the playground: rewards of all models, and what each sentence does to them."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from annotate.common.processes import wait_until
from annotate.projects.services import create_project
from tests.cast import PASSWORD, Cast, make_comparisons
from tests.e2e.test_accessibility import in_light_and_dark, overflows
from tests.engine.conftest import tiny_base
from tests.training.reward.registered import make_model, save_models
from training.engine.scoring.client import ScorerClient
from training.reward import registry
from training.reward.models import RewardModelState

__all__ = ["tiny_base"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture
def served(cast: Cast, live_web: str, live_scorer: str, tiny_base: Path, tmp_path: Path) -> Iterator[str]:
    """Address of the application. Helpfulness has an ensemble of two in use, another project a single model."""
    made = save_models(tiny_base, tmp_path)
    safety = create_project(owner=cast.owner, name="Safety", axis="safety")
    make_model(cast.project, RewardModelState.PROMOTED, artifact_uri=str(made["pair"]), n_members=2)
    make_model(safety, RewardModelState.PROMOTED, artifact_uri=str(made["single"]))
    registry.sync()
    with ScorerClient(live_scorer) as scorer:
        assert wait_until(lambda: {"helpfulness", "safety"} <= {model["name"] for model in scorer.models()}, 60, 0.2)
    yield live_web
    (Path(os.environ["VAR_DIR"]) / "artifacts" / "scorer" / "registry.json").unlink()


def test_from_a_prompt_of_the_pool_to_what_a_sentence_does(cast: Cast, served: str, browser_page: Page) -> None:
    make_comparisons(cast.project, 3)
    page = browser_page
    page.goto(f"{served}/projects/helpfulness/playground")
    page.get_by_label("E-mail").fill(cast.owner.email)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    # A prompt of the pool brings its completions along.
    page.get_by_role("button", name="Pick from the pool").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Search prompts").fill("question 2")
    expect(dialog.get_by_role("row")).to_have_count(2)
    dialog.get_by_role("button", name="Question 2?").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_label("Turn 1", exact=True)).to_have_value("Question 2?")
    for number, text in enumerate(("alpha to 2", "beta to 2"), start=1):
        expect(page.get_by_label(f"Completion {number}", exact=True)).to_have_value(text)

    # Ctrl + Enter in any field scores; every model says its own.
    page.get_by_label("Completion 1", exact=True).fill("It holds. Cut it into slices!\n\nLay them out as a rectangle.")
    page.get_by_label("Completion 2", exact=True).fill("No idea.")
    page.get_by_label("Completion 2", exact=True).press("Control+Enter")
    table = page.get_by_role("table", name="Rewards")
    expect(table.get_by_role("columnheader")).to_have_count(3)
    expect(table.get_by_role("cell", name=re.compile(r"rank [12]"))).to_have_count(4)
    expect(table.get_by_role("list", name="Rewards by the members")).to_have_count(0)
    table.get_by_role("button", name="2 members of Helpfulness").click()
    expect(table.get_by_role("list", name="Rewards by the members").first.get_by_role("listitem")).to_have_count(2)

    # Each sentence of one of the models.
    page.get_by_label("Model", exact=True).select_option("Safety v1")
    page.get_by_role("button", name="Leave out each sentence").click()
    first = page.get_by_role("article", name="Sentences of completion 1")
    expect(first.get_by_text(re.compile(r"without it"))).to_have_count(3)
    expect(
        page.get_by_role("article", name="Sentences of completion 2").get_by_text("A single sentence")
    ).to_be_visible()
    found = in_light_and_dark(page)
    page.get_by_text("Strongest first").click()
    said = first.get_by_role("listitem").all_inner_texts()
    sizes = [float(size) for text in said for size in re.findall(r"^\D(\d+\.\d\d)", text)]
    assert len(sizes) == 3 and sizes == sorted(sizes, reverse=True)
    assert found + in_light_and_dark(page) == []
    page.set_viewport_size({"width": 390, "height": 800})
    assert wait_until(lambda: not overflows(page), 30)  # the navigation slides away

    # What was said of other texts goes when a text changes.
    page.get_by_label("Completion 2", exact=True).press("a")
    expect(table).to_have_count(0)
