"""Principal components of variance 1: distances in them are Mahalanobis', where a covariance could not be inverted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# A component needs ten rows to be known by; more than these tell little.
MOST_COMPONENTS = 32


def n_components_of(n: int, width: int) -> int:
    """How many components n rows of so many features are described by."""
    return min(MOST_COMPONENTS, max(1, n // 10), width)


def whitening(x: Array, n_components: int) -> tuple[Array, Array]:
    """Mean (d) of rows (n, d), and the map (d, k) of what deviates from it to components of variance 1.

    k is less than n_components where the rows span fewer. Features are brought to one scale first.
    """
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    _, singular, axes = np.linalg.svd((x - mean) / scale, full_matrices=False)
    used = singular[:n_components] > 1e-6 * max(1e-12, float(singular[0]))
    spread = singular[:n_components][used] / np.sqrt(max(1, len(x) - 1))
    to_unit: Array = (axes[:n_components][used] / scale).T / spread
    return mean, np.ascontiguousarray(to_unit)


def squared_distances(x: NDArray[np.floating], mean: Array, to_unit: Array) -> Array:
    """Squared Mahalanobis distances (n) of rows (n, d)."""
    squares: Array = np.square((np.asarray(x, dtype=np.float64) - mean) @ to_unit).sum(axis=1)
    return squares
