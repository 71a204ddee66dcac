"""Batches across requests: a few threads score, clients take turns, and nobody waits for a bulk job to end.

A request is a list of texts; those of one prompt are a group, computed together. Which group comes next is decided by
fair queueing over clients (Demers et al. 1989): each has a clock that the tokens computed for it move on, the one whose
clock is least is next, and who has had nothing waiting begins at the time that an equal share has come to. Someone who
asks seldom is therefore next at once, and many who ask together share alike. A batch led by a small request is filled
with small requests only, so it is over soon; a bulk request's turn comes when its clock is least again.

A batch holds as many tokens as the model computes in `batch_s`, as measured, within bounds. So what a small request
waits for, the batch that is being computed, is short on a slow machine, and on a fast one batches are large.

On a CPU several batches are computed at once, each with few threads. Two threads on one product wait for each other at
its end, and for whatever takes a core from one of them; two products do not.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from training.engine.common.chat import Encoded
from training.engine.common.optimisation import use_threads
from training.engine.scoring.models import ServedModel

log = logging.getLogger("scorer")
Rewards = NDArray[np.float64]

_LEAST_TOKENS = 512
_SPLIT = 3


class QueueFull(Exception):
    """More texts wait than the queue may hold. `retry_after_s` is what working them off is expected to take."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("queue full")
        self.retry_after_s = retry_after_s


class Stopping(Exception):
    """The scorer is going down and takes nothing new."""


@dataclass(frozen=True)
class _Group:
    """Texts of one prompt: their places in the request, and the tokens that they cost."""

    texts: list[int]
    n_tokens: int


@dataclass(eq=False)
class _Request:
    model: ServedModel
    texts: Sequence[Encoded]
    answer: Future[Rewards]
    groups: deque[_Group]
    is_small: bool
    rewards: Rewards
    n_waiting: int
    n_missing: int
    has_failed: bool = False


@dataclass(eq=False)
class _Flow:
    """A client's requests in their order. Its bulk requests are a flow of their own."""

    key: tuple[str, bool]
    clock: float
    requests: deque[_Request] = field(default_factory=deque)


@dataclass(frozen=True)
class _Part:
    """What a batch takes of a request."""

    request: _Request
    group: _Group


class Batcher:
    """max_queue: texts that may wait. tokens_per_batch: the most tokens of a batch. batch_s: what one should take.

    A request of more than `small_tokens` is a bulk request. n_workers: batches at once, with n_threads of torch's each;
    0 leaves torch's threads as they are.
    """

    def __init__(
        self,
        *,
        tokens_per_batch: int = 16_384,
        max_queue: int = 20_000,
        batch_s: float = 0.06,
        small_tokens: int = 4_096,
        n_workers: int = 1,
        n_threads: int = 0,
    ) -> None:
        self.tokens_per_batch = tokens_per_batch
        self.max_queue = max_queue
        self.batch_s = batch_s
        self.small_tokens = small_tokens
        self.n_threads = n_threads
        self.n_waiting = 0
        self.batch_fill = 0.0
        self.texts_per_s = 100.0
        """Of one worker."""
        self._flows: dict[tuple[str, bool], _Flow] = {}
        self._heap: list[tuple[float, int, _Flow]] = []
        self._clock = 0.0
        self._n_pushed = 0
        self._changed = threading.Condition()
        self._is_stopping = False
        self._workers = [
            threading.Thread(target=self._work, name=f"batcher-{nth}", daemon=True) for nth in range(n_workers)
        ]

    def start(self) -> None:
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """Take nothing new, finish what was accepted, end the thread."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()

    @property
    def is_alive(self) -> bool:
        return all(worker.is_alive() for worker in self._workers)

    def require_room(self, n_texts: int) -> None:
        """Raise what `submit` would for so many texts; asked before they are tokenised, a refusal costs little."""
        if self._is_stopping:
            raise Stopping
        if self.n_waiting and self.n_waiting + n_texts > self.max_queue:
            raise QueueFull(max(1.0, self.n_waiting / (self.texts_per_s * len(self._workers))))

    def submit(self, model: ServedModel, texts: Sequence[Encoded], client: str = "") -> Future[Rewards]:
        """A future of the members' rewards (k, n), n texts in their order. Cancel it, and what waits is never scored.

        Raises QueueFull or Stopping. A request larger than the whole queue is taken when nothing else waits.
        """
        answer: Future[Rewards] = Future()
        if not texts:
            answer.set_result(np.zeros((model.n_members, 0)))
            return answer
        groups = _groups_of(texts) if model.shares_prompts else _groups_of_one(texts)
        is_small = sum(group.n_tokens for group in groups) <= self.small_tokens
        request = _Request(
            model=model,
            texts=texts,
            answer=answer,
            groups=deque(groups),
            is_small=is_small,
            rewards=np.zeros((model.n_members, len(texts))),
            n_waiting=len(texts),
            n_missing=len(texts),
        )
        with self._changed:
            self.require_room(len(texts))
            self.n_waiting += len(texts)
            key = (client, is_small)
            flow = self._flows.get(key)
            if flow is None:
                flow = self._flows[key] = _Flow(key, self._clock)
                self._push(flow)
            flow.requests.append(request)
            self._changed.notify_all()
        answer.add_done_callback(lambda done: self._cancelled(request) if done.cancelled() else None)
        return answer

    def _work(self) -> None:
        if self.n_threads:
            use_threads(self.n_threads)  # holds for the thread that says so
        while True:
            with self._changed:
                while not self._flows and not self._is_stopping:
                    self._changed.wait()
                batch = self._next_batch()
            if batch:
                self._score(batch)
            elif self._is_stopping:
                return

    # --- what comes next; all of it under the lock ---
    def _next_batch(self) -> list[_Part]:
        """Groups of one model, by the clocks of those who ask, as many as fit."""
        batch: list[_Part] = []
        passed: list[_Flow] = []
        budget = left = 0
        n_flows = len(self._flows)
        while self._heap:
            _, _, flow = heapq.heappop(self._heap)
            request = self._head(flow)
            if request is None:
                del self._flows[flow.key]
                continue
            if not batch:
                budget = left = self._budget(request.model)
            elif request.model is not batch[0].request.model or (batch[0].request.is_small and not request.is_small):
                passed.append(flow)
                continue
            part = self._take(request, left, budget)
            if part is None:
                passed.append(flow)
                break
            batch.append(part)
            left -= part.group.n_tokens
            flow.clock += part.group.n_tokens
            if self._head(flow) is None:
                del self._flows[flow.key]
            else:
                self._push(flow)
            if left <= 0:
                break
        for flow in passed:
            self._push(flow)
        if batch:
            self.batch_fill = min(1.0, (budget - left) / budget)
            # As fast as the clock of one who gets exactly a share. Were it that of whoever is next, those who come anew
            # all the time would be next all the time.
            self._clock += (budget - left) / n_flows
        return batch

    def _head(self, flow: _Flow) -> _Request | None:
        """The flow's first request with something to score; those before it are forgotten."""
        while flow.requests:
            request = flow.requests[0]
            if request.groups and not request.answer.done():
                return request
            self._forget(request)
            flow.requests.popleft()
        return None

    def _take(self, request: _Request, left: int, budget: int) -> _Part | None:
        """The request's next group; None when the batch is too full for it.

        Half a batch takes any group, so that none waits for a batch that is empty enough. One of several batches' size
        is split, at the price of its prompt's tokens for each part.
        """
        group = request.groups.popleft()
        if group.n_tokens > left and left < budget / 2:
            request.groups.appendleft(group)
            return None
        group, rest = _split(group, request.texts, max(left, _SPLIT * budget))
        if rest is not None:
            request.groups.appendleft(rest)
        request.n_waiting -= len(group.texts)
        self.n_waiting -= len(group.texts)
        return _Part(request, group)

    def _forget(self, request: _Request) -> None:
        """Nothing more of the request waits."""
        self.n_waiting -= request.n_waiting
        request.n_waiting = 0
        request.groups.clear()

    def _cancelled(self, request: _Request) -> None:
        with self._changed:
            self._forget(request)

    def _push(self, flow: _Flow) -> None:
        self._n_pushed += 1
        heapq.heappush(self._heap, (flow.clock, self._n_pushed, flow))

    def _budget(self, model: ServedModel) -> int:
        return max(_LEAST_TOKENS, min(self.tokens_per_batch, int(model.tokens_per_s * self.batch_s)))

    # --- the model ---
    def _score(self, batch: list[_Part]) -> None:
        started = time.monotonic()
        try:
            self._compute(batch)
        except Exception:
            log.exception("a batch of %d groups failed; each request of it is tried alone", len(batch))
            for parts in _by_request(batch):
                try:
                    self._compute(parts)
                except Exception as error:  # whatever the model raises is about this request, not about the scorer
                    self._fail(parts[0].request, error)
        n_texts = sum(len(part.group.texts) for part in batch)
        n_tokens = sum(part.group.n_tokens for part in batch)
        seconds = max(time.monotonic() - started, 1e-6)
        self.texts_per_s += 0.2 * (n_texts / seconds - self.texts_per_s)
        if n_tokens >= _LEAST_TOKENS / 2:  # of a few tokens most is overhead
            batch[0].request.model.measured(n_tokens / seconds)

    def _compute(self, parts: list[_Part]) -> None:
        texts = [part.request.texts[index] for part in parts for index in part.group.texts]
        rewards = parts[0].request.model.score(texts, self.tokens_per_batch)
        at = 0
        for part in parts:
            request, places = part.request, part.group.texts
            request.rewards[:, places] = rewards[:, at : at + len(places)]
            at += len(places)
            with self._changed:  # another worker may have other texts of it
                request.n_missing -= len(places)
                is_complete = not request.n_missing
            if is_complete and request.answer.set_running_or_notify_cancel():
                request.answer.set_result(request.rewards)

    def _fail(self, request: _Request, error: Exception) -> None:
        with self._changed:
            self._forget(request)
            is_first = not request.has_failed
            request.has_failed = True
        if is_first and request.answer.set_running_or_notify_cancel():
            request.answer.set_exception(error)


def _groups_of(texts: Sequence[Encoded]) -> list[_Group]:
    """Texts that share a prompt, together; by length of the prompt, so that what a batch holds is of about one size."""
    by_prompt: dict[tuple[int, ...], list[int]] = {}
    last: list[int] | None = None
    members: list[int] = []
    for index, text in enumerate(texts):
        if text.prompt_ids is not last:  # completions of one prompt mostly come together, with the very same list
            last = text.prompt_ids
            members = by_prompt.setdefault(tuple(last), [])
        members.append(index)
    groups = [
        _Group(members, len(prompt) + sum(len(texts[index].completion_ids) for index in members))
        for prompt, members in by_prompt.items()
    ]
    return sorted(groups, key=lambda group: texts[group.texts[0]].n_tokens)


def _groups_of_one(texts: Sequence[Encoded]) -> list[_Group]:
    """Each text by itself, by length: for a model that computes a prompt once for each of its completions."""
    return sorted((_Group([at], text.n_tokens) for at, text in enumerate(texts)), key=lambda group: group.n_tokens)


def _split(group: _Group, texts: Sequence[Encoded], budget: int) -> tuple[_Group, _Group | None]:
    """As many texts of a group as fit, one at least, and what is left of it."""
    n_prompt = len(texts[group.texts[0]].prompt_ids)
    n_tokens = n_prompt
    for place, index in enumerate(group.texts):
        n_more = len(texts[index].completion_ids)
        if place and n_tokens + n_more > budget:
            rest = group.n_tokens - n_tokens + n_prompt
            return _Group(group.texts[:place], n_tokens), _Group(group.texts[place:], rest)
        n_tokens += n_more
    return group, None


def _by_request(batch: list[_Part]) -> list[list[_Part]]:
    found: dict[int, list[_Part]] = {}
    for part in batch:
        found.setdefault(id(part.request), []).append(part)
    return list(found.values())
