"""A researcher starts a refresh in the browser and watches it to its end."""

import re

import pytest
from playwright.sync_api import expect

from annotate.agreement.models import ModelOpinion
from annotate.common.processes import wait_until
from annotate.jobs.models import Job
from training.reward.models import RewardModel
from training.sampling.models import SamplingRound

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


def test_from_the_button_to_a_reward_model_that_scores(seeded, sign_in, celery_workers, live_scorer):
    page = sign_in(seeded, "researcher")
    page.goto(f"{seeded}/projects/demo-helpfulness/refreshes")
    page.get_by_role("button", name="Start a refresh").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("to train on")).to_be_visible()
    dialog.get_by_label("How many").fill("30")
    dialog.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url("**/refreshes/*")
    stages = page.get_by_role("region", name="Stages")
    expect(stages.get_by_text("running")).to_have_count(1, timeout=30_000)
    expect(stages.get_by_text("succeeded")).to_have_count(6, timeout=360_000)

    model = RewardModel.objects.get()
    accuracy, baselines = model.report["accuracy"], model.report["baselines"]
    assert accuracy["n"] >= 100 and accuracy["low"] < accuracy["value"] < accuracy["high"]
    results = page.get_by_role("region", name="Results")
    for stat in (accuracy, baselines["longer"], baselines["always_a"]):
        expect(results.get_by_text(f"{100 * stat['value']:.1f}\u00a0%").first).to_be_visible()
    results.get_by_role("link", name="Sampling round 1").click()
    expect(page.get_by_role("table", name="Chosen comparisons").get_by_role("row")).to_have_count(31)
    assert SamplingRound.objects.get().sampled_comparisons.count() == 30

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
