from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.jobs.api.serializers import JobSerializer
from training.drift.models import DriftReport
from training.exports.api.serializers import ComparisonSetBriefSerializer, SpecSerializer
from training.generation.api.serializers import GenerationEstimateSerializer, GenerationOptionsSerializer
from training.generation.models import Generation
from training.policy.services import BUILTIN
from training.refresh import selectors, services
from training.refresh.config import PROMOTIONS
from training.refresh.models import RefreshCycle, RefreshStage, StageName
from training.reward.api.serializers import RewardModelSerializer, TrainingOptionsSerializer
from training.sampling.api.serializers import SamplingOptionsSerializer, SamplingRoundBriefSerializer


class LabellingOptionsSerializer(serializers.Serializer):
    target_share = serializers.FloatField(
        required=False, help_text="Share of the comparisons asked for at which the refresh goes on, above 0 to 1."
    )
    max_days = serializers.IntegerField(required=False, allow_null=True, help_text="It goes on at the latest then.")


class RefreshConfigSerializer(serializers.Serializer):
    """Types of a refresh's options; what they may hold is checked by `RefreshConfig` itself."""

    ask = serializers.BooleanField(required=False, help_text="Ask for new ratings first; default true.")
    candidates = GenerationOptionsSerializer(
        required=False, allow_null=True, help_text="Completions to be written; null: the pool as it is."
    )
    sampling = SamplingOptionsSerializer(required=False)
    labelling = LabellingOptionsSerializer(required=False)
    spec = SpecSerializer(required=False)
    base_model = serializers.CharField(
        max_length=500, default=BUILTIN, help_text="builtin, checkpoint:<id>, a path or a hub id."
    )
    training = TrainingOptionsSerializer(required=False)
    promotion = serializers.ChoiceField(choices=PROMOTIONS, required=False)


class RefreshRequestSerializer(RefreshConfigSerializer):
    name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)


class StageEditSerializer(serializers.Serializer):
    """The one part of the config that belongs to the stage."""

    candidates = GenerationOptionsSerializer(required=False, allow_null=True)
    sampling = SamplingOptionsSerializer(required=False)
    labelling = LabellingOptionsSerializer(required=False)
    spec = SpecSerializer(required=False)
    base_model = serializers.CharField(max_length=500, required=False)
    training = TrainingOptionsSerializer(required=False)
    promotion = serializers.ChoiceField(choices=PROMOTIONS, required=False)


class StageSkipSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=300)


class RefreshStageSerializer(serializers.ModelSerializer):
    can_edit = serializers.SerializerMethodField()
    can_skip = serializers.SerializerMethodField()
    can_restore = serializers.SerializerMethodField()

    class Meta:
        model = RefreshStage
        fields = ["name", "state", "started_at", "finished_at", "summary", "can_edit", "can_skip", "can_restore"]

    def get_can_edit(self, stage: RefreshStage) -> bool:
        return services.can_edit(stage.cycle, stage)

    def get_can_skip(self, stage: RefreshStage) -> bool:
        return services.can_skip(stage.cycle, stage)

    def get_can_restore(self, stage: RefreshStage) -> bool:
        return services.can_restore(stage.cycle, stage)


class DriftReportBriefSerializer(serializers.ModelSerializer):
    class Meta:
        model = DriftReport
        fields = ["id", "number", "verdict"]


class GenerationBriefSerializer(serializers.ModelSerializer):
    class Meta:
        model = Generation
        fields = ["id", "number", "counts"]


class LabellingSerializer(serializers.Serializer):
    n_asked = serializers.IntegerField()
    n_labelled = serializers.IntegerField()
    n_target = serializers.IntegerField(help_text="The refresh goes on when so many are labelled.")
    ratings_missing = serializers.IntegerField()
    is_met = serializers.BooleanField()
    per_day = serializers.FloatField(help_text="Ratings a day, lately.")
    days = serializers.IntegerField(allow_null=True, help_text="From today, at that pace; null: cannot be said.")
    earliest = serializers.IntegerField(allow_null=True)
    latest = serializers.IntegerField(allow_null=True)


class RefreshSerializer(serializers.ModelSerializer):
    stages = RefreshStageSerializer(many=True)
    job = JobSerializer()
    drift_report = DriftReportBriefSerializer(allow_null=True)
    generation = GenerationBriefSerializer(allow_null=True)
    sampling_round = SamplingRoundBriefSerializer(allow_null=True)
    comparison_set = ComparisonSetBriefSerializer(allow_null=True)
    reward_model = RewardModelSerializer(allow_null=True)
    labelling = serializers.SerializerMethodField()
    can_cancel = serializers.SerializerMethodField()
    can_retry = serializers.SerializerMethodField()

    class Meta:
        model = RefreshCycle
        fields = [
            "id",
            "number",
            "name",
            "state",
            "trigger",
            "trigger_reason",
            "config",
            "stages",
            "job",
            "drift_report",
            "generation",
            "sampling_round",
            "comparison_set",
            "reward_model",
            "labelling",
            "can_cancel",
            "can_retry",
            "created_at",
            "finished_at",
        ]

    @extend_schema_field(LabellingSerializer(allow_null=True))
    def get_labelling(self, cycle: RefreshCycle) -> dict[str, Any] | None:
        """Of the page of one refresh; null in lists."""
        return selectors.labelling(cycle) if self.context.get("is_whole") else None

    def get_can_cancel(self, cycle: RefreshCycle) -> bool:
        return services.can_cancel(cycle)

    def get_can_retry(self, cycle: RefreshCycle) -> bool:
        return services.can_retry(cycle)


class PreviewStageSerializer(serializers.Serializer):
    name = serializers.ChoiceField(choices=StageName.values)
    skipped = serializers.CharField(allow_null=True, help_text="Why it would leave itself out.")
    seconds = serializers.IntegerField(allow_null=True, help_text="What it took lately in this project.")


class PreviewLabelsSerializer(serializers.Serializer):
    n_pairs = serializers.IntegerField(help_text="To choose from.")
    is_estimate = serializers.BooleanField()
    n_chosen = serializers.IntegerField()
    n_random = serializers.IntegerField()
    n_labels = serializers.IntegerField()
    ratings_each = serializers.IntegerField()
    hours = serializers.FloatField(allow_null=True)
    cost = serializers.CharField(allow_null=True)
    currency = serializers.CharField()
    days = serializers.IntegerField(allow_null=True, help_text="Until its target, at the pace of the last days.")


class RefreshPreviewSerializer(serializers.Serializer):
    stages = PreviewStageSerializer(many=True)
    seconds = serializers.IntegerField(allow_null=True, help_text="The machine's time, as far as is known.")
    candidates = GenerationEstimateSerializer(allow_null=True)
    labels = PreviewLabelsSerializer(allow_null=True)


class RefreshScheduleRequestSerializer(serializers.Serializer):
    is_enabled = serializers.BooleanField()
    on_drift = serializers.BooleanField(default=True)
    new_ratings = serializers.IntegerField(allow_null=True, default=None)
    every_days = serializers.IntegerField(allow_null=True, default=None)
    config = RefreshConfigSerializer(required=False)


class RefreshScheduleSerializer(serializers.Serializer):
    is_enabled = serializers.BooleanField()
    on_drift = serializers.BooleanField()
    new_ratings = serializers.IntegerField(allow_null=True)
    every_days = serializers.IntegerField(allow_null=True)
    config = serializers.DictField()
    ratings_since = serializers.IntegerField(help_text="New ratings since the last refresh took those there were.")
    next_at = serializers.DateTimeField(allow_null=True, help_text="By every_days.")
    due = serializers.CharField(allow_null=True, help_text="Why one is due now.")
    last_reason = serializers.CharField(help_text="What came of the last time one was due.")
    checked_at = serializers.DateTimeField(allow_null=True)
