"""Probes of the platform, and the page that carries the single-page app."""

from django.conf import settings
from django.core.cache import cache
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie


@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """Alive: this process answers. Touches nothing else, so a database outage does not get web restarted."""
    return JsonResponse({"status": "ok"})


def _database() -> str:
    connections[DEFAULT_DB_ALIAS].cursor().execute("SELECT 1")
    return "ok"


def _redis() -> str:
    cache.get("readyz")
    return "ok"


def _migrations() -> str:
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(pending)} not applied: run manage.py migrate" if pending else "ok"


@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Ready: PostgreSQL and Redis answer and the schema is current; 503 with the reason otherwise."""
    checks = {}
    for name, check in (("database", _database), ("redis", _redis), ("migrations", _migrations)):
        try:
            checks[name] = check()
        except Exception as error:  # a probe reports whatever went wrong, it never raises
            checks[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no answer'}"
    ready = all(result == "ok" for result in checks.values())
    return JsonResponse({"status": "ok" if ready else "unavailable", "checks": checks}, status=200 if ready else 503)


@never_cache
@ensure_csrf_cookie
def single_page_app(request: HttpRequest) -> HttpResponse:
    """Serve the built frontend's index for every address that is not the API's."""
    index = settings.FRONTEND_DIST / "index.html"
    if not index.is_file():
        text = "The frontend is not built. Run `make up`, or `npm ci && npm run build` in frontend/."
        return HttpResponse(text, status=503, content_type="text/plain")
    return HttpResponse(index.read_bytes())
