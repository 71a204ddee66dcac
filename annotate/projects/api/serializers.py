from typing import Any

from allauth.mfa.models import Authenticator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.accounts.models import User
from annotate.projects.access import Seat
from annotate.projects.models import CAPABILITIES, Invitation, Membership, Pool, Project, Role

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


class ProjectSerializer(serializers.ModelSerializer):
    """A project as its member sees it; `context["roles"]` maps project id to the caller's role."""

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
            "disagreement_limit",
            "lease_minutes",
            "is_demo",
            "is_archived",
            "pool",
            "role",
            "capabilities",
            "created_at",
        ]
        read_only_fields = ["slug", "is_demo", "created_at"]

    @extend_schema_field(serializers.ChoiceField(choices=Role.choices))
    def get_role(self, project: Project) -> str:
        return self.context["roles"][project.pk]

    @extend_schema_field(CapabilitiesField())
    def get_capabilities(self, project: Project) -> list[str]:
        return capability_names(Role(self.context["roles"][project.pk]))

    @classmethod
    def of(cls, seat: Seat) -> dict[str, Any]:
        return cls(seat.project, context={"roles": {seat.project.pk: seat.role}}).data


class ProjectWriteSerializer(serializers.ModelSerializer):
    pool_id = serializers.IntegerField(required=False, help_text="Share the pool of a project that you own.")
    slug = serializers.SlugField(required=False, max_length=60)
    intensity_labels = serializers.ListField(
        child=serializers.CharField(max_length=60), min_length=1, max_length=4, required=False
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
            "disagreement_limit",
            "lease_minutes",
            "is_archived",
            "pool_id",
        ]
        extra_kwargs = {
            "disagreement_limit": {"min_value": 0, "max_value": 1},
            "lease_minutes": {"min_value": 1, "max_value": 1440},
            "min_ratings": {"min_value": 1, "max_value": 50},
            "max_ratings": {"min_value": 1, "max_value": 50},
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        low = attrs.get("min_ratings", getattr(self.instance, "min_ratings", 3))
        high = attrs.get("max_ratings", getattr(self.instance, "max_ratings", 5))
        if low > high:
            raise serializers.ValidationError({"max_ratings": f"Must be at least min_ratings, which is {low}."})
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
        fields = ["id", "user", "role", "is_active", "joined_at"]


class MemberChangeSerializer(serializers.Serializer):
    role = serializers.ChoiceField(choices=Role.choices, required=False)
    is_active = serializers.BooleanField(required=False)


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
