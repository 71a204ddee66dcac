from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.accounts.requests import SignedInRequest
from annotate.common.errors import not_found
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView
from training.drift import selectors, services
from training.drift.access import access_drift_report
from training.drift.api import serializers as s
from training.generation.models import Generation
from training.reward.access import access_reward_model


class DriftReportsView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.TRAIN}

    @extend_schema(operation_id="drift_reports_list", responses=s.DriftReportSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        rows = selectors.drift_reports(self.seat.project).defer("report")
        return self.paginated(rows, s.DriftReportSerializer)

    @extend_schema(
        operation_id="drift_reports_start",
        request=s.DriftRequestSerializer,
        responses={202: s.DriftReportDetailSerializer},
    )
    def post(self, request: SignedInRequest, slug: str) -> Response:
        """Compare what the policy writes now with what a reward model was trained on."""
        body = s.DriftRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        model_id, generation_id = body.validated_data["reward_model_id"], body.validated_data["generation_id"]
        generation = None
        if generation_id is not None:
            generation = Generation.objects.filter(project=self.seat.project, pk=generation_id).first()
            if generation is None:
                raise not_found("generation")
        made = services.request_drift_report(
            project=self.seat.project,
            model=access_reward_model(self.seat, model_id) if model_id is not None else None,
            generation=generation,
            created_by=self.seat.user,
        )
        return Response(s.DriftReportDetailSerializer(made).data, status=status.HTTP_202_ACCEPTED)


class DriftReportView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="drift_reports_get", responses=s.DriftReportDetailSerializer)
    def get(self, request: Request, slug: str, drift_report_id: int) -> Response:
        return Response(s.DriftReportDetailSerializer(access_drift_report(self.seat, drift_report_id)).data)
