from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.jobs.api.serializers import JobSerializer
from training.drift.models import DriftReport
from training.reward.api.serializers import ModelBriefSerializer


class ComparedGenerationSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    number = serializers.IntegerField()


class DriftReportSerializer(serializers.ModelSerializer):
    reward_model = ModelBriefSerializer()
    generation = ComparedGenerationSerializer(allow_null=True)
    job = JobSerializer(allow_null=True)

    class Meta:
        model = DriftReport
        fields = ["id", "number", "reward_model", "generation", "verdict", "created_at", "finished_at", "job"]


class DriftSourceCountSerializer(serializers.Serializer):
    name = serializers.CharField()
    n = serializers.IntegerField()


class DriftComparedSerializer(serializers.Serializer):
    """What stood for the two sides."""

    comparison_set = serializers.IntegerField(help_text="Number of the set whose training completions are one side.")
    what = serializers.ChoiceField(choices=["generation", "current_policy", "newest"])
    generation = serializers.IntegerField(allow_null=True)
    n = serializers.IntegerField(help_text="Completions of the policy's side before one a prompt was drawn.")
    sources = DriftSourceCountSerializer(many=True)


class DriftSideSerializer(serializers.Serializer):
    completions = serializers.IntegerField()
    prompts = serializers.IntegerField()
    used = serializers.IntegerField(help_text="One completion a prompt.")


class DriftSidesSerializer(serializers.Serializer):
    training = DriftSideSerializer()
    policy = DriftSideSerializer()


class DriftMeasureSerializer(serializers.Serializer):
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


class DriftBinsSerializer(serializers.Serializer):
    edges = serializers.ListField(child=serializers.FloatField())
    training = serializers.ListField(child=serializers.FloatField())
    policy = serializers.ListField(child=serializers.FloatField())


class DriftSliceSerializer(serializers.Serializer):
    kind = serializers.CharField()
    value = serializers.CharField()
    n_training = serializers.IntegerField()
    n_policy = serializers.IntegerField()
    auc = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    p_adjusted = serializers.FloatField()


class DriftOriginSerializer(serializers.Serializer):
    """Whether the prompts are new or what is written to them."""

    known_share = serializers.FloatField(allow_null=True)
    prompts = DriftMeasureSerializer(allow_null=True)
    prompt_lengths = DriftMeasureSerializer(allow_null=True)
    completions = DriftMeasureSerializer(allow_null=True)
    sentence = serializers.CharField()


class DriftResultSerializer(serializers.Serializer):
    """touchstone.drift/1."""

    sentence = serializers.CharField()
    rule = serializers.CharField()
    compared = DriftComparedSerializer()
    n = DriftSidesSerializer()
    measures = DriftMeasureSerializer(many=True)
    lengths = DriftBinsSerializer(allow_null=True)
    rewards = DriftBinsSerializer(allow_null=True)
    slices = DriftSliceSerializer(many=True)
    most_moved = DriftSliceSerializer(allow_null=True)
    origin = DriftOriginSerializer(allow_null=True)


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
