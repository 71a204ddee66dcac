"""Labeller-aware Bradley-Terry: every single rating, with each labeller's reliability and position bias learnt beside.

Crowd-BT (Chen et al. 2013, "Pairwise ranking aggregation in a crowdsourced setting") has a labeller answer from the
comparison with probability η and otherwise against it; here, otherwise at random, so that nobody's ratings are read
backwards. The position bias is that of noisy Bradley-Terry, inside the sigmoid.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

# Adam moves a parameter by about the learning rate in each update, which a trunk wants far smaller than log-odds do.
# The stored numbers are therefore the log-odds divided by this.
PACE = 32.0
MEAN_RELIABILITY = 0.9
MEAN_STD = 1.0
RELIABILITY_STD = 1.0
BIAS_STD = 0.5


class LabellerModel(nn.Module):
    """P(labeller j prefers `chosen`) = η_j σ(Δ + β_j · first) + (1 − η_j) / 2.

    Δ is the reward gap; `first` is +1 where `chosen` was shown first to j, −1 where `rejected` was, 0 where nobody
    knows. η_j in (0, 1) is the share of answers that come from reading, β_j the log-odds that being shown first adds.
    Both are the labellers' mean plus a deviation that `prior` shrinks, so a labeller with few ratings is an average
    one. `reliability` and `position_bias` start at 0.9 and 0.
    """

    def __init__(self, n_labellers: int) -> None:
        super().__init__()
        self.mean_logit = nn.Parameter(torch.zeros(()))  # minus that of MEAN_RELIABILITY
        self.logit = nn.Parameter(torch.zeros(n_labellers))
        self.mean_bias = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(n_labellers))

    @property
    def reliability(self) -> Tensor:
        """η (n_labellers,)."""
        start = math.log(MEAN_RELIABILITY / (1 - MEAN_RELIABILITY))
        return torch.sigmoid(start + PACE * (self.mean_logit + self.logit))

    @property
    def position_bias(self) -> Tensor:
        """β (n_labellers,)."""
        return PACE * (self.mean_bias + self.bias)

    def loss(self, reward_gap: Tensor, labeller: Tensor, side: Tensor, first: Tensor) -> Tensor:
        """−log P of each of n ratings (n,), from the gap of its comparison and its labeller's number, (n,) each.

        `side` is +1 where the labeller preferred `chosen`, −1 `rejected`, 0 a tie, which counts half for each side.
        """
        eta, beta = self.reliability[labeller], self.position_bias[labeller]
        # In the reward gap's precision, and as a sum of two positive terms, so it is finite for any gap.
        p = eta * torch.sigmoid(reward_gap + beta * first) + (1 - eta) / 2
        q = eta * torch.sigmoid(-reward_gap - beta * first) + (1 - eta) / 2
        share = (1 + side) / 2
        loss: Tensor = -(share * torch.log(p) + (1 - share) * torch.log(q))
        return loss

    def prior(self) -> Tensor:
        """−log of the normal priors, up to a constant: a scalar to add once to the loss of all ratings.

        The labellers' mean log-odds of reading are N(log-odds of 0.9, 1), single deviations N(0, 1); the mean bias is
        N(0, 0.5²), single deviations N(0, 0.5²).
        """
        squares = (
            (self.mean_logit / MEAN_STD).square()
            + (self.logit / RELIABILITY_STD).square().sum()
            + (self.mean_bias / BIAS_STD).square()
            + (self.bias / BIAS_STD).square().sum()
        )
        prior: Tensor = 0.5 * PACE**2 * squares
        return prior
