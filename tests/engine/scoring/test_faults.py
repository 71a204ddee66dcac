"""Clients that leave, deadlines, a scorer that is killed, and a queue of ten thousand."""

import asyncio
import concurrent.futures
import functools
import inspect
import os
import signal
import socket
import threading
import time

import httpx
import numpy as np
import pytest

from annotate.common.processes import wait_until
from tests.engine.scoring.running import PROMPT, serving
from tests.engine.scoring.test_batcher import texts_of
from tests.environment import free_port
from training.engine.reward.ensemble import RewardEnsemble
from training.engine.scoring.batcher import Batcher, QueueFull
from training.engine.scoring.client import (
    AsyncScorerClient,
    ScorerClient,
    ScorerUnavailable,
    async_reward_function,
    reward_function,
)
from training.engine.scoring.models import ServedModel


@pytest.fixture
def running(tmp_path, trained_model):
    with serving(tmp_path, ("helpfulness", 1, trained_model), options=("--max-queue", "100000")) as made:
        yield made


def body_of(n, words=60):
    """No two completions alike: a text that comes twice is computed once."""
    completions = [f"{number} " + "word " * words for number in range(n)]
    return {"model": "helpfulness", "items": [{"messages": PROMPT, "completions": completions}]}


def gauge(running, name):
    lines = httpx.get(f"{running.url}/metrics", trust_env=False).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def test_what_a_client_that_left_asked_for_is_dropped(running):
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{running.url}/v1/score", json=body_of(9_000), timeout=1.0, trust_env=False)
    assert wait_until(lambda: gauge(running, "scorer_queue_completions") == 0, 20, 0.1)
    assert gauge(running, 'scorer_completions_total{model="helpfulness@1"}') == 0, "nobody was told of any"
    assert gauge(running, 'scorer_requests_total{code="disconnected"}') == 1


def test_a_deadline_ends_what_is_of_no_use_any_more(running):
    with ScorerClient(running.url) as client:
        items = [(PROMPT, body_of(9_000)["items"][0]["completions"])]
        with pytest.raises(ScorerUnavailable, match="Not scored within") as late:
            client.score("helpfulness", items, deadline_ms=300)
        assert late.value.code == "deadline"
        assert wait_until(lambda: gauge(running, "scorer_queue_completions") == 0, 20, 0.1)
        assert client.score("helpfulness", [(PROMPT, ["Blue."])], deadline_ms=20_000).items[0].rewards


def test_half_a_request_costs_nothing(running):
    with socket.create_connection(("127.0.0.1", int(running.url.rpartition(":")[2])), 5) as half:
        half.sendall(b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    with ScorerClient(running.url) as client:
        assert client.score("helpfulness", [(PROMPT, ["Blue."])]).items[0].rewards


def test_a_killed_scorer_is_asked_again_and_nothing_counts_twice(running, trained_model):
    """Every completion has one reward in the end, in its place, though the scorer died over some of them."""
    completions = [f"{number} " + "word " * (number % 40) for number in range(600)]
    reward = reward_function(running.url, "helpfulness", batch_size=50, n_retries=12)
    prompts = [[{"role": "user", "content": f"Name a colour. {number // 10}"}] for number in range(600)]

    def kill_and_start_again():
        assert wait_until(lambda: gauge(running, "scorer_completions_total") > 50, 30, 0.01)
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait(10)
        time.sleep(0.5)
        running.start()

    killer = threading.Thread(target=kill_and_start_again)
    killer.start()
    found: list[float | None] = []
    for _ in range(8):  # until the kill has come in the middle of it
        found = reward(prompts=prompts, completions=completions)
        if not killer.is_alive():
            break
    killer.join(60)
    expected = RewardEnsemble.load(trained_model).score(list(zip(prompts, completions, strict=True)))
    assert found == pytest.approx(expected, abs=1e-4)


def test_stopping_answers_what_was_accepted(running):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(httpx.post, f"{running.url}/v1/score", json=body_of(400), timeout=60, trust_env=False)
            for _ in range(4)
        ]
        assert wait_until(lambda: gauge(running, "scorer_queue_completions") > 0, 10, 0.01)
        assert running.stop() in (0, -signal.SIGTERM)
        assert [one.result(60).status_code for one in asked] == [200] * 4


def test_ten_thousand_requests_may_wait(trained_model):
    served = ServedModel("helpfulness", 1, str(trained_model), RewardEnsemble.load(trained_model))
    texts = texts_of(served, 100, length=1)
    batcher = Batcher(max_queue=10_000, tokens_per_batch=4096)
    futures = [batcher.submit(served, [texts[number % 100]], f"client {number % 500}") for number in range(10_000)]
    assert batcher.n_waiting == 10_000
    batcher.start()
    _, left = concurrent.futures.wait(futures, 120)
    batcher.stop()
    assert not left
    expected = served.score(texts, 4096)[0]
    assert np.allclose([future.result()[0, 0] for future in futures], np.tile(expected, 100), atol=1e-4)


def test_a_client_that_asks_for_much_leaves_others_their_share(trained_model):
    """Of two clients that both have much to ask, each gets half; one that asks for little is next at once."""
    served = ServedModel("helpfulness", 1, str(trained_model), RewardEnsemble.load(trained_model))
    order: list[str] = []
    batcher = Batcher(tokens_per_batch=512, small_tokens=256)
    futures = []
    for _ in range(10):
        for client in ["greedy"] * 5 + ["modest"]:
            future = batcher.submit(served, texts_of(served, 30), client)
            future.add_done_callback(functools.partial(lambda who, _: order.append(who), client))
            futures.append(future)
    batcher.start()
    concurrent.futures.wait(futures, 60)
    batcher.stop()
    assert order.index("modest") < 3
    assert 7 <= order[:20].count("modest") <= 10, order[:20]


def test_a_bulk_job_gets_on_though_small_requests_never_cease(trained_model):
    """Sixteen clients, each of which asks again when it is answered; a bulk job beside them has its share."""
    served = ServedModel("helpfulness", 1, str(trained_model), RewardEnsemble.load(trained_model))
    texts = texts_of(served, 400, length=20)
    batcher = Batcher(tokens_per_batch=512, small_tokens=512)
    bulk = batcher.submit(served, texts, "bulk")
    is_over = threading.Event()
    answered = [0] * 16

    def ask_on(number):
        while not is_over.is_set():
            batcher.submit(served, texts[number : number + 1], f"client {number} {answered[number]}").result(30)
            answered[number] += 1

    askers = [threading.Thread(target=ask_on, args=(number,)) for number in range(16)]
    for asker in askers:
        asker.start()
    batcher.start()
    try:
        assert bulk.result(60).shape == (1, 400)
        assert min(answered) > 5
        assert len(batcher._flows) <= 17, "clients that wait for nothing are forgotten"
    finally:
        is_over.set()
        for asker in askers:
            asker.join(30)
        batcher.stop()


def test_what_is_cancelled_makes_room_at_once(trained_model):
    served = ServedModel("helpfulness", 1, str(trained_model), RewardEnsemble.load(trained_model))
    batcher = Batcher(max_queue=20)
    waiting = batcher.submit(served, texts_of(served, 5), "one")
    cancelled = [batcher.submit(served, texts_of(served, 5), "one") for _ in range(3)]
    with pytest.raises(QueueFull):
        batcher.require_room(1)
    assert all(one.cancel() for one in cancelled)
    assert batcher.n_waiting == 5
    batcher.start()
    assert waiting.result(30).shape == (1, 5)
    batcher.stop()
    assert batcher.n_waiting == 0


def test_a_registry_that_vanishes_takes_nothing_away(running):
    content = running.registry.read_text()
    running.registry.unlink()
    assert wait_until(lambda: "is gone" in running.readiness()["problem"], 10, 0.1)
    with ScorerClient(running.url) as client:
        assert client.score("helpfulness", [(PROMPT, ["Blue."])]).version == 1
    running.registry.write_text(content.replace('"version": 1', '"version": Infinity'))
    assert wait_until(lambda: "cannot be read" in running.readiness()["problem"], 10, 0.1)
    running.registry.write_text(content)
    assert wait_until(lambda: running.readiness()["problem"] == "", 10, 0.1)


def test_a_deadline_counts_for_all_attempts(running):
    with ScorerClient(running.url, n_retries=6) as client:
        items = [(PROMPT, body_of(9_000)["items"][0]["completions"])]
        began = time.monotonic()
        with pytest.raises(ScorerUnavailable):
            client.score("helpfulness", items, deadline_ms=500)
        assert time.monotonic() - began < 5
    with ScorerClient(f"http://127.0.0.1:{free_port()}", n_retries=20) as nowhere:
        began = time.monotonic()
        with pytest.raises(ScorerUnavailable, match="does not answer"):
            nowhere.score("helpfulness", [(PROMPT, ["x"])], deadline_ms=500)
        assert time.monotonic() - began < 5


def test_trl_awaits_the_other_reward_function(running, trained_model):
    reward = async_reward_function(running.url, "helpfulness", batch_size=2)
    assert inspect.iscoroutinefunction(reward)
    texts = ["Blue.", "Red.", "Green.", ""]
    expected = RewardEnsemble.load(trained_model).score([(PROMPT, text) for text in texts[:3]])
    for _ in range(2):  # from another loop each time
        found = asyncio.run(reward(prompts=[PROMPT] * 4, completions=texts))
        assert found[:3] == pytest.approx(expected, abs=1e-4) and found[3] is None

    async def both():
        async with AsyncScorerClient(running.url) as client:
            scores = await asyncio.gather(*(client.score("helpfulness", [(PROMPT, [text])]) for text in texts[:3]))
            return [one.items[0].rewards[0] for one in scores], await client.models()

    found, models = asyncio.run(both())
    assert found == pytest.approx(expected, abs=1e-4) and models[0]["name"] == "helpfulness"
