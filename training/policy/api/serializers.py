from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.jobs.api.serializers import JobSerializer
from annotate.jobs.models import JobState
from training.policy import sft
from training.policy.models import SftRun


class SftOptionsSerializer(serializers.Serializer):
    """Bounds are those of `training.policy.options.SftOptions`, which checks them."""

    base_model = serializers.CharField(
        required=False, max_length=500, help_text="builtin, checkpoint:<id>, a path on the worker or a hub id."
    )
    comparison_set = serializers.IntegerField(
        required=False,
        allow_null=True,
        help_text="Number of the set whose chosen completions are learnt from; null: what people wrote.",
    )
    epochs = serializers.FloatField(required=False)
    learning_rate = serializers.FloatField(required=False)
    max_length = serializers.IntegerField(required=False, help_text="Tokens of prompt and completion; more are cut.")
    rows_per_step = serializers.IntegerField(required=False, help_text="Rows of max_length tokens per update.")
    lora_rank = serializers.IntegerField(required=False, help_text="0: all weights.")
    seed = serializers.IntegerField(required=False)


class SftCountsSerializer(serializers.Serializer):
    n_examples = serializers.IntegerField(help_text="Trained on.")
    n_heldout = serializers.IntegerField(help_text="Of the validation split: the loss is measured on them.")
    n_tokens = serializers.IntegerField(help_text="Of one pass, about.")
    left_out = serializers.DictField(
        child=serializers.IntegerField(), help_text="By reason: tie, ai, outvoted, repeated, empty."
    )
    n_unread = serializers.IntegerField(help_text="Rows beyond what a run reads.")


class SftWarningSerializer(serializers.Serializer):
    code = serializers.CharField()
    message = serializers.CharField()


class SftPreviewSerializer(SftCountsSerializer):
    n_long = serializers.IntegerField(help_text="Examples longer than max_length, about.")
    n_updates = serializers.IntegerField(help_text="About.")
    warnings = SftWarningSerializer(many=True)


class SftReportSerializer(serializers.Serializer):
    """What the engine measured; losses in nats per token of a completion."""

    n_examples = serializers.IntegerField()
    n_truncated = serializers.IntegerField()
    n_steps = serializers.IntegerField()
    n_tokens = serializers.IntegerField()
    first_loss = serializers.FloatField(help_text="Of the first tenth of the updates.")
    last_loss = serializers.FloatField()
    n_heldout = serializers.IntegerField(required=False)
    heldout_before = serializers.FloatField(required=False)
    heldout_after = serializers.FloatField(required=False)
    precision = serializers.CharField()
    seconds = serializers.FloatField()


class SftCheckpointSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()


class SftRunSerializer(serializers.ModelSerializer):
    state = serializers.SerializerMethodField()
    options = SftOptionsSerializer()
    counts = SftCountsSerializer()
    report = serializers.SerializerMethodField(help_text="Null until it has ended.")
    checkpoint = SftCheckpointSerializer(allow_null=True, help_text="The model that came of it.")
    job = JobSerializer(allow_null=True)
    created_by = serializers.SerializerMethodField()

    class Meta:
        model = SftRun
        fields = [
            *("number", "state", "options", "base_name", "counts", "report", "checkpoint", "job", "created_at"),
            *("created_by", "finished_at"),
        ]

    @extend_schema_field(serializers.ChoiceField(choices=JobState.choices))
    def get_state(self, run: SftRun) -> str:
        return sft.state_of(run)

    @extend_schema_field(SftReportSerializer(allow_null=True))
    def get_report(self, run: SftRun) -> dict[str, Any] | None:
        return run.report or None

    def get_created_by(self, run: SftRun) -> str | None:
        return run.created_by.public_name if run.created_by else None


class SftBaseModelSerializer(serializers.Serializer):
    value = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # hides an attribute of no use here


class SftComparisonSetSerializer(serializers.Serializer):
    value = serializers.IntegerField()
    label = serializers.CharField()  # type: ignore[assignment]  # hides an attribute of no use here


class SftChoicesSerializer(serializers.Serializer):
    """What the form starts with, and what it may name."""

    defaults = SftOptionsSerializer()
    base_models = SftBaseModelSerializer(many=True)
    comparison_sets = SftComparisonSetSerializer(many=True)
