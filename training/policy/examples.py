"""What an SFT run learns from: chosen completions of a comparison set, or what people wrote.

Trained on are prompts of the training split. The loss is measured, before and after, on those of the validation split,
which no model of ours is trained on. The test split is not read.
"""

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow.parquet as pq
from django.db.models import QuerySet

from annotate.pool.models import Completion, CompletionSource, SourceKind
from annotate.projects.models import Pool
from training import artifacts
from training.exports.models import ComparisonSet
from training.exports.reading import AI
from training.splits import N_TRAIN_TENTHS, DigestTenth

# Rows that are read at most, so that a preview takes seconds and a set of any size fits into memory.
MAX_TRAIN, MAX_HELDOUT = 100_000, 5_000
MOST = {"train": MAX_TRAIN, "validation": MAX_HELDOUT}
# Why a row is no example.
LEFT_OUT = ("tie", "ai", "outvoted", "repeated", "empty")
CHARS_PER_TOKEN = 4
_EPSILON = 1e-6
_CHUNK = 1_000


@dataclass
class Examples(ABC):
    """The examples of a run, counted when it is made; `rows` reads them again.

    Both splits by "train" and "validation". n: examples, n_chars: of prompts and completions together, lengths: each
    one's characters. left_out: rows by the reason. n_unread: rows beyond what is read.
    """

    n: Counter[str] = field(default_factory=Counter)
    n_chars: Counter[str] = field(default_factory=Counter)
    lengths: list[int] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    n_unread: int = 0

    @abstractmethod
    def rows(self, split: str) -> Iterator[dict[str, Any]]:
        """{"id", "messages", "completion"} of a split, in an order that does not change. The id names the row."""

    def n_long(self, max_length: int) -> int:
        """How many are longer than so many tokens, about."""
        return sum(length > max_length * CHARS_PER_TOKEN for length in self.lengths)

    @property
    def counts(self) -> dict[str, Any]:
        """{"n_examples", "n_heldout", "n_tokens" (of one pass, about), "left_out" by reason, "n_unread"}."""
        return {
            "n_examples": self.n["train"],
            "n_heldout": self.n["validation"],
            "n_tokens": round(self.n_chars["train"] / CHARS_PER_TOKEN),
            "left_out": {why: self.left_out[why] for why in LEFT_OUT if self.left_out[why]},
            "n_unread": self.n_unread,
        }

    def _take(self, split: str, messages: list[dict[str, str]], completion: str) -> None:
        length = sum(len(message["content"]) for message in messages) + len(completion)
        self.n[split] += 1
        self.n_chars[split] += length
        if split == "train":
            self.lengths.append(length)


class ChosenCompletions(Examples):
    """Completions that a set's comparisons choose more often than they reject, each once.

    Ties choose nothing, and of AI ratings nothing is learnt here. Reads the set's files twice: votes first.
    """

    def __init__(self, comparison_set: ComparisonSet) -> None:
        super().__init__()
        self.comparison_set = comparison_set
        # By the comparison that first chose a completion; 16 bytes each for prompt and text.
        self._taken: set[int] = set()
        for split in MOST:
            self._count(split)

    def rows(self, split: str) -> Iterator[dict[str, Any]]:
        for row in self._read(split):
            # A comparison may have a second row, by AI ratings.
            if row["comparison_id"] in self._taken and not _unusable(row):
                yield {
                    "id": f"comparison {row['comparison_id']}",
                    "messages": row["prompt"],
                    "completion": row["chosen"][0]["content"],
                }

    def _count(self, split: str) -> None:
        balance: Counter[bytes] = Counter()
        first: dict[bytes, int] = {}
        for row in self._read(split):
            if why := _unusable(row):
                self.left_out[why] += 1
                continue
            chosen, rejected = _key(row, "chosen"), _key(row, "rejected")
            balance[chosen] += 1
            balance[rejected] -= 1
            if chosen in first:
                self.left_out["repeated"] += 1
            else:
                first[chosen] = row["comparison_id"]
        kept = {pk for key, pk in first.items() if balance[key] > 0}
        self.left_out["outvoted"] += len(first) - len(kept)
        self._taken |= kept
        for row in self.rows(split):
            self._take(split, row["messages"], row["completion"])
        n_there = sum(shard["rows"] for shard in self._shards(split))
        self.n_unread += max(0, n_there - MOST[split])

    def _shards(self, split: str) -> list[dict[str, Any]]:
        return [shard for shard in self.comparison_set.manifest.get("shards", []) if shard["split"] == split]

    def _read(self, split: str) -> Iterator[dict[str, Any]]:
        filesystem, directory = artifacts.open_filesystem(self.comparison_set.uri)
        left = MOST[split]
        for shard in self._shards(split):
            with filesystem.open(f"{directory}/{shard['path']}", "rb") as file:
                parquet = pq.ParquetFile(file)
                columns = ["prompt", "chosen", "rejected", "soft_preference", "comparison_id"]
                if "origin" in parquet.schema_arrow.names:
                    columns.append("origin")
                for batch in parquet.iter_batches(batch_size=_CHUNK, columns=columns):
                    yield from batch.to_pylist()[:left]
                    left -= batch.num_rows
                    if left <= 0:
                        return


def _unusable(row: dict[str, Any]) -> str:
    """Why a comparison chooses nothing to learn from; empty where it does."""
    if row.get("origin") == AI:
        return "ai"
    if abs(row["soft_preference"] - 0.5) < _EPSILON:
        return "tie"
    return "" if row["chosen"][0]["content"].strip() else "empty"


def _key(row: dict[str, Any], side: str) -> bytes:
    messages = [(message["role"], message["content"]) for message in [*row["prompt"], *row[side]]]
    return hashlib.blake2b(repr(messages).encode(), digest_size=16).digest()


class Demonstrations(Examples):
    """Completions that people wrote (of kind "human") to prompts of the pool."""

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self.pool = pool
        for split in MOST:
            for row in self.rows(split):
                self._take(split, row["messages"], row["completion"])
            written = self._written(split)
            n_read = written[: MOST[split]].count()
            self.left_out["empty"] += n_read - self.n[split]
            self.n_unread += written.count() - n_read

    def rows(self, split: str) -> Iterator[dict[str, Any]]:
        read = self._written(split).order_by("digest", "pk").values_list("pk", "prompt__messages", "text")
        for pk, messages, text in read[: MOST[split]].iterator(chunk_size=_CHUNK):
            if text.strip():
                plain = [{"role": message["role"], "content": message["content"]} for message in messages]
                yield {"id": f"completion {pk}", "messages": plain, "completion": text}

    def _written(self, split: str) -> QuerySet[Completion]:
        people = CompletionSource.objects.filter(pool=self.pool, kind=SourceKind.HUMAN)
        written = Completion.objects.filter(source__in=people).alias(tenth=DigestTenth("prompt__digest"))
        return written.filter(tenth__lt=N_TRAIN_TENTHS) if split == "train" else written.filter(tenth=N_TRAIN_TENTHS)


def examples_of(pool: Pool, comparison_set: ComparisonSet | None) -> Examples:
    return Demonstrations(pool) if comparison_set is None else ChosenCompletions(comparison_set)
