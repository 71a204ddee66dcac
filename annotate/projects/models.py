"""Pools, projects, memberships and invitations."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel

# Llama 2's four (Touvron et al. 2023, §3.2.1), strongest first.
DEFAULT_INTENSITY_LABELS = ["significantly better", "better", "slightly better", "negligibly better or unsure"]


def default_intensity_labels() -> list[str]:
    return list(DEFAULT_INTENSITY_LABELS)


class Pool(TimestampedModel):
    """Prompts and completions that one or more projects compare: helpfulness and safety share a pool."""

    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.name


class Project(TimestampedModel):
    """One question put to labellers about the pool's completions: which is better along one axis."""

    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="projects")
    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True)
    axis = models.CharField(max_length=40, default="helpfulness")
    # Strongest first, as on the screen. A rating's intensity counts from the other end: 1 is the weakest.
    intensity_labels = ArrayField(models.CharField(max_length=60), default=default_intensity_labels)
    ties_allowed = models.BooleanField(default=False)
    min_ratings = models.PositiveSmallIntegerField(default=3, validators=[MinValueValidator(1)])
    max_ratings = models.PositiveSmallIntegerField(default=5, validators=[MaxValueValidator(50)])
    # A comparison stops asking for ratings once its leading answer is this probable (`comparisons.rules`).
    stop_confidence = models.FloatField(default=0.9)
    # So many completions of a prompt are ranked at once; null asks for pairs.
    ranking_size = models.PositiveSmallIntegerField(null=True, blank=True)
    disagreement_limit = models.FloatField(default=0.30)
    lease_minutes = models.PositiveSmallIntegerField(default=30)
    # So long a labeller may take an answer back.
    grace_minutes = models.PositiveSmallIntegerField(default=60)
    # What the labelling screen shows and asks for.
    is_length_shown = models.BooleanField(default=False)
    is_gold_shown = models.BooleanField(default=False)
    justification_min_length = models.PositiveSmallIntegerField(default=0)
    # A second question on the same screen, e.g. Llama 2's three safety buckets; empty where there is none.
    bucket_axis = models.CharField(max_length=40, blank=True)
    bucket_labels = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    # Shares of a labeller's pairs with a known answer, and of pairs they have rated before, with the sides swapped.
    gold_rate = models.FloatField(default=0.05)
    repeat_rate = models.FloatField(default=0.03)
    # A labeller who agrees with fewer than this share of their latest `gold_window` gold answers is paused.
    gold_floor = models.FloatField(null=True, blank=True)
    gold_window = models.PositiveSmallIntegerField(default=10)
    # Share of a quiz's questions to be answered as the guidelines do before there is work.
    quiz_pass_share = models.FloatField(default=0.8)
    # Tags of prompts that carry a warning, and how many such pairs one labeller sees a day; null is no cap.
    sensitive_tags = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    sensitive_per_day = models.PositiveSmallIntegerField(null=True, blank=True)
    # What an hour of a labeller's active time costs; null shows no cost anywhere.
    pay_per_hour = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    # ISO 4217.
    currency = models.CharField(max_length=3, blank=True)
    is_demo = models.BooleanField(default=False)
    is_archived = models.BooleanField(default=False)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(min_ratings__gte=1) & Q(min_ratings__lte=F("max_ratings")) & Q(max_ratings__lte=50),
                name="projects_ratings_range",
            ),
            models.CheckConstraint(
                condition=Q(intensity_labels__len__gte=1) & Q(intensity_labels__len__lte=4),
                name="projects_one_to_four_intensities",
            ),
            models.CheckConstraint(
                condition=Q(disagreement_limit__gte=0) & Q(disagreement_limit__lte=1),
                name="projects_disagreement_limit_is_a_share",
            ),
            models.CheckConstraint(
                condition=Q(lease_minutes__gte=1) & Q(lease_minutes__lte=1440), name="projects_lease_minutes_range"
            ),
            models.CheckConstraint(condition=~Q(axis=""), name="projects_axis_not_empty"),
            models.CheckConstraint(
                condition=Q(ranking_size=None) | Q(ranking_size__gte=3, ranking_size__lte=9),
                name="projects_ranking_size_range",
            ),
            models.CheckConstraint(
                condition=Q(stop_confidence__gt=0.5) & Q(stop_confidence__lte=1), name="projects_stop_confidence_range"
            ),
            models.CheckConstraint(condition=Q(grace_minutes__lte=10080), name="projects_grace_minutes_range"),
            models.CheckConstraint(
                condition=Q(pay_per_hour=None) | Q(pay_per_hour__gt=0) & Q(currency__regex="^[A-Z]{3}$"),
                name="projects_pay_in_a_currency",
            ),
            models.CheckConstraint(
                condition=Q(justification_min_length__lte=2000), name="projects_justification_min_length_range"
            ),
            models.CheckConstraint(
                condition=Q(bucket_axis="", bucket_labels__len=0)
                | (~Q(bucket_axis="") & Q(bucket_labels__len__gte=2, bucket_labels__len__lte=6)),
                name="projects_bucket_axis_with_labels",
            ),
            models.CheckConstraint(
                condition=Q(gold_rate__gte=0, repeat_rate__gte=0) & Q(gold_rate__lte=0.5, repeat_rate__lte=0.5),
                name="projects_gold_and_repeat_rates_range",
            ),
            models.CheckConstraint(
                condition=(Q(gold_floor=None) | Q(gold_floor__gte=0, gold_floor__lte=1))
                & Q(gold_window__gte=1, gold_window__lte=200),
                name="projects_gold_rule_range",
            ),
            models.CheckConstraint(
                condition=Q(quiz_pass_share__gte=0, quiz_pass_share__lte=1), name="projects_quiz_pass_share_is_a_share"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def n_intensities(self) -> int:
        return len(self.intensity_labels)


class Role(models.TextChoices):
    LABELLER = "labeller", "Labeller"
    REVIEWER = "reviewer", "Reviewer"
    RESEARCHER = "researcher", "Researcher"
    OWNER = "owner", "Owner"


class Capability(models.TextChoices):
    """What a role may do; every endpoint asks for exactly one of these."""

    LABEL = "label", "Label"
    REVIEW = "review", "See ratings and agreement"
    ADJUDICATE = "adjudicate", "Settle disagreements"
    GUIDELINES = "guidelines", "Write guidelines"
    IMPORT = "import", "Import prompts and completions"
    TRAIN = "train", "Train and promote reward models"
    MANAGE = "manage", "Manage members and settings"


_ALL = frozenset(Capability)
CAPABILITIES: dict[Role, frozenset[Capability]] = {
    Role.LABELLER: frozenset({Capability.LABEL}),
    Role.REVIEWER: frozenset({Capability.LABEL, Capability.REVIEW, Capability.ADJUDICATE, Capability.GUIDELINES}),
    Role.RESEARCHER: frozenset({Capability.LABEL, Capability.REVIEW, Capability.IMPORT, Capability.TRAIN}),
    Role.OWNER: _ALL,
}


class Membership(TimestampedModel):
    """A user's role in a project. Deactivated, never deleted, once there are ratings."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role, default=Role.LABELLER)
    is_active = models.BooleanField(default=True)
    # A paused member gets no work until a reviewer lets them go on.
    paused_at = models.DateTimeField(null=True, blank=True)
    pause_reason = models.CharField(max_length=300, blank=True)
    # Gold answers before it are no longer held against them.
    resumed_at = models.DateTimeField(null=True, blank=True)
    # Ratings of an excluded member stay and can be read; comparison sets and project-wide agreement leave them out.
    excluded_at = models.DateTimeField(null=True, blank=True)
    exclusion_reason = models.CharField(max_length=300, blank=True)
    # Chance that a rating of theirs is of the right answer, from the latest agreement snapshot; null before it.
    reliability = models.FloatField(null=True, blank=True)
    # Warned categories that this labeller does not want to see.
    declined_tags = ArrayField(models.CharField(max_length=60), default=list, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="memberships_one_per_project_and_user"),
            models.CheckConstraint(
                condition=Q(reliability=None) | Q(reliability__gt=0, reliability__lt=1),
                name="memberships_reliability_is_a_chance",
            ),
            models.CheckConstraint(
                condition=Q(paused_at=None, pause_reason="") | (Q(paused_at__isnull=False) & ~Q(pause_reason="")),
                name="memberships_paused_with_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(excluded_at=None, exclusion_reason="")
                | (Q(excluded_at__isnull=False) & ~Q(exclusion_reason="")),
                name="memberships_excluded_with_a_reason",
            ),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="memberships_role_known"),
        ]

    @property
    def capabilities(self) -> frozenset[Capability]:
        return CAPABILITIES[Role(self.role)]


class AuditEvent(models.Model):
    """Who changed what and when. A trigger refuses UPDATE and DELETE; written by `projects.audit.record` alone."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="audit_events")
    # Null where a rule of the project acted by itself.
    actor = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    # "thing.verb", e.g. member.paused; the list is in `projects.audit`.
    action = models.CharField(max_length=40)
    # What was changed: its kind and id, and whom it is about where it is about somebody.
    target = models.CharField(max_length=30, blank=True)
    target_id = models.CharField(max_length=40, blank=True)
    subject = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    summary = models.CharField(max_length=500)
    # {field: [before, after]} and whatever else a reader needs.
    details = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(action=""), name="audit_events_have_an_action")]
        indexes = [
            # The Audit page, newest first, and one action of it.
            models.Index(fields=["project", "-id"], name="audit_events_newest"),
            models.Index(fields=["project", "action", "-id"], name="audit_events_by_action"),
        ]


class Message(TimestampedModel):
    """What a reviewer writes to a labeller of their project; shown until it has been read."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="messages")
    sender = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    recipient = models.ForeignKey(User, on_delete=models.CASCADE, related_name="messages")
    text = models.TextField()
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(text=""), name="messages_text_not_empty")]
        indexes = [
            # A labeller's own messages in one project, newest first.
            models.Index(fields=["recipient", "project", "-id"], name="messages_of_recipient"),
        ]


class Invitation(TimestampedModel):
    """A link that makes its bearer a member. Only the token's SHA-256 is kept."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=12, choices=Role, default=Role.LABELLER)
    token_digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(role__in=Role.values), name="invitations_role_known"),
            models.CheckConstraint(
                condition=Q(accepted_at=None) | Q(revoked_at=None), name="invitations_not_accepted_and_revoked"
            ),
        ]

    @property
    def state(self) -> str:
        """pending, accepted, revoked or expired."""
        if self.accepted_at:
            return "accepted"
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at <= timezone.now() else "pending"
