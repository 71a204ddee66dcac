"""Policy runs through the API and the command: starting, reading, stopping; who may; whose."""

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.utils import timezone

from annotate.jobs import services as jobs
from annotate.jobs.models import Job
from annotate.projects.models import AuditEvent, Membership, Project, Role
from annotate.projects.services import create_project
from annotate.ratings.services import purge
from tests.training.policy_runs.conftest import N_HELD_OUT, N_TRAIN, prompts_of
from tests.training.reward.registered import make_model
from training.policy.models import Checkpoint
from training.policy_runs.models import PolicyEvaluation, PolicyRun, PolicySample
from training.policy_runs.people import ask_people
from training.policy_runs.running import as_points
from training.reward import registry
from training.reward.models import RewardModel, RewardModelState

URL = "/api/v1/projects/helpfulness/policy-runs"
BODY = {"reward_model": 1, "n_probe": 8, "n_human": 4}
READ = {"owner": 200, "reviewer": 200, "researcher": 200, "labeller": 403, "outsider": 404}
START = {"owner": 201, "reviewer": 403, "researcher": 201, "labeller": 403, "outsider": 404}


@pytest.fixture
def ready(promoted, training_side, held_out):
    """A project in which a run can be started."""
    return promoted


def registered(path) -> list[tuple[str, int, str]]:
    return [(entry["name"], entry["version"], entry["state"]) for entry in json.loads(path.read_text())["models"]]


def set_state(run: PolicyRun, state: str) -> None:
    ended = {"finished_at": timezone.now()} if state in ("failed", "cancelled", "succeeded") else {}
    assert run.job_id is not None
    Job.objects.filter(pk=run.job_id).update(state=state, **ended)


# --- starting --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("who", "status"), START.items())
def test_who_may_start_look_at_choices_and_preview(cast, ready, who, status):
    client = cast.client(getattr(cast, who))
    looked = 200 if status == 201 else status
    assert client.get(f"{URL}/options").status_code == looked
    assert client.post(f"{URL}/preview", BODY, format="json").status_code == looked
    assert client.post(URL, BODY, format="json").status_code == status
    assert PolicyRun.objects.count() == (status == 201)


def test_it_is_queued_for_the_gpu_and_written_down(cast, ready):
    told = cast.client(cast.researcher).post(URL, {**BODY, "beta": 0.02}, format="json").json()
    job = Job.objects.get(pk=told["job"]["id"])
    assert (job.kind, job.queue, job.state, job.title) == (
        "optimise_policy", "gpu", "queued", "Policy run 1 against v1",
    )  # fmt: skip
    assert (told["number"], told["state"], told["start_label"]) == (1, "queued", "built-in")
    assert (told["reward_model"]["version"], told["gold_model"], told["latest"]) == (1, None, None)
    assert (told["options"]["beta"], told["options"]["n_probe"]) == (0.02, 8)
    assert told["report"] == dict.fromkeys(["fit", "decision", "people", "best_step", "last_step"]) | {"fit_of": ""}
    assert told["can"] == {"cancel": True, "retry": False, "ask_people": False, "adversarial": False, "keep": False}
    assert told["created_by"] == "researcher"
    event = AuditEvent.objects.get(action="policy_run.started")
    assert (event.actor, event.summary) == (
        cast.researcher, "Policy run 1 is started: built-in against reward model v1",
    )  # fmt: skip


def test_the_scorer_keeps_its_models_until_it_has_ended(cast, ready, registry_file, django_capture_on_commit_callbacks):
    make_model(cast.project)
    make_model(cast.project)
    client = cast.client(cast.researcher)
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(URL, {**BODY, "reward_model": 2, "gold_model": 3}, format="json").status_code == 201
    mine = "helpfulness"
    assert registered(registry_file) == [(mine, 1, "promoted"), (mine, 2, "held"), (mine, 3, "held")]
    served = {row["version"]: row["is_served"] for row in client.get(f"{URL}/options").json()["reward_models"]}
    assert served == {1: True, 2: True, 3: True}
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(f"{URL}/1/cancel").json()["state"] == "cancelled"
    assert registered(registry_file) == [(mine, 1, "promoted")]
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(f"{URL}/1/retry").json()["state"] == "queued"
    assert registered(registry_file) == [(mine, 1, "promoted"), (mine, 2, "held"), (mine, 3, "held")]


def test_what_there_is_not_is_told_by_field(cast, ready):
    other = create_project(owner=cast.outsider, name="Elsewhere")
    theirs = Checkpoint.objects.create(pool=other.pool, name="theirs", kind="sft", path="/models/theirs")
    make_model(other, RewardModelState.PROMOTED)
    make_model(other)
    make_model(cast.project, RewardModelState.TRAINING)
    client = cast.client(cast.researcher)
    for address in (URL, f"{URL}/preview"):
        for change, field in (
            ({"start": f"checkpoint:{theirs.pk}"}, "start"),
            ({"reward_model": 7}, "reward_model"),
            ({"reward_model": 2}, "reward_model"),
            ({"gold_model": 2}, "gold_model"),
            ({"ensemble": "worst"}, "ensemble"),
            ({"beta": -1}, "beta"),
            ({"algorithm": "ppo"}, "algorithm"),
            ({"human_kls": ["far"]}, "human_kls.0"),
        ):
            answer = client.post(address, {**BODY, **change}, format="json")
            assert answer.status_code == 400, change
            assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not PolicyRun.objects.exists()


def test_a_model_of_another_project_is_combined_where_one_sees_it(
    cast, ready, registry_file, django_capture_on_commit_callbacks
):
    """Over the same pool, in use, and in a project that the researcher may look at; it is held until the run ends."""
    pool = cast.project.pool
    safety = Project.objects.create(slug="safety", name="Safety", axis="safety", pool=pool)
    theirs = make_model(safety, RewardModelState.PROMOTED)
    elsewhere = create_project(owner=cast.researcher, name="Elsewhere")
    make_model(elsewhere, RewardModelState.PROMOTED)
    client = cast.client(cast.researcher)
    body = {**BODY, "combine_with": "safety"}

    def refused() -> bool:
        answer = client.post(URL, body, format="json")
        return answer.status_code == 400 and [one["field"] for one in answer.json()["errors"]] == ["combine_with"]

    assert client.get(f"{URL}/options").json()["combinable"] == []
    assert refused()
    seat = Membership.objects.create(project=safety, user=cast.researcher, role=Role.LABELLER)
    assert refused()
    Membership.objects.filter(pk=seat.pk).update(role=Role.REVIEWER)
    (choice,) = client.get(f"{URL}/options").json()["combinable"]
    assert choice == {"value": "safety", "label": "Safety, v1 (promoted)"}
    body["combine_with"] = elsewhere.slug
    assert refused(), "of another pool"
    body["combine_with"] = "safety"
    with django_capture_on_commit_callbacks(execute=True):
        told = client.post(URL, body, format="json")
    assert told.status_code == 201
    assert told.json()["combined_model"] == {
        "id": theirs.pk, "version": 1, "label": "v1 (promoted)", "project": "Safety",
    }  # fmt: skip
    newer = make_model(safety)
    RewardModel.objects.filter(pk=theirs.pk).update(state=RewardModelState.RETIRED)
    RewardModel.objects.filter(pk=newer.pk).update(state=RewardModelState.PROMOTED, promoted_at=timezone.now())
    registry.sync()
    assert ("safety", 1, "held") in registered(registry_file)


def test_an_ensemble_may_be_asked_for_its_worst_member(cast, ready):
    type(ready).objects.filter(pk=ready.pk).update(n_members=3)
    told = cast.client(cast.researcher).post(URL, {**BODY, "ensemble": "worst"}, format="json")
    assert told.status_code == 201
    assert told.json()["reward_model"]["label"] == "v1 (promoted, 3 members)"


def test_without_a_model_in_use_it_says_what_to_do(cast, training_side, held_out):
    make_model(cast.project)
    client = cast.client(cast.researcher)
    answer = client.post(URL, BODY, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_reward_model")
    told = client.get(f"{URL}/options").json()
    assert told["problem"] == answer.json()["detail"]
    assert told["defaults"]["reward_model"] is None


@pytest.mark.parametrize(("side", "missing"), [("train", "not trained on"), ("held out", "to train on")])
def test_without_prompts_on_both_sides_it_says_what_is_missing(cast, promoted, side, missing):
    prompts_of(cast.project, side, 5)
    client = cast.client(cast.researcher)
    answer = client.post(URL, BODY, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_prompts")
    assert missing in answer.json()["detail"] == client.get(f"{URL}/options").json()["problem"]


def test_the_form_starts_with_the_sft_model_and_what_is_in_use(cast, ready):
    candidate = make_model(cast.project, n_members=2)
    pool = cast.project.pool
    sft = Checkpoint.objects.create(pool=pool, name="sft-1", kind="sft", path="/models/sft")
    policy = Checkpoint.objects.create(pool=pool, name="policy-1", kind="policy", path="/models/policy")
    told = cast.client(cast.researcher).get(f"{URL}/options").json()
    assert told["starts"] == [
        {"value": f"checkpoint:{sft.pk}", "label": "sft-1 (SFT model)"},
        {"value": f"checkpoint:{policy.pk}", "label": "policy-1 (Policy)"},
        {"value": "builtin", "label": "The built-in model of this pool"},
    ]
    assert told["reward_models"] == [
        {"version": candidate.version, "label": "v2 (candidate, 2 members)", "is_served": False, "n_members": 2},
        {"version": 1, "label": "v1 (promoted)", "is_served": True, "n_members": 1},
    ]
    assert (told["n_prompts"], told["n_probe"], told["problem"]) == (N_TRAIN, N_HELD_OUT, "")
    defaults = told["defaults"]
    assert (defaults["start"], defaults["reward_model"]) == (f"checkpoint:{sft.pk}", 1)
    assert (defaults["n_probe"], defaults["n_human"]) == (N_HELD_OUT, N_HELD_OUT)
    started = cast.client(cast.researcher).post(URL, defaults, format="json")
    assert started.status_code == 201, "what the form starts with can be sent as it is"


def test_a_preview_says_what_it_takes(cast, ready, started):
    body = {
        "reward_model": 1, "n_steps": 10, "prompts_per_step": 9, "completions_per_prompt": 4, "n_iterations": 2,
        "n_probe": 8, "n_human": 5, "human_kls": [1, 2], "evaluate_every": 5, "max_new_tokens": 10,
    }  # fmt: skip
    client = cast.client(cast.researcher)
    told = client.post(f"{URL}/preview", body, format="json").json()
    assert told == {
        "n_prompts": 9,
        "passes": 5.0,
        "n_completions": 180,
        "n_updates": 10,
        "n_probe": 8,
        "n_evaluations": 5,
        "n_probe_completions": 40,
        "max_new_tokens": 2200,
        "n_comparisons": 10,
        "n_ratings": 10 * cast.project.min_ratings,
        "seconds": None,
    }
    before = started(n_steps=5, prompts_per_step=9, completions_per_prompt=4)
    ended = timezone.now()
    Job.objects.filter(pk=before.job_id).update(
        state="succeeded", started_at=ended - timedelta(seconds=90), finished_at=ended
    )
    assert client.post(f"{URL}/preview", body, format="json").json()["seconds"] == pytest.approx(90)


# --- reading ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("who", "status"), READ.items())
def test_who_may_read(cast, started, evaluated, who, status):
    run = started()
    evaluated(run, 10)
    client = cast.client(getattr(cast, who))
    for address in ("", "/1", "/1/steps", "/1/evaluations", "/1/evaluations/10/samples", "/1/adversarial"):
        assert client.get(f"{URL}{address}").status_code == status, address


@pytest.mark.parametrize("who", ["reviewer", "labeller", "outsider"])
def test_who_may_not_change_one(cast, started, evaluated, who):
    run = started()
    evaluated(run, 10)
    client = cast.client(getattr(cast, who))
    for address in (
        "/1/cancel",
        "/1/retry",
        "/1/evaluations/10/comparisons",
        "/1/evaluations/10/keep",
        "/1/adversarial",
    ):
        answer = client.post(f"{URL}{address}", {"n": 2}, format="json")
        assert answer.status_code == (404 if who == "outsider" else 403), address
    run.refresh_from_db()
    assert run.job is not None and run.job.cancel_requested_at is None
    assert not PolicySample.objects.filter(is_asked=True).exists()


def test_a_run_is_found_in_its_own_project_alone(cast, started, evaluated):
    evaluated(started(), 10)
    other = create_project(owner=cast.owner, name="Elsewhere")
    client = cast.client(cast.owner)
    theirs = f"/api/v1/projects/{other.slug}/policy-runs"
    assert client.get(theirs).json()["results"] == []
    for address in ("/1", "/1/steps", "/1/evaluations", "/1/evaluations/10/samples", "/1/adversarial"):
        assert client.get(f"{URL}{address}").status_code == 200
        assert client.get(f"{theirs}{address}").json()["code"] == "not_found"
    for address in (
        "/1/cancel",
        "/1/retry",
        "/1/evaluations/10/comparisons",
        "/1/evaluations/10/keep",
        "/1/adversarial",
    ):
        assert client.post(f"{theirs}{address}", {"n": 2}, format="json").json()["code"] == "not_found"
    assert client.get(f"{URL}/1/evaluations/11/samples").status_code == 404


def test_the_list_has_the_newest_first_with_its_latest_evaluation(cast, started, evaluated):
    first = started()
    evaluated(first, 0)
    evaluated(first, 20, gold_gain=0.1, gold_gain_se=0.05, kl=4.0)
    from training.policy_runs.running import keep_report

    keep_report(first)
    started()
    found = cast.client(cast.reviewer).get(URL).json()["results"]
    assert [one["number"] for one in found] == [2, 1]
    assert found[1]["latest"] == {
        "step": 20, "kl": 4.0, "d": 2.0, "reward_gain": 1.0, "gold_gain": 0.1, "length": 20.0,
    }  # fmt: skip
    assert "steps" not in found[0]


def test_steps_are_points_for_a_chart(cast, started):
    run = started()
    client = cast.client(cast.reviewer)
    assert client.get(f"{URL}/1/steps").json() == {"columns": [], "rows": []}
    updates = [{"step": step, "reward": step / 10, "kl": None} for step in range(1, 1001)]
    PolicyRun.objects.filter(pk=run.pk).update(steps=as_points(updates))
    told = client.get(f"{URL}/1/steps").json()
    assert told["columns"][:2] == ["step", "reward"]
    rows = told["rows"]
    assert len(rows) == 334 <= 400
    assert rows[0][:2] == [3, pytest.approx(0.2)] and rows[-1][:2] == [1000, pytest.approx(100.0)]
    assert {row[told["columns"].index("kl")] for row in rows} == {None}


def test_few_steps_are_left_as_they_are():
    updates = [{"step": step, "reward": float(step), "loss": 0.5} for step in range(1, 401)]
    told = as_points(updates)
    assert [row[0] for row in told["rows"]] == list(range(1, 401))
    assert told["rows"][7][told["columns"].index("loss")] == 0.5


def test_evaluations_are_in_the_order_of_their_steps(cast, started, evaluated):
    run = started()
    for step in (10, 0, 30):
        evaluated(run, step)
    found = cast.client(cast.reviewer).get(f"{URL}/1/evaluations").json()["results"]
    assert [one["step"] for one in found] == [0, 10, 30]
    assert {(one["n_samples"], one["n_comparisons"], one["win_rate"]) for one in found} == {(N_HELD_OUT, 0, None)}
    assert found[1]["metrics"]["reward_gain"] == 0.5


def test_samples_can_be_looked_at_in_four_orders(cast, started, evaluated, held_out):
    evaluated(
        started(),
        10,
        {
            2: {"uncertainty": 3.0, "gold": 0.0, "reference_gold": 9.0},
            5: {"uncertainty": 4.0, "gold": 1.0, "reference_gold": 0.0},
        },
    )
    client = cast.client(cast.reviewer)

    def first(order: str) -> list[int]:
        answer = client.get(f"{URL}/1/evaluations/10/samples", {"order": order, "page_size": 3})
        assert answer.status_code == 200 and answer.json()["count"] == N_HELD_OUT
        return [
            held_out.index(next(p for p in held_out if p.pk == one["prompt_id"])) for one in answer.json()["results"]
        ]

    assert first("gain") == [13, 12, 11]
    assert first("uncertainty") == [5, 2, 0]
    assert first("fooled") == [2, 5, 13]
    assert first("prompt") == [0, 1, 2]
    assert client.get(f"{URL}/1/evaluations/10/samples", {"order": "colour"}).status_code == 400
    last = client.get(f"{URL}/1/evaluations/10/samples", {"page_size": 10, "page": 2}).json()["results"]
    assert len(last) == N_HELD_OUT - 10
    assert last[-1]["messages"] == held_out[0].messages
    assert (last[-1]["gain"], last[-1]["outcome"], last[-1]["is_asked"]) == (0.5, "", False)


# --- stopping --------------------------------------------------------------------------------------------------------
def test_one_is_cancelled_and_goes_on(cast, started):
    run = started()
    client = cast.client(cast.researcher)
    assert client.post(f"{URL}/1/retry").json()["code"] == "not_retryable"
    told = client.post(f"{URL}/1/cancel").json()
    assert (told["state"], told["can"]["cancel"], told["can"]["retry"]) == ("cancelled", False, True)
    assert client.post(f"{URL}/1/cancel").json()["code"] == "not_cancellable"
    assert client.post(f"{URL}/1/retry").json()["state"] == "queued"
    set_state(run, "succeeded")
    for what, code in (("cancel", "not_cancellable"), ("retry", "not_retryable")):
        assert client.post(f"{URL}/1/{what}").json()["code"] == code
    assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))[-3:] == [
        "policy_run.started", "policy_run.cancelled", "policy_run.retried",
    ]  # fmt: skip


def test_a_run_whose_job_is_gone_says_how_it_ended(cast, started):
    run = started()
    assert run.job is not None
    jobs.request_cancel(job=run.job)
    Job.objects.all().delete()
    told = cast.client(cast.reviewer).get(f"{URL}/1").json()
    assert (told["state"], told["job"], told["progress"]) == ("cancelled", None, None)
    assert told["can"] == {"cancel": False, "retry": False, "ask_people": False, "adversarial": False, "keep": False}


# --- the database ----------------------------------------------------------------------------------------------------
def test_the_database_keeps_its_rules(cast, started, evaluated, promoted):
    run = started()
    sample = evaluated(run, 10).samples.order_by("pk").first()
    checkpoint = Checkpoint.objects.create(pool=cast.project.pool, name="kept", kind="policy", path="/models/kept")
    broken = (
        (PolicyRun.objects.filter(pk=run.pk), {"number": 0}, "number_positive"),
        (PolicyRun.objects.filter(pk=run.pk), {"checkpoint": checkpoint}, "kept_once_finished"),
        (PolicyEvaluation.objects.all(), {"human_kl": 0}, "human_kl_positive"),
        (PolicySample.objects.filter(pk=sample.pk), {"gold": 1.0}, "gold_of_both"),
        (PolicySample.objects.filter(pk=sample.pk), {"evident": "win"}, "evident_known"),
        (PolicySample.objects.filter(pk=sample.pk), {"is_asked": True, "evident": "draw"}, "evident_known"),
    )
    for found, change, constraint in broken:
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            found.update(**change)
    with pytest.raises(IntegrityError, match="number_unique"), transaction.atomic():
        PolicyRun.objects.create(project=cast.project, number=1, options={}, start_model="x", reward_model=promoted)


def test_a_project_that_goes_takes_its_runs_along(cast, started, evaluated):
    ask_people(evaluation=evaluated(started(gold_model=None), 10), n=4)
    purge(project=cast.project)
    assert not PolicyRun.objects.exists() and not PolicySample.objects.exists()


# --- the command -----------------------------------------------------------------------------------------------------
def policy(*arguments: str) -> str:
    out = io.StringIO()
    call_command("policy", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_starts_one_as_the_form_would(cast, ready):
    told = policy("start", "--project", "helpfulness", "--option", "beta=0.01", "--option", "human_kls=[1,4]")
    assert "Policy run 1 of Helpfulness is queued" in told
    run = PolicyRun.objects.get()
    assert (run.options["beta"], run.options["human_kls"], run.options["n_probe"]) == (0.01, [1, 4], N_HELD_OUT)
    assert (run.created_by, run.reward_model) == (None, ready)


def test_the_command_says_what_it_would_take(cast, ready):
    told = policy("start", "--project", "helpfulness", "--preview", "--option", "n_steps=18")
    assert "n completions: 1,152" in told and "seconds: unknown" in told
    assert not PolicyRun.objects.exists()


def test_the_command_shows_how_one_stands(cast, started, evaluated):
    run = started()
    evaluated(run, 0)
    evaluated(run, 10, gold_gain=0.25, gold_gain_se=0.1)
    told = policy("status", "--project", "helpfulness")
    assert "Policy run 1: built-in against v1, queued." in told
    assert [line.split("│")[1:5] for line in told.splitlines() if line.startswith("│ 10")] == [
        [" 10   ", " 1  ", " 0.5         ", " 0.25      "]
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["start", "--option", "beta"], "expected name=value"),
        (["start", "--option", "beta=-1"], "beta: Expected a number"),
        (["start", "--option", "colour=red"], "colour: There is no such option"),
        (["start", "--option", "reward_model=9"], "reward_model: There is no reward model v9"),
        (["status"], "has no policy run."),
        (["status", "--run", "3"], "has no policy run 3"),
    ],
)
def test_a_wrong_argument_is_named(cast, ready, arguments, message):
    with pytest.raises(CommandError, match=message):
        policy(*arguments, "--project", "helpfulness")


def test_without_a_model_the_command_says_so(cast, training_side, held_out):
    with pytest.raises(CommandError, match="no promoted reward model"):
        policy("start", "--project", "helpfulness")
