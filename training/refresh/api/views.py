from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.common.errors import DomainError
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView
from training.refresh import cost, schedule, selectors, services
from training.refresh.access import access_refresh
from training.refresh.api import serializers as s
from training.refresh.config import PART_OF, RefreshConfig
from training.refresh.models import RefreshCycle
from training.validation import under


class RefreshesView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.TRAIN}

    @extend_schema(operation_id="refreshes_list", responses=s.RefreshSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        return self.paginated(selectors.refreshes(self.seat.project), s.RefreshSerializer)

    @extend_schema(
        operation_id="refreshes_start", request=s.RefreshRequestSerializer, responses={201: s.RefreshSerializer}
    )
    def post(self, request: Request, slug: str) -> Response:
        """Start a refresh: from what the policy writes now over new ratings to a served reward model."""
        body = s.RefreshRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        name = body.validated_data.pop("name")
        cycle = services.start_refresh(
            project=self.seat.project,
            config=RefreshConfig.parse(body.validated_data),
            name=name,
            created_by=self.seat.user,
        )
        return Response(whole(access_refresh(self.seat, cycle.pk)), status=status.HTTP_201_CREATED)


class RefreshPreviewView(ProjectView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(
        operation_id="refreshes_preview", request=s.RefreshConfigSerializer, responses=s.RefreshPreviewSerializer
    )
    def post(self, request: Request, slug: str) -> Response:
        """What a refresh would do and take: stages, labels, hours, cost, the machine's time. Starts nothing."""
        body = s.RefreshConfigSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        found = cost.preview(self.seat.project, RefreshConfig.parse(body.validated_data))
        return Response(s.RefreshPreviewSerializer(found).data)


class RefreshView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="refreshes_get", responses=s.RefreshSerializer)
    def get(self, request: Request, slug: str, refresh_id: int) -> Response:
        return Response(whole(access_refresh(self.seat, refresh_id)))


class _ChangeView(ProjectView):
    """Answers with the refresh as it is after a change."""

    def changed(self, refresh_id: int, change: Callable[..., RefreshCycle], **options: Any) -> Response:
        change(cycle=access_refresh(self.seat, refresh_id), actor=self.seat.user, **options)
        return Response(whole(access_refresh(self.seat, refresh_id)))


class RefreshCancelView(_ChangeView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(operation_id="refreshes_cancel", request=None, responses=s.RefreshSerializer)
    def post(self, request: Request, slug: str, refresh_id: int) -> Response:
        """Stop a refresh, also one that waits for people. What was labelled stays."""
        return self.changed(refresh_id, services.cancel_refresh)


class RefreshRetryView(_ChangeView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(operation_id="refreshes_retry", request=None, responses=s.RefreshSerializer)
    def post(self, request: Request, slug: str, refresh_id: int) -> Response:
        """Go on with a failed or cancelled refresh at the stage where it stopped."""
        return self.changed(refresh_id, services.retry_refresh)


class RefreshStageView(_ChangeView):
    needs = {"PATCH": Capability.TRAIN}

    @extend_schema(operation_id="refreshes_stage_edit", request=s.StageEditSerializer, responses=s.RefreshSerializer)
    def patch(self, request: Request, slug: str, refresh_id: int, stage: str) -> Response:
        """Change a stage's options before it begins: the body holds the one part of the config that is the stage's."""
        body = s.StageEditSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        part = PART_OF.get(stage)
        if part is None:
            raise DomainError("not_editable", "This stage has no options.")
        if list(body.validated_data) != [part]:
            raise ValidationError({part: f"Expected {part}, the options of this stage, and nothing else."})
        return self.changed(refresh_id, services.edit_stage, name=stage, value=body.validated_data[part])


class RefreshStageSkipView(_ChangeView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(operation_id="refreshes_stage_skip", request=s.StageSkipSerializer, responses=s.RefreshSerializer)
    def post(self, request: Request, slug: str, refresh_id: int, stage: str) -> Response:
        """Leave a stage out, with the reason; where the refresh waited for it or failed at it, it goes on at once."""
        body = s.StageSkipSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return self.changed(refresh_id, services.skip_stage, name=stage, reason=body.validated_data["reason"])


class RefreshStageRestoreView(_ChangeView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(operation_id="refreshes_stage_restore", request=None, responses=s.RefreshSerializer)
    def post(self, request: Request, slug: str, refresh_id: int, stage: str) -> Response:
        """Put back a stage that a person left out, before it was reached."""
        return self.changed(refresh_id, services.restore_stage, name=stage)


class RefreshScheduleView(ProjectView):
    needs = {"GET": Capability.REVIEW, "PUT": Capability.TRAIN}

    @extend_schema(operation_id="refreshes_schedule_get", responses=s.RefreshScheduleSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """When the project starts a refresh by itself, and when it is due next."""
        return Response(s.RefreshScheduleSerializer(selectors.schedule_of(self.seat.project)).data)

    @extend_schema(
        operation_id="refreshes_schedule_set",
        request=s.RefreshScheduleRequestSerializer,
        responses=s.RefreshScheduleSerializer,
    )
    def put(self, request: Request, slug: str) -> Response:
        body = s.RefreshScheduleRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        config = body.validated_data.pop("config", {})
        schedule.set_schedule(
            project=self.seat.project,
            config=under("config", lambda: RefreshConfig.parse(config)),
            actor=self.seat.user,
            **body.validated_data,
        )
        return Response(s.RefreshScheduleSerializer(selectors.schedule_of(self.seat.project)).data)


def whole(cycle: RefreshCycle) -> dict[str, Any]:
    """A refresh as its own page shows it, with how far the labelling is."""
    return dict(s.RefreshSerializer(cycle, context={"is_whole": True}).data)
