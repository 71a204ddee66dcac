"""The HTTP side of the scorer. An error is {"error": {"code", "message"}} with its status."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import math
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.to_thread
import jinja2
import msgpack
import numpy as np
import prometheus_client as prometheus
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from training.engine.common.chat import Encoded
from training.engine.reward.combine import combined, weighted
from training.engine.scoring import bodies
from training.engine.scoring.batcher import Batcher, QueueFull, Stopping
from training.engine.scoring.bodies import Ask, Format, Item, Json, Problem, Result, Scored
from training.engine.scoring.metrics import Metrics
from training.engine.scoring.models import Models, ServedModel, WithDistances
from training.engine.scoring.openapi import document

log = logging.getLogger("scorer")
MAX_BODY_BYTES = 64 * 1024**2
MSGPACK = "application/msgpack"
MOST_COMBINED = 8
BODY_TIMEOUT_S = 60.0
# Above so many characters, texts are tokenised by few threads, so that those of small requests are left some.
_MANY_CHARS = 200_000


@dataclass(frozen=True)
class _Place:
    """Where an item's texts stand among all of the request's, or why it was not taken."""

    start: int = 0
    end: int = 0
    code: str = ""
    problem: str = ""


@dataclass(frozen=True)
class _Opinion:
    """What one model makes of a request's n texts: members' rewards (k, n) and the reward (n,) they come to, and,
    where asked for, how far they are from its training (n,)."""

    model: ServedModel
    places: list[_Place]
    texts: list[Encoded]
    members: NDArray[np.float64]
    rewards: NDArray[np.float64]
    distances: NDArray[np.float64] | None = None


def create_app(models: Models, batcher: Batcher, *, token: str = "", too_long: str = "truncate") -> Starlette:
    """The application; it starts and stops `models` and `batcher` with itself."""
    metrics = Metrics(models, batcher)
    few_threads = anyio.CapacityLimiter(2)

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

    def scoring(form: Format) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            started = time.monotonic()
            require_token(request)
            ask = form.read(await _body(request))
            is_over = threading.Event()
            result = await _within(_scored(ask, request, is_over), request, ask.deadline_s, is_over)
            answer = _rendered(request, form.write(result, ask))
            metrics.seconds.observe(time.monotonic() - started)
            metrics.requests.labels("ok").inc()
            return answer

        return endpoint

    async def _scored(ask: Ask, request: Request, is_over: threading.Event) -> Result:
        chosen = _chosen(models, ask.model)
        opinions = await _opinions(ask, chosen, _client_of(request), is_over)
        if len(chosen) > 1:
            return await run_in_threadpool(_combination, ask, opinions)
        (opinion,) = opinions
        model = opinion.model
        items = [_item(item, opinion.places[nth], opinion) for nth, item in enumerate(ask.items)]
        return Result(model.name, model.version, [_named(model)], items)

    async def _opinions(ask: Ask, chosen: list[ServedModel], client: str, is_over: threading.Event) -> list[_Opinion]:
        policy = ask.too_long or too_long
        n_chars = sum(sum(map(len, item.completions)) for item in ask.items)
        limiter = few_threads if n_chars > _MANY_CHARS else None
        futures = []
        try:
            batcher.require_room(len(chosen) * sum(len(item.completions) for item in ask.items))
            encoded = [
                await anyio.to_thread.run_sync(_encode, model, ask.items, policy, is_over.is_set, limiter=limiter)
                for model in chosen
            ]
            for model, (_, texts) in zip(chosen, encoded, strict=True):
                futures.append(batcher.submit(_asked(model, ask), texts, client))
            members = [await asyncio.wrap_future(future) for future in futures]
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
        except Exception as error:
            log.exception("a request failed")
            name = type(error).__name__
            raise Problem(500, "model_failed", f"The model could not score this request ({name}).") from error
        finally:
            for future in futures:
                future.cancel()  # of those that are done this changes nothing
        opinions = []
        for model, (places, texts), scores in zip(chosen, encoded, members, strict=True):
            found = scores[: model.n_members]
            distances = scores[-1] if len(scores) > model.n_members else None
            rewards = model.combined(found)
            opinions.append(_Opinion(model, places, texts, found, rewards, distances))
            n_truncated = sum(text.is_truncated for text in texts)
            metrics.scored(
                model, rewards[np.isfinite(rewards)].tolist(), sum(text.n_tokens for text in texts), n_truncated
            )
        return opinions

    async def list_models(request: Request) -> Response:
        require_token(request)
        return _rendered(request, {"models": [model.describe() for model in models.all()]})

    async def healthz(_: Request) -> Response:
        is_alive = batcher.is_alive
        return JSONResponse({"status": "ok" if is_alive else "the batcher has ended"}, 200 if is_alive else 503)

    async def readyz(_: Request) -> Response:
        served = [model.label for model in models.all()]
        body = {"status": "ok" if models.is_ready else "not ready", "models": served, "problem": models.problem}
        return JSONResponse(body, status_code=200 if models.is_ready else 503)

    async def exposition(_: Request) -> Response:
        return PlainTextResponse(
            prometheus.generate_latest(metrics.registry), headers={"Content-Type": prometheus.CONTENT_TYPE_LATEST}
        )

    async def openapi(_: Request) -> Response:
        return JSONResponse(document())

    async def on_http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return await on_problem(request, Problem(error.status_code, "http", error.detail, dict(error.headers or {})))

    async def on_failure(request: Request, error: Exception) -> Response:
        return await on_problem(request, Problem(500, "failed", "The scorer has failed; its log says how."))

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        metrics.requests.labels(error.code).inc()
        content = {"error": {"code": error.code, "message": error.message}}
        return _rendered(request, content, error.status, error.headers)

    return Starlette(
        routes=[
            Route("/v1/score", scoring(bodies.OWN), methods=["POST"]),
            Route("/v1/models", list_models),
            Route("/get_reward", scoring(bodies.REWARD_URL), methods=["POST"]),
            Route("/reward", scoring(bodies.REWARD_URL), methods=["POST"]),
            Route("/classify", scoring(bodies.CLASSIFY), methods=["POST"]),
            Route("/score", scoring(bodies.SCORE), methods=["POST"]),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", exposition),
            Route("/openapi.json", openapi),
        ],
        exception_handlers={Problem: on_problem, HTTPException: on_http_error, Exception: on_failure},
        lifespan=lifespan,
    )


async def _within(
    work: Awaitable[Result], request: Request, deadline_s: float | None, is_over: threading.Event
) -> Result:
    """The result, unless the client leaves or its deadline passes first: then what has not been scored never is."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({task, gone}, timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if gone.done():
            raise Problem(400, "disconnected", "The client left before its answer was there.")
        raise Problem(504, "deadline", f"Not scored within {deadline_s} s.")
    finally:
        is_over.set()
        for one in (task, gone):
            one.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _left(request: Request) -> None:
    """Return when the client has closed its connection. The body has been read, so nothing else can come."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _body(request: Request) -> Json:
    """The JSON or msgpack object of a request of bearable size."""
    chunks, size = [], 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > MAX_BODY_BYTES:
                    raise Problem(413, "too_large", f"A request may have {MAX_BODY_BYTES // 1024**2} MiB at most.")
                chunks.append(chunk)
    except TimeoutError:
        raise Problem(408, "slow", f"The body was not complete within {BODY_TIMEOUT_S:.0f} s.") from None
    except ClientDisconnect:
        raise Problem(400, "disconnected", "The client left before its request was complete.") from None
    content = b"".join(chunks)
    is_packed = request.headers.get("content-type", "").startswith(MSGPACK)
    try:
        body = msgpack.unpackb(content) if is_packed else json.loads(content)
    except (ValueError, RecursionError, msgpack.UnpackException) as error:
        name = "msgpack" if is_packed else "JSON"
        raise Problem(400, f"not_{name.lower()}", f"The body is not {name}: {error}") from None
    if not isinstance(body, dict):
        raise Problem(400, "bad_request", 'Expected an object, such as {"model", "items"}.')
    return body


def _rendered(request: Request, content: Json, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """In msgpack for who asks for it, in JSON for everybody else."""
    if request.headers.get("accept", "").startswith(MSGPACK):
        return Response(msgpack.packb(content), status, headers, media_type=MSGPACK)
    return JSONResponse(content, status, headers)


def _client_of(request: Request) -> str:
    """Whom a request counts for in the queue: the name it gives itself, else its connection."""
    named = request.headers.get("x-client-id", "")[:100]
    return named or (f"{request.client.host}:{request.client.port}" if request.client else "")


def _chosen(models: Models, name: str) -> list[ServedModel]:
    """The models of a "name", "name@version" or "one+other"; of "", the only one that is served."""
    served = models.all()
    names = name.split("+") if name else sorted({model.name for model in served})
    told = ", ".join(model.label for model in served) or "none yet"
    if not name and len(names) != 1:
        raise Problem(
            422 if served else 404, "unknown_model", f'Name one in "model": several or none are served ({told}).'
        )
    chosen = []
    for one in names[: MOST_COMBINED + 1]:
        model = models.get(one)
        if model is None:
            raise Problem(404, "unknown_model", f"{one!r} is not served here. Served: {told}.")
        chosen.append(model)
    if len(chosen) > MOST_COMBINED or len({model.label for model in chosen}) < len(chosen):
        raise Problem(422, "bad_request", f"{name!r}: up to {MOST_COMBINED} different models can be combined.")
    return chosen


def _asked(model: ServedModel, ask: Ask) -> ServedModel:
    """The model, with distances where they are asked for and it has them."""
    if not ask.distances or model.feature_range is None:
        return model
    return WithDistances(model, model.feature_range)


def _encode(
    model: ServedModel, items: list[Item], too_long: str, is_over: Callable[[], bool]
) -> tuple[list[_Place], list[Encoded]]:
    """Where each item's texts are, and the token ids of all texts of the good ones; of some only once `is_over`."""
    places: list[_Place] = []
    texts: list[Encoded] = []
    for item in items:
        if item.problem:
            places.append(_Place(code="bad_item", problem=item.problem))
            continue
        start = len(texts)
        try:
            if item.rendered is None:
                made = model.encode(item.messages, item.completions, is_over)
            else:
                made = model.encode_rendered(item.rendered, item.completions, is_over)
        except jinja2.TemplateError as error:  # it may refuse a role, or turns that do not alternate
            places.append(_Place(code="bad_item", problem=f"The chat template of {model.label} refuses it: {error}"))
            continue
        cut = [nth for nth, one in enumerate(made) if one.is_truncated]
        if cut and too_long == "refuse":
            most = model.reward_model.max_length
            problem = f"completions[{cut[0]}]: longer than the {most} tokens that {model.label} reads, prompt included."
            places.append(_Place(code="too_long", problem=problem))
            continue
        texts += made
        places.append(_Place(start, len(texts)))
        if is_over():
            break
    return places, texts


def _not_finite(rewards: NDArray[np.float64], model: ServedModel) -> Scored | None:
    """The answer for an item that a model computes no number for: half precision can overflow."""
    bad = np.flatnonzero(~np.isfinite(rewards))
    if not len(bad):
        return None
    return Scored(code="not_finite", problem=f"completions[{bad[0]}]: {model.label} computes no finite reward.")


def _item(item: Item, place: _Place, opinion: _Opinion) -> Scored:
    if place.problem:
        return Scored(code=place.code, problem=place.problem)
    model, mine = opinion.model, slice(place.start, place.end)
    texts, rewards = opinion.texts[mine], opinion.rewards[mine]
    if (problem := _not_finite(rewards, model)) is not None:
        return problem
    members = uncertainty = calibrated = None
    if model.n_members > 1:
        members = opinion.members[:, mine].T.tolist()
        uncertainty = opinion.members[:, mine].std(axis=0).tolist()
    if model.calibration is not None:
        calibrated = model.calibration.apply(rewards, [len(completion) for completion in item.completions]).tolist()
    return Scored(
        rewards=rewards.tolist(),
        n_tokens=[text.n_tokens for text in texts],
        truncated=[text.is_truncated for text in texts],
        members=members,
        uncertainty=uncertainty,
        calibrated=calibrated,
        distances=None if opinion.distances is None else opinion.distances[mine].tolist(),
    )


def _combination(ask: Ask, opinions: list[_Opinion]) -> Result:
    """One reward of several models': Llama 2's rule where one of two is about safety, else the mean of what each
    model's reward is in its own standard deviations.
    """
    models = [opinion.model for opinion in opinions]
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        names = [model.label for model in models]
    safe = [nth for nth, model in enumerate(models) if model.metadata.get("axis") == "safety"]
    items = []
    for nth, item in enumerate(ask.items):
        places = [opinion.places[nth] for opinion in opinions]
        if problem := next((place for place in places if place.problem), None):
            items.append(Scored(code=problem.code, problem=problem.problem))
            continue
        rewards = [one.rewards[place.start : place.end] for one, place in zip(opinions, places, strict=True)]
        texts = [one.texts[place.start : place.end] for one, place in zip(opinions, places, strict=True)]
        if bad := next(filter(None, map(_not_finite, rewards, models)), None):
            items.append(bad)
            continue
        if len(models) == 2 and len(safe) == 1:
            s, h = safe[0], 1 - safe[0]
            one = combined(
                rewards[h], rewards[s], np.full(len(rewards[s]), item.is_safety_prompt),
                helpful_scale=models[h].scale, safe_scale=models[s].scale,
            )  # fmt: skip
        else:
            by_name = {model.label: found for model, found in zip(models, rewards, strict=True)}
            scales = {model.label: model.scale for model in models}
            one = weighted(by_name, dict.fromkeys(by_name, 1.0), scales)
        items.append(
            Scored(
                rewards=one.tolist(),
                n_tokens=[text.n_tokens for text in texts[0]],
                truncated=[any(text.is_truncated for text in same) for same in zip(*texts, strict=True)],
                by_model={name: found.tolist() for name, found in zip(names, rewards, strict=True)},
            )
        )
    return Result("+".join(names), None, [_named(model) for model in models], items)


def _named(model: ServedModel) -> dict[str, Any]:
    return {"name": model.name, "version": model.version, "n_members": model.n_members}
