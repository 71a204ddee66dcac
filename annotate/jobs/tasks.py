"""The one task that runs jobs, and the reaper."""

import logging
import os
import signal
import socket
import threading
import uuid
from types import FrameType

from celery import shared_task

from annotate.jobs import services
from annotate.jobs.context import ClaimLost, JobCancelled, JobContext, JobFailed, ShuttingDown
from annotate.jobs.models import Job
from annotate.jobs.registry import kind_of

logger = logging.getLogger(__name__)


@shared_task(name="annotate.jobs.run_job")
def run_job(job_id: str) -> None:
    """Run a job if nobody else has it; every ending is written into its row."""
    job = services.claim(job_id=uuid.UUID(job_id), worker=worker_name())
    if job is not None:
        run_claimed(job)


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def run_claimed(job: Job) -> None:
    """Run a job that this process has claimed, here and now."""
    context = JobContext(job)
    _leave_on_sigterm(context)
    try:
        with context.beating():
            result = kind_of(job.kind).handler(context)
            context.flush()
        services.succeed(job=job, result=result or {})
    except JobCancelled:
        services.cancelled(job=job)
    except ClaimLost:
        logger.warning("job %s was taken over by another worker", job.pk)
    except ShuttingDown:
        services.release(job=job)
    except JobFailed as failure:
        services.log(job=job, level="error", message=failure.message)
        services.fail(job=job, code=failure.code, message=failure.message)
    except Exception as error:
        logger.exception("job %s failed", job.pk)
        message = f"{type(error).__name__}: {error}"
        services.log(job=job, level="error", message=message)
        services.fail(
            job=job, code="internal_error", message=f"{message}. This is a fault of the program; see the worker's log."
        )


def _leave_on_sigterm(context: JobContext) -> None:
    """A worker that is being stopped gives its job back instead of losing it."""
    if threading.current_thread() is not threading.main_thread():
        return
    previous = signal.getsignal(signal.SIGTERM)

    def leave(number: int, frame: FrameType | None) -> None:
        context.shut_down()
        if callable(previous):
            previous(number, frame)

    signal.signal(signal.SIGTERM, leave)


@shared_task(name="annotate.jobs.tasks.reap_lost_jobs")
def reap_lost_jobs() -> dict[str, int]:
    return services.reap()
