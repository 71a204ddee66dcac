from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.response import Response

from annotate.accounts.requests import SignedInRequest
from annotate.agreement import selectors, services, tables
from annotate.agreement.api import serializers as s
from annotate.common.pagination import NewestCreatedFirst, NewestFirst, Numbered
from annotate.projects import audit
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView


class OverviewView(ProjectView):
    needs = {"GET": Capability.LABEL}

    @extend_schema(operation_id="overview", responses=s.OverviewSerializer)
    def get(self, request: SignedInRequest, slug: str) -> Response:
        return Response(s.OverviewSerializer(selectors.overview(self.seat)).data)


class AgreementView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="agreement", responses=s.AgreementSerializer)
    def get(self, request: SignedInRequest, slug: str) -> Response:
        return Response(s.AgreementSerializer(selectors.agreement(self.seat)).data)


class RefreshAgreementView(ProjectView):
    needs = {"POST": Capability.REVIEW}

    @extend_schema(operation_id="agreement_refresh", request=None, responses={202: None})
    def post(self, request: SignedInRequest, slug: str) -> Response:
        """Have the figures computed anew; they are there within seconds."""
        services.mark_stale(project_id=self.seat.project.pk)
        services.request_refresh(project=self.seat.project, is_urgent=True)
        return Response(status=202)


class PairsView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="agreement_pairs", responses=s.PairsSerializer)
    def get(self, request: SignedInRequest, slug: str) -> Response:
        """κ of every two of the 40 labellers with the most ratings."""
        return Response(s.PairsSerializer(selectors.pairs(self.seat.project)).data)


class LabellersView(ProjectView):
    needs = {"GET": Capability.REVIEW}
    pagination_class = Numbered

    @extend_schema(
        operation_id="labellers_list",
        parameters=[
            s.LabellersQuerySerializer,
            OpenApiParameter("page", int),
            OpenApiParameter("page_size", int),
        ],
        responses=s.LabellerRowSerializer(many=True),
    )
    def get(self, request: SignedInRequest, slug: str) -> Response:
        """Everybody with ratings and their figures, sorted by any of them; who lacks it comes last."""
        query = s.LabellersQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        pages = Numbered()
        figures = pages.paginate_queryset(selectors.labellers(self.seat, **query.validated_data), request, view=self)
        rows = selectors.labeller_rows(self.seat, figures or [])
        return pages.get_paginated_response(s.LabellerRowSerializer(rows, many=True).data)


class LabellerView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="labellers_get", responses=s.LabellerSerializer)
    def get(self, request: SignedInRequest, slug: str, labeller_id: int) -> Response:
        return Response(s.LabellerSerializer(selectors.labeller(self.seat, labeller_id)).data)


class DissentView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="labellers_disagreements", responses=s.DissentSerializer(many=True))
    def get(self, request: SignedInRequest, slug: str, labeller_id: int) -> Response:
        """Where this labeller said something else than all ratings together, newest first."""
        return self.paginated(
            selectors.dissent(self.seat.project, labeller_id), s.DissentSerializer, NewestCreatedFirst
        )


class MostWorthFirst(NewestFirst):
    ordering = ("-worth", "-comparison")


class DisagreementsView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(
        operation_id="disagreements_list",
        parameters=[s.ReasonQuerySerializer],
        responses=s.DisagreementRowSerializer(many=True),
    )
    def get(self, request: SignedInRequest, slug: str) -> Response:
        """Comparisons whose verdict is worth a reviewer's time, the most first."""
        query = s.ReasonQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        rows = selectors.disagreements(self.seat.project, query.validated_data["reason"])
        return self.paginated(rows, s.DisagreementRowSerializer, MostWorthFirst)


class ComparisonAnswerView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="comparisons_answer", responses=s.ComparisonAnswerSerializer)
    def get(self, request: SignedInRequest, slug: str, comparison_id: int) -> Response:
        """What its ratings say together, and what the promoted reward model does."""
        return Response(s.ComparisonAnswerSerializer(selectors.answer_of(self.seat.project, comparison_id)).data)


class TableView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(
        operation_id="tables_get",
        parameters=[OpenApiParameter("name", str, OpenApiParameter.PATH, enum=list(tables.TABLES))],
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: SignedInRequest, slug: str, name: str) -> StreamingHttpResponse:
        """A table of the pages as CSV in UTF-8. People are named by their pseudonyms alone. `ratings` and `audit` take
        the filters of their lists, `timesheet` takes from and to."""
        project = self.seat.project
        table = tables.table(self.seat, name, request.query_params)
        audit.record(
            project=project,
            actor=request.user,
            action="table.downloaded",
            summary=f"Table downloaded: {name}",
            target="table",
            target_id=name,
            query=request.META.get("QUERY_STRING", "")[:300],
        )
        return StreamingHttpResponse(
            tables.as_csv(table),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{project.slug}-{name}.csv"'},
        )
