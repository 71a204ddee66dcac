from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.jobs.api.serializers import JobSerializer
from annotate.pool.models import Completion, SourceKind
from training.generation.models import Generation
from training.generation.options import BEST_BY, LEAST_COVERED, MAX_PROMPTS, ORDERS
from training.generation.selectors import sample_of
from training.policy.models import Checkpoint
from training.reward.models import RewardModel


class MixRowSerializer(serializers.Serializer):
    """Bounds are those of `training.generation.options.MixRow`, which checks them."""

    source = serializers.CharField(  # type: ignore[assignment]  # a field of that name hides an attribute of none's use
        max_length=500, help_text="builtin, checkpoint:<id>, path:/…, endpoint:<name>, or pool."
    )
    kind = serializers.ChoiceField(
        choices=SourceKind.choices, required=False, allow_blank=True, help_text="Left out: as the source is."
    )
    n = serializers.IntegerField(required=False, help_text="Completions a prompt.")
    temperature = serializers.FloatField(required=False)
    top_p = serializers.FloatField(required=False)
    system = serializers.CharField(
        required=False, allow_blank=True, max_length=4000, help_text="A system prompt in front of the prompt."
    )
    best_of = serializers.IntegerField(required=False, help_text="Sampled for each one that is kept.")
    by = serializers.ChoiceField(choices=BEST_BY, required=False, help_text="What the kept ones have most of.")


class GenerationOptionsSerializer(serializers.Serializer):
    mix = MixRowSerializer(many=True, allow_empty=False)
    n_prompts = serializers.IntegerField(required=False, min_value=1, max_value=MAX_PROMPTS)
    order = serializers.ChoiceField(choices=ORDERS, default=LEAST_COVERED)
    tags = serializers.ListField(child=serializers.CharField(max_length=60), required=False)
    languages = serializers.ListField(child=serializers.CharField(max_length=12), required=False)
    origins = serializers.ListField(child=serializers.CharField(max_length=200), required=False)
    clusters = serializers.ListField(child=serializers.IntegerField(), required=False)
    is_unlabelled_only = serializers.BooleanField(required=False)
    max_new_tokens = serializers.IntegerField(required=False)
    max_prompt_tokens = serializers.IntegerField(required=False)
    near_duplicate = serializers.FloatField(
        required=False, help_text="Least similarity at which a completion is dropped as saying the same."
    )
    reward_model = serializers.IntegerField(
        required=False, allow_null=True, help_text="The one best-of-n asks; left out: the promoted one."
    )
    seed = serializers.IntegerField(required=False)


class GenerationEstimateSerializer(serializers.Serializer):
    n_available = serializers.IntegerField(help_text="Prompts that fit.")
    n_prompts = serializers.IntegerField()
    n_completions = serializers.IntegerField(help_text="Stored at most; near-duplicates are dropped.")
    n_sampled = serializers.IntegerField(help_text="Written by models; more than stored with best-of-n.")
    prompt_tokens = serializers.IntegerField(help_text="Read by models, about.")
    max_new_tokens = serializers.IntegerField(help_text="Written by models, at most.")


class GenerationSerializer(serializers.ModelSerializer):
    job = JobSerializer(allow_null=True)

    class Meta:
        model = Generation
        fields = ["id", "number", "options", "counts", "job", "created_at", "finished_at"]


class GeneratedSerializer(serializers.ModelSerializer):
    """A completion as people may look at it; labellers never see a source."""

    prompt_excerpt = serializers.CharField(source="prompt.excerpt")
    source_name = serializers.CharField(source="source.name")
    kind = serializers.ChoiceField(choices=SourceKind.choices, source="source.kind")
    text = serializers.SerializerMethodField()

    class Meta:
        model = Completion
        fields = ["id", "prompt_id", "prompt_excerpt", "source_name", "kind", "text", "n_tokens"]

    def get_text(self, completion: Completion) -> str:
        """The first 2,000 characters."""
        return completion.text[:2000]


class GenerationDetailSerializer(GenerationSerializer):
    sample = serializers.SerializerMethodField()

    class Meta(GenerationSerializer.Meta):
        fields = [*GenerationSerializer.Meta.fields, "sample"]

    @extend_schema_field(GeneratedSerializer(many=True))
    def get_sample(self, generation: Generation) -> list[dict[str, Any]]:
        """Twenty of what was written."""
        return list(GeneratedSerializer(sample_of(generation), many=True).data)


class CheckpointSerializer(serializers.ModelSerializer):
    class Meta:
        model = Checkpoint
        fields = ["id", "name", "kind", "created_at"]


class JudgingModelSerializer(serializers.ModelSerializer):
    class Meta:
        model = RewardModel
        fields = ["id", "version", "state"]


class EndpointSerializer(serializers.Serializer):
    name = serializers.CharField()
    model = serializers.CharField()


class GenerationChoicesSerializer(serializers.Serializer):
    """What a mix can be made of, and the one to start from."""

    checkpoints = CheckpointSerializer(many=True)
    endpoints = EndpointSerializer(many=True, help_text="Those the operator allows.")
    reward_models = JudgingModelSerializer(many=True)
    mix = MixRowSerializer(many=True)
    adversarial_system = serializers.CharField(help_text="A system prompt to start from for adversarial completions.")
