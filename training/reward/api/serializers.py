from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.agreement.api.serializers import StatSerializer
from annotate.jobs.api.serializers import JobSerializer
from training.exports.api.serializers import ComparisonSetBriefSerializer
from training.policy.services import BUILTIN
from training.reward import selectors
from training.reward.models import RewardModel


class BaselinesSerializer(serializers.Serializer):
    longer = StatSerializer()
    always_a = StatSerializer()


class MetricsSerializer(serializers.Serializer):
    accuracy = StatSerializer()
    baselines = BaselinesSerializer()
    n_test = serializers.IntegerField()


class RewardModelSerializer(serializers.ModelSerializer):
    metrics = serializers.SerializerMethodField()
    comparison_set = ComparisonSetBriefSerializer()

    class Meta:
        model = RewardModel
        fields = [
            "id",
            "version",
            "state",
            "state_reason",
            "metrics",
            "base_model",
            "comparison_set",
            "promoted_at",
            "created_at",
        ]

    @extend_schema_field(MetricsSerializer())
    def get_metrics(self, model: RewardModel) -> dict[str, Any]:
        return selectors.metrics(model)


class NumberedSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    number = serializers.IntegerField()


class LineageSetSerializer(NumberedSerializer):
    digest = serializers.CharField()
    spec = serializers.DictField()


class LineageBaseSerializer(serializers.Serializer):
    name = serializers.CharField()
    kind = serializers.CharField()
    metrics = serializers.DictField()


class LineageSerializer(serializers.Serializer):
    """From a reward model down to its ratings, and to what was sampled by it."""

    comparison_set = LineageSetSerializer()
    n_comparisons = serializers.IntegerField()
    n_ratings = serializers.IntegerField()
    n_labellers = serializers.IntegerField()
    guideline_versions = serializers.ListField(child=serializers.IntegerField())
    base_models = LineageBaseSerializer(many=True)
    refresh = NumberedSerializer(allow_null=True)
    sampling_rounds = NumberedSerializer(many=True)


class RewardModelDetailSerializer(RewardModelSerializer):
    report = serializers.DictField(help_text="The engine's evaluation report (touchstone.reward_report/1).")
    config = serializers.DictField()
    lineage = serializers.SerializerMethodField()
    job = JobSerializer(allow_null=True)

    class Meta(RewardModelSerializer.Meta):
        fields = [*RewardModelSerializer.Meta.fields, "artifact_uri", "report", "config", "lineage", "job"]

    @extend_schema_field(LineageSerializer())
    def get_lineage(self, model: RewardModel) -> dict[str, Any]:
        return selectors.lineage(model)


class TrainingOptionsSerializer(serializers.Serializer):
    """Types of the options; what they may hold is checked by `TrainingOptions`."""

    epochs = serializers.IntegerField(required=False)
    max_steps = serializers.IntegerField(required=False)
    batch_size = serializers.IntegerField(required=False)
    learning_rate = serializers.FloatField(required=False)
    max_length = serializers.IntegerField(required=False)
    checkpoint_steps = serializers.IntegerField(required=False)
    seed = serializers.IntegerField(required=False)
    use_margins = serializers.BooleanField(required=False)
    use_weights = serializers.BooleanField(required=False)
    use_soft_preferences = serializers.BooleanField(required=False)


class TrainRequestSerializer(serializers.Serializer):
    comparison_set_id = serializers.IntegerField()
    base_model = serializers.CharField(max_length=500, default=BUILTIN)
    training = TrainingOptionsSerializer(required=False)


class ReasonSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=500)


class MessageSerializer(serializers.Serializer):
    role = serializers.CharField(max_length=40)
    content = serializers.CharField(max_length=200_000, trim_whitespace=False)


class ScoreRequestSerializer(serializers.Serializer):
    messages = MessageSerializer(many=True, allow_empty=False)
    completions = serializers.ListField(
        child=serializers.CharField(max_length=200_000, trim_whitespace=False),
        allow_empty=False,
        max_length=64,
    )


class ScoreSerializer(serializers.Serializer):
    version = serializers.IntegerField()
    rewards = serializers.ListField(child=serializers.FloatField())
    n_tokens = serializers.ListField(child=serializers.IntegerField())
    truncated = serializers.ListField(child=serializers.BooleanField())
