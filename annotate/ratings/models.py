"""Ratings, flags and adjudications."""

import uuid

from django.db import models
from django.db.models import Q

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel
from annotate.comparisons.models import Assignment, Comparison
from annotate.guidelines.models import GuidelineVersion
from annotate.projects.models import Project


class Preferred(models.TextChoices):
    A = "a", "A"
    B = "b", "B"
    TIE = "tie", "Tie"


class RatingOrigin(models.TextChoices):
    LABELLER = "labeller", "Labelled here"
    IMPORTED = "imported", "Imported"
    SIMULATED = "simulated", "Simulated"
    AI = "ai", "AI"


class Rating(models.Model):
    """One labeller's judgement, in comparison order. A trigger refuses UPDATE and DELETE: a correction is a new row.

    `intensity` runs from 1 (weakest) to the project's number of levels; null for a tie, for a pair of a ranking
    and where an imported file had none. `active_ms` is time spent on the pair with the tab visible and the labeller not
    idle.
    """

    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="ratings")
    assignment = models.ForeignKey(Assignment, on_delete=models.CASCADE, related_name="ratings")
    labeller = models.ForeignKey(User, on_delete=models.PROTECT, related_name="ratings")
    # Repeated here from the comparison, so that days and agreement of one project need no join.
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="ratings")
    preferred = models.CharField(max_length=3, choices=Preferred)
    intensity = models.PositiveSmallIntegerField(null=True, blank=True)
    is_neither_acceptable = models.BooleanField(default=False)
    # Position among the project's bucket_labels; null where it asks for none.
    bucket = models.PositiveSmallIntegerField(null=True, blank=True)
    justification = models.TextField(blank=True)
    # What decided it: [{side: a|b, start, end, quote}], offsets in characters of the text as it is shown.
    spans = models.JSONField(default=list, blank=True)
    active_ms = models.PositiveIntegerField(null=True, blank=True)
    guideline_version = models.ForeignKey(GuidelineVersion, on_delete=models.RESTRICT, null=True, related_name="+")
    # Made by the client: sending the same rating again is not a second rating.
    client_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # A second look at a pair that this labeller had rated: it measures them, and counts for nothing else.
    is_repeat = models.BooleanField(default=False)
    supersedes = models.OneToOneField("self", on_delete=models.CASCADE, null=True, related_name="superseded_by")
    origin = models.CharField(max_length=10, choices=RatingOrigin, default=RatingOrigin.LABELLER)
    # The client_id of the ranking that said this. The ratings of all its pairs share it, and they count as one example
    # in training (InstructGPT, Ouyang et al. 2022, §3.5). Null where the pair was rated by itself.
    ranking_id = models.UUIDField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(preferred__in=Preferred.values), name="ratings_preferred_known"),
            models.CheckConstraint(condition=Q(origin__in=RatingOrigin.values), name="ratings_origin_known"),
            models.CheckConstraint(
                condition=Q(intensity=None) | Q(intensity__gte=1, intensity__lte=4), name="ratings_intensity_range"
            ),
            models.CheckConstraint(
                condition=~Q(preferred=Preferred.TIE) | Q(intensity=None), name="ratings_ties_have_no_intensity"
            ),
            models.CheckConstraint(
                condition=~Q(origin=RatingOrigin.LABELLER)
                | Q(preferred=Preferred.TIE)
                | Q(intensity__isnull=False)
                | Q(ranking_id__isnull=False),
                name="ratings_labelled_here_have_intensity",
            ),
            models.UniqueConstraint(
                fields=["assignment"], condition=Q(supersedes=None), name="ratings_one_first_rating_per_assignment"
            ),
        ]
        indexes = [
            # Ratings per day of a project, and the snapshot's read of all its ratings in order.
            models.Index(fields=["project", "created_at"], name="ratings_by_project_and_day"),
            # A labeller's own history in one project, newest first, and how much of it is of today.
            models.Index(fields=["labeller", "project", "-created_at", "-id"], name="ratings_by_labeller"),
            # The pairs of one ranking; most ratings are of none.
            models.Index(fields=["ranking_id"], condition=Q(ranking_id__isnull=False), name="ratings_by_ranking"),
        ]


class FlagKind(models.TextChoices):
    HARMFUL = "harmful", "Harmful"
    PERSONAL_DATA = "personal_data", "Personal data"
    BROKEN = "broken", "Broken"
    GUIDELINE_UNCLEAR = "guideline_unclear", "Guideline unclear"
    OTHER = "other", "Other"


class Flag(TimestampedModel):
    """A labeller says that something is wrong with a comparison. Unresolved flags keep it out of training."""

    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="flags")
    labeller = models.ForeignKey(User, on_delete=models.PROTECT, related_name="flags")
    kind = models.CharField(max_length=20, choices=FlagKind)
    note = models.TextField(blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["comparison", "labeller", "kind"], name="flags_once_per_labeller_and_kind"),
            models.CheckConstraint(condition=Q(kind__in=FlagKind.values), name="flags_kind_known"),
        ]


class Adjudication(TimestampedModel):
    """A reviewer's verdict on a comparison. A later one replaces an earlier one; all are kept."""

    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="adjudications")
    reviewer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="adjudications")
    # "invalid": the comparison should not have been asked; it stays out of training. "reopened": no verdict stands any
    # more, its ratings speak again.
    verdict = models.CharField(
        max_length=8,
        choices=[
            ("a", "A"),
            ("b", "B"),
            ("tie", "Tie"),
            ("invalid", "Not a valid comparison"),
            ("reopened", "Sent back to labelling"),
        ],
    )
    intensity = models.PositiveSmallIntegerField(null=True, blank=True)
    note = models.TextField(blank=True)
    # The heading of the guidelines that decides it (empty: none was named), and the version it was read in.
    guideline_section = models.CharField(max_length=200, blank=True)
    guideline_version = models.ForeignKey(
        GuidelineVersion, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(verdict__in=["a", "b"], intensity__gte=1, intensity__lte=4)
                | Q(verdict__in=["tie", "invalid", "reopened"], intensity=None),
                name="adjudications_intensity_for_a_preference",
            ),
        ]
        indexes = [models.Index(fields=["comparison", "-id"], name="adjudications_newest")]
