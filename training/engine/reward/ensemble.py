"""Several reward models as one: members in directories, or several heads on one trunk; their rewards and one of them.

A directory is an ensemble by what it holds: ensemble.json names members, heads.safetensors holds heads on the model's
trunk, and a plain reward model is an ensemble of one. The directory itself always loads as one reward model.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors.numpy import load_file

from training.engine.common.chat import Encoded, Message
from training.engine.common.errors import EngineError
from training.engine.reward.model import RewardModel

FORMAT = "touchstone.ensemble/1"
FILE_NAME = "ensemble.json"
HEADS_NAME = "heads.safetensors"
COMBINATIONS = ("mean", "worst", "uncertainty")
COEFFICIENT = 0.5

Floats = NDArray[np.float64]


def combine(rewards: ArrayLike, how: str = "mean", coefficient: float = COEFFICIENT) -> Floats:
    """One reward (n,) of n completions from those of k members (k, n).

    mean: their mean. worst: the least, which no member is fooled by. uncertainty: mean − coefficient · variance (over
    the k members), 0.5 in Coste et al. 2023 (arXiv 2310.02743) for best-of-n, 0.1 for PPO.
    Raises ValueError for another name.
    """
    values = np.asarray(rewards, dtype=np.float64)
    if how not in COMBINATIONS:
        raise ValueError(f"expected one of {', '.join(COMBINATIONS)}, got {how!r}")
    one: Floats
    if how == "worst":
        one = values.min(axis=0)
    elif how == "uncertainty":
        one = values.mean(axis=0) - coefficient * values.var(axis=0)
    else:
        one = values.mean(axis=0)
    return one


@dataclass(frozen=True)
class Member:
    """A model and, where it has several heads, their weights (h, d) and the mean rewards (h,) of each in training."""

    model: RewardModel
    heads: NDArray[np.float32] | None
    means: Floats

    def __len__(self) -> int:
        return 1 if self.heads is None else len(self.heads)

    def score(self, encoded: Sequence[Encoded], tokens_per_batch: int) -> Floats:
        """Rewards (h, n) less each head's mean."""
        return self.score_and_features(encoded, tokens_per_batch)[0]

    def score_and_features(
        self, encoded: Sequence[Encoded], tokens_per_batch: int
    ) -> tuple[Floats, NDArray[np.float32]]:
        """`score`, and the features (n, d) that it is read from."""
        rewards, features = self.model.score_and_features_encoded(encoded, tokens_per_batch=tokens_per_batch)
        if self.heads is None:
            found = rewards.astype(np.float64)[None]
        else:
            found = self.heads.astype(np.float64) @ features.T.astype(np.float64)
            if self.model.head.bias is not None:
                found = found + float(self.model.head.bias.detach())
        return found - self.means[:, None], features


class RewardEnsemble:
    """k members with how their rewards become one.

    Members agree on differences of rewards, not on their level: each is moved so that its mean on the training texts is
    the first one's, without which "worst" and the variance would be about levels. `models[0]` is the directory's own.
    """

    def __init__(
        self, members: Sequence[Member], *, combination: str = "mean", coefficient: float = COEFFICIENT
    ) -> None:
        self.members = list(members)
        self.combination = combination
        self.coefficient = coefficient
        self._level = float(self.members[0].model.metadata.get("reward_mean", 0.0))

    @classmethod
    def load(cls, path: str | Path, dtype: str = "float32", *, device: str = "cpu") -> RewardEnsemble:
        """From a directory. Raises EngineError "model_broken" for an unreadable ensemble, and those of RewardModel."""
        path = Path(path)
        description: dict[str, Any] = {"members": ["."]}
        file = path / FILE_NAME
        if file.is_file():
            try:
                description = json.loads(file.read_text(encoding="utf-8"))
            except ValueError as error:
                raise EngineError("model_broken", f"{file} is not valid JSON: {error}") from error
            if not isinstance(description, dict) or description.get("format") != FORMAT:
                raise EngineError("model_broken", f"{file} is no description of an ensemble of format {FORMAT!r}")
            if description.get("combination", "mean") not in COMBINATIONS or not description.get("members"):
                raise EngineError("model_broken", f"{file} names no members, or combines them in an unknown way")
        members = []
        for name in description["members"]:
            directory = (path / name).resolve()
            if not directory.is_relative_to(path.resolve()):
                raise EngineError("model_broken", f"{file} names a member outside its directory: {name!r}")
            members.append(load_member(directory, dtype, device))
        return cls(
            members,
            combination=description.get("combination", "mean"),
            coefficient=float(description.get("coefficient", COEFFICIENT)),
        )

    def __len__(self) -> int:
        return sum(len(member) for member in self.members)

    @property
    def models(self) -> list[RewardModel]:
        """The members' models; several heads of one trunk are one of them."""
        return [member.model for member in self.members]

    def score_members(self, items: Sequence[tuple[Sequence[Message], str]], *, tokens_per_batch: int = 8192) -> Floats:
        """Rewards (k, n) of n (messages, completion) items by every member."""
        parts = [
            member.score([member.model.encode(*item) for item in items], tokens_per_batch) for member in self.members
        ]
        return np.concatenate(parts) + self._level

    def score_members_encoded(self, encoded: Sequence[Encoded], *, tokens_per_batch: int = 8192) -> Floats:
        """`score_members` of texts that are token ids already; for members of one tokenizer, as `members` trains."""
        return self.score_and_features_encoded(encoded, tokens_per_batch=tokens_per_batch)[0]

    def score_and_features_encoded(
        self, encoded: Sequence[Encoded], *, tokens_per_batch: int = 8192
    ) -> tuple[Floats, NDArray[np.float32]]:
        """`score_members_encoded`, and the features (n, d) of the first member."""
        parts = [member.score_and_features(encoded, tokens_per_batch) for member in self.members]
        return np.concatenate([rewards for rewards, _ in parts]) + self._level, parts[0][1]

    def score(self, items: Sequence[tuple[Sequence[Message], str]], *, tokens_per_batch: int = 8192) -> list[float]:
        """One reward of each item, combined as ensemble.json says."""
        rewards = self.score_members(items, tokens_per_batch=tokens_per_batch)
        one: list[float] = combine(rewards, self.combination, self.coefficient).tolist()
        return one


def load_member(directory: Path, dtype: str = "float32", device: str = "cpu") -> Member:
    """One member from its own directory. Raises EngineError as `RewardEnsemble.load` does."""
    model = RewardModel.load(directory, dtype, device=device)
    mean = float(model.metadata.get("reward_mean", 0.0))
    heads, means = read_heads(directory, model.feature_size)
    if heads is None:
        return Member(model, None, np.asarray([mean]))
    return Member(model, heads, np.full(len(heads), mean) if means is None else means.astype(np.float64))


def read_heads(directory: Path, width: int) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """The several heads (h, width) in a model's directory and their mean rewards (h,); None for what is not there.

    Raises EngineError "model_broken".
    """
    path = directory / HEADS_NAME
    if not path.is_file():
        return None, None
    tensors = load_file(path)
    heads = tensors.get("weight")
    if heads is None or heads.ndim != 2 or heads.shape[1] != width:
        raise EngineError("model_broken", f"{path} holds no heads (h, {width}) under the name 'weight'")
    return heads, tensors.get("reward_mean")
