from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.comparisons.models import ComparisonState
from training.sampling.models import SampledComparison, SamplingRound


class SamplingRoundBriefSerializer(serializers.ModelSerializer):
    class Meta:
        model = SamplingRound
        fields = ["id", "number"]


class ChooserSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    version = serializers.IntegerField()


class SamplingRoundSerializer(serializers.ModelSerializer):
    reward_model = ChooserSerializer()
    n_chosen = serializers.IntegerField(read_only=True)
    n_rated = serializers.IntegerField(read_only=True, help_text="Chosen comparisons that have ratings by now.")

    class Meta:
        model = SamplingRound
        fields = [
            "id",
            "number",
            "acquisition",
            "budget",
            "random_share",
            "seed",
            "n_candidates",
            "n_chosen",
            "n_rated",
            "reward_model",
            "created_at",
            "finished_at",
        ]


class SampledComparisonSerializer(serializers.ModelSerializer):
    """Why a comparison was chosen: the terms of its score."""

    prompt_excerpt = serializers.CharField(source="comparison.prompt.excerpt")
    state = serializers.ChoiceField(choices=ComparisonState.choices, source="comparison.state")
    n_ratings = serializers.IntegerField(source="comparison.n_ratings")

    class Meta:
        model = SampledComparison
        fields = ["comparison_id", "rank", "is_random", "terms", "prompt_excerpt", "state", "n_ratings"]


class SamplingRoundDetailSerializer(SamplingRoundSerializer):
    comparisons = serializers.SerializerMethodField()

    class Meta(SamplingRoundSerializer.Meta):
        fields = [*SamplingRoundSerializer.Meta.fields, "report", "comparisons"]

    @extend_schema_field(SampledComparisonSerializer(many=True))
    def get_comparisons(self, sampling_round: SamplingRound) -> list[dict[str, Any]]:
        """The first 500 by rank."""
        chosen = sampling_round.sampled_comparisons.select_related("comparison__prompt").order_by("rank")[:500]
        return list(SampledComparisonSerializer(chosen, many=True).data)
