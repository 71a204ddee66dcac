"""`optimise` as it is, in a process that leaves behind what a test wants to know of each of several.

RECORDS/RANK.pt: the weights it ended with, and of each batch the ids of its prompts and the rewards it was given.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from training.engine.common.cli import Verb, run_main
from training.engine.policy import optimise as engine
from training.engine.policy.config import OptimiseConfig


class RecordedRewards(engine.Rewards):
    batches: list[tuple[list[str], list[float]]] = []

    def __call__(self, prompts: list[Any], completions: list[Any], *, prompt_id: list[str], **_: Any) -> list[float]:
        found = super().__call__(prompts, completions, prompt_id=prompt_id)
        self.batches.append((list(prompt_id), found))
        return found


class RecordedRun(engine._Run):
    def train(self) -> dict[str, Any]:
        result = super().train()
        records = Path(os.environ["RECORDS"])
        records.mkdir(exist_ok=True)
        found = {"weights": self.model.state_dict(), "batches": RecordedRewards.batches}
        torch.save(found, records / f"{self.peers.rank}.pt")
        return result


if __name__ == "__main__":
    engine.Rewards, engine._Run = RecordedRewards, RecordedRun  # type: ignore[misc]
    run_main("policy", {"optimise": Verb(OptimiseConfig, engine.optimise, "as ever")})
