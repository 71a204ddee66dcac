from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.jobs.api.serializers import JobSerializer
from training.drift.models import DriftReport
from training.reward.api.serializers import ModelBriefSerializer


class GenerationBriefSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    number = serializers.IntegerField()


class DriftReportSerializer(serializers.ModelSerializer):
    reward_model = ModelBriefSerializer()
    generation = GenerationBriefSerializer(allow_null=True)
    job = JobSerializer(allow_null=True)

    class Meta:
        model = DriftReport
        fields = ["id", "number", "reward_model", "generation", "verdict", "created_at", "finished_at", "job"]


class SourceCountSerializer(serializers.Serializer):
    name = serializers.CharField()
    n = serializers.IntegerField()


class ComparedSerializer(serializers.Serializer):
    """What stood for the two sides."""

    comparison_set = serializers.IntegerField(help_text="Number of the set whose training completions are one side.")
    what = serializers.ChoiceField(choices=["generation", "current_policy", "newest"])
    generation = serializers.IntegerField(allow_null=True)
    n = serializers.IntegerField(help_text="Completions of the policy's side before one a prompt was drawn.")
    sources = SourceCountSerializer(many=True)


class SideSerializer(serializers.Serializer):
    completions = serializers.IntegerField()
    prompts = serializers.IntegerField()
    used = serializers.IntegerField(help_text="One completion a prompt.")


class SidesSerializer(serializers.Serializer):
    training = SideSerializer()
    policy = SideSerializer()


class MeasureSerializer(serializers.Serializer):
    name = serializers.CharField()
    value = serializers.FloatField()
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    p_value = serializers.FloatField(allow_null=True)
    p_adjusted = serializers.FloatField(allow_null=True, help_text="Null where the measure has no say in the verdict.")
    expected = serializers.FloatField(allow_null=True, help_text="Around what it would be without drift.")
    n_training = serializers.IntegerField()
    n_policy = serializers.IntegerField()
    level = serializers.ChoiceField(choices=["none", "some", "strong"], allow_null=True)
    sentence = serializers.CharField()


class BinsSerializer(serializers.Serializer):
    edges = serializers.ListField(child=serializers.FloatField())
    training = serializers.ListField(child=serializers.FloatField())
    policy = serializers.ListField(child=serializers.FloatField())


class SliceSerializer(serializers.Serializer):
    kind = serializers.CharField()
    value = serializers.CharField()
    n_training = serializers.IntegerField()
    n_policy = serializers.IntegerField()
    auc = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    p_adjusted = serializers.FloatField()


class OriginSerializer(serializers.Serializer):
    """Whether the prompts are new or what is written to them."""

    known_share = serializers.FloatField(allow_null=True)
    prompts = MeasureSerializer(allow_null=True)
    prompt_lengths = MeasureSerializer(allow_null=True)
    completions = MeasureSerializer(allow_null=True)
    sentence = serializers.CharField()


class DriftResultSerializer(serializers.Serializer):
    """touchstone.drift/1."""

    sentence = serializers.CharField()
    rule = serializers.CharField()
    compared = ComparedSerializer()
    n = SidesSerializer()
    measures = MeasureSerializer(many=True)
    lengths = BinsSerializer(allow_null=True)
    rewards = BinsSerializer(allow_null=True)
    slices = SliceSerializer(many=True)
    most_moved = SliceSerializer(allow_null=True)
    origin = OriginSerializer(allow_null=True)


class DriftReportDetailSerializer(DriftReportSerializer):
    report = serializers.SerializerMethodField(help_text="Null until the job has ended.")

    class Meta(DriftReportSerializer.Meta):
        fields = [*DriftReportSerializer.Meta.fields, "report"]

    @extend_schema_field(DriftResultSerializer(allow_null=True))
    def get_report(self, report: DriftReport) -> dict[str, Any] | None:
        return DriftResultSerializer(report.report).data if report.report else None


class DriftRequestSerializer(serializers.Serializer):
    reward_model_id = serializers.IntegerField(
        required=False, allow_null=True, default=None, help_text="Default: the promoted one."
    )
    generation_id = serializers.IntegerField(
        required=False, allow_null=True, default=None, help_text="Default: the newest completions of the policy."
    )
