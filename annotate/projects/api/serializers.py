from decimal import Decimal
from typing import Any

from allauth.mfa.models import Authenticator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.accounts.models import User
from annotate.projects import audit
from annotate.projects.access import Seat
from annotate.projects.models import (
    CAPABILITIES,
    AuditEvent,
    Capability,
    Invitation,
    Membership,
    Message,
    Pool,
    Project,
    Role,
)

INVITATION_STATES = ["pending", "accepted", "revoked", "expired"]


class CapabilitiesField(serializers.ListField):
    child = serializers.CharField()


def capability_names(role: Role) -> list[str]:
    return sorted(capability.value for capability in CAPABILITIES[role])


class PoolSerializer(serializers.ModelSerializer):
    class Meta:
        model = Pool
        fields = ["id", "name"]


class ProjectBriefSerializer(serializers.ModelSerializer):
    class Meta:
        model = Project
        fields = ["slug", "name", "axis", "is_demo", "is_archived"]


HIDDEN_FROM_LABELLERS = ("gold_rate", "repeat_rate", "gold_floor", "gold_window", "pay_per_hour", "currency")


class ProjectSerializer(serializers.ModelSerializer):
    """A project as its member sees it; `context["roles"]` maps project id to the caller's role.

    Whoever cannot review is not told how gold and repeats are mixed in, since they are to be like all other pairs, nor
    what an hour is reckoned to cost.
    """

    pool = PoolSerializer(read_only=True)
    role = serializers.SerializerMethodField()
    capabilities = serializers.SerializerMethodField()

    class Meta:
        model = Project
        fields = [
            "slug",
            "name",
            "description",
            "axis",
            "intensity_labels",
            "ties_allowed",
            "min_ratings",
            "max_ratings",
            "ranking_size",
            "stop_confidence",
            "disagreement_limit",
            "lease_minutes",
            "grace_minutes",
            "is_length_shown",
            "is_gold_shown",
            "justification_min_length",
            "bucket_axis",
            "bucket_labels",
            "gold_rate",
            "repeat_rate",
            "gold_floor",
            "gold_window",
            "quiz_pass_share",
            "sensitive_tags",
            "sensitive_per_day",
            "pay_per_hour",
            "currency",
            "is_demo",
            "is_archived",
            "pool",
            "role",
            "capabilities",
            "created_at",
        ]
        read_only_fields = ["slug", "is_demo", "created_at"]
        extra_kwargs = {name: {"allow_null": True} for name in HIDDEN_FROM_LABELLERS}

    @extend_schema_field(serializers.ChoiceField(choices=Role.choices))
    def get_role(self, project: Project) -> str:
        return self.context["roles"][project.pk]

    @extend_schema_field(CapabilitiesField())
    def get_capabilities(self, project: Project) -> list[str]:
        return capability_names(Role(self.context["roles"][project.pk]))

    def to_representation(self, project: Project) -> dict[str, Any]:
        shown = super().to_representation(project)
        if Capability.REVIEW not in CAPABILITIES[Role(self.context["roles"][project.pk])]:
            shown.update(dict.fromkeys(HIDDEN_FROM_LABELLERS))
        return shown

    @classmethod
    def of(cls, seat: Seat) -> dict[str, Any]:
        return cls(seat.project, context={"roles": {seat.project.pk: seat.role}}).data


class ProjectWriteSerializer(serializers.ModelSerializer):
    pool_id = serializers.IntegerField(required=False, help_text="Share the pool of a project that you own.")
    slug = serializers.SlugField(required=False, max_length=60)
    intensity_labels = serializers.ListField(
        child=serializers.CharField(max_length=60), min_length=1, max_length=4, required=False
    )
    bucket_labels = serializers.ListField(
        child=serializers.CharField(max_length=80), max_length=6, required=False, allow_empty=True
    )
    sensitive_tags = serializers.ListField(
        child=serializers.CharField(max_length=60), max_length=50, required=False, allow_empty=True
    )

    currency = serializers.RegexField(
        r"^[A-Z]{3}$", required=False, allow_blank=True, help_text="ISO 4217, such as EUR; needed with pay_per_hour."
    )

    class Meta:
        model = Project
        fields = [
            "slug",
            "name",
            "description",
            "axis",
            "intensity_labels",
            "ties_allowed",
            "min_ratings",
            "max_ratings",
            "ranking_size",
            "stop_confidence",
            "disagreement_limit",
            "lease_minutes",
            "grace_minutes",
            "is_length_shown",
            "is_gold_shown",
            "justification_min_length",
            "bucket_axis",
            "bucket_labels",
            "gold_rate",
            "repeat_rate",
            "gold_floor",
            "gold_window",
            "quiz_pass_share",
            "sensitive_tags",
            "sensitive_per_day",
            "pay_per_hour",
            "currency",
            "is_archived",
            "pool_id",
        ]
        extra_kwargs = {
            "pay_per_hour": {"min_value": Decimal("0.01")},
            "stop_confidence": {"min_value": 0.51, "max_value": 1},
            "disagreement_limit": {"min_value": 0, "max_value": 1},
            "grace_minutes": {"min_value": 0, "max_value": 10080},
            "justification_min_length": {"min_value": 0, "max_value": 2000},
            "gold_rate": {"min_value": 0, "max_value": 0.5},
            "repeat_rate": {"min_value": 0, "max_value": 0.5},
            "gold_floor": {"min_value": 0, "max_value": 1},
            "gold_window": {"min_value": 1, "max_value": 200},
            "quiz_pass_share": {"min_value": 0, "max_value": 1},
            "lease_minutes": {"min_value": 1, "max_value": 1440},
            "min_ratings": {"min_value": 1, "max_value": 50},
            "max_ratings": {"min_value": 1, "max_value": 50},
            "ranking_size": {"min_value": 3, "max_value": 9},
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        low = attrs.get("min_ratings", getattr(self.instance, "min_ratings", 3))
        high = attrs.get("max_ratings", getattr(self.instance, "max_ratings", 5))
        if low > high:
            raise serializers.ValidationError({"max_ratings": f"Must be at least min_ratings, which is {low}."})
        axis = attrs.get("bucket_axis", getattr(self.instance, "bucket_axis", ""))
        labels = attrs.get("bucket_labels", getattr(self.instance, "bucket_labels", []))
        if bool(axis) != bool(labels) or len(labels) == 1:
            raise serializers.ValidationError(
                {"bucket_labels": "A second question has a name and two to six answers; leave both empty for none."}
            )
        pay = attrs.get("pay_per_hour", getattr(self.instance, "pay_per_hour", None))
        if pay is not None and not attrs.get("currency", getattr(self.instance, "currency", "")):
            raise serializers.ValidationError({"currency": "Say in which currency an hour is paid, such as EUR."})
        return attrs


class MembershipOfMeSerializer(serializers.ModelSerializer):
    project = ProjectBriefSerializer()
    capabilities = serializers.SerializerMethodField()

    class Meta:
        model = Membership
        fields = ["project", "role", "capabilities"]

    @extend_schema_field(CapabilitiesField())
    def get_capabilities(self, membership: Membership) -> list[str]:
        return capability_names(Role(membership.role))


class MeSerializer(serializers.ModelSerializer):
    can_create_projects = serializers.BooleanField(source="is_staff", read_only=True)
    mfa_enabled = serializers.SerializerMethodField()
    memberships = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = [
            "id",
            "email",
            "name",
            "pseudonym",
            "is_staff",
            "can_create_projects",
            "mfa_enabled",
            "memberships",
        ]
        read_only_fields = ["id", "email", "pseudonym", "is_staff"]

    def get_mfa_enabled(self, user: User) -> bool:
        return Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists()

    @extend_schema_field(MembershipOfMeSerializer(many=True))
    def get_memberships(self, user: User) -> list[dict[str, Any]]:
        mine = user.memberships.filter(is_active=True).select_related("project").order_by("project__name")
        return list(MembershipOfMeSerializer(mine, many=True).data)


class MemberUserSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["id", "name", "email", "pseudonym", "kind"]


class MemberSerializer(serializers.ModelSerializer):
    user = MemberUserSerializer()
    joined_at = serializers.DateTimeField(source="created_at")

    class Meta:
        model = Membership
        fields = [
            "id",
            "user",
            "role",
            "is_active",
            "paused_at",
            "pause_reason",
            "excluded_at",
            "exclusion_reason",
            "reliability",
            "joined_at",
        ]


class MemberChangeSerializer(serializers.Serializer):
    role = serializers.ChoiceField(choices=Role.choices, required=False)
    is_active = serializers.BooleanField(required=False)


class PauseRequestSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=300)


class ExclusionSerializer(serializers.ModelSerializer):
    class Meta:
        model = Membership
        fields = ["excluded_at", "exclusion_reason"]


class LabellerMessageSerializer(serializers.ModelSerializer):
    sender = serializers.SerializerMethodField()

    class Meta:
        model = Message
        fields = ["id", "text", "sender", "created_at", "read_at"]

    def get_sender(self, message: Message) -> str:
        return message.sender.public_name


class MessageRequestSerializer(serializers.Serializer):
    text = serializers.CharField(max_length=5000)


class MessagesQuerySerializer(serializers.Serializer):
    unread = serializers.BooleanField(default=False)


class ActorSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["id", "pseudonym", "name"]


class SubjectSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["id", "pseudonym"]


# Whom an event is about or by is a pseudonym to those who may not know who labellers are.
_NAMING_DETAILS = ("email",)


class AuditEventSerializer(serializers.ModelSerializer):
    """`context["shows_names"]`: whether the caller may know who people are; else names and addresses are left out."""

    actor = ActorSerializer(allow_null=True, help_text="Null where a rule of the project acted by itself.")
    subject = SubjectSerializer(allow_null=True)
    details = serializers.DictField(help_text="{field: [before, after]}, and what else there is to know.")

    class Meta:
        model = AuditEvent
        fields = ["id", "created_at", "actor", "action", "target", "target_id", "subject", "summary", "details"]

    def to_representation(self, event: AuditEvent) -> dict[str, Any]:
        shown = super().to_representation(event)
        if not self.context.get("shows_names"):
            if shown["actor"]:
                shown["actor"]["name"] = ""
            shown["details"] = {key: value for key, value in shown["details"].items() if key not in _NAMING_DETAILS}
        return shown


class AuditQuerySerializer(serializers.Serializer):
    action = serializers.ChoiceField(choices=list(audit.ACTIONS), required=False, default="")
    actor = serializers.IntegerField(required=False, allow_null=True, default=None)
    q = serializers.CharField(required=False, default="", max_length=200, help_text="Words of the summary.")
    since = serializers.DateField(required=False, allow_null=True, default=None)
    until = serializers.DateField(required=False, allow_null=True, default=None)

    def to_internal_value(self, data: Any) -> Any:
        """In the address the days are called from and to; empty fields of a form do not ask."""
        given = {name: value for name, value in data.items() if value != ""}
        named = {"from": "since", "to": "until"}
        return super().to_internal_value({named.get(name, name): value for name, value in given.items()})


class ActionSerializer(serializers.Serializer):
    code = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # Field.label is another thing


class PreferencesSerializer(serializers.ModelSerializer):
    """What a labeller has chosen for themselves in a project."""

    class Meta:
        model = Membership
        fields = ["declined_tags"]

    def validate_declined_tags(self, tags: list[str]) -> list[str]:
        project = self.context["project"]
        unknown = sorted(set(tags) - set(project.sensitive_tags))
        if unknown:
            raise serializers.ValidationError(
                f"{', '.join(unknown)}: not among this project's sensitive categories, which are "
                f"{', '.join(project.sensitive_tags) or 'none'}."
            )
        return sorted(set(tags))


class InvitationSerializer(serializers.ModelSerializer):
    """`url` is known only in the answer that made the invitation: the token itself is not kept."""

    url = serializers.SerializerMethodField()
    state = serializers.ChoiceField(choices=INVITATION_STATES, read_only=True)

    class Meta:
        model = Invitation
        fields = ["id", "email", "role", "state", "url", "created_at", "expires_at"]

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_url(self, invitation: Invitation) -> str | None:
        return self.context.get("url")


class InvitationRequestSerializer(serializers.Serializer):
    email = serializers.EmailField()
    role = serializers.ChoiceField(choices=Role.choices)


class PublicInvitationSerializer(serializers.Serializer):
    project_name = serializers.CharField(source="project.name")
    role = serializers.CharField()
    email = serializers.EmailField()
    inviter = serializers.SerializerMethodField()
    needs_account = serializers.SerializerMethodField()

    def get_inviter(self, invitation: Invitation) -> str:
        return str(invitation.invited_by) if invitation.invited_by else ""

    def get_needs_account(self, invitation: Invitation) -> bool:
        return not User.objects.filter(email=invitation.email).exists()


class AcceptInvitationSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=150, required=False, allow_blank=True)
    password = serializers.CharField(max_length=200, required=False, trim_whitespace=False)
