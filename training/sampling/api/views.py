from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.common.pagination import NewestFirst
from annotate.jobs.api.serializers import JobSerializer
from annotate.projects.access import Seat
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView
from training.reward.access import access_reward_model
from training.sampling import outcome, selectors, services
from training.sampling.access import access_generation, access_sampling_round
from training.sampling.api import serializers as s
from training.sampling.models import SamplingRound


class ByRank(NewestFirst):
    """The order in which they are asked for."""

    ordering = "rank"


def _detail(seat: Seat, sampling_round: SamplingRound) -> Response:
    return Response(s.SamplingRoundDetailSerializer(access_sampling_round(seat, sampling_round.pk)).data)


class SamplingRoundsView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.TRAIN}

    @extend_schema(operation_id="sampling_rounds_list", responses=s.SamplingRoundSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        return self.paginated(selectors.sampling_rounds(self.seat.project), s.SamplingRoundSerializer)

    @extend_schema(
        operation_id="sampling_rounds_start",
        request=s.SamplingRequestSerializer,
        responses={201: s.SamplingRoundDetailSerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Choose the next comparisons and put them on top of the queue, as a job."""
        body = s.SamplingRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        model, generation = body.validated_data.get("reward_model_id"), body.validated_data.get("generation_id")
        made = services.request_round(
            project=self.seat.project,
            options=s.parsed(body.validated_data),
            model=None if model is None else access_reward_model(self.seat, model),
            generation=None if generation is None else access_generation(self.seat, generation),
            created_by=self.seat.user,
        )
        answer = _detail(self.seat, made)
        answer.status_code = status.HTTP_201_CREATED
        return answer


class SamplingChoicesView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="sampling_rounds_choices", responses=s.SamplingChoicesSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """What a round can be drawn by, and from which generations."""
        return Response(s.SamplingChoicesSerializer(selectors.choices(self.seat.project)).data)


class SamplingPreviewView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(
        operation_id="sampling_rounds_preview",
        parameters=[s.SamplingRequestSerializer],
        responses=s.SamplingPreviewSerializer,
    )
    def get(self, request: Request, slug: str) -> Response:
        """What a round could choose from, and what its labels would take."""
        body = s.SamplingRequestSerializer(data=request.query_params)
        body.is_valid(raise_exception=True)
        generation = body.validated_data.get("generation_id")
        found = selectors.preview(
            self.seat.project,
            s.parsed(body.validated_data),
            None if generation is None else access_generation(self.seat, generation),
        )
        return Response(s.SamplingPreviewSerializer(found).data)


class SamplingRoundView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="sampling_rounds_get", responses=s.SamplingRoundDetailSerializer)
    def get(self, request: Request, slug: str, sampling_round_id: int) -> Response:
        return _detail(self.seat, access_sampling_round(self.seat, sampling_round_id))


class SampledComparisonsView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="sampling_rounds_comparisons", responses=s.SampledComparisonSerializer(many=True))
    def get(self, request: Request, slug: str, sampling_round_id: int) -> Response:
        """What the round chose and why, in the order in which it is asked for."""
        chosen = access_sampling_round(self.seat, sampling_round_id).sampled_comparisons
        return self.paginated(chosen.select_related("comparison__prompt"), s.SampledComparisonSerializer, pages=ByRank)


class OutcomeView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="sampling_rounds_outcome", responses=s.SamplingOutcomeSerializer)
    def get(self, request: Request, slug: str, sampling_round_id: int) -> Response:
        """What the round brought, from the ratings that came in so far."""
        found = outcome.outcome(access_sampling_round(self.seat, sampling_round_id))
        return Response(s.SamplingOutcomeSerializer(found).data)


class JudgeView(ProjectView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(
        operation_id="sampling_rounds_judge", request=s.SamplingJudgeRequestSerializer, responses={202: JobSerializer}
    )
    def post(self, request: Request, slug: str) -> Response:
        """Ask a reward model about the random parts of all rounds that earlier models drew, as a job."""
        body = s.SamplingJudgeRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        model = access_reward_model(self.seat, body.validated_data["reward_model_id"])
        job = services.request_judgement(model=model, created_by=self.seat.user)
        return Response(JobSerializer(job).data, status=status.HTTP_202_ACCEPTED)


class WithdrawView(ProjectView):
    needs = {"POST": Capability.TRAIN, "DELETE": Capability.TRAIN}

    @extend_schema(operation_id="sampling_rounds_withdraw", request=None, responses=s.SamplingRoundDetailSerializer)
    def post(self, request: Request, slug: str, sampling_round_id: int) -> Response:
        """Take what nobody has rated or holds from the top of the queue."""
        found = access_sampling_round(self.seat, sampling_round_id)
        services.withdraw_round(sampling_round=found, actor=self.seat.user)
        return _detail(self.seat, found)

    @extend_schema(operation_id="sampling_rounds_restore", responses={200: s.SamplingRoundDetailSerializer})
    def delete(self, request: Request, slug: str, sampling_round_id: int) -> Response:
        """Undo the withdrawal."""
        found = access_sampling_round(self.seat, sampling_round_id)
        services.restore_round(sampling_round=found, actor=self.seat.user)
        return _detail(self.seat, found)
