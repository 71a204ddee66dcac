"""The HTTP side of the scorer: checks, answers, metrics. An error is {"error": {"code", "message"}} with its status."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import prometheus_client as prometheus
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from training.engine.common.chat import Encoded
from training.engine.scoring.batcher import Batcher, QueueFull, Stopping
from training.engine.scoring.models import Models, ServedModel

log = logging.getLogger("scorer")
MAX_BODY_BYTES = 64 * 1024**2
MAX_COMPLETIONS = 10_000


class Problem(Exception):
    """What is wrong with a request."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


@dataclass
class _Item:
    """One prompt of a request: where its texts stand among all of the request's, or why it was not taken."""

    start: int = 0
    end: int = 0
    problem: str = ""


class Metrics:
    """Counters and gauges of one scorer, in a registry of their own."""

    def __init__(self, models: Models, batcher: Batcher) -> None:
        self.registry = to = prometheus.CollectorRegistry()
        self.requests = prometheus.Counter("scorer_requests", "Requests by outcome", ["code"], registry=to)
        self.completions = prometheus.Counter(
            "scorer_completions", "Completions scored", ["model"], registry=self.registry
        )
        self.tokens = prometheus.Counter("scorer_tokens", "Tokens read", ["model"], registry=to)
        self.seconds = prometheus.Histogram("scorer_request_seconds", "From request to answer", registry=to)
        self.reward = prometheus.Summary("scorer_reward", "Rewards given", ["model"], registry=to)
        queue = prometheus.Gauge("scorer_queue_completions", "Completions that wait", registry=to)
        queue.set_function(lambda: batcher.n_waiting)
        fill = prometheus.Gauge(
            "scorer_batch_fill", "Token budget used by the last batch, 0 to 1", registry=self.registry
        )
        fill.set_function(lambda: batcher.batch_fill)
        served = prometheus.Gauge("scorer_models", "Models served", registry=to)
        served.set_function(lambda: len(models.all()))


def create_app(models: Models, batcher: Batcher, *, token: str = "") -> Starlette:
    """The application; it starts and stops `models` and `batcher` with itself."""
    metrics = Metrics(models, batcher)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        batcher.start()
        models.start()
        yield
        await run_in_threadpool(models.stop)
        await run_in_threadpool(batcher.stop)

    def require_token(request: Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if token and not hmac.compare_digest(given.encode(), token.encode()):
            raise Problem(401, "bad_token", "Send the scorer's token: Authorization: Bearer <SCORER_TOKEN>.")

    async def score(request: Request) -> Response:
        started = time.monotonic()
        require_token(request)
        body = await _body(request)
        model = _model(models, body)
        items, texts = await run_in_threadpool(_encode, model, body)
        try:
            future = batcher.submit(model, texts)
        except QueueFull as full:
            wait_s = math.ceil(full.retry_after_s)
            raise Problem(
                429,
                "queue_full",
                f"{batcher.n_waiting} completions wait already; try again in {wait_s} s.",
                {"Retry-After": str(wait_s)},
            ) from None
        except Stopping:
            raise Problem(503, "stopping", "This scorer is going down.", {"Retry-After": "1"}) from None
        try:
            rewards = await asyncio.wrap_future(future)
        except Exception as error:
            raise Problem(500, "model_failed", f"The model could not score this request: {error}") from error
        name = f"{model.name}@{model.version}"
        metrics.completions.labels(name).inc(len(texts))
        metrics.tokens.labels(name).inc(sum(text.n_tokens for text in texts))
        for reward in rewards:
            metrics.reward.labels(name).observe(reward)
        metrics.seconds.observe(time.monotonic() - started)
        metrics.requests.labels("ok").inc()
        return JSONResponse(
            {
                "model": model.name,
                "version": model.version,
                "items": [_answer(item, texts, rewards) for item in items],
            }
        )

    async def list_models(request: Request) -> Response:
        require_token(request)
        return JSONResponse({"models": [model.describe() for model in models.all()]})

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        served = [f"{model.name}@{model.version}" for model in models.all()]
        problem = models.problem
        body = {"status": "not ready" if problem else "ok", "models": served, "problem": problem}
        return JSONResponse(body, status_code=503 if problem else 200)

    async def exposition(_: Request) -> Response:
        return PlainTextResponse(
            prometheus.generate_latest(metrics.registry), headers={"Content-Type": prometheus.CONTENT_TYPE_LATEST}
        )

    async def on_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        metrics.requests.labels(error.code).inc()
        content = {"error": {"code": error.code, "message": error.message}}
        return JSONResponse(content, status_code=error.status, headers=error.headers)

    return Starlette(
        routes=[
            Route("/v1/score", score, methods=["POST"]),
            Route("/v1/models", list_models),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", exposition),
        ],
        exception_handlers={Problem: on_problem},
        lifespan=lifespan,
    )


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object of a request of bearable size."""
    chunks, size = [], 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise Problem(413, "too_large", f"A request may have {MAX_BODY_BYTES // 1024**2} MiB at most.")
            chunks.append(chunk)
    except ClientDisconnect:
        raise Problem(400, "disconnected", "The client left before its request was complete.") from None
    try:
        body = json.loads(b"".join(chunks))
    except ValueError as error:
        raise Problem(400, "not_json", f"The body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise Problem(400, "bad_request", 'Expected an object {"model", "items"}.')
    return body


def _model(models: Models, body: dict[str, Any]) -> ServedModel:
    name = body.get("model")
    if not isinstance(name, str):
        raise Problem(422, "bad_request", '"model" must be text: the name of a project, or name@version.')
    model = models.get(name)
    if model is None:
        served = ", ".join(f"{one.name}@{one.version}" for one in models.all()) or "none yet"
        raise Problem(404, "unknown_model", f"{name!r} is not served here. Served: {served}.")
    return model


def _encode(model: ServedModel, body: dict[str, Any]) -> tuple[list[_Item], list[Encoded]]:
    """The items of a request and the token ids of all texts of its good ones."""
    raw = body.get("items")
    if not isinstance(raw, list) or not raw:
        raise Problem(422, "bad_request", '"items" must be a list of at least one {"messages", "completions"}.')
    n = sum(len(item["completions"]) for item in raw if isinstance(item, dict) and _is_list(item.get("completions")))
    if n > MAX_COMPLETIONS:
        raise Problem(413, "too_many", f"{n} completions in one request; {MAX_COMPLETIONS} are allowed at most.")
    items: list[_Item] = []
    texts: list[Encoded] = []
    for item in raw:
        if problem := _problem_of(item):
            items.append(_Item(problem=problem))
            continue
        start = len(texts)
        with model.tokenizer_lock:
            texts += [model.reward_model.encode(item["messages"], completion) for completion in item["completions"]]
        items.append(_Item(start, len(texts)))
    return items, texts


def _problem_of(item: Any) -> str:
    """What is wrong with an item of a request, "" when nothing is."""
    if not isinstance(item, dict):
        return 'Expected an object {"messages", "completions"}.'
    messages, completions = item.get("messages"), item.get("completions")
    if not _is_list(messages) or not messages:
        return '"messages" must be a list of at least one {"role", "content"}.'
    for place, message in enumerate(messages):
        if not isinstance(message, dict) or not all(isinstance(message.get(key), str) for key in ("role", "content")):
            return f'messages[{place}]: expected {{"role", "content"}}, both text.'
    if not _is_list(completions) or not completions:
        return '"completions" must be a list of at least one text.'
    for place, completion in enumerate(completions):
        if not isinstance(completion, str) or not completion:
            return f"completions[{place}]: expected a text that is not empty."
    return ""


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _answer(item: _Item, texts: list[Encoded], rewards: list[float]) -> dict[str, Any]:
    if item.problem:
        return {"error": {"code": "bad_item", "message": item.problem}}
    mine = texts[item.start : item.end]
    return {
        "rewards": rewards[item.start : item.end],
        "n_tokens": [text.n_tokens for text in mine],
        "truncated": [text.is_truncated for text in mine],
    }
