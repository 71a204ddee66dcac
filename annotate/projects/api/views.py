from datetime import date

from django.conf import settings
from django.contrib.auth import login
from django.core.mail import send_mail
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from annotate.accounts.requests import SignedInRequest
from annotate.common.errors import DomainError, not_found
from annotate.common.pagination import NewestFirst, OldestFirst
from annotate.projects import audit, services
from annotate.projects.access import access_project
from annotate.projects.api import serializers as s
from annotate.projects.models import Capability, Membership, Message, Pool, Project, Role
from annotate.projects.views import PagedView, ProjectView


class MeView(APIView):
    """Who the caller is and where they sit."""

    @extend_schema(operation_id="me", responses=s.MeSerializer)
    def get(self, request: SignedInRequest) -> Response:
        return Response(s.MeSerializer(request.user).data)

    @extend_schema(operation_id="me_update", request=s.MeSerializer, responses=s.MeSerializer)
    def patch(self, request: SignedInRequest) -> Response:
        body = s.MeSerializer(request.user, data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        body.save()
        return Response(body.data)


class ProjectsView(PagedView):
    @extend_schema(operation_id="projects_list", responses=s.ProjectSerializer(many=True))
    def get(self, request: SignedInRequest) -> Response:
        if request.user.is_superuser:
            projects = Project.objects.all()
        else:
            projects = Project.objects.filter(memberships__user=request.user, memberships__is_active=True)
        roles = _RolesOf(request)
        return self.paginated(projects.select_related("pool"), s.ProjectSerializer, NewestFirst, {"roles": roles})

    @extend_schema(
        operation_id="projects_create", request=s.ProjectWriteSerializer, responses={201: s.ProjectSerializer}
    )
    def post(self, request: SignedInRequest) -> Response:
        if not request.user.is_staff:
            raise DomainError("not_permitted", "Only staff may create projects; ask an administrator.", status=403)
        body = s.ProjectWriteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        fields = dict(body.validated_data)
        pool = None
        if pool_id := fields.pop("pool_id", None):
            owned = Pool.objects.filter(
                projects__memberships__user=request.user, projects__memberships__role=Role.OWNER
            )
            pool = owned.filter(pk=pool_id).first()
            if pool is None:
                raise not_found("pool")
        project = services.create_project(owner=request.user, pool=pool, **fields)
        return Response(
            s.ProjectSerializer.of(access_project(request.user, project.slug, Capability.LABEL)), status=201
        )


class _RolesOf(dict):
    """Role by project id, read in one query for the page; superusers own what they are no member of."""

    def __init__(self, request: SignedInRequest) -> None:
        super().__init__(Membership.objects.filter(user=request.user, is_active=True).values_list("project_id", "role"))

    def __missing__(self, project_id: int) -> str:
        return Role.OWNER.value


class ProjectDetailView(ProjectView):
    needs = {"GET": Capability.LABEL, "PATCH": Capability.MANAGE}

    @extend_schema(operation_id="projects_get", responses=s.ProjectSerializer)
    def get(self, request: SignedInRequest, slug: str) -> Response:
        return Response(s.ProjectSerializer.of(self.seat))

    @extend_schema(operation_id="projects_update", request=s.ProjectWriteSerializer, responses=s.ProjectSerializer)
    def patch(self, request: SignedInRequest, slug: str) -> Response:
        body = s.ProjectWriteSerializer(self.seat.project, data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        fixed = {"slug", "pool_id"} & set(body.validated_data)
        if fixed:
            raise DomainError(
                "fixed_field", f"{' and '.join(sorted(fixed))} cannot change once a project exists.", status=400
            )
        services.update_project(project=self.seat.project, actor=request.user, **body.validated_data)
        return Response(s.ProjectSerializer.of(access_project(request.user, slug, Capability.LABEL)))


class MembersView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="members_list", responses=s.MemberSerializer(many=True))
    def get(self, request: SignedInRequest, slug: str) -> Response:
        members = self.seat.project.memberships.select_related("user")
        return self.paginated(members, s.MemberSerializer, OldestFirst)


class MemberView(ProjectView):
    needs = {"PATCH": Capability.MANAGE, "DELETE": Capability.MANAGE}

    @extend_schema(operation_id="members_update", request=s.MemberChangeSerializer, responses=s.MemberSerializer)
    def patch(self, request: SignedInRequest, slug: str, member_id: int) -> Response:
        body = s.MemberChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        membership = get_object_or_404(self.seat.project.memberships.select_related("user"), pk=member_id)
        changed = services.change_membership(membership=membership, actor=request.user, **body.validated_data)
        return Response(s.MemberSerializer(changed).data)

    @extend_schema(operation_id="members_delete", responses={204: None})
    def delete(self, request: SignedInRequest, slug: str, member_id: int) -> Response:
        membership = get_object_or_404(self.seat.project.memberships, pk=member_id)
        services.remove_member(membership=membership, actor=request.user)
        return Response(status=204)


class PauseView(ProjectView):
    needs = {"POST": Capability.ADJUDICATE, "DELETE": Capability.ADJUDICATE}

    @extend_schema(operation_id="members_pause", request=s.PauseRequestSerializer, responses=s.MemberSerializer)
    def post(self, request: SignedInRequest, slug: str, member_id: int) -> Response:
        """Give the member no more work until they are resumed."""
        body = s.PauseRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        membership = get_object_or_404(self.seat.project.memberships.select_related("user"), pk=member_id)
        services.pause_member(membership=membership, actor=request.user, **body.validated_data)
        membership.refresh_from_db()
        return Response(s.MemberSerializer(membership).data)

    @extend_schema(operation_id="members_resume", responses=s.MemberSerializer)
    def delete(self, request: SignedInRequest, slug: str, member_id: int) -> Response:
        membership = get_object_or_404(self.seat.project.memberships.select_related("user"), pk=member_id)
        services.resume_member(membership=membership, actor=request.user)
        membership.refresh_from_db()
        return Response(s.MemberSerializer(membership).data)


class ExclusionView(ProjectView):
    """Whether a labeller's ratings count. The id is their user's: who only has imported ratings is no member."""

    needs = {"POST": Capability.ADJUDICATE, "DELETE": Capability.ADJUDICATE}

    @extend_schema(operation_id="labellers_exclude", request=s.PauseRequestSerializer, responses=s.ExclusionSerializer)
    def post(self, request: SignedInRequest, slug: str, labeller_id: int) -> Response:
        """Leave their ratings out of comparison sets and of project-wide agreement. They can still be read."""
        body = s.PauseRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        membership = services.exclude_member(
            project=self.seat.project, user_id=labeller_id, actor=request.user, **body.validated_data
        )
        return Response(s.ExclusionSerializer(membership).data)

    @extend_schema(operation_id="labellers_include", responses=s.ExclusionSerializer)
    def delete(self, request: SignedInRequest, slug: str, labeller_id: int) -> Response:
        membership = services.include_member(project=self.seat.project, user_id=labeller_id, actor=request.user)
        return Response(s.ExclusionSerializer(membership).data)


class LabellerMessagesView(ProjectView):
    needs = {"GET": Capability.ADJUDICATE, "POST": Capability.ADJUDICATE}

    @extend_schema(operation_id="labeller_messages_list", responses=s.LabellerMessageSerializer(many=True))
    def get(self, request: SignedInRequest, slug: str, labeller_id: int) -> Response:
        """What has been written to this labeller in this project, and whether they have read it."""
        messages = Message.objects.filter(project=self.seat.project, recipient=labeller_id)
        return self.paginated(messages.select_related("sender"), s.LabellerMessageSerializer)

    @extend_schema(
        operation_id="labeller_messages_send",
        request=s.MessageRequestSerializer,
        responses={201: s.LabellerMessageSerializer},
    )
    def post(self, request: SignedInRequest, slug: str, labeller_id: int) -> Response:
        body = s.MessageRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        message = services.send_message(
            project=self.seat.project, sender=request.user, recipient_id=labeller_id, **body.validated_data
        )
        return Response(s.LabellerMessageSerializer(message).data, status=201)


class MessagesView(ProjectView):
    needs = {"GET": Capability.LABEL}

    @extend_schema(
        operation_id="messages_list",
        parameters=[s.MessagesQuerySerializer],
        responses=s.LabellerMessageSerializer(many=True),
    )
    def get(self, request: SignedInRequest, slug: str) -> Response:
        """What has been written to the caller in this project."""
        query = s.MessagesQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        mine = Message.objects.filter(project=self.seat.project, recipient=request.user).select_related("sender")
        if query.validated_data["unread"]:
            mine = mine.filter(read_at=None)
        return self.paginated(mine, s.LabellerMessageSerializer)


class ReadMessageView(ProjectView):
    needs = {"POST": Capability.LABEL}

    @extend_schema(operation_id="messages_read", request=None, responses={204: None})
    def post(self, request: SignedInRequest, slug: str, message_id: int) -> Response:
        services.read_message(project=self.seat.project, reader=request.user, message_id=message_id)
        return Response(status=204)


class AuditView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(
        operation_id="audit_list",
        parameters=[
            OpenApiParameter("action", str, enum=list(audit.ACTIONS)),
            OpenApiParameter("actor", int, description="A user's id."),
            OpenApiParameter("q", str, description="Words of the summary."),
            OpenApiParameter("from", date, description="The first day."),
            OpenApiParameter("to", date, description="The last day."),
        ],
        responses=s.AuditEventSerializer(many=True),
    )
    def get(self, request: SignedInRequest, slug: str) -> Response:
        """Who changed what and when, newest first."""
        query = s.AuditQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        events = audit.events(self.seat.project, **query.validated_data)
        return self.paginated(events, s.AuditEventSerializer, context={"shows_names": self.seat.may_see_names})


class AuditActionsView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="audit_actions", responses=s.ActionSerializer(many=True))
    def get(self, request: SignedInRequest, slug: str) -> Response:
        """What can be found in the audit."""
        return Response([{"code": code, "label": label} for code, label in audit.ACTIONS.items()])


class PreferencesView(ProjectView):
    """What the caller has chosen for themselves in this project."""

    needs = {"GET": Capability.LABEL, "PATCH": Capability.LABEL}

    @extend_schema(operation_id="preferences_get", responses=s.PreferencesSerializer)
    def get(self, request: SignedInRequest, slug: str) -> Response:
        return Response(s.PreferencesSerializer(self._membership()).data)

    @extend_schema(
        operation_id="preferences_update", request=s.PreferencesSerializer, responses=s.PreferencesSerializer
    )
    def patch(self, request: SignedInRequest, slug: str) -> Response:
        membership = self._membership()
        body = s.PreferencesSerializer(
            membership, data=request.data, partial=True, context={"project": self.seat.project}
        )
        body.is_valid(raise_exception=True)
        tags = body.validated_data.get("declined_tags", membership.declined_tags)
        return Response(s.PreferencesSerializer(services.decline_tags(membership=membership, tags=tags)).data)

    def _membership(self) -> Membership:
        membership = self.seat.project.memberships.filter(user=self.seat.user).first()
        if membership is None:
            raise not_found("membership")
        return membership


class InvitationsView(ProjectView):
    needs = {"GET": Capability.MANAGE, "POST": Capability.MANAGE}

    @extend_schema(operation_id="invitations_list", responses=s.InvitationSerializer(many=True))
    def get(self, request: SignedInRequest, slug: str) -> Response:
        return self.paginated(self.seat.project.invitations.all(), s.InvitationSerializer)

    @extend_schema(
        operation_id="invitations_create",
        request=s.InvitationRequestSerializer,
        responses={201: s.InvitationSerializer},
    )
    def post(self, request: SignedInRequest, slug: str) -> Response:
        body = s.InvitationRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        project = self.seat.project
        role = Role(body.validated_data["role"])
        invitation, token = services.invite(
            project=project, email=body.validated_data["email"], role=role, invited_by=request.user
        )
        url = f"{settings.PUBLIC_URL}/invitations/{token}"
        send_mail(
            f"{request.user} invites you to {project.name}",
            f"{request.user} invites you to the project {project.name} as {role.label.lower()}.\n\n{url}\n\n"
            f"The link works until {invitation.expires_at:%d %B %Y}.",
            None,
            [invitation.email],
            fail_silently=True,  # the link is on the inviter's screen as well
        )
        return Response(s.InvitationSerializer(invitation, context={"url": url}).data, status=201)


class InvitationView(ProjectView):
    needs = {"DELETE": Capability.MANAGE}

    @extend_schema(operation_id="invitations_delete", responses={204: None})
    def delete(self, request: SignedInRequest, slug: str, invitation_id: int) -> Response:
        invitation = get_object_or_404(self.seat.project.invitations, pk=invitation_id)
        services.revoke_invitation(invitation=invitation, actor=request.user)
        return Response(status=204)


class PublicInvitationView(APIView):
    """What a link is an invitation to. Open to its bearer: the token is the permission."""

    permission_classes = [AllowAny]
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "public"

    @extend_schema(operation_id="invitation_get", responses=s.PublicInvitationSerializer)
    def get(self, request: Request, token: str) -> Response:
        return Response(s.PublicInvitationSerializer(services.pending_invitation(token=token)).data)


class AcceptInvitationView(APIView):
    permission_classes = [AllowAny]
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "public"

    @extend_schema(
        operation_id="invitation_accept",
        request=s.AcceptInvitationSerializer,
        responses=s.MembershipOfMeSerializer,
    )
    def post(self, request: Request, token: str) -> Response:
        body = s.AcceptInvitationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        signed_in = request.user if request.user.is_authenticated else None
        membership, user = services.accept_invitation(token=token, user=signed_in, **body.validated_data)
        if signed_in is None:
            login(request._request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
        return Response(s.MembershipOfMeSerializer(membership).data)
