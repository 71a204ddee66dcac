from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.projects.models import Capability
from annotate.projects.views import ProjectView
from training.generation import selectors, services
from training.generation.access import access_generation
from training.generation.api import serializers as s
from training.generation.options import GenerationOptions


def _options(data: Any) -> GenerationOptions:
    body = s.GenerationOptionsSerializer(data=data)
    body.is_valid(raise_exception=True)
    return GenerationOptions.parse(body.validated_data)


class GenerationsView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.TRAIN}

    @extend_schema(operation_id="generations_list", responses=s.GenerationSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        return self.paginated(selectors.generations(self.seat.project), s.GenerationSerializer)

    @extend_schema(
        operation_id="generations_start",
        request=s.GenerationOptionsSerializer,
        responses={201: s.GenerationSerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Have models complete prompts of the pool: candidates for the next sampling round."""
        made = services.request_generation(
            project=self.seat.project, options=_options(request.data), created_by=self.seat.user
        )
        return Response(s.GenerationSerializer(made).data, status=status.HTTP_201_CREATED)


class ChoicesView(ProjectView):
    needs = {"GET": Capability.TRAIN}

    @extend_schema(operation_id="generations_choices", responses=s.GenerationChoicesSerializer)
    def get(self, request: Request, slug: str) -> Response:
        return Response(s.GenerationChoicesSerializer(selectors.choices(self.seat.project)).data)


class EstimateView(ProjectView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(
        operation_id="generations_estimate",
        request=s.GenerationOptionsSerializer,
        responses=s.GenerationEstimateSerializer,
    )
    def post(self, request: Request, slug: str) -> Response:
        """What a generation would cost. Starts nothing."""
        return Response(services.estimate(project=self.seat.project, options=_options(request.data)))


class GenerationView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="generations_get", responses=s.GenerationDetailSerializer)
    def get(self, request: Request, slug: str, generation_id: int) -> Response:
        return Response(s.GenerationDetailSerializer(access_generation(self.seat, generation_id)).data)
