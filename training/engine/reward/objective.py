"""What training minimises, from the features of a micro-batch, and what is learnt for it beside the reward head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.engine.reward.data import Comparisons, MicroBatch
from training.engine.reward.labellers import LabellerModel
from training.engine.reward.length import odin_penalty
from training.engine.reward.loss import PreferenceLoss, davidson_loss, preference_loss

if TYPE_CHECKING:
    from training.engine.reward.trainer import RewardTrainConfig

# A trunk's learning rate moves a weight by about 1e-4 an update: log ν is kept small so that it gets anywhere.
LOG_NU_SCALE = 32.0


class Learner(nn.Module):
    """The loss of micro-batches of `training`; its parameters are trained with the trunk and left behind with it.

    `heads`: several heads on one trunk, each trained on a bootstrap of the comparisons (weights of Poisson(1), Oza &
    Russell 2001), so that they part where data is thin; the reward is their mean, which `settle` puts into the head.
    They begin as `heads` (h, d), those of the model that training goes on from, or apart from one another by chance.
    `length_head`: ODIN's second head, which takes what length explains (Chen et al. 2024, arXiv 2402.07319).
    `log_nu`: how likely ties are (Davidson 1970). `labellers`: reliabilities and position biases.
    """

    def __init__(
        self, config: RewardTrainConfig, head: nn.Linear, training: Comparisons, heads: Tensor | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self._head = [head]  # in a list: it belongs to the model, whose parameters it is among
        width = head.in_features
        generator = torch.Generator().manual_seed(config.seed)
        self.heads: nn.Linear | None = None
        self.bootstrap: Tensor | None = None
        if config.n_heads > 1:
            self.heads = nn.Linear(width, config.n_heads, bias=False)
            std = float(head.weight.detach().std())
            with torch.no_grad():
                drawn_heads = torch.randn(self.heads.weight.shape, generator=generator) * std
                self.heads.weight.copy_(drawn_heads if heads is None else heads)
            drawn = np.random.default_rng(config.seed).poisson(1.0, (len(training), config.n_heads))
            self.bootstrap = torch.from_numpy(drawn.astype(np.float32))
        self.length_head: nn.Linear | None = None
        if config.length_remedy == "odin":
            self.length_head = nn.Linear(width, 1, bias=False)
            with torch.no_grad():
                self.length_head.weight.copy_(torch.randn((1, width), generator=generator) * width**-0.5 * 0.01)
        self.lengths = _lengths(training)
        self.log_nu = nn.Parameter(torch.zeros(())) if config.ties == "davidson" else None
        self.ratings = _Ratings.of(training) if config.objective == "labellers" else None
        self.labellers = LabellerModel(self.ratings.n_labellers) if self.ratings is not None else None

    def forward(self, features: Tensor, batch: MicroBatch) -> PreferenceLoss:
        """Sums over the batch's n comparisons, from features (2n, d) of their chosen and then their rejected texts."""
        features = features.float()
        if self.heads is not None:
            return self._of_heads(self.heads(features), batch)
        reward = self._head[0](features).squeeze(-1)
        if self.length_head is None:
            return self._loss(reward, batch, batch.weight.to(reward))
        by_length = self.length_head(features).squeeze(-1)
        found = self._loss(reward + by_length, batch, batch.weight.to(reward))
        lengths = self.lengths[:, batch.indices].reshape(-1).to(reward)
        penalty = odin_penalty(reward, by_length, lengths, self._head[0].weight, self.length_head.weight)
        n = len(batch)
        return found._replace(total=found.total + n * penalty, reward_gap=reward[:n] - reward[n:])

    def settle(self) -> None:
        """Put the mean of several heads into the model's one head, whose reward is then the mean of theirs."""
        if self.heads is not None:
            with torch.no_grad():
                self._head[0].weight.copy_(self.heads.weight.mean(dim=0, keepdim=True))

    def _of_heads(self, rewards: Tensor, batch: MicroBatch) -> PreferenceLoss:
        assert self.bootstrap is not None
        weights = self.bootstrap[batch.indices].to(rewards) * batch.weight.to(rewards)[:, None]
        each = [self._loss(rewards[:, k], batch, weights[:, k]) for k in range(rewards.shape[1])]
        n = len(batch)
        mean = rewards.mean(dim=1)
        whole = self._loss(mean.detach(), batch, batch.weight.to(rewards))
        return whole._replace(total=torch.stack([one.total for one in each]).mean(), reward_gap=mean[:n] - mean[n:])

    def _loss(self, reward: Tensor, batch: MicroBatch, weight: Tensor) -> PreferenceLoss:
        chosen, rejected = reward[: len(batch)], reward[len(batch) :]
        p = batch.soft_preference.to(reward)
        found = preference_loss(
            chosen,
            rejected,
            soft_preference=p,
            margin=batch.margin.to(reward),
            weight=weight,
            label_smoothing=self.config.label_smoothing,
            centring=self.config.centring,
        )
        if self.log_nu is not None:
            is_tie = (p == 0.5).to(reward)
            each = davidson_loss(found.reward_gap, self.log_nu * LOG_NU_SCALE, p * (1 - is_tie), is_tie, weight)
            return found._replace(total=each.sum(), per_comparison=each)
        if self.labellers is not None and self.ratings is not None:
            return found._replace(total=self._by_ratings(found.reward_gap, batch, weight))
        return found

    def _by_ratings(self, gap: Tensor, batch: MicroBatch, weight: Tensor) -> Tensor:
        """The mean loss of a comparison's single ratings, summed over comparisons; without any, it has no say."""
        assert self.labellers is not None and self.ratings is not None
        at, labeller, side, first = self.ratings.some(batch.indices)
        # The losses of a comparison's ratings are averaged, so the prior is that of one rating a comparison.
        prior = self.labellers.prior() * (len(batch) / self.ratings.n_comparisons / self.ratings.n_each)
        if len(at) == 0:
            return gap.sum() * 0 + prior
        each = self.labellers.loss(gap[at], labeller.to(gap.device), side.to(gap), first.to(gap))
        n_ratings = torch.zeros_like(gap).index_add_(0, at.to(gap.device), torch.ones_like(each))
        total: Tensor = (each * (weight / n_ratings.clamp_min(1))[at]).sum()
        return total + prior


@dataclass(frozen=True)
class _Ratings:
    """Single ratings in order of their comparisons: those of comparison i are [starts[i], starts[i + 1])."""

    starts: NDArray[np.int64]
    labeller: Tensor
    side: Tensor
    first: Tensor
    n_labellers: int

    @classmethod
    def of(cls, training: Comparisons) -> _Ratings:
        numbers: dict[str, int] = {}
        labellers, sides, firsts, starts = [], [], [], [0]
        for names, said, shown in zip(
            training.meta["labellers"], training.meta["sides"], training.meta["firsts"], strict=True
        ):
            for name, gave, position in zip(names, said, shown or [0] * len(names), strict=True):
                labellers.append(numbers.setdefault(name, len(numbers)))
                sides.append(gave)
                firsts.append(position)
            starts.append(len(sides))
        labeller, side, first = (torch.tensor(one) for one in (labellers, sides, firsts))
        return cls(np.asarray(starts), labeller, side, first, len(numbers))

    @property
    def n_comparisons(self) -> int:
        return len(self.starts) - 1

    @property
    def n_each(self) -> float:
        """Ratings a comparison on average, of those that have some."""
        counts = np.diff(self.starts)
        return float(counts[counts > 0].mean()) if counts.any() else 1.0

    def some(self, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of some comparisons: position of the comparison among them, labeller, side and first of each rating."""
        spans = [np.arange(self.starts[i], self.starts[i + 1]) for i in indices]
        at = torch.from_numpy(np.repeat(np.arange(len(indices)), [len(one) for one in spans]))
        rows = torch.from_numpy(np.concatenate(spans)) if spans else torch.zeros(0, dtype=torch.int64)
        return at, self.labeller[rows], self.side[rows], self.first[rows]


def _lengths(training: Comparisons) -> Tensor:
    """Tokens of the chosen and the rejected completions, (2, n)."""
    both = (training.chosen, training.rejected)
    lengths = [[len(one.completion_ids) for one in side] for side in both]
    return torch.tensor(lengths, dtype=torch.float32).reshape(2, -1)
