"""Refresh cycles."""

from django.db import models
from django.db.models import Q

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel
from annotate.jobs.models import Job
from annotate.projects.models import Project
from training.exports.models import ComparisonSet
from training.reward.models import RewardModel
from training.sampling.models import SamplingRound


class StageName(models.TextChoices):
    """The stages in their order."""

    EXPORT = "export", "Comparison set"
    BASE = "base", "Base model"
    TRAIN = "train", "Training"
    EVALUATE = "evaluate", "Evaluation"
    PROMOTE = "promote", "Promotion"
    SAMPLE = "sample", "Sampling"


class StageState(models.TextChoices):
    PENDING = "pending", "Pending"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    SKIPPED = "skipped", "Skipped"
    FAILED = "failed", "Failed"


class RefreshCycle(TimestampedModel):
    """From the ratings of now to a served reward model and the next comparisons to ask for.

    `is_active` is true while its job is unfinished; a partial unique constraint keeps two refreshes of a project apart.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="refresh_cycles")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=120, blank=True)
    config = models.JSONField(default=dict, blank=True)
    is_active = models.BooleanField(default=True)
    job = models.OneToOneField(Job, on_delete=models.RESTRICT, related_name="refresh_cycle")
    comparison_set = models.ForeignKey(
        ComparisonSet, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    reward_model = models.ForeignKey(
        RewardModel, on_delete=models.SET_NULL, null=True, blank=True, related_name="refresh_cycles"
    )
    sampling_round = models.ForeignKey(
        SamplingRound, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="refresh_cycles_number_unique"),
            models.UniqueConstraint(fields=["project"], condition=Q(is_active=True), name="refresh_cycles_one_active"),
        ]

    def __str__(self) -> str:
        return f"Refresh {self.number}"


class RefreshStage(models.Model):
    """One stage of a refresh and what came of it."""

    cycle = models.ForeignKey(RefreshCycle, on_delete=models.CASCADE, related_name="stages")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=10, choices=StageName)
    state = models.CharField(max_length=10, choices=StageState, default=StageState.PENDING)
    summary = models.CharField(max_length=500, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["cycle", "name"], name="refresh_stages_once_per_cycle"),
            models.CheckConstraint(condition=Q(state__in=StageState.values), name="refresh_stages_state_known"),
        ]
