"""Whole refreshes over real ratings, by a real worker, the engine in its own processes."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.utils import timezone

from annotate.comparisons.models import Comparison
from annotate.jobs import services as jobs
from annotate.jobs.models import Job
from annotate.jobs.tasks import run_job
from tests.training.real import load_pandalm, tiny_config
from tests.training.refresh.conftest import label_from_the_top, stage_states, wait_for, wait_for_job, without_asking
from training.exports.models import ComparisonSet
from training.policy.models import Checkpoint, CheckpointKind
from training.refresh.models import RefreshCycle, StageName
from training.refresh.services import advance_waiting, start_refresh
from training.reward.models import RewardModel
from training.reward.services import promote
from training.sampling.models import SampledComparison, SamplingRound

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(480)]


def everything_once(cycle: RefreshCycle) -> None:
    assert RewardModel.objects.count() == ComparisonSet.objects.count() == 1
    assert stage_states(cycle) in (without_asking(), without_asking(swap="skipped"))  # as the rule promotes or not


def test_the_first_refresh_trains_and_the_second_asks_waits_and_goes_on_by_itself(cast, celery_workers):
    cast.project.min_ratings = cast.project.max_ratings = 1
    cast.project.save()
    load_pandalm(cast.project, 420, n_unrated=100)
    cycle = start_refresh(project=cast.project, config=tiny_config(), created_by=cast.researcher)
    job = wait_for_job(cycle)
    assert (job.state, job.error_message) == ("succeeded", "")
    assert job.fraction == 1.0
    everything_once(cycle)
    assert cycle.state == "succeeded" and cycle.finished_at
    told = dict(cycle.stages.values_list("name", "summary"))
    assert "first" in told["sample"] and not SamplingRound.objects.exists()

    comparison_set = cycle.comparison_set
    assert comparison_set.counts["train"] >= 100 and comparison_set.counts["labellers"] == 3
    model = cycle.reward_model
    assert model.comparison_set == comparison_set
    assert (Path(model.artifact_uri) / "model.safetensors").is_file()
    assert json.loads((Path(model.artifact_uri) / "touchstone.json").read_text())["version"] == model.version
    assert model.report["accuracy"]["n"] == model.report["baselines"]["longer"]["n"] > 0
    assert model.state in ("promoted", "candidate") and model.state_reason

    promote(model=model, reason="by hand", actor=None) if model.state == "candidate" else None
    again = start_refresh(project=cast.project, config=tiny_config(budget=20), created_by=cast.researcher)
    first_job = wait_for_job(again)
    assert (first_job.state, first_job.error_message, first_job.fraction) == ("succeeded", "", 1.0)
    assert again.state == "waiting" and again.finished_at is None
    asking = {"drift": "succeeded", "candidates": "skipped", "sample": "succeeded", "label": "waiting"}
    assert stage_states(again) == {name: asking.get(name, "pending") for name in StageName.values}
    assert again.drift_report.verdict and again.drift_report.reward_model == model

    sampled = list(SampledComparison.objects.order_by("rank"))
    assert len(sampled) == again.sampling_round.sampled_comparisons.count() == 20
    assert 0 < sum(one.is_random for one in sampled) < 20
    assert all(one.terms for one in sampled if not one.is_random)
    on_top = list(Comparison.objects.order_by("-priority", "id").values_list("pk", "n_ratings")[:20])
    assert [pk for pk, _ in on_top] == [one.comparison_id for one in sampled]
    assert {n for _, n in on_top} == {0}

    assert advance_waiting() == 0
    assert label_from_the_top(cast, 17) == [one.comparison_id for one in sampled[:17]]
    assert advance_waiting() == 0
    again.refresh_from_db()
    assert "17 of 20 comparisons are labelled; the refresh goes on at 18" in again.stages.get(name="label").summary
    label_from_the_top(cast, 1)
    assert advance_waiting() == 1 and advance_waiting() == 0
    last_job = wait_for_job(again)
    assert (last_job.state, last_job.error_message) == ("succeeded", "") and last_job.pk != first_job.pk
    assert again.state == "succeeded"
    states = stage_states(again)
    assert (states["label"], states["export"], states["train"], states["promote"]) == ("succeeded",) * 4
    second = RewardModel.objects.get(version=2)
    assert again.reward_model == second and second.comparison_set == again.comparison_set
    new = again.comparison_set.counts["comparisons"] - comparison_set.counts["comparisons"]
    assert new == 18
    assert second.report["incumbent"]["version"] == 1
    assert second.report["incumbent"]["accuracy"]["n"] == second.report["accuracy"]["n"]
    # The SFT model follows what people chose; the base model below it is that of the pool's texts, which are the same.
    assert Checkpoint.objects.filter(kind=CheckpointKind.BASE).count() == 1


def test_a_killed_worker_is_survived(cast, celery_workers):
    load_pandalm(cast.project, 420, n_unrated=100)
    # Slow steps are not to be had with so small a model; many of them are.
    config = tiny_config(epochs=60, checkpoint_steps=5, learning_rate=1e-6)
    cycle = start_refresh(project=cast.project, config=config)
    run = settings.VAR_DIR / "runs" / str(cycle.job_id) / "reward-v1" / "out" / "checkpoints"
    wait_for(lambda: (run / "latest").is_file(), 90, "a checkpoint of the training")
    celery_workers.kill("gpu")
    job = Job.objects.get(pk=cycle.job_id)
    assert job.state == "running" and stage_states(cycle)["train"] == "running"
    wait_for(lambda: not _engine_runs(cycle), 30, "the orphaned engine to notice")
    long_ago = timezone.now() - timedelta(seconds=settings.JOB_LOST_AFTER_S + 1)
    Job.objects.filter(pk=job.pk).update(heartbeat_at=long_ago)  # as if the silence had lasted long enough
    celery_workers.ensure_ready()
    assert jobs.reap()["resumed"] == 1
    job = wait_for_job(cycle)
    assert (job.state, job.error_message, job.attempt) == ("succeeded", "", 2)
    everything_once(cycle)
    lines = list(job.log_lines.values_list("message", flat=True))
    assert any("resumed at step" in line for line in lines), lines


def _engine_runs(cycle: RefreshCycle) -> bool:
    """Whether a process works below the job's run directory."""
    name = str(cycle.job_id)
    return any(name in " ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))


def test_a_task_that_is_delivered_twice_runs_once(cast, celery_workers):
    load_pandalm(cast.project, 420, n_unrated=100)
    cycle = start_refresh(project=cast.project, config=tiny_config())
    for _ in range(3):
        run_job.apply_async((str(cycle.job_id),), queue="gpu")
    job = wait_for_job(cycle)
    run_job.apply_async((str(cycle.job_id),), queue="gpu")
    wait_for(lambda: celery_workers.active() == 0, 30, "the redelivered messages to be refused")
    job.refresh_from_db()
    assert (job.state, job.attempt) == ("succeeded", 1)
    everything_once(cycle)


def test_a_cancelled_refresh_stops_and_a_retry_goes_on(cast, celery_workers):
    load_pandalm(cast.project, 420, n_unrated=100)
    config = tiny_config(epochs=60, checkpoint_steps=5, learning_rate=1e-6)
    cycle = start_refresh(project=cast.project, config=config)
    run = settings.VAR_DIR / "runs" / str(cycle.job_id) / "reward-v1" / "out" / "checkpoints"
    wait_for(lambda: (run / "latest").is_file(), 90, "a checkpoint of the training")
    jobs.request_cancel(job=Job.objects.get(pk=cycle.job_id))
    job = wait_for_job(cycle, 30)
    assert job.state == "cancelled"
    assert cycle.state == "cancelled" and cycle.finished_at
    assert stage_states(cycle) == without_asking(rest="pending", export="succeeded", base="succeeded")
    assert not _engine_runs(cycle)
    model = RewardModel.objects.get()
    assert (model.state, model.state_reason) == ("failed", "Its job was cancelled.")

    jobs.retry(job=job)
    assert wait_for_job(cycle).state == "succeeded"
    everything_once(cycle)
    model.refresh_from_db()
    assert model.state in ("promoted", "candidate")
    assert any("resumed at step" in line for line in job.log_lines.values_list("message", flat=True))


def test_a_failure_names_its_stage_and_reason(cast, celery_workers):
    load_pandalm(cast.project, 420)
    cycle = start_refresh(project=cast.project, config=replace(tiny_config(), base_model="/nowhere/model"))
    job = wait_for_job(cycle, 60)
    assert (job.state, job.error_code) == ("failed", "base_model_not_found")
    stage = cycle.stages.get(name="base")
    assert stage.state == "failed" and "/nowhere/model" in stage.summary
    assert cycle.state == "failed"
