"""Language models behind HTTP that the operator allows: LM_ENDPOINTS="name=url model,…".

Nobody who uses the web interface or the API can have a worker open an address of their choice (request forgery: a
worker may reach what they cannot). A researcher names an endpoint of this list; its address, its model and its token
come from the environment alone. The token of endpoint "big-one" is LM_ENDPOINT_TOKEN_BIG_ONE where that is
set, else LM_ENDPOINT_TOKEN.
"""

import os
import re
from dataclasses import dataclass

from django.conf import settings

TOKEN = "LM_ENDPOINT_TOKEN"  # noqa: S105 - the name of the variable


@dataclass(frozen=True)
class Endpoint:
    """name: what people choose it by; url: its base URL; model: the name it serves its model under."""

    name: str
    url: str
    model: str

    @property
    def token_env(self) -> str:
        """The environment variable with its token, empty where none is set. Read on the worker that asks."""
        own = f"{TOKEN}_{re.sub('[^A-Z0-9]', '_', self.name.upper())}"
        return next((name for name in (own, TOKEN) if os.environ.get(name)), "")


def endpoints() -> dict[str, Endpoint]:
    """The allowed endpoints by name."""
    return {name: Endpoint(name, url, model) for name, url, model in settings.LM_ENDPOINTS}


def find_endpoint(name_or_url: str) -> Endpoint | None:
    """The allowed endpoint of that name or address."""
    known = endpoints()
    by_url = (one for one in known.values() if one.url.rstrip("/") == name_or_url.rstrip("/"))
    return known.get(name_or_url) or next(by_url, None)
