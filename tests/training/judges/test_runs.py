"""Runs of judges: from the request to stored AI ratings, through the real engine and a real endpoint."""

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command

from annotate.common.errors import DomainError
from annotate.jobs.context import JobFailed
from annotate.jobs.models import Job
from annotate.projects.models import AuditEvent
from tests.judge_server import judge_server, likes_alpha, likes_the_first
from tests.training.judges.test_choosing import on_train_prompts
from tests.training.judges.world import make_version
from tests.training.ratings import rate, running_job
from training.judges.models import AiRating, Judge, JudgeRun
from training.judges.options import RunOptions
from training.judges.running import run_judge
from training.judges.services import create_constitution, start_run

URL = "/api/v1/projects/helpfulness/judge-runs"


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv("LM_ENDPOINT_TOKEN_MINE", "open-sesame")


def endpoints(server):
    return [("mine", server.url, "judge-1")]


def start(cast, version=None, **options):
    version = version or make_version(cast.project)
    return start_run(
        project=cast.project,
        version=version,
        options=RunOptions(**{"judge": "endpoint:mine", **options}),
        created_by=cast.researcher,
    )


def carry_out(run):
    return run_judge(run=run, context=running_job(run.project, "judge", run=run.pk))


def test_a_run_stores_what_its_judge_says(cast, comparisons, settings):
    made = on_train_prompts(comparisons(5))
    with judge_server(likes_alpha) as server:
        settings.LM_ENDPOINTS = endpoints(server)
        run = carry_out(start(cast))
        assert len(server.bodies) == 10 and server.tokens == {"Bearer open-sesame"}
    assert run.finished_at is not None and run.counts["n_judged"] == 5 == run.counts["n_asked"]
    stored = {one.comparison_id: one for one in AiRating.objects.all()}
    assert stored.keys() == {one.pk for one in made}
    # Completion a is the alpha one of every comparison.
    assert [one.p_a for one in stored.values()] == pytest.approx([0.8] * 5)
    assert run.judge.model == "judge-1" and run.judge.allowed_at is None
    assert all(one.n_ratings == 0 for one in made), "people's counts are people's"


def test_a_judge_that_likes_a_position_has_no_opinion(cast, comparisons, settings):
    on_train_prompts(comparisons(3))
    with judge_server(likes_the_first) as server:
        settings.LM_ENDPOINTS = endpoints(server)
        carry_out(start(cast))
    assert list(AiRating.objects.values_list("p_a", flat=True)) == pytest.approx([0.5] * 3)


def test_a_second_run_asks_only_what_is_new(cast, comparisons, settings):
    on_train_prompts(comparisons(6))
    version = make_version(cast.project)
    with judge_server(likes_alpha) as server:
        settings.LM_ENDPOINTS = endpoints(server)
        carry_out(start(cast, version, n_comparisons=4))
        second = carry_out(start(cast, version, seed=5))
        third = carry_out(start(cast, version))
        assert len(server.bodies) == 12
    assert (second.counts["n_asked"], third.counts["n_asked"]) == (2, 0)
    assert AiRating.objects.count() == 6 and Judge.objects.count() == 1


def test_what_was_judged_before_it_failed_is_kept_and_not_asked_again(cast, comparisons, settings):
    on_train_prompts(comparisons(40))
    with judge_server(likes_alpha, fails_after=64) as server:
        settings.LM_ENDPOINTS = endpoints(server)
        run = start(cast)
        context = running_job(cast.project, "judge", run=run.pk)
        with pytest.raises(JobFailed) as failure:
            run_judge(run=run, context=context)
        assert failure.value.code == "endpoint_unauthorised"
        assert AiRating.objects.count() == 32, "one part of 32 judgements was whole"
        server.fails_after, n_before = None, len(server.bodies)
        run = run_judge(run=run, context=context)
        assert len(server.bodies) - n_before == 16
    assert AiRating.objects.count() == 40 and run.counts["n_judged"] == 40


def test_it_stops_at_its_budget(cast, comparisons, settings):
    on_train_prompts(comparisons(40))
    with judge_server(likes_alpha) as server:
        settings.LM_ENDPOINTS = endpoints(server)
        run = carry_out(start(cast, max_tokens=10))
    assert run.counts["stopped_by"] == "budget"
    assert AiRating.objects.count() == 32 == run.counts["n_judged"]


def test_a_run_on_rated_ones_is_compared_with_people(cast, comparisons, settings):
    for comparison in comparisons(12):
        rate(comparison, "a", "a")
    with judge_server(likes_alpha) as server:
        settings.LM_ENDPOINTS = endpoints(server)
        run = carry_out(start(cast, scope="rated"))
    run.judge.refresh_from_db()
    assert run.judge.report["n"] == 12 and run.judge.report["agreement"]["value"] == 1.0


def test_it_is_started_and_read_through_the_api(cast, comparisons, settings):
    settings.LM_ENDPOINTS = [("mine", "http://127.0.0.1:9/v1", "judge-1")]
    on_train_prompts(comparisons(3))
    version = make_version(cast.project)
    client = cast.client(cast.researcher)
    body = {"version_id": version.pk, "judge": "endpoint:mine", "n_comparisons": 2}
    started = client.post(URL, body, format="json")
    assert started.status_code == 201 and started.json()["number"] == 1
    job = Job.objects.get(kind="judge")
    assert (job.queue, job.params, job.created_by) == ("gpu", {"run": started.json()["id"]}, cast.researcher)
    assert AuditEvent.objects.get(action="judge.started").actor == cast.researcher
    reviewer = cast.client(cast.reviewer)
    assert reviewer.get(f"{URL}/{started.json()['id']}").json()["judge"]["name"] == "endpoint:mine"
    assert reviewer.get(f"{URL}/choices").json() == {"endpoints": [{"name": "mine", "model": "judge-1"}]}
    estimate = reviewer.get(f"{URL}/estimate?n_comparisons=2&chain_of_thought=true").json()
    assert (estimate["n_available"], estimate["n_judgements"], estimate["n_questions"]) == (3, 2, 8)


def test_nobody_can_name_an_address(cast, settings):
    settings.LM_ENDPOINTS = []
    version = make_version(cast.project)
    for judge in (
        "endpoint:mine",
        "endpoint:http://10.0.0.1/v1",
        "http://10.0.0.1/v1",
        "path:../models",
        "path:models",
    ):
        answer = cast.client(cast.researcher).post(URL, {"version_id": version.pk, "judge": judge}, format="json")
        assert answer.status_code == 400, judge
        assert answer.json()["errors"][0]["field"] == "judge"
    assert not JudgeRun.objects.exists()


def test_a_draft_judges_nothing(cast, settings):
    draft = create_constitution(project=cast.project, name="Draft", principles=[], author=None)
    with pytest.raises(DomainError) as refusal:
        start(cast, draft)
    assert refusal.value.code == "not_published"


@pytest.mark.parametrize(
    ("field", "value"), [("n_comparisons", 0), ("n_principles", 51), ("max_tokens", 0), ("scope", "gold"), ("seed", -1)]
)
def test_options_say_what_they_expect(field, value):
    with pytest.raises(ValidationError) as refusal:
        RunOptions(judge="endpoint:mine", **{field: value})
    assert list(refusal.value.message_dict) == [field]


def test_the_command_starts_one(cast, comparisons, settings, capsys):
    settings.LM_ENDPOINTS = [("mine", "http://127.0.0.1:9/v1", "judge-1")]
    make_version(cast.project)
    call_command(
        "judge",
        project=cast.project.slug,
        constitution="House rules",
        judge="endpoint:mine",
        comparisons=7,
        scope="rated",
    )
    run = JudgeRun.objects.get()
    assert (run.n_comparisons, run.scope, run.judge.version.number) == (7, "rated", 1)
    assert "Judge run 1" in capsys.readouterr().out
