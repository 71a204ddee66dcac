import pytest

from annotate.jobs import services as jobs
from annotate.jobs.models import Job
from tests.training.real import load_pandalm

SEE = {"owner": 200, "researcher": 200, "reviewer": 200, "labeller": 403, "outsider": 404}
START = {"owner": 201, "researcher": 201, "reviewer": 403, "labeller": 403, "outsider": 404}


@pytest.fixture
def url(cast):
    return f"/api/v1/projects/{cast.project.slug}/refreshes"


@pytest.mark.parametrize(("who", "status"), START.items())
def test_who_may_start_one(cast, url, who, status):
    if status == 201:
        load_pandalm(cast.project, 420)
    answer = cast.client(getattr(cast, who)).post(url, {}, format="json")
    assert answer.status_code == status
    assert Job.objects.count() == (status == 201)


@pytest.mark.parametrize(("who", "status"), SEE.items())
def test_who_may_read_them(cast, url, who, status):
    load_pandalm(cast.project, 420)
    made = cast.client(cast.owner).post(url, {}, format="json").json()
    client = cast.client(getattr(cast, who))
    assert client.get(url).status_code == status
    assert client.get(f"{url}/{made['id']}").status_code == status


def test_it_answers_with_stages_and_job(cast, url):
    load_pandalm(cast.project, 420)
    body = {
        "name": "June", "sampling": {"acquisition": "random", "budget": 7}, "labelling": {"target_share": 0.5},
        "spec": {"ties": "soft"}, "training": {"epochs": 2},
    }  # fmt: skip
    answer = cast.client(cast.researcher).post(url, body, format="json").json()
    assert (answer["number"], answer["name"], answer["state"]) == (1, "June", "running")
    names = ["drift", "candidates", "sample", "label", "export", "base", "train", "evaluate", "promote", "swap"]
    assert [stage["name"] for stage in answer["stages"]] == names
    assert {stage["state"] for stage in answer["stages"]} == {"pending"}
    assert answer["job"]["state"] == "queued" and answer["job"]["can_cancel"]
    assert answer["config"]["sampling"]["budget"] == 7 and answer["config"]["spec"]["ties"] == "soft"
    assert answer["config"]["training"] == {"epochs": 2}


def test_its_state_is_its_jobs(cast, url):
    load_pandalm(cast.project, 420)
    client = cast.client(cast.researcher)
    made = client.post(url, {}, format="json").json()
    jobs.request_cancel(job=Job.objects.get(pk=made["job"]["id"]))
    assert client.get(f"{url}/{made['id']}").json()["state"] == "cancelled"


def test_a_second_one_is_a_conflict_that_names_the_first(cast, url):
    load_pandalm(cast.project, 420)
    client = cast.client(cast.researcher)
    first = client.post(url, {}, format="json").json()
    answer = client.post(url, {}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "refresh_running")
    assert answer.json()["refresh"] == {"id": first["id"], "number": 1}


def test_too_few_ratings_are_a_conflict_with_the_counts(cast, url):
    answer = cast.client(cast.researcher).post(url, {}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "too_few_comparisons")
    assert answer.json()["counts"]["comparisons"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"base_model": "../x"}, "base_model"),
        ({"sampling": {"budget": 0}}, "sampling.budget"),
        ({"sampling": {"acquisition": "mine"}}, "sampling.acquisition"),
        ({"labelling": {"target_share": 0}}, "labelling.target_share"),
        ({"labelling": {"max_days": 0}}, "labelling.max_days"),
        ({"candidates": {"mix": [{"source": "nobody"}]}}, "candidates.mix.0.source"),
        ({"promotion": "dice"}, "promotion"),
        ({"spec": {"min_ratings": 99}}, "spec.min_ratings"),
        ({"training": {"batch_size": 0}}, "training.batch_size"),
    ],
)
def test_what_cannot_be_is_refused_by_field(cast, url, body, field):
    answer = cast.client(cast.researcher).post(url, body, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


def test_the_list_does_not_query_by_row(cast, url, django_assert_max_num_queries):
    load_pandalm(cast.project, 420)
    client = cast.client(cast.researcher)
    for _ in range(4):
        made = client.post(url, {}, format="json").json()
        jobs.request_cancel(job=Job.objects.get(pk=made["job"]["id"]))
    with django_assert_max_num_queries(4):
        assert len(client.get(url).json()["results"]) == 4
