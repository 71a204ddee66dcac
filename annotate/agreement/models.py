"""What the pages on agreement read: made by a task, so that no page scans the ratings."""

from django.db import models
from django.db.models import Q

from annotate.accounts.models import User
from annotate.comparisons.models import Comparison
from annotate.projects.models import Project


class AgreementSnapshot(models.Model):
    """Counts and statistics of a project at one moment."""

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


class LabellerFigures(models.Model):
    """One labeller's quality in one project, as of the latest snapshot."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="labeller_figures")
    labeller = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    n_ratings = models.PositiveIntegerField()
    n_findings = models.PositiveSmallIntegerField(default=0)
    # The values that tables are sorted by; null where there are too few ratings to say.
    reliability = models.FloatField(null=True)
    with_others = models.FloatField(null=True)
    gold = models.FloatField(null=True)
    self_agreement = models.FloatField(null=True)
    first_side = models.FloatField(null=True)
    longer = models.FloatField(null=True)
    median_active_ms = models.FloatField(null=True)
    too_fast = models.FloatField(null=True)
    drift = models.FloatField(null=True)
    # The same figures whole, each a Stat, with weeks, versions and findings (`metrics.labellers`).
    figures = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "labeller"], name="labeller_figures_one_per_project"),
        ]


class ComparisonAnswer(models.Model):
    """What the ratings of a comparison say together, with the reliability of their labellers, and whether a reviewer
    should look. Made with the snapshot; rows that have not changed are not written."""

    comparison = models.OneToOneField(Comparison, on_delete=models.CASCADE, primary_key=True, related_name="answer")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    n_ratings = models.PositiveIntegerField()
    p_a = models.FloatField()
    p_b = models.FloatField()
    p_tie = models.FloatField()
    # From −levels (b, strongest) to levels (a, strongest).
    expected_intensity = models.FloatField()
    # How much a reviewer's look is worth (`metrics.worth`), and the reasons, greatest first; 0 and [] for no reason.
    worth = models.FloatField(default=0)
    reasons = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(p_a__gte=0, p_b__gte=0, p_tie__gte=0), name="comparison_answers_are_probabilities"
            ),
        ]
        indexes = [
            # The queue of disagreements.
            models.Index(
                fields=["project", "-worth", "-comparison"], condition=Q(worth__gt=0), name="comparison_answers_worth"
            ),
        ]


class ModelOpinion(models.Model):
    """P(a preferred) by the promoted reward model, σ(r_a − r_b). Written by the models' wing."""

    comparison = models.OneToOneField(
        Comparison, on_delete=models.CASCADE, primary_key=True, related_name="model_opinion"
    )
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    p_a = models.FloatField()
    # Version of the reward model.
    version = models.PositiveIntegerField()
    # Whether the comparison was held out of that model's training.
    is_held_out = models.BooleanField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(p_a__gte=0, p_a__lte=1), name="model_opinions_p_a_is_a_probability"),
        ]


class CrossFittedOpinion(models.Model):
    """P(a preferred) by reward models that were trained without this comparison, though their kind saw all others.

    Where it and the labellers part, the labels may be wrong (Wang et al. 2024, "Secrets of RLHF in Large Language
    Models, Part II"). Written by the models' wing.
    """

    comparison = models.OneToOneField(
        Comparison, on_delete=models.CASCADE, primary_key=True, related_name="cross_fitted_opinion"
    )
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    p_a = models.FloatField()
    # Mean reward of a minus that of b over the models, and its standard deviation; null from one model.
    strength = models.FloatField()
    std = models.FloatField(null=True)
    # Number of the comparison set whose verdicts were judged.
    comparison_set = models.PositiveIntegerField()
    # 1 for the most suspicious verdict of its set; null where there is no suspicion.
    rank = models.PositiveIntegerField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(p_a__gte=0, p_a__lte=1), name="cross_fitted_opinions_p_a_is_a_probability"
            ),
        ]
        indexes = [
            # The suspicious ones of a project, when a snapshot is made.
            models.Index(fields=["project"], condition=Q(rank__isnull=False), name="cross_fitted_suspicious"),
        ]


class JudgeOpinion(models.Model):
    """P(a preferred) by an AI labeller that agrees with people elsewhere, where it is sure of the other side than they.

    No rating: it is in no count and no statistic, and only says where a reviewer should look. Written by the models'
    wing.
    """

    comparison = models.OneToOneField(
        Comparison, on_delete=models.CASCADE, primary_key=True, related_name="judge_opinion"
    )
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    p_a = models.FloatField()
    # Who judged, by what, as its page names it.
    judge = models.CharField(max_length=700)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(p_a__gte=0, p_a__lte=1), name="judge_opinions_p_a_is_a_probability"),
        ]
