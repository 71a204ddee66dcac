"""Asking an OpenAI-compatible chat endpoint (vLLM, SGLang, TGI and their like): no torch, no Django."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import httpx

from training.engine.common.chat import Message
from training.engine.common.errors import EngineError

_RETRIED = (408, 409, 425, 429, 500, 502, 503, 504)
_MOST_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class EndpointCompletion:
    """One text, how many tokens the server counted for it (None: it did not say), and why it ended ("stop", "length",
    or another word of the server's)."""

    text: str
    n_tokens: int | None
    finish_reason: str


class ChatEndpoint:
    """One model behind one address. Safe to share between threads; close it at the end, or use `with`.

    `url` is what such servers call their base URL ("http://host:8000/v1"); without a path, /v1 is meant. `token` goes
    out as a Bearer token and is never part of an error. Requests that got no answer, or one that says "later", are
    sent again `n_retries` times with growing pauses; `pause` sleeps so many seconds and may raise, to stop early.
    Redirects are not followed: an address that a person allowed must not lead elsewhere.
    """

    def __init__(
        self,
        url: str,
        model: str,
        token: str = "",
        *,
        timeout_s: float = 600.0,
        n_retries: int = 6,
        first_pause_s: float = 0.5,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise EngineError("bad_config", f"url: expected http(s)://host[:port][/path], got {url!r}")
        if not model:
            raise EngineError("bad_config", "model: expected the name the endpoint serves the model under")
        self.url = url.rstrip("/") if parts.path.strip("/") else f"{url.rstrip('/')}/v1"
        self.model = model
        self._n_retries = n_retries
        self._first_pause_s = first_pause_s
        self._pause = pause
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        timeout = httpx.Timeout(timeout_s, connect=10.0)
        # Threads that share it wait for each other's answers, not for a connection of the pool.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        self._http = httpx.Client(headers=headers, timeout=timeout, limits=limits)

    def __enter__(self) -> ChatEndpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def complete(
        self,
        messages: Sequence[Message],
        *,
        n: int = 1,
        temperature: float = 1.0,
        top_p: float = 1.0,
        max_tokens: int = 256,
        seed: int | None = None,
    ) -> list[EndpointCompletion]:
        """n completions of the messages, in n requests.

        Asked for one by one, since not every server takes `n`, and a server counts tokens for a whole request; those
        that cache prefixes read the prompt once. Completion i gets `seed` + i, where the server honours seeds. A text
        may be empty.

        Raises EngineError: "endpoint_unreachable", "endpoint_busy", "endpoint_failed" (each after all retries),
        "endpoint_unauthorised", "endpoint_refused" (with what the server said), "endpoint_malformed".
        """
        found = []
        for index in range(n):
            body: dict[str, Any] = {"temperature": temperature, "top_p": top_p, "max_tokens": max_tokens}
            if seed is not None:
                body["seed"] = seed + index
            answer = self._ask(messages, body)
            choice = self._choice(answer)
            text = choice["message"].get("content")
            if text is not None and not isinstance(text, str):
                raise self._malformed(f"the content is {type(text).__name__}, not text")
            usage = answer.get("usage")
            n_tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
            is_count = isinstance(n_tokens, int) and not isinstance(n_tokens, bool) and n_tokens >= 0
            reason = choice.get("finish_reason")
            found.append(
                EndpointCompletion(
                    text or "", n_tokens if is_count else None, reason if isinstance(reason, str) else ""
                )
            )
        return found

    def first_token_logprobs(
        self, messages: Sequence[Message], *, top: int = 20, seed: int | None = None
    ) -> dict[str, float]:
        """Log-probabilities (nats) of the `top` likeliest first tokens of a completion, by token text.

        Asked at temperature 1 and top_p 1, so that servers which report probabilities after scaling report the
        model's own. Tokens with the same text (broken bytes) are added up. Raises as `complete`, and EngineError
        "endpoint_no_logprobs" where the server gives none.
        """
        body: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 1, "logprobs": True}
        body["top_logprobs"] = top
        if seed is not None:
            body["seed"] = seed
        logprobs = self._choice(self._ask(messages, body)).get("logprobs")
        content = logprobs.get("content") if isinstance(logprobs, dict) else None
        likeliest = content[0].get("top_logprobs") if isinstance(content, list) and _is_object(content[:1]) else None
        if not likeliest:
            raise EngineError(
                "endpoint_no_logprobs",
                f"{self.model} at {self.url} answers without log-probabilities: choose a server that gives them "
                "(logprobs, top_logprobs), or ask for an answer in words.",
            )
        found: dict[str, float] = {}
        for one in likeliest:
            token, logprob = (one.get("token"), one.get("logprob")) if isinstance(one, dict) else (None, None)
            if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, int | float):
                raise self._malformed("a log-probability has no token or no number")
            found[token] = _log_sum(found[token], float(logprob)) if token in found else float(logprob)
        return found

    # --- one request --------------------------------------------------------------------------------------------
    def _ask(self, messages: Sequence[Message], options: dict[str, Any]) -> dict[str, Any]:
        turns = [{"role": message["role"], "content": message["content"]} for message in messages]
        body = {"model": self.model, "messages": turns, "stream": False, **options}
        wait_s = self._first_pause_s
        for attempt in range(self._n_retries + 1):
            at_least_s = 0.0
            try:
                response = self._http.post(f"{self.url}/chat/completions", json=body)
            except httpx.TransportError as error:
                problem = EngineError(
                    "endpoint_unreachable", f"The endpoint {self.url} does not answer: {type(error).__name__} {error}"
                )
            else:
                if response.is_success:
                    return self._object(response)
                problem = self._problem(response)
                if response.status_code not in _RETRIED:
                    raise problem
                at_least_s = _retry_after_s(response)
            if attempt == self._n_retries:
                raise problem
            # Spread, so that threads which were refused together do not come back together.
            self._pause(min(_MOST_WAIT_S, max(at_least_s, wait_s * random.uniform(0.75, 1.25))))  # noqa: S311
            wait_s *= 2
        raise AssertionError("unreachable")

    def _object(self, response: httpx.Response) -> dict[str, Any]:
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise self._malformed(f"the answer is no JSON object: {response.text[:120]!r}")
        return answer

    def _choice(self, answer: dict[str, Any]) -> dict[str, Any]:
        choices = answer.get("choices")
        if not isinstance(choices, list) or not _is_object(choices[:1]):
            raise self._malformed('it has no "choices"')
        choice: dict[str, Any] = choices[0]
        if not isinstance(choice.get("message"), dict):
            raise self._malformed('the choice has no "message"')
        return choice

    def _malformed(self, what: str) -> EngineError:
        return EngineError(
            "endpoint_malformed", f"{self.url} does not answer as an OpenAI-compatible endpoint does: {what}."
        )

    def _problem(self, response: httpx.Response) -> EngineError:
        status = response.status_code
        said = f"{self.url} answered {status}: {_said(response)}"
        if status in (401, 403):
            return EngineError("endpoint_unauthorised", f"{said}. Is its token set in the worker's environment?")
        if status == 429:
            return EngineError("endpoint_busy", said)
        return EngineError("endpoint_failed" if status >= 500 else "endpoint_refused", said)


def _said(response: httpx.Response) -> str:
    """What the server says of itself: {"error": {"message"}} (OpenAI), {"message"} (vLLM), {"error"} (TGI), or text."""
    try:
        body = response.json()
    except ValueError:
        return " ".join(response.text.split())[:300] or "nothing"
    error = body.get("error", body) if isinstance(body, dict) else body
    message = error.get("message", error) if isinstance(error, dict) else error
    return str(message)[:300]


def _retry_after_s(response: httpx.Response) -> float:
    try:
        seconds = float(response.headers.get("Retry-After", "0"))
    except ValueError:  # a date: the growing pauses do
        return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


def _is_object(first: Sequence[Any]) -> bool:
    return len(first) == 1 and isinstance(first[0], dict)


def _log_sum(a: float, b: float) -> float:
    high, low = max(a, b), min(a, b)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
