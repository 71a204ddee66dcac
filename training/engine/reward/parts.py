"""Several trainings as one job: their configs, and their progress as that of the whole."""

from __future__ import annotations

import os
from typing import Any

from training.engine.common.config import config_from_dict
from training.engine.common.errors import ConfigError, EngineError
from training.engine.common.progress import Pace, Reporter
from training.engine.reward.trainer import RewardTrainConfig


def one_process_only() -> None:
    """Raise EngineError "bad_config" under `accelerate launch`: a job of several trainings runs them one by one."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise EngineError("bad_config", "only `train` runs in several processes; start this in one")


OWN_FIELDS = ("base_model", "comparison_set", "out_dir")


def train_config(
    overrides: dict[str, Any], *, base_model: str, comparison_set: str, out_dir: str, nth: int = 0
) -> RewardTrainConfig:
    """The config of the nth training: `overrides` of `train`'s defaults, and `nth` added to their seed.

    The seed decides the new head and the order of the data. Raises ConfigError as `load_config` does, and for an
    override of a field that the job itself decides.
    """
    for name in OWN_FIELDS:
        if name in overrides:
            raise ConfigError(f"train.{name}", "decided by the job; leave it out of train")
    values = {**overrides, "base_model": base_model, "comparison_set": comparison_set, "out_dir": out_dir}
    seed = overrides.get("seed", 0)
    return config_from_dict(RewardTrainConfig, values | {"seed": seed + nth if isinstance(seed, int) else seed})


class PartReporter(Reporter):
    """Reports one of `n_parts` trainings as a stage of the whole job, in percent.

    A part's share grows with its updates; its other stages (tokenising, scoring) are short beside them. `pace` counts
    percent and belongs to the job, made when it (re)started.
    """

    def __init__(self, whole: Reporter, *, stage: str, part: int, n_parts: int, name: str, pace: Pace) -> None:
        super().__init__()
        self._whole = whole
        self._stage = stage
        self._part = part
        self._n_parts = n_parts
        self._name = name
        self._pace = pace
        self._share = 0.0

    def progress(
        self,
        stage: str,
        done: int,
        total: int | None,
        *,
        unit: str = "steps",
        message: str = "",
        metrics: dict[str, float] | None = None,
        force: bool = False,
    ) -> None:
        """As the whole job's progress; `message` says which part, and what it is at."""
        if stage == "train" and total:
            self._share = done / total
        percent = min(99, int(100 * (self._part + self._share) / self._n_parts))  # 100 is for when all is written
        loss = f", loss {metrics['loss']:.3f}" if metrics and "loss" in metrics else ""
        at = f"{stage} {done:,} of {total:,} {unit}" if total else f"{stage} {done:,} {unit}"
        eta = self._pace.eta(percent, 100)
        text = f"{self._name} ({self._part + 1} of {self._n_parts}): {at}{loss}, ETA {eta}"
        self._whole.progress(self._stage, percent, 100, unit="%", message=text, metrics=metrics, force=force)

    def log(self, message: str, *, level: str = "info") -> None:
        """A line of the whole job's log that says which part it is of."""
        self._whole.log(f"{self._name}: {message}", level=level)


def percent_done(n_done: int, n_parts: int) -> int:
    """Whole percents after `n_done` parts, as `PartReporter` counts them."""
    return int(100 * n_done / n_parts)
