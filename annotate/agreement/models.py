"""What the agreement and overview pages read."""

from django.db import models

from annotate.projects.models import Project


class AgreementSnapshot(models.Model):
    """Counts and statistics of a project at one moment, made by a task: pages never scan the ratings."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="agreement_snapshot")
    computed_at = models.DateTimeField(null=True)
    # When something changed that the snapshot does not show yet; null when it is up to date.
    stale_since = models.DateTimeField(null=True)
    counts = models.JSONField(default=dict, blank=True)
    statistics = models.JSONField(default=dict, blank=True)

    class Meta:
        indexes = [
            # Beat asks for the stale ones every half minute.
            models.Index(
                fields=["stale_since"], condition=models.Q(stale_since__isnull=False), name="agreement_snapshots_stale"
            ),
        ]
