"""Whole runs: a tiny real policy, the real engine in its own process, a real scorer."""

import contextlib
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings
from django.db import connection

from annotate.common.processes import wait_until
from annotate.jobs import services as jobs
from annotate.jobs.context import JobCancelled, JobContext, JobFailed
from annotate.jobs.models import Job
from annotate.jobs.services import claim
from tests.training.generation.conftest import tiny_base
from tests.training.policy_runs.conftest import N_HELD_OUT, metrics, rows
from tests.training.policy_runs.test_people import asked_of, say, say_of
from tests.training.ratings import running_job
from tests.training.refresh.conftest import wait_for
from tests.training.reward.registered import make_model, save_models
from training.engine.common.atomic import write_json, write_rows, write_text
from training.generation.options import GenerationOptions
from training.generation.services import create_generation, run_generation
from training.generation.sources import find_sources
from training.policy.models import Checkpoint
from training.policy_runs import running
from training.policy_runs.models import PolicyEvaluation, PolicyRun
from training.policy_runs.options import ALGORITHMS, ENSEMBLES, REWARDS, SHAPINGS
from training.policy_runs.people import ask_people
from training.policy_runs.services import retry_policy_run
from training.reward import registry
from training.reward.models import RewardModel, RewardModelState

__all__ = ["tiny_base"]

URL = "/api/v1/projects/helpfulness/policy-runs"
TINY: dict[str, Any] = {
    "prompts_per_step": 4,
    "completions_per_prompt": 2,
    "max_new_tokens": 8,
    "learning_rate": 2e-3,
    "human_kls": [],
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory, tiny_base) -> dict[str, Path]:
    return save_models(tiny_base, tmp_path_factory.mktemp("judges"))


@pytest.fixture
def promoted(cast, registry_file, weights, live_scorer) -> RewardModel:
    """v1, an ensemble, is in use. v2 is the same once more: a second judge that likes what the first one likes."""
    first = make_model(cast.project, RewardModelState.PROMOTED, artifact_uri=str(weights["pair"]), n_members=2)
    make_model(cast.project, artifact_uri=str(weights["pair"]), n_members=2)
    registry.sync()
    return first


@pytest.fixture
def sft(cast, tiny_base) -> Checkpoint:
    return Checkpoint.objects.create(pool=cast.project.pool, name="sft-1", kind="sft", path=str(tiny_base))


def test_the_names_are_the_engines():
    from training.engine.policy import config, shaping

    assert (ALGORITHMS, SHAPINGS, ENSEMBLES, REWARDS) == (
        config.ALGORITHMS,
        shaping.SHAPINGS,
        shaping.ENSEMBLES,
        shaping.REWARDS,
    )


def context_of(run: PolicyRun) -> JobContext:
    assert run.job_id is not None
    taken = claim(job_id=run.job_id, worker="test")
    assert taken is not None
    return JobContext(taken)


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(180)
def test_a_run_from_the_form_to_the_one_that_writes_next(cast, celery_workers, promoted, sft, training_side, held_out):
    client = cast.client(cast.researcher)
    body = {
        **TINY, "start": f"checkpoint:{sft.pk}", "reward_model": 1, "n_steps": 12, "evaluate_every": 6,
        "n_probe": 10, "n_human": 4, "lora_rank": 4, "human_kls": [0.001],
    }  # fmt: skip
    assert client.post(URL, body, format="json").status_code == 201
    wait_for(lambda: client.get(f"{URL}/1").json()["state"] in ("succeeded", "failed"), 120, "the run")
    told = client.get(f"{URL}/1").json()
    assert (told["state"], told["job"]["error"]) == ("succeeded", None)
    assert (told["stop_reason"], told["report"]["last_step"]) == ("", 12)

    found = client.get(f"{URL}/1/evaluations").json()["results"]
    evaluations = {one["step"]: one for one in found}
    assert {0, 6, 12} <= set(evaluations) and len(found) in (3, 4)
    assert {one["n_samples"] for one in found} == {10}
    start, last = (evaluations[step]["metrics"] for step in (0, 12))
    assert (start["kl"], start["reward_gain"], start["gold_gain"]) == (pytest.approx(0, abs=1e-4), 0, None)
    assert last["kl"] > 0 and last["uncertainty"] > 0
    (marked,) = [one for one in found if one["human_kl"] is not None]
    assert (marked["human_kl"], marked["n_comparisons"], marked["win_rate"]["n_asked"]) == (0.001, 4, 4)
    sides = {prompt.pk for prompt in held_out}
    samples = client.get(f"{URL}/1/evaluations/12/samples").json()["results"]
    assert {one["prompt_id"] for one in samples} <= sides
    steps = client.get(f"{URL}/1/steps").json()
    assert [row[0] for row in steps["rows"]] == list(range(1, 13))
    assert None not in [row[steps["columns"].index("raw_reward")] for row in steps["rows"]]

    # Nobody judged: the last one is kept.
    assert (told["report"]["best_step"], told["report"]["decision"]) == (12, None)
    kept = Checkpoint.objects.get(pk=told["checkpoint"]["id"])
    assert (kept.name, kept.kind, kept.parent) == ("policy-helpfulness-1-step-12", "policy", sft)
    assert (kept.metrics["step"], kept.metrics["kl"]) == (12, last["kl"])
    assert not (Path(settings.VAR_DIR) / "runs" / told["job"]["id"]).exists()
    lineage = client.get("/api/v1/projects/helpfulness/reward-models").json()["results"]
    of_first = client.get(f"/api/v1/projects/helpfulness/reward-models/{lineage[-1]['id']}").json()
    assert [one["id"] for one in of_first["lineage"]["policies"]] == [kept.pk]

    # What people are asked about can be kept instead, when they have answered.
    worth = {marked["step"], 12} | {max(found[1:], key=lambda one: one["metrics"]["reward_gain"])["step"]}
    assert {one["step"] for one in found if one["has_model"]} == worth | {0}
    instead = min(worth)
    told = client.post(f"{URL}/1/evaluations/{instead}/keep").json() if instead != 12 else told
    kept = Checkpoint.objects.get(pk=told["checkpoint"]["id"])
    assert kept.metrics["step"] == instead and (Path(kept.path) / "model.safetensors").is_file()

    options = GenerationOptions.parse(
        {"mix": [{"source": f"checkpoint:{kept.pk}"}], "n_prompts": 3, "max_new_tokens": 8}
    )
    (source,) = find_sources(cast.project, options)
    assert source.kind == "current_policy"
    generation = run_generation(
        generation=create_generation(project=cast.project, options=options),
        context=running_job(cast.project, "generate"),
    )
    assert generation.counts["written"] > 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(180)
def test_what_a_second_model_likes_best_is_kept_the_start_among_them(
    cast, celery_workers, promoted, sft, training_side, held_out
):
    """The second model is the first one once more: it likes what that likes."""
    client = cast.client(cast.researcher)
    body = {**TINY, "start": f"checkpoint:{sft.pk}", "reward_model": 1, "gold_model": 2, "n_steps": 9, "n_probe": 10}
    assert client.post(URL, {**body, "evaluate_every": 3, "n_human": 0}, format="json").status_code == 201
    wait_for(lambda: client.get(f"{URL}/1").json()["state"] in ("succeeded", "failed"), 120, "the run")
    told = client.get(f"{URL}/1").json()
    assert (told["state"], told["job"]["error"]) == ("succeeded", None)
    found = client.get(f"{URL}/1/evaluations").json()["results"]
    for one in found:
        assert one["metrics"]["gold_gain"] == pytest.approx(one["metrics"]["reward_gain"], abs=0.05)
    best = max(found, key=lambda one: (one["metrics"]["gold_gain"], -one["step"]))
    assert told["report"]["best_step"] == told["report"]["decision"]["best_step"] == best["step"]
    kept = Checkpoint.objects.filter(kind="policy").values_list("metrics__step", flat=True)
    assert list(kept) == ([best["step"]] if best["step"] else [])
    assert not PolicyEvaluation.objects.filter(step=0).exclude(model_path="").exists(), "the start lies where it is"
    assert (told["checkpoint"] is None) == (best["step"] == 0)


def test_models_that_nobody_can_choose_any_more_are_forgotten_on_the_way(started, held_out, tmp_path):
    """Files as the engine writes them: evaluations 10 to 50, people are asked at 20, a checkpoint at 30."""
    run = started(n_human=4)
    out = tmp_path / "out"
    golds = {10: 0.5, 20: 0.2, 30: 0.1, 40: 0.05, 50: 0.0}

    def write(step: int, **values: Any) -> None:
        directory = out / "evaluations" / f"{step:05d}"
        write_json(directory / "evaluation.json", metrics(step, gold_gain=golds[step], gold_gain_se=1.0, **values))
        write_rows(directory / "samples.jsonl", rows(held_out, step))
        write_text(directory / "model" / "model.safetensors", f"step {step}")

    def there() -> dict[int, str]:
        made = {int(one.parent.parent.name) for one in out.glob("evaluations/*/model/model.safetensors")}
        aside = {step: follower.model_of(step) for step in golds}
        assert made == {step for step, path in aside.items() if path is not None}
        return {step: (path / "model.safetensors").read_text() for step, path in aside.items() if path is not None}

    follower = running._Follower(run, out, context_of(run))
    for step in (10, 20, 30):
        write(step, human_kl=2.0 if step == 20 else None)
    follower.take_evaluations()
    assert set(there()) == {10, 20, 30}, "without a checkpoint all may come again"
    (out / "trainer" / "checkpoint-20").mkdir(parents=True)
    (out / "trainer" / "checkpoint-40").mkdir()
    write_json(out / "checkpoints.json", [str(out / "trainer" / f"checkpoint-{step}") for step in (20, 40)])
    golds[30] = 0.9
    write(40, reward_gain=0.1)
    follower.take_evaluations()
    assert set(there()) == {10, 20, 30, 40}, "after the older checkpoint 10 may be the best again"
    (out / "trainer" / "checkpoint-20").rmdir()
    PolicyEvaluation.objects.filter(run=run, step=30).update(metrics=metrics(30, gold_gain=0.9, gold_gain_se=1.0))
    write(50)
    follower.take_evaluations()
    assert set(there()) == {20, 30, 40, 50}, "asked about, the best, the last before the checkpoint, what came after"
    # Taken back to a checkpoint, the run comes by 20 and 50 once more, with other weights.
    for step in (20, 50):
        write_text(out / "evaluations" / f"{step:05d}" / "model" / "model.safetensors", "once more")
        run.evaluations.filter(step=step, n_comparisons=0).delete()
    follower.on_event({"event": "evaluation", "path": str(out / "evaluations" / "00020")})
    follower.take_evaluations()
    assert (there()[20], there()[50]) == ("step 20", "once more"), "people are asked about what was written first"


def test_people_end_a_run_whose_best_is_gone_with_the_best_that_is_left(started, held_out, tmp_path):
    """Asked by hand about an evaluation whose policy was not worth keeping, they like that one best."""
    run = started(n_human=0)
    out = tmp_path / "out"
    follower = running._Follower(run, out, context_of(run))
    for step, wins in ((10, 14), (20, 10), (30, 0)):
        directory = out / "evaluations" / f"{step:05d}"
        write_json(directory / "evaluation.json", metrics(step))
        write_rows(directory / "samples.jsonl", rows(held_out, step))
        if step != 10:
            write_text(directory / "model" / "model.safetensors", f"step {step}")
        follower.take_evaluations()
        evaluation = run.evaluations.get(step=step)
        ask_people(evaluation=evaluation, n=N_HELD_OUT)
        say_of(evaluation, wins, N_HELD_OUT - wins)
    follower._heed_people()
    told = json.loads((out / "stop.json").read_text())
    assert (told["reason"], told["best_step"]) == ("people_fell", 20)
    assert "100% ±" in told["message"] and "at step 10" in told["message"], "what they liked is said all the same"
    (out / "stop.json").unlink()

    # An evaluation of an earlier go, on another machine, is made once more: its policy may be kept yet.
    shutil.rmtree(out / "evaluations" / "00010")
    follower._heed_people()
    assert not (out / "stop.json").exists()
    result = {"best_step": 30, "last_step": 30, "stop_reason": "", "stop_message": "", "model": "gone"}
    ended = running._finish(run, result, follower, follower._context)
    assert ended.report["best_step"] == 20, "but not where the run ended before it came there"
    assert (Path(ended.checkpoint.path) / "model.safetensors").read_text() == "step 20"


class People(threading.Thread):
    """Labellers at work beside a run: all like the newest evaluation there is when they begin, and no later one."""

    def __init__(self, run: PolicyRun) -> None:
        super().__init__(daemon=True)
        self.run_id = run.pk
        self.is_over = threading.Event()
        self.liked: int | None = None

    def run(self) -> None:
        try:
            while not self.is_over.wait(0.1):
                evaluations = PolicyEvaluation.objects.filter(run=self.run_id, step__gt=0).order_by("step")
                self.liked = self.liked or evaluations.values_list("step", flat=True).last()
                for evaluation in evaluations.filter(step__gte=self.liked or 0):
                    if evaluation.n_comparisons == 0:
                        ask_people(evaluation=evaluation, n=N_HELD_OUT)
                    for sample in asked_of(evaluation):
                        if sample.comparison is not None and sample.comparison.n_ratings == 0:
                            say(sample, "win" if evaluation.step == self.liked else "loss")
        finally:
            connection.close()


def run_here(run: PolicyRun) -> PolicyRun:
    """As a worker does it, in this process; a cancel ends it as there."""
    assert run.job_id is not None
    job = claim(job_id=run.job_id, worker="test")
    assert job is not None
    context = JobContext(job)
    try:
        return running.run_policy(run=run, context=context)
    except JobCancelled:
        jobs.cancelled(job=job)
        raise


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(180)
def test_one_is_cancelled_and_goes_on_until_people_end_it(cast, sft, started, monkeypatch):
    monkeypatch.setattr(running, "PEOPLE_EVERY_S", 0.2)
    run = started(**TINY, start=f"checkpoint:{sft.pk}", n_steps=400, evaluate_every=4)

    def cancel_at_the_second() -> None:
        try:
            wait_until(lambda: run.evaluations.count() >= 2, 90, 0.05)
            jobs.request_cancel(job=Job.objects.get(pk=run.job_id))
        finally:
            connection.close()

    canceller = threading.Thread(target=cancel_at_the_second, daemon=True)
    canceller.start()
    with pytest.raises(JobCancelled):
        run_here(run)
    canceller.join()
    before = list(run.evaluations.values_list("step", "created_at"))
    assert len(before) >= 2
    run.refresh_from_db()
    assert (run.checkpoint, run.finished_at) == (None, None)

    retry_policy_run(run=run, actor=cast.researcher)
    people = People(run)
    people.start()
    run = run_here(run)
    people.is_over.set()
    people.join()
    assert set(before) <= set(run.evaluations.values_list("step", "created_at")), "what was there stayed"
    last = run.report["last_step"]
    assert (run.stop_reason, run.report["best_step"]) == ("people_fell", people.liked)
    assert people.liked is not None and people.liked < last < 400
    assert "People like it less" in run.stop_message
    assert run.checkpoint is not None and run.checkpoint.metrics["step"] == people.liked
    assert (Path(run.checkpoint.path) / "model.safetensors").is_file()
    assert run.job is not None and "People like it less" in run.job.log_lines.get(level="warning").message


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(180)
def test_several_processes_are_cancelled_together_and_go_on_together(cast, sft, started, settings):
    settings.POLICY_PROCESSES = 3  # of which two share a batch of eight evenly
    run = started(**TINY, start=f"checkpoint:{sft.pk}", n_steps=30, evaluate_every=5)
    trainers: list[psutil.Process] = []

    def cancel_at_the_second() -> None:
        try:
            wait_until(lambda: run.evaluations.count() >= 2, 90, 0.05)
            trainers.extend(trainers_of(run))
            jobs.request_cancel(job=Job.objects.get(pk=run.job_id))
        finally:
            connection.close()

    canceller = threading.Thread(target=cancel_at_the_second, daemon=True)
    canceller.start()
    with pytest.raises(JobCancelled):
        run_here(run)
    canceller.join()
    assert len(trainers) == 3, "the launcher and two"
    assert not psutil.wait_procs(trainers, timeout=5)[1]
    retry_policy_run(run=run, actor=cast.researcher)
    run = run_here(run)
    assert (run.report["last_step"], run.stop_reason) == (30, "")
    assert list(run.evaluations.values_list("step", flat=True).order_by("step")) == list(range(0, 31, 5))
    assert run.job is not None
    assert run.job.log_lines.filter(message__startswith="resumed at step").exists()
    assert run.job.log_lines.filter(message__endswith=", by 2 processes.").exists()


def trainers_of(run: PolicyRun) -> list[psutil.Process]:
    """The processes that were started with the config of this run."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(f"{run.job_id}/policy-run-" in part for part in process.cmdline()):
                found.append(process)
    return found


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(180)
def test_where_nobody_may_end_it_people_choose_at_the_end(cast, sft, started, monkeypatch):
    monkeypatch.setattr(running, "PEOPLE_EVERY_S", 0.2)
    run = started(**TINY, start=f"checkpoint:{sft.pk}", n_steps=20, evaluate_every=4, early_stop=False)
    people = People(run)
    people.start()
    run = run_here(run)
    people.is_over.set()
    people.join()
    assert (run.stop_reason, run.report["last_step"]) == ("", 20)
    assert people.liked is not None and run.report["best_step"] == people.liked != 20
    kept = run.evaluations.get(step=people.liked)
    assert run.checkpoint is not None and run.checkpoint.path == kept.model_path
    assert (Path(kept.model_path) / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("options", "change", "code"),
    [
        ({}, {"artifact_uri": "/nowhere"}, "version_not_served"),
        ({"reward": "calibrated"}, {}, "no_calibration"),
    ],
)
@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(120)
def test_what_the_scorer_cannot_do_is_told_before_anything_is_trained(
    cast, sft, started, monkeypatch, options, change, code
):
    monkeypatch.setattr(running, "SERVED_S", 20.0 if not change else 1.0)
    RewardModel.objects.filter(version=2).update(**change)
    run = started(**TINY, **options, reward_model=2 if change else 1, start=f"checkpoint:{sft.pk}")
    with pytest.raises(JobFailed) as failure:
        run_here(run)
    assert failure.value.code == code
    assert not run.evaluations.exists()


def test_a_start_that_is_gone_is_told(cast, sft, started):
    run = started(**TINY, start=f"checkpoint:{sft.pk}")
    sft.delete()
    run.refresh_from_db()
    with pytest.raises(JobFailed) as failure:
        run_here(run)
    assert failure.value.code == "start_gone"
