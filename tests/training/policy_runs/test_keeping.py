"""Which policy is kept after a run: people answer late, and what they say can be heeded by hand and undone."""

from pathlib import Path

import pytest
from django.utils import timezone

from annotate.projects.models import AuditEvent
from tests.training.policy_runs.test_people import say_of
from training.engine.policy.stopping import StopRule
from training.generation.sources import default_mix, newest_policy
from training.policy.models import Checkpoint
from training.policy_runs.keeping import checkpoint_of, forget_models, keep_files, kept_models, worth_keeping
from training.policy_runs.models import PolicyEvaluation, PolicyRun
from training.policy_runs.people import ask_people

URL = "/api/v1/projects/helpfulness/policy-runs/1"


@pytest.fixture
def ended(started, evaluated):
    """A run that kept its last evaluation, 30; people are asked about 10 and 20, and the model of 25 is gone."""

    def end() -> PolicyRun:
        run = started()
        for step in (0, 10, 20, 25, 30):
            evaluation = evaluated(run, step)
            if step in (10, 20):
                ask_people(evaluation=evaluation, n=14)
        run.evaluations.filter(step__in=(10, 20, 30)).update(model_path="/models/of-a-step")
        run.checkpoint = checkpoint_of(run, 30, "/models/30")
        run.report = {"best_step": 30, "last_step": 30}
        run.finished_at = timezone.now()
        run.save()
        return run

    return end


def keep(cast, step: int, status: int = 200):
    answer = cast.client(cast.researcher).post(f"{URL}/evaluations/{step}/keep")
    assert answer.status_code == status
    return answer.json()


def test_people_who_answer_after_the_end_are_heard(cast, ended):
    run = ended()
    evaluations = {one.step: one for one in run.evaluations.all()}
    say_of(evaluations[10], n_wins=13, n_losses=1)
    say_of(evaluations[20], n_wins=4, n_losses=10)
    client = cast.client(cast.reviewer)
    told = client.get(URL).json()
    assert (told["report"]["people"]["best_step"], told["report"]["best_step"]) == (10, 30)
    assert told["can"]["keep"] is True
    found = client.get(f"{URL}/evaluations").json()["results"]
    assert [(one["step"], one["has_model"]) for one in found] == [
        (0, True), (10, True), (20, True), (25, False), (30, True),
    ]  # fmt: skip
    first = Checkpoint.objects.get()
    assert newest_policy(cast.project.pool) == first

    told = keep(cast, 10)
    assert (told["report"]["best_step"], told["checkpoint"]["name"]) == (10, "policy-helpfulness-1-step-10")
    second = Checkpoint.objects.get(pk=told["checkpoint"]["id"])
    assert (second.path, second.metrics["step"], second.kind) == ("/models/of-a-step", 10, "policy")
    assert newest_policy(cast.project.pool) == second
    assert [row.source for row in default_mix(cast.project)][:2] == [f"checkpoint:{second.pk}"] * 2
    assert f"checkpoint:{first.pk}" not in {row.source for row in default_mix(cast.project)}
    event = AuditEvent.objects.get(action="policy_run.kept")
    assert (event.actor, event.summary) == (cast.researcher, "Policy run 1 keeps step 10; it had kept step 30")

    # What is kept again is the checkpoint that it was.
    assert keep(cast, 30)["checkpoint"]["id"] == first.pk
    assert newest_policy(cast.project.pool) == first
    assert keep(cast, 10)["checkpoint"]["id"] == second.pk
    assert Checkpoint.objects.filter(kind="policy").count() == 2


def test_the_start_can_be_kept_and_nothing_is_the_current_policy_then(cast, ended):
    ended()
    told = keep(cast, 0)
    assert (told["checkpoint"], told["report"]["best_step"]) == (None, 0)
    assert newest_policy(cast.project.pool) is None
    assert keep(cast, 30)["checkpoint"]["name"] == "policy-helpfulness-1-step-30"
    assert newest_policy(cast.project.pool) is not None


def test_a_run_that_kept_nothing_keeps_one_afterwards(cast, ended):
    run = ended()
    keep(cast, 0)
    Checkpoint.objects.all().delete()
    keep(cast, 20)
    run.refresh_from_db()
    assert run.checkpoint is not None and run.checkpoint == newest_policy(cast.project.pool)


def test_the_policy_of_a_later_run_stays_the_current_one(cast, ended):
    ended()
    later = Checkpoint.objects.create(pool=cast.project.pool, name="policy-2", kind="policy", path="/models/later")
    keep(cast, 10)
    assert newest_policy(cast.project.pool) == later
    told = [row.source for row in default_mix(cast.project)]
    mine = Checkpoint.objects.get(metrics__step=10)
    assert told[0] == f"checkpoint:{later.pk}" and f"checkpoint:{mine.pk}" in told


def test_what_cannot_be_kept_is_told(cast, ended):
    run = ended()
    assert keep(cast, 25, 409)["code"] == "model_gone"
    assert keep(cast, 30, 409)["code"] == "kept_already"
    assert keep(cast, 7, 404)["code"] == "not_found"
    PolicyRun.objects.filter(pk=run.pk).update(finished_at=None, checkpoint=None)
    assert keep(cast, 10, 409)["code"] == "not_finished"
    assert cast.client(cast.reviewer).get(URL).json()["can"]["keep"] is False
    assert cast.client(cast.reviewer).post(f"{URL}/evaluations/10/keep").status_code == 403
    assert not AuditEvent.objects.filter(action="policy_run.kept").exists()


def test_worth_keeping_is_what_a_judge_may_yet_prefer(started, evaluated):
    def worth(run: PolicyRun) -> set[int]:
        return worth_keeping(list(PolicyEvaluation.objects.filter(run=run).order_by("step")), StopRule())

    run = started()
    assert worth(run) == set()
    evaluated(run, 0, gold_gain=0.0, gold_gain_se=0.0)
    assert worth(run) == set(), "the start lies where it is"
    for step, gold, reward in ((10, 0.4, 1.0), (20, 0.9, 1.5), (30, 0.2, 2.5), (40, 0.1, 2.0)):
        evaluated(run, step, gold_gain=gold, gold_gain_se=0.5, reward_gain=reward)
    assert worth(run) == {20, 30}
    ask_people(evaluation=run.evaluations.get(step=10), n=4)
    assert worth(run) == {10, 20, 30}


def test_models_take_their_disk_once_and_go_with_the_run(started, tmp_path):
    run = started()
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"weights")
    kept = keep_files(run, 20, model)
    assert kept == keep_files(run, 20, model), "done again"
    assert (kept / "model.safetensors").read_bytes() == b"weights"
    assert kept.parent == kept_models(run.pk)
    if kept.stat().st_dev == model.stat().st_dev:
        assert (kept / "model.safetensors").stat().st_ino == (model / "model.safetensors").stat().st_ino
    forget_models([run.pk])
    assert not kept.exists() and Path(model / "model.safetensors").exists()


@pytest.mark.django_db(transaction=True)
def test_what_is_not_kept_can_be_removed_for_good(cast, ended, tmp_path):
    run = ended()
    paths = {}
    for step in (10, 20, 30):
        model = tmp_path / str(step)
        model.mkdir()
        (model / "model.safetensors").write_bytes(b"w" * 1000)
        paths[step] = keep_files(run, step, model)
        run.evaluations.filter(step=step).update(model_path=str(paths[step]))
    Checkpoint.objects.filter(pk=run.checkpoint_id).update(path=str(paths[30]))
    keep(cast, 10)
    client = cast.client(cast.researcher)
    assert client.get(URL).json()["spare"] == {"n": 1, "n_bytes": 1000}, "30 is what was kept before"
    assert cast.client(cast.reviewer).delete(f"{URL}/models").status_code == 403
    answer = client.delete(f"{URL}/models")
    assert (answer.status_code, answer.json()["spare"]) == (200, {"n": 0, "n_bytes": 0})
    assert [path.is_dir() for path in paths.values()] == [True, False, True]
    assert keep(cast, 20, 409)["code"] == "model_gone"
    assert keep(cast, 30)["checkpoint"]["name"] == "policy-helpfulness-1-step-30"
    event = AuditEvent.objects.get(action="policy_run.models_removed")
    assert (event.actor, event.summary) == (cast.researcher, "Models of Policy run 1 that it does not keep removed: 1")
    again = client.delete(f"{URL}/models")
    assert (again.status_code, again.json()["code"]) == (409, "no_models")


def test_a_run_that_goes_on_removes_its_models_by_itself(cast, ended):
    run = ended()
    PolicyRun.objects.filter(pk=run.pk).update(finished_at=None, checkpoint=None)
    assert cast.client(cast.researcher).get(URL).json()["spare"] == {"n": 0, "n_bytes": 0}
    answer = cast.client(cast.researcher).delete(f"{URL}/models")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_finished")
