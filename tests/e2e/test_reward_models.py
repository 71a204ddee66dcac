"""A researcher trains a reward model in the browser, reads its report, promotes it, and compares it with another."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from annotate.common.processes import wait_until
from annotate.projects.models import Project
from tests.engine.conftest import tiny_base
from training.exports.models import ComparisonSet
from training.exports.services import request_comparison_set
from training.exports.spec import Spec
from training.reward.models import ModelComparison, Promotion, RewardModel

__all__ = ["tiny_base"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


def test_from_the_form_to_two_models_side_by_side(seeded, sign_in, celery_workers, tiny_base):
    project = Project.objects.get(slug="demo-helpfulness")
    comparison_set = request_comparison_set(project=project, spec=Spec(), created_by=None)
    assert wait_until(lambda: ComparisonSet.objects.filter(frozen_at__isnull=False).exists(), 60, 0.2)
    page = sign_in(seeded, "researcher")
    models = f"{seeded}/projects/demo-helpfulness/reward-models"

    page.goto(f"{models}/new?set={comparison_set.pk}")
    expect(page.get_by_role("radio", name="Recommended")).to_be_checked()
    train(page, tiny_base, seed=1)
    first = RewardModel.objects.get()
    assert first.config["options"] == {"epochs": 1, "seed": 1}
    accuracy = first.report["accuracy"]
    report = page.get_by_role("list", name="Accuracy beside the baselines").first
    for share in (accuracy["value"], first.report["baselines"]["longer"]["value"]):
        expect(report.get_by_text(re.compile(rf"^{100 * share:.1f}\u00a0%")).first).to_be_visible()

    # A slice as a table, with a number that the report has.
    page.get_by_role("tab", name="Agreement", exact=True).click()
    page.get_by_role("button", name="Show as table: Accuracy by agreement").click()
    table = page.get_by_role("table", name="Accuracy by agreement")
    unanimous = next(row for row in first.report["by_agreement"] if row["bucket"] == "1.0")["accuracy"]
    row = table.get_by_role("row", name=re.compile("^all agree"))
    expect(row.get_by_role("cell", name=f"{100 * unanimous['value']:.1f}\u00a0%", exact=True)).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV: Accuracy by agreement").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0].startswith("bucket,accuracy") and f"1.0,{unanimous['value']}" in "\n".join(lines)

    # A rule that no model meets: the page says what it is, and a person may overrule it with a reason.
    page.goto(models)
    page.get_by_role("button", name="Rules").click()
    page.get_by_label("Least lead over “the longer one is better”, points").fill("100")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.goto(f"{models}/{first.pk}")
    page.get_by_role("button", name="Promote").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("preferring the longer completion by less than 100.0%")).to_be_visible()
    dialog.get_by_label("Why all the same").fill("To see it in use.")
    dialog.get_by_role("button", name="Promote anyway").click()
    expect(page.get_by_text("v1 is in use.")).to_be_visible()
    promotion = Promotion.objects.get()
    assert promotion.is_forced and "advantage" in {block["code"] for block in promotion.blocks}

    page.goto(f"{models}/new?set={comparison_set.pk}")
    train(page, tiny_base, seed=2)
    second = RewardModel.objects.get(version=2)
    page.get_by_role("link", name="Compare").click()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="v1 and v2")).to_be_visible()
    expect(page.get_by_role("heading", name="Accuracy on the same comparisons")).to_be_visible(timeout=120_000)
    beside = ModelComparison.objects.get()
    assert (beside.a, beside.b) == (first, second)
    assert beside.report["difference"]["n"] == second.report["accuracy"]["n"]
    expect(page.get_by_text(f"n = {beside.report['difference']['n']}").first).to_be_visible()


def train(page: Page, base: Path, *, seed: int) -> None:
    """Fill in the form for the smallest training there is, and wait for its report."""
    page.get_by_label("Base model").fill(str(base))
    page.get_by_role("button", name="Advanced").click()
    page.get_by_label("Epochs").fill("1")
    page.get_by_label("Seed").fill(str(seed))
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_url(re.compile(r"/reward-models/\d+$"))
    expect(page.get_by_role("heading", name="Accuracy on held-out prompts")).to_be_visible(timeout=240_000)
