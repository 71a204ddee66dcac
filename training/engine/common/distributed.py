"""Several processes that train one model: each takes its share of every batch, and gradients are added up.

Started by `accelerate launch` or `torchrun` on one machine or many (which then share the run directory), with the same
command and config as for one process. Every process holds the whole model; what is added up is the same sum that one
process would have made, so their number changes speed and rounding only. The first process writes files and tells
progress; a run may be resumed by another number of them.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from training.engine.common.errors import EngineError

T = TypeVar("T")

# How long the others wait for one that evaluates, asks a scorer or writes a large model.
PATIENCE = timedelta(hours=1)
_PR_SET_PDEATHSIG = 1


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

        _die_with_launcher()
        state = PartialState(cpu=torch.device(device).type == "cpu", timeout=PATIENCE)
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

    def first(self, work: Callable[[], T]) -> T:
        """What the first process makes, in all of them. Its EngineError is raised in all, so that none waits for ever.

        What is made goes through pickle.
        """
        if self.n == 1:
            return work()
        box: list[_Outcome[T] | None] = [_tried(work) if self.is_first else None]
        torch.distributed.broadcast_object_list(box, src=0)
        assert box[0] is not None
        return box[0].value()

    def each(self, work: Callable[[], T]) -> T:
        """What this process makes, once all have made theirs. An EngineError of one is raised in all."""
        if self.n == 1:
            return work()
        outcome = _tried(work)
        errors: list[tuple[str, str] | None] = [None] * self.n
        torch.distributed.all_gather_object(errors, outcome.error)
        for error in errors:
            if error is not None:
                raise EngineError(*error)
        return outcome.value()

    def share(self, items: Sequence[T]) -> list[T]:
        """This process's part of what all have."""
        return list(items[self.rank :: self.n])

    def gather(self, share: list[T]) -> list[T]:
        """From what each process made of its `share`, all of it in the order of the whole."""
        if self.n == 1:
            return share
        parts: list[list[T]] = [[] for _ in range(self.n)]
        torch.distributed.all_gather_object(parts, share)
        return [parts[place % self.n][place // self.n] for place in range(sum(map(len, parts)))]

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


@dataclass(frozen=True)
class _Outcome(Generic[T]):
    """What was made, in a list of one, or why not: code and message."""

    made: list[T]
    error: tuple[str, str] | None = None

    def value(self) -> T:
        if self.error is not None:
            raise EngineError(*self.error)
        return self.made[0]


def _tried(work: Callable[[], T]) -> _Outcome[T]:
    try:
        return _Outcome([work()])
    except EngineError as error:
        return _Outcome([], (error.code, error.message))


def _die_with_launcher() -> None:
    """Have the kernel end this process with its launcher, which gives each a session of its own: whoever kills the
    launcher's group would leave trainers behind that go on writing. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _leave() -> None:
    """End the group's threads before the interpreter ends: one that runs then aborts a process that has done all."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
