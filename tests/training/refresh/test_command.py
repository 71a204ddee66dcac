import io
import os
import signal
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command

from annotate.jobs import services as jobs
from annotate.jobs.models import Job
from tests.environment import REPOSITORY
from tests.live import test_database_environment as database_environment
from tests.training.real import load_pandalm
from training.refresh.models import RefreshCycle


def refresh(*arguments: str, **options) -> str:
    out = io.StringIO()
    call_command("refresh", *arguments, stdout=out, **options)
    return out.getvalue()


def test_it_starts_one_and_says_how_to_follow_it(cast):
    load_pandalm(cast.project, 420)
    told = refresh("--project", cast.project.slug, "--acquisition", "random", "--budget", "9", "--ties", "soft")
    assert "Refresh 1 of Helpfulness is queued" in told and "--attach" in told
    config = RefreshCycle.objects.get().config
    assert config["sampling"]["acquisition"] == "random" and config["sampling"]["budget"] == 9
    assert config["spec"]["ties"] == "soft"


def test_an_unknown_project_is_answered_with_the_known_ones(cast):
    with pytest.raises(CommandError, match=f"there are: {cast.project.slug}"):
        refresh("--project", "nope")


def test_a_second_one_is_refused_with_what_to_do(cast):
    load_pandalm(cast.project, 420)
    refresh("--project", cast.project.slug)
    with pytest.raises(CommandError, match="--attach"):
        refresh("--project", cast.project.slug)


def test_too_few_ratings_end_it_with_the_reason(cast):
    with pytest.raises(CommandError, match="At least 40 and 5 are needed"):
        refresh("--project", cast.project.slug)


def test_a_wrong_option_is_named(cast):
    with pytest.raises(CommandError, match="budget: Expected"):
        refresh("--project", cast.project.slug, "--budget", "0")


@pytest.mark.django_db(transaction=True)
def test_ctrl_c_stops_watching_and_not_the_job_and_failure_is_exit_status_1(cast):
    load_pandalm(cast.project, 420)
    environment = {**os.environ, **database_environment(), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, str(REPOSITORY / "manage.py"), "refresh", "--project", cast.project.slug]

    def start(option: str) -> subprocess.Popen:
        return subprocess.Popen(
            [*command, option], cwd=REPOSITORY, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            # A shell lets what it starts in the background ignore Ctrl-C, and so would the command under it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip

    child = start("--watch")
    assert "Ctrl-C stops watching, not the refresh" in child.stdout.readline()
    child.send_signal(signal.SIGINT)
    told, _ = child.communicate(timeout=30)
    assert child.returncode == 0, told
    assert "Stopped watching" in told and "goes on" in told
    job = Job.objects.get()
    assert job.state == "queued" and job.cancel_requested_at is None

    child = start("--attach")
    assert "Refresh 1 of Helpfulness" in child.stdout.readline()
    claimed = jobs.claim(job_id=job.pk, worker="test")
    assert claimed is not None
    jobs.fail(job=claimed, code="diverged", message="the loss is NaN: lower learning_rate")
    told, _ = child.communicate(timeout=30)
    assert child.returncode == 1
    assert "Refresh 1 failed: the loss is NaN" in told
