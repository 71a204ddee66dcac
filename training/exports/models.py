"""Comparison sets."""

from django.db import models
from django.db.models import Q

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel
from annotate.jobs.models import Job
from annotate.projects.models import Project


class ComparisonSet(TimestampedModel):
    """A frozen set of comparisons with their chosen side: the spec that made it and the files that hold it."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="comparison_sets")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=120, blank=True)
    spec = models.JSONField(default=dict, blank=True)
    # The rest is filled when the shards are written, all at once.
    counts = models.JSONField(default=dict, blank=True)
    manifest = models.JSONField(default=dict, blank=True)
    uri = models.CharField(max_length=500, blank=True)
    digest = models.CharField(max_length=64, blank=True)
    frozen_at = models.DateTimeField(null=True, blank=True)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="comparison_sets_number_unique"),
            models.CheckConstraint(
                condition=Q(frozen_at=None, digest="", uri="")
                | (Q(frozen_at__isnull=False, digest__regex=r"^[0-9a-f]{64}$") & ~Q(uri="")),
                name="comparison_sets_frozen_as_a_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"Comparison set {self.number}"
