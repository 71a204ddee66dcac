from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from training.engine.lm.packing import pack_split, pack_whole
from training.engine.lm.trainer import rows_of_step, token_loss


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=64,
    )
    return LlamaForCausalLM(config).eval()


def test_it_cuts_documents_at_row_borders_and_wraps_the_last_row() -> None:
    rows = pack_split([[10, 11, 12], [20, 21, 22, 23], [30]], 5)
    assert rows.input_ids.tolist() == [[10, 11, 12, 20, 21], [22, 23, 30, 10, 11]]
    assert rows.positions.tolist() == [[0, 1, 2, 0, 1], [0, 1, 0, 0, 1]]
    assert rows.has_loss.tolist() == [[False, True, True, False, True], [False, True, False, False, True]]


def test_it_packs_whole_documents_and_puts_loss_on_their_ends_only() -> None:
    rows = pack_whole([([1, 2], 1), ([3, 4, 5, 6], 2), ([7, 8, 9], 0)], 6, pad_id=0)
    assert rows.input_ids.tolist() == [[3, 4, 5, 6, 1, 2], [7, 8, 9, 0, 0, 0]]
    assert rows.positions.tolist() == [[0, 1, 2, 3, 0, 1], [0, 1, 2, 0, 1, 2]]
    f, t = False, True
    assert rows.has_loss.tolist() == [[f, f, t, t, f, t], [f, t, t, f, f, f]]
    assert rows.n_loss_tokens == 5


def test_it_refuses_a_document_longer_than_a_row() -> None:
    with pytest.raises(ValueError, match="7 tokens"):
        pack_whole([([1] * 7, 1)], 6, pad_id=0)


def test_a_packed_row_has_the_loss_of_its_documents_alone(model: LlamaForCausalLM) -> None:
    """The reference is transformers' own loss over each document by itself, summed."""
    random = np.random.default_rng(0)
    documents = [random.integers(1, 50, size=size).tolist() for size in (9, 5, 12, 3)]
    rows = pack_whole([(document, 0) for document in documents], 16, pad_id=0)
    assert len(rows) == 2
    with torch.no_grad():
        packed = token_loss(
            model,
            torch.from_numpy(rows.input_ids.astype(np.int64)),
            torch.from_numpy(rows.positions.astype(np.int64)),
            torch.from_numpy(rows.has_loss),
        )
        alone = 0.0
        for document in documents:
            ids = torch.tensor([document])
            alone += float(model(input_ids=ids, labels=ids).loss) * (len(document) - 1)
    assert float(packed) == pytest.approx(alone, rel=1e-5)


def test_steps_walk_through_whole_epochs() -> None:
    picked = np.concatenate([rows_of_step(7, step, 3, seed=1) for step in range(7)])
    assert len(picked) == 21
    for epoch in range(3):
        assert sorted(picked[7 * epoch : 7 * epoch + 7].tolist()) == list(range(7))
    assert picked[:7].tolist() != picked[7:14].tolist()
