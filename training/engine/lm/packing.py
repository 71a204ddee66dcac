"""Documents of any length in rows of one length, without reading across document borders.

Positions restart at 0 with each document. transformers sees the restart and masks attention between documents, so a
packed row gives each of its documents the logits it would have alone (tested).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PackedRows:
    """`input_ids` and `positions` (n, length) int32; `has_loss` (n, length) bool: which tokens are to be predicted."""

    input_ids: NDArray[np.int32]
    positions: NDArray[np.int32]
    has_loss: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def n_loss_tokens(self) -> int:
        """How many tokens the loss is taken over in one pass."""
        return int(self.has_loss.sum())


def pack_split(documents: Sequence[Sequence[int]], length: int) -> PackedRows:
    """Documents one after the other, cut wherever a row is full; the last row is filled by wrapping to the start.

    No padding. Every token has loss but the first of a document or of a row, which nothing precedes.
    """
    if not any(documents):
        raise ValueError("nothing to pack")
    ids = np.concatenate([np.asarray(document, dtype=np.int32) for document in documents if len(document)])
    starts = np.concatenate([np.arange(len(document), dtype=np.int32) for document in documents if len(document)])
    n_rows = -(-len(ids) // length)
    ids, starts = np.resize(ids, n_rows * length), np.resize(starts, n_rows * length)
    ids, starts = ids.reshape(n_rows, length), starts.reshape(n_rows, length)
    # A document cut by a row border goes on at position 0 there: subtract what it had reached.
    is_first_document = np.cumsum(starts == 0, axis=1) - (starts[:, :1] == 0) == 0
    positions = np.where(is_first_document, starts - starts[:, :1], starts)
    return PackedRows(ids, positions.astype(np.int32), positions > 0)


def pack_whole(documents: Sequence[tuple[Sequence[int], int]], length: int, pad_id: int) -> PackedRows:
    """Whole documents (ids, number of leading ids without loss), first-fit decreasing, the rest of a row padded.

    A document longer than `length` raises ValueError: cutting is the caller's decision. Padding is a document of its
    own without loss.
    """
    order = sorted(range(len(documents)), key=lambda i: (-len(documents[i][0]), i))
    bins: list[list[int]] = []
    room: list[int] = []
    for index in order:
        size = len(documents[index][0])
        if size > length:
            raise ValueError(f"document {index} has {size} tokens, more than a row of {length}")
        for place, free in enumerate(room):
            if size <= free:
                bins[place].append(index)
                room[place] -= size
                break
        else:
            bins.append([index])
            room.append(length - size)
    input_ids = np.full((len(bins), length), pad_id, dtype=np.int32)
    positions = np.zeros((len(bins), length), dtype=np.int32)
    has_loss = np.zeros((len(bins), length), dtype=np.bool_)
    for row, members in enumerate(bins):
        at = 0
        for index in members:
            ids, n_context = documents[index]
            end = at + len(ids)
            input_ids[row, at:end] = ids
            positions[row, at:end] = np.arange(len(ids))
            has_loss[row, at + max(1, n_context) : end] = True
            at = end
        positions[row, at:] = np.arange(length - at)
    return PackedRows(input_ids, positions, has_loss)
