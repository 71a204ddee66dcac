from typing import Any

from rest_framework import serializers

from annotate.comparisons.models import ComparisonState
from annotate.jobs.api.serializers import JobSerializer
from training.sampling.models import SampledComparison, SamplingRound
from training.sampling.options import ACQUISITIONS, DIVERSITIES, PROMPT_RULES, SamplingOptions
from training.sampling.services import options_of


class SamplingRoundBriefSerializer(serializers.ModelSerializer):
    class Meta:
        model = SamplingRound
        fields = ["id", "number"]


class SamplingOptionsSerializer(serializers.Serializer):
    """Options of a round; what is left out has its default."""

    acquisition = serializers.ChoiceField(choices=ACQUISITIONS, required=False)
    prompt_rule = serializers.ChoiceField(choices=PROMPT_RULES, required=False)
    diversity = serializers.ChoiceField(choices=DIVERSITIES, required=False)
    budget = serializers.IntegerField(required=False, help_text="Comparisons to ask for next.")
    random_share = serializers.FloatField(required=False, help_text="Drawn uniformly, as a control.")
    n_clusters = serializers.IntegerField(required=False, help_text="Clusters of prompts; 0: √(n/2).")
    max_cluster_share = serializers.FloatField(required=False, help_text="No cluster gets more of the round.")
    max_per_prompt = serializers.IntegerField(required=False, help_text="As long as other prompts are left.")
    seed = serializers.IntegerField(required=False)


class SamplingRequestSerializer(SamplingOptionsSerializer):
    reward_model_id = serializers.IntegerField(required=False, help_text="To choose by; the promoted one if not given.")
    generation_id = serializers.IntegerField(required=False, help_text="Only pairs with a completion that it wrote.")


class SamplingPreviewSerializer(serializers.Serializer):
    n_prompts = serializers.IntegerField()
    n_pairs = serializers.IntegerField()
    is_estimate = serializers.BooleanField()
    n_waiting = serializers.IntegerField(help_text="Asked for by earlier rounds and not rated yet.")
    n_chosen = serializers.IntegerField()
    n_random = serializers.IntegerField()
    ratings_each = serializers.IntegerField()
    n_labels = serializers.IntegerField()
    median_s = serializers.FloatField(allow_null=True, help_text="Active seconds of a rating in this project.")
    hours = serializers.FloatField(allow_null=True)
    cost = serializers.CharField(allow_null=True)
    currency = serializers.CharField()


class ChooserSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    version = serializers.IntegerField()


class OfGenerationSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    number = serializers.IntegerField()


class SamplingRoundSerializer(serializers.ModelSerializer):
    reward_model = ChooserSerializer()
    generation = OfGenerationSerializer(allow_null=True)
    options = serializers.SerializerMethodField()
    job = JobSerializer(allow_null=True)
    n_chosen = serializers.IntegerField(read_only=True)
    n_rated = serializers.IntegerField(read_only=True, help_text="Chosen comparisons that have ratings by now.")
    n_withdrawn = serializers.IntegerField(read_only=True)

    class Meta:
        model = SamplingRound
        fields = [
            "id",
            "number",
            "acquisition",
            "budget",
            "random_share",
            "seed",
            "options",
            "n_candidates",
            "mix",
            "n_chosen",
            "n_rated",
            "n_withdrawn",
            "reward_model",
            "generation",
            "job",
            "created_at",
            "finished_at",
            "withdrawn_at",
        ]

    def get_options(self, sampling_round: SamplingRound) -> dict[str, Any]:
        return options_of(sampling_round).to_dict()


class SampledComparisonSerializer(serializers.ModelSerializer):
    """Why a comparison was chosen: the terms of its score."""

    prompt_excerpt = serializers.CharField(source="comparison.prompt.excerpt")
    state = serializers.ChoiceField(choices=ComparisonState.choices, source="comparison.state")
    n_ratings = serializers.IntegerField(source="comparison.n_ratings")

    class Meta:
        model = SampledComparison
        fields = [
            "comparison_id",
            "rank",
            "is_random",
            "terms",
            "cluster",
            "is_withdrawn",
            "prompt_excerpt",
            "state",
            "n_ratings",
        ]


class SamplingRoundDetailSerializer(SamplingRoundSerializer):
    class Meta(SamplingRoundSerializer.Meta):
        fields = [*SamplingRoundSerializer.Meta.fields, "report"]


def parsed(body: dict[str, Any]) -> SamplingOptions:
    """The options of a validated request. Raises ValidationError by field."""
    return SamplingOptions.parse({name: body[name] for name in body if name in SamplingOptionsSerializer().fields})
