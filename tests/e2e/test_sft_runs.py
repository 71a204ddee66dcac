"""A researcher fine-tunes a base model in the browser and sees whether it learnt."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.test_accessibility import in_light_and_dark
from tests.e2e.test_refresh import overflow_of, sign_in_as
from tests.training.generation.conftest import tiny_base
from tests.training.policy.test_sft_examples import frozen
from tests.training.real import load_pandalm
from training.policy.models import Checkpoint, SftRun
from training.policy.sft import forget_sft_models

__all__ = ["tiny_base"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_from_the_form_to_a_checkpoint_that_can_be_chosen(cast, celery_workers, live_web, browser_page, tiny_base):
    load_pandalm(cast.project, 240)
    frozen(cast.project)
    Checkpoint.objects.create(pool=cast.project.pool, name="base-1", kind="base", path=str(tiny_base))
    page = browser_page
    home = f"{live_web}/projects/{cast.project.slug}"
    sign_in_as(page, live_web, cast.researcher)
    page.goto(home)
    page.get_by_role("link", name="Fine-tuning", exact=True).click()
    expect(page.get_by_text("No SFT run yet")).to_be_visible()
    page.get_by_role("link", name="New SFT run").first.click()

    page.get_by_role("combobox", name="Base model").click()
    page.get_by_role("option", name="base-1 (Base model)").click()
    page.get_by_label("Longest example, tokens").fill("128")
    page.get_by_label("Learning rate").fill("0.005")
    expect(
        page.get_by_text(re.compile(r"^\d+ examples to learn from, about [\d,]+ tokens; \d+ held out$"))
    ).to_be_visible()
    assert in_light_and_dark(page) == []
    assert overflow_of(page) == (False, False)
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url(re.compile(r"/sft-runs/1$"))

    # It runs to its end while the page looks on.
    expect(page.get_by_text("It learnt: held-out completions are more probable than before.")).to_be_visible(
        timeout=180_000
    )
    run = SftRun.objects.select_related("checkpoint").get()
    assert run.checkpoint is not None
    expect(page.get_by_text("Kept as sft-helpfulness-1")).to_be_visible()
    assert in_light_and_dark(page) == []
    assert overflow_of(page) == (False, False)

    # A generation can choose what came of it.
    page.get_by_role("link", name="Have it write completions").click()
    page.get_by_role("button", name="Generate completions").first.click()
    expect(page.get_by_role("combobox", name="Source 1")).to_have_value(re.compile("sft-helpfulness-1"))
    forget_sft_models([run.pk])
