from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.jobs.api.serializers import JobSerializer
from training.exports.api.serializers import ComparisonSetBriefSerializer, SpecSerializer
from training.policy.services import BUILTIN
from training.refresh import selectors
from training.refresh.models import RefreshCycle, RefreshStage
from training.reward.api.serializers import RewardModelSerializer, TrainingOptionsSerializer
from training.sampling.api.serializers import SamplingRoundBriefSerializer
from training.sampling.options import ACQUISITIONS, DEFAULT_ACQUISITION

STATES = ["running", "succeeded", "failed", "cancelled"]


class RefreshRequestSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    base_model = serializers.CharField(max_length=500, default=BUILTIN, help_text="builtin, a path or a hub id.")
    acquisition = serializers.ChoiceField(choices=ACQUISITIONS, default=DEFAULT_ACQUISITION)
    budget = serializers.IntegerField(required=False, help_text="Comparisons to ask for next.")
    spec = SpecSerializer(required=False)
    training = TrainingOptionsSerializer(required=False)


class RefreshStageSerializer(serializers.ModelSerializer):
    class Meta:
        model = RefreshStage
        fields = ["name", "state", "started_at", "finished_at", "summary"]


class RefreshSerializer(serializers.ModelSerializer):
    state = serializers.SerializerMethodField()
    stages = RefreshStageSerializer(many=True)
    job = JobSerializer()
    comparison_set = ComparisonSetBriefSerializer(allow_null=True)
    reward_model = RewardModelSerializer(allow_null=True)
    sampling_round = SamplingRoundBriefSerializer(allow_null=True)

    class Meta:
        model = RefreshCycle
        fields = [
            "id",
            "number",
            "name",
            "state",
            "config",
            "stages",
            "job",
            "comparison_set",
            "reward_model",
            "sampling_round",
            "created_at",
        ]

    @extend_schema_field(serializers.ChoiceField(choices=STATES))
    def get_state(self, cycle: RefreshCycle) -> str:
        return selectors.state_of(cycle)
