"""Progress of a stage as progress of the job that runs it."""

from collections.abc import Sequence

from annotate.jobs.context import JobContext
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


class StageContext(JobContext):
    """A stage's view of its job: it reports 0 to `total` of its own work, people see 0 to 100 % of what the job does.

    `names`: the stages that the job may run, in their order: one that waits for people is the last of its job.
    Everything else is the whole job's: its claim, its log, its cancel.
    """

    def __init__(self, whole: JobContext, name: str, label: str, names: Sequence[str]) -> None:
        self.whole = whole
        self.job = whole.job
        self.label = label
        before = sum(WEIGHTS[earlier] for earlier in names[: names.index(name)])
        total = sum(WEIGHTS[each] for each in names)
        self._from, self._to = WHOLE * before // total, WHOLE * (before + WEIGHTS[name]) // total
        self._reached = self._from

    def check(self) -> None:
        self.whole.check()

    def flush(self) -> None:
        self.whole.flush()

    def progress(self, done: int | None = None, total: int | None = None, *, unit: str = "", message: str = "") -> None:
        """Never goes back: an engine that counts tokens, then steps, does not make the bar jump."""
        if done is not None and total:
            reached = self._from + (self._to - self._from) * min(done, total) // total
            self._reached = max(self._reached, reached)
        text = f"{self.label}: {message}" if message else ""
        self.whole.progress(self._reached, WHOLE, unit="%", message=text)

    def begin(self) -> None:
        self.whole.progress(self._from, WHOLE, unit="%", message=self.label)
        self.whole.flush()

    def end(self) -> None:
        self.whole.progress(self._to, WHOLE, unit="%", message=self.label)
