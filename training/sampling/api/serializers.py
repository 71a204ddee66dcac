from typing import Any, cast

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.agreement.api.serializers import StatSerializer
from annotate.comparisons.models import ComparisonState
from annotate.jobs.api.serializers import JobSerializer
from training.generation.models import Generation
from training.reward.models import RewardModel
from training.sampling.models import SampledComparison, SamplingRound
from training.sampling.options import ACQUISITIONS, DIVERSITIES, PROMPT_RULES, SamplingOptions
from training.sampling.outcome import accuracies_of
from training.sampling.selectors import examples
from training.sampling.services import options_of


class SamplingRoundBriefSerializer(serializers.ModelSerializer):
    class Meta:
        model = SamplingRound
        fields = ["id", "number"]


class ChoiceOfModelSerializer(serializers.ModelSerializer):
    class Meta:
        model = RewardModel
        fields = ["id", "version", "state"]


class ChoiceOfGenerationSerializer(serializers.ModelSerializer):
    class Meta:
        model = Generation
        fields = ["id", "number", "finished_at"]


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


class SamplingChoicesSerializer(serializers.Serializer):
    reward_models = ChoiceOfModelSerializer(many=True)
    generations = ChoiceOfGenerationSerializer(many=True)


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


class SamplingArmSerializer(serializers.Serializer):
    n = serializers.IntegerField()
    n_rated = serializers.IntegerField()
    n_labels = serializers.IntegerField(help_text="Ratings of all its comparisons.")
    accuracy = StatSerializer(help_text="Of the round's model against the ratings.")
    agreement = StatSerializer(help_text="Of labellers: share of equal pairs of ratings.")


class SamplingArmsSerializer(serializers.Serializer):
    chosen = SamplingArmSerializer()
    random = SamplingArmSerializer()


class LaterModelSerializer(serializers.Serializer):
    reward_model = ChooserSerializer()
    before = StatSerializer(help_text="Of the round's own model.")
    after = StatSerializer(help_text="Of this model, on the same comparisons.")
    n_better = serializers.IntegerField()
    n_worse = serializers.IntegerField()


class SamplingOutcomeSerializer(serializers.Serializer):
    arms = SamplingArmsSerializer()
    is_harder = serializers.BooleanField(allow_null=True)
    n_labels = serializers.IntegerField()
    later_models = LaterModelSerializer(many=True)


class SamplingJudgeRequestSerializer(serializers.Serializer):
    reward_model_id = serializers.IntegerField()


class SamplingAccuraciesSerializer(serializers.Serializer):
    chosen = StatSerializer()
    random = StatSerializer()


class _Rounds(serializers.ListSerializer):
    """One query for what all rounds of a page brought."""

    def to_representation(self, data: Any) -> list[Any]:
        rows = list(data)
        cast(SamplingRoundSerializer, self.child).accuracies = accuracies_of(row.pk for row in rows)
        return super().to_representation(rows)


class SamplingRoundSerializer(serializers.ModelSerializer):
    reward_model = ChooserSerializer()
    generation = OfGenerationSerializer(allow_null=True)
    options = serializers.SerializerMethodField()
    job = JobSerializer(allow_null=True)
    n_chosen = serializers.IntegerField(read_only=True)
    n_rated = serializers.IntegerField(read_only=True, help_text="Chosen comparisons that have ratings by now.")
    n_withdrawn = serializers.IntegerField(read_only=True)

    accuracy = serializers.SerializerMethodField()
    accuracies: dict[int, dict[str, Any]] | None = None

    class Meta:
        model = SamplingRound
        list_serializer_class = _Rounds
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
            "accuracy",
        ]

    @extend_schema_field(SamplingAccuraciesSerializer)
    def get_accuracy(self, sampling_round: SamplingRound) -> dict[str, Any]:
        """Of the round's model against the ratings, in both parts."""
        found = accuracies_of([sampling_round.pk]) if self.accuracies is None else self.accuracies
        return found[sampling_round.pk]

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
    examples = serializers.SerializerMethodField(help_text="Excerpts of the prompts that stand for clusters, by id.")

    class Meta(SamplingRoundSerializer.Meta):
        fields = [*SamplingRoundSerializer.Meta.fields, "report", "examples"]

    def get_examples(self, sampling_round: SamplingRound) -> dict[int, str]:
        return examples(sampling_round)


def parsed(body: dict[str, Any]) -> SamplingOptions:
    """The options of a validated request. Raises ValidationError by field."""
    return SamplingOptions.parse({name: body[name] for name in body if name in SamplingOptionsSerializer().fields})
