"""What must hold however large, slow, strange or unlucky an import is."""

import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotate.accounts.models import User, UserKind
from annotate.common.processes import wait_until
from annotate.comparisons.models import Assignment, Comparison
from annotate.imports.models import ImportFormat
from annotate.imports.services import BATCH_ROWS, start_import
from annotate.jobs.models import Job, JobState
from annotate.jobs.services import reap, request_cancel, retry
from annotate.jobs.tasks import run_claimed, run_job
from annotate.pool.models import Completion, CompletionSource, Prompt
from annotate.projects.models import Project
from annotate.ratings.models import Rating
from tests.annotate.imports.test_import import assert_counts_are_true, begin, bring, row, tables, write
from tests.annotate.imports.test_parsing import FIELDS, JSON
from tests.live import CeleryWorkers, test_database_environment

# Committed, so that the heartbeat, which has a connection of its own, sees the job.
pytestmark = pytest.mark.django_db(transaction=True)


# --- unlucky --------------------------------------------------------------------------------------------------------
def test_a_worker_killed_in_the_middle_loses_and_doubles_nothing(cast, celery_workers: CeleryWorkers, tmp_path):
    n = 12 * BATCH_ROWS
    path = write(tmp_path / "x.jsonl", ["{broken", *(row(i, ("ann", 0), ("bob", i % 2)) for i in range(n - 1))])
    job = start_import(project=cast.project, file_url=f"file://{path}", filename=path.name).job
    assert wait_until(lambda: Job.objects.get(pk=job.pk).checkpoint.get("line", 0) >= 2 * BATCH_ROWS, 60, 0.01)
    celery_workers.kill("default")
    job.refresh_from_db()
    assert job.state == JobState.RUNNING, "nobody has told"
    line = job.checkpoint["line"]
    assert Rating.objects.count() == 2 * (line - 1) < 2 * (n - 1), "whole batches are in, up to the checkpoint"
    Job.objects.filter(pk=job.pk).update(heartbeat_at="2020-01-01T00:00Z")
    celery_workers.purge()
    assert reap()["resumed"] == 1
    celery_workers.ensure_ready()
    run_job(str(job.pk))  # whoever takes it: this process, or the new worker before it
    assert wait_until(lambda: Job.objects.get(pk=job.pk).is_finished, 60, 0.1)
    job.refresh_from_db()
    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 2)
    assert job.result | {"import": 0} == {
        "import": 0, "rows": n, "prompts": n - 1, "completions": 2 * (n - 1), "comparisons": n - 1,
        "rankings": 0, "ratings": 2 * (n - 1), "duplicates": 0, "other_axis": 0, "bad_rows": 1,
    }  # fmt: skip
    assert Rating.objects.count() == Assignment.objects.count() == 2 * (n - 1)
    assert_counts_are_true(cast.project)


def test_a_cancelled_import_stops_between_batches_and_goes_on_when_retried(cast, tmp_path):
    n = 20 * BATCH_ROWS
    path = write(tmp_path / "x.jsonl", [row(i) for i in range(n)])
    job = begin(cast.project, path).job

    def cancel_after_a_batch() -> None:
        try:
            wait_until(lambda: Prompt.objects.exists(), 60, 0.01)
            request_cancel(job=Job.objects.get(pk=job.pk))
        finally:
            connections.close_all()

    canceller = threading.Thread(target=cancel_after_a_batch)
    canceller.start()
    run_claimed(job)
    canceller.join()
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert 0 < Prompt.objects.count() == job.checkpoint["line"] < n
    retry(job=job)
    run_job(str(job.pk))
    assert wait_until(lambda: Job.objects.get(pk=job.pk).is_finished, 60, 0.1)
    assert (Job.objects.get(pk=job.pk).state, Prompt.objects.count()) == (JobState.SUCCEEDED, n)


def at_once(*jobs: Job) -> None:
    def work(job: Job) -> None:
        try:
            run_claimed(job)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {Job.objects.get(pk=job.pk).state for job in jobs} == {JobState.SUCCEEDED}


def test_one_file_imported_by_two_at_once_is_in_once(cast, tmp_path):
    rows = [row(i, ("ann", 0), ("bob", 1), (f"labeller {i}", None)) for i in range(3 * BATCH_ROWS)]
    one = begin(cast.project, write(tmp_path / "x.jsonl", rows))
    random.Random(1).shuffle(rows)
    other = begin(cast.project, write(tmp_path / "y.jsonl", rows))
    at_once(one.job, other.job)
    assert (Comparison.objects.count(), Rating.objects.count()) == (len(rows), 3 * len(rows))
    assert_counts_are_true(cast.project)


def test_two_files_about_the_same_pairs_at_once_count_both(cast, tmp_path):
    n = 3 * BATCH_ROWS
    bring(cast.project, write(tmp_path / "pairs.jsonl", [row(i) for i in range(n)]))
    files = [write(tmp_path / f"{name}.jsonl", [row(i, (name, 0)) for i in range(n)]) for name in ("ann", "bob")]
    at_once(*(begin(cast.project, path).job for path in files))
    assert Rating.objects.count() == 2 * n
    assert_counts_are_true(cast.project)
    assert set(Comparison.objects.values_list("n_taken", flat=True)) == {2}


# --- strange --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("format", [one for one in ImportFormat if one != ImportFormat.AUTO])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(rows=st.lists(st.dictionaries(FIELDS, JSON, max_size=6) | JSON, min_size=1, max_size=8))
def test_whatever_rows_come_the_import_ends_well(cast, tmp_path, format, rows):
    run = bring(cast.project, write(tmp_path / "x.jsonl", [json.dumps(one) for one in rows]), format=format)
    assert Job.objects.get(pk=run.job_id).state == JobState.SUCCEEDED
    assert run.counts["rows"] == len(rows)
    assert run.counts["bad_rows"] == run.errors.values("line").distinct().count()


def test_names_that_cannot_be_stored_are_told_all_the_same(cast, tmp_path):
    run = bring(cast.project, write(tmp_path / "x.jsonl", [{"\x00": 1, "\ud800": 2, "x" * 9000: 3}]))
    job = Job.objects.get(pk=run.job_id)
    assert job.error_code == "unknown_format"
    assert r"found \x00, \ud800, xxx" in job.error_message and len(job.error_message) < 500


def test_a_labeller_who_has_rated_here_otherwise_than_by_import(cast, tmp_path):
    """Rows name a labeller whose key is taken by a simulated one; that one's rating of the pair stays the only one."""
    bring(cast.project, write(tmp_path / "x.jsonl", [row(1, ("ann", 0))]))
    User.objects.filter(external_key="helpfulness/ann").update(kind=UserKind.SIMULATED)
    before = tables()
    run = bring(cast.project, write(tmp_path / "y.jsonl", [row(1, ("ann", 1))]))
    assert (tables(), run.counts["bad_rows"]) == (before, 1)


def test_imported_labellers_cannot_sign_in(cast, tmp_path):
    bring(cast.project, write(tmp_path / "x.jsonl", [row(1, ("ann", 0))]))
    ann = User.objects.get(external_key="helpfulness/ann")
    assert (ann.is_active, ann.email, ann.has_usable_password()) == (False, None, False)
    assert "ann" not in ann.pseudonym


def test_a_row_that_stands_twice_in_a_batch_is_one_duplicate(cast, tmp_path):
    run = bring(cast.project, write(tmp_path / "x.jsonl", [row(1, ("ann", 0)), row(2), row(1, ("ann", 0)), row(2)]))
    assert (run.counts["prompts"], run.counts["ratings"], run.counts["duplicates"]) == (2, 1, 2)


@pytest.mark.parametrize(("axis", "preferred"), [("helpfulness", "bad"), ("safety", "good"), ("overall", "good")])
def test_of_several_votes_of_a_labeller_the_one_nearest_to_the_axis_counts(cast, tmp_path, axis, preferred):
    cast.project.axis = axis
    cast.project.save()
    ratings = [
        {"labeller": "ann", "preferred": 0, "axis": "overall"},
        {"labeller": "ann", "preferred": 1, "axis": "helpfulness"},
    ]
    run = bring(cast.project, write(tmp_path / "x.jsonl", [row(1, ratings=ratings)]))
    assert (run.counts["ratings"], run.counts["other_axis"], run.counts["bad_rows"]) == (1, 1, 0)
    rating = Rating.objects.select_related("comparison__a", "comparison__b").get()
    assert getattr(rating.comparison, rating.preferred).text == f"{preferred} 1"


# --- large ----------------------------------------------------------------------------------------------------------
def queries(project: Project, path: Path) -> list[str]:
    """Statements of an import, without those on the job's row: their number follows the clock."""
    with CaptureQueriesContext(connection) as captured:
        bring(project, path)
    return [query["sql"] for query in captured if '"jobs_job' not in query["sql"]]


def n_queries(project: Project, path: Path) -> int:
    return len(queries(project, path))


def n_batches(project: Project, path: Path) -> int:
    return sum(sql.startswith('INSERT INTO "pool_completion" ') for sql in queries(project, path))


def test_a_batch_of_new_names_takes_no_more_queries(cast, tmp_path):
    def named(start: int, n: int) -> Path:
        rows = []
        for i in range(start, start + n):
            texts = [{"text": f"{side} {i}", "source": f"source {side} {i}"} for side in ("good", "bad")]
            rows.append(row(i, (f"labeller {i}", 0), completions=texts))
        return write(tmp_path / f"{start}.jsonl", rows)

    assert n_queries(cast.project, named(0, 3)) + 2 >= n_queries(cast.project, named(100, BATCH_ROWS))
    assert CompletionSource.objects.count() == 2 * (3 + BATCH_ROWS)


def test_long_rows_make_shorter_batches(cast, tmp_path):
    texts = [[{"text": f"{number} {i} " + "x" * 190_000} for i in range(60)] for number in range(3)]
    path = write(tmp_path / "x.jsonl", [{"prompt": "?", "completions": each} for each in texts])
    few = write(tmp_path / "y.jsonl", [{"prompt": "?", "completions": [f"a {i}", f"b {i}"]} for i in range(3)])
    assert (n_batches(cast.project, path), n_batches(cast.project, few)) == (2, 1)
    assert Completion.objects.count() == 180 + 6


_MEASURE = """
import sys
import django
django.setup()
from django.core.management import call_command
call_command("import", sys.argv[1], "--project", "helpfulness", stdout=open("/dev/null", "w"))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from Linux's /proc")
def test_memory_does_not_grow_with_the_file(cast, tmp_path):
    """Peak memory of a process that imports 10,000 rows, and of one that imports 40,000."""

    def peak_kib(n: int, start: int) -> int:
        path = tmp_path / f"{n}.jsonl"
        with path.open("w") as file:
            file.writelines(json.dumps(row(start + i, (f"labeller {i % 500}", 0))) + "\n" for i in range(n))
        environment = {**os.environ, **test_database_environment()}
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, str(path)], env=environment, capture_output=True, text=True, check=True
        )
        return int(done.stdout.split()[-1])

    small, large = peak_kib(10_000, 0), peak_kib(40_000, 1_000_000)
    assert Rating.objects.count() == 50_000
    assert large - small < 10 * 1024, f"{small // 1024} MiB for 10,000 rows, {large // 1024} MiB for 40,000"
