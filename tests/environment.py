"""The environment of a test run: fixed before Django reads it, and independent of what the developer has set."""

import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
_is_started = False


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def prepare() -> None:
    """Set every variable the settings read. Starts nothing: the servers' addresses follow from VAR_DIR."""
    from annotate.common import local_servers

    var = Path(tempfile.mkdtemp(prefix="touchstone-test-"))
    var.chmod(0o755)  # as root the servers run as somebody else, who must be able to walk here
    web, scorer = free_port(), free_port()
    os.environ.update(
        DJANGO_SETTINGS_MODULE="annotate.settings",
        VAR_DIR=str(var),
        DATABASE_URL=local_servers.database_url(var),
        REDIS_URL=local_servers.redis_url(var),
        SECRET_KEY="a key for tests, which protects nothing, and is long enough to please the checks",
        ARTIFACTS_URL=f"file://{var / 'artifacts'}",
        DEBUG="0",
        PORT=str(web),
        PUBLIC_URL=f"http://127.0.0.1:{web}",
        ALLOWED_HOSTS="127.0.0.1,localhost,testserver",
        CSRF_TRUSTED_ORIGINS=f"http://127.0.0.1:{web}",
        SCORER_PORT=str(scorer),
        SCORER_URL=f"http://127.0.0.1:{scorer}",
        SCORER_TOKEN="",
        EMAIL_URL=f"filemail:///{var / 'mail'}",  # three slashes, then an absolute path with its own
        DEMO="0",
        LOG_LEVEL="INFO",
        LOG_FORMAT="console",
        JOB_HEARTBEAT_S="1",
        # Playwright's synchronous interface keeps an event loop in this thread; the ORM is still used by one at a time.
        DJANGO_ALLOW_ASYNC_UNSAFE="true",
        HF_HUB_OFFLINE="1",
    )


def start_servers() -> None:
    """Start PostgreSQL and Redis of this run, faster than safe: their data ends with the run."""
    from annotate.common import local_servers

    global _is_started
    var = os.environ["VAR_DIR"]
    local_servers.start_postgres(var, until_parent_ends=True, durable=False)
    local_servers.start_redis(var, until_parent_ends=True, durable=False)
    _is_started = True


def clear_cache() -> None:
    """Remove Django's cache entries and leave the broker's queues, which share the Redis."""
    if not _is_started:
        return
    from django.core.cache import caches

    caches["process"].clear()
    keys = list(redis_client().scan_iter(":1:*", count=1000))
    if keys:
        redis_client().delete(*keys)


def redis_client() -> Any:
    """Return a redis-py client of the run's Redis."""
    import redis

    return redis.Redis.from_url(os.environ["REDIS_URL"])


def discard() -> None:
    """Stop the servers and remove everything the run has written."""
    from annotate.common import local_servers

    global _is_started
    var = Path(os.environ["VAR_DIR"])
    if _is_started:
        local_servers.stop_redis(var)
        local_servers.stop_postgres(var)
        _is_started = False
    shutil.rmtree(var, ignore_errors=True)
