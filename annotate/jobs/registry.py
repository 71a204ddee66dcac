"""Which function does the work of which kind of job."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from annotate.jobs.context import JobContext

Handler = Callable[["JobContext"], dict | None]


@dataclass(frozen=True)
class JobKind:
    """How jobs of one kind are run.

    `on_end` is called in the transaction that writes the job's final state, also when it was cancelled or given up: it
    may be called twice, and leaves what cannot be rolled back until after the commit.
    """

    name: str
    handler: Handler
    queue: str
    max_attempts: int
    on_end: Callable[[object], None] | None


_KINDS: dict[str, JobKind] = {}


def job_kind(
    name: str, *, queue: str = "default", max_attempts: int = 5, on_end: Callable | None = None
) -> Callable[[Handler], Handler]:
    """Register the decorated function as the handler of jobs of this kind.

    The handler takes a `JobContext`, reports through it, and returns the job's result. It may be called again for the
    same job after a lost worker and must then go on from `context.checkpoint`.
    """

    def register(handler: Handler) -> Handler:
        if name in _KINDS and _KINDS[name].handler.__qualname__ != handler.__qualname__:
            raise ValueError(f"Two handlers for jobs of kind {name!r}.")
        _KINDS[name] = JobKind(name, handler, queue, max_attempts, on_end)
        return handler

    return register


def kind_of(name: str) -> JobKind:
    """Raise KeyError for a kind that no installed app handles."""
    return _KINDS[name]
