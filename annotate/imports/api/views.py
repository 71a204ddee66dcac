import csv
from collections.abc import Iterator

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.common.errors import not_found
from annotate.imports import services
from annotate.imports.api.serializers import ImportDetailSerializer, ImportRequestSerializer, ImportSerializer
from annotate.imports.models import Import
from annotate.projects.access import Seat
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView


def access_import(seat: Seat, import_id: int) -> Import:
    run = Import.objects.select_related("job").filter(project=seat.project, pk=import_id).first()
    if run is None:
        raise not_found("import")
    return run


class ImportsView(ProjectView):
    needs = {"GET": Capability.IMPORT, "POST": Capability.IMPORT}
    parser_classes = [MultiPartParser]

    @extend_schema(operation_id="imports_list", responses=ImportSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        return self.paginated(Import.objects.filter(project=self.seat.project).select_related("job"), ImportSerializer)

    @extend_schema(
        operation_id="imports_start",
        request={"multipart/form-data": ImportRequestSerializer},
        responses={201: ImportDetailSerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Upload a file and have it imported. Rows that cannot be taken are reported; the others go in."""
        body = ImportRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        run = services.upload(project=self.seat.project, created_by=self.seat.user, **body.validated_data)
        return Response(ImportDetailSerializer(run).data, status=201)


class ImportView(ProjectView):
    needs = {"GET": Capability.IMPORT}

    @extend_schema(operation_id="imports_get", responses=ImportDetailSerializer)
    def get(self, request: Request, slug: str, import_id: int) -> Response:
        return Response(ImportDetailSerializer(access_import(self.seat, import_id)).data)


class ImportErrorsView(ProjectView):
    needs = {"GET": Capability.IMPORT}

    @extend_schema(operation_id="imports_errors", responses={(200, "text/csv"): OpenApiTypes.STR})
    def get(self, request: Request, slug: str, import_id: int) -> StreamingHttpResponse:
        """All rows that were not taken, as CSV: line, field, reason."""
        run = access_import(self.seat, import_id)
        return StreamingHttpResponse(
            _csv(run),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="import-{run.pk}-bad-rows.csv"'},
        )


class _Echo:
    """What csv.writer writes to: gives each line back."""

    def write(self, line: str) -> str:
        return line


def _csv(run: Import) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(["line", "field", "reason"])
    for line, field, reason in run.errors.values_list("line", "field", "reason").iterator(chunk_size=2000):
        yield writer.writerow([line, _plain(field), _plain(reason)])


def _plain(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: parts of it come from other people's files."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
