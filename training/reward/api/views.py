from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.accounts.requests import SignedInRequest
from annotate.jobs.api.serializers import JobSerializer
from annotate.projects.access import Seat
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView
from training.exports.access import access_comparison_set
from training.reward import comparing, downloads, external, noise, playground, scoring, selectors, services
from training.reward.access import access_comparison, access_reward_model
from training.reward.api import serializers as s
from training.reward.models import PromotionRules, RewardModel
from training.reward.opinions import request_opinions
from training.reward.options import TrainingOptions
from training.reward.standing import Standing
from training.validation import under


def _detail(seat: Seat, model: RewardModel) -> dict[str, Any]:
    return s.RewardModelDetailSerializer(model, context={"seat": seat}).data


def _options(body: dict[str, Any]) -> TrainingOptions:
    return under("training", lambda: TrainingOptions.parse(body.get("training", {})))


class RewardModelsView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.TRAIN}

    @extend_schema(operation_id="reward_models_list", responses=s.RewardModelSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        context = {"standing": Standing(self.seat.project)}
        return self.paginated(selectors.reward_models(self.seat.project), s.RewardModelSerializer, context=context)

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
            options=_options(body.validated_data),
            n_members=body.validated_data["n_members"],
            created_by=self.seat.user,
        )
        return Response(_detail(self.seat, model), status=status.HTTP_201_CREATED)


class RewardModelView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="reward_models_get", responses=s.RewardModelDetailSerializer)
    def get(self, request: Request, slug: str, reward_model_id: int) -> Response:
        return Response(_detail(self.seat, access_reward_model(self.seat, reward_model_id)))


class PromoteView(ProjectView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(
        operation_id="reward_models_promote",
        request=s.PromoteRequestSerializer,
        responses=s.RewardModelDetailSerializer,
    )
    def post(self, request: Request, slug: str, reward_model_id: int) -> Response:
        """Put a candidate, or a retired model again, into use; the scorer serves it within seconds.

        409 `promotion_blocked`, with the `blocks`, where the project's rules are against it and `is_forced` is not set.
        """
        body = s.PromoteRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        model = access_reward_model(self.seat, reward_model_id)
        services.promote_by_hand(model=model, actor=self.seat.user, **body.validated_data)
        return Response(_detail(self.seat, access_reward_model(self.seat, reward_model_id)))


class RollBackView(ProjectView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(
        operation_id="reward_models_roll_back", request=s.ReasonSerializer, responses=s.RewardModelDetailSerializer
    )
    def post(self, request: Request, slug: str) -> Response:
        """Put the model that was promoted before the latest one into use again; once more, and it is the one before."""
        body = s.ReasonSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        model = services.roll_back(
            project=self.seat.project, reason=body.validated_data["reason"], actor=self.seat.user
        )
        return Response(_detail(self.seat, access_reward_model(self.seat, model.pk)))


class RulesView(ProjectView):
    needs = {"GET": Capability.REVIEW, "PATCH": Capability.TRAIN}

    def _rules(self) -> PromotionRules:
        project = self.seat.project
        return PromotionRules.objects.filter(project=project).first() or PromotionRules(project=project)

    @extend_schema(operation_id="promotion_rules_get", responses=s.RulesSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """What a reward model of this project has to show before it is put into use."""
        return Response(s.RulesSerializer(self._rules()).data)

    @extend_schema(operation_id="promotion_rules_change", request=s.RulesSerializer, responses=s.RulesSerializer)
    def patch(self, request: Request, slug: str) -> Response:
        body = s.RulesSerializer(self._rules(), data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        rules = services.change_rules(project=self.seat.project, actor=self.seat.user, **body.validated_data)
        return Response(s.RulesSerializer(rules).data)


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
        return Response(_detail(self.seat, access_reward_model(self.seat, reward_model_id)))


class CardView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="reward_models_card", responses={(200, "text/markdown"): OpenApiTypes.STR})
    def get(self, request: Request, slug: str, reward_model_id: int) -> HttpResponse:
        """The model card as Markdown."""
        model = access_reward_model(self.seat, reward_model_id)
        return _file(downloads.card(model), "text/markdown; charset=utf-8", f"{slug}-v{model.version}.md")


class ReportView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="reward_models_report", responses={(200, "application/json"): OpenApiTypes.OBJECT})
    def get(self, request: Request, slug: str, reward_model_id: int) -> HttpResponse:
        """The evaluation report as a JSON file."""
        model = access_reward_model(self.seat, reward_model_id)
        return _file(downloads.report(model), "application/json", f"{slug}-v{model.version}.json")


def _file(content: str, content_type: str, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type=content_type, headers=headers)


class ComparisonsView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.TRAIN}

    @extend_schema(operation_id="model_comparisons_list", responses=s.ModelComparisonSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        rows = selectors.comparisons(self.seat.project).defer("report")
        return self.paginated(rows, s.ModelComparisonSerializer)

    @extend_schema(
        operation_id="model_comparisons_start", request=s.CompareRequestSerializer, responses={202: s.StartedSerializer}
    )
    def post(self, request: Request, slug: str) -> Response:
        """Compare two trained reward models on the same held-out comparisons, paired."""
        body = s.CompareRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        chosen = body.validated_data["comparison_set_id"]
        made = comparing.request_comparison(
            project=self.seat.project,
            a=access_reward_model(self.seat, body.validated_data["a_id"]),
            b=access_reward_model(self.seat, body.validated_data["b_id"]),
            comparison_set=access_comparison_set(self.seat, chosen) if chosen is not None else None,
            created_by=self.seat.user,
        )
        return Response(s.StartedSerializer(made).data, status=status.HTTP_202_ACCEPTED)


class ComparisonView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="model_comparisons_get", responses=s.ModelComparisonDetailSerializer)
    def get(self, request: Request, slug: str, comparison_id: int) -> Response:
        return Response(s.ModelComparisonDetailSerializer(access_comparison(self.seat, comparison_id)).data)


class ExternalView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.TRAIN}
    parser_classes = [MultiPartParser]

    @extend_schema(operation_id="external_evaluations_list", responses=s.ExternalEvaluationSerializer(many=True))
    def get(self, request: Request, slug: str, reward_model_id: int) -> Response:
        model = access_reward_model(self.seat, reward_model_id)
        return self.paginated(selectors.external_evaluations(model), s.ExternalEvaluationSerializer)

    @extend_schema(
        operation_id="external_evaluations_start",
        request={"multipart/form-data": s.ExternalRequestSerializer},
        responses={202: s.StartedSerializer},
    )
    def post(self, request: SignedInRequest, slug: str, reward_model_id: int) -> Response:
        """Score comparisons of an uploaded JSONL file, by category. Rows that cannot be taken are told by line."""
        model = access_reward_model(self.seat, reward_model_id)
        body = s.ExternalRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        made = external.request_external(model=model, created_by=self.seat.user, **body.validated_data)
        return Response(s.StartedSerializer(made).data, status=status.HTTP_202_ACCEPTED)


class NoiseView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.TRAIN}

    @extend_schema(operation_id="comparison_sets_noise", responses=s.NoiseSerializer)
    def get(self, request: Request, slug: str, comparison_set_id: int) -> Response:
        """How much of the set's labels models contradict that did not learn from them, and which the most."""
        return Response(s.NoiseSerializer(noise.state_of(access_comparison_set(self.seat, comparison_set_id))).data)

    @extend_schema(
        operation_id="comparison_sets_noise_start", request=s.NoiseRequestSerializer, responses={202: JobSerializer}
    )
    def post(self, request: Request, slug: str, comparison_set_id: int) -> Response:
        """Estimate the label noise by cross-fitting. The most suspicious labels go to the reviewers' queue."""
        comparison_set = access_comparison_set(self.seat, comparison_set_id)
        body = s.NoiseRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        chosen = body.validated_data
        row = noise.request_cross_fit(
            comparison_set=comparison_set,
            base_model=chosen["base_model"],
            options=_options(chosen),
            n_folds=chosen["n_folds"],
            n_repeats=chosen["n_repeats"],
            created_by=self.seat.user,
        )
        return Response(JobSerializer(row.job).data, status=status.HTTP_202_ACCEPTED)


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


class PlaygroundView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.REVIEW}

    @extend_schema(operation_id="playground", responses=s.PlaygroundSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """The promoted models that the caller may ask, this project's first, and how much at a time."""
        found = {
            "models": playground.models_for(self.seat),
            "max_completions": playground.MAX_COMPLETIONS,
            "max_chars": playground.MAX_CHARS,
            "max_sentences": playground.MAX_SENTENCES,
        }
        return Response(s.PlaygroundSerializer(found).data)

    @extend_schema(
        operation_id="playground_score",
        request=s.PlaygroundRequestSerializer,
        responses=s.PlaygroundAnswerSerializer,
    )
    def post(self, request: Request, slug: str) -> Response:
        """Rewards of completions of one prompt by every promoted model that the caller may ask. Labellers see none.

        With `explain`, also what the reward of one of them changes when a sentence is left out; 400
        `too_many_sentences` where there are too many for that.
        """
        body = s.PlaygroundRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(s.PlaygroundAnswerSerializer(playground.play(self.seat, **body.validated_data)).data)
