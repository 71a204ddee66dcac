"""Jobs and their log."""

import uuid
from typing import Any

from django.db import models
from django.db.models import F, Q

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel
from annotate.projects.models import Project


class JobState(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


FINISHED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class Job(TimestampedModel):
    """One piece of long-running work: queued → running → succeeded, failed or cancelled.

    A worker owns a running job while `claim` is its own and `heartbeat_at` is fresh; a job whose worker went silent
    is queued again by the reaper and goes on from `checkpoint`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, related_name="jobs")
    kind = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    queue = models.CharField(max_length=20)
    params = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=10, choices=JobState, default=JobState.QUEUED)
    # Progress. `total` is null while it is not known how much there is to do.
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(null=True, blank=True)
    unit = models.CharField(max_length=20, blank=True)
    message = models.CharField(max_length=300, blank=True)
    # What a resumed run needs to know; written by the handler, opaque to everybody else.
    checkpoint = models.JSONField(default=dict, blank=True)
    result = models.JSONField(default=dict, blank=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_message = models.TextField(blank=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    claim = models.UUIDField(null=True, blank=True)
    worker = models.CharField(max_length=200, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    queued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=JobState.values), name="jobs_state_known"),
            models.CheckConstraint(
                condition=Q(state__in=FINISHED, finished_at__isnull=False)
                | (~Q(state__in=FINISHED) & Q(finished_at=None)),
                name="jobs_finished_at_exactly_when_finished",
            ),
            models.CheckConstraint(
                condition=Q(state=JobState.RUNNING, claim__isnull=False, heartbeat_at__isnull=False)
                | (~Q(state=JobState.RUNNING) & Q(claim=None)),
                name="jobs_claimed_exactly_when_running",
            ),
            models.CheckConstraint(condition=Q(total=None) | Q(done__lte=F("total")), name="jobs_done_within_total"),
            models.CheckConstraint(
                condition=Q(state=JobState.FAILED) | Q(error_code=""), name="jobs_error_only_when_failed"
            ),
        ]
        indexes = [
            # The Jobs page of a project, newest first.
            models.Index(fields=["project", "-created_at", "-id"], name="jobs_by_project"),
            # The reaper looks only at what is not finished, which is always little.
            models.Index(fields=["state"], condition=~Q(state__in=FINISHED), name="jobs_unfinished"),
        ]

    def __str__(self) -> str:
        return f"{self.title} [{self.state}]"

    @property
    def is_finished(self) -> bool:
        return self.state in FINISHED

    @property
    def fraction(self) -> float | None:
        """Share done, 0 to 1; None while the total is unknown."""
        return self.done / self.total if self.total else None

    @property
    def can_cancel(self) -> bool:
        return not self.is_finished and self.cancel_requested_at is None

    @property
    def can_retry(self) -> bool:
        return self.state in (JobState.FAILED, JobState.CANCELLED)

    @property
    def error(self) -> dict[str, Any] | None:
        return {"code": self.error_code, "message": self.error_message} if self.error_code else None


class JobLogLine(models.Model):
    """One line that a job told about itself."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="log_lines")
    at = models.DateTimeField(auto_now_add=True)
    level = models.CharField(max_length=8, default="info")
    message = models.TextField()

    class Meta:
        # `…/log?after=seq` reads forward from where the reader stopped.
        indexes = [models.Index(fields=["job", "id"], name="job_log_lines_in_order")]
