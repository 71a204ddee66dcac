from typing import Any

from rest_framework import serializers

from annotate.jobs.api.serializers import JobSerializer
from training.exports.models import ComparisonSet
from training.exports.shards import SPLITS
from training.exports.spec import (
    AGREEMENT_WEIGHTINGS,
    AI_USES,
    INTENSITY_WEIGHTINGS,
    LOW_AGREEMENT,
    MARGINS,
    PREFERENCES,
    TIES,
)


class AiSerializer(serializers.Serializer):
    """AI ratings of judges that count; what is not said is none, 1 and 1."""

    use = serializers.ChoiceField(choices=AI_USES, required=False)
    max_share = serializers.FloatField(required=False, help_text="Largest share of such rows in the set.")
    weight = serializers.FloatField(required=False, help_text="Of such a row in the loss, 0 to 1.")


class SpecSerializer(serializers.Serializer):
    """Types of a spec's fields; what they may hold is checked by `Spec` itself."""

    min_ratings = serializers.IntegerField(required=False, help_text="Ratings that count a comparison needs, 1 to 50.")
    min_agreement = serializers.FloatField(required=False, help_text="Least share of ratings that give the verdict.")
    low_agreement = serializers.ChoiceField(choices=LOW_AGREEMENT, required=False)
    hard_weight = serializers.FloatField(required=False, help_text="Times the weight of hard ones.")
    min_intensity = serializers.FloatField(required=False, allow_null=True, help_text="Least mean intensity.")
    ties = serializers.ChoiceField(choices=TIES, required=False)
    preference = serializers.ChoiceField(choices=PREFERENCES, required=False)
    intensity_weighting = serializers.ChoiceField(choices=INTENSITY_WEIGHTINGS, required=False)
    agreement_weighting = serializers.ChoiceField(choices=AGREEMENT_WEIGHTINGS, required=False)
    margins = serializers.ChoiceField(choices=MARGINS, required=False)
    include_adjudicated = serializers.BooleanField(required=False)
    max_comparisons = serializers.IntegerField(required=False, allow_null=True)
    rated_from = serializers.CharField(required=False, allow_null=True, help_text="A day, UTC, inclusive.")
    rated_to = serializers.CharField(required=False, allow_null=True, help_text="A day, UTC, inclusive.")
    guideline_versions = serializers.ListField(child=serializers.IntegerField(), required=False)
    sources = serializers.ListField(child=serializers.IntegerField(), required=False, help_text="Both are of these.")
    source_kinds = serializers.ListField(child=serializers.CharField(), required=False)
    max_source_share = serializers.DictField(child=serializers.FloatField(), required=False, help_text="By kind.")
    languages = serializers.ListField(child=serializers.CharField(allow_blank=True), required=False)
    tags = serializers.ListField(child=serializers.CharField(), required=False, help_text="Any of these.")
    without_tags = serializers.ListField(child=serializers.CharField(), required=False)
    labellers = serializers.ListField(child=serializers.IntegerField(), required=False, help_text="Only these users.")
    without_labellers = serializers.ListField(child=serializers.IntegerField(), required=False)
    max_cluster_share = serializers.FloatField(required=False, allow_null=True)
    ai = AiSerializer(required=False)


class SpecQuerySerializer(SpecSerializer):
    """A spec as query parameters: lists repeat their name, shares of sources are kind:share, AI ratings name:value."""

    max_source_share = serializers.ListField(child=serializers.CharField(), required=False)  # type: ignore[assignment]
    ai = serializers.ListField(child=serializers.CharField(), required=False)  # type: ignore[assignment]

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        value: dict[str, Any] = super().to_internal_value(data)
        if "max_source_share" in value:
            value["max_source_share"] = dict(map(self._share, value["max_source_share"]))
        if "ai" in value:
            ai = AiSerializer(data=dict(one.partition(":")[::2] for one in value["ai"]))
            if not ai.is_valid():
                raise serializers.ValidationError({"ai": [f"Expected use, max_share and weight, got {value['ai']}."]})
            value["ai"] = dict(ai.validated_data)
        # What is not given in a query is an empty list to the field.
        return {name: one for name, one in value.items() if name in data}

    @staticmethod
    def _share(text: str) -> tuple[str, float]:
        kind, _, share = text.partition(":")
        try:
            return kind, float(share)
        except ValueError as error:
            raise serializers.ValidationError({"max_source_share": [f"Expected kind:share, got {text!r}."]}) from error


class ComparisonSetRequestSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    spec = SpecSerializer(required=False)
    is_warned = serializers.BooleanField(
        default=False, help_text="Export although labellers disagree more than the project's limit."
    )


class LeftOutSerializer(serializers.Serializer):
    gold = serializers.IntegerField()
    quiz = serializers.IntegerField(help_text="Asked in a guideline version's quiz.")
    flagged = serializers.IntegerField()
    filtered = serializers.IntegerField(help_text="By source, language or tag.")
    invalid = serializers.IntegerField()
    adjudicated = serializers.IntegerField()
    excluded = serializers.IntegerField(help_text="None of whose ratings counts.")
    too_few_ratings = serializers.IntegerField()
    tied = serializers.IntegerField()
    low_agreement = serializers.IntegerField()
    too_weak = serializers.IntegerField()
    too_many = serializers.IntegerField(help_text="Beyond the share of a source or cluster, or the maximum.")


class BucketSerializer(serializers.Serializer):
    bucket = serializers.CharField(help_text="Empty where it is unknown.")
    n = serializers.IntegerField()


class SetDisagreementSerializer(serializers.Serializer):
    share = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField(help_text="Comparisons with several ratings.")
    limit = serializers.FloatField()
    is_above = serializers.BooleanField()


class WarningSerializer(serializers.Serializer):
    code = serializers.CharField()
    message = serializers.CharField()


class AiCountsSerializer(serializers.Serializer):
    comparisons = serializers.IntegerField(help_text="On top of the others, all to train on.")
    offered = serializers.IntegerField(help_text="Before the share and the mix.")
    share = serializers.FloatField(help_text="Of the set.")


class PreviewSerializer(serializers.Serializer):
    comparisons = serializers.IntegerField()
    prompts = serializers.IntegerField()
    ratings = serializers.IntegerField()
    train = serializers.IntegerField()
    validation = serializers.IntegerField()
    test = serializers.IntegerField()
    hard = serializers.IntegerField()
    left_out = LeftOutSerializer()
    unrated = serializers.IntegerField()
    by_agreement = BucketSerializer(many=True, help_text="unanimous, most (two thirds or more), less.")
    by_intensity = BucketSerializer(many=True, help_text="Ratings of the comparisons taken.")
    by_source_kind = BucketSerializer(many=True, help_text="Comparisons with a completion of the kind.")
    by_language = BucketSerializer(many=True)
    by_batch = BucketSerializer(many=True, help_text="By the sampling round that asked first.")
    disagreement = SetDisagreementSerializer()
    ai = AiCountsSerializer(help_text="Rows of AI ratings; every other count is of what people have decided.")
    warnings = WarningSerializer(many=True)


class CountedVersionSerializer(serializers.Serializer):
    number = serializers.IntegerField()
    n_ratings = serializers.IntegerField()


class CountedValueSerializer(serializers.Serializer):
    value = serializers.CharField()
    n = serializers.IntegerField()


class CountedSourceSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.CharField()
    n = serializers.IntegerField()


class CountedLabellerSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    is_excluded = serializers.BooleanField()
    n_ratings = serializers.IntegerField()


class ChoicesSerializer(serializers.Serializer):
    guideline_versions = CountedVersionSerializer(many=True)
    languages = CountedValueSerializer(many=True)
    tags = CountedValueSerializer(many=True)
    sources = CountedSourceSerializer(many=True)
    labellers = CountedLabellerSerializer(many=True)
    n_intensities = serializers.IntegerField()
    intensity_labels = serializers.ListField(child=serializers.CharField())
    ties_allowed = serializers.BooleanField()
    disagreement_limit = serializers.FloatField()
    n_clusters = serializers.IntegerField()


class RowMessageSerializer(serializers.Serializer):
    role = serializers.CharField()
    content = serializers.CharField()


class RowSerializer(serializers.Serializer):
    comparison_id = serializers.IntegerField()
    prompt = RowMessageSerializer(many=True)
    chosen = RowMessageSerializer(many=True)
    rejected = RowMessageSerializer(many=True)
    soft_preference = serializers.FloatField()
    weight = serializers.FloatField()
    margin = serializers.FloatField()
    intensity = serializers.FloatField(allow_null=True)
    agreement = serializers.FloatField(allow_null=True, help_text="Null in a row of AI ratings.")
    n_ratings = serializers.IntegerField()
    is_hard = serializers.BooleanField()
    chosen_source = serializers.CharField()
    rejected_source = serializers.CharField()
    language = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    origin = serializers.ChoiceField(choices=["human", "ai"])


class SplitQuerySerializer(serializers.Serializer):
    split = serializers.ChoiceField(choices=SPLITS, default="train")


class ComparisonSetBriefSerializer(serializers.ModelSerializer):
    class Meta:
        model = ComparisonSet
        fields = ["id", "number"]


class ComparisonSetSerializer(serializers.ModelSerializer):
    """`counts` and `digest` are empty until the files are written (`frozen_at`)."""

    spec = SpecSerializer()
    job = JobSerializer(allow_null=True)

    class Meta:
        model = ComparisonSet
        fields = ["id", "number", "name", "spec", "counts", "digest", "uri", "frozen_at", "created_at", "job"]


class ShardSerializer(serializers.Serializer):
    path = serializers.CharField()
    split = serializers.ChoiceField(choices=["train", "validation", "test"])
    rows = serializers.IntegerField()
    sha256 = serializers.CharField()


class ManifestSerializer(serializers.Serializer):
    format = serializers.CharField()
    project = serializers.CharField()
    axis = serializers.CharField()
    spec = SpecSerializer()
    excluded_labellers = serializers.ListField(child=serializers.CharField(), help_text="Pseudonyms.")
    counts = serializers.DictField(child=serializers.IntegerField())
    shards = ShardSerializer(many=True)
    code_version = serializers.CharField()
    digest = serializers.CharField()
