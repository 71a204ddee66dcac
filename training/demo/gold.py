"""The simulator's truth as a scorer: a gold judge for policy runs, in the words of the scorer's own protocol."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from training.demo.truth import utility

NAME = "truth"


@contextlib.contextmanager
def serving_truth(axis: str = "helpfulness") -> Iterator[str]:
    """The URL of a scorer on this machine that serves `truth`, the true utility, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            facts = {"name": NAME, "version": 1, "axis": axis, "reward_mean": 0.0, "reward_std": 1.0, "n_members": 1}
            self._answer({"models": [facts]})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer({"model": NAME, "version": 1, "items": [_item(axis, one) for one in asked["items"]]})

        def _answer(self, found: dict[str, Any]) -> None:
            body = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _item(axis: str, item: dict[str, Any]) -> dict[str, Any]:
    rewards = [utility(axis, item["messages"], text) for text in item["completions"]]
    return {
        "rewards": rewards,
        "n_tokens": [len(text.split()) for text in item["completions"]],
        "truncated": [False] * len(rewards),
    }
