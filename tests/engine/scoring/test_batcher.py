"""Turns, limits and ends of the batcher, with a real model."""

import concurrent.futures
import time

import numpy as np
import pytest

from training.engine.common.chat import Encoded
from training.engine.reward.ensemble import Member, RewardEnsemble
from training.engine.reward.model import RewardModel
from training.engine.scoring.batcher import Batcher, QueueFull, Stopping
from training.engine.scoring.models import ServedModel


@pytest.fixture(scope="module")
def served(trained_model):
    return ServedModel("helpfulness", 1, str(trained_model), RewardEnsemble.load(trained_model))


def another(tiny_base, name, seed):
    model = RewardModel.from_base(str(tiny_base), seed=seed, max_length=128)
    return ServedModel(name, 1, "", RewardEnsemble([Member(model, None, np.zeros(1))]))


@pytest.fixture(params=[1, 3], ids=lambda n: f"{n} at once")
def batcher(request):
    made = Batcher(tokens_per_batch=512, small_tokens=512, n_workers=request.param, n_threads=1)
    yield made
    if made.is_alive:
        made.stop()


def texts_of(served, n, length=5):
    messages = [{"role": "user", "content": "What is this?"}]
    return [served.reward_model.encode(messages, f"It is number {i}. " + "word " * length) for i in range(n)]


def test_rewards_are_the_models_own_in_order(served, batcher):
    batcher.start()
    texts = texts_of(served, 40)
    expected = served.reward_model.score_encoded(texts)
    (rewards,) = batcher.submit(served, texts).result(30)
    assert rewards.tolist() == pytest.approx(expected.tolist(), abs=1e-4)


def test_no_texts_are_answered_at_once(served, batcher):
    assert batcher.submit(served, []).result(0).shape == (1, 0)


def test_a_small_request_does_not_wait_for_a_bulk_one(served, batcher):
    bulk = batcher.submit(served, texts_of(served, 600), "the same client")
    small = batcher.submit(served, texts_of(served, 4), "the same client")
    batcher.start()
    done, _ = concurrent.futures.wait([bulk, small], 60, concurrent.futures.FIRST_COMPLETED)
    assert small in done and bulk not in done
    assert bulk.result(60).shape == (1, 600)


def test_a_full_queue_says_when_to_come_back(served):
    batcher = Batcher(max_queue=10)
    batcher.submit(served, texts_of(served, 8))
    with pytest.raises(QueueFull) as full:
        batcher.submit(served, texts_of(served, 3))
    assert full.value.retry_after_s >= 1
    batcher.submit(served, texts_of(served, 2))
    assert batcher.n_waiting == 10


def test_a_request_larger_than_the_queue_is_taken_alone(served):
    batcher = Batcher(max_queue=10)
    assert not batcher.submit(served, texts_of(served, 30)).done()


def test_what_is_cancelled_is_not_scored(served, batcher):
    cancelled = batcher.submit(served, texts_of(served, 50))
    cancelled.cancel()
    kept = batcher.submit(served, texts_of(served, 3))
    batcher.start()
    assert kept.result(30).shape == (1, 3)
    assert batcher.n_waiting == 0


def test_stopping_finishes_what_was_accepted_and_takes_nothing_new(served, batcher):
    future = batcher.submit(served, texts_of(served, 60))
    batcher.start()
    batcher.stop()
    assert future.result(0).shape == (1, 60)
    with pytest.raises(Stopping):
        batcher.submit(served, texts_of(served, 1))


def test_two_models_are_not_mixed_in_a_batch(served, batcher, tiny_base):
    other = another(tiny_base, "safety", seed=3)
    texts = texts_of(served, 20)
    futures = [batcher.submit(model, texts) for model in (served, other, served)]
    batcher.start()
    results = [future.result(30)[0].tolist() for future in futures]
    assert results[0] == pytest.approx(results[2], abs=1e-5)
    assert results[1] == pytest.approx(other.reward_model.score_encoded(texts).tolist(), abs=1e-4)


def test_what_the_model_fails_on_fails_alone(served, batcher):
    texts = texts_of(served, 5)
    too_large = [Encoded([10**6], [10**6], False)]  # ids that the model has no embedding for
    bad, good = batcher.submit(served, too_large, "one"), batcher.submit(served, texts, "other")
    batcher.start()
    assert good.result(30).shape == (1, 5), "though they came in one batch"
    assert isinstance(bad.exception(30), IndexError)
    deadline = time.monotonic() + 5
    while batcher.n_waiting and time.monotonic() < deadline:
        time.sleep(0.01)
    assert batcher.n_waiting == 0
