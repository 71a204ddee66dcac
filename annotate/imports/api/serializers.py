from rest_framework import serializers

from annotate.imports.models import Import, ImportError, ImportFormat
from annotate.jobs.api.serializers import JobSerializer
from annotate.pool.models import SourceKind


class ImportErrorSerializer(serializers.ModelSerializer):
    class Meta:
        model = ImportError
        fields = ["line", "field", "reason"]


class ImportSerializer(serializers.ModelSerializer):
    job = JobSerializer()
    counts = serializers.DictField(child=serializers.IntegerField())

    class Meta:
        model = Import
        fields = ["id", "filename", "format", "source_name", "source_kind", "job", "counts", "created_at"]


class ImportDetailSerializer(ImportSerializer):
    errors = serializers.SerializerMethodField(  # type: ignore[assignment]  # a field of the answer, not DRF's own
        help_text="The first twenty rows that were not taken."
    )

    class Meta(ImportSerializer.Meta):
        fields = [*ImportSerializer.Meta.fields, "errors"]

    def get_errors(self, run: Import) -> list[dict[str, str | int]]:
        return list(ImportErrorSerializer(run.errors.all()[:20], many=True).data)


class ImportRequestSerializer(serializers.Serializer):
    file = serializers.FileField(max_length=255, help_text="JSONL (also .gz), CSV or Parquet.")
    format = serializers.ChoiceField(choices=ImportFormat.choices, default=ImportFormat.AUTO)
    source_name = serializers.CharField(max_length=120, allow_blank=True, default="")
    source_kind = serializers.ChoiceField(choices=SourceKind.choices, default=SourceKind.EXTERNAL)
