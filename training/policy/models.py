"""Checkpoints of language models, and the fine-tunings that researchers start."""

from django.db import models
from django.db.models import Q

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel
from annotate.jobs.models import Job
from annotate.projects.models import Pool, Project
from training.exports.models import ComparisonSet


class CheckpointKind(models.TextChoices):
    BASE = "base", "Base model"
    SFT = "sft", "SFT model"
    POLICY = "policy", "Policy"


class Checkpoint(TimestampedModel):
    """A language model that the project made: the built-in base, its SFT model, later the policies trained from it.

    `is_current` is false of a policy in whose place another one of its run is kept: it is the current policy no more.
    """

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="checkpoints")
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=8, choices=CheckpointKind)
    path = models.CharField(max_length=500)
    parent = models.ForeignKey("self", on_delete=models.RESTRICT, null=True, blank=True, related_name="children")
    metrics = models.JSONField(default=dict, blank=True)
    is_current = models.BooleanField(default=True)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pool", "name"], name="checkpoints_name_unique"),
            models.CheckConstraint(condition=Q(kind__in=CheckpointKind.values), name="checkpoints_kind_known"),
        ]

    def __str__(self) -> str:
        return self.name


class SftRun(TimestampedModel):
    """One fine-tuning of a base model on chosen completions or on demonstrations.

    `options` is an SftOptions as JSON. `base_name` names the model for people; `base_checkpoint` is that model where it
    is one of ours. `comparison_set` is null where it learns from demonstrations. `counts` says what was taken and left
    out (`examples.Examples.counts`), `report` what the engine measured; both are empty until they are known.
    `checkpoint` is the model that came of it.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="sft_runs")
    number = models.PositiveIntegerField()
    options = models.JSONField()
    base_name = models.CharField(max_length=500)
    base_checkpoint = models.ForeignKey(Checkpoint, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    comparison_set = models.ForeignKey(
        ComparisonSet, on_delete=models.SET_NULL, null=True, blank=True, related_name="sft_runs"
    )
    counts = models.JSONField(default=dict, blank=True)
    report = models.JSONField(default=dict, blank=True)
    checkpoint = models.ForeignKey(
        Checkpoint, on_delete=models.SET_NULL, null=True, blank=True, related_name="sft_runs"
    )
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="sft_runs_number_unique"),
            models.CheckConstraint(condition=Q(number__gte=1), name="sft_runs_number_positive"),
            models.CheckConstraint(
                condition=Q(checkpoint=None) | Q(finished_at__isnull=False), name="sft_runs_kept_once_finished"
            ),
        ]

    def __str__(self) -> str:
        return f"SFT run {self.number}"
