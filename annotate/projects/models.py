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
    disagreement_limit = models.FloatField(default=0.30)
    lease_minutes = models.PositiveSmallIntegerField(default=30)
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

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="memberships_one_per_project_and_user"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="memberships_role_known"),
        ]

    @property
    def capabilities(self) -> frozenset[Capability]:
        return CAPABILITIES[Role(self.role)]


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
