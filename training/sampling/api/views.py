from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.projects.models import Capability
from annotate.projects.views import ProjectView
from training.sampling import selectors
from training.sampling.access import access_sampling_round
from training.sampling.api import serializers as s


class SamplingRoundsView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="sampling_rounds_list", responses=s.SamplingRoundSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        return self.paginated(selectors.sampling_rounds(self.seat.project), s.SamplingRoundSerializer)


class SamplingRoundView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="sampling_rounds_get", responses=s.SamplingRoundDetailSerializer)
    def get(self, request: Request, slug: str, sampling_round_id: int) -> Response:
        return Response(s.SamplingRoundDetailSerializer(access_sampling_round(self.seat, sampling_round_id)).data)
