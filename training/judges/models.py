"""Constitutions, judges and their ratings.

AI ratings have a table of their own: nothing that reads people's ratings (agreement, gold, the stop rule, evaluation)
can meet them by accident.
"""

from django.db import models
from django.db.models import Q

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel
from annotate.comparisons.models import Comparison
from annotate.jobs.models import Job
from annotate.projects.models import Project


class Constitution(TimestampedModel):
    """A set of principles under one name; what judges are asked is one of its versions."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="constitutions")
    name = models.CharField(max_length=120)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="constitutions_name_unique"),
            models.CheckConstraint(condition=~Q(name=""), name="constitutions_name_not_empty"),
        ]

    def __str__(self) -> str:
        return self.name


class ConstitutionVersion(TimestampedModel):
    """One text of a constitution. A draft until `published_at`; after that never edited: a change is a new version."""

    constitution = models.ForeignKey(Constitution, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    note = models.TextField(blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["constitution", "number"], name="constitution_versions_number_unique"),
            models.UniqueConstraint(
                fields=["constitution"], condition=Q(published_at=None), name="constitution_versions_one_draft"
            ),
            models.CheckConstraint(condition=Q(number__gte=1), name="constitution_versions_number_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.constitution.name} v{self.number}"


class Principle(models.Model):
    """One thing to judge by. `weight`: how often it is drawn and how much it counts, beside the others."""

    version = models.ForeignKey(ConstitutionVersion, on_delete=models.CASCADE, related_name="principles")
    position = models.PositiveSmallIntegerField()
    text = models.TextField()
    axis = models.CharField(max_length=40, blank=True)
    weight = models.FloatField(default=1.0)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["version", "position"], name="principles_position_unique"),
            models.CheckConstraint(condition=~Q(text=""), name="principles_text_not_empty"),
            models.CheckConstraint(condition=Q(weight__gt=0), name="principles_weight_positive"),
        ]


class Judge(TimestampedModel):
    """Who judges by what and how: its ratings are one stream, compared with people's and allowed to count as a whole.

    `name` is "endpoint:<name>" or "path:<directory>"; `model` what the endpoint calls its model.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="judges")
    version = models.ForeignKey(ConstitutionVersion, on_delete=models.RESTRICT, related_name="judges")
    name = models.CharField(max_length=500)
    model = models.CharField(max_length=300, blank=True)
    chain_of_thought = models.BooleanField(default=False)
    # How its ratings compare with people's (`judges.comparing`), as of `reported_at`.
    report = models.JSONField(default=dict, blank=True)
    reported_at = models.DateTimeField(null=True, blank=True)
    # The latest job that made the report anew because somebody asked; runs make it in their own.
    report_job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    # Since when its ratings may be put into comparison sets; null where they may not.
    allowed_at = models.DateTimeField(null=True, blank=True)
    allowed_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "version", "name", "model", "chain_of_thought"], name="judges_unique_in_project"
            ),
            models.CheckConstraint(condition=Q(name__regex=r"^(endpoint|path):.+"), name="judges_name_says_where"),
        ]

    def __str__(self) -> str:
        return f"{self.name} by {self.version}"


class Scope(models.TextChoices):
    """Which comparisons are judged."""

    UNRATED = "unrated", "Without people's ratings"
    RATED = "rated", "With people's ratings, to compare with them"


class JudgeRun(TimestampedModel):
    """One job of a judge: so many comparisons, within a budget."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="judge_runs")
    number = models.PositiveIntegerField()
    judge = models.ForeignKey(Judge, on_delete=models.RESTRICT, related_name="runs")
    scope = models.CharField(max_length=8, choices=Scope)
    n_comparisons = models.PositiveIntegerField()
    n_principles = models.PositiveSmallIntegerField(default=1)
    # No further question is asked once so many tokens are used; null for no limit.
    max_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    seed = models.BigIntegerField(default=0)
    counts = models.JSONField(default=dict, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="judge_runs_number_unique"),
            models.CheckConstraint(condition=Q(scope__in=Scope.values), name="judge_runs_scope_known"),
            models.CheckConstraint(
                condition=Q(n_comparisons__gte=1, n_principles__gte=1), name="judge_runs_ask_something"
            ),
        ]

    def __str__(self) -> str:
        return f"Judge run {self.number}"


class AiRating(TimestampedModel):
    """A judge's view of a comparison by one principle. Asked once: the constraint is the cache.

    p_first_order, p_second_order: P(a preferred) with a shown first and with b shown first, null where that order was
    not answered; p_a: their mean, an unanswered one counting ½.
    """

    judge = models.ForeignKey(Judge, on_delete=models.CASCADE, related_name="ratings")
    run = models.ForeignKey(JudgeRun, on_delete=models.CASCADE, related_name="ratings")
    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="ai_ratings")
    principle = models.ForeignKey(Principle, on_delete=models.RESTRICT, related_name="+")
    p_a = models.FloatField()
    p_first_order = models.FloatField(null=True)
    p_second_order = models.FloatField(null=True)
    # Whether p is of log-probabilities; otherwise of a letter that was written.
    has_probabilities = models.BooleanField(default=True)
    rationale = models.TextField(blank=True)

    class Meta:
        constraints = [
            # Also what comparison sets look an AI rating up by, hence the comparison first.
            models.UniqueConstraint(fields=["comparison", "judge", "principle"], name="ai_ratings_once"),
            models.CheckConstraint(condition=Q(p_a__gte=0, p_a__lte=1), name="ai_ratings_p_a_is_a_probability"),
            models.CheckConstraint(
                condition=Q(p_first_order=None) | Q(p_first_order__gte=0, p_first_order__lte=1),
                name="ai_ratings_p_first_order_is_a_probability",
            ),
            models.CheckConstraint(
                condition=Q(p_second_order=None) | Q(p_second_order__gte=0, p_second_order__lte=1),
                name="ai_ratings_p_second_order_is_a_probability",
            ),
            models.CheckConstraint(
                condition=Q(p_first_order__isnull=False) | Q(p_second_order__isnull=False),
                name="ai_ratings_answered_once_at_least",
            ),
        ]
