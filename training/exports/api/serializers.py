from rest_framework import serializers

from annotate.jobs.api.serializers import JobSerializer
from training.exports.models import ComparisonSet
from training.exports.spec import INTENSITY_WEIGHTINGS, TIES


class SpecSerializer(serializers.Serializer):
    """Types of a spec's fields; what they may hold is checked by `Spec` itself."""

    min_ratings = serializers.IntegerField(required=False, help_text="Current ratings a comparison needs, 1 to 50.")
    min_agreement = serializers.FloatField(required=False, help_text="Least share of ratings that give the verdict.")
    ties = serializers.ChoiceField(choices=TIES, required=False)
    intensity_weighting = serializers.ChoiceField(choices=INTENSITY_WEIGHTINGS, required=False)
    include_adjudicated = serializers.BooleanField(required=False)
    max_comparisons = serializers.IntegerField(required=False, allow_null=True)


class ComparisonSetRequestSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    spec = SpecSerializer(required=False)


class LeftOutSerializer(serializers.Serializer):
    gold = serializers.IntegerField()
    flagged = serializers.IntegerField()
    invalid = serializers.IntegerField()
    adjudicated = serializers.IntegerField()
    excluded = serializers.IntegerField(help_text="All of whose ratings are of excluded labellers.")
    too_few_ratings = serializers.IntegerField()
    tied = serializers.IntegerField()
    low_agreement = serializers.IntegerField()


class PreviewSerializer(serializers.Serializer):
    comparisons = serializers.IntegerField()
    prompts = serializers.IntegerField()
    ratings = serializers.IntegerField()
    train = serializers.IntegerField()
    validation = serializers.IntegerField()
    test = serializers.IntegerField()
    left_out = LeftOutSerializer()
    unrated = serializers.IntegerField()


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
