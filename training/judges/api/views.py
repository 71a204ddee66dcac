from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.projects.models import Capability
from annotate.projects.views import ProjectView
from training.endpoints import endpoints
from training.judges import selectors, services
from training.judges.access import access_comparison, access_constitution, access_judge, access_run, access_version
from training.judges.api import serializers as s
from training.judges.options import RunOptions
from training.judges.services import PrincipleText


def _principles(body: dict[str, Any]) -> list[PrincipleText]:
    return [PrincipleText(**one) for one in body["principles"]]


class ConstitutionsView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.TRAIN}

    @extend_schema(operation_id="constitutions_list", responses=s.ConstitutionSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        return self.paginated(selectors.constitutions(self.seat.project), s.ConstitutionSerializer)

    @extend_schema(
        operation_id="constitutions_create",
        request=s.ConstitutionRequestSerializer,
        responses={201: s.ConstitutionSerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        """A constitution with its first version as a draft. What is published can no longer be changed."""
        body = s.ConstitutionRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        made = services.create_constitution(
            project=self.seat.project,
            name=body.validated_data["name"],
            note=body.validated_data["note"],
            principles=_principles(body.validated_data),
            author=self.seat.user,
        )
        found = access_constitution(self.seat, made.constitution_id)
        return Response(s.ConstitutionSerializer(found).data, status=status.HTTP_201_CREATED)


class ConstitutionView(ProjectView):
    needs = {"GET": Capability.REVIEW, "PUT": Capability.TRAIN}

    @extend_schema(operation_id="constitutions_get", responses=s.ConstitutionSerializer)
    def get(self, request: Request, slug: str, constitution_id: int) -> Response:
        return Response(s.ConstitutionSerializer(access_constitution(self.seat, constitution_id)).data)

    @extend_schema(
        operation_id="constitutions_save",
        request=s.ConstitutionDraftRequestSerializer,
        responses=s.ConstitutionSerializer,
    )
    def put(self, request: Request, slug: str, constitution_id: int) -> Response:
        """Write the draft of the next version, in place of what it said."""
        body = s.ConstitutionDraftRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        services.save_draft(
            constitution=access_constitution(self.seat, constitution_id),
            note=body.validated_data["note"],
            principles=_principles(body.validated_data),
            author=self.seat.user,
        )
        return Response(s.ConstitutionSerializer(access_constitution(self.seat, constitution_id)).data)


class PublishView(ProjectView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(operation_id="constitutions_publish", request=None, responses=s.ConstitutionSerializer)
    def post(self, request: Request, slug: str, constitution_id: int) -> Response:
        """Publish the draft: judges may be asked by it, and it stays as it is."""
        found = access_constitution(self.seat, constitution_id)
        services.publish_constitution(constitution=found, actor=self.seat.user)
        return Response(s.ConstitutionSerializer(access_constitution(self.seat, constitution_id)).data)


class JudgesView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="judges_list", responses=s.JudgeSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Who has judged by which version, how that compares with people's ratings, and whether it counts."""
        return self.paginated(selectors.judges(self.seat.project), s.JudgeSerializer)


class JudgeView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.TRAIN}

    @extend_schema(operation_id="judges_get", responses=s.JudgeSerializer)
    def get(self, request: Request, slug: str, judge_id: int) -> Response:
        return Response(s.JudgeSerializer(access_judge(self.seat, judge_id)).data)

    @extend_schema(operation_id="judges_compare", request=None, responses={202: s.JudgeSerializer})
    def post(self, request: Request, slug: str, judge_id: int) -> Response:
        """Compare the judge with people's ratings of now, as a job: `report_job` says how far it is."""
        services.request_report(judge=access_judge(self.seat, judge_id), created_by=self.seat.user)
        return Response(s.JudgeSerializer(access_judge(self.seat, judge_id)).data, status=status.HTTP_202_ACCEPTED)


class AllowView(ProjectView):
    needs = {"POST": Capability.TRAIN, "DELETE": Capability.TRAIN}

    @extend_schema(operation_id="judges_allow", request=None, responses=s.JudgeSerializer)
    def post(self, request: Request, slug: str, judge_id: int) -> Response:
        """Let its ratings into comparison sets. 409 `judge_not_good_enough`, with the `reasons`, where it is not."""
        services.allow_judge(judge=access_judge(self.seat, judge_id), actor=self.seat.user)
        return Response(s.JudgeSerializer(access_judge(self.seat, judge_id)).data)

    @extend_schema(operation_id="judges_withdraw", parameters=[s.ReasonQuerySerializer], responses={204: None})
    def delete(self, request: Request, slug: str, judge_id: int) -> Response:
        """Keep its ratings out of comparison sets from now on."""
        query = s.ReasonQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        judge = access_judge(self.seat, judge_id)
        services.withdraw_judge(judge=judge, actor=self.seat.user, **query.validated_data)
        return Response(status=status.HTTP_204_NO_CONTENT)


class AiRatingsView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="comparisons_ai_ratings", responses=s.JudgedComparisonSerializer(many=True))
    def get(self, request: Request, slug: str, comparison_id: int) -> Response:
        """What judges say of a comparison: a list, newest judge first. None of it is a rating of a person."""
        comparison = access_comparison(self.seat, comparison_id)
        return Response(s.JudgedComparisonSerializer(selectors.ratings_of_comparison(comparison), many=True).data)


class RunsView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.TRAIN}

    @extend_schema(operation_id="judge_runs_list", responses=s.JudgeRunSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        return self.paginated(selectors.runs(self.seat.project), s.JudgeRunSerializer)

    @extend_schema(
        operation_id="judge_runs_start", request=s.RunRequestSerializer, responses={201: s.JudgeRunSerializer}
    )
    def post(self, request: Request, slug: str) -> Response:
        """Have a judge rate comparisons by a published version; its job says how far it is."""
        body = s.RunRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        run = services.start_run(
            project=self.seat.project,
            version=access_version(self.seat, body.validated_data["version_id"]),
            options=RunOptions(**body.options()),
            created_by=self.seat.user,
        )
        return Response(s.JudgeRunSerializer(access_run(self.seat, run.pk)).data, status=status.HTTP_201_CREATED)


class RunView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="judge_runs_get", responses=s.JudgeRunSerializer)
    def get(self, request: Request, slug: str, run_id: int) -> Response:
        return Response(s.JudgeRunSerializer(access_run(self.seat, run_id)).data)


class EstimateView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(
        operation_id="judge_runs_estimate", parameters=[s.EstimateQuerySerializer], responses=s.JudgeEstimateSerializer
    )
    def get(self, request: Request, slug: str) -> Response:
        """What a run of a new judge would take."""
        query = s.EstimateQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        return Response(selectors.estimate(self.seat.project, judge=None, **query.validated_data))


class ChoicesView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="judge_runs_choices", responses=s.JudgeChoicesSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """The endpoints that a judge may be."""
        found = [{"name": one.name, "model": one.model} for one in endpoints().values()]
        return Response({"endpoints": found})
