import pytest

from annotate.jobs.models import Job
from tests.training.reward.registered import make_model
from training.drift.models import DriftReport
from training.generation.models import Generation
from training.reward.models import RewardModelState

SEE = {"owner": 200, "researcher": 200, "reviewer": 200, "labeller": 403, "outsider": 404}
START = {"owner": 202, "researcher": 202, "reviewer": 403, "labeller": 403, "outsider": 404}


@pytest.fixture
def url(cast):
    return f"/api/v1/projects/{cast.project.slug}/drift-reports"


@pytest.mark.parametrize(("who", "status"), START.items())
def test_who_may_start_one(cast, url, who, status):
    make_model(cast.project, RewardModelState.PROMOTED)
    answer = cast.client(getattr(cast, who)).post(url, {}, format="json")
    assert answer.status_code == status
    assert Job.objects.count() == DriftReport.objects.count() == (status == 202)


@pytest.mark.parametrize(("who", "status"), SEE.items())
def test_who_may_read_them(cast, url, who, status):
    make_model(cast.project, RewardModelState.PROMOTED)
    made = cast.client(cast.owner).post(url, {}, format="json").json()
    client = cast.client(getattr(cast, who))
    assert client.get(url).status_code == status
    assert client.get(f"{url}/{made['id']}").status_code == status


def test_it_answers_with_its_job_and_no_report_yet(cast, url):
    model = make_model(cast.project)
    generation = Generation.objects.create(project=cast.project, number=3, options={})
    body = {"reward_model_id": model.pk, "generation_id": generation.pk}
    told = cast.client(cast.researcher).post(url, body, format="json").json()
    assert (told["number"], told["verdict"], told["report"]) == (1, "", None)
    assert told["reward_model"]["version"] == model.version and told["generation"]["number"] == 3
    assert told["job"]["state"] == "queued" and told["job"]["kind"] == "drift"


def test_without_a_promoted_model_it_is_a_conflict(cast, url):
    answer = cast.client(cast.researcher).post(url, {}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_promoted")


@pytest.mark.parametrize("body", [{"reward_model_id": 9}, {"generation_id": 9}])
def test_what_is_not_there_is_not_found(cast, url, body):
    make_model(cast.project, RewardModelState.PROMOTED)
    assert cast.client(cast.researcher).post(url, body, format="json").status_code == 404


def test_the_list_does_not_query_by_row(cast, url, django_assert_max_num_queries):
    make_model(cast.project, RewardModelState.PROMOTED)
    client = cast.client(cast.researcher)
    for _ in range(4):
        client.post(url, {}, format="json")
    with django_assert_max_num_queries(4):
        assert len(client.get(url).json()["results"]) == 4
