"""Labellers at work against a server that may die at any moment, with the patience of the interface's outbox."""

import http.client
import json
import threading
import time
from typing import Any
from uuid import uuid4

from tests.stand import Stand
from tests.workload import Work

N_HELD = 5
_PATIENCE_S = 60.0  # for one rating; no outage of these tests takes half as long


class Labellers:
    """A thread each: asks, rates what it is given, and sends a rating until it is acknowledged, by one client_id."""

    def __init__(self, stand: Stand, work: Work) -> None:
        self.port = stand.port
        self.path = f"/api/v1/projects/{work.slug}"
        self.acknowledged: list[str] = []  # list.append is atomic
        self.duplicates: list[str] = []  # acknowledged at the second sending: the first answer was lost
        self.failures: list[str] = []
        self.n_unanswered = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(token,), daemon=True) for token in work.tokens]

    def __enter__(self) -> "Labellers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let everybody bring the rating in hand to its end."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_PATIENCE_S)

    def wait_for(self, n: int, timeout_s: float = 30.0) -> None:
        """Wait until `n` more ratings than now are acknowledged."""
        goal = len(self.acknowledged) + n
        deadline = time.monotonic() + timeout_s
        while len(self.acknowledged) < goal:
            assert not self.failures, self.failures
            assert time.monotonic() < deadline, f"{goal - len(self.acknowledged)} of {n} ratings did not come through"
            time.sleep(0.01)

    def _work(self, token: str) -> None:
        try:
            pairs = self._send(token, "next", {"n": N_HELD})["assignments"]
            while pairs and not self._stop.is_set():
                pairs = self._rate(token, pairs[0]["id"])
            if not pairs:
                self.failures.append("out of work: give these tests more comparisons")
        except BaseException as error:
            self.failures.append(f"{type(error).__name__}: {error}")

    def _rate(self, token: str, assignment_id: int) -> list[dict[str, Any]]:
        client_id = str(uuid4())
        answer = ("first", "second", "tie")[int(client_id[0], 16) % 3]
        intensity = None if answer == "tie" else 2
        rating = {"client_id": client_id, "assignment_id": assignment_id, "preferred": answer, "intensity": intensity}
        answered = self._send(token, "ratings", {"ratings": [rating], "next": N_HELD})
        (result,) = answered["results"]
        if result["status"] not in ("accepted", "duplicate"):
            raise AssertionError(f"a rating in time was refused: {result}")
        if result["status"] == "duplicate":
            self.duplicates.append(client_id)
        self.acknowledged.append(client_id)
        return answered["assignments"]

    def _send(self, token: str, what: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST until the server answers 200. No answer and 5xx are tried again, as the outbox does."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20.0)
            try:
                connection.request("POST", f"{self.path}/{what}", json.dumps(body), headers)
                response = connection.getresponse()
                status, content = response.status, response.read()
            except (OSError, http.client.HTTPException) as error:
                status, content = 0, repr(error).encode()
            finally:
                connection.close()
            if status == 200:
                return json.loads(content)
            if 0 < status < 500 or time.monotonic() > deadline:
                raise AssertionError(f"{what}: {status} {content[:500]!r}")
            self.n_unanswered += 1
            time.sleep(0.05)
