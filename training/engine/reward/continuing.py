"""Training that goes on from a reward model: what it starts from, and which earlier comparisons it sees again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoConfig

from training.engine.common.atomic import sha256_file
from training.engine.common.errors import ConfigError, EngineError
from training.engine.reward.data import Comparisons, comparison_ids, open_comparison_set
from training.engine.reward.ensemble import FILE_NAME, read_heads
from training.engine.reward.model import RewardModel

if TYPE_CHECKING:
    from training.engine.reward.trainer import RewardTrainConfig

MODEL_FORMAT = "touchstone.reward_model/1"


@dataclass(frozen=True)
class Start:
    """What a training starts from: the model, ready to be trained, and its several heads (h, d) where it has them."""

    model: RewardModel
    heads: Tensor | None = None

    @classmethod
    def of(cls, config: RewardTrainConfig) -> Start:
        """A new head on `base_model`, or the trunk and the heads of the model in `start_from`.

        Raises ConfigError for "start_from" where that is no reward model of Touchstone or was made from another kind of
        model than `base_model`, and for "n_heads" where it has another number of heads.
        """
        if not config.start_from:
            model = RewardModel.from_base(
                config.base_model,
                max_length=config.max_length,
                seed=config.seed,
                head_std=config.head_std,
                dropout=config.dropout,
            )
            return cls(model)
        path = Path(config.start_from)
        described = touchstone_of(path)
        if described.get("format") != MODEL_FORMAT:
            raise ConfigError(
                "start_from", f"expected a reward model of format {MODEL_FORMAT!r}; {path} has no such touchstone.json"
            )
        _check_kind(path, config.base_model)
        model = RewardModel.load(path, max_length=config.max_length, dropout=config.dropout)
        found, _ = read_heads(path, model.feature_size)
        n_heads = 1 if found is None else len(found)
        if n_heads != config.n_heads:
            raise ConfigError(
                "n_heads", f"expected {n_heads}, as many as the model in start_from has; got {config.n_heads}"
            )
        model.metadata = {}
        model.model.requires_grad_(True)
        return cls(model, None if found is None else torch.from_numpy(found))


def touchstone_of(path: Path) -> dict[str, Any]:
    """touchstone.json of a model's directory; {} where there is none that is a JSON object."""
    try:
        found = json.loads((path / "touchstone.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _check_kind(path: Path, base_model: str) -> None:
    """Refuse a model that cannot have been made from the base; a base that is not on this machine is not looked at."""
    try:
        kinds = [AutoConfig.from_pretrained(one).get_text_config() for one in (path, base_model)]
    except (OSError, ValueError, KeyError):
        return
    for name in ("model_type", "hidden_size", "num_hidden_layers", "vocab_size"):
        mine, theirs = (getattr(kind, name, None) for kind in kinds)
        # A padding token that the base lacks makes the reward model's vocabulary larger.
        if mine != theirs and not (name == "vocab_size" and mine is not None and theirs is not None and mine > theirs):
            raise ConfigError(
                "start_from",
                f"{path} was made from another kind of model than {base_model}: {name} {mine} there, {theirs} here",
            )


def member_start(start_from: str, nth: int) -> str:
    """Where the nth member of an ensemble starts: the nth member of the ensemble in `start_from`, "" for a new head.

    Raises ConfigError where that has fewer: members that start from one model would differ by the order of data alone.
    """
    if not start_from:
        return ""
    path = Path(start_from)
    names = ["."]
    if (path / FILE_NAME).is_file():
        names = json.loads((path / FILE_NAME).read_text(encoding="utf-8"))["members"]
    if nth >= len(names):
        raise ConfigError("n_members", f"expected {len(names)} at most, as many as the ensemble in start_from has")
    return str(path / names[nth])


def weights_digest(directory: str | Path) -> str:
    """SHA-256 over the digests of a model's weight files, in order of their names."""
    files = sorted(Path(directory).glob("*.safetensors"))
    return hashlib.sha256("".join(f"{one.name} {sha256_file(one)}\n" for one in files).encode()).hexdigest()


@dataclass(frozen=True)
class Replay:
    """Which rows of a training split a continued training takes: `rows` in order; how many are new, how many of the
    `n_earlier` are among them again."""

    rows: NDArray[np.int64]
    n_new: int
    n_earlier: int
    n_replayed: int

    def to_dict(self) -> dict[str, int]:
        """The counts."""
        return {"n_new": self.n_new, "n_earlier": self.n_earlier, "n_replayed": self.n_replayed}


def replay_of(training: Comparisons, config: RewardTrainConfig) -> Replay | None:
    """What `config` takes of its comparison set's training split; None where nothing was learnt from earlier.

    Raises EngineError: those of `open_comparison_set`; "nothing_new" where there is no new comparison.
    """
    if not config.earlier_set:
        return None
    ids = training.meta["comparison_id"]
    earlier = comparison_ids(open_comparison_set(config.earlier_set))
    is_earlier = np.asarray([one in earlier for one in ids], dtype=bool)
    if len(is_earlier) and is_earlier.all():
        raise EngineError(
            "nothing_new",
            f"the model in start_from learnt from every training comparison of {config.comparison_set} already; "
            "collect new ratings first, or start afresh",
        )
    return drawn(is_earlier, config.replay, config.seed)


def drawn(is_earlier: Sequence[bool] | NDArray[np.bool_], replay: float, seed: int) -> Replay:
    """All new rows of n and, drawn by `seed`, `replay` earlier ones for each of them, as far as there are so many.

    Rehearsal (Robins 1995): what is learnt anew is interleaved with a sample of what was learnt before, so that the
    updates keep both. A pure function of its arguments; one draw holds for all epochs of a run.
    """
    flags = np.asarray(is_earlier, dtype=bool)
    earlier = np.flatnonzero(flags)
    n_new = len(flags) - len(earlier)
    n_replayed = min(len(earlier), round(replay * n_new))
    again = np.random.default_rng((seed, 2)).permutation(earlier)[:n_replayed]
    rows = np.sort(np.concatenate([np.flatnonzero(~flags), again])).astype(np.int64)
    return Replay(rows, n_new, len(earlier), n_replayed)
