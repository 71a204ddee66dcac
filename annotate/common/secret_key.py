"""The signing key of a machine that runs everything itself."""

import os
import secrets
from pathlib import Path


def local_secret_key(path: Path) -> str:
    """Read the key at `path`, making it (mode 0600) the first time. Two processes that race agree on one key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    if not path.exists():
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        draft.unlink()
    return path.read_text().strip()
