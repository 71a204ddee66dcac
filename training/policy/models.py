"""Checkpoints of language models."""

from django.db import models
from django.db.models import Q

from annotate.common.models import TimestampedModel
from annotate.jobs.models import Job
from annotate.projects.models import Pool


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
