"""Batches across requests: one thread scores, requests take turns, and none waits for a bulk job to end.

Each request is a list of texts. A batch is filled under a token budget by going round the waiting requests, a few texts
of each at a time; a request of eight texts is answered after a batch or two however many thousands another one brought.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from training.engine.common.chat import Encoded
from training.engine.scoring.models import ServedModel

log = logging.getLogger("scorer")
_TURN = 4


class QueueFull(Exception):
    """More texts wait than the queue may hold. `retry_after_s` is what working them off is expected to take."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("queue full")
        self.retry_after_s = retry_after_s


class Stopping(Exception):
    """The scorer is going down and takes nothing new."""


@dataclass
class _Request:
    model: ServedModel
    texts: Sequence[Encoded]
    answer: Future[list[float]]
    n_taken: int = 0
    n_done: int = 0
    rewards: list[float] = field(default_factory=list)


class Batcher:
    """max_queue: texts that may wait. tokens_per_batch: padded tokens of one forward pass."""

    def __init__(self, *, tokens_per_batch: int = 8192, max_queue: int = 20_000) -> None:
        self.tokens_per_batch = tokens_per_batch
        self.max_queue = max_queue
        self.n_waiting = 0
        self.texts_per_s = 100.0
        self.batch_fill = 0.0
        self._requests: deque[_Request] = deque()
        self._changed = threading.Condition()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take nothing new, finish what was accepted, end the thread."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        self._thread.join()

    def submit(self, model: ServedModel, texts: Sequence[Encoded]) -> Future[list[float]]:
        """A future of the rewards in the order of the texts. Cancel it, and what has not been scored never is.

        Raises QueueFull or Stopping. A request larger than the whole queue is taken when nothing else waits.
        """
        answer: Future[list[float]] = Future()
        if not texts:
            answer.set_result([])
            return answer
        with self._changed:
            if self._is_stopping:
                raise Stopping
            if self.n_waiting and self.n_waiting + len(texts) > self.max_queue:
                raise QueueFull(max(1.0, self.n_waiting / self.texts_per_s))
            self.n_waiting += len(texts)
            self._requests.append(_Request(model, texts, answer, rewards=[0.0] * len(texts)))
            self._changed.notify_all()
        return answer

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._requests and not self._is_stopping:
                    self._changed.wait()
                batch = self._next_batch()
            if not batch:
                if self._is_stopping:
                    return
                continue
            self._score(batch)

    def _next_batch(self) -> list[tuple[_Request, int]]:
        """(request, index of text) pairs of one model. Called under the lock."""
        batch: list[tuple[_Request, int]] = []
        longest = 0
        passed: list[_Request] = []
        while self._requests:
            request = self._requests.popleft()
            if request.answer.cancelled():
                self.n_waiting -= len(request.texts) - request.n_taken
                continue
            if batch and request.model is not batch[0][0].model:
                passed.append(request)
                continue
            is_full = False
            for _ in range(min(_TURN, len(request.texts) - request.n_taken)):
                length = request.texts[request.n_taken].n_tokens
                if batch and max(longest, length) * (len(batch) + 1) > self.tokens_per_batch:
                    is_full = True
                    break
                longest = max(longest, length)
                batch.append((request, request.n_taken))
                request.n_taken += 1
                self.n_waiting -= 1
            if request.n_taken < len(request.texts):
                self._requests.append(request)
            if is_full:
                break
        # Another model's requests come first next time.
        self._requests.extendleft(reversed(passed))
        if batch:
            self.batch_fill = longest * len(batch) / self.tokens_per_batch
        return batch

    def _score(self, batch: list[tuple[_Request, int]]) -> None:
        model = batch[0][0].model.reward_model
        started = time.monotonic()
        try:
            rewards = model.score_encoded(
                [request.texts[index] for request, index in batch], tokens_per_batch=self.tokens_per_batch
            )
        except Exception as error:  # whatever the model raises belongs to these requests, not to the scorer
            log.exception("a batch of %d texts failed", len(batch))
            for request in {id(request): request for request, _ in batch}.values():
                self._drop(request, error)
            return
        seconds = max(time.monotonic() - started, 1e-6)
        self.texts_per_s += 0.2 * (len(batch) / seconds - self.texts_per_s)
        for (request, index), reward in zip(batch, rewards.tolist(), strict=True):
            request.rewards[index] = reward
            request.n_done += 1
            if request.n_done == len(request.texts) and request.answer.set_running_or_notify_cancel():
                request.answer.set_result(request.rewards)

    def _drop(self, request: _Request, error: Exception) -> None:
        with self._changed:
            if request in self._requests:
                self._requests.remove(request)
            self.n_waiting -= len(request.texts) - request.n_taken
            request.n_taken = len(request.texts)
        if request.answer.set_running_or_notify_cancel():
            request.answer.set_exception(error)
