"""Large rounds, scored in shards: by one worker alone, by several, and by those that are left when one is killed."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from annotate.common import processes
from annotate.common.supervisor import Child, stop_all
from annotate.jobs import services as jobs
from annotate.jobs.models import Job, JobState
from annotate.jobs.services import reap
from tests import environment
from tests.engine.conftest import tiny_base
from tests.live import test_database_environment
from tests.training.ratings import make_prompt, running_job
from tests.training.refresh.conftest import wait_for
from tests.training.reward.registered import make_model, save_models
from training.reward.models import RewardModelState
from training.sampling import scoring
from training.sampling.models import SamplingRound, ScoringShard
from training.sampling.options import SamplingOptions
from training.sampling.services import create_round, request_round, run_round

__all__ = ["tiny_base"]

N_PROMPTS = 300  # 5 shards of 64, the last one smaller
WORDS = ("seven", "blue", "a lot", "nothing at all", "ask somebody else", "by hand", "on Sundays")


@pytest.fixture
def pool(cast, tiny_base, tmp_path):
    """Prompts with three completions each, and a promoted model with weights."""
    for number in range(N_PROMPTS):
        texts = [f"{WORDS[(number + k) % len(WORDS)]}, {number + k}." for k in range(3)]
        make_prompt(cast.project, f"What is {number} + {number % 7}?", texts)
    directory = save_models(tiny_base, tmp_path)["single"]
    make_model(cast.project, RewardModelState.PROMOTED, artifact_uri=str(directory))
    return cast.project


@pytest.fixture
def gpu_workers(transactional_db) -> Iterator[Callable[[int], list[Child]]]:
    """So many workers of the queue gpu, which cut rounds of more than 64 prompts."""
    started: list[Child] = []

    def act(n: int) -> list[Child]:
        environment.redis_client().delete("gpu", "unacked", "unacked_index", "unacked_mutex")
        for number in range(len(started), n):
            command = [sys.executable, "-m", "celery", "-A", "annotate", "worker", "--pool", "prefork", "-Q", "gpu"]
            command += ["-c", "1", "-n", f"shards{number}-{os.getpid()}@touchstone-test", "--without-gossip"]
            log = settings.VAR_DIR / "log" / f"worker-shards-{number}.log"
            made = Child(
                name=f"worker {number}",
                command=[*command, "--without-mingle", "--loglevel", "INFO"],
                log=log,
                env={**test_database_environment(), "SAMPLING_SHARD_PROMPTS": "64", "ENGINE_THREADS": "1"},
                cwd=environment.REPOSITORY,
                steps=((signal.SIGTERM, 10.0), (signal.SIGQUIT, 5.0)),
                death_signal=signal.SIGQUIT,
            )
            made.start()
            started.append(made)
        return started

    yield act
    stop_all(started, at_once=True)


def chosen(sampling_round: SamplingRound) -> list[tuple]:
    columns = ("rank", "comparison__a", "comparison__b", "is_random", "cluster", "terms")
    return list(sampling_round.sampled_comparisons.order_by("rank").values_list(*columns))


def ask(project, seed: int) -> SamplingRound:
    """A round whose draws are those of every other with the same seed plus number."""
    return request_round(
        project=project, options=SamplingOptions(budget=40, seed=seed, acquisition="disagreement"), created_by=None
    )


def job_of(made: SamplingRound) -> Job:
    assert made.job is not None
    return Job.objects.get(pk=made.job.pk)


def finished(made: SamplingRound, seconds: float = 240.0) -> Job:
    wait_for(lambda: job_of(made).is_finished, seconds, f"the job of {made}")
    made.refresh_from_db()
    return job_of(made)


def lines(job: Job) -> list[str]:
    return list(job.log_lines.values_list("message", flat=True))


def helped() -> ScoringShard | None:
    """A shard that a helper is scoring."""
    return ScoringShard.objects.filter(job__kind="score_shards", job__state=JobState.RUNNING, scored_url="").first()


# --- by real workers ------------------------------------------------------------------------------------------------
@pytest.mark.timeout(570)
def test_one_worker_three_with_one_killed_and_one_process_choose_the_same(pool, gpu_workers):
    gpu_workers(1)
    alone = ask(pool, seed=3)
    job = finished(alone)
    assert (job.state, job.error_message) == ("succeeded", "")
    assert "5 shards were scored by 1 worker" in lines(job)
    assert (job.done, job.total) == (4, 4)  # the choice comes last
    assert not Job.objects.filter(kind="score_shards").exists(), "offers that nobody took leave no trace"
    assert not ScoringShard.objects.exists()
    assert not list((Path(settings.VAR_DIR) / "artifacts" / "sampling-shards" / pool.slug).iterdir())
    assert len(chosen(alone)) == 40

    workers = gpu_workers(3)
    together = ask(pool, seed=2)
    wait_for(helped, 90, "a helper at work")
    lost = helped()
    assert lost is not None and lost.job is not None
    helper_pid = int(lost.job.worker.rpartition(":")[2])
    (victim,) = [one for one in workers if one.pid == psutil.Process(helper_pid).ppid()]
    assert victim.pid is not None
    processes.signal_group(victim.pid, signal.SIGKILL)
    assert processes.wait_until(lambda: not victim.is_running, 10.0)
    assert ScoringShard.objects.get(pk=lost.pk).scored_url == ""
    long_ago = timezone.now() - timedelta(seconds=settings.JOB_LOST_AFTER_S + 1)
    Job.objects.filter(pk=lost.job.pk).update(heartbeat_at=long_ago)  # as if the silence had lasted long enough
    assert reap()["resumed"] == 1
    job = finished(together)
    assert (job.state, job.error_message) == ("succeeded", "")
    assert any(line in lines(job) for line in (f"5 shards were scored by {n} workers" for n in (2, 3))), lines(job)
    assert chosen(together) == chosen(alone)
    assert together.report["coverage"] == alone.report["coverage"]
    wait_for(lambda: not jobs_at_work(), 60, "helpers to end")
    assert set(Job.objects.filter(kind="score_shards").values_list("state", flat=True)) <= {"succeeded"}

    whole = create_round(project=pool, model=alone.reward_model, options=SamplingOptions(**alone.options | {"seed": 1}))
    whole = run_round(sampling_round=whole, context=running_job(pool, "sample"))
    assert chosen(whole) == chosen(alone)


def jobs_at_work() -> bool:
    return Job.objects.filter(state__in=[JobState.QUEUED, JobState.RUNNING]).exists()


@pytest.mark.timeout(400)
def test_cancelling_the_round_cancels_its_helpers_and_a_retry_goes_on(pool, gpu_workers):
    gpu_workers(2)
    made = ask(pool, seed=0)
    wait_for(helped, 120, "a helper at work")
    first = helped()
    wait_for(lambda: ScoringShard.objects.exclude(scored_url="").exists(), 120, "a scored shard")
    wait_for(lambda: helped() not in (None, first), 120, "a helper that begins another shard")
    jobs.request_cancel(job=job_of(made))
    assert finished(made, 60).state == "cancelled"
    wait_for(lambda: not jobs_at_work(), 40, "helpers to end")
    states = list(Job.objects.filter(kind="score_shards").values_list("state", flat=True))
    assert "cancelled" in states and set(states) <= {"cancelled", "succeeded"}
    scored = dict(ScoringShard.objects.exclude(scored_url="").values_list("number", "scored_url"))
    assert 0 < len(scored) < 5

    jobs.retry(job=job_of(made))
    wait_for(lambda: ScoringShard.objects.exclude(scored_url="").count() > len(scored), 90, "another shard")
    kept = dict(ScoringShard.objects.exclude(scored_url="").values_list("number", "scored_url"))
    assert scored.items() <= kept.items()
    assert finished(made).state == "succeeded"
    assert len(chosen(made)) == 40


# --- who may take what ----------------------------------------------------------------------------------------------
@pytest.fixture
def shards(cast):
    """A round with three shards, and two jobs that run."""
    model = make_model(cast.project, RewardModelState.PROMOTED)
    made = create_round(project=cast.project, model=model, options=SamplingOptions())
    ScoringShard.objects.bulk_create(
        ScoringShard(sampling_round=made, number=number, n_prompts=64, url=f"/tmp/shards/{number}")
        for number in range(3)
    )
    return made, running_job(cast.project, "sample").job, running_job(cast.project, "score_shards").job


def taken(made: SamplingRound, job: Job) -> int | None:
    shard = scoring.take_shard(sampling_round=made, job=job)
    return None if shard is None else shard.number


def test_each_takes_the_first_that_is_nobodys(shards):
    made, one, two = shards
    assert [taken(made, one), taken(made, two), taken(made, one), taken(made, two)] == [0, 1, 2, None]


def test_what_is_scored_is_not_taken_again(shards):
    made, one, two = shards
    shard = scoring.take_shard(sampling_round=made, job=one)
    assert scoring._put_down(shard, "/tmp/scores/0")
    one.state, one.claim = JobState.QUEUED, None
    one.save()
    assert taken(made, two) == 1


@pytest.mark.parametrize("loss", ["silent", "under another claim", "given back", "gone"])
def test_who_has_lost_the_job_has_lost_the_shard(shards, loss):
    made, one, two = shards
    shard = scoring.take_shard(sampling_round=made, job=one)
    if loss == "silent":
        long_ago = timezone.now() - timedelta(seconds=settings.JOB_LOST_AFTER_S + 1)
        Job.objects.filter(pk=one.pk).update(heartbeat_at=long_ago)
    elif loss == "under another claim":
        Job.objects.filter(pk=one.pk).update(claim=two.claim)
    elif loss == "given back":
        assert jobs.release(job=one)
    else:
        Job.objects.filter(pk=one.pk).delete()
    assert taken(made, two) == 0
    assert not scoring._put_down(shard, "/tmp/scores/late")
    assert ScoringShard.objects.get(number=0).scored_url == ""


@pytest.mark.django_db(transaction=True)
def test_a_shard_that_another_is_just_taking_is_passed_over(shards):
    made, one, two = shards
    is_locked, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                scoring.take_shard(sampling_round=made, job=one)
                is_locked.set()
                may_end.wait(20)
        finally:
            connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert is_locked.wait(20)
    began = time.monotonic()
    assert taken(made, two) == 1
    assert time.monotonic() - began < 5
    may_end.set()
    thread.join()


def test_a_helper_ends_where_the_round_is_no_longer_wanted(cast, shards):
    made, one, two = shards
    two.params = {"sampling_round": made.pk, "job": str(one.pk)}
    context = running_job(cast.project, "score_shards", **two.params)
    jobs.cancelled(job=one)
    assert scoring.help_score(sampling_round=made, context=context) == 0
    assert not ScoringShard.objects.exclude(job=None).exists()


def test_offers_that_nobody_took_are_withdrawn_and_who_works_is_stopped(cast, shards):
    made, one, _ = shards
    params = {"sampling_round": made.pk, "job": str(one.pk)}
    working = running_job(cast.project, "score_shards", **params).job
    for _ in range(2):
        jobs.enqueue(kind="score_shards", title="helps", project=cast.project, params=params)
    other = jobs.enqueue(kind="score_shards", title="helps", project=cast.project, params=params | {"job": "another"})
    scoring.dismiss_helpers(one)
    assert set(Job.objects.filter(params__job=str(one.pk)).values_list("pk", flat=True)) == {working.pk}
    working.refresh_from_db()
    assert working.cancel_requested_at is not None
    assert Job.objects.get(pk=other.pk).state == JobState.QUEUED
