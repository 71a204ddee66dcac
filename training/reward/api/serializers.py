from typing import Any, cast

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.agreement.api.serializers import StatSerializer
from annotate.jobs.api.serializers import JobSerializer
from annotate.jobs.models import JobState
from training.exports.api.serializers import ComparisonSetBriefSerializer
from training.policy.services import BUILTIN
from training.reward import noise, playground, selectors
from training.reward.models import (
    MAX_MEMBERS,
    ExternalEvaluation,
    ModelComparison,
    PromotionRules,
    RewardModel,
    RewardModelState,
)
from training.reward.options import LENGTH_REMEDIES, NOISE_TREATMENTS, OBJECTIVES, STARTS, TIES, TUNINGS
from training.reward.standing import Standing, blocks_as_json


class BaselinesSerializer(serializers.Serializer):
    longer = StatSerializer()
    always_a = StatSerializer()


class MetricsSerializer(serializers.Serializer):
    accuracy = StatSerializer()
    baselines = BaselinesSerializer()
    n_test = serializers.IntegerField()


class PromotionBlockSerializer(serializers.Serializer):
    code = serializers.CharField()
    message = serializers.CharField()


class RewardModelSerializer(serializers.ModelSerializer):
    """`context["standing"]` is the project's `Standing`, read once for a list."""

    metrics = serializers.SerializerMethodField()
    comparison_set = ComparisonSetBriefSerializer()
    blocks = serializers.SerializerMethodField(help_text="Why the rules would not promote it now; empty: they would.")
    promotion_rank = serializers.SerializerMethodField(
        help_text="1 for the latest that was promoted, 2 for the one before it, …; null: never."
    )

    class Meta:
        model = RewardModel
        fields = [
            "id",
            "version",
            "state",
            "state_reason",
            "metrics",
            "base_model",
            "n_members",
            "comparison_set",
            "promoted_at",
            "created_at",
            "blocks",
            "promotion_rank",
        ]

    def _standing(self, model: RewardModel) -> Standing:
        context = cast(dict[str, Any], self.context)
        if "standing" not in context:
            context["standing"] = Standing(model.project)
        standing: Standing = context["standing"]
        return standing

    @extend_schema_field(MetricsSerializer())
    def get_metrics(self, model: RewardModel) -> dict[str, Any]:
        return selectors.metrics(model)

    @extend_schema_field(PromotionBlockSerializer(many=True))
    def get_blocks(self, model: RewardModel) -> list[dict[str, str]]:
        if model.state not in (RewardModelState.CANDIDATE, RewardModelState.RETIRED):
            return []
        return blocks_as_json(self._standing(model).blocks(model))

    def get_promotion_rank(self, model: RewardModel) -> int | None:
        return self._standing(model).ranks.get(model.pk)


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


class LineageLabellerSerializer(serializers.Serializer):
    id = serializers.IntegerField(allow_null=True)
    name = serializers.CharField(help_text="A pseudonym for those who may not know names.")
    n_ratings = serializers.IntegerField()


class LineageGuidelinesSerializer(serializers.Serializer):
    number = serializers.IntegerField()
    n_comparisons = serializers.IntegerField()


class LineagePolicySerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    created_at = serializers.DateTimeField()


class LineageSerializer(serializers.Serializer):
    """From a reward model down to its ratings, and up to what was sampled and trained by it."""

    comparison_set = LineageSetSerializer()
    n_comparisons = serializers.IntegerField()
    n_ratings = serializers.IntegerField()
    n_labellers = serializers.IntegerField()
    labellers = LineageLabellerSerializer(many=True)
    guideline_versions = serializers.ListField(child=serializers.IntegerField())
    guidelines = LineageGuidelinesSerializer(many=True)
    base_models = LineageBaseSerializer(many=True)
    refresh = NumberedSerializer(allow_null=True)
    sampling_rounds = NumberedSerializer(many=True)
    policies = LineagePolicySerializer(many=True)


class PromotionSerializer(serializers.Serializer):
    promoted_at = serializers.DateTimeField()
    reason = serializers.CharField()
    is_forced = serializers.BooleanField(help_text="Against the rules; `blocks` is what these said.")
    is_roll_back = serializers.BooleanField()
    blocks = PromotionBlockSerializer(many=True)
    replaced = serializers.IntegerField(
        source="replaced.reward_model.version",
        allow_null=True,
        default=None,
        help_text="Version that was in use before.",
    )
    actor = serializers.CharField(
        source="actor.public_name", allow_null=True, default=None, help_text="Null: the rules promoted."
    )


class ExternalEvaluationSerializer(serializers.ModelSerializer):
    job = JobSerializer(allow_null=True)
    report = serializers.SerializerMethodField(help_text="touchstone.external_report/1; null until the job has ended.")

    class Meta:
        model = ExternalEvaluation
        fields = ["id", "name", "filename", "created_at", "job", "report"]

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_report(self, evaluation: ExternalEvaluation) -> dict[str, Any] | None:
        return evaluation.report or None


class RewardModelDetailSerializer(RewardModelSerializer):
    """`context["seat"]` is the caller's: it decides who is named."""

    report = serializers.DictField(help_text="The engine's evaluation report (touchstone.reward_report/2).")
    config = serializers.DictField()
    lineage = serializers.SerializerMethodField()
    job = JobSerializer(allow_null=True)
    promotions = serializers.SerializerMethodField(help_text="Each time that it was put into use, the latest first.")
    external = serializers.SerializerMethodField()

    class Meta(RewardModelSerializer.Meta):
        fields = [
            *RewardModelSerializer.Meta.fields,
            "artifact_uri",
            "report",
            "config",
            "lineage",
            "job",
            "promotions",
            "external",
        ]

    @extend_schema_field(LineageSerializer())
    def get_lineage(self, model: RewardModel) -> dict[str, Any]:
        return selectors.lineage(self.context["seat"], model)

    @extend_schema_field(PromotionSerializer(many=True))
    def get_promotions(self, model: RewardModel) -> Any:
        return PromotionSerializer(selectors.promotions(model), many=True).data

    @extend_schema_field(ExternalEvaluationSerializer(many=True))
    def get_external(self, model: RewardModel) -> Any:
        return ExternalEvaluationSerializer(selectors.external_evaluations(model)[:50], many=True).data


class TrainingOptionsSerializer(serializers.Serializer):
    """Types of the options; what they may hold is checked by `TrainingOptions`."""

    start = serializers.ChoiceField(
        choices=STARTS, required=False, help_text="continued: from the promoted model in place of a new head on a base."
    )
    replay = serializers.FloatField(
        required=False,
        help_text="If continued: earlier comparisons seen again for each new one, 0 to 20; default 1.",
    )
    epochs = serializers.IntegerField(required=False)
    max_steps = serializers.IntegerField(required=False)
    batch_size = serializers.IntegerField(required=False)
    learning_rate = serializers.FloatField(required=False)
    weight_decay = serializers.FloatField(required=False)
    warmup_share = serializers.FloatField(required=False)
    max_length = serializers.IntegerField(required=False)
    patience = serializers.IntegerField(required=False, help_text="Validation passes without a better loss.")
    checkpoint_steps = serializers.IntegerField(required=False)
    seed = serializers.IntegerField(required=False)
    use_margins = serializers.BooleanField(required=False)
    margin_scale = serializers.FloatField(required=False)
    margin_map = serializers.DictField(child=serializers.FloatField(), required=False)
    use_weights = serializers.BooleanField(required=False)
    use_soft_preferences = serializers.BooleanField(required=False)
    label_smoothing = serializers.FloatField(required=False)
    centring = serializers.FloatField(required=False)
    ties = serializers.ChoiceField(choices=TIES, required=False)
    tuning = serializers.ChoiceField(choices=TUNINGS, required=False)
    lora_rank = serializers.IntegerField(required=False)
    lora_alpha = serializers.FloatField(required=False)
    gradient_checkpointing = serializers.BooleanField(required=False)
    n_heads = serializers.IntegerField(required=False, help_text="Heads on one trunk: a cheap ensemble.")
    length_remedy = serializers.ChoiceField(choices=LENGTH_REMEDIES, required=False)
    random_pairing_share = serializers.FloatField(required=False)
    objective = serializers.ChoiceField(choices=OBJECTIVES, required=False)
    noise_treatment = serializers.ChoiceField(
        choices=NOISE_TREATMENTS, required=False, help_text="Needs the set's label noise, POST …/noise."
    )


class TrainRequestSerializer(serializers.Serializer):
    comparison_set_id = serializers.IntegerField()
    base_model = serializers.CharField(max_length=500, default=BUILTIN)
    training = TrainingOptionsSerializer(required=False)
    n_members = serializers.IntegerField(
        min_value=1, max_value=MAX_MEMBERS, default=1, help_text="Trained apart by seed and data order: an ensemble."
    )


class ReasonSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=500)


class PromoteRequestSerializer(ReasonSerializer):
    is_forced = serializers.BooleanField(default=False, help_text="Although the rules block it; recorded in the audit.")


class RulesSerializer(serializers.ModelSerializer):
    class Meta:
        model = PromotionRules
        fields = ["max_length_correlation", "min_advantage", "must_beat_promoted", "min_batch_comparisons"]


class ModelBriefSerializer(serializers.ModelSerializer):
    class Meta:
        model = RewardModel
        fields = ["id", "version", "state"]


class CompareRequestSerializer(serializers.Serializer):
    a_id = serializers.IntegerField()
    b_id = serializers.IntegerField()
    comparison_set_id = serializers.IntegerField(
        required=False, allow_null=True, default=None, help_text="Default: that of the newer model."
    )


class ModelComparisonSerializer(serializers.ModelSerializer):
    a = ModelBriefSerializer()
    b = ModelBriefSerializer()
    comparison_set = ComparisonSetBriefSerializer()
    job = JobSerializer(allow_null=True)

    class Meta:
        model = ModelComparison
        fields = ["id", "a", "b", "comparison_set", "created_at", "job"]


class ModelComparisonDetailSerializer(ModelComparisonSerializer):
    report = serializers.SerializerMethodField(
        help_text="touchstone.reward_comparison/1; null until the job has ended."
    )

    class Meta(ModelComparisonSerializer.Meta):
        fields = [*ModelComparisonSerializer.Meta.fields, "report"]

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_report(self, comparison: ModelComparison) -> dict[str, Any] | None:
        return comparison.report or None


class StartedSerializer(serializers.Serializer):
    """What was queued, and the job that does it."""

    id = serializers.IntegerField()
    job = JobSerializer()


class ExternalRequestSerializer(serializers.Serializer):
    file = serializers.FileField(max_length=255, help_text="JSONL: id, category, prompt, chosen, rejected.")
    name = serializers.CharField(max_length=120, allow_blank=True, default="")


class NoiseRequestSerializer(serializers.Serializer):
    base_model = serializers.CharField(max_length=500, default=BUILTIN)
    training = TrainingOptionsSerializer(required=False)
    n_folds = serializers.IntegerField(min_value=noise.N_FOLDS[0], max_value=noise.N_FOLDS[1], default=5)
    n_repeats = serializers.IntegerField(min_value=noise.N_REPEATS[0], max_value=noise.N_REPEATS[1], default=1)


class SuspiciousSerializer(serializers.Serializer):
    comparison_id = serializers.IntegerField()
    p_chosen = serializers.FloatField(help_text="By models that did not learn from it.")
    strength = serializers.FloatField(help_text="Mean reward of the chosen minus that of the rejected side.")
    std = serializers.FloatField(allow_null=True)


class NoiseSerializer(serializers.Serializer):
    state = serializers.ChoiceField(choices=["none", *JobState.values])
    job = JobSerializer(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    summary = serializers.DictField(allow_null=True)
    suspicious = SuspiciousSerializer(many=True, help_text="The most suspicious first.")


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


class PlaygroundModelSerializer(serializers.Serializer):
    """A promoted reward model; `name` is the scorer's for it, its project's slug."""

    id = serializers.IntegerField()
    name = serializers.CharField(source="project.slug")
    project = serializers.CharField(source="project.name")
    axis = serializers.CharField(source="project.axis")
    version = serializers.IntegerField()
    n_members = serializers.IntegerField()


class PlaygroundSerializer(serializers.Serializer):
    models = PlaygroundModelSerializer(many=True)
    max_completions = serializers.IntegerField()
    max_chars = serializers.IntegerField(help_text="Of a completion.")
    max_sentences = serializers.IntegerField(help_text="Of all completions together, where they are to be explained.")


class PlaygroundRequestSerializer(serializers.Serializer):
    messages = MessageSerializer(many=True, allow_empty=False)
    completions = serializers.ListField(
        child=serializers.CharField(max_length=playground.MAX_CHARS, trim_whitespace=False),
        allow_empty=False,
        max_length=playground.MAX_COMPLETIONS,
    )
    explain = serializers.BooleanField(default=False, help_text="Leave out each sentence of each completion in turn.")
    explain_model = serializers.CharField(
        default="", allow_blank=True, help_text="Name of the model to be explained; default: this project's."
    )


class PlaygroundErrorSerializer(serializers.Serializer):
    code = serializers.CharField()
    message = serializers.CharField()


class PlaygroundRewardsSerializer(serializers.Serializer):
    """What one model says of the completions, in their order; the figures are null where it could not answer."""

    model = PlaygroundModelSerializer()
    version = serializers.IntegerField(help_text="That answered; a newer one may have been promoted meanwhile.")
    rewards = serializers.ListField(child=serializers.FloatField(), allow_null=True)
    members = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()),
        allow_null=True,
        help_text="Rewards by the members of an ensemble.",
    )
    uncertainty = serializers.ListField(
        child=serializers.FloatField(), allow_null=True, help_text="Standard deviation of the members' rewards."
    )
    calibrated = serializers.ListField(
        child=serializers.FloatField(),
        allow_null=True,
        help_text="Rewards less what length adds to them beyond the labellers' taste.",
    )
    n_tokens = serializers.ListField(child=serializers.IntegerField(), allow_null=True)
    truncated = serializers.ListField(child=serializers.BooleanField(), allow_null=True)
    error = PlaygroundErrorSerializer(allow_null=True)


class SentenceSerializer(serializers.Serializer):
    text = serializers.CharField(help_text="With the white space around it: put together, they are the completion.")
    change = serializers.FloatField(
        allow_null=True,
        help_text="Reward without the sentence, less that of the whole; null where there is no other sentence.",
    )


class SentencesSerializer(serializers.Serializer):
    sentences = SentenceSerializer(many=True)


class ExplanationSerializer(serializers.Serializer):
    name = serializers.CharField()
    version = serializers.IntegerField()
    completions = SentencesSerializer(many=True)


class PlaygroundAnswerSerializer(serializers.Serializer):
    models = PlaygroundRewardsSerializer(many=True)
    explanation = ExplanationSerializer(allow_null=True)
