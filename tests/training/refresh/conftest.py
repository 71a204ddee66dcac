import time
from collections.abc import Callable

import pytest

from annotate.jobs.models import Job
from annotate.jobs.services import reap
from training.refresh.models import RefreshCycle


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Poll until the condition holds; fail with what the jobs say otherwise."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            told = [(str(job), job.message, job.error_message) for job in Job.objects.all()]
            lines = list(Job.objects.values_list("log_lines__message", flat=True))[-20:]
            pytest.fail(f"after {seconds:.0f} s still waiting for {what}: {told} {lines}")
        time.sleep(0.1)


def wait_for_job(cycle: RefreshCycle, seconds: float = 300.0) -> Job:
    wait_for(lambda: Job.objects.get(pk=cycle.job_id).is_finished, seconds, f"the job of {cycle}")
    return Job.objects.get(pk=cycle.job_id)


def beat() -> None:
    """What Celery beat does: look for lost jobs."""
    reap()
