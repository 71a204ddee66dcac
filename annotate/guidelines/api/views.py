from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from annotate.accounts.requests import SignedInRequest
from annotate.common.errors import DomainError
from annotate.guidelines import selectors, services
from annotate.guidelines.api.serializers import GuidelineRequestSerializer, GuidelineVersionSerializer
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView


class GuidelinesView(ProjectView):
    needs = {"GET": Capability.LABEL, "POST": Capability.GUIDELINES}

    @extend_schema(operation_id="guidelines_list", responses=GuidelineVersionSerializer(many=True))
    def get(self, request: SignedInRequest, slug: str) -> Response:
        return self.paginated(selectors.versions(self.seat.project), GuidelineVersionSerializer)

    @extend_schema(
        operation_id="guidelines_publish",
        request=GuidelineRequestSerializer,
        responses={201: GuidelineVersionSerializer},
    )
    def post(self, request: SignedInRequest, slug: str) -> Response:
        body = GuidelineRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        version = services.publish_guidelines(project=self.seat.project, author=request.user, **body.validated_data)
        return Response(GuidelineVersionSerializer(version).data, status=201)


class GuidelineView(ProjectView):
    needs = {"GET": Capability.LABEL}

    @extend_schema(operation_id="guidelines_get", responses=GuidelineVersionSerializer)
    def get(self, request: SignedInRequest, slug: str, number: str) -> Response:
        versions = selectors.versions(self.seat.project)
        version = (
            versions.order_by("-number").first()
            if number == "current"
            else versions.filter(number=int(number) if number.isdecimal() else 0).first()
        )
        if version is None:
            raise DomainError("no_guidelines", "There are no such guidelines in this project yet.", status=404)
        return Response(GuidelineVersionSerializer(version).data)
