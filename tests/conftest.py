"""What every test may use: the two real servers, real Celery workers, a real web server and a real browser.

The servers of a test run are its own, under a directory of its own, and start with the first test that needs them;
`django_db_setup` (every `db` and `transactional_db`) does. Nothing outlives the run, however it ends.

- `own_servers`: PostgreSQL and Redis run (for tests that need Redis and no database).
- `celery_workers`: `celery -A annotate worker` for the queues `default` and `gpu`, against the test database.
- `live_web`: the address of gunicorn serving the application, against the test database.
- `live_scorer`: the address of the scorer, reading the test's registry.
- `browser_page`: a Playwright page in Debian's chromium; a screenshot goes to var/e2e/ when the test fails.
"""

import os
import sys

from tests import environment

environment.prepare()

import django  # noqa: E402  # the environment comes first: settings are read once

django.setup()

from collections.abc import Callable, Iterator  # noqa: E402
from typing import Any  # noqa: E402

import pytest  # noqa: E402
from django.conf import settings as django_settings  # noqa: E402
from django.test import override_settings  # noqa: E402

from tests.live import CeleryWorkers, Scorer, Web, open_page  # noqa: E402


@pytest.fixture(scope="session")
def own_servers() -> None:
    environment.start_servers()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(own_servers: None) -> None:
    """Run before pytest-django makes the test database."""


def pytest_unconfigure(config: pytest.Config) -> None:
    environment.discard()


@pytest.fixture(autouse=True)
def _separate_tests(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep what a test leaves in the cache (rate limits, snapshots) from the next one, and hash passwords fast."""
    fast = ["django.contrib.auth.hashers.MD5PasswordHasher", *django_settings.PASSWORD_HASHERS]
    # Where another process checks them, with the real settings, they are hashed as there.
    with override_settings(
        PASSWORD_HASHERS=django_settings.PASSWORD_HASHERS if "live_web" in request.fixturenames else fast
    ):
        yield
    environment.clear_cache()


# --- other processes ------------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def _workers(django_db_setup: None) -> Iterator[CeleryWorkers]:
    workers = CeleryWorkers()
    yield workers
    workers.stop()


@pytest.fixture
def celery_workers(
    request: pytest.FixtureRequest, transactional_db: None, _workers: CeleryWorkers
) -> Iterator[CeleryWorkers]:
    """Real workers, answering, with empty queues. They have ended their tasks when the test's rows are removed."""
    _workers.ensure_ready()
    _logs_of(request, _workers.logs)
    yield _workers
    _workers.settle()


@pytest.fixture(scope="session")
def _web(django_db_setup: None) -> Iterator[Web]:
    web = Web()
    yield web
    web.stop()


@pytest.fixture
def live_web(request: pytest.FixtureRequest, transactional_db: None, _web: Web) -> str:
    """Address (http://127.0.0.1:port) of the application, served by gunicorn over the test database."""
    _web.ensure_ready()
    _logs_of(request, _web.logs)
    return _web.url


@pytest.fixture(scope="session")
def _scorer() -> Iterator[Scorer]:
    scorer = Scorer()
    yield scorer
    scorer.stop()


@pytest.fixture
def live_scorer(request: pytest.FixtureRequest, _scorer: Scorer) -> str:
    """Address of the scorer; it follows the registry below the test run's ARTIFACTS_URL."""
    _scorer.ensure_ready()
    _logs_of(request, _scorer.logs)
    return _scorer.url


@pytest.fixture
def browser_page(request: pytest.FixtureRequest) -> Iterator[Any]:
    with open_page() as page:
        yield page
        if request.node.stash.get(_FAILED, False):
            folder = environment.REPOSITORY / "var" / "e2e"
            folder.mkdir(parents=True, exist_ok=True)
            picture = folder / f"{request.node.name}.png"
            page.screenshot(path=str(picture), full_page=True)
            print(f"{page.url}\nscreenshot: {picture}", file=sys.stderr)


# --- reports --------------------------------------------------------------------------------------------------------
_FAILED = pytest.StashKey[bool]()
_LOGS = pytest.StashKey[list[Callable[[], tuple[str, str]]]]()


def _logs_of(request: pytest.FixtureRequest, logs: Callable[[], list[Callable[[], tuple[str, str]]]]) -> None:
    """Have what other processes write from now on shown if the test fails."""
    request.node.stash.setdefault(_LOGS, []).extend(logs())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Any:
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
        for read in item.stash.get(_LOGS, []):
            name, text = read()
            if text:
                report.sections.append((f"log of {name}", text))
    return report


def pytest_report_header() -> str:
    return f"touchstone: servers and files of this run in {os.environ['VAR_DIR']}"
