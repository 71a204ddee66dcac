"""kill -9 of each process under load: every acknowledged rating is there afterwards, once, and work goes on."""

import json
import os
import signal
from collections.abc import Iterator
from itertools import count

import pytest

from annotate.common import local_servers, processes
from tests.annotate.faults.labellers import Labellers
from tests.stand import Stand
from tests.workload import Work, broken_rules, not_stored_once

BEFORE, AFTER = 40, 60  # ratings around each fault
_numbers = count(1)


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    """Servers of these tests' own: those of the other tests live on."""
    with Stand() as stand:
        yield stand


@pytest.fixture
def work(stand: Stand) -> Work:
    arguments = ["--name", f"work {next(_numbers)}", "--comparisons", "3000", "--labellers", "6"]
    return Work(**json.loads(stand.run("-m", "tests.workload", *arguments).splitlines()[-1]))


def check(stand: Stand, work: Work, labellers: Labellers) -> None:
    assert labellers.failures == []
    assert len(labellers.acknowledged) >= BEFORE + AFTER
    assert len(set(labellers.acknowledged)) == len(labellers.acknowledged)
    with stand.connect() as connection, connection.cursor() as cursor:
        assert not_stored_once(cursor, labellers.acknowledged) == []
        # Everybody brought their last rating to its end, so nothing is stored that was not acknowledged.
        cursor.execute("SELECT count(*) FROM ratings_rating WHERE project_id = %s", [work.project_id])
        assert cursor.fetchone() == (len(labellers.acknowledged),)
        assert broken_rules(cursor, work.project_id, none_late=True) == {}


def test_a_web_worker(stand: Stand, work: Work) -> None:
    with Labellers(stand, work) as labellers:
        labellers.wait_for(BEFORE)
        workers = stand.web_workers()
        assert len(workers) >= 2
        os.kill(workers[0], signal.SIGKILL)
        labellers.wait_for(AFTER)
        # The master has put another in its place.
        assert processes.wait_until(lambda: len(stand.web_workers()) == len(workers), 20.0)
        assert workers[0] not in stand.web_workers()
        labellers.wait_for(AFTER)
    assert stand.web.is_running
    check(stand, work, labellers)


def test_the_web_server_with_all_its_workers(stand: Stand, work: Work) -> None:
    with Labellers(stand, work) as labellers:
        labellers.wait_for(BEFORE)
        before = stand.web.pid
        stand.kill_web()
        assert processes.wait_until(lambda: not stand.web.is_running, 10.0)
        stand.start_web()
        assert stand.web.pid != before
        labellers.wait_for(AFTER)
    assert labellers.n_unanswered > 0
    check(stand, work, labellers)


def test_the_web_master_alone(stand: Stand, work: Work) -> None:
    """Its workers see that it is gone, end, and free the port for the next one."""
    with Labellers(stand, work) as labellers:
        labellers.wait_for(BEFORE)
        orphans = stand.web_workers()
        assert stand.web.pid is not None
        os.kill(stand.web.pid, signal.SIGKILL)
        assert processes.wait_until(lambda: not stand.web.is_running, 10.0)
        stand.start_web()
        assert processes.wait_until(lambda: not any(map(processes.started_at, orphans)), 10.0)
        labellers.wait_for(AFTER)
    check(stand, work, labellers)


def test_postgres_with_all_its_sessions(stand: Stand, work: Work) -> None:
    """What was acknowledged was on the disk: recovery finds it in the write-ahead log."""
    with Labellers(stand, work) as labellers:
        labellers.wait_for(BEFORE)
        killed = stand.kill_postgres()
        assert len(killed) > 6  # sessions too
        assert local_servers.postgres_pid(stand.var) is None
        stand.start_postgres()
        labellers.wait_for(AFTER)
    assert labellers.n_unanswered > 0
    assert "automatic recovery in progress" in (stand.var / "log" / "postgres.log").read_text()
    check(stand, work, labellers)


def test_redis(stand: Stand, work: Work) -> None:
    """It holds no truth: ratings come through while it is away, and after it is back."""
    with Labellers(stand, work) as labellers:
        labellers.wait_for(BEFORE)
        stand.kill_redis()
        labellers.wait_for(AFTER)
        assert local_servers.redis_pid(stand.var) is None
        stand.start_redis()
        labellers.wait_for(AFTER)
    assert labellers.n_unanswered == 0
    check(stand, work, labellers)


def test_one_after_the_other_under_one_load(stand: Stand, work: Work) -> None:
    with Labellers(stand, work) as labellers:
        labellers.wait_for(BEFORE)
        stand.kill_redis()
        stand.kill_postgres()
        stand.kill_web()
        stand.start_postgres()
        stand.start_redis()
        stand.start_web()
        labellers.wait_for(AFTER)
    assert labellers.n_unanswered > 0
    check(stand, work, labellers)
