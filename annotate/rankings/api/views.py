from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from annotate.accounts.requests import SignedInRequest
from annotate.common.pagination import NewestCreatedFirst
from annotate.comparisons.api.serializers import BlockSerializer, SkipRequestSerializer
from annotate.comparisons.services import block
from annotate.guidelines.selectors import current_version
from annotate.projects.access import Seat
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView
from annotate.rankings import selectors, services
from annotate.rankings.api import serializers as s


def _next(seat: Seat, n: int) -> dict[str, Any]:
    """What the ranking screen needs after every step: their leases topped up to n, and their progress."""
    assignments = services.lease(seat=seat, n=n) if n else []
    stop = block(seat) if n and not assignments else None
    version = current_version(seat.project)
    return {
        "assignments": s.RankingAssignmentSerializer(assignments, many=True, context={"project": seat.project}).data,
        "progress": selectors.labeller_progress(seat),
        "guideline_version": version.number if version else None,
        "block": BlockSerializer(stop).data if stop else None,
    }


class NextRankingsView(ProjectView):
    needs = {"POST": Capability.LABEL}

    @extend_schema(
        operation_id="rankings_next", request=s.RankingsNextRequestSerializer, responses=s.NextRankingsSerializer
    )
    def post(self, request: SignedInRequest, slug: str) -> Response:
        """The caller's rankings to make, topped up to `n`. Asking again returns the same ones."""
        body = s.RankingsNextRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(_next(self.seat, body.validated_data["n"]))


class RankingsView(ProjectView):
    needs = {"POST": Capability.LABEL}

    @extend_schema(
        operation_id="rankings_submit", request=s.RankingsRequestSerializer, responses=s.SubmittedRankingsSerializer
    )
    def post(self, request: SignedInRequest, slug: str) -> Response:
        """Store rankings, each by itself, as ratings of all their pairs, and return the next ones.

        What is `accepted` or `duplicate` is committed.
        """
        body = s.RankingsRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        orders = [services.Order(**fields) for fields in body.validated_data["rankings"]]
        outcomes = services.submit(seat=self.seat, orders=orders)
        results = s.RankingOutcomeSerializer(outcomes, many=True).data
        return Response({"results": results, **_next(self.seat, body.validated_data["next"])})


class SkipRankingView(ProjectView):
    needs = {"POST": Capability.LABEL}

    @extend_schema(operation_id="rankings_skip", request=SkipRequestSerializer, responses={204: None})
    def post(self, request: SignedInRequest, slug: str, assignment_id: int) -> Response:
        body = SkipRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        services.skip(seat=self.seat, assignment_id=assignment_id, reason=body.validated_data["reason"])
        return Response(status=204)


class MyRankingsView(ProjectView):
    needs = {"GET": Capability.LABEL}

    @extend_schema(operation_id="my_rankings", responses=s.OwnRankingSerializer(many=True))
    def get(self, request: SignedInRequest, slug: str) -> Response:
        return self.paginated(selectors.own_answers(self.seat), s.OwnRankingSerializer, NewestCreatedFirst)
