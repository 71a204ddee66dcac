"""Scoring files: start, list, see, download."""

from typing import Any

from django.conf import settings
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.accounts.requests import SignedInRequest
from annotate.common.errors import DomainError
from annotate.jobs.api.serializers import JobSerializer
from annotate.projects.access import Seat
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView
from training.engine.scoring.bulk_input import ROWS_PER_SHARD
from training.exports.access import access_comparison_set
from training.reward import bulk, downloads, selectors
from training.reward.access import access_bulk_scoring
from training.reward.api.serializers import ModelBriefSerializer
from training.reward.models import BulkScoring

# A page names so many files; all of them are in the manifest.
FILES_SHOWN = 100


class BulkScoringSerializer(serializers.ModelSerializer):
    reward_model = ModelBriefSerializer()
    job = JobSerializer(allow_null=True)
    counts = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="rows, scored, rejected, completions, truncated; empty until all rows are done.",
    )

    class Meta:
        model = BulkScoring
        fields = [
            "id",
            "name",
            "reward_model",
            "rows_per_shard",
            "max_bad_share",
            "counts",
            "output_url",
            "created_at",
            "job",
        ]


class ScoredFileSerializer(serializers.Serializer):
    path = serializers.CharField()
    rows = serializers.IntegerField()
    bytes = serializers.IntegerField()
    sha256 = serializers.CharField()


class BulkScoringDetailSerializer(BulkScoringSerializer):
    files = serializers.SerializerMethodField(help_text=f"The first {FILES_SHOWN} shards, once all rows are done.")
    n_files = serializers.SerializerMethodField()

    class Meta(BulkScoringSerializer.Meta):
        fields = [*BulkScoringSerializer.Meta.fields, "files", "n_files"]

    def to_representation(self, instance: BulkScoring) -> dict[str, Any]:
        self._shards: list[dict[str, Any]] = (bulk.manifest_of(instance) or {}).get("shards", [])
        return super().to_representation(instance)

    @extend_schema_field(ScoredFileSerializer(many=True))
    def get_files(self, scoring: BulkScoring) -> list[dict[str, Any]]:
        return self._shards[:FILES_SHOWN]

    def get_n_files(self, scoring: BulkScoring) -> int:
        return len(self._shards)


class BulkRequestSerializer(serializers.Serializer):
    """One of `file`, `url` and `comparison_set_id`."""

    file = serializers.FileField(required=False, max_length=255, help_text="Parquet, JSONL or gzipped JSONL.")
    url = serializers.CharField(
        required=False, max_length=1000, help_text="A file, directory or glob below a root of `choices`."
    )
    comparison_set_id = serializers.IntegerField(required=False)
    name = serializers.CharField(max_length=200, allow_blank=True, default="", help_text="Default: that of the input.")
    version = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, help_text="Default: the promoted one."
    )
    rows_per_shard = serializers.IntegerField(default=ROWS_PER_SHARD, min_value=1, max_value=1_000_000)
    max_bad_share = serializers.FloatField(
        default=bulk.MAX_BAD_SHARE, min_value=0, max_value=1, help_text="With more rows refused, the job fails."
    )

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if sum(given.get(name) is not None for name in ("file", "url", "comparison_set_id")) != 1:
            raise serializers.ValidationError({"file": "Give one of file, url and comparison_set_id."})
        return given


class BulkChoicesSerializer(serializers.Serializer):
    roots = serializers.ListField(
        child=serializers.CharField(), help_text="A `url` has to lie below one of them, or in a comparison set."
    )
    max_bytes = serializers.IntegerField(help_text="Of an uploaded file.")
    rows_per_shard = serializers.IntegerField()
    max_bad_share = serializers.FloatField()


class BulkScoringsView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.TRAIN}
    parser_classes = [MultiPartParser, JSONParser]

    @extend_schema(operation_id="bulk_scorings_list", responses=BulkScoringSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        return self.paginated(selectors.bulk_scorings(self.seat.project), BulkScoringSerializer)

    @extend_schema(
        operation_id="bulk_scorings_start",
        request={"multipart/form-data": BulkRequestSerializer, "application/json": BulkRequestSerializer},
        responses={202: BulkScoringSerializer},
    )
    def post(self, request: SignedInRequest, slug: str) -> Response:
        """Score a file of prompts and completions with one version of the reward model, in shards.

        Rows: {"messages" or "prompt", "completions"}, {"prompt", "completion"} or {"prompt", "chosen", "rejected"}.
        Rows that cannot be scored are told in rejected.jsonl and do not stop the others.
        """
        body = BulkRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        made = bulk.request_bulk_scoring(
            project=self.seat.project,
            **_input(self.seat, given),
            version=given["version"],
            rows_per_shard=given["rows_per_shard"],
            max_bad_share=given["max_bad_share"],
            created_by=self.seat.user,
        )
        return Response(BulkScoringSerializer(made).data, status=status.HTTP_202_ACCEPTED)


def _input(seat: Seat, given: dict[str, Any]) -> dict[str, Any]:
    """What is to be scored, as arguments of `request_bulk_scoring`."""
    if given.get("file") is not None:
        bulk.require_model(seat.project, given["version"])  # before gigabytes are put aside
        url, name = bulk.keep_upload(project=seat.project, file=given["file"])
        return {"input_url": url, "name": given["name"] or name, "is_upload": True}
    if given.get("url") is not None:
        url = bulk.allowed_url(seat.project, given["url"])
        return {"input_url": url, "name": given["name"] or url.rstrip("/").rsplit("/", 1)[-1]}
    found = access_comparison_set(seat, given["comparison_set_id"])
    if found.frozen_at is None:
        raise DomainError("not_frozen", f"Comparison set {found.number} is still being written.")
    return {"input_url": found.uri, "name": given["name"] or f"comparison set {found.number}"}


class ChoicesView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="bulk_scorings_choices", responses=BulkChoicesSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """Where files may be read from, how large an upload may be, and what holds where nothing is said."""
        found = {
            "roots": settings.BULK_ROOTS,
            "max_bytes": settings.UPLOAD_MAX_BYTES,
            "rows_per_shard": ROWS_PER_SHARD,
            "max_bad_share": bulk.MAX_BAD_SHARE,
        }
        return Response(BulkChoicesSerializer(found).data)


class BulkScoringView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="bulk_scorings_get", responses=BulkScoringDetailSerializer)
    def get(self, request: Request, slug: str, bulk_scoring_id: int) -> Response:
        return Response(BulkScoringDetailSerializer(access_bulk_scoring(self.seat, bulk_scoring_id)).data)


class FileView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(
        operation_id="bulk_scorings_file", responses={(200, "application/octet-stream"): OpenApiTypes.BINARY}
    )
    def get(self, request: Request, slug: str, bulk_scoring_id: int, name: str) -> StreamingHttpResponse:
        """A shard (part-00000.parquet, …), manifest.json or rejected.jsonl."""
        scoring = access_bulk_scoring(self.seat, bulk_scoring_id)
        blocks, size = downloads.scored_file(scoring, name)
        headers = {
            "Content-Disposition": f'attachment; filename="{slug}-scored-{scoring.pk}-{name}"',
            "Content-Length": str(size),
        }
        return StreamingHttpResponse(blocks, content_type="application/octet-stream", headers=headers)
