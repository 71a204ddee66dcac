"""Comparison sets on disk to batches of token ids: verified, tokenised once, in an order fixed by (seed, epoch)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.engine.common.atomic import sha256_file
from training.engine.common.chat import ChatEncoder, Encoded
from training.engine.common.errors import EngineError
from training.engine.common.progress import Reporter
from training.engine.reward.packing import Pack, Padded, lay_out

FORMATS = ("touchstone.comparison_set/1", "touchstone.comparison_set/2")
NUMBERS = ("margin", "weight", "soft_preference", "intensity", "agreement")
# Columns that reports and some objectives need, and what a set without one of them has instead.
META: dict[str, Any] = {
    "comparison_id": None,
    "prompt_digest": "",
    "chosen_is_a": False,
    "chosen_chars": 0,
    "rejected_chars": 0,
    "chosen_source": "",
    "rejected_source": "",
    "chosen_source_kind": "",
    "rejected_source_kind": "",
    "axis": "",
    "language": "",
    "cluster": None,
    "batch": 0,
    "group": None,
    "tags": [],
    "is_hard": False,
    "n_ratings": 0,
    "labellers": [],
    "sides": [],
    "firsts": [],
}


@dataclass(frozen=True)
class ComparisonSet:
    """A comparison set's manifest and where it is; its shards have been checked against their digests."""

    directory: Path
    manifest: dict[str, Any]

    @property
    def digest(self) -> str:
        """The manifest's digest over all shards."""
        return str(self.manifest["digest"])


@dataclass(frozen=True)
class Comparisons:
    """The comparisons of one split, n of them, tokenised.

    `chosen` and `rejected` share one list object of prompt ids where neither was cut, so that a forward pass may
    compute the prompt once. `numbers` holds margin, weight, soft_preference, intensity, agreement as float32 (n,), NaN
    for null; `meta` holds the columns of META, as lists of n.
    """

    chosen: list[Encoded]
    rejected: list[Encoded]
    numbers: dict[str, NDArray[np.float32]]
    meta: dict[str, list[Any]]

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def n_truncated(self) -> int:
        """How many comparisons had a text that was cut."""
        return sum(c.is_truncated or r.is_truncated for c, r in zip(self.chosen, self.rejected, strict=True))

    @property
    def n_tokens(self) -> int:
        """Tokens of all texts, prompts counted with each completion."""
        return sum(one.n_tokens for side in (self.chosen, self.rejected) for one in side)


@dataclass(frozen=True)
class MicroBatch:
    """Some comparisons of one step: `texts` gives 2n texts, the n chosen ones first."""

    indices: NDArray[np.int64]
    texts: Pack | Padded
    soft_preference: Tensor
    margin: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return len(self.weight)


def open_comparison_set(directory: str | Path) -> ComparisonSet:
    """Read the manifest and check every shard's SHA-256.

    Raises EngineError: "input_not_found", "bad_input" (another format), "digest_mismatch" naming the shard.
    """
    directory = Path(directory)
    path = directory / "manifest.json"
    if not path.is_file():
        raise EngineError("input_not_found", f"{directory} holds no comparison set (no manifest.json)")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    if manifest.get("format") not in FORMATS:
        raise EngineError("bad_input", f"{path} has format {manifest.get('format')!r}, expected {FORMATS[-1]!r}")
    for shard in manifest["shards"]:
        file = directory / shard["path"]
        if not file.is_file():
            raise EngineError("input_not_found", f"the shard {file} of the comparison set is missing")
        if sha256_file(file) != shard["sha256"]:
            raise EngineError(
                "digest_mismatch", f"the shard {file} is not what the manifest describes; export it again"
            )
    return ComparisonSet(directory, manifest)


def read_split(source: ComparisonSet, split: str) -> pa.Table:
    """All rows of one split ("train", "validation", "test") as an Arrow table; an empty table when it has none."""
    files = [source.directory / shard["path"] for shard in source.manifest["shards"] if shard["split"] == split]
    tables = [pq.read_table(file) for file in files]
    return pa.concat_tables(tables) if tables else pa.table({})


def comparison_ids(source: ComparisonSet) -> set[int]:
    """The comparisons of all splits, by id; rows without one are left out."""
    files = [source.directory / shard["path"] for shard in source.manifest["shards"]]
    columns = (pq.read_table(file, columns=["comparison_id"]).column(0) for file in files)
    return {pk for column in columns for pk in column.to_pylist() if pk is not None}


def tokenise(
    table: pa.Table, encoder: ChatEncoder, reporter: Reporter | None = None, *, split: str = ""
) -> Comparisons:
    """Token ids of every comparison of a split; a prompt that several comparisons share is tokenised once."""
    chosen: list[Encoded] = []
    rejected: list[Encoded] = []
    prompts: dict[str, list[int]] = {}
    completions: dict[str, list[int]] = {}  # of the last prompt: rankings repeat them
    last = ""
    n_rows = table.num_rows
    for batch in table.to_batches(max_chunksize=512):
        for row in batch.select(["prompt", "prompt_digest", "chosen", "rejected"]).to_pylist():
            messages = row["prompt"]
            key = row["prompt_digest"] or json.dumps(messages)
            if key not in prompts:
                prompts[key] = encoder.prompt_ids(messages)
            if key != last:
                completions, last = {}, key
            for side, target in (("chosen", chosen), ("rejected", rejected)):
                text = row[side][0]["content"]
                if text not in completions:
                    completions[text] = encoder.completion_ids(messages, text)
                target.append(encoder.join(prompts[key], completions[text]))
        if reporter is not None:
            reporter.progress("tokenise", len(chosen), n_rows, unit="comparisons", message=split)
    numbers = {
        name: np.asarray(
            table.column(name).cast(pa.float32()).fill_null(float("nan")).to_numpy() if n_rows else [], dtype=np.float32
        )
        for name in NUMBERS
    }
    if n_rows and not all(np.isfinite(numbers[name]).all() for name in ("margin", "weight", "soft_preference")):
        raise EngineError("bad_input", "margin, weight and soft_preference of a comparison set must be finite numbers")
    meta = {
        name: table.column(name).to_pylist() if name in table.column_names else [missing] * n_rows
        for name, missing in META.items()
    }
    return Comparisons(chosen, rejected, numbers, meta)


def examples_of(comparisons: Comparisons) -> list[NDArray[np.int64]]:
    """The comparisons by example: all pairs of one ranking are one (InstructGPT, arXiv 2203.02155 §3.5).

    Shuffled apart, each completion of a ranking of K would be seen in K − 1 updates, which overfits in one epoch.
    """
    groups: dict[Any, list[int]] = {}
    for index, group in enumerate(comparisons.meta.get("group") or [None] * len(comparisons)):
        groups.setdefault(group or ("alone", index), []).append(index)
    return [np.asarray(members, dtype=np.int64) for members in groups.values()]


def epoch_batches(
    lengths: NDArray[np.int64], *, batch_size: int, seed: int, epoch: int, bucket_batches: int
) -> list[NDArray[np.int64]]:
    """Indices of one epoch in batches of `batch_size` (the last may be smaller): a pure function of its arguments.

    The examples are shuffled, every run of `bucket_batches` batches is sorted by length so that a batch's texts are
    about equally long, and the order of the batches is shuffled. bucket_batches = 1 leaves plain shuffled batches.
    """
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(lengths))
    bucket = batch_size * max(1, bucket_batches)
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), bucket):
        part = order[start : start + bucket]
        if bucket_batches > 1:
            part = part[np.argsort(lengths[part], kind="stable")]
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    return [batches[i] for i in random.permutation(len(batches))]


def micro_batches(indices: NDArray[np.int64], sizes: Sizes, tokens: int) -> list[NDArray[np.int64]]:
    """Split a batch in order of length so that what is computed in one forward pass stays within `tokens`.

    The split changes memory and speed only: the loss is a sum over comparisons, so the gradient is the batch's.
    """
    order = indices[np.argsort(sizes.longest[indices], kind="stable")]
    parts: list[list[int]] = []
    n_texts = n_tokens = 0
    for index in order.tolist():
        longest = int(sizes.longest[index])
        padded, packed = longest * (n_texts + int(sizes.n_texts[index])), n_tokens + int(sizes.packed[index])
        cost = padded if sizes.is_padded else packed
        if not parts or cost > tokens:
            parts.append([])
            n_texts = n_tokens = 0
        parts[-1].append(index)
        n_texts += int(sizes.n_texts[index])
        n_tokens += int(sizes.packed[index])
    return [np.asarray(part, dtype=np.int64) for part in parts]


@dataclass(frozen=True)
class Sizes:
    """What examples cost, (n,) each: tokens of the longest text, distinct texts, tokens without padding or repeats."""

    longest: NDArray[np.int64]
    n_texts: NDArray[np.int64]
    packed: NDArray[np.int64]
    is_padded: bool


def sizes_of(comparisons: Comparisons, examples: Sequence[NDArray[np.int64]], *, is_padded: bool) -> Sizes:
    """The sizes of some examples. A prompt that texts of an example share counts once towards `packed`."""
    longest, n_texts, packed = (np.zeros(len(examples), dtype=np.int64) for _ in range(3))
    for at, members in enumerate(examples):
        texts = [side[i] for side in (comparisons.chosen, comparisons.rejected) for i in members.tolist()]
        if len(texts) > 2:
            texts = list({(id(one.prompt_ids), id(one.completion_ids)): one for one in texts}.values())
        prompts = {id(one.prompt_ids): len(one.prompt_ids) for one in texts}
        longest[at] = max(one.n_tokens for one in texts)
        n_texts[at] = len(texts)
        packed[at] = sum(prompts.values()) + sum(len(one.completion_ids) for one in texts)
    return Sizes(longest, n_texts, packed, is_padded)


def collate(
    comparisons: Comparisons,
    indices: Sequence[int] | NDArray[np.int64],
    *,
    pad_id: int,
    is_padded: bool,
    dtype: torch.dtype = torch.float32,
) -> MicroBatch:
    """Some comparisons as tensors; `dtype` of a pack's masks."""
    picked = [int(index) for index in indices]
    texts = [side[i] for side in (comparisons.chosen, comparisons.rejected) for i in picked]
    numbers = {
        name: torch.from_numpy(comparisons.numbers[name][picked]) for name in ("soft_preference", "margin", "weight")
    }
    laid_out = lay_out(texts, pad_id=pad_id, is_padded=is_padded, dtype=dtype)
    return MicroBatch(np.asarray(picked, dtype=np.int64), laid_out, **numbers)
