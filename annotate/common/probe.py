"""Ask a server whether it answers: `python -m annotate.common.probe [PATH]` asks this container's web server."""

import os
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit


def answers(url: str, *, as_host: str = "", timeout_s: float = 2.0) -> bool:
    """Whether a GET of an http `url` gives 200. `as_host` is the Host the server is asked as, one it allows."""
    request = urllib.request.Request(url, headers={"Host": as_host} if as_host else {})  # noqa: S310  # http, and ours
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:  # noqa: S310
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    path = sys.argv[1] if len(sys.argv) > 1 else "/healthz"
    host = urlsplit(os.environ.get("PUBLIC_URL", "")).netloc
    sys.exit(not answers(f"http://127.0.0.1:{os.environ.get('PORT', '8000')}{path}", as_host=host))
