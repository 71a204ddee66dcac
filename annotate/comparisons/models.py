"""Comparisons and assignments."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Greatest

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel
from annotate.pool.models import Completion, Prompt
from annotate.projects.models import Project


class ComparisonState(models.TextChoices):
    OPEN = "open", "Open"
    COMPLETE = "complete", "Complete"
    ADJUDICATED = "adjudicated", "Adjudicated"
    CLOSED = "closed", "Closed"


class Comparison(TimestampedModel):
    """A question: which of two completions of one prompt is better. The pair is unordered: a is the lower id.

    The counts are kept by `comparisons.services` and `ratings.services` under this row's lock, so that the queue and
    the list of disagreements are index look-ups at any size.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="comparisons")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="comparisons")
    a = models.ForeignKey(Completion, on_delete=models.PROTECT, related_name="+")
    b = models.ForeignKey(Completion, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=12, choices=ComparisonState, default=ComparisonState.OPEN)
    # Higher comes first; sampling rounds raise it.
    priority = models.IntegerField(default=0)
    # Ratings that are wanted in all, and those taken: submitted or on a live lease.
    n_wanted = models.PositiveSmallIntegerField()
    n_taken = models.PositiveSmallIntegerField(default=0)
    # At least so many ratings, whatever the project's rule says: a reviewer sent it back to labelling. 0 as a rule.
    n_required = models.SmallIntegerField(default=0)
    # Current ratings by their answer.
    n_a = models.PositiveIntegerField(default=0)
    n_b = models.PositiveIntegerField(default=0)
    n_ties = models.PositiveIntegerField(default=0)
    n_flags = models.PositiveIntegerField(default=0)
    n_ratings = models.GeneratedField(
        expression=F("n_a") + F("n_b") + F("n_ties"), output_field=models.PositiveIntegerField(), db_persist=True
    )
    # Ratings that are not of the commonest answer: 0 is unanimous. Ordered by, so kept as a column.
    n_dissenting = models.GeneratedField(
        expression=F("n_a") + F("n_b") + F("n_ties") - Greatest(F("n_a"), F("n_b"), F("n_ties")),
        output_field=models.PositiveIntegerField(),
        db_persist=True,
    )
    # The sensitive tags of its prompt: what a labeller is warned of and may decline.
    warnings = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    # The known answer of a gold comparison; null otherwise. A gold comparison is closed to the ordinary queue: it is
    # mixed into everybody's work.
    gold_preferred = models.CharField(max_length=3, choices=[("a", "A"), ("b", "B"), ("tie", "Tie")], null=True)
    gold_intensity = models.PositiveSmallIntegerField(null=True, blank=True)
    # Who said what the answer is: they are not asked.
    gold_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(a__lt=F("b")), name="comparisons_a_before_b"),
            models.UniqueConstraint(fields=["project", "a", "b"], name="comparisons_unique_in_project"),
            models.CheckConstraint(condition=Q(state__in=ComparisonState.values), name="comparisons_state_known"),
            models.CheckConstraint(
                condition=Q(n_wanted__gte=1) & Q(n_taken__gte=0), name="comparisons_wants_at_least_one"
            ),
            models.CheckConstraint(
                condition=Q(n_required__gte=0, n_required__lte=50), name="comparisons_n_required_range"
            ),
            models.CheckConstraint(
                condition=Q(gold_preferred=None) | Q(gold_preferred__in=["a", "b", "tie"]),
                name="comparisons_gold_preferred_known",
            ),
            models.CheckConstraint(
                condition=Q(gold_preferred=None) | ~Q(state="open"), name="comparisons_gold_is_not_in_the_queue"
            ),
        ]
        indexes = [
            # The queue: highest priority, then oldest, among those that still want a labeller.
            models.Index(
                fields=["project", "-priority", "id"],
                condition=Q(state="open", n_taken__lt=F("n_wanted")),
                name="comparisons_queue",
            ),
            # The reviewer's list of disagreements, most dissent first.
            models.Index(
                fields=["project", "-n_dissenting", "-id"],
                condition=Q(n_dissenting__gt=0),
                name="comparisons_disagreement",
            ),
            # The Comparisons page, newest first.
            models.Index(fields=["project", "-id"], name="comparisons_newest"),
            # Gold to mix in.
            models.Index(fields=["project", "id"], condition=Q(gold_preferred__isnull=False), name="comparisons_gold"),
            # What exports and sampling read: comparisons that have ratings.
            models.Index(fields=["project", "id"], condition=Q(n_ratings__gt=0), name="comparisons_rated"),
        ]


class AssignmentState(models.TextChoices):
    LEASED = "leased", "Leased"
    SUBMITTED = "submitted", "Submitted"
    SKIPPED = "skipped", "Skipped"
    EXPIRED = "expired", "Expired"


class AssignmentKind(models.TextChoices):
    REGULAR = "regular", "Regular"
    GOLD = "gold", "Gold"
    REPEAT = "repeat", "Repeat"
    IMPORTED = "imported", "Imported"
    # Rated as one of the pairs of a ranking.
    RANKING = "ranking", "Ranking"


HOLDS_A_PLACE = Q(state__in=[AssignmentState.LEASED, AssignmentState.SUBMITTED]) & Q(
    kind__in=[AssignmentKind.REGULAR, AssignmentKind.GOLD]
)


class Assignment(TimestampedModel):
    """A labeller's lease on a comparison. `first` is the completion shown first, drawn when the lease was given.

    `place` numbers the ratings a comparison wants (0 … n_wanted − 1). Two live assignments cannot hold the same place,
    so no race can hand a comparison to more labellers than it needs.
    """

    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="assignments")
    labeller = models.ForeignKey(User, on_delete=models.PROTECT, related_name="assignments")
    kind = models.CharField(max_length=10, choices=AssignmentKind, default=AssignmentKind.REGULAR)
    state = models.CharField(max_length=10, choices=AssignmentState, default=AssignmentState.LEASED)
    place = models.PositiveSmallIntegerField(null=True, blank=True)
    first = models.CharField(max_length=1, choices=[("a", "A"), ("b", "B")], null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    skip_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["comparison", "labeller"],
                condition=~Q(kind=AssignmentKind.REPEAT),
                name="assignments_once_per_labeller",
            ),
            models.UniqueConstraint(
                fields=["comparison", "place"], condition=HOLDS_A_PLACE, name="assignments_one_per_place"
            ),
            models.UniqueConstraint(
                fields=["comparison", "labeller"],
                condition=Q(kind=AssignmentKind.REPEAT),
                name="assignments_one_repeat_per_labeller",
            ),
            models.CheckConstraint(
                condition=~HOLDS_A_PLACE | Q(place__isnull=False), name="assignments_live_ones_hold_a_place"
            ),
            models.CheckConstraint(
                condition=~Q(state=AssignmentState.LEASED) | Q(lease_until__isnull=False, first__isnull=False),
                name="assignments_leases_end",
            ),
            models.CheckConstraint(condition=Q(state__in=AssignmentState.values), name="assignments_state_known"),
            models.CheckConstraint(condition=Q(kind__in=AssignmentKind.values), name="assignments_kind_known"),
        ]
        indexes = [
            # Leases to take back, and a labeller's leases to hand out again after a reload.
            models.Index(fields=["lease_until"], condition=Q(state="leased"), name="assignments_leases_by_end"),
            models.Index(fields=["labeller"], condition=Q(state="leased"), name="assignments_leased_by_labeller"),
            # A labeller's own pairs, newest first, to draw repeats from.
            models.Index(fields=["labeller", "id"], name="assignments_by_labeller"),
        ]
