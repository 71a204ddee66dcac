"""What a refresh would do and take, told before it starts."""

from datetime import timedelta

import pytest
from django.utils import timezone

from annotate.agreement.models import AgreementSnapshot, LabellerFigures
from annotate.jobs.models import Job
from tests.cast import make_comparisons
from tests.training.real import load_pandalm, tiny_config
from tests.training.reward.registered import make_model
from training.generation.models import Generation
from training.refresh.models import RefreshCycle
from training.refresh.services import cancel_refresh, start_refresh

MAY = {"owner": 200, "researcher": 200, "reviewer": 403, "labeller": 403, "outsider": 404}


@pytest.fixture
def url(cast):
    return f"/api/v1/projects/{cast.project.slug}/refreshes/preview"


def skipped(told: dict) -> list[str]:
    return [stage["name"] for stage in told["stages"] if stage["skipped"]]


@pytest.mark.parametrize(("who", "status"), MAY.items())
def test_who_may_ask(cast, url, who, status):
    assert cast.client(getattr(cast, who)).post(url, {}, format="json").status_code == status
    assert not Job.objects.exists() and not RefreshCycle.objects.exists()


def test_the_first_refresh_of_a_project_asks_for_nothing(cast, url):
    told = cast.client(cast.researcher).post(url, {}, format="json").json()
    assert skipped(told) == ["drift", "candidates", "sample", "label"]
    assert (told["labels"], told["candidates"], told["seconds"]) == (None, None, None)


def test_labels_hours_money_and_days(cast, url):
    make_model(cast.project, "promoted")
    make_comparisons(cast.project, 40)
    cast.project.min_ratings, cast.project.pay_per_hour, cast.project.currency = 3, 18, "EUR"
    cast.project.save()
    LabellerFigures.objects.create(project=cast.project, labeller=cast.labeller, n_ratings=50, median_active_ms=20_000)
    AgreementSnapshot.objects.update_or_create(
        project=cast.project, defaults={"counts": {"forecast": {"last_days": [18, 18, 18]}}}
    )
    body = {"sampling": {"budget": 30, "random_share": 0.2}, "labelling": {"target_share": 0.9}}
    told = cast.client(cast.researcher).post(url, body, format="json").json()
    assert skipped(told) == ["candidates"]
    labels = told["labels"]
    assert (labels["n_pairs"], labels["n_chosen"], labels["n_random"], labels["n_labels"]) == (40, 30, 6, 90)
    assert labels["hours"] == pytest.approx(0.5) and labels["cost"] == "9.00"
    assert labels["days"] == 5  # 81 ratings at 18 a day
    off = cast.client(cast.researcher).post(url, body | {"ask": False}, format="json").json()
    assert off["labels"] is None and skipped(off) == ["drift", "candidates", "sample", "label"]


def test_new_completions_are_estimated_and_bound_the_labels(cast, url):
    make_model(cast.project, "promoted")
    make_comparisons(cast.project, 12)
    candidates = {"mix": [{"source": "builtin", "n": 3}], "n_prompts": 5, "is_unlabelled_only": False}
    told = cast.client(cast.researcher).post(url, {"candidates": candidates}, format="json").json()
    assert told["candidates"]["n_completions"] == 15
    assert (told["labels"]["n_pairs"], told["labels"]["n_chosen"]) == (15, 15)
    assert not Generation.objects.exists()


def test_the_machines_time_is_that_of_the_last_refreshes(cast, url):
    load_pandalm(cast.project, 420)
    now = timezone.now()
    for seconds in (100, 300, 200):
        cycle = start_refresh(project=cast.project, config=tiny_config())
        stages = cycle.stages.filter(name__in=["train", "label"])
        stages.update(state="succeeded", started_at=now - timedelta(seconds=seconds), finished_at=now)
        cancel_refresh(cycle=cycle, actor=None)
    told = cast.client(cast.researcher).post(url, {}, format="json").json()
    took = {stage["name"]: stage["seconds"] for stage in told["stages"]}
    assert took["train"] == told["seconds"] == 200
    assert took["label"] is None and took["evaluate"] is None


def test_a_wrong_option_is_refused_by_field(cast, url):
    answer = cast.client(cast.researcher).post(url, {"sampling": {"budget": 0}}, format="json")
    assert answer.status_code == 400 and answer.json()["errors"][0]["field"] == "sampling.budget"
