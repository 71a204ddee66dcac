"""A small HTTP server on 127.0.0.1 that answers as vLLM's chat endpoint does, or as it is told."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any]
"""Status and body; text and bytes are sent as they are, everything else as JSON."""


class ChatServer:
    """`url` is where it listens; `requests` is what was asked; `planned` are answers to give before its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.planned: deque[Answer] = deque()
        self.more_headers: dict[str, str] = {}

    def answer(self, body: dict[str, Any]) -> Answer:
        """The text repeats the question with temperature and seed, so that it tells what it was asked with."""
        text = f"{body['messages'][-1]['content']} t{body['temperature']} s{body.get('seed')}"
        choice: dict[str, Any] = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
        }
        if body.get("logprobs"):
            top = [{"token": "A", "logprob": -0.5}, {"token": "B", "logprob": -1.2}]
            choice["logprobs"] = {"content": [{"token": "A", "logprob": -0.5, "top_logprobs": top}]}
        return 200, {"choices": [choice], "usage": {"completion_tokens": len(text.split())}}


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            served.requests.append(body)
            served.headers.append(dict(self.headers))
            served.paths.append(self.path)
            status, said = served.planned.popleft() if served.planned else served.answer(body)
            content = said if isinstance(said, bytes) else said.encode() if isinstance(said, str) else b""
            content = content or json.dumps(said).encode()
            self.send_response(status)
            for name, value in served.more_headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = ChatServer(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
