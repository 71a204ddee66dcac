"""The registry of reward models."""

from django.db import models
from django.db.models import Q

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel
from annotate.jobs.models import Job
from annotate.projects.models import Project
from training.exports.models import ComparisonSet


class RewardModelState(models.TextChoices):
    TRAINING = "training", "Training"
    CANDIDATE = "candidate", "Candidate"
    PROMOTED = "promoted", "Promoted"
    RETIRED = "retired", "Retired"
    FAILED = "failed", "Failed"


class RewardModel(TimestampedModel):
    """One trained reward model: what it learnt from, how, how good it is, and whether it is the one in use."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="reward_models")
    version = models.PositiveIntegerField()
    comparison_set = models.ForeignKey(ComparisonSet, on_delete=models.RESTRICT, related_name="reward_models")
    base_model = models.CharField(max_length=500)
    config = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=10, choices=RewardModelState, default=RewardModelState.TRAINING)
    report = models.JSONField(default=dict, blank=True)
    artifact_uri = models.CharField(max_length=500, blank=True)
    state_reason = models.CharField(max_length=500, blank=True)
    promoted_at = models.DateTimeField(null=True, blank=True)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "version"], name="reward_models_version_unique"),
            models.UniqueConstraint(
                fields=["project"], condition=Q(state=RewardModelState.PROMOTED), name="reward_models_one_promoted"
            ),
            models.CheckConstraint(condition=Q(state__in=RewardModelState.values), name="reward_models_state_known"),
            models.CheckConstraint(
                condition=Q(state__in=[RewardModelState.TRAINING, RewardModelState.FAILED]) | ~Q(artifact_uri=""),
                name="reward_models_trained_have_an_artifact",
            ),
        ]

    def __str__(self) -> str:
        return f"Reward model v{self.version}"
