"""Asking a scorer, from any program: no torch, no Django.

`ScorerClient` and `AsyncScorerClient` for programs of one's own; `reward_function` and `async_reward_function` for
TRL's trainers.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

Message = Mapping[str, str]
Item = tuple[Sequence[Message], Sequence[str]]
"""The messages of a prompt, and completions of it."""

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
    """One prompt's completions, n of them.

    rewards (n); n_tokens, tokens read (n); truncated, whether the text had to be cut (n); members (n lists of k) and
    uncertainty (n), their standard deviation, None for a model of one member; calibrated (n), the reward less what
    length adds beyond the labellers' taste, None for a model without a calibration; by_model, the rewards (n) of each
    model where several are combined; distances (n), where they were asked for and the model can tell: the share of
    training texts that lie nearer to their middle, in the features that its head reads. `error` is set, and the lists
    are empty, where the scorer could not take the item.
    """

    rewards: list[float]
    n_tokens: list[int]
    truncated: list[bool]
    members: list[list[float]] | None = None
    uncertainty: list[float] | None = None
    calibrated: list[float] | None = None
    by_model: dict[str, list[float]] | None = None
    distances: list[float] | None = None
    error: str = ""


@dataclass(frozen=True)
class Scores:
    """The answer to one request: which model and version gave it, and the items in their order.

    `version` is None for several models combined; `models` names each of them with its version.
    """

    model: str
    version: int | None
    items: list[ItemScores]
    models: list[dict[str, Any]]


class _Attempts:
    """What both clients do with an answer: take it, raise, or say how long to wait before the next attempt."""

    def __init__(self, url: str, n_retries: int, body: dict[str, Any] | None) -> None:
        self._url = url
        self._left = n_retries
        self._pause_s = 0.1
        self._body = body
        deadline_ms = (body or {}).get("deadline_ms")
        self._ends_at = None if deadline_ms is None else time.monotonic() + deadline_ms / 1000

    def body(self) -> dict[str, Any] | None:
        """What to send now: with what is left of the deadline."""
        if self._body is None or self._ends_at is None:
            return self._body
        return self._body | {"deadline_ms": max(1.0, (self._ends_at - time.monotonic()) * 1000)}

    def lost(self, error: httpx.TransportError) -> float:
        """Seconds to wait after a request that got no answer. Scoring is safe to repeat."""
        return self._wait(ScorerUnavailable("unreachable", f"The scorer at {self._url} does not answer: {error}"), 0.0)

    def answered(self, response: httpx.Response) -> dict[str, Any] | float:
        """The answer, or the seconds to wait."""
        if response.is_success:
            try:
                found = response.json()
            except ValueError:
                found = None
            if isinstance(found, dict):
                return found
        code, message = _problem(response)
        if response.status_code in _RETRIED and code != "deadline":
            return self._wait(ScorerUnavailable(code, message), _retry_after_s(response))
        # A model that was promoted a moment ago is unknown until it is loaded.
        later = code in ("unknown_model", "deadline") or response.status_code >= 500
        raise (ScorerUnavailable if later else ScorerRefused)(code, message)

    def _wait(self, problem: ScorerUnavailable, at_least_s: float) -> float:
        if not self._left:
            raise problem
        self._left -= 1
        pause_s = max(self._pause_s, at_least_s)
        if self._ends_at is not None and time.monotonic() + pause_s > self._ends_at:
            raise problem
        self._pause_s = min(2 * self._pause_s, 30.0)
        return pause_s * random.uniform(0.75, 1.25)  # noqa: S311 - so that many clients do not come at once


class ScorerClient:
    """Keeps its connections; use one for many requests, from several threads if wanted, and close it at the end.

    `client_id` is whom the scorer counts the requests for when it shares itself out; without, each connection counts
    by itself.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        timeout_s: float = 60.0,
        n_retries: int = 4,
        client_id: str = "",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.n_retries = n_retries
        self._http = httpx.Client(transport=transport, **_settings(self.url, token, timeout_s, client_id))

    def __enter__(self) -> ScorerClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def score(
        self,
        model: str,
        items: Sequence[Item],
        *,
        too_long: str | None = None,
        deadline_ms: float | None = None,
        distances: bool = False,
    ) -> Scores:
        """Rewards of items (messages, completions) by the newest promoted version of `model`, or by "model@version".

        "one+other" combines two models. `too_long` is "truncate" or "refuse" (default: the server's setting);
        `deadline_ms` is how long the answer is of use; `distances` asks for `ItemScores.distances`. Raises
        ScorerUnavailable when it stays out of reach after `n_retries` attempts with growing pauses or misses the
        deadline, and ScorerRefused when the request itself is wrong. A bad item does not raise: see `ItemScores.error`.
        """
        return _scores(self._ask("POST", "/v1/score", _body(model, items, too_long, deadline_ms, distances)))

    def models(self) -> list[dict[str, Any]]:
        """What is served: {"name", "version", "axis", "base_model", "max_length", "reward_mean", "reward_std",
        "n_members", "has_calibration", "has_distances"} each. Raises as `score`.
        """
        found: list[dict[str, Any]] = self._ask("GET", "/v1/models")["models"]
        return found

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        attempts = _Attempts(self.url, self.n_retries, body)
        while True:
            try:
                found = attempts.answered(self._http.request(method, path, json=attempts.body()))
            except httpx.TransportError as error:
                found = attempts.lost(error)
            if not isinstance(found, float):
                return found
            time.sleep(found)


class AsyncScorerClient:
    """`ScorerClient` for asyncio."""

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        timeout_s: float = 60.0,
        n_retries: int = 4,
        client_id: str = "",
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.n_retries = n_retries
        self._http = httpx.AsyncClient(transport=transport, **_settings(self.url, token, timeout_s, client_id))

    async def __aenter__(self) -> AsyncScorerClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def score(
        self,
        model: str,
        items: Sequence[Item],
        *,
        too_long: str | None = None,
        deadline_ms: float | None = None,
        distances: bool = False,
    ) -> Scores:
        """As `ScorerClient.score`."""
        return _scores(await self._ask("POST", "/v1/score", _body(model, items, too_long, deadline_ms, distances)))

    async def models(self) -> list[dict[str, Any]]:
        """As `ScorerClient.models`."""
        found: list[dict[str, Any]] = (await self._ask("GET", "/v1/models"))["models"]
        return found

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        attempts = _Attempts(self.url, self.n_retries, body)
        while True:
            try:
                found = attempts.answered(await self._http.request(method, path, json=attempts.body()))
            except httpx.TransportError as error:
                found = attempts.lost(error)
            if not isinstance(found, float):
                return found
            await asyncio.sleep(found)


# --- TRL ---
def reward_function(
    url: str,
    model: str,
    token: str = "",
    *,
    value: str = "rewards",
    batch_size: int = 256,
    n_parallel: int = 4,
    on_problem: float | None = None,
    timeout_s: float = 120.0,
    n_retries: int = 8,
) -> Callable[..., list[float | None]]:
    """A reward function for TRL's GRPO and RLOO: `reward_funcs=reward_function("http://…:8100", "helpfulness")`.

    `value` is "rewards" or "calibrated". Completions of one prompt go in one item; requests of about `batch_size`
    completions, `n_parallel` at once. What cannot be scored (an empty completion) gets `on_problem`; None is what TRL
    leaves out of its means. A version that is promoted between two requests of one call mixes versions in its rewards:
    name "model@version" where that matters. Raises ScorerUnavailable and ScorerRefused as `ScorerClient.score`.
    """
    client = ScorerClient(url, token, timeout_s=timeout_s, n_retries=n_retries, client_id=f"trl:{model}")

    def reward(prompts: list[Any], completions: list[Any], **_: Any) -> list[float | None]:
        batches = list(_batched(prompts, completions, batch_size))
        with ThreadPoolExecutor(n_parallel) as pool:
            answers = list(pool.map(lambda batch: client.score(model, batch.items), batches))
        return _in_order(len(completions), batches, answers, value, on_problem)

    reward.__name__ = f"reward_{model}"
    return reward


def async_reward_function(
    url: str,
    model: str,
    token: str = "",
    *,
    value: str = "rewards",
    batch_size: int = 256,
    n_parallel: int = 4,
    on_problem: float | None = None,
    timeout_s: float = 120.0,
    n_retries: int = 8,
) -> Callable[..., Awaitable[list[float | None]]]:
    """`reward_function` as a coroutine function, which TRL awaits beside its other ones."""

    async def reward(prompts: list[Any], completions: list[Any], **_: Any) -> list[float | None]:
        batches = list(_batched(prompts, completions, batch_size))
        turns = asyncio.Semaphore(n_parallel)
        # A client of its own, since TRL may call from another event loop each time.
        async with AsyncScorerClient(
            url, token, timeout_s=timeout_s, n_retries=n_retries, client_id=f"trl:{model}"
        ) as client:

            async def one(batch: _Batch) -> Scores:
                async with turns:
                    return await client.score(model, batch.items)

            answers = await asyncio.gather(*(one(batch) for batch in batches))
        return _in_order(len(completions), batches, answers, value, on_problem)

    reward.__name__ = f"reward_{model}"
    return reward


@dataclass
class _Batch:
    """A request's items, and for each the places of its completions."""

    items: list[Item]
    places: list[list[int]]


def _batched(prompts: Sequence[Any], completions: Sequence[Any], batch_size: int) -> Iterable[_Batch]:
    """Items of equal prompts that stand side by side, in batches of about `batch_size` completions."""
    batch, n = _Batch([], []), 0
    last: Any = None
    for place, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        text = _text(completion)
        if not text or any("\ud800" <= char <= "\udfff" for char in text):
            continue  # what cannot be sent would cost the others of its prompt their rewards
        if n >= batch_size and prompt != last:
            yield batch
            batch, n = _Batch([], []), 0
        if not batch.items or prompt != last:
            batch.items.append((_messages(prompt), []))
            batch.places.append([])
            last = prompt
        list_of = batch.items[-1][1]
        assert isinstance(list_of, list)
        list_of.append(text)
        batch.places[-1].append(place)
        n += 1
    if batch.items:
        yield batch


def _messages(prompt: Any) -> list[dict[str, str]]:
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    return [{"role": one["role"], "content": one["content"]} for one in prompt]


def _text(completion: Any) -> str:
    """A completion's text: TRL gives text for text prompts, and a list of messages for conversations."""
    return completion if isinstance(completion, str) else "".join(one.get("content") or "" for one in completion)


def _in_order(
    n: int, batches: Sequence[_Batch], answers: Sequence[Scores], value: str, on_problem: float | None
) -> list[float | None]:
    rewards: list[float | None] = [on_problem] * n
    for batch, scores in zip(batches, answers, strict=True):
        for places, item in zip(batch.places, scores.items, strict=True):
            if item.error:
                continue
            found = getattr(item, value)
            if found is None:
                raise ScorerRefused("no_calibration", f"{scores.model} has no {value} rewards.")
            for place, reward in zip(places, found, strict=True):
                rewards[place] = reward
    return rewards


# --- common parts ---
def _settings(url: str, token: str, timeout_s: float, client_id: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if client_id:
        headers["X-Client-Id"] = client_id
    timeout = httpx.Timeout(timeout_s, connect=5.0)
    return {"base_url": url, "headers": headers, "timeout": timeout, "trust_env": False}


def _body(
    model: str, items: Sequence[Item], too_long: str | None, deadline_ms: float | None, distances: bool
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": model,
        "items": [
            {"messages": [dict(message) for message in messages], "completions": list(completions)}
            for messages, completions in items
        ],
    }
    if too_long is not None:
        body["too_long"] = too_long
    if deadline_ms is not None:
        body["deadline_ms"] = deadline_ms
    if distances:
        body["distances"] = True
    return body


def _scores(answer: dict[str, Any]) -> Scores:
    try:
        return Scores(
            answer["model"], answer["version"], [_item(item) for item in answer["items"]], answer.get("models", [])
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ScorerRefused("bad_answer", f"What answers there is no scorer: {error!r} is off.") from error


def _item(item: dict[str, Any]) -> ItemScores:
    if "error" in item:
        return ItemScores([], [], [], error=item["error"]["message"])
    by_model = item.get("by_model")
    return ItemScores(
        item["rewards"],
        item["n_tokens"],
        item["truncated"],
        item.get("members"),
        item.get("uncertainty"),
        item.get("calibrated"),
        by_model and {name: one["rewards"] for name, one in by_model.items()},
        item.get("distances"),
    )


def _problem(response: httpx.Response) -> tuple[str, str]:
    try:
        error = response.json()["error"]
        return str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        return "bad_answer", f"The scorer answered {response.status_code}, and not in its own words."


def _retry_after_s(response: httpx.Response) -> float:
    try:
        return min(float(response.headers.get("Retry-After", "0")), 60.0)
    except ValueError:
        return 0.0
