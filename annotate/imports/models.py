"""Imports and the rows they could not take."""

from django.db import models
from django.db.models import Q

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel
from annotate.jobs.models import Job
from annotate.pool.models import SourceKind
from annotate.projects.models import Project


class ImportFormat(models.TextChoices):
    AUTO = "auto", "Recognise by the first row"
    TOUCHSTONE = "touchstone", "Touchstone: prompt, completions, ratings"
    CHOSEN_REJECTED = "chosen_rejected", "Chosen and rejected"
    TRANSCRIPT = "transcript", "Transcripts of HH-RLHF"
    COMPLETIONS = "completions", "A prompt with its completions"


class Import(TimestampedModel):
    """One file brought into a project's pool, and what became of its rows."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="imports")
    job = models.OneToOneField(Job, on_delete=models.CASCADE, related_name="import_run")
    filename = models.CharField(max_length=255)
    # Where the file lies while the job reads it, as an fsspec URL.
    file_url = models.CharField(max_length=1000)
    format = models.CharField(max_length=16, choices=ImportFormat, default=ImportFormat.AUTO)
    source_name = models.CharField(max_length=120, blank=True)
    source_kind = models.CharField(max_length=16, choices=SourceKind, default=SourceKind.EXTERNAL)
    counts = models.JSONField(default=dict, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(format__in=ImportFormat.values), name="imports_format_known"),
            models.CheckConstraint(condition=Q(source_kind__in=SourceKind.values), name="imports_source_kind_known"),
        ]
        indexes = [
            # The Imports page, newest first.
            models.Index(fields=["project", "-id"], name="imports_newest"),
        ]

    def __str__(self) -> str:
        return self.filename


class ImportError(models.Model):
    """A row that was not taken: where it stands and what was expected there."""

    import_run = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="errors")
    line = models.PositiveBigIntegerField()
    field = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=500)

    class Meta:
        ordering = ["line", "id"]
        constraints = [
            # A resumed import reads its last batch again; its complaints must not double.
            models.UniqueConstraint(fields=["import_run", "line", "field"], name="import_errors_once_per_field"),
        ]
