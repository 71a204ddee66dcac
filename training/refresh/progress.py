"""Progress of a stage as progress of the whole refresh."""

from annotate.jobs.context import JobContext

# Shares of a refresh's time, measured on the embedded models; only what a progress bar shows depends on them.
WEIGHTS = {"export": 3, "base": 40, "train": 40, "evaluate": 5, "promote": 1, "sample": 11}
WHOLE = 100


class StageContext(JobContext):
    """A stage's view of its job: it reports 0 to `total` of its own work, people see 0 to 100 % of the refresh.

    Everything else is the whole job's: its claim, its log, its cancel.
    """

    def __init__(self, whole: JobContext, name: str, label: str) -> None:
        self.whole = whole
        self.job = whole.job
        self.label = label
        names = list(WEIGHTS)
        before = sum(WEIGHTS[earlier] for earlier in names[: names.index(name)])
        total = sum(WEIGHTS.values())
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
