"""A researcher starts refreshes in the browser: the first trains on what there is, the next one asks and waits."""

import re

import pytest
from playwright.sync_api import Page, expect

from annotate.accounts.models import User
from annotate.agreement.models import ModelOpinion
from annotate.common.processes import wait_until
from annotate.comparisons.models import Comparison
from annotate.jobs.models import Job
from annotate.ratings.models import Rating
from tests.cast import PASSWORD, Cast
from tests.e2e.test_accessibility import in_light_and_dark, overflows
from tests.engine.conftest import tiny_base
from tests.live import CeleryWorkers
from tests.training.real import load_pandalm
from tests.training.refresh.conftest import wait_for_job
from training.refresh.config import RefreshConfig
from training.refresh.models import RefreshCycle, RefreshSchedule
from training.refresh.services import advance_waiting, start_refresh
from training.reward.models import RewardModel
from training.reward.services import promote
from training.sampling.models import SampledComparison

__all__ = ["tiny_base"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


@pytest.mark.timeout(600)
def test_from_the_button_to_a_reward_model_that_scores(seeded, sign_in, celery_workers, live_scorer):
    page = sign_in(seeded, "researcher")
    page.goto(f"{seeded}/projects/demo-helpfulness/refreshes")
    page.get_by_role("button", name="Start a refresh").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("to train on")).to_be_visible()
    # There is no model to choose by yet.
    expect(dialog.get_by_text("Stages left out: Candidates, Sampling, Labelling.")).to_be_visible()
    dialog.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile(r"/refreshes/\d+$"))
    stages = page.get_by_role("region", name="Stages")
    expect(stages.get_by_text("running")).to_have_count(1, timeout=30_000)
    expect(stages.get_by_text("skipped").nth(3)).to_be_visible()  # drift, candidates, sampling and labelling
    expect(stages.get_by_text(re.compile("^(pending|running)$"))).to_have_count(0, timeout=480_000)
    assert RefreshCycle.objects.get().state == "succeeded"

    model = RewardModel.objects.get()
    accuracy, baselines = model.report["accuracy"], model.report["baselines"]
    assert accuracy["n"] >= 100 and accuracy["low"] < accuracy["value"] < accuracy["high"]
    results = page.get_by_role("region", name="Results")
    for stat in (accuracy, baselines["longer"], baselines["always_a"]):
        expect(results.get_by_text(f"{100 * stat['value']:.1f}\u00a0%").first).to_be_visible()

    page.goto(f"{seeded}/projects/demo-helpfulness/reward-models/{model.pk}")
    if model.state == "candidate":  # a rule promotes what is clearly better than a coin toss; a person may promote more
        page.get_by_role("button", name="Promote").click()
        page.get_by_role("dialog").get_by_label("Why").fill("To see it score.")
        page.get_by_role("dialog").get_by_role("button", name="Promote").click()
    page.get_by_role("link", name="To the playground").click()
    page.get_by_label("Turn 1", exact=True).fill("What does a red fox eat?")
    page.get_by_label("Completion 1", exact=True).fill("It eats mice, berries and beetles.")
    page.get_by_label("Completion 2", exact=True).fill(
        "What a brilliant question! Every expert agrees. It is important to note that."
    )
    page.get_by_role("button", name="Score").click()
    rewards = page.get_by_role("table", name="Rewards").get_by_role("cell", name=re.compile(r"^-?\d.* rank [12] "))
    expect(rewards).to_have_count(2, timeout=30_000)

    # Reviewers see what it thinks of what people have rated.
    assert wait_until(lambda: Job.objects.filter(kind="opinions", state="succeeded").exists(), 120, 0.5)
    opinion = ModelOpinion.objects.filter(is_held_out=True, comparison__state="complete").order_by("-p_a")[0]
    page.goto(f"{seeded}/projects/demo-helpfulness/comparisons/{opinion.comparison_id}")
    known = page.get_by_role("region", name="What is known")
    expect(known.get_by_role("img", name=f"Reward model v{model.version}: A {100 * opinion.p_a:.0f}")).to_be_visible()
    expect(known.get_by_text("This comparison was held out of its training.")).to_be_visible()


@pytest.fixture
def with_model(cast: Cast, celery_workers: CeleryWorkers, live_web: str, tiny_base) -> str:
    """Address of the application, with ratings, a reward model in use that learnt from them, and pairs to ask about."""
    cast.project.min_ratings = cast.project.max_ratings = 1
    cast.project.save()
    load_pandalm(cast.project, 240, n_unrated=60)
    training = {"epochs": 1, "max_length": 128, "batch_size": 16}
    config = RefreshConfig.parse({"ask": False, "base_model": str(tiny_base), "training": training})
    cycle = start_refresh(project=cast.project, config=config, created_by=cast.researcher)
    assert wait_for_job(cycle).state == "succeeded"
    model = RewardModel.objects.get()
    if model.state == "candidate":  # so few ratings do not convince the rules
        promote(model=model, reason="For the next refresh to choose by.", actor=cast.researcher)
    return live_web


def sign_in_as(page: Page, url: str, user: User) -> None:
    page.context.clear_cookies()
    page.goto(url)
    page.get_by_label("E-mail").fill(user.email)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Projects").wait_for()


def test_it_asks_waits_for_the_labellers_and_goes_on_by_itself(cast, with_model, browser_page, tiny_base):
    page = browser_page
    home = f"{with_model}/projects/{cast.project.slug}"
    sign_in_as(page, with_model, cast.researcher)

    # The form says what it would take while it is filled in, and shows what the server does not like.
    page.goto(f"{home}/refreshes")
    page.get_by_role("button", name="Start a refresh").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("100 labels")).to_be_visible()
    dialog.get_by_label("Comparisons to ask for").fill("4")
    dialog.get_by_label("Go on when labelled, %").fill("75")
    expect(dialog.get_by_text(re.compile("^4 labels"))).to_be_visible()
    assert overflow_of(page, dialog) == (False, False)
    dialog.get_by_role("button", name="Training and promotion").click()
    dialog.get_by_role("textbox", name="Base model").fill("../elsewhere")
    dialog.get_by_role("radio", name="By hand").check()
    dialog.get_by_role("button", name="Training and promotion").click()
    dialog.get_by_role("textbox", name="Base model").wait_for(state="hidden")
    dialog.get_by_role("button", name="Start", exact=True).click()
    expect(dialog.get_by_role("textbox", name="Base model")).to_be_visible()  # unfolded for its error
    dialog.get_by_role("textbox", name="Base model").fill(str(tiny_base))
    dialog.get_by_role("button", name="Advanced").click()
    dialog.get_by_label("Epochs").fill("1")
    dialog.get_by_label("Longest text, tokens").fill("128")
    dialog.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile(r"/refreshes/\d+$"))

    # It draws a round and waits; what comes later can be changed, left out and put back.
    waiting = page.get_by_role("region", name="Labelling")
    expect(waiting.get_by_text("0 of 3 comparisons labelled")).to_be_visible(timeout=120_000)
    cycle = RefreshCycle.objects.get(number=2)
    assert cycle.state == "waiting"
    page.get_by_role("button", name="Edit: Promotion").click()
    page.get_by_role("dialog").get_by_role("radio", name="By the project’s rules").check()
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Leave out: Scorer swap").click()
    page.get_by_role("dialog").get_by_label("Why").fill("No scorer runs here.")
    page.get_by_role("dialog").get_by_role("button", name="Leave it out").click()
    expect(page.get_by_role("region", name="Stages").get_by_text("No scorer runs here.")).to_be_visible()
    cycle.refresh_from_db()
    assert cycle.config["promotion"] == "rule"
    assert in_light_and_dark(page) == []
    assert overflow_of(page) == (False, False)

    # The labeller finds its comparisons first in the queue.
    sampled = [one.comparison_id for one in SampledComparison.objects.order_by("rank")]
    sign_in_as(page, with_model, cast.labeller)
    page.goto(f"{home}/label")
    for n in range(1, 4):
        prompt = Comparison.objects.get(pk=sampled[n - 1]).prompt.excerpt
        expect(page.get_by_text(prompt[:40]).first).to_be_visible()
        page.keyboard.press("2")
        expect(page.get_by_text(re.compile(rf"^{n} today ·"))).to_be_visible()
    assert wait_until(lambda: Rating.objects.filter(labeller=cast.labeller).count() == 3, 30, 0.1)
    rated = Rating.objects.filter(labeller=cast.labeller).order_by("id").values_list("comparison_id", flat=True)
    assert list(rated) == sampled[:3]

    # Enough is labelled: it goes on by itself.
    sign_in_as(page, with_model, cast.researcher)
    page.goto(f"{home}/refreshes/{cycle.pk}")
    expect(page.get_by_text("Enough is labelled: it goes on within a minute.")).to_be_visible()
    assert advance_waiting() == 1  # beat does, each half minute
    stages = page.get_by_role("region", name="Stages")
    expect(stages.get_by_text(re.compile("^(pending|running|waiting for people)$"))).to_have_count(0, timeout=180_000)
    expect(page.get_by_role("region", name="Results").get_by_role("link", name="Reward model v2")).to_be_visible()
    expect(page.get_by_role("region", name="Results").get_by_role("link", name="Drift report 1")).to_be_visible()
    cycle.refresh_from_db()
    assert cycle.state == "succeeded"
    before = RewardModel.objects.get(version=1).comparison_set.counts["comparisons"]
    assert cycle.comparison_set.counts["comparisons"] == before + 3

    page.get_by_role("link", name="Refresh", exact=True).click()
    row = page.get_by_role("table", name="Refreshes").get_by_role("row", name=re.compile("^2"))
    expect(row).to_contain_text("succeeded")
    expect(row.get_by_role("link", name="v2")).to_be_visible()


def test_the_schedule_is_set_in_the_browser(cast, with_model, browser_page):
    page = browser_page
    sign_in_as(page, with_model, cast.researcher)
    page.goto(f"{with_model}/projects/{cast.project.slug}/refreshes")
    page.get_by_role("link", name="Schedule").click()
    state = page.get_by_role("region", name="State of the schedule")
    expect(state.get_by_text("Off: refreshes start by hand alone")).to_be_visible()
    page.get_by_role("switch", name="Start refreshes by themselves").check()
    page.get_by_role("checkbox", name="After so many new ratings").check()
    page.get_by_label("New ratings", exact=True).fill("5000000")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Expected a whole number from 1 to 1,000,000")).to_be_visible()
    page.get_by_label("New ratings", exact=True).fill("300")
    page.get_by_label("Comparisons to ask for").fill("40")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(state.get_by_text("On: on drift, after 300 new ratings (0 so far)")).to_be_visible()
    schedule = RefreshSchedule.objects.get()
    assert (schedule.is_enabled, schedule.new_ratings, schedule.config["sampling"]["budget"]) == (True, 300, 40)
    assert in_light_and_dark(page) == []
    assert overflow_of(page) == (False, False)
    page.get_by_role("link", name="All refreshes").click()
    expect(page.get_by_text("Starts by itself: on drift, after 300 new ratings (0 so far).")).to_be_visible()


def overflow_of(page: Page, dialog=None) -> tuple[bool, bool]:
    """Whether the page, and a dialog on it, scroll sideways on a telephone."""
    page.set_viewport_size({"width": 390, "height": 800})

    def is_wide() -> bool:
        return dialog is not None and dialog.evaluate("one => one.scrollWidth > one.clientWidth + 1")

    # What moves when the window is resized takes a moment.
    wait_until(lambda: not overflows(page) and not is_wide(), 10, 0.1)
    found = overflows(page), is_wide()
    page.set_viewport_size({"width": 1280, "height": 900})
    return found
