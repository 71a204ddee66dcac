from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.jobs.api.serializers import JobSerializer
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView
from training.exports.access import access_comparison_set
from training.reward import scoring, selectors, services
from training.reward.access import access_reward_model
from training.reward.api import serializers as s
from training.reward.opinions import request_opinions
from training.reward.options import TrainingOptions
from training.validation import under


class RewardModelsView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.TRAIN}

    @extend_schema(operation_id="reward_models_list", responses=s.RewardModelSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        return self.paginated(selectors.reward_models(self.seat.project), s.RewardModelSerializer)

    @extend_schema(
        operation_id="reward_models_train",
        request=s.TrainRequestSerializer,
        responses={201: s.RewardModelDetailSerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Train a candidate on a comparison set that exists; a refresh does this and everything around it."""
        body = s.TrainRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        model = services.request_training(
            project=self.seat.project,
            comparison_set=access_comparison_set(self.seat, body.validated_data["comparison_set_id"]),
            base_model=body.validated_data["base_model"],
            options=under("training", lambda: TrainingOptions.parse(body.validated_data.get("training", {}))),
            created_by=self.seat.user,
        )
        return Response(s.RewardModelDetailSerializer(model).data, status=status.HTTP_201_CREATED)


class RewardModelView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="reward_models_get", responses=s.RewardModelDetailSerializer)
    def get(self, request: Request, slug: str, reward_model_id: int) -> Response:
        return Response(s.RewardModelDetailSerializer(access_reward_model(self.seat, reward_model_id)).data)


class PromoteView(ProjectView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(
        operation_id="reward_models_promote", request=s.ReasonSerializer, responses=s.RewardModelDetailSerializer
    )
    def post(self, request: Request, slug: str, reward_model_id: int) -> Response:
        """Put a candidate, or a retired model again, into use; the scorer serves it within seconds."""
        body = s.ReasonSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        model = access_reward_model(self.seat, reward_model_id)
        services.promote(model=model, reason=body.validated_data["reason"], actor=self.seat.user)
        return Response(s.RewardModelDetailSerializer(access_reward_model(self.seat, reward_model_id)).data)


class RetireView(ProjectView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(
        operation_id="reward_models_retire", request=s.ReasonSerializer, responses=s.RewardModelDetailSerializer
    )
    def post(self, request: Request, slug: str, reward_model_id: int) -> Response:
        body = s.ReasonSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        model = access_reward_model(self.seat, reward_model_id)
        services.retire(model=model, reason=body.validated_data["reason"], actor=self.seat.user)
        return Response(s.RewardModelDetailSerializer(access_reward_model(self.seat, reward_model_id)).data)


class OpinionsView(ProjectView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(operation_id="reward_models_opinions", request=None, responses={202: JobSerializer})
    def post(self, request: Request, slug: str, reward_model_id: int) -> Response:
        """Ask the promoted model anew about the rated comparisons; reviewers see where it and the labellers part."""
        job = request_opinions(model=access_reward_model(self.seat, reward_model_id), created_by=self.seat.user)
        return Response(JobSerializer(job).data, status=status.HTTP_202_ACCEPTED)


class ScoreView(ProjectView):
    needs = {"POST": Capability.REVIEW}

    @extend_schema(operation_id="score", request=s.ScoreRequestSerializer, responses=s.ScoreSerializer)
    def post(self, request: Request, slug: str) -> Response:
        """Rewards of completions of one prompt by the promoted reward model. Labellers are not shown any."""
        body = s.ScoreRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(scoring.score(self.seat.project, **body.validated_data))
