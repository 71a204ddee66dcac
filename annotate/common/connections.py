"""A database connection that has just been used is not asked again whether it still lives."""

import time
from typing import Any, cast

from django.db import connection

# After a longer pause it is asked before the first query of a request (CONN_HEALTH_CHECKS).
_ALIVE_FOR_S = 5.0


def trust_what_was_just_used(**kwargs: Any) -> None:
    """At the start of a request. Should the server have gone since, this one request fails and the next connects."""
    of_this_thread, now = cast(Any, connection), time.monotonic()
    if now - getattr(of_this_thread, "used_at", 0.0) < _ALIVE_FOR_S:
        of_this_thread.health_check_done = True
    of_this_thread.used_at = now
