"""A researcher has a file scored: upload, progress, what came out, what was bad."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Page, expect

from annotate.common.processes import wait_until
from tests.cast import PASSWORD, Cast
from tests.e2e.test_accessibility import in_light_and_dark, overflows
from tests.engine.conftest import tiny_base
from tests.live import CeleryWorkers
from tests.training.reward.registered import make_model, save_models
from training.reward import registry
from training.reward.models import BulkScoring, RewardModelState

__all__ = ["tiny_base"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture
def served(
    cast: Cast, celery_workers: CeleryWorkers, live_web: str, live_scorer: str, tiny_base: Path, tmp_path: Path
) -> Iterator[str]:
    """Address of the application, in which Helpfulness has an ensemble of two in use and a candidate."""
    made = save_models(tiny_base, tmp_path)
    make_model(cast.project, RewardModelState.PROMOTED, artifact_uri=str(made["pair"]), n_members=2)
    make_model(cast.project, artifact_uri=str(made["single"]))
    registry.sync()
    yield live_web
    (Path(os.environ["VAR_DIR"]) / "artifacts" / "scorer" / "registry.json").unlink()


def test_from_a_file_to_its_rewards(cast: Cast, served: str, browser_page: Page, tmp_path: Path) -> None:
    rows = [{"prompt": f"Question {n}?", "completions": ["Yes, because.", "No."], "n": n} for n in range(30)]
    path = tmp_path / "rollouts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"prompt": "Alone"}\n')
    page = browser_page
    page.goto(f"{served}/projects/helpfulness/bulk-scorings")
    page.get_by_label("E-mail").fill(cast.researcher.email)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("heading", name="No file has been scored yet")).to_be_visible()
    expect(page.get_by_role("combobox", name="Reward model")).to_have_value("v1, in use")
    expect(page.get_by_role("button", name="Score", exact=True)).to_be_disabled()
    found = in_light_and_dark(page)
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_label("Rows in an output file").fill("20")
    page.get_by_role("button", name="Score", exact=True).click()

    page.wait_for_url(re.compile(r"/bulk-scorings/\d+$"))
    expect(page.get_by_role("heading", name="rollouts.jsonl")).to_be_visible()
    expect(page.get_by_text("31 of 31 rows")).to_be_visible(timeout=60_000)
    files = page.get_by_role("table", name="Files")
    expect(files.get_by_role("row")).to_have_count(3)
    found += in_light_and_dark(page)
    assert found == []
    with page.expect_download() as download:
        files.get_by_role("link", name="part-00001.parquet").click()
    last = pq.read_table(download.value.path()).to_pylist()
    assert [row["n"] for row in last] == list(range(20, 30))
    for row in last:
        assert [len(one) for one in row["members"]] == [2, 2] and len(row["uncertainty"]) == 2
        assert row["rewards"] == pytest.approx([sum(one) / 2 for one in row["members"]], abs=1e-3)
    with page.expect_download() as download:
        page.get_by_role("link", name="Which rows are bad, and why").click()
    assert json.loads(Path(download.value.path()).read_text())["row"] == 31
    page.set_viewport_size({"width": 390, "height": 800})
    assert wait_until(lambda: not overflows(page), 30)

    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_role("link", name="Score a file").click()
    expect(page.get_by_role("table", name="Scored so far").get_by_role("link", name="rollouts.jsonl")).to_be_visible()
    assert BulkScoring.objects.get().counts["scored"] == 30
