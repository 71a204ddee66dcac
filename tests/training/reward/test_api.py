import pytest

from annotate.jobs.models import Job
from annotate.projects.services import create_project
from tests.training.reward.registered import make_model, make_set

STAT = {"value": 0.7, "low": 0.6, "high": 0.8, "n": 90, "n_prompts": 80, "too_few": False}
REPORT = {"accuracy": STAT, "baselines": {"longer": {**STAT, "value": 0.6}, "always_a": {**STAT, "value": 0.5}}}
SEE = {"owner": 200, "researcher": 200, "reviewer": 200, "labeller": 403, "outsider": 404}
TRAIN = {"owner": 200, "researcher": 200, "reviewer": 403, "labeller": 403, "outsider": 404}


@pytest.fixture
def url(cast):
    return f"/api/v1/projects/{cast.project.slug}/reward-models"


@pytest.fixture
def model(cast):
    return make_model(cast.project, report=REPORT)


@pytest.mark.parametrize(("who", "status"), SEE.items())
def test_who_may_read_them(cast, url, model, who, status):
    client = cast.client(getattr(cast, who))
    assert client.get(url).status_code == status
    assert client.get(f"{url}/{model.pk}").status_code == status


@pytest.mark.parametrize(("who", "status"), TRAIN.items())
def test_who_may_promote_and_retire_them(cast, url, model, who, status):
    client = cast.client(getattr(cast, who))
    for action in ("promote", "retire"):
        assert client.post(f"{url}/{model.pk}/{action}", {"reason": "seen"}, format="json").status_code == status


@pytest.mark.parametrize(("who", "status"), (TRAIN | {"owner": 201, "researcher": 201}).items())
def test_who_may_train_one(cast, url, who, status):
    body = {"comparison_set_id": make_set(cast.project).pk, "training": {"epochs": 1}}
    assert cast.client(getattr(cast, who)).post(url, body, format="json").status_code == status


def test_it_shows_accuracy_with_interval_beside_the_baselines(cast, url, model):
    (row,) = cast.client(cast.researcher).get(url).json()["results"]
    assert row["metrics"]["accuracy"] == {"value": 0.7, "low": 0.6, "high": 0.8, "n": 90, "too_few": False}
    assert row["metrics"]["baselines"]["longer"]["value"] == 0.6
    assert row["metrics"]["baselines"]["always_a"]["value"] == 0.5
    assert row["metrics"]["n_test"] == 90
    assert row["comparison_set"] == {"id": model.comparison_set_id, "number": 1}


def test_one_without_a_report_has_no_figures_rather_than_zeros(cast, url):
    make_model(cast.project, "training")
    (row,) = cast.client(cast.researcher).get(url).json()["results"]
    assert row["metrics"]["accuracy"] == {"value": None, "low": None, "high": None, "n": 0, "too_few": True}


def test_its_lineage_goes_down_to_ratings_and_guidelines(cast, url, model):
    lineage = cast.client(cast.reviewer).get(f"{url}/{model.pk}").json()["lineage"]
    assert lineage["n_ratings"] == 360 and lineage["n_labellers"] == 3
    assert lineage["guideline_versions"] == [1, 2]
    assert lineage["comparison_set"]["digest"] == model.comparison_set.digest


def test_a_promotion_needs_a_reason(cast, url, model):
    answer = cast.client(cast.owner).post(f"{url}/{model.pk}/promote", {}, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "reason"


def test_training_is_queued_for_the_gpu(cast, url):
    body = {"comparison_set_id": make_set(cast.project).pk, "training": {"epochs": 2}}
    answer = cast.client(cast.researcher).post(url, body, format="json")
    job = Job.objects.get(pk=answer.json()["job"]["id"])
    assert (job.kind, job.queue, job.state) == ("train", "gpu", "queued")
    assert answer.json()["config"] == {"options": {"epochs": 2}}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"base_model": "../../etc/passwd"}, "base_model"),
        ({"base_model": "/models/../secret"}, "base_model"),
        ({"training": {"epochs": 0}}, "training.epochs"),
        ({"training": {"learning_rate": 5}}, "training.learning_rate"),
    ],
)
def test_it_refuses_options_that_cannot_be(cast, url, body, field):
    body = {"comparison_set_id": make_set(cast.project).pk} | body
    answer = cast.client(cast.researcher).post(url, body, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


def test_another_projects_model_is_not_found(cast, url, model):
    other = f"/api/v1/projects/{create_project(owner=cast.owner, name='Other').slug}/reward-models/{model.pk}"
    assert cast.client(cast.owner).get(other).status_code == 404


def test_scoring_without_a_promoted_model_says_so(cast, model):
    url = f"/api/v1/projects/{cast.project.slug}/score"
    body = {"messages": [{"role": "user", "content": "Hi"}], "completions": ["Hello"]}
    answer = cast.client(cast.researcher).post(url, body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_reward_model")


@pytest.mark.parametrize(("who", "status"), (SEE | dict.fromkeys(("owner", "researcher", "reviewer"), 409)).items())
def test_labellers_are_shown_no_rewards(cast, who, status):
    url = f"/api/v1/projects/{cast.project.slug}/score"
    body = {"messages": [{"role": "user", "content": "Hi"}], "completions": ["Hello"]}
    assert cast.client(getattr(cast, who)).post(url, body, format="json").status_code == status
