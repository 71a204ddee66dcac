"""How far a text lies from what a reward model was trained on, in the features that its head reads.

The distance is Mahalanobis' in the principal components of the training texts' features. Features are not Gaussian, so
it is told as a percentile: the share of training texts that lie nearer, each of those judged by a fit on others.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from training.engine.common.whitening import Array, n_components_of, squared_distances, whitening

FILE_NAME = "feature_range.safetensors"

# Texts that it is made from, folds by which training texts are judged.
MOST_TEXTS = 2_000
N_FOLDS = 5
_N_QUANTILES = 401


@dataclass(frozen=True)
class FeatureRange:
    """mean (d). to_unit (d, k): from features less their mean to components of variance 1. quantiles, equally spaced
    from the least to the greatest, of squared distances of training texts."""

    mean: Array
    to_unit: Array
    quantiles: Array

    @classmethod
    def fit(cls, features: NDArray[np.floating], seed: int = 0) -> FeatureRange:
        """From features (n, d) of training texts, n at least 2; of many, from some drawn by the seed."""
        rng = np.random.default_rng(seed)
        some = rng.permutation(len(features))[:MOST_TEXTS]
        x = np.asarray(features, dtype=np.float64)[some]
        n_components = n_components_of(*x.shape)
        folds = np.arange(len(x)) % min(N_FOLDS, len(x))
        squares = np.zeros(len(x))
        for fold in range(int(folds.max()) + 1):
            mean, to_unit = whitening(x[folds != fold], n_components)
            squares[folds == fold] = squared_distances(x[folds == fold], mean, to_unit)
        mean, to_unit = whitening(x, n_components)
        return cls(mean, to_unit, np.quantile(squares, np.linspace(0, 1, _N_QUANTILES)))

    def percentiles(self, features: NDArray[np.floating]) -> Array:
        """Share (n) of training texts that lie nearer than each of the features (n, d): 0 to 1."""
        squares = squared_distances(features, self.mean, self.to_unit)
        return np.interp(squares, self.quantiles, np.linspace(0, 1, len(self.quantiles)))

    def save(self, directory: str | Path) -> None:
        """Write it beside the model's weights, in float32."""
        tensors = {name: value.astype(np.float32) for name, value in vars(self).items()}
        save_file(tensors, Path(directory) / FILE_NAME)

    @classmethod
    def load(cls, directory: str | Path) -> FeatureRange | None:
        """That of the model in a directory; None for a model that was trained elsewhere, or before this was kept."""
        path = Path(directory) / FILE_NAME
        if not path.is_file():
            return None
        return cls(**{name: value.astype(np.float64) for name, value in load_file(path).items()})
