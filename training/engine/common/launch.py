"""Command lines of engine parts that run in one process or several, for whoever starts them. Without torch."""

from __future__ import annotations

import functools
import subprocess
import sys


def launch_command(module: str, arguments: list[str], n_processes: int) -> list[str]:
    """`python -m MODULE ARGUMENTS`, by `accelerate launch` where it is to be more than one process on this machine.

    Everything that a person's own configuration of accelerate could change is said here. `--multi_gpu` is accelerate's
    word for processes that share a model; without GPUs they work on the CPU.
    """
    if n_processes == 1:
        return [sys.executable, "-m", module, *arguments]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    shape = ["--num_processes", str(n_processes), "--num_machines", "1", "--main_process_port", "0"]
    plain = ["--mixed_precision", "no", "--dynamo_backend", "no"]
    return [*launcher, *shape, *plain, "--module", module, *arguments]


@functools.cache
def n_visible_gpus() -> int:
    """How many GPUs a process that is started here sees. Asked of another process, which may import torch."""
    asked = [sys.executable, "-c", "import torch; print(torch.cuda.device_count())"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else 0


def n_processes_for(batch: int, at_most: int) -> int:
    """The most processes, up to `at_most`, that can share a batch evenly."""
    return next(n for n in range(min(batch, max(1, at_most)), 0, -1) if batch % n == 0)
