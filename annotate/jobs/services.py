"""The state machine: the only writers of `Job.state`.

Every transition is one conditional UPDATE, so two workers that were given the same message, or a reaper and a worker
that only seemed dead, cannot both win.
"""

import logging
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.jobs.models import Job, JobLogLine, JobState
from annotate.jobs.registry import kind_of
from annotate.projects.models import Project

logger = logging.getLogger(__name__)


def enqueue(
    *, kind: str, title: str, project: Project | None, params: dict[str, Any], created_by: User | None = None
) -> Job:
    """Make a job and hand it to its queue once the surrounding transaction has committed."""
    job = Job(
        kind=kind,
        title=title[:200],
        queue=kind_of(kind).queue,
        project=project,
        params=params,
        created_by=created_by,
        queued_at=timezone.now(),
    )
    job.full_clean(exclude=["project", "created_by"])
    job.save(force_insert=True)
    send(job)
    return job


def send(job: Job) -> None:
    """Put a message for the job into its queue after commit. More than one message does no harm."""
    from annotate.jobs.tasks import run_job

    transaction.on_commit(lambda: run_job.apply_async((str(job.pk),), queue=job.queue))


def claim(*, job_id: uuid.UUID, worker: str) -> Job | None:
    """Take a queued job for this worker, or None when it is not (or no longer) to be had."""
    now, token = timezone.now(), uuid.uuid4()
    taken = Job.objects.filter(pk=job_id, state=JobState.QUEUED, cancel_requested_at=None).update(
        state=JobState.RUNNING,
        claim=token,
        worker=worker[:200],
        heartbeat_at=now,
        attempt=F("attempt") + 1,
        started_at=now,
        message="",
    )
    return Job.objects.select_related("project").get(pk=job_id) if taken else None


def heartbeat(*, job: Job, **progress: Any) -> bool:
    """Say that the worker lives, with its progress. False when the claim was lost: the worker must stop at once."""
    return bool(Job.objects.filter(pk=job.pk, claim=job.claim).update(heartbeat_at=timezone.now(), **progress))


def is_cancel_requested(*, job: Job) -> bool:
    return Job.objects.filter(pk=job.pk, cancel_requested_at__isnull=False).exists()


def _finish(job: Job, state: JobState, **fields: Any) -> bool:
    """Write the final state and what follows from it at once: nobody sees the one without the other.

    A consequence that cannot be drawn is logged; the job ends all the same.
    """
    claim, before = job.claim, job.state
    try:
        with transaction.atomic():
            ended = _write_end(job, state, fields)
            on_end = kind_of(job.kind).on_end
            if ended and on_end is not None:
                on_end(job)
            return ended
    except DatabaseError:
        raise
    except Exception as error:
        logger.exception("job %s has ended, what follows from it failed", job.pk)
        job.claim, job.state = claim, before
        ended = _write_end(job, state, fields)
        log(job=job, level="error", message=f"What follows from its end failed: {type(error).__name__}: {error}")
        return ended


def _write_end(job: Job, state: JobState, fields: dict[str, Any]) -> bool:
    changed = Job.objects.filter(pk=job.pk, claim=job.claim, state=job.state).update(
        state=state, claim=None, finished_at=timezone.now(), **fields
    )
    if changed:
        job.refresh_from_db()
    return bool(changed)


def succeed(*, job: Job, result: dict[str, Any]) -> bool:
    done = F("total") if Job.objects.filter(pk=job.pk, total__isnull=False).exists() else F("done")
    return _finish(job, JobState.SUCCEEDED, result=result, done=done, message="")


def fail(*, job: Job, code: str, message: str) -> bool:
    return _finish(job, JobState.FAILED, error_code=code[:60], error_message=message)


def cancelled(*, job: Job) -> bool:
    """The worker has stopped because it was asked to."""
    return _finish(job, JobState.CANCELLED)


def release(*, job: Job) -> bool:
    """Give a running job back unfinished, when its worker is being shut down; another goes on from the checkpoint."""
    returned = Job.objects.filter(pk=job.pk, claim=job.claim, state=JobState.RUNNING).update(
        state=JobState.QUEUED, claim=None, queued_at=timezone.now(), attempt=F("attempt") - 1
    )
    if returned:
        send(job)
    return bool(returned)


@transaction.atomic
def request_cancel(*, job: Job) -> Job:
    """Ask for the job to stop. One that no worker has yet is cancelled at once. Locks the job's row."""
    job = Job.objects.select_for_update().get(pk=job.pk)
    if job.is_finished:
        raise DomainError("job_finished", f"This job has {job.state} already.")
    if job.state == JobState.QUEUED:
        _finish(job, JobState.CANCELLED, cancel_requested_at=timezone.now())
    elif job.cancel_requested_at is None:
        job.cancel_requested_at = timezone.now()
        job.save(update_fields=["cancel_requested_at"])
    return job


@transaction.atomic
def withdraw(*, jobs: QuerySet[Job]) -> int:
    """Remove those of some jobs that no worker has taken, as if they had never been offered; returns how many.

    Locks their rows: a worker that is just claiming one finds none.
    """
    offered = list(jobs.filter(state=JobState.QUEUED).select_for_update(of=("self",)).values_list("pk", flat=True))
    Job.objects.filter(pk__in=offered).delete()
    return len(offered)


@transaction.atomic
def retry(*, job: Job) -> Job:
    """Queue a failed or cancelled job again; it goes on from its checkpoint. Locks the job's row."""
    job = Job.objects.select_for_update().get(pk=job.pk)
    if not job.can_retry:
        raise DomainError(
            "job_not_finished", f"Only a failed or cancelled job can be retried; this one is {job.state}."
        )
    job.state, job.attempt, job.finished_at, job.cancel_requested_at = JobState.QUEUED, 0, None, None
    job.error_code, job.error_message, job.message, job.queued_at = "", "", "", timezone.now()
    job.save()
    send(job)
    return job


def reap() -> dict[str, int]:
    """Put right what a dead worker or an emptied Redis left behind. Run by beat; safe to run anywhere, any time.

    Running jobs whose heartbeat stopped go back to their queue (or fail after too many attempts); queued jobs that
    nobody took are announced again, since their message may have been lost.
    """
    now = timezone.now()
    lost_before = now - timedelta(seconds=settings.JOB_LOST_AFTER_S)
    counts = {"resumed": 0, "failed": 0, "cancelled": 0, "announced": 0}
    for job in Job.objects.filter(state=JobState.RUNNING, heartbeat_at__lt=lost_before):
        if job.cancel_requested_at:
            counts["cancelled"] += cancelled(job=job)
        elif job.attempt >= kind_of(job.kind).max_attempts:
            message = f"Its worker ({job.worker}) went silent {job.attempt} times. See the log, then retry."
            counts["failed"] += fail(job=job, code="worker_lost", message=message)
        elif Job.objects.filter(pk=job.pk, claim=job.claim, heartbeat_at__lt=lost_before).update(
            state=JobState.QUEUED, claim=None, queued_at=now
        ):
            log(job=job, level="warning", message=f"Worker {job.worker} went silent; the job goes on elsewhere.")
            send(job)
            counts["resumed"] += 1
    for job in Job.objects.filter(state=JobState.QUEUED, queued_at__lt=lost_before):
        if Job.objects.filter(pk=job.pk, state=JobState.QUEUED).update(queued_at=now):
            send(job)
            counts["announced"] += 1
    return counts


def log(*, job: Job, message: str, level: str = "info") -> None:
    JobLogLine.objects.create(job=job, level=level[:8], message=message[:10_000])


def unfinished_jobs(*, project: Project, kind: str) -> Q:
    return Q(project=project, kind=kind, state__in=[JobState.QUEUED, JobState.RUNNING])
