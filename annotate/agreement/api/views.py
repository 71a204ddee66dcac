from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.agreement import selectors, services
from annotate.agreement.api.serializers import AgreementSerializer, OverviewSerializer
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView


class OverviewView(ProjectView):
    needs = {"GET": Capability.LABEL}

    @extend_schema(operation_id="overview", responses=OverviewSerializer)
    def get(self, request: Request, slug: str) -> Response:
        return Response(OverviewSerializer(selectors.overview(self.seat.project)).data)


class AgreementView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="agreement", responses=AgreementSerializer)
    def get(self, request: Request, slug: str) -> Response:
        return Response(AgreementSerializer(selectors.agreement(self.seat.project)).data)


class RefreshAgreementView(ProjectView):
    needs = {"POST": Capability.REVIEW}

    @extend_schema(operation_id="agreement_refresh", request=None, responses={202: None})
    def post(self, request: Request, slug: str) -> Response:
        """Have the figures computed anew; they are there within seconds."""
        services.mark_stale(project_id=self.seat.project.pk)
        services.request_refresh(project=self.seat.project)
        return Response(status=202)
