"""Which models are served: follows the registry file, loads beside, swaps.

Whoever scores holds the `ServedModel` it began with, so a swap takes nothing away from requests that are under way, and
the old weights go when the last of those has been answered.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from training.engine.common.errors import EngineError
from training.engine.reward.model import RewardModel

log = logging.getLogger("scorer")
_RETRY_S = 15.0


@dataclass(frozen=True)
class ServedModel:
    """A loaded reward model and the name and version it is served under."""

    name: str
    version: int
    path: str
    reward_model: RewardModel
    # Fast tokenizers set their truncation as they go and refuse a second thread meanwhile ("Already borrowed").
    tokenizer_lock: threading.Lock = field(default_factory=threading.Lock, compare=False)

    def describe(self) -> dict[str, Any]:
        metadata = self.reward_model.metadata
        return {
            "name": self.name,
            "version": self.version,
            "axis": metadata.get("axis", ""),
            "base_model": metadata.get("base_model", ""),
            "max_length": self.reward_model.max_length,
            "reward_mean": metadata.get("reward_mean"),
            "reward_std": metadata.get("reward_std"),
        }


class Models:
    """The served models by name, kept in step with a registry file by `follow`."""

    def __init__(self, registry: str, load: Callable[[str], RewardModel]) -> None:
        self.registry = local_path(registry)
        self._load = load
        self._served: dict[str, ServedModel] = {}
        self._failed: dict[tuple[str, int], tuple[float, str]] = {}
        self._problem = "The registry has not been read yet."
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="registry", daemon=True)
        self.poll_s = 1.0

    def get(self, name: str) -> ServedModel | None:
        """The model of a "name" or "name@version", None when that is not served."""
        name, _, version = name.partition("@")
        found = self._served.get(name)
        return found if found is not None and version in ("", str(found.version)) else None

    def all(self) -> list[ServedModel]:
        return sorted(self._served.values(), key=lambda model: model.name)

    @property
    def problem(self) -> str:
        """Why not everything in the registry is served, "" when all is."""
        return self._problem

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    def _follow(self) -> None:
        while not self._stop.is_set():
            self.sync()
            self._stop.wait(self.poll_s)

    def sync(self) -> None:
        """Read the registry once and serve what it lists. A model that cannot be loaded leaves the old one in place."""
        try:
            entries = self._read()
        except (OSError, ValueError) as error:
            self._problem = f"The registry {self.registry} cannot be read: {error}"
            return
        served = {name: model for name, model in self._served.items() if name in entries}
        problems = []
        for name, (version, path) in entries.items():
            known = served.get(name)
            if known is not None and (known.version, known.path) == (version, path):
                continue
            failed_at, reason = self._failed.get((path, version), (0.0, ""))
            if time.monotonic() - failed_at < _RETRY_S and reason:
                problems.append(reason)
                continue
            started = time.monotonic()
            try:
                loaded = self._load(str(local_path(path)))
            except (EngineError, OSError) as error:
                reason = f"{name}@{version} cannot be loaded: {error}"
                self._failed[path, version] = (time.monotonic(), reason)
                problems.append(reason)
                log.error(reason)
                continue
            served[name] = ServedModel(name, version, path, loaded)
            self._failed.pop((path, version), None)
            # Each one as soon as it is there: the next may take long to load.
            self._served = {**self._served, name: served[name]}
            log.info("serving %s@%d, loaded in %.1f s", name, version, time.monotonic() - started)
        for name in self._served.keys() - served.keys():
            log.info("no longer serving %s@%d", name, self._served[name].version)
        self._served = served
        self._problem = " ".join(problems)

    def _read(self) -> dict[str, tuple[int, str]]:
        try:
            raw = json.loads(self.registry.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}  # nothing has been promoted yet
        try:
            return {str(row["name"]): (int(row["version"]), str(row["path"])) for row in raw["models"]}
        except (KeyError, TypeError) as error:
            raise ValueError(f"expected {{'models': [{{'name', 'version', 'path'}}]}}, {error!r} is off") from error


def local_path(url: str) -> Path:
    """The path of a local path or file:// URL. Raises ValueError for any other URL."""
    if "://" not in url:
        return Path(url)
    parts = urlsplit(url)
    if parts.scheme != "file":
        raise ValueError(f"{url}: the scorer reads local directories; mount or fetch the artifacts first")
    return Path(unquote(parts.path))
