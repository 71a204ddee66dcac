import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from annotate.comparisons.services import lease
from annotate.jobs.models import Job
from annotate.ratings.services import Judgement, submit
from tests.cast import Cast
from training.refresh.models import RefreshCycle, StageName


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Poll until the condition holds; fail with what the jobs say otherwise."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            told = [(str(job), job.message, job.error_message) for job in Job.objects.all()]
            lines = list(Job.objects.values_list("log_lines__message", flat=True))[-20:]
            pytest.fail(f"after {seconds:.0f} s still waiting for {what}: {told} {lines}")
        time.sleep(0.1)


def wait_for_job(cycle: RefreshCycle, seconds: float = 300.0) -> Job:
    """The latest job of the refresh, ended; `cycle` is as it is then."""

    def has_ended() -> bool:
        cycle.refresh_from_db()
        return Job.objects.get(pk=cycle.job_id).is_finished

    wait_for(has_ended, seconds, f"the job of {cycle}")
    cycle.refresh_from_db()
    return Job.objects.get(pk=cycle.job_id)


def label_from_the_top(cast: Cast, n: int) -> list[int]:
    """Have a labeller rate what the queue gives first, n comparisons; returns their ids in that order."""
    seat = cast.seat(cast.labeller)
    seen: list[int] = []
    while len(seen) < n:
        (assignment, *_) = lease(seat=seat, n=1)
        (outcome,) = submit(seat=seat, judgements=[Judgement(uuid4(), assignment.pk, "first", 2, active_ms=20_000)])
        assert outcome.status == "accepted", outcome
        seen.append(assignment.comparison_id)
    return seen


def stage_states(cycle: RefreshCycle) -> dict[str, str]:
    return dict(cycle.stages.order_by("position").values_list("name", "state"))


ASKING = ("drift", "candidates", "sample", "label")


def without_asking(*, rest: str = "succeeded", **others: str) -> dict[str, str]:
    """The states of a refresh that had nothing to ask by: `rest` of those after labelling, but for `others`."""
    return {name: others.get(name, "skipped" if name in ASKING else rest) for name in StageName.values}
