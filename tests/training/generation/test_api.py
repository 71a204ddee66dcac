import io

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from annotate.jobs.models import Job
from annotate.pool.models import Completion
from annotate.projects.models import AuditEvent
from tests.training.ratings import make_prompt
from tests.training.refresh.conftest import wait_for
from training.generation.models import GeneratedCompletion, Generation
from training.generation.options import GenerationOptions
from training.generation.services import create_generation

SEE = {"owner": 200, "researcher": 200, "reviewer": 200, "labeller": 403, "outsider": 404}
START = {"owner": 201, "researcher": 201, "reviewer": 403, "labeller": 403, "outsider": 404}
MIX = [{"source": "builtin"}]


@pytest.fixture
def url(cast):
    return f"/api/v1/projects/{cast.project.slug}/generations"


@pytest.fixture
def generation(cast, prompts):
    made = create_generation(project=cast.project, options=GenerationOptions.parse({"mix": MIX}))
    GeneratedCompletion.objects.create(generation=made, completion=prompts[0].completions.first())
    return made


@pytest.mark.parametrize(("who", "status"), SEE.items())
def test_who_may_read_them(cast, url, generation, who, status):
    client = cast.client(getattr(cast, who))
    assert client.get(url).status_code == status
    assert client.get(f"{url}/{generation.pk}").status_code == status


@pytest.mark.parametrize(("who", "status"), START.items())
def test_who_may_start_and_estimate(cast, url, prompts, who, status):
    client = cast.client(getattr(cast, who))
    assert client.post(url, {"mix": MIX}, format="json").status_code == status
    assert client.post(f"{url}/estimate", {"mix": MIX}, format="json").status_code == (200 if status == 201 else status)
    assert client.get(f"{url}/choices").status_code == (200 if status == 201 else status)
    assert Generation.objects.count() == (status == 201)


def test_it_is_queued_for_the_gpu_and_written_down(cast, url, prompts):
    body = cast.client(cast.researcher).post(url, {"mix": MIX, "n_prompts": 3}, format="json").json()
    job = Job.objects.get(pk=body["job"]["id"])
    assert (job.kind, job.queue, job.state, job.title) == ("generate", "gpu", "queued", "Generation 1")
    assert body["options"]["n_prompts"] == 3
    event = AuditEvent.objects.get(action="generation.started")
    assert (event.actor, event.target_id) == (cast.researcher, str(body["id"]))


def test_a_bad_mix_is_told_by_field(cast, url, prompts):
    client = cast.client(cast.researcher)
    mix = [*MIX, {"source": "endpoint:http://127.0.0.1:6379"}]
    for address in (url, f"{url}/estimate"):
        answer = client.post(address, {"mix": mix}, format="json")
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == ["mix.1.source"]
    assert client.post(url, {"mix": [{"source": "x", "n": 1}]}, format="json").json()["errors"][0]["field"] == (
        "mix.0.source"
    )


def test_no_prompt_that_fits_is_a_conflict_with_what_to_do(cast, url):
    answer = cast.client(cast.researcher).post(url, {"mix": MIX}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_prompts")


def test_one_shows_a_sample_of_what_it_brought(cast, url, generation, prompts):
    detail = cast.client(cast.reviewer).get(f"{url}/{generation.pk}").json()
    (shown,) = detail["sample"]
    assert shown["text"] == "oak number 0"
    assert (shown["prompt_id"], shown["kind"]) == (prompts[0].pk, "external")


def test_numbers_are_taken_once(cast, generation):
    with pytest.raises(IntegrityError), transaction.atomic():
        Generation.objects.create(project=cast.project, number=1, options={})
    with pytest.raises(IntegrityError), transaction.atomic():
        Generation.objects.create(project=cast.project, number=0, options={})
    with pytest.raises(IntegrityError), transaction.atomic():
        GeneratedCompletion.objects.create(
            generation=generation, completion=generation.generated_completions.get().completion
        )


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("generate", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_starts_one_or_estimates_it(cast, prompts):
    mix = ["--mix", "builtin,n=2,temperature=0.5", "--mix", "pool,kind=random"]
    told = command("--project", cast.project.slug, *mix, "--n-prompts", "4", "--estimate")
    assert "n sampled: 8" in told and "n completions: 12" in told
    assert not Generation.objects.exists()
    assert "Generation 1 of Helpfulness is queued" in command("--project", cast.project.slug, *mix)
    first, second = Generation.objects.get().options["mix"]
    assert (first["n"], first["temperature"], second["kind"]) == (2, 0.5, "random")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--mix", "nowhere"], "mix.0.source: Expected"),
        (["--mix", "builtin,n=two"], "n takes a number"),
        (["--mix", "builtin,n"], "expected FIELD=VALUE"),
        (["--options", "/nowhere.json"], "/nowhere.json"),
    ],
)
def test_a_wrong_argument_is_named(cast, prompts, arguments, told):
    with pytest.raises(CommandError, match=told):
        command("--project", cast.project.slug, *arguments)


def test_an_unknown_project_is_answered_with_the_known_ones(cast):
    with pytest.raises(CommandError, match=f"there are: {cast.project.slug}"):
        command("--project", "nope")


@pytest.mark.django_db(transaction=True)
def test_a_worker_does_the_work(cast, celery_workers, policy, url):
    for number in range(3):
        make_prompt(cast.project, f"Question {number}?", [])
    mix = [{"source": f"checkpoint:{policy.pk}", "temperature": 1.5}]
    client = cast.client(cast.researcher)
    body = client.post(url, {"mix": mix, "max_new_tokens": 8}, format="json").json()
    wait_for(lambda: Job.objects.get(pk=body["job"]["id"]).is_finished, 150, "the generation")
    job = Job.objects.get(pk=body["job"]["id"])
    assert (job.state, job.error_message) == ("succeeded", "")
    found = client.get(f"{url}/{body['id']}").json()
    assert found["finished_at"] and found["counts"]["written"] == len(found["sample"]) == Completion.objects.count() > 0
    assert job.result["written"] == found["counts"]["written"]
