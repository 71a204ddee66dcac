"""A job's child process: its events become progress, its failure a reason, its end is certain."""

import sys
import time
from collections.abc import Iterator

import psutil
import pytest
from django.utils import timezone

from annotate.jobs import registry, services
from annotate.jobs.context import JobCancelled, JobContext, JobFailed
from annotate.jobs.models import Job
from tests.cast import Cast


@pytest.fixture
def context(cast: Cast) -> Iterator[JobContext]:
    registry.job_kind("child")(lambda context: None)
    job = services.enqueue(kind="child", title="Child", project=cast.project, params={})
    claimed = services.claim(job_id=job.pk, worker="w")
    assert claimed is not None
    yield JobContext(claimed)
    del registry._KINDS["child"]


def python(source: str) -> list[str]:
    return [sys.executable, "-u", "-c", source]


def test_it_returns_the_result_and_shows_the_progress(context: JobContext) -> None:
    source = (
        "import json\n"
        "print(json.dumps({'event': 'progress', 'done': 2, 'total': 5, 'unit': 'steps', 'message': 'loss 0.6'}))\n"
        "print(json.dumps({'event': 'log', 'message': 'hello'}))\n"
        "print(json.dumps({'event': 'result', 'accuracy': 0.7}))\n"
    )
    assert context.run_process(python(source), what="Training")["accuracy"] == 0.7
    job = Job.objects.get(pk=context.job.pk)
    assert (job.done, job.total, job.unit, job.message) == (2, 5, "steps", "loss 0.6")
    assert job.log_lines.get().message == "hello"


def test_it_fails_with_what_the_child_said(context: JobContext) -> None:
    source = 'print(\'{"event": "error", "code": "diverged", "message": "loss is NaN"}\'); raise SystemExit(1)'
    with pytest.raises(JobFailed, match="loss is NaN") as failure:
        context.run_process(python(source), what="Training")
    assert failure.value.code == "diverged"


def test_it_fails_with_the_end_of_stderr_when_the_child_said_nothing(context: JobContext) -> None:
    with pytest.raises(JobFailed, match="no memory left") as failure:
        context.run_process(python("raise SystemExit('no memory left')"), what="Training")
    assert failure.value.code == "engine_died"


def test_a_cancel_ends_the_child_and_its_children(context: JobContext) -> None:
    source = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        'print(\'{"event": "progress", "done": %d, "total": 1000000}\' % child.pid)\n'
        "time.sleep(600)\n"
    )
    context.WRITE_EVERY_S = 0
    Job.objects.filter(pk=context.job.pk).update(cancel_requested_at=timezone.now())
    with pytest.raises(JobCancelled):
        context.run_process(python(source), what="Training")
    grandchild = Job.objects.get(pk=context.job.pk).done
    assert grandchild > 0
    deadline = time.monotonic() + 5
    while psutil.pid_exists(grandchild) and psutil.Process(grandchild).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the grandchild outlived the cancel"
        time.sleep(0.05)
