import pytest

from annotate.jobs.models import Job
from tests.training.ratings import rate, running_job
from training.exports.models import ComparisonSet
from training.exports.services import write_comparison_set

SEE = {"owner": 200, "researcher": 200, "reviewer": 200, "labeller": 403, "outsider": 404}
MAKE = {"owner": 201, "researcher": 201, "reviewer": 403, "labeller": 403, "outsider": 404}


@pytest.fixture
def url(cast):
    return f"/api/v1/projects/{cast.project.slug}/comparison-sets"


@pytest.mark.parametrize(("who", "status"), SEE.items())
def test_who_may_read_them(cast, url, who, status):
    made = ComparisonSet.objects.create(project=cast.project, number=1)
    client = cast.client(getattr(cast, who))
    assert client.get(url).status_code == status
    assert client.get(f"{url}/{made.pk}").status_code == status
    assert client.get(f"{url}/preview").status_code == status
    manifest = client.get(f"{url}/{made.pk}/manifest")
    assert manifest.status_code == (409 if status == 200 else status)


@pytest.mark.parametrize(("who", "status"), MAKE.items())
def test_who_may_make_one(cast, url, who, status):
    assert cast.client(getattr(cast, who)).post(url, {}, format="json").status_code == status


def test_it_is_made_by_a_job_and_numbered(cast, url, comparisons):
    rate(comparisons(1)[0], "a", "a")
    client = cast.client(cast.researcher)
    first = client.post(url, {"name": "all", "spec": {"ties": "soft"}}, format="json").json()
    second = client.post(url, {}, format="json").json()
    assert (first["number"], second["number"]) == (1, 2)
    assert first["job"]["state"] == "queued" and first["digest"] == ""
    made = ComparisonSet.objects.get(pk=first["id"])
    write_comparison_set(comparison_set=made, context=running_job(cast.project))
    read = client.get(f"{url}/{made.pk}").json()
    assert read["counts"]["comparisons"] == 1 and len(read["digest"]) == 64
    manifest = client.get(f"{url}/{made.pk}/manifest").json()
    assert manifest["format"] == "touchstone.comparison_set/2"
    assert manifest["digest"] == read["digest"]
    assert manifest["spec"]["ties"] == "soft"


def test_the_preview_counts_what_the_spec_would_give(cast, url, comparisons):
    agreed, split, once = comparisons(3)
    rate(agreed, "a", "a")
    rate(split, "a", "b")
    rate(once, "b")
    counts = cast.client(cast.reviewer).get(f"{url}/preview?min_ratings=2&ties=drop").json()
    assert counts["comparisons"] == 1
    assert counts["left_out"]["too_few_ratings"] == 1 and counts["left_out"]["tied"] == 1
    assert cast.client(cast.reviewer).get(f"{url}/preview?ties=soft").json()["comparisons"] == 3


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"min_ratings": 0}, "spec.min_ratings"),
        ({"ties": "keep"}, "spec.ties"),
        ({"min_agreement": 2}, "spec.min_agreement"),
    ],
)
def test_a_spec_that_cannot_be_is_refused_by_field(cast, url, spec, field):
    answer = cast.client(cast.researcher).post(url, {"spec": spec}, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field
    assert not Job.objects.exists()


def test_the_list_does_not_query_by_row(cast, url, django_assert_max_num_queries):
    for number in range(1, 9):
        ComparisonSet.objects.create(project=cast.project, number=number)
    client = cast.client(cast.researcher)
    with django_assert_max_num_queries(3):
        assert len(client.get(url).json()["results"]) == 8
