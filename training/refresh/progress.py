"""Progress of a stage as progress of the job that runs it."""

from collections.abc import Sequence

from annotate.jobs.context import JobContext, PartContext
from training.refresh.models import StageName

# Shares of a refresh's time, measured on the embedded models; only what a progress bar shows depends on them.
WEIGHTS: dict[str, int] = {
    StageName.DRIFT: 8,
    StageName.CANDIDATES: 60,
    StageName.SAMPLE: 11,
    StageName.LABEL: 1,
    StageName.EXPORT: 3,
    StageName.BASE: 40,
    StageName.TRAIN: 40,
    StageName.EVALUATE: 8,
    StageName.PROMOTE: 1,
    StageName.SWAP: 2,
}
WHOLE = 100


class StageContext(PartContext):
    """A stage's view of its job: people see 0 to 100 % of what the job does.

    `names`: the stages that the job may run, in their order: one that waits for people is the last of its job.
    """

    def __init__(self, whole: JobContext, name: str, label: str, names: Sequence[str]) -> None:
        before = sum(WEIGHTS[earlier] for earlier in names[: names.index(name)])
        total = sum(WEIGHTS[each] for each in names)
        start, end = WHOLE * before // total, WHOLE * (before + WEIGHTS[name]) // total
        super().__init__(whole, label, start=start, end=end, whole_total=WHOLE, unit="%")
