"""Configuration errors as Django system checks, so that `manage.py check` finds them before a person does."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register


@register("touchstone")
def urls_have_a_scheme(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """PUBLIC_URL, SCORER_URL and ARTIFACTS_URL name a scheme and, where they are HTTP, a host."""
    problems: list[CheckMessage] = []
    for position, name in enumerate(("PUBLIC_URL", "SCORER_URL"), start=1):
        parts = urlsplit(getattr(settings, name))
        if parts.scheme not in ("http", "https") or not parts.netloc:
            hint = f"Write it as http://host:port; it is {getattr(settings, name)!r}."
            problems.append(Error(f"{name} is not an http(s) URL.", hint=hint, id=f"touchstone.E00{position}"))
    if "://" not in settings.ARTIFACTS_URL:
        hint = "Write it as file:///path or s3://bucket/prefix."
        problems.append(Error("ARTIFACTS_URL has no scheme.", hint=hint, id="touchstone.E003"))
    return problems


@register("touchstone", deploy=True)
def public_host_is_allowed(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The host that people are sent to must be one the server answers for."""
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    allowed = settings.ALLOWED_HOSTS
    if "*" in allowed or host in allowed or any(a.startswith(".") and host.endswith(a) for a in allowed):
        return []
    hint = f"Add {host!r} to ALLOWED_HOSTS."
    return [Warning("PUBLIC_URL's host is not in ALLOWED_HOSTS.", hint=hint, id="touchstone.W001")]
