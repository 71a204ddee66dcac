"""Sampling rounds."""

from django.db import models
from django.db.models import Q

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel
from annotate.comparisons.models import Comparison
from annotate.jobs.models import Job
from annotate.projects.models import Project
from training.reward.models import RewardModel


class SamplingRound(TimestampedModel):
    """One choice of comparisons to ask for: by which reward model, which acquisition function, how many."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="sampling_rounds")
    number = models.PositiveIntegerField()
    reward_model = models.ForeignKey(RewardModel, on_delete=models.RESTRICT, related_name="sampling_rounds")
    acquisition = models.CharField(max_length=40)
    budget = models.PositiveIntegerField()
    random_share = models.FloatField(default=0.15)
    seed = models.BigIntegerField()
    n_candidates = models.PositiveIntegerField(default=0)
    report = models.JSONField(default=dict, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="sampling_rounds_number_unique"),
            models.CheckConstraint(condition=Q(budget__gte=1), name="sampling_rounds_budget_positive"),
            models.CheckConstraint(
                condition=Q(random_share__gte=0, random_share__lte=1), name="sampling_rounds_random_share_is_a_share"
            ),
        ]

    def __str__(self) -> str:
        return f"Sampling round {self.number}"


class SampledComparison(models.Model):
    """Why a comparison was chosen: its rank and the terms of its score, or that it was drawn at random."""

    sampling_round = models.ForeignKey(SamplingRound, on_delete=models.CASCADE, related_name="sampled_comparisons")
    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="sampled_in")
    rank = models.PositiveIntegerField()
    is_random = models.BooleanField()
    terms = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["rank"]
        constraints = [
            models.UniqueConstraint(fields=["sampling_round", "comparison"], name="sampled_comparisons_once_per_round"),
            models.UniqueConstraint(fields=["sampling_round", "rank"], name="sampled_comparisons_rank_unique"),
        ]
