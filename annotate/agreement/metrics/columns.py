"""Ratings as columns: what is said of each labeller is computed from one of these."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Ratings:
    """One entry a current, counted rating, no repeats; all columns (n,). A labeller counts once a comparison.

    side: 1 a, −1 b, 0 a tie. signed_intensity: the side times the intensity, the side alone where it is not known.
    first_shown: 1 where the preferred completion had been shown first, 0 where second, −1 unknown or a tie.
    longer: 1 where the preferred completion is the longer one, 0 where the shorter, −1 a tie or equal length.
    gold_right: 1 where the gold answer was given, 0 where another, −1 where the comparison is not gold.
    active_ms: −1 unknown. n_words: words of the prompt and both completions, 0 unknown.
    week: days since 1970-01-01 by 7, rounded down. version: number of the guideline version read, 0 none.
    created_s: seconds since 1970-01-01.
    """

    comparison: NDArray[np.int64]
    labeller: NDArray[np.int64]
    side: NDArray[np.int8]
    signed_intensity: NDArray[np.int8]
    first_shown: NDArray[np.int8]
    longer: NDArray[np.int8]
    gold_right: NDArray[np.int8]
    active_ms: NDArray[np.int64]
    n_words: NDArray[np.int32]
    week: NDArray[np.int32]
    version: NDArray[np.int32]
    created_s: NDArray[np.int64]

    def __post_init__(self) -> None:
        for column in fields(self):
            values = getattr(self, column.name)
            if values.shape != self.comparison.shape or values.ndim != 1:
                raise ValueError(f"{column.name} {values.shape} must be one entry a rating {self.comparison.shape}")

    def __len__(self) -> int:
        return len(self.comparison)

    def select(self, mask: NDArray[Any]) -> "Ratings":
        """The ratings of a mask (n,), or at the indices given, in that order."""
        return Ratings(**{column.name: getattr(self, column.name)[mask] for column in fields(self)})

    @classmethod
    def from_arrays(
        cls, *, comparison: ArrayLike, labeller: ArrayLike, side: ArrayLike, **others: ArrayLike
    ) -> "Ratings":
        """Columns of anything numpy reads; those left out are unknown, and the intensity is then the side."""
        unknown = set(others) - _TYPES.keys()
        if unknown:
            raise TypeError(f"no such columns: {', '.join(sorted(unknown))}")
        given: dict[str, ArrayLike] = {"comparison": comparison, "labeller": labeller, "side": side, **others}
        n = len(np.asarray(comparison))
        columns = {}
        for name, (kind, default) in _TYPES.items():
            value = given.get(name)
            if value is None and name == "signed_intensity":
                value = side
            columns[name] = np.full(n, default, dtype=kind) if value is None else np.asarray(value).astype(kind)
        return cls(**columns)


# Type of each column, and what stands where it is not known.
_TYPES: dict[str, tuple[Any, int]] = {
    "comparison": (np.int64, 0),
    "labeller": (np.int64, 0),
    "side": (np.int8, 0),
    "signed_intensity": (np.int8, 0),
    "first_shown": (np.int8, -1),
    "longer": (np.int8, -1),
    "gold_right": (np.int8, -1),
    "active_ms": (np.int64, -1),
    "n_words": (np.int32, 0),
    "week": (np.int32, 0),
    "version": (np.int32, 0),
    "created_s": (np.int64, 0),
}
