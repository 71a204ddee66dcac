"""Which models are served: follows the registry file, loads beside, swaps.

Whoever scores holds the `ServedModel` it began with, so a swap takes nothing away from requests that are under way, and
the old weights go when the last of those has been answered.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from training.engine.common.chat import Encoded, Message
from training.engine.reward.combine import Scale
from training.engine.reward.ensemble import RewardEnsemble, combine
from training.engine.reward.length import LengthCalibration
from training.engine.reward.outside import FeatureRange

log = logging.getLogger("scorer")
_RETRY_S = 15.0
_AT_ONCE = 32
_WARM_UP = ("one", "two three four", "five " * 100)


class ServedModel:
    """A loaded reward model, of one member or several, and the name and version it is served under."""

    def __init__(self, name: str, version: int, path: str, ensemble: RewardEnsemble) -> None:
        self.name = name
        self.version = version
        self.path = path
        self.ensemble = ensemble
        self.reward_model = ensemble.models[0]
        self.n_members = len(ensemble)
        self.metadata = self.reward_model.metadata
        self.scale = Scale.of(self.metadata)
        self.calibration = _calibration(self.metadata)
        self.feature_range = FeatureRange.load(local_path(path))
        self.shares_prompts = all(model.is_packable for model in ensemble.models)
        # As measured; a guess until it is.
        self.tokens_per_s = 20_000.0
        # Fast tokenizers set their truncation as they go and refuse a second thread meanwhile ("Already borrowed").
        self._tokenizer_lock = threading.Lock()

    @property
    def label(self) -> str:
        """name@version."""
        return f"{self.name}@{self.version}"

    def encode(
        self, messages: Sequence[Message], completions: Sequence[str], is_over: Callable[[], bool] = lambda: False
    ) -> list[Encoded]:
        """Token ids of completions of one prompt; of some only once `is_over`, when nobody waits for them."""
        with self._tokenizer_lock:
            encoder = self.reward_model.encoder
            prompt_ids = encoder.last_prompt_ids(encoder.prompt_text(messages))
        return self._completions(prompt_ids, messages, completions, is_over)

    def encode_rendered(
        self, prompt: str, completions: Sequence[str], is_over: Callable[[], bool] = lambda: False
    ) -> list[Encoded]:
        """`encode` of texts that a chat template has made; without a prompt each of them is prompt and completion."""
        encoder = self.reward_model.encoder
        if prompt:
            with self._tokenizer_lock:
                prompt_ids = encoder.last_prompt_ids(prompt)
            return self._completions(prompt_ids, None, completions, is_over)
        found = []
        for text in completions:
            if is_over():
                break
            with self._tokenizer_lock:
                found.append(encoder.encode_rendered(text))
        return found

    def _completions(
        self,
        prompt_ids: list[int],
        messages: Sequence[Message] | None,
        completions: Sequence[str],
        is_over: Callable[[], bool],
    ) -> list[Encoded]:
        """A few at a time, so that other requests have the tokenizer in between."""
        found: list[Encoded] = []
        for start in range(0, len(completions), _AT_ONCE):
            if is_over():
                break
            with self._tokenizer_lock:
                found += self.reward_model.encoder.encode_completions(
                    prompt_ids, messages, completions[start : start + _AT_ONCE]
                )
        return found

    def score(self, texts: Sequence[Encoded], tokens_per_batch: int) -> NDArray[np.float64]:
        """Rewards (k, n) of n texts by the k members."""
        return self.ensemble.score_members_encoded(texts, tokens_per_batch=tokens_per_batch)

    def combined(self, members: NDArray[np.float64]) -> NDArray[np.float64]:
        """The reward (n,) that the members' rewards (k, n) come to."""
        return combine(members, self.ensemble.combination, self.ensemble.coefficient)

    def measured(self, tokens_per_s: float) -> None:
        """Let the speed of a batch tell how large the next ones may be."""
        self.tokens_per_s += 0.1 * (tokens_per_s - self.tokens_per_s)

    def warm_up(self) -> None:
        """Have everything compiled that the first request would wait for, and measure the speed."""
        for times in (1, 4):
            texts = [
                text
                for number in range(times)
                for text in self.encode([{"role": "user", "content": f"{number} {_WARM_UP[-1]}"}], _WARM_UP)
            ]
            self.score(texts, 4096)
            started = time.monotonic()
            self.score(texts, 4096)
            n_tokens = sum(text.n_tokens for text in texts)
            self.tokens_per_s = n_tokens / max(time.monotonic() - started, 1e-6)

    def describe(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "axis": self.metadata.get("axis", ""),
            "base_model": self.metadata.get("base_model", ""),
            "max_length": self.reward_model.max_length,
            "reward_mean": self.metadata.get("reward_mean"),
            "reward_std": self.metadata.get("reward_std"),
            "n_members": self.n_members,
            "has_calibration": self.calibration is not None,
            "has_distances": self.feature_range is not None,
        }


class WithDistances(ServedModel):
    """A served model for those who ask how far texts are from its training: `score` has one more row, which says so.

    Their batches are their own.
    """

    def __init__(self, model: ServedModel, feature_range: FeatureRange) -> None:
        self.__dict__ |= model.__dict__  # the same weights and locks
        self.n_members = model.n_members + 1
        self._range = feature_range

    def score(self, texts: Sequence[Encoded], tokens_per_batch: int) -> NDArray[np.float64]:
        """Rewards (k, n) of n texts by the k members, and below them the percentiles of their distances: (k + 1, n)."""
        rewards, features = self.ensemble.score_and_features_encoded(texts, tokens_per_batch=tokens_per_batch)
        return np.concatenate([rewards, self._range.percentiles(features)[None]])


@dataclass(frozen=True)
class _Entry:
    """A row of the registry."""

    name: str
    version: int
    path: str
    is_promoted: bool

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"


class Models:
    """The served models by name and version, kept in step with a registry file by `follow`.

    Of a name, the promoted version answers to the name alone. While one cannot be loaded, the one before goes on.
    """

    def __init__(self, registry: str, load: Callable[[str], RewardEnsemble]) -> None:
        self.registry = local_path(registry)
        self._load = load
        self._by_label: dict[str, ServedModel] = {}
        self._by_name: dict[str, ServedModel] = {}
        self._failed: dict[tuple[str, int], tuple[float, str]] = {}
        self._problem = "The registry has not been read yet."
        self._missing: set[str] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="registry", daemon=True)
        self.poll_s = 1.0

    def get(self, name: str) -> ServedModel | None:
        """The model of a "name" or "name@version", None when that is not served."""
        return self._by_label.get(name) if "@" in name else self._by_name.get(name)

    def all(self) -> list[ServedModel]:
        return sorted(self._by_label.values(), key=lambda model: (model.name, model.version))

    @property
    def problem(self) -> str:
        """Why not everything in the registry is served, "" when all is."""
        return self._problem

    @property
    def is_ready(self) -> bool:
        """Whether every name in the registry is answered for, by whichever version."""
        return self._missing is not None and not self._missing

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
        except FileNotFoundError:
            if self._missing is not None and self._by_label:  # a mount that is lost takes no model away
                self._problem = f"The registry {self.registry} is gone; what is served goes on."
                return
            entries = []  # nothing has been promoted yet
        except Exception as error:  # whatever is in it: this thread has to read the next one
            self._problem = f"The registry {self.registry} cannot be read: {error!r}"
            return
        problems = []
        for entry in entries:
            known = self._by_label.get(entry.label)
            if known is None or known.path != entry.path:
                loaded, problem = self._loaded(entry)
                if loaded is None:
                    problems.append(problem)
                    continue
                known = loaded
                # Each one as soon as it is there: the next may take long to load.
                self._by_label = {**self._by_label, entry.label: known}
            if entry.is_promoted and self._by_name.get(entry.name) is not known:
                self._by_name = {**self._by_name, entry.name: known}
        names = {entry.name for entry in entries if entry.is_promoted}
        self._by_name = {name: model for name, model in self._by_name.items() if name in names}
        kept = {entry.label for entry in entries} | {model.label for model in self._by_name.values()}
        for label in self._by_label.keys() - kept:
            log.info("no longer serving %s", label)
        self._by_label = {label: model for label, model in self._by_label.items() if label in kept}
        self._missing = names - self._by_name.keys()
        self._problem = " ".join(problems)

    def _loaded(self, entry: _Entry) -> tuple[ServedModel | None, str]:
        """The entry's model, or None and why not; what failed is tried again after a while only."""
        failed_at, reason = self._failed.get((entry.path, entry.version), (0.0, ""))
        if reason and time.monotonic() - failed_at < _RETRY_S:
            return None, reason
        started = time.monotonic()
        try:
            made = ServedModel(entry.name, entry.version, entry.path, self._load(str(local_path(entry.path))))
            made.warm_up()
        except Exception as error:  # whatever a broken directory makes of its readers: the others are served on
            old = self._by_name.get(entry.name)
            reason = f"{entry.label} cannot be loaded: {error}" + (f" {old.label} goes on." if old else "")
            self._failed[entry.path, entry.version] = (time.monotonic(), reason)
            log.error(reason)
            return None, reason
        self._failed.pop((entry.path, entry.version), None)
        log.info(
            "serving %s, loaded in %.1f s, %d tokens/s", entry.label, time.monotonic() - started, made.tokens_per_s
        )
        return made, ""

    def _read(self) -> list[_Entry]:
        raw = json.loads(self.registry.read_text(encoding="utf-8"))
        try:
            return [
                _Entry(
                    str(row["name"]), int(row["version"]), str(row["path"]), row.get("state", "promoted") == "promoted"
                )
                for row in raw["models"]
            ]
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"expected {{'models': [{{'name', 'version', 'path'}}]}}, {error!r} is off") from error


def _calibration(metadata: dict[str, Any]) -> LengthCalibration | None:
    found = metadata.get("length_calibration")
    return LengthCalibration(**found) if found else None


def local_path(url: str) -> Path:
    """The path of a local path or file:// URL. Raises ValueError for any other URL."""
    if "://" not in url:
        return Path(url)
    parts = urlsplit(url)
    if parts.scheme != "file":
        raise ValueError(f"{url}: the scorer reads local directories; mount or fetch the artifacts first")
    return Path(unquote(parts.path))
