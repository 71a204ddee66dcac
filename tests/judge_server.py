"""A small HTTP server on 127.0.0.1 that answers like an OpenAI-compatible endpoint: what AI labellers ask."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_SHOWN = re.compile(r'<completion label="([AB])">\n(.*?)\n</completion>', re.S)
# Given the two completions shown: P(A).
Judgement = Callable[[str, str], float]


class JudgeServer:
    """Judges by `p_a` and counts what it is asked. gives_logprobs: false for an endpoint that has none to give."""

    def __init__(self, p_a: Judgement, *, gives_logprobs: bool = True, fails_after: int | None = None) -> None:
        self.p_a, self.gives_logprobs, self.fails_after = p_a, gives_logprobs, fails_after
        self.bodies: list[dict[str, Any]] = []
        self.tokens: set[str] = set()
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer._lock:
                    outer.bodies.append(body)
                    outer.tokens.add(self.headers.get("Authorization", ""))
                    is_down = outer.fails_after is not None and len(outer.bodies) > outer.fails_after
                status, answer = (401, {"error": {"message": "no"}}) if is_down else (200, outer.answer(body))
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        asked = "\n".join(message["content"] for message in body["messages"])
        shown = dict(_SHOWN.findall(asked))
        is_thinking = "step by step" in body["messages"][-1]["content"]
        p = self.p_a(shown["A"], shown["B"])
        text = "The first is to the point." if is_thinking else "A" if p >= 0.5 else "B"
        choice: dict[str, Any] = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
        }
        if body.get("logprobs") and self.gives_logprobs:
            top = [
                {"token": token, "logprob": math.log(max(share, 1e-6)), "bytes": None}
                for token, share in (("A", 0.9 * p), ("B", 0.9 * (1 - p)), ("The", 0.1))
            ]
            top.sort(key=lambda one: -one["logprob"])
            choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
        usage = {"prompt_tokens": len(asked.split()), "completion_tokens": len(text.split())}
        return {
            "id": "1",
            "object": "chat.completion",
            "model": body["model"],
            "choices": [choice],
            "usage": usage | {"total_tokens": sum(usage.values())},
        }


@contextmanager
def judge_server(p_a: Judgement, **options: Any) -> Iterator[JudgeServer]:
    server = JudgeServer(p_a, **options)
    try:
        yield server
    finally:
        server.close()


def likes_the_first(first: str, second: str) -> float:
    """A judge that only looks at the position."""
    return 0.9


def likes_alpha(first: str, second: str) -> float:
    """A judge with an opinion: "alpha" is better, 80 to 20, wherever it stands."""
    return 0.8 if "alpha" in first else 0.2
