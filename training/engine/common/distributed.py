"""Several processes that train one model: each takes its share of every batch, and gradients are added up.

Started by `accelerate launch` or `torchrun` on one machine or many (which then share the run directory), with the same
command and config as for one process. Every process holds the whole model; what is added up is the same sum that one
process would have made, so their number changes speed and rounding only. The first process writes files and tells
progress; a run may be resumed by another number of them.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Peers:
    """Which of how many processes this is, and its device."""

    rank: int
    n: int
    device: str

    @classmethod
    def join(cls, device: str) -> Peers:
        """The peers that the launcher's environment tells of; this process alone without one."""
        if int(os.environ.get("WORLD_SIZE", "1")) < 2:
            return cls(0, 1, device)
        from accelerate import PartialState

        state = PartialState(cpu=torch.device(device).type == "cpu")
        atexit.register(_leave)
        return cls(state.process_index, state.num_processes, str(state.device))

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and tells progress."""
        return self.rank == 0

    def add_up(self, values: Iterable[float], device: str) -> list[float]:
        """Sums of some numbers over all processes."""
        if self.n == 1:
            return list(values)
        total = torch.tensor(list(values), dtype=torch.float64, device=device)
        torch.distributed.all_reduce(total)
        return [float(one) for one in total]

    def any(self, value: bool) -> bool:
        """Whether it is so in any process: they stop together."""
        return self.add_up([float(value)], self.device)[0] > 0

    def add_up_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its sum over all processes; one without a gradient here counts as 0."""
        if self.n == 1:
            return
        trained = [one for one in parameters if one.requires_grad]
        has = torch.tensor([one.grad is not None for one in trained], dtype=torch.int32, device=self.device)
        torch.distributed.all_reduce(has)  # what nobody has stays without, as in one process
        for one, n in zip(trained, has.tolist(), strict=True):
            if n:
                gradient: Tensor = torch.zeros_like(one) if one.grad is None else one.grad
                torch.distributed.all_reduce(gradient)
                one.grad = gradient

    def wait(self) -> None:
        """Until all have come here."""
        if self.n > 1:
            torch.distributed.barrier()


def _leave() -> None:
    """End the group's threads before the interpreter ends: one that runs then aborts a process that has done all."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
