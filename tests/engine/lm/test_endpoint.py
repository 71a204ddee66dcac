"""The client of chat endpoints against a real HTTP server."""

from __future__ import annotations

import math
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine.lm.served import ChatServer, chat_server
from training.engine.common.errors import EngineError
from training.engine.lm.endpoint import ChatEndpoint

ASK = [{"role": "user", "content": "Name a tree"}]


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as served:
        yield served


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def endpoint(server: ChatServer, pauses: list[float]) -> Iterator[ChatEndpoint]:
    with ChatEndpoint(server.url, "tree-7b", "s3cret", n_retries=3, pause=pauses.append) as made:
        yield made


def test_it_asks_as_such_servers_want_it_and_counts_tokens(server: ChatServer, endpoint: ChatEndpoint) -> None:
    found = endpoint.complete(ASK, n=2, temperature=0.7, top_p=0.9, max_tokens=50, seed=5)
    assert [one.text for one in found] == ["Name a tree t0.7 s5", "Name a tree t0.7 s6"]
    assert [(one.n_tokens, one.finish_reason) for one in found] == [(5, "stop"), (5, "stop")]
    assert server.paths == ["/v1/chat/completions"] * 2
    assert server.headers[0]["Authorization"] == "Bearer s3cret"
    first = server.requests[0]
    assert (first["model"], first["messages"], first["max_tokens"], first["top_p"]) == ("tree-7b", ASK, 50, 0.9)


def test_an_address_with_a_path_is_taken_as_it_is(server: ChatServer) -> None:
    with ChatEndpoint(f"{server.url}/api/v3/", "m") as endpoint:
        endpoint.complete(ASK)
    assert server.paths == ["/api/v3/chat/completions"]
    assert "Authorization" not in server.headers[0]


def test_a_server_that_is_busy_or_broken_for_a_while_is_asked_again(
    server: ChatServer, endpoint: ChatEndpoint, pauses: list[float]
) -> None:
    server.planned.extend([(429, {"error": {"message": "slow down"}}), (500, "oops"), (503, "")])
    (one,) = endpoint.complete(ASK, seed=1)
    assert one.text == "Name a tree t1.0 s1"
    assert len(server.requests) == 4
    assert 0 < pauses[0] < pauses[1] < pauses[2]


def test_it_waits_as_long_as_the_server_says(server: ChatServer, endpoint: ChatEndpoint, pauses: list[float]) -> None:
    server.planned.append((429, {}))
    server.more_headers = {"Retry-After": "7"}
    endpoint.complete(ASK)
    assert pauses == [7.0]


@pytest.mark.parametrize(
    ("status", "body", "code", "n_asked"),
    [
        (429, {"error": {"message": "quota"}}, "endpoint_busy", 4),
        (500, {"message": "out of memory", "object": "error"}, "endpoint_failed", 4),
        (400, {"error": {"message": "max_tokens is too large"}}, "endpoint_refused", 1),
        (404, {"error": "no such model"}, "endpoint_refused", 1),
        (401, "who are you", "endpoint_unauthorised", 1),
        (302, "", "endpoint_refused", 1),
    ],
)
def test_refusals_have_a_code_and_what_the_server_said(
    server: ChatServer, endpoint: ChatEndpoint, status: int, body: Any, code: str, n_asked: int
) -> None:
    server.planned.extend([(status, body)] * 4)
    with pytest.raises(EngineError) as refusal:
        endpoint.complete(ASK)
    assert refusal.value.code == code
    assert len(server.requests) == n_asked
    said = body if isinstance(body, str) else str(body.get("message") or body["error"])
    assert said.split("'")[-2 if "'" in said else -1] in refusal.value.message
    assert "s3cret" not in refusal.value.message


@pytest.mark.parametrize(
    "body",
    [
        "<html>a proxy's page</html>",
        [],
        {},
        {"choices": []},
        {"choices": ["text"]},
        {"choices": [{}]},
        {"choices": [{"message": "text"}]},
        {"choices": [{"message": {"content": 5}}]},
    ],
)
def test_what_is_no_answer_of_such_a_server_is_told(server: ChatServer, endpoint: ChatEndpoint, body: Any) -> None:
    server.planned.append((200, body))
    with pytest.raises(EngineError) as refusal:
        endpoint.complete(ASK)
    assert refusal.value.code == "endpoint_malformed"


def test_missing_counts_and_empty_texts_are_taken_as_such(server: ChatServer, endpoint: ChatEndpoint) -> None:
    server.planned.append((200, {"choices": [{"message": {"content": None}}], "usage": None}))
    (one,) = endpoint.complete(ASK)
    assert (one.text, one.n_tokens, one.finish_reason) == ("", None, "")


def test_nobody_there(pauses: list[float]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    endpoint = ChatEndpoint(f"http://127.0.0.1:{port}", "m", n_retries=2, pause=pauses.append)
    with endpoint, pytest.raises(EngineError) as refusal:
        endpoint.complete(ASK)
    assert refusal.value.code == "endpoint_unreachable"
    assert len(pauses) == 2


@pytest.mark.parametrize("url", ["", "localhost:8000", "file:///etc/passwd", "ftp://host/", "http://", "http://a/?x=1"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(EngineError, match="url"):
        ChatEndpoint(url, "m")


def test_logprobs_of_the_first_token(server: ChatServer, endpoint: ChatEndpoint) -> None:
    assert endpoint.first_token_logprobs(ASK, top=5) == {"A": -0.5, "B": -1.2}
    asked = server.requests[0]
    assert (asked["logprobs"], asked["top_logprobs"], asked["max_tokens"], asked["temperature"]) == (True, 5, 1, 1.0)


def test_tokens_of_the_same_text_are_added_up(server: ChatServer, endpoint: ChatEndpoint) -> None:
    """Two tokens of ¼ each make one of ½."""
    top = [{"token": "�", "logprob": math.log(0.25)}] * 2
    choice = {"message": {"content": ""}, "logprobs": {"content": [{"top_logprobs": top}]}}
    server.planned.append((200, {"choices": [choice]}))
    assert endpoint.first_token_logprobs(ASK) == {"�": pytest.approx(math.log(0.5))}


@pytest.mark.parametrize(
    "logprobs", [None, {}, {"content": None}, {"content": []}, {"content": [{"top_logprobs": []}]}]
)
def test_a_server_without_logprobs_is_told(server: ChatServer, endpoint: ChatEndpoint, logprobs: Any) -> None:
    server.planned.append((200, {"choices": [{"message": {"content": "A"}, "logprobs": logprobs}]}))
    with pytest.raises(EngineError) as refusal:
        endpoint.first_token_logprobs(ASK)
    assert refusal.value.code == "endpoint_no_logprobs"
