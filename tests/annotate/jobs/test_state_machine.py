"""Every transition of a job, and that no two workers hold one at the same time."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from annotate.common.errors import DomainError
from annotate.jobs import registry, services
from annotate.jobs.context import JobContext, JobFailed
from annotate.jobs.models import Job, JobState
from annotate.jobs.tasks import run_job
from tests.cast import Cast


@pytest.fixture
def kind() -> Iterator[str]:
    """A kind of job whose handler counts to `n`, leaving a checkpoint after each step."""

    def count(context: JobContext) -> dict:
        n = context.job.params["n"]
        for step in range(context.checkpoint.get("done", 0), n):
            if step == context.job.params.get("fail_at") and context.job.attempt == 1:
                raise JobFailed("made_to_fail", f"Step {step} was made to fail.")
            context.progress(step + 1, n, unit="steps")
            context.save_checkpoint(done=step + 1)
        return {"counted": n, "attempt": context.job.attempt}

    # A queue that no worker of another test listens to.
    registry.job_kind("count", queue="nobody", max_attempts=2)(count)
    yield "count"
    del registry._KINDS["count"]


@pytest.fixture
def job(cast: Cast, kind: str) -> Job:
    return services.enqueue(kind=kind, title="Count", project=cast.project, params={"n": 3})


def test_it_runs_to_the_end(job: Job) -> None:
    run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.done, job.total, job.result["counted"]) == (JobState.SUCCEEDED, 3, 3, 3)
    assert job.finished_at is not None and job.claim is None


def test_it_runs_once_when_delivered_twice(job: Job) -> None:
    run_job(str(job.pk))
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.attempt == 1


@pytest.mark.django_db(transaction=True)
def test_it_is_claimed_by_one_of_many(job: Job) -> None:
    claimed: list[Job | None] = []

    def claim() -> None:
        claimed.append(services.claim(job_id=job.pk, worker="w"))
        connection.close()

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == 8
    assert sum(found is not None for found in claimed) == 1


def test_it_fails_with_its_reason_and_goes_on_from_its_checkpoint_when_retried(cast: Cast, kind: str) -> None:
    job = services.enqueue(kind=kind, title="Count", project=cast.project, params={"n": 3, "fail_at": 2})
    run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.error_code, job.checkpoint) == (JobState.FAILED, "made_to_fail", {"done": 2})
    assert "made to fail" in job.log_lines.get().message
    job = services.retry(job=job)
    job.params = {"n": 3}
    job.save()
    run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.error_code, job.result["counted"]) == (JobState.SUCCEEDED, "", 3)


def test_it_cancels_a_queued_job_at_once(job: Job) -> None:
    services.request_cancel(job=job)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.attempt) == (JobState.CANCELLED, 0)


def test_it_stops_a_running_job_at_its_next_step(job: Job) -> None:
    claimed = services.claim(job_id=job.pk, worker="w")
    assert claimed is not None
    services.request_cancel(job=job)
    context = JobContext(claimed)
    context.WRITE_EVERY_S = 0
    from annotate.jobs.context import JobCancelled

    context.progress(1, 3)
    with pytest.raises(JobCancelled):
        context.progress(2, 3)


def test_it_refuses_to_cancel_what_is_over(job: Job) -> None:
    run_job(str(job.pk))
    with pytest.raises(DomainError, match="succeeded already"):
        services.request_cancel(job=job)


def silence(job: Job) -> None:
    """As if the worker had been killed a minute ago."""
    Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=1))


def test_the_reaper_puts_a_silent_job_back_and_it_goes_on(job: Job) -> None:
    lost = services.claim(job_id=job.pk, worker="dead")
    assert lost is not None
    JobContext(lost).save_checkpoint(done=2)
    assert services.reap()["resumed"] == 0  # its heartbeat is fresh
    silence(job)
    assert services.reap()["resumed"] == 1
    assert not services.heartbeat(job=lost)  # the old worker finds out, should it still live
    assert not services.succeed(job=lost, result={})
    run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 2)


def test_the_reaper_gives_up_after_too_many_lost_workers(job: Job) -> None:
    for _ in range(2):
        assert services.claim(job_id=job.pk, worker="dead") is not None
        silence(job)
        services.reap()
    job.refresh_from_db()
    assert (job.state, job.error_code) == (JobState.FAILED, "worker_lost")


def test_the_reaper_announces_a_job_whose_message_was_lost(job: Job, django_capture_on_commit_callbacks) -> None:
    Job.objects.filter(pk=job.pk).update(queued_at=timezone.now() - timedelta(minutes=5))
    with django_capture_on_commit_callbacks() as callbacks:
        assert services.reap()["announced"] == 1
    assert len(callbacks) == 1


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"state": "succeeded"}, "jobs_finished_at_exactly_when_finished"),
        ({"state": "running"}, "jobs_claimed_exactly_when_running"),
        ({"claim": uuid4()}, "jobs_claimed_exactly_when_running"),
        ({"state": "lost"}, "jobs_state_known"),
        ({"done": 4, "total": 3}, "jobs_done_within_total"),
        ({"error_code": "odd"}, "jobs_error_only_when_failed"),
    ],
)
def test_the_database_refuses_a_state_that_cannot_be(job: Job, fields: dict, constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(**fields)


@pytest.mark.django_db(transaction=True)
def test_nobody_sees_its_end_before_what_follows_from_it(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def look() -> None:
        seen.append(Job.objects.get(pk=job.pk).state)
        connection.close()

    def follow(ended: Job) -> None:
        assert ended.state == JobState.SUCCEEDED
        other = threading.Thread(target=look)
        other.start()
        other.join()

    monkeypatch.setitem(registry._KINDS, "count", replace(registry.kind_of("count"), on_end=follow))
    run_job(str(job.pk))
    job.refresh_from_db()
    assert (seen, job.state) == ([JobState.RUNNING], JobState.SUCCEEDED)


def test_it_ends_though_what_follows_from_it_fails(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def follow(ended: Job) -> None:
        raise OSError("the disk is full")

    monkeypatch.setitem(registry._KINDS, "count", replace(registry.kind_of("count"), on_end=follow))
    run_job(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.result["counted"], job.claim) == (JobState.SUCCEEDED, 3, None)
    assert "OSError: the disk is full" in job.log_lines.get(level="error").message
