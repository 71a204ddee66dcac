"""Asking a scorer, from any program: no torch, no Django."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

_RETRIED = (429, 502, 503, 504)


class ScorerError(Exception):
    """What went wrong, in words; `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ScorerUnavailable(ScorerError):
    """It does not answer, is full, or has no such model yet: the same request may succeed later."""


class ScorerRefused(ScorerError):
    """The request is wrong: sending it again changes nothing."""


@dataclass(frozen=True)
class ItemScores:
    """One prompt's completions, k of them: rewards (k), tokens read (k), and whether the text had to be cut (k).

    `error` is set, and the lists are empty, where the scorer could not take the item.
    """

    rewards: list[float]
    n_tokens: list[int]
    truncated: list[bool]
    error: str = ""


@dataclass(frozen=True)
class Scores:
    """The answer to one request: which model and version gave it, and the items in their order."""

    model: str
    version: int
    items: list[ItemScores]


class ScorerClient:
    """Keeps its connections; use one for many requests, from several threads if wanted, and close it at the end."""

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        timeout_s: float = 60.0,
        n_retries: int = 4,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.url = url.rstrip("/")
        self.n_retries = n_retries
        self._http = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=httpx.Timeout(timeout_s, connect=5.0),
            transport=transport,
            trust_env=False,
        )

    def __enter__(self) -> ScorerClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def score(self, model: str, items: Sequence[tuple[Sequence[Mapping[str, str]], Sequence[str]]]) -> Scores:
        """Rewards of items (messages, completions) by the newest promoted version of `model`, or by "model@version".

        Raises ScorerUnavailable when it stays out of reach after `n_retries` attempts with growing pauses, and
        ScorerRefused when the request itself is wrong. A bad item does not raise: see `ItemScores.error`.
        """
        body = {
            "model": model,
            "items": [
                {"messages": [dict(message) for message in messages], "completions": list(completions)}
                for messages, completions in items
            ],
        }
        answer = self._ask("POST", "/v1/score", body)
        return Scores(answer["model"], answer["version"], [_item(item) for item in answer["items"]])

    def models(self) -> list[dict[str, Any]]:
        """What is served: {"name", "version", "max_length", "reward_mean", "reward_std"} each. Raises as `score`."""
        found: list[dict[str, Any]] = self._ask("GET", "/v1/models")["models"]
        return found

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        problem = ScorerUnavailable("unreachable", f"The scorer at {self.url} does not answer.")
        for attempt in range(self.n_retries + 1):
            pause_s = 0.1 * 2**attempt
            try:
                response = self._http.request(method, path, json=body)
            except httpx.TransportError as error:
                problem = ScorerUnavailable("unreachable", f"The scorer at {self.url} does not answer: {error}")
            else:
                if response.is_success:
                    answer: dict[str, Any] = response.json()
                    return answer
                code, message = _problem(response)
                if response.status_code not in _RETRIED:
                    # A model that was promoted a moment ago is unknown until it is loaded.
                    kind = ScorerUnavailable if code == "unknown_model" else ScorerRefused
                    raise kind(code, message)
                problem = ScorerUnavailable(code, message)
                pause_s = max(pause_s, _retry_after_s(response))
            if attempt < self.n_retries:
                time.sleep(pause_s * random.uniform(0.75, 1.25))  # noqa: S311  # so that many clients do not come at once
        raise problem


def _item(item: dict[str, Any]) -> ItemScores:
    if "error" in item:
        return ItemScores([], [], [], error=item["error"]["message"])
    return ItemScores(item["rewards"], item["n_tokens"], item["truncated"])


def _problem(response: httpx.Response) -> tuple[str, str]:
    try:
        error = response.json()["error"]
        return str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        return "bad_answer", f"The scorer answered {response.status_code}, and not in its own words."


def _retry_after_s(response: httpx.Response) -> float:
    try:
        return min(float(response.headers.get("Retry-After", 0)), 10.0)
    except ValueError:
        return 0.0
