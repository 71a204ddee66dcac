"""How sure a reward model is: the Laplace approximation of its last layer.

With the trunk held fixed, Bradley-Terry training of the head is logistic regression on x = f(chosen) − f(rejected), f
being the features the head reads. Around the trained head ŵ its posterior is close to N(ŵ, H⁻¹) with

    H = λI + Σ wᵢ σ(gᵢ)(1 − σ(gᵢ)) xᵢxᵢᵀ,   gᵢ = ŵ·xᵢ

(MacKay, "A practical Bayesian framework for backpropagation networks", 1992; for the last layer alone, Kristiadi et al.
2020). A head drawn from it is one of the heads that the ratings leave possible; a bias would cancel in every gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

FILE_NAME = "head_posterior.safetensors"


@dataclass(frozen=True)
class HeadPosterior:
    """precision: H, (d, d) float64, symmetric and positive definite. n: comparisons it was made from."""

    precision: NDArray[np.float64]
    n: int

    @classmethod
    def fit(
        cls,
        differences: NDArray[np.floating],
        gaps: NDArray[np.floating],
        weights: NDArray[np.floating] | None = None,
    ) -> HeadPosterior:
        """From feature differences (n, d), reward gaps (n,) and weights (n,) of mean 1 of the training comparisons.

        The prior λ = mean ‖x‖² expects gaps of about ±1 between completions that nothing is known about.
        """
        x = np.asarray(differences, dtype=np.float64)
        g = np.asarray(gaps, dtype=np.float64)
        w = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64)
        p = 1 / (1 + np.exp(-np.clip(g, -40, 40)))
        prior = prior_precision(x)
        return cls(prior * np.eye(x.shape[1]) + (x * (w * p * (1 - p))[:, None]).T @ x, len(x))

    def gap_variance(self, differences: NDArray[np.floating]) -> NDArray[np.float64]:
        """Variance xᵀH⁻¹x (n,) of the reward gap of pairs with feature differences (n, d)."""
        solved = np.linalg.solve(self.precision, np.asarray(differences, dtype=np.float64).T)
        variance: NDArray[np.float64] = np.einsum("nd,dn->n", differences, solved)
        return variance

    def draw(self, n_heads: int, seed: int) -> NDArray[np.float64]:
        """Deviations (n_heads, d) of heads drawn from the posterior from the trained one."""
        factor = np.linalg.cholesky(self.precision)
        noise = np.random.default_rng(seed).standard_normal((len(factor), n_heads))
        deviations: NDArray[np.float64] = np.linalg.solve(factor.T, noise).T
        return deviations

    def whitening(self) -> NDArray[np.float64]:
        """W (d, d), of which (Wᵀx)ᵀ(Wᵀx') = xᵀH⁻¹x': products of features times W are covariances of gaps."""
        inverse: NDArray[np.float64] = np.linalg.inv(np.linalg.cholesky(self.precision)).T
        return inverse

    def save(self, directory: str | Path) -> None:
        """Write it beside the model's weights, in float32."""
        tensors: dict[str, NDArray[Any]] = {
            "precision": self.precision.astype(np.float32),
            "n": np.array([self.n], dtype=np.int64),
        }
        save_file(tensors, Path(directory) / FILE_NAME)

    @classmethod
    def load(cls, directory: str | Path) -> HeadPosterior | None:
        """The posterior of the model in a directory; None for a model that was trained elsewhere."""
        path = Path(directory) / FILE_NAME
        if not path.is_file():
            return None
        tensors = load_file(path)
        return cls(tensors["precision"].astype(np.float64), int(tensors["n"][0]))


def prior_precision(differences: NDArray[np.floating]) -> float:
    """λ = mean ‖x‖² of feature differences (n, d): a typical pair's gap then has prior variance 1."""
    squares = np.square(np.asarray(differences, dtype=np.float64)).sum(axis=1)
    return float(max(squares.mean() if len(squares) else 1.0, 1e-6))
