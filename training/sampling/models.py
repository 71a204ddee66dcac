"""Sampling rounds."""

from django.db import models
from django.db.models import Q

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel
from annotate.comparisons.models import Comparison
from annotate.jobs.models import Job
from annotate.projects.models import Project
from training.generation.models import Generation
from training.reward.models import RewardModel


class SamplingRound(TimestampedModel):
    """One choice of comparisons to ask for: by which reward model and which rules, among what, and how many."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="sampling_rounds")
    number = models.PositiveIntegerField()
    reward_model = models.ForeignKey(RewardModel, on_delete=models.RESTRICT, related_name="sampling_rounds")
    # Only pairs with a completion of this generation; null: all of the pool.
    generation = models.ForeignKey(
        Generation, on_delete=models.SET_NULL, null=True, blank=True, related_name="sampling_rounds"
    )
    acquisition = models.CharField(max_length=40)
    budget = models.PositiveIntegerField()
    random_share = models.FloatField(default=0.15)
    seed = models.BigIntegerField()
    # All of the SamplingOptions, those of the columns above among them; {} in rounds from before there were more.
    options = models.JSONField(default=dict, blank=True)
    n_candidates = models.PositiveIntegerField(default=0)
    # Completions among the candidates by the kind of their source.
    mix = models.JSONField(default=dict, blank=True)
    report = models.JSONField(default=dict, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    # When its unrated comparisons were taken from the top of the queue; null while they stand there.
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="sampling_rounds_number_unique"),
            models.CheckConstraint(condition=Q(budget__gte=1), name="sampling_rounds_budget_positive"),
            models.CheckConstraint(
                condition=Q(random_share__gte=0, random_share__lte=1), name="sampling_rounds_random_share_is_a_share"
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_at=None) | Q(finished_at__isnull=False),
                name="sampling_rounds_withdrawn_after_it_was_drawn",
            ),
        ]

    def __str__(self) -> str:
        return f"Sampling round {self.number}"


class ScoringShard(models.Model):
    """So many prompts of a round that is large, to be scored by whichever worker takes them. Gone once it is drawn."""

    sampling_round = models.ForeignKey(SamplingRound, on_delete=models.CASCADE, related_name="scoring_shards")
    number = models.PositiveIntegerField()
    n_prompts = models.PositiveIntegerField()
    # A directory with the shard's candidates and labelled prompts.
    url = models.CharField(max_length=1000)
    # Who has taken it, by which claim on that job: it is anybody's again once the job is under another claim, or none.
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    claim = models.UUIDField(null=True, blank=True)
    # A directory with its scores; empty before there are any.
    scored_url = models.CharField(max_length=1000, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sampling_round", "number"], name="scoring_shards_number_unique"),
        ]


class SampledComparison(models.Model):
    """Why a comparison was chosen: its rank and the terms of its score, or that it was drawn at random."""

    sampling_round = models.ForeignKey(SamplingRound, on_delete=models.CASCADE, related_name="sampled_comparisons")
    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="sampled_in")
    rank = models.PositiveIntegerField()
    is_random = models.BooleanField()
    terms = models.JSONField(default=dict, blank=True)
    # Of prompts, as the round's model sees them; null where it made none.
    cluster = models.IntegerField(null=True, blank=True)
    # What the round found, to be given back when it is withdrawn; null where it changed nothing.
    priority_before = models.IntegerField(null=True, blank=True)
    is_withdrawn = models.BooleanField(default=False)

    class Meta:
        ordering = ["rank"]
        constraints = [
            models.UniqueConstraint(fields=["sampling_round", "comparison"], name="sampled_comparisons_once_per_round"),
            models.UniqueConstraint(fields=["sampling_round", "rank"], name="sampled_comparisons_rank_unique"),
        ]


class RoundOpinion(models.Model):
    """What a later reward model thinks of a comparison that a round chose: reward(a) − reward(b)."""

    sampled = models.ForeignKey(SampledComparison, on_delete=models.CASCADE, related_name="opinions")
    reward_model = models.ForeignKey(RewardModel, on_delete=models.CASCADE, related_name="+")
    gap = models.FloatField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sampled", "reward_model"], name="round_opinions_one_per_model"),
        ]
