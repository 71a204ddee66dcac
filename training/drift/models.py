"""Drift reports."""

from django.db import models
from django.db.models import Q

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel
from annotate.jobs.models import Job
from annotate.projects.models import Project
from training.generation.models import Generation
from training.reward.models import RewardModel


class Verdict(models.TextChoices):
    TOO_FEW = "too_few", "Too few completions"
    NONE = "none", "No drift found"
    SOME = "some", "Some drift"
    STRONG = "strong", "Strong drift"


class DriftReport(TimestampedModel):
    """What the policy writes beside what one reward model was trained on. `verdict` and `finished_at` are empty until
    the job has ended; `report` is the engine's (touchstone.drift/1) and what was compared."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="drift_reports")
    number = models.PositiveIntegerField()
    reward_model = models.ForeignKey(RewardModel, on_delete=models.CASCADE, related_name="drift_reports")
    # Whose completions stand for the policy; null: the newest ones of the pool.
    generation = models.ForeignKey(
        Generation, on_delete=models.SET_NULL, null=True, blank=True, related_name="drift_reports"
    )
    verdict = models.CharField(max_length=10, choices=Verdict, blank=True)
    report = models.JSONField(default=dict, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="drift_reports_number_unique"),
            models.CheckConstraint(condition=Q(number__gte=1), name="drift_reports_number_positive"),
            models.CheckConstraint(
                condition=Q(verdict="", finished_at=None) | Q(verdict__in=Verdict.values, finished_at__isnull=False),
                name="drift_reports_verdict_when_finished",
            ),
        ]

    def __str__(self) -> str:
        return f"Drift report {self.number}"
