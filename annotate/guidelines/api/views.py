from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from annotate.accounts.requests import SignedInRequest
from annotate.common.errors import DomainError
from annotate.guidelines import drafts, selectors, services
from annotate.guidelines.api import serializers as s
from annotate.guidelines.models import GuidelineDraft
from annotate.guidelines.quiz import n_needed
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView


class GuidelinesView(ProjectView):
    needs = {"GET": Capability.LABEL, "POST": Capability.GUIDELINES}

    @extend_schema(operation_id="guidelines_list", responses=s.GuidelineVersionSerializer(many=True))
    def get(self, request: SignedInRequest, slug: str) -> Response:
        """All versions, without the quiz examples that the caller has still to pass."""
        return self.paginated(selectors.versions(self.seat), s.GuidelineVersionSerializer)

    @extend_schema(
        operation_id="guidelines_publish",
        request=s.GuidelineRequestSerializer,
        responses={201: s.GuidelineVersionSerializer},
    )
    def post(self, request: SignedInRequest, slug: str) -> Response:
        body = s.GuidelineRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        version = services.publish_guidelines(project=self.seat.project, author=request.user, **body.validated_data)
        return Response(s.GuidelineVersionSerializer(version).data, status=201)


class DraftView(ProjectView):
    """The next version while it is being written, shared by all who may write it."""

    needs = {"GET": Capability.GUIDELINES, "PUT": Capability.GUIDELINES, "DELETE": Capability.GUIDELINES}

    @extend_schema(operation_id="guidelines_draft", responses=s.DraftSerializer)
    def get(self, request: SignedInRequest, slug: str) -> Response:
        return Response(s.DraftSerializer(drafts.draft_of(self.seat.project)).data)

    @extend_schema(operation_id="guidelines_draft_save", request=s.DraftRequestSerializer, responses=s.DraftSerializer)
    def put(self, request: SignedInRequest, slug: str) -> Response:
        """Save the draft. 409 `draft_changed` with the `current` one where the `revision` that was read is not it."""
        body = s.DraftRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            draft = drafts.save_draft(project=self.seat.project, author=request.user, **body.validated_data)
        except DomainError as error:
            if error.code == "draft_changed":
                error.extra["current"] = self._current()
            raise
        return Response(s.DraftSerializer(draft).data)

    @extend_schema(operation_id="guidelines_draft_discard", parameters=[s.DraftQuerySerializer], responses={204: None})
    def delete(self, request: SignedInRequest, slug: str) -> Response:
        query = s.DraftQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        drafts.discard_draft(project=self.seat.project, actor=request.user, **query.validated_data)
        return Response(status=204)

    def _current(self) -> dict[str, Any] | None:
        draft = GuidelineDraft.objects.select_related("updated_by").filter(project=self.seat.project).first()
        return s.DraftSerializer(draft).data if draft else None


class GuidelineView(ProjectView):
    needs = {"GET": Capability.LABEL}

    @extend_schema(operation_id="guidelines_get", responses=s.GuidelineVersionSerializer)
    def get(self, request: SignedInRequest, slug: str, number: str) -> Response:
        versions = selectors.versions(self.seat)
        version = (
            versions.order_by("-number").first()
            if number == "current"
            else versions.filter(number=int(number) if number.isdecimal() else 0).first()
        )
        if version is None:
            raise DomainError("no_guidelines", "There are no such guidelines in this project yet.", status=404)
        return Response(s.GuidelineVersionSerializer(version).data)


class QualificationView(ProjectView):
    needs = {"GET": Capability.LABEL, "POST": Capability.LABEL}

    @extend_schema(operation_id="qualification_get", responses=s.QualificationSerializer)
    def get(self, request: SignedInRequest, slug: str) -> Response:
        """Whether the caller may work, and the questions of their next attempt where there is a quiz to pass."""
        found, share = selectors.qualification(request.user, self.seat.project), self.seat.project.quiz_pass_share
        needed = n_needed(n_questions=len(found.quiz), pass_share=share)
        data = s.QualificationSerializer({**vars(found), "pass_share": share, "n_needed": needed}).data
        return Response(data)

    @extend_schema(
        operation_id="qualification_answer", request=s.QualificationRequestSerializer, responses=s.ResultSerializer
    )
    def post(self, request: SignedInRequest, slug: str) -> Response:
        """Answer the quiz, or say that the guidelines are read where there is none. The same again changes nothing."""
        body = s.QualificationRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        result = services.take_quiz(
            seat=self.seat,
            version=body.validated_data["version"],
            attempt=body.validated_data["attempt"],
            answers=[services.Answer(**fields) for fields in body.validated_data["answers"]],
        )
        return Response(s.ResultSerializer(result).data)


class QualificationsView(ProjectView):
    needs = {"GET": Capability.ADJUDICATE}

    @extend_schema(operation_id="qualifications_list", responses=s.AttemptSerializer(many=True))
    def get(self, request: SignedInRequest, slug: str) -> Response:
        return self.paginated(selectors.attempts(self.seat.project), s.AttemptSerializer)


class AllowView(ProjectView):
    needs = {"POST": Capability.ADJUDICATE}

    @extend_schema(operation_id="qualifications_allow", request=None, responses=s.AllowedSerializer)
    def post(self, request: SignedInRequest, slug: str, labeller_id: int) -> Response:
        """Set aside what this labeller has failed at the current version, so that they may try again."""
        n_forgiven = services.allow_more_attempts(
            project=self.seat.project, labeller_id=labeller_id, actor=request.user
        )
        return Response(s.AllowedSerializer({"n_forgiven": n_forgiven}).data)


class RequalificationView(ProjectView):
    needs = {"POST": Capability.ADJUDICATE}

    @extend_schema(
        operation_id="labellers_requalify",
        request=s.RequalificationRequestSerializer,
        responses=s.RequalificationSerializer,
    )
    def post(self, request: SignedInRequest, slug: str, labeller_id: int) -> Response:
        """Take back this labeller's passes that count now: they get work once they have qualified again."""
        body = s.RequalificationRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        n_revoked = services.requalify(
            project=self.seat.project, labeller_id=labeller_id, reviewer=request.user, **body.validated_data
        )
        return Response(s.RequalificationSerializer({"n_revoked": n_revoked}).data)
