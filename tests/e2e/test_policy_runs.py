"""A researcher trains a policy on a reward model in the browser, reads what it writes, and asks people about it."""

import re

import pytest
from playwright.sync_api import Page, expect

from annotate.common.processes import wait_until
from annotate.comparisons.models import Comparison
from annotate.jobs.services import request_cancel
from annotate.ratings.models import Rating
from tests.cast import Cast
from tests.e2e.test_accessibility import in_light_and_dark, violations
from tests.e2e.test_refresh import overflow_of, sign_in_as
from tests.engine.conftest import tiny_base
from tests.live import CeleryWorkers
from tests.training.real import load_pandalm
from tests.training.refresh.conftest import wait_for_job
from training.policy.models import Checkpoint, CheckpointKind
from training.policy_runs.models import PolicyRun, PolicySample
from training.refresh.config import RefreshConfig
from training.refresh.models import RefreshCycle
from training.refresh.services import start_refresh
from training.reward.models import RewardModel
from training.reward.services import promote

__all__ = ["tiny_base"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480)]


@pytest.fixture
def with_model(cast: Cast, celery_workers: CeleryWorkers, live_web: str, live_scorer: str, tiny_base) -> str:
    """Address of the application, with a reward model in use."""
    cast.project.min_ratings = cast.project.max_ratings = 1
    cast.project.save()
    load_pandalm(cast.project, 240)
    training = {"epochs": 1, "max_length": 128, "batch_size": 16}
    config = RefreshConfig.parse({"ask": False, "base_model": str(tiny_base), "training": training})
    cycle = start_refresh(project=cast.project, config=config, created_by=cast.researcher)
    assert wait_for_job(cycle).state == "succeeded"
    model = RewardModel.objects.get()
    if model.state == "candidate":
        promote(model=model, reason="For a policy to be trained on.", actor=cast.researcher)
    return live_web


def test_from_the_form_to_what_people_say(cast, with_model, browser_page, tiny_base):
    page = browser_page
    home = f"{with_model}/projects/{cast.project.slug}"
    sign_in_as(page, with_model, cast.researcher)
    page.goto(home)
    page.get_by_role("link", name="Policy runs", exact=True).click()
    expect(page.get_by_text("No policy run yet")).to_be_visible()
    page.get_by_role("link", name="New policy run").first.click()

    # The form says what it would take, and shows what the server does not like where it is folded away.
    fill_in(page, str(tiny_base))
    expect(page.get_by_text("32 completions in training, at most 3 evaluations")).to_be_visible()
    assert in_light_and_dark(page) == []
    assert overflow_of(page) == (False, False)
    rate = page.get_by_label("Learning rate", exact=True)
    page.get_by_role("button", name="Advanced").click()
    rate.fill("0")
    page.get_by_role("button", name="Advanced").click()
    rate.wait_for(state="hidden")
    page.get_by_role("button", name="Start the run").click()
    expect(rate).to_be_visible()
    rate.fill("0.001")
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url(re.compile(r"/policy-runs/1$"))

    # It runs to its end while the page looks on.
    expect(page.get_by_text("Ran to its end")).to_be_visible(timeout=240_000)
    run = PolicyRun.objects.get()
    steps = list(run.evaluations.order_by("step").values_list("step", flat=True))
    assert steps == [0, 2, 4]
    last = run.evaluations.get(step=4)
    health = page.get_by_role("table", name="Health of the policy")
    expect(health.get_by_role("row")).to_have_count(1 + len(steps))
    expect(health.get_by_role("row").nth(1)).to_contain_text(f"{last.metrics['kl']:.2f}")
    gains = page.get_by_role("region", name="Gain over the reference by distance")
    gains.get_by_role("button", name=re.compile("^Show as table")).click()
    expect(gains.get_by_role("row").last).to_contain_text(f"{last.metrics['reward_gain']:.2f}")
    gains.get_by_role("button", name=re.compile("^Show as chart")).click()
    kept = Checkpoint.objects.get(kind=CheckpointKind.POLICY)
    assert run.checkpoint == kept and run.report["best_step"] == 4
    expect(page.get_by_text(f"It is the checkpoint {kept.name}")).to_be_visible()

    # Another one is kept by hand, and the first one again.
    row_of = {step: health.get_by_role("row").nth(place) for place, step in ((1, 4), (3, 0))}
    for step, is_kept in ((0, False), (4, True)):
        row_of[step].get_by_role("button", name="Keep this one instead").click()
        page.get_by_role("dialog").get_by_role("button", name="Keep this one").click()
        expect(row_of[step]).to_contain_text("kept")
        run.refresh_from_db()
        assert (run.report["best_step"], run.checkpoint) == (step, kept if is_kept else None)
    expect(page.get_by_text(f"It is the checkpoint {kept.name}")).to_be_visible()

    # What the policy wrote stands beside the reference's, in the order that is asked for.
    first = PolicySample.objects.filter(evaluation=last).order_by("pk")[0]
    page.get_by_role("combobox", name="Order").click()
    page.get_by_role("option", name="by prompt").click()
    article = page.get_by_role("region", name="What it writes").get_by_role("article").first
    expect(article.get_by_role("link", name="Prompt")).to_have_attribute(
        "href", re.compile(rf"/prompts/{first.prompt_id}$")
    )
    expect(article).to_contain_text(" ".join(first.reference.split())[:20])
    assert in_light_and_dark(page) == []
    assert overflow_of(page) == (False, False)

    # People are asked, find the pairs first in their queues, and their answers stand beside the claim.
    page.get_by_role("button", name="Ask people").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label(re.compile("^Comparisons")).fill("12")
    dialog.get_by_role("button", name="Ask people").click()
    said = page.get_by_role("region", name="What people say")
    expect(said.get_by_role("row").nth(1).get_by_role("cell").nth(2)).to_have_text("12")
    asked = set(
        PolicySample.objects.filter(is_asked=True, comparison__isnull=False).values_list("comparison", flat=True)
    )
    sign_in_as(page, with_model, cast.labeller)
    page.goto(f"{home}/label")
    written = {plain(sample.completion) for sample in PolicySample.objects.filter(comparison__in=asked)}
    for n in range(1, len(asked) + 1):
        expect(page.get_by_text(re.compile(rf"^{n - 1} today ·"))).to_be_visible()
        on_the_left = plain(page.get_by_role("region", name="Completion A", exact=True).inner_text())
        # The policy's loses each time. Keys 1 to 4 are for the completion on the left.
        page.keyboard.press("7" if any(text in on_the_left for text in written) else "2")
    rated = Rating.objects.filter(labeller=cast.labeller).values_list("comparison", flat=True)
    assert wait_until(lambda: set(rated.all()) == asked, 30, 0.1)
    assert Comparison.objects.filter(pk__in=asked, state="open").count() == 0
    sign_in_as(page, with_model, cast.researcher)
    page.goto(f"{home}/policy-runs/1")
    expect(said.get_by_role("row").nth(1)).to_contain_text("n = 12")
    expect(said.get_by_text(re.compile("^By all ratings so far the best is"))).to_be_visible()

    # What the reward model likes and they do not is kept, and a refresh begins that learns from it.
    page.get_by_role("button", name="Use what fooled it").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("and start a refresh").check(force=True)
    assert violations(page) == []
    dialog.get_by_role("button", name="Use them and refresh").click()
    page.wait_for_url(re.compile(r"/refreshes/\d+$"))
    cycle = RefreshCycle.objects.latest("pk")
    expect(page.get_by_text(re.compile(f"After {run}")).first).to_be_visible()
    assert PolicySample.objects.filter(is_kept=True, completion_row__source__kind="adversarial").exists()
    request_cancel(job=cycle.job)
    assert wait_for_job(cycle).state == "cancelled"

    page.goto(home)
    page.get_by_role("link", name="Policy runs", exact=True).click()
    row = page.get_by_role("table", name="Policy runs").get_by_role("row", name=re.compile("^1"))
    expect(row).to_contain_text("Ran to its end")


def plain(text: str) -> str:
    """Without what rendering changes."""
    return re.sub(r"\W+", "", text)


def fill_in(page: Page, base: str) -> None:
    """The smallest run."""
    page.get_by_role("combobox", name="Policy").click()
    page.get_by_role("option", name="a path on the worker …").click()
    page.get_by_label("Path", exact=True).fill(base)
    for label, value in (
        ("Updates", 4),
        ("Prompts per update", 4),
        ("Completions per prompt", 2),
        ("Longest completion, tokens", 12),
        ("Evaluate every, updates", 2),
    ):
        page.get_by_label(label, exact=True).fill(str(value))
    for _ in range(3):  # the KLs at which people are asked by itself
        page.get_by_role("combobox", name="Ask people at KLs of, nats").press("Backspace")
    page.get_by_role("button", name="Advanced").click()
    page.get_by_label("Rank of LoRA", exact=True).fill("0")
    page.get_by_label("Prompts of the probe set", exact=True).fill("12")
    page.get_by_role("button", name="Advanced").click()
    page.get_by_label("Comparisons asked each time", exact=True).fill("6")
