from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.projects.models import Capability
from annotate.projects.views import ProjectView
from training.policy import selectors, sft
from training.policy.access import access_sft_run
from training.policy.api import serializers as s
from training.policy.options import SftOptions


def _options(data: Any) -> SftOptions:
    body = s.SftOptionsSerializer(data=data)
    body.is_valid(raise_exception=True)
    return SftOptions.parse(body.validated_data)


class SftRunsView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.TRAIN}

    @extend_schema(operation_id="sft_runs_list", responses=s.SftRunSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        return self.paginated(selectors.sft_runs(self.seat.project), s.SftRunSerializer)

    @extend_schema(operation_id="sft_runs_start", request=s.SftOptionsSerializer, responses={201: s.SftRunSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Fine-tune a base model on chosen completions or on demonstrations. Its job is cancelled and retried as any
        other."""
        made = sft.start_sft_run(project=self.seat.project, options=_options(request.data), created_by=self.seat.user)
        return Response(s.SftRunSerializer(made).data, status=status.HTTP_201_CREATED)


class SftChoicesView(ProjectView):
    needs = {"GET": Capability.TRAIN}

    @extend_schema(operation_id="sft_runs_options", responses=s.SftChoicesSerializer)
    def get(self, request: Request, slug: str) -> Response:
        return Response(s.SftChoicesSerializer(selectors.choices(self.seat.project)).data)


class SftPreviewView(ProjectView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(operation_id="sft_runs_preview", request=s.SftOptionsSerializer, responses=s.SftPreviewSerializer)
    def post(self, request: Request, slug: str) -> Response:
        """How many examples and tokens a run would learn from. Starts nothing."""
        found = sft.preview(project=self.seat.project, options=_options(request.data))
        return Response(s.SftPreviewSerializer(found).data)


class SftRunView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="sft_runs_get", responses=s.SftRunSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        return Response(s.SftRunSerializer(access_sft_run(self.seat, number)).data)
