from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.common.errors import DomainError
from annotate.jobs.api.serializers import JobSerializer
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView
from training import artifacts
from training.exports import selectors, services
from training.exports.access import access_comparison_set
from training.exports.api import serializers as s
from training.exports.clusters import request_clusters
from training.exports.models import ComparisonSet
from training.exports.spec import Spec
from training.validation import under


class ComparisonSetsView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.TRAIN}

    @extend_schema(operation_id="comparison_sets_list", responses=s.ComparisonSetSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        return self.paginated(selectors.comparison_sets(self.seat.project), s.ComparisonSetSerializer)

    @extend_schema(
        operation_id="comparison_sets_create",
        request=s.ComparisonSetRequestSerializer,
        responses={201: s.ComparisonSetSerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Start writing a comparison set from the ratings of now. The answer's job says when it is there."""
        body = s.ComparisonSetRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        made = services.request_comparison_set(
            project=self.seat.project,
            spec=under("spec", lambda: Spec.parse(body.validated_data.get("spec", {}))),
            name=body.validated_data["name"],
            created_by=self.seat.user,
            is_warned=body.validated_data["is_warned"],
        )
        return Response(s.ComparisonSetSerializer(made).data, status=status.HTTP_201_CREATED)


class PreviewView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(
        operation_id="comparison_sets_preview", parameters=[s.SpecQuerySerializer], responses=s.PreviewSerializer
    )
    def get(self, request: Request, slug: str) -> Response:
        """What a spec (as query parameters) would give now, and why comparisons are left out."""
        query = s.SpecQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        return Response(selectors.preview(self.seat.project, Spec.parse(query.validated_data)))


class ChoicesView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="comparison_sets_choices", responses=s.ChoicesSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """What a spec can be built of: versions, languages, tags, sources, labellers, and how much of each."""
        return Response(selectors.choices(self.seat))


class ClustersView(ProjectView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(operation_id="comparison_sets_cluster", request=None, responses={202: JobSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Sort the pool's prompts into clusters of like ones, for a spec's maximum share of one cluster."""
        job = request_clusters(project=self.seat.project, created_by=self.seat.user)
        return Response(JobSerializer(job).data, status=status.HTTP_202_ACCEPTED)


class ComparisonSetView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="comparison_sets_get", responses=s.ComparisonSetSerializer)
    def get(self, request: Request, slug: str, comparison_set_id: int) -> Response:
        return Response(s.ComparisonSetSerializer(access_comparison_set(self.seat, comparison_set_id)).data)


class ManifestView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="comparison_sets_manifest", responses=s.ManifestSerializer)
    def get(self, request: Request, slug: str, comparison_set_id: int) -> Response:
        """The manifest as it lies beside the shards: the SHA-256 of every file, and the spec that made them."""
        return Response(_frozen(access_comparison_set(self.seat, comparison_set_id)).manifest)


class RowsView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(
        operation_id="comparison_sets_rows",
        parameters=[s.SplitQuerySerializer],
        responses=s.RowSerializer(many=True),
        filters=False,
    )
    def get(self, request: Request, slug: str, comparison_set_id: int) -> Response:
        """The first rows of a split, to read before training on them."""
        query = s.SplitQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        found = _frozen(access_comparison_set(self.seat, comparison_set_id))
        return Response(selectors.first_rows(found, query.validated_data["split"]))


class CardView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="comparison_sets_card", responses={(200, "text/markdown"): str})
    def get(self, request: Request, slug: str, comparison_set_id: int) -> HttpResponse:
        """The dataset card that lies beside the shards."""
        found = _frozen(access_comparison_set(self.seat, comparison_set_id))
        return HttpResponse(artifacts.read_file(f"{found.uri}/README.md") or b"", content_type="text/markdown")


def _frozen(found: ComparisonSet) -> ComparisonSet:
    if found.frozen_at is None:
        raise DomainError("not_frozen", "This comparison set is still being written; its job says how far it is.")
    return found
