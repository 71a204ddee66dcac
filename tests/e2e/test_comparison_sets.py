"""A researcher chooses what goes into a comparison set, sees the counts, makes it, and reads what is in it."""

import json
import re

import pytest
from playwright.sync_api import Page, TimeoutError, expect

from annotate.common.processes import wait_until
from annotate.projects.models import Project
from training.exports import selectors
from training.exports.models import ComparisonSet
from training.exports.spec import Spec

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def choose(page: Page, name: str, option: str) -> None:
    """Choose of a list that opens. The list closes again where the form is still unfolding when it is opened."""
    wanted = page.get_by_role("option", name=option)
    for _ in range(5):
        page.get_by_role("combobox", name=name).click()
        try:
            wanted.click(timeout=2_000)
        except TimeoutError:
            continue
        return
    raise AssertionError(f"{name} does not open")


def test_from_the_filters_to_the_rows(seeded, sign_in, celery_workers):
    project = Project.objects.get(slug="demo-helpfulness")
    # Less than any demo disagrees.
    Project.objects.filter(pk=project.pk).update(disagreement_limit=0.01)
    spec = Spec(min_ratings=2, min_agreement=0.75, low_agreement="hard", margins="large")
    project.refresh_from_db()
    wanted = selectors.preview(project, spec)
    assert 0 < wanted["hard"] < wanted["comparisons"]
    page = sign_in(seeded, "researcher")
    page.goto(f"{seeded}/projects/demo-helpfulness/comparison-sets")
    page.get_by_role("main").get_by_role("link", name="New comparison set").click()

    page.get_by_label("Name").fill("hard ones too")
    page.get_by_label("Ratings a comparison needs").fill("2")
    page.get_by_label("Least agreement, %").fill("75")
    page.get_by_text("Keep as hard ones").click()
    page.get_by_role("button", name="More filters").click()
    choose(page, "Margins", "large, 0 to 3")
    counts = page.get_by_role("region", name="What would be in it")
    expect(counts.get_by_text(f"{wanted['comparisons']:,} comparisons", exact=True)).to_be_visible()
    expect(counts.get_by_text(f"{wanted['hard']:,} are kept as hard ones.")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?min_ratings=2&min_agreement=0.75&low_agreement=hard&margins=large$"))

    # The address is enough to choose the same again.
    page.reload()
    expect(page.get_by_label("Least agreement, %")).to_have_value("75")
    expect(counts.get_by_text(f"{wanted['comparisons']:,} comparisons", exact=True)).to_be_visible()
    page.get_by_label("Name").fill("hard ones too")
    page.get_by_role("button", name="Make it", exact=True).click()
    dialog = page.get_by_role("dialog", name="Labellers disagree more than the limit")
    expect(dialog).to_be_visible()
    assert not ComparisonSet.objects.exists()
    dialog.get_by_role("button", name="Make it all the same").click()

    page.wait_for_url(re.compile(r"/comparison-sets/\d+$"))
    expect(page.get_by_role("heading", name="First rows")).to_be_visible(timeout=60_000)
    assert wait_until(lambda: ComparisonSet.objects.filter(frozen_at__isnull=False).exists(), 60, 0.2)
    made = ComparisonSet.objects.get()
    assert (made.name, Spec.parse(made.spec)) == ("hard ones too", spec)
    assert made.counts["comparisons"] == wanted["comparisons"]
    for sentence in "At least 2 ratings each.", "With less than 75\u00a0% agreement kept as hard", "Large margins":
        expect(page.get_by_text(sentence)).to_be_visible()
    page.get_by_text("Held out", exact=True).last.click()
    first = selectors.first_rows(made, "test")[0]
    expect(page.get_by_role("link", name=f"Comparison {first['comparison_id']}", exact=True)).to_be_visible()
    page.get_by_role("button", name="Download").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="Manifest, JSON").click()
    assert json.loads(download.value.path().read_text())["digest"] == made.digest
    page.get_by_role("button", name="Download").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="Dataset card, Markdown").click()
    assert "configs:" in download.value.path().read_text()

    page.get_by_role("link", name="New set like this").click()
    expect(page.get_by_label("Ratings a comparison needs")).to_have_value("2")
    page.go_back()
    page.get_by_role("link", name="Train a reward model on it").click()
    page.wait_for_url(re.compile(rf"/reward-models/new\?set={made.pk}$"))
