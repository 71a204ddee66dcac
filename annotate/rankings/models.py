"""Rankings, who has them, and what they said."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.lookups import GreaterThanOrEqual

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel
from annotate.guidelines.models import GuidelineVersion
from annotate.pool.models import Completion, Prompt
from annotate.projects.models import Project

MIN_SIZE, MAX_SIZE = 3, 9


class RankingState(models.TextChoices):
    OPEN = "open", "Open"
    COMPLETE = "complete", "Complete"


class Ranking(TimestampedModel):
    """A question: in which order, from best to worst, do some completions of one prompt come.

    The counts are kept by `rankings.services` under this row's lock.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="rankings")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="rankings")
    completions = models.ManyToManyField(Completion, through="RankingItem", related_name="+")
    # SHA-256 of the completions' ids in ascending order: the same question is one row.
    digest = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=RankingState, default=RankingState.OPEN)
    # Higher comes first.
    priority = models.IntegerField(default=0)
    # Answers that are wanted in all, and those taken: submitted or on a live lease.
    n_wanted = models.PositiveSmallIntegerField()
    n_taken = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "digest"], name="rankings_unique_in_project"),
            models.CheckConstraint(condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="rankings_digest_is_sha256"),
            models.CheckConstraint(condition=Q(state__in=RankingState.values), name="rankings_state_known"),
            models.CheckConstraint(condition=Q(n_wanted__gte=1), name="rankings_wants_at_least_one"),
        ]
        indexes = [
            # The queue: highest priority, then oldest, among those that still want a labeller.
            models.Index(
                fields=["project", "-priority", "id"],
                condition=Q(state="open", n_taken__lt=F("n_wanted")),
                name="rankings_queue",
            ),
        ]


class RankingItem(models.Model):
    """A completion that is ranked. `position` is the order of making; labellers see one drawn for them."""

    ranking = models.ForeignKey(Ranking, on_delete=models.CASCADE, related_name="items")
    completion = models.ForeignKey(Completion, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["ranking", "completion"], name="ranking_items_completion_once"),
            models.UniqueConstraint(fields=["ranking", "position"], name="ranking_items_one_per_position"),
            models.CheckConstraint(condition=Q(position__lt=MAX_SIZE), name="ranking_items_position_range"),
        ]


class RankingAssignmentState(models.TextChoices):
    LEASED = "leased", "Leased"
    SUBMITTED = "submitted", "Submitted"
    SKIPPED = "skipped", "Skipped"
    EXPIRED = "expired", "Expired"


HOLDS_A_PLACE = Q(state__in=[RankingAssignmentState.LEASED, RankingAssignmentState.SUBMITTED])


class RankingAssignment(TimestampedModel):
    """A labeller's lease on a ranking. `order` is the completions' ids as they stand on the screen, drawn once.

    `place` numbers the answers a ranking wants, as in `comparisons.Assignment`: two live assignments cannot hold one.
    """

    ranking = models.ForeignKey(Ranking, on_delete=models.CASCADE, related_name="assignments")
    labeller = models.ForeignKey(User, on_delete=models.PROTECT, related_name="ranking_assignments")
    state = models.CharField(max_length=10, choices=RankingAssignmentState, default=RankingAssignmentState.LEASED)
    place = models.PositiveSmallIntegerField(null=True, blank=True)
    order = ArrayField(models.BigIntegerField())
    lease_until = models.DateTimeField(null=True, blank=True)
    skip_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ranking", "labeller"], name="ranking_assignments_once_per_labeller"),
            models.UniqueConstraint(
                fields=["ranking", "place"], condition=HOLDS_A_PLACE, name="ranking_assignments_one_per_place"
            ),
            models.CheckConstraint(
                condition=~HOLDS_A_PLACE | Q(place__isnull=False), name="ranking_assignments_live_ones_hold_a_place"
            ),
            models.CheckConstraint(
                condition=~Q(state=RankingAssignmentState.LEASED) | Q(lease_until__isnull=False),
                name="ranking_assignments_leases_end",
            ),
            models.CheckConstraint(
                condition=Q(order__len__gte=MIN_SIZE, order__len__lte=MAX_SIZE), name="ranking_assignments_order_size"
            ),
            models.CheckConstraint(
                condition=Q(state__in=RankingAssignmentState.values), name="ranking_assignments_state_known"
            ),
        ]
        indexes = [
            # Leases to take back, and a labeller's leases to hand out again after a reload.
            models.Index(fields=["lease_until"], condition=Q(state="leased"), name="ranking_leases_by_end"),
            models.Index(fields=["labeller", "id"], name="ranking_assignments_labeller"),
        ]


class RankingAnswer(models.Model):
    """One labeller's ranking as they made it. A trigger refuses UPDATE and DELETE.

    The ratings of its pairs follow from it and carry its `client_id` as their `ranking_id`. `active_ms` is the time on
    the whole ranking; the ratings share it out evenly, so that times add up.
    """

    assignment = models.OneToOneField(RankingAssignment, on_delete=models.CASCADE, related_name="answer")
    labeller = models.ForeignKey(User, on_delete=models.PROTECT, related_name="ranking_answers")
    # Repeated here from the ranking, so that a labeller's history in one project needs no join.
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="ranking_answers")
    # Completion ids, best first: [[3], [1, 4], [2]]. Those in one list share a place.
    tiers = models.JSONField()
    justification = models.TextField(blank=True)
    active_ms = models.PositiveIntegerField(null=True, blank=True)
    guideline_version = models.ForeignKey(GuidelineVersion, on_delete=models.RESTRICT, null=True, related_name="+")
    # Made by the client: sending the same ranking again is not a second one.
    client_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=GreaterThanOrEqual(
                    Func(F("tiers"), function="jsonb_array_length", output_field=models.IntegerField()), 1
                ),
                name="ranking_answers_tiers_are_a_list",
            ),
        ]
        indexes = [
            # A labeller's own history in one project, newest first, and how much of it is of today.
            models.Index(fields=["labeller", "project", "-created_at", "-id"], name="ranking_answers_by_labeller"),
        ]
