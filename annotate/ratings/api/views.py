from dataclasses import asdict
from datetime import date
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response

from annotate.accounts.requests import SignedInRequest
from annotate.common.pagination import NewestCreatedFirst, NewestFirst
from annotate.comparisons.api.serializers import (
    NextRequestSerializer,
    NextSerializer,
    SkipRequestSerializer,
    shown,
)
from annotate.comparisons.models import Assignment
from annotate.comparisons.services import block, lease, skip
from annotate.guidelines.selectors import Qualification, footing
from annotate.projects.access import Seat
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView
from annotate.ratings import selectors, services
from annotate.ratings.api import serializers as s
from annotate.ratings.filters import AGREEMENT, LENGTHS, rating_rows

# Made once: to copy its fields for every request took longer than to check them.
_RATINGS_REQUEST = s.RatingsRequestSerializer()


def _next(
    seat: Seat,
    assignments: list[Assignment],
    found: Qualification,
    *,
    is_asked: bool = True,
    n_today: int | None = None,
) -> dict[str, Any]:
    """What the labelling screen needs after every step: their leases, and their progress."""
    stopped = block(seat) if is_asked and not assignments else None
    return {
        "assignments": [shown(assignment) for assignment in assignments],
        "block": asdict(stopped) if stopped else None,
        "progress": selectors.labeller_progress(seat, n_today),
        "guideline_version": found.version.number if found.version else None,
    }


class NextView(ProjectView):
    needs = {"POST": Capability.LABEL}

    @extend_schema(operation_id="next", request=NextRequestSerializer, responses=NextSerializer)
    def post(self, request: SignedInRequest, slug: str) -> Response:
        """The caller's leases, topped up to `n`. Asking again returns the same ones."""
        body = NextRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        assignments = lease(seat=self.seat, n=body.validated_data["n"])
        return Response(_next(self.seat, assignments, footing(self.seat.user, self.seat.project)))


RATING_FILTERS = [
    OpenApiParameter("labeller", int, description="A user's id."),
    OpenApiParameter("with", int, description="A user's id: comparisons that they have rated too."),
    OpenApiParameter("comparison", int),
    OpenApiParameter("version", int, description="Number of the guideline version; 0: none was read."),
    OpenApiParameter("from", date, description="The first day, in UTC."),
    OpenApiParameter("to", date, description="The last day, in UTC."),
    OpenApiParameter("language", str),
    OpenApiParameter("tag", str),
    OpenApiParameter("source", str, description="A completion source's id, or two of them: 3-7."),
    OpenApiParameter("length", str, enum=list(LENGTHS), description="By how much the longer completion is longer."),
    OpenApiParameter("intensity", int, description="0: ties."),
    OpenApiParameter("agreement", str, enum=list(AGREEMENT), description="Of all ratings of the comparison."),
    OpenApiParameter("bucket", int, description="Answer to the second question."),
]


class RatingsView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.LABEL}

    @extend_schema(operation_id="ratings_list", parameters=RATING_FILTERS, responses=s.RatingRowSerializer(many=True))
    def get(self, request: SignedInRequest, slug: str) -> Response:
        """Ratings newest first, superseded ones and repeats among them, by what they are asked to have in common."""
        filters = s.RatingFiltersSerializer.filters(request.query_params)
        rows = rating_rows(self.seat.project, filters)
        return self.paginated(rows, s.RatingRowSerializer, NewestCreatedFirst)

    @extend_schema(operation_id="ratings_submit", request=s.RatingsRequestSerializer, responses=s.SubmittedSerializer)
    def post(self, request: SignedInRequest, slug: str) -> Response:
        """Store ratings, each by itself, and return the next pairs. What is `accepted` or `duplicate` is committed."""
        body = _RATINGS_REQUEST.run_validation(request.data)
        judgements = [services.Judgement(**fields) for fields in body["ratings"]]
        found = footing(self.seat.user, self.seat.project)
        outcomes, assignments, n_today = services.submit_and_lease(
            seat=self.seat, judgements=judgements, n=body["next"], found=found
        )
        answer = _next(self.seat, assignments, found, is_asked=body["next"] > 0, n_today=n_today)
        return Response({"results": [asdict(outcome) for outcome in outcomes], **answer})


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


class OwnAssignmentView(ProjectView):
    needs = {"GET": Capability.LABEL}

    @extend_schema(operation_id="assignments_get", responses=s.OwnAssignmentSerializer)
    def get(self, request: SignedInRequest, slug: str, assignment_id: int) -> Response:
        """A pair that the caller has rated, as it was on their screen, with their rating."""
        return Response(s.OwnAssignmentSerializer(selectors.own_assignment(self.seat, assignment_id)).data)


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


class GoldView(ProjectView):
    needs = {"PUT": Capability.ADJUDICATE, "DELETE": Capability.ADJUDICATE}

    @extend_schema(operation_id="gold_set", request=s.GoldRequestSerializer, responses=s.ComparisonSerializer)
    def put(self, request: SignedInRequest, slug: str, comparison_id: int) -> Response:
        """Give the comparison a known answer: it is mixed into every labeller's work and never reaches training."""
        body = s.GoldRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        comparison = services.set_gold(
            project=self.seat.project, reviewer=self.seat.user, comparison_id=comparison_id, **body.validated_data
        )
        return Response(s.ComparisonSerializer(comparison).data)

    @extend_schema(operation_id="gold_unset", responses=s.ComparisonSerializer)
    def delete(self, request: SignedInRequest, slug: str, comparison_id: int) -> Response:
        comparison = services.set_gold(
            project=self.seat.project,
            reviewer=self.seat.user,
            comparison_id=comparison_id,
            preferred=None,
            intensity=None,
        )
        return Response(s.ComparisonSerializer(comparison).data)


class AdjudicationView(ProjectView):
    needs = {"POST": Capability.ADJUDICATE}

    @extend_schema(
        operation_id="comparisons_adjudicate",
        request=s.AdjudicationRequestSerializer,
        responses={201: s.SettledSerializer},
    )
    def post(self, request: SignedInRequest, slug: str, comparison_id: int) -> Response:
        """Settle the comparison and, in the same step, make it gold, a worked example or a note for the guidelines."""
        body = s.AdjudicationRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        fields = dict(body.validated_data)
        then = dict(fields.pop("then") or {})
        if example := then.get("worked_example"):
            then["worked_example"] = services.Example(**example)
        adjudication, draft_revision = services.adjudicate_with_steps(
            project=self.seat.project,
            reviewer=request.user,
            comparison_id=comparison_id,
            verdict=fields.pop("preferred"),
            then=services.Steps(**then),
            **fields,
        )
        shown = s.SettledSerializer(adjudication, context={"draft_revision": draft_revision})
        return Response(shown.data, status=201)


class ReopenView(ProjectView):
    needs = {"POST": Capability.ADJUDICATE}

    @extend_schema(
        operation_id="comparisons_reopen", request=s.ReopenRequestSerializer, responses=s.ComparisonSerializer
    )
    def post(self, request: SignedInRequest, slug: str, comparison_id: int) -> Response:
        """Send the comparison back to labelling for some more ratings. No earlier verdict stands any more."""
        body = s.ReopenRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        comparison = services.reopen(
            project=self.seat.project, reviewer=request.user, comparison_id=comparison_id, **body.validated_data
        )
        return Response(s.ComparisonSerializer(comparison).data)
