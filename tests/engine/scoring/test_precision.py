"""In half precision: how far from the padded float32 computation, and that nothing beside a text changes its reward."""

import random

import numpy as np
import pytest
import torch

from tests.engine.conftest import real_comparisons
from training.engine.reward.model import RewardModel
from training.engine.reward.packing import lay_out, padded_features

# Of the spread of the rewards: bfloat16 has 8 bits, so that a sum of some layers is off by one or two percent.
OFF_AT_MOST = {"bfloat16": 0.06, "float16": 0.01}


@pytest.fixture(scope="module")
def texts(trained_model):
    encoder = RewardModel.load(trained_model).encoder
    rows = real_comparisons("pandalm")[:200]
    return [
        text
        for row in rows
        for text in encoder.encode_group(row["prompt"], [completion["text"] for completion in row["completions"]])
    ]


@pytest.fixture(scope="module")
def reference(trained_model, texts):
    """Rewards of padded texts in float32, by transformers' own attention."""
    model = RewardModel.load(trained_model)
    rewards = []
    with torch.no_grad():
        for text in texts:
            padded = lay_out([text], pad_id=model.tokenizer.pad_token_id, is_padded=True, dtype=torch.float32)
            rewards.append(float(model.head(padded_features(model.model, padded))))
    return np.asarray(rewards)


@pytest.mark.parametrize("dtype", list(OFF_AT_MOST))
def test_rewards_are_those_of_padded_float32(trained_model, texts, reference, dtype):
    rewards = RewardModel.load(trained_model, dtype).score_encoded(texts)
    error = np.abs(rewards - reference)
    assert error.max() < OFF_AT_MOST[dtype] * reference.std(), (error.max(), reference.std())
    gaps, expected = (np.diff(one.reshape(-1, 2)).ravel() for one in (rewards, reference))
    assert np.mean(np.sign(gaps) == np.sign(expected)) >= 0.99


def test_what_else_is_in_the_batch_changes_nothing(trained_model, texts, reference):
    model = RewardModel.load(trained_model, "bfloat16")
    alone = np.asarray([model.score_encoded([text])[0] for text in texts])
    rng = random.Random(0)
    for _ in range(20):
        drawn = rng.sample(range(len(texts)), rng.randint(2, 60))
        together = model.score_encoded([texts[at] for at in drawn], tokens_per_batch=rng.choice([256, 1024, 8192]))
        assert np.abs(together - alone[drawn]).max() < OFF_AT_MOST["bfloat16"] * reference.std()
