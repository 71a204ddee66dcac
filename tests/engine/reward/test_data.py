from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from training.engine.common.chat import ChatEncoder, Encoded
from training.engine.common.errors import EngineError
from training.engine.lm.tokenizer import train_tokenizer
from training.engine.reward.data import (
    Comparisons,
    Sizes,
    collate,
    epoch_batches,
    examples_of,
    micro_batches,
    open_comparison_set,
    read_split,
    sizes_of,
    tokenise,
)


@pytest.fixture(scope="module")
def encoder() -> ChatEncoder:
    return ChatEncoder(train_tokenizer([""], vocab_size=300, max_length=4096), 4096)


@pytest.fixture(scope="module")
def directory(real_set: Callable[..., Path]) -> Path:
    return real_set("pandalm", limit=60, ties=True)


def test_it_reads_what_the_manifest_counts(directory: Path, encoder: ChatEncoder) -> None:
    source = open_comparison_set(directory)
    counts = {split: read_split(source, split).num_rows for split in ("train", "validation", "test")}
    assert counts == source.manifest["counts"]
    assert sum(counts.values()) == 60


def test_it_tokenises_texts_and_numbers(directory: Path, encoder: ChatEncoder) -> None:
    table = read_split(open_comparison_set(directory), "train")
    comparisons = tokenise(table, encoder)
    row = table.to_pylist()[3]
    assert comparisons.chosen[3] == encoder.encode(row["prompt"], row["chosen"][0]["content"])
    assert comparisons.rejected[3] == encoder.encode(row["prompt"], row["rejected"][0]["content"])
    assert comparisons.chosen[3].prompt_ids is comparisons.rejected[3].prompt_ids
    assert comparisons.numbers["soft_preference"][3] == pytest.approx(row["soft_preference"])
    assert np.isnan(comparisons.numbers["intensity"]).all()  # these ratings have none
    assert comparisons.meta["comparison_id"][3] == row["comparison_id"]
    assert len(comparisons) == table.num_rows


def test_an_absent_split_is_empty(real_set: Callable[..., Path], encoder: ChatEncoder) -> None:
    source = open_comparison_set(real_set("pandalm", limit=5))
    empty = [split for split, n in source.manifest["counts"].items() if n == 0]
    assert empty
    assert len(tokenise(read_split(source, empty[0]), encoder)) == 0


def test_it_refuses_a_shard_that_was_changed(real_set: Callable[..., Path]) -> None:
    directory = real_set("pandalm", limit=20)
    shard = directory / "train-00000.parquet"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(EngineError, match="train-00000") as caught:
        open_comparison_set(directory)
    assert caught.value.code == "digest_mismatch"
    shard.unlink()
    with pytest.raises(EngineError, match="missing"):
        open_comparison_set(directory)


def test_it_refuses_another_format(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no manifest\.json"):
        open_comparison_set(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps({"format": "other/1", "shards": []}))
    with pytest.raises(EngineError, match=r"expected 'touchstone\.comparison_set/2'"):
        open_comparison_set(tmp_path)


def test_an_epoch_is_a_permutation_fixed_by_seed_and_epoch() -> None:
    lengths = np.random.default_rng(0).integers(5, 500, size=103)

    def order(seed: int, epoch: int) -> list[list[int]]:
        batches = epoch_batches(lengths, batch_size=10, seed=seed, epoch=epoch, bucket_batches=4)
        return [batch.tolist() for batch in batches]

    first = order(0, 0)
    assert sorted(index for batch in first for index in batch) == list(range(103))
    assert sorted(len(batch) for batch in first) == [3] + [10] * 10
    assert order(0, 0) == first
    assert order(0, 1) != first
    assert order(1, 0) != first


def test_buckets_make_a_batch_about_equally_long() -> None:
    lengths = np.random.default_rng(0).integers(5, 500, size=640)

    def spread(bucket_batches: int) -> float:
        batches = epoch_batches(lengths, batch_size=16, seed=0, epoch=0, bucket_batches=bucket_batches)
        return float(np.mean([np.ptp(lengths[batch]) for batch in batches]))

    assert spread(10) < spread(1) / 5


def _sizes(longest: list[int], n_texts: list[int], packed: list[int], *, is_padded: bool) -> Sizes:
    return Sizes(np.array(longest), np.array(n_texts), np.array(packed), is_padded)


def test_micro_batches_split_a_batch_within_the_token_budget() -> None:
    """Padded, two texts of 10 and two of 20 tokens cost 4 × 20; packed, what is in them."""
    longest, packed = [50, 10, 40, 300, 20, 30], [70, 15, 60, 400, 30, 40]
    padded = micro_batches(np.array([0, 1, 2, 3, 4]), _sizes(longest, [2] * 6, packed, is_padded=True), 160)
    assert [part.tolist() for part in padded] == [[1, 4], [2], [0], [3]]
    parts = micro_batches(np.array([0, 1, 2, 3, 4]), _sizes(longest, [2] * 6, packed, is_padded=False), 110)
    assert [part.tolist() for part in parts] == [[1, 4, 2], [0], [3]]


def test_all_pairs_of_a_ranking_are_one_example(directory: Path, encoder: ChatEncoder) -> None:
    comparisons = tokenise(read_split(open_comparison_set(directory), "train"), encoder)
    n = len(comparisons)
    groups = [None, "r1", "r1", "r1", *[None] * (n - 4)]
    grouped = Comparisons(
        comparisons.chosen, comparisons.rejected, comparisons.numbers, {**comparisons.meta, "group": groups}
    )
    examples = examples_of(grouped)
    assert [one.tolist() for one in examples] == [[0], [1, 2, 3], *([i] for i in range(4, n))]


def test_sizes_count_a_shared_prompt_and_a_repeated_completion_once() -> None:
    """A ranking of three completions of 2, 3 and 4 tokens over a prompt of 5: 5 + 2 + 3 + 4, in three texts."""
    prompt, (x, y, z) = [1] * 5, ([2] * 2, [3] * 3, [4] * 4)
    texts = [Encoded(prompt, one, False) for one in (x, y, z)]
    pairs = [(0, 1), (0, 2), (1, 2)]
    comparisons = Comparisons(
        [texts[i] for i, _ in pairs], [texts[j] for _, j in pairs], {}, {"group": ["r", "r", "r"]}
    )
    sizes = sizes_of(comparisons, examples_of(comparisons), is_padded=False)
    assert (sizes.longest.tolist(), sizes.n_texts.tolist(), sizes.packed.tolist()) == ([9], [3], [14])


def test_a_padded_micro_batch_gives_chosen_above_rejected(directory: Path, encoder: ChatEncoder) -> None:
    comparisons = tokenise(read_split(open_comparison_set(directory), "train"), encoder)
    batch = collate(comparisons, [4, 2], pad_id=0, is_padded=True)
    assert len(batch) == 2
    expected = [comparisons.chosen[4], comparisons.chosen[2], comparisons.rejected[4], comparisons.rejected[2]]
    rows = batch.texts.input_ids[batch.texts.texts]
    mask = batch.texts.attention_mask[batch.texts.texts]
    assert rows.shape == (4, max(one.n_tokens for one in expected))
    for row, n_tokens, one in zip(rows, mask.sum(dim=1), expected, strict=True):
        assert int(n_tokens) == one.n_tokens
        assert row[: one.n_tokens].tolist() == one.input_ids
    assert batch.soft_preference.tolist() == comparisons.numbers["soft_preference"][[4, 2]].tolist()
