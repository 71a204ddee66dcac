"""Refresh cycles, and when a project starts one by itself."""

from django.db import models
from django.db.models import Q

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel
from annotate.jobs.models import Job
from annotate.projects.models import Project
from training.drift.models import DriftReport
from training.exports.models import ComparisonSet
from training.generation.models import Generation
from training.reward.models import RewardModel
from training.sampling.models import SamplingRound


class StageName(models.TextChoices):
    """The stages in their order."""

    DRIFT = "drift", "Drift check"
    CANDIDATES = "candidates", "Candidates"
    SAMPLE = "sample", "Sampling"
    LABEL = "label", "Labelling"
    EXPORT = "export", "Comparison set"
    BASE = "base", "Base model"
    TRAIN = "train", "Training"
    EVALUATE = "evaluate", "Evaluation"
    PROMOTE = "promote", "Promotion"
    SWAP = "swap", "Scorer swap"


class StageState(models.TextChoices):
    PENDING = "pending", "Pending"
    RUNNING = "running", "Running"
    WAITING = "waiting", "Waiting for people"
    SUCCEEDED = "succeeded", "Succeeded"
    SKIPPED = "skipped", "Skipped"
    FAILED = "failed", "Failed"


OVER = (StageState.SUCCEEDED, StageState.SKIPPED)


class CycleState(models.TextChoices):
    RUNNING = "running", "Running"
    WAITING = "waiting", "Waiting for people"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


ACTIVE = (CycleState.RUNNING, CycleState.WAITING)


class Trigger(models.TextChoices):
    HAND = "hand", "By hand"
    DRIFT = "drift", "Drift"
    RATINGS = "ratings", "New ratings"
    SCHEDULE = "schedule", "Schedule"


class RefreshCycle(TimestampedModel):
    """From what the current policy writes to new labels, and from these to a served reward model.

    While it is running, its latest `job` works on it; while it is waiting, that job has ended, no worker is held, and
    `services.advance_waiting` looks whether people have done their part. A partial unique constraint keeps two active
    refreshes of a project apart.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="refresh_cycles")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=120, blank=True)
    config = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=10, choices=CycleState, default=CycleState.RUNNING)
    finished_at = models.DateTimeField(null=True, blank=True)
    trigger = models.CharField(max_length=10, choices=Trigger, default=Trigger.HAND)
    trigger_reason = models.CharField(max_length=300, blank=True)
    job = models.ForeignKey(Job, on_delete=models.RESTRICT, related_name="refresh_cycles")
    drift_report = models.ForeignKey(DriftReport, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    generation = models.ForeignKey(Generation, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    sampling_round = models.ForeignKey(
        SamplingRound, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    comparison_set = models.ForeignKey(
        ComparisonSet, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    reward_model = models.ForeignKey(
        RewardModel, on_delete=models.SET_NULL, null=True, blank=True, related_name="refresh_cycles"
    )
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="refresh_cycles_number_unique"),
            models.UniqueConstraint(
                fields=["project"], condition=Q(state__in=ACTIVE), name="refresh_cycles_one_active"
            ),
            models.CheckConstraint(condition=Q(state__in=CycleState.values), name="refresh_cycles_state_known"),
            models.CheckConstraint(condition=Q(trigger__in=Trigger.values), name="refresh_cycles_trigger_known"),
            models.CheckConstraint(
                condition=Q(state__in=ACTIVE, finished_at=None) | (~Q(state__in=ACTIVE) & Q(finished_at__isnull=False)),
                name="refresh_cycles_finished_at_exactly_when_over",
            ),
        ]

    def __str__(self) -> str:
        return f"Refresh {self.number}"

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE


class RefreshStage(models.Model):
    """One stage of a refresh and what came of it; of a skipped one the reason.

    `is_skipped_by_hand` tells what a person left out, which can be put back, from what had nothing to work on.
    """

    cycle = models.ForeignKey(RefreshCycle, on_delete=models.CASCADE, related_name="stages")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=10, choices=StageName)
    state = models.CharField(max_length=10, choices=StageState, default=StageState.PENDING)
    is_skipped_by_hand = models.BooleanField(default=False)
    summary = models.CharField(max_length=500, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["cycle", "name"], name="refresh_stages_once_per_cycle"),
            models.CheckConstraint(condition=Q(state__in=StageState.values), name="refresh_stages_state_known"),
            models.CheckConstraint(
                condition=Q(is_skipped_by_hand=False) | Q(state=StageState.SKIPPED),
                name="refresh_stages_by_hand_only_when_skipped",
            ),
        ]


class RefreshSchedule(models.Model):
    """When a project starts a refresh by itself, and what with. A project without a row has none."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, primary_key=True, related_name="refresh_schedule")
    is_enabled = models.BooleanField(default=False)
    # Any one of these is enough; null or false: not by this.
    on_drift = models.BooleanField(default=True)
    new_ratings = models.PositiveIntegerField(null=True, blank=True)
    every_days = models.PositiveSmallIntegerField(null=True, blank=True)
    config = models.JSONField(default=dict, blank=True)
    # Refreshes are started in their name.
    set_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    changed_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True, blank=True)
    # What came of the last time one was due: that it was started, or, with the time, why it was not.
    last_reason = models.CharField(max_length=500, blank=True)
    refused_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(new_ratings=None) | Q(new_ratings__gte=1), name="refresh_schedules_new_ratings_positive"
            ),
            models.CheckConstraint(
                condition=Q(every_days=None) | Q(every_days__gte=1), name="refresh_schedules_every_days_positive"
            ),
        ]
