from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response

from annotate.accounts.requests import SignedInRequest
from annotate.common.pagination import NewestCreatedFirst, NewestFirst
from annotate.comparisons.api.serializers import (
    AssignmentSerializer,
    NextRequestSerializer,
    NextSerializer,
    SkipRequestSerializer,
)
from annotate.comparisons.services import lease, skip
from annotate.guidelines.selectors import current_version
from annotate.projects.access import Seat
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView
from annotate.ratings import selectors, services
from annotate.ratings.api import serializers as s


def _next(seat: Seat, n: int) -> dict[str, Any]:
    """What the labelling screen needs after every step: their leases topped up to n, and their progress."""
    assignments = lease(seat=seat, n=n) if n else []
    version = current_version(seat.project)
    return {
        "assignments": AssignmentSerializer(assignments, many=True).data,
        "progress": selectors.labeller_progress(seat),
        "guideline_version": version.number if version else None,
    }


class NextView(ProjectView):
    needs = {"POST": Capability.LABEL}

    @extend_schema(operation_id="next", request=NextRequestSerializer, responses=NextSerializer)
    def post(self, request: SignedInRequest, slug: str) -> Response:
        """The caller's leases, topped up to `n`. Asking again returns the same ones."""
        body = NextRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(_next(self.seat, body.validated_data["n"]))


class RatingsView(ProjectView):
    needs = {"POST": Capability.LABEL}

    @extend_schema(operation_id="ratings_submit", request=s.RatingsRequestSerializer, responses=s.SubmittedSerializer)
    def post(self, request: SignedInRequest, slug: str) -> Response:
        """Store ratings, each by itself, and return the next pairs. What is `accepted` or `duplicate` is committed."""
        body = s.RatingsRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        judgements = [services.Judgement(**fields) for fields in body.validated_data["ratings"]]
        outcomes = services.submit(seat=self.seat, judgements=judgements)
        results = s.OutcomeSerializer(outcomes, many=True).data
        return Response({"results": results, **_next(self.seat, body.validated_data["next"])})


class SkipView(ProjectView):
    needs = {"POST": Capability.LABEL}

    @extend_schema(operation_id="assignments_skip", request=SkipRequestSerializer, responses={204: None})
    def post(self, request: SignedInRequest, slug: str, assignment_id: int) -> Response:
        body = SkipRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        skip(seat=self.seat, assignment_id=assignment_id, reason=body.validated_data["reason"])
        return Response(status=204)


class FlagView(ProjectView):
    needs = {"POST": Capability.LABEL}

    @extend_schema(operation_id="assignments_flag", request=s.FlagRequestSerializer, responses={204: None})
    def post(self, request: SignedInRequest, slug: str, assignment_id: int) -> Response:
        body = s.FlagRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        services.flag(seat=self.seat, assignment_id=assignment_id, **body.validated_data)
        return Response(status=204)


class MyRatingsView(ProjectView):
    needs = {"GET": Capability.LABEL}

    @extend_schema(operation_id="my_ratings", responses=s.OwnRatingSerializer(many=True))
    def get(self, request: SignedInRequest, slug: str) -> Response:
        return self.paginated(selectors.own_ratings(self.seat), s.OwnRatingSerializer, NewestCreatedFirst)


class MostDisagreedFirst(NewestFirst):
    ordering = ("-n_dissenting", "-id")


class HighestPriorityFirst(NewestFirst):
    ordering = ("-priority", "id")


ORDERINGS: dict[str, type[CursorPagination]] = {
    "newest": NewestFirst,
    "disagreement": MostDisagreedFirst,
    "priority": HighestPriorityFirst,
}


class ComparisonsView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(
        operation_id="comparisons_list", parameters=[s.ShowSerializer], responses=s.ComparisonSerializer(many=True)
    )
    def get(self, request: SignedInRequest, slug: str) -> Response:
        query = s.ShowSerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        rows = selectors.comparisons(self.seat.project, query.validated_data["show"])
        return self.paginated(rows, s.ComparisonSerializer, ORDERINGS[query.validated_data["ordering"]])


class ComparisonView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="comparisons_get", responses=s.ComparisonDetailSerializer)
    def get(self, request: SignedInRequest, slug: str, comparison_id: int) -> Response:
        return Response(
            s.ComparisonDetailSerializer(selectors.comparison_detail(self.seat.project, comparison_id)).data
        )


class AdjudicationView(ProjectView):
    needs = {"POST": Capability.ADJUDICATE}

    @extend_schema(
        operation_id="comparisons_adjudicate",
        request=s.AdjudicationRequestSerializer,
        responses={201: s.AdjudicationSerializer},
    )
    def post(self, request: SignedInRequest, slug: str, comparison_id: int) -> Response:
        body = s.AdjudicationRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        adjudication = services.adjudicate(
            project=self.seat.project,
            reviewer=request.user,
            comparison_id=comparison_id,
            verdict=body.validated_data["preferred"],
            intensity=body.validated_data["intensity"],
            note=body.validated_data["note"],
        )
        return Response(s.AdjudicationSerializer(adjudication).data, status=201)
