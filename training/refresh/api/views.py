from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.projects.models import Capability
from annotate.projects.views import ProjectView
from training.refresh import selectors, services
from training.refresh.access import access_refresh
from training.refresh.api import serializers as s
from training.refresh.config import RefreshConfig


class RefreshesView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.TRAIN}

    @extend_schema(operation_id="refreshes_list", responses=s.RefreshSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        return self.paginated(selectors.refreshes(self.seat.project), s.RefreshSerializer)

    @extend_schema(
        operation_id="refreshes_start", request=s.RefreshRequestSerializer, responses={201: s.RefreshSerializer}
    )
    def post(self, request: Request, slug: str) -> Response:
        """Start a refresh: from the ratings of now to a served reward model and the next comparisons to ask for."""
        body = s.RefreshRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        name = body.validated_data.pop("name")
        cycle = services.start_refresh(
            project=self.seat.project,
            config=RefreshConfig.build(**body.validated_data),
            name=name,
            created_by=self.seat.user,
        )
        return Response(s.RefreshSerializer(access_refresh(self.seat, cycle.pk)).data, status=status.HTTP_201_CREATED)


class RefreshView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="refreshes_get", responses=s.RefreshSerializer)
    def get(self, request: Request, slug: str, refresh_id: int) -> Response:
        return Response(s.RefreshSerializer(access_refresh(self.seat, refresh_id)).data)
