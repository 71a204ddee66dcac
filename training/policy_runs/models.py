"""Policy runs, what they were found to be on their way, and what was written there."""

from django.db import models
from django.db.models import Q

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel
from annotate.comparisons.models import Comparison
from annotate.jobs.models import Job
from annotate.pool.models import Completion, Prompt
from annotate.projects.models import Project
from training.policy.models import Checkpoint
from training.reward.models import RewardModel


class PolicyRun(TimestampedModel):
    """One policy optimised against one version of a reward model.

    `options` is a PolicyRunOptions as JSON. `start_model` names what it starts from, for people; `start_checkpoint` is
    that model where it is one of ours. `combined_model` is another project's, whose reward is combined with that of
    `reward_model`; null for none, or where it is gone. `steps` holds a few hundred points of its training for charts:
    {"columns", "rows"}. `report` holds the fit and the latest decision (`judging.report_of`). `checkpoint` is the one
    that is kept; null until then, and where the start was the best of all.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="policy_runs")
    number = models.PositiveIntegerField()
    options = models.JSONField()
    start_checkpoint = models.ForeignKey(Checkpoint, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    start_model = models.CharField(max_length=500)
    reward_model = models.ForeignKey(RewardModel, on_delete=models.RESTRICT, related_name="policy_runs")
    combined_model = models.ForeignKey(RewardModel, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    gold_model = models.ForeignKey(RewardModel, on_delete=models.RESTRICT, null=True, blank=True, related_name="+")
    steps = models.JSONField(default=dict, blank=True)
    report = models.JSONField(default=dict, blank=True)
    stop_reason = models.CharField(max_length=40, blank=True)
    stop_message = models.CharField(max_length=500, blank=True)
    checkpoint = models.ForeignKey(
        Checkpoint, on_delete=models.SET_NULL, null=True, blank=True, related_name="policy_runs"
    )
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="policy_runs_number_unique"),
            models.CheckConstraint(condition=Q(number__gte=1), name="policy_runs_number_positive"),
            models.CheckConstraint(
                condition=Q(checkpoint=None) | Q(finished_at__isnull=False), name="policy_runs_kept_once_finished"
            ),
        ]

    def __str__(self) -> str:
        return f"Policy run {self.number}"


class PolicyEvaluation(TimestampedModel):
    """A policy on the way, on prompts that it is not trained on. `metrics` is the engine's evaluation.json.

    `human_kl` is the KL at which people were to be asked, where it was made for that; `n_comparisons` of its samples
    are before them (`people`). `model_path` is where its policy lies once the run has ended; empty where that was not
    worth keeping (`keeping`).
    """

    run = models.ForeignKey(PolicyRun, on_delete=models.CASCADE, related_name="evaluations")
    step = models.PositiveIntegerField()
    metrics = models.JSONField()
    human_kl = models.FloatField(null=True, blank=True)
    n_comparisons = models.PositiveIntegerField(default=0)
    model_path = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "step"], name="policy_evaluations_step_unique"),
            models.CheckConstraint(
                condition=Q(human_kl=None) | Q(human_kl__gt=0), name="policy_evaluations_human_kl_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run} · step {self.step}"


class Outcome(models.TextChoices):
    """Of the policy against its reference."""

    WIN = "win", "Win"
    LOSS = "loss", "Loss"
    TIE = "tie", "Tie"


class PolicySample(models.Model):
    """What the policy and its reference wrote to one prompt, and what the judges make of the two.

    `is_asked`: it was drawn for people to judge, and counts for the win rate. `evident` is the answer where nobody has
    to be asked (equal texts, an empty one beside one that is not); else `comparison` is what they are asked. `is_kept`:
    it fooled the reward model and was kept for that, which puts it before people too, drawn or not. The rows of both
    texts in the pool are null until somebody needs them there.
    """

    evaluation = models.ForeignKey(PolicyEvaluation, on_delete=models.CASCADE, related_name="samples")
    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="+")
    completion = models.TextField(blank=True)
    reference = models.TextField(blank=True)
    reward = models.FloatField()
    reference_reward = models.FloatField()
    uncertainty = models.FloatField(null=True, blank=True)
    reference_uncertainty = models.FloatField(null=True, blank=True)
    calibrated = models.FloatField(null=True, blank=True)
    reference_calibrated = models.FloatField(null=True, blank=True)
    gold = models.FloatField(null=True, blank=True)
    reference_gold = models.FloatField(null=True, blank=True)
    kl = models.FloatField(null=True, blank=True)
    n_tokens = models.PositiveIntegerField(null=True, blank=True)
    reference_n_tokens = models.PositiveIntegerField(null=True, blank=True)
    is_asked = models.BooleanField(default=False)
    evident = models.CharField(max_length=4, choices=Outcome, blank=True)
    is_kept = models.BooleanField(default=False)
    comparison = models.ForeignKey(Comparison, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    completion_row = models.ForeignKey(Completion, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    reference_row = models.ForeignKey(Completion, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["evaluation", "prompt"], name="policy_samples_once_per_prompt"),
            models.CheckConstraint(
                condition=Q(comparison=None) | Q(evident=""), name="policy_samples_nothing_evident_is_compared"
            ),
            models.CheckConstraint(
                condition=Q(evident="") | Q(is_asked=True, evident__in=Outcome.values),
                name="policy_samples_evident_known",
            ),
            models.CheckConstraint(
                condition=Q(gold=None, reference_gold=None) | Q(gold__isnull=False, reference_gold__isnull=False),
                name="policy_samples_gold_of_both",
            ),
        ]
