from rest_framework import serializers


class StatSerializer(serializers.Serializer):
    """A statistic with its n and its 95 % bootstrap interval; `value` is null where n is too small to say anything."""

    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField()
    too_few = serializers.BooleanField()


class SnapshotTimeSerializer(serializers.Serializer):
    computed_at = serializers.DateTimeField(allow_null=True)
    is_stale = serializers.BooleanField()


class CountsSerializer(serializers.Serializer):
    prompts = serializers.IntegerField()
    completions = serializers.IntegerField()
    comparisons = serializers.IntegerField()
    comparisons_open = serializers.IntegerField()
    comparisons_complete = serializers.IntegerField()
    ratings = serializers.IntegerField()
    labellers = serializers.IntegerField()


class DayCountSerializer(serializers.Serializer):
    date = serializers.DateField()
    n = serializers.IntegerField()


class NextStepSerializer(serializers.Serializer):
    code = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # Field.label is the form label of this serializer
    href = serializers.CharField(help_text="Path of the page where it is done.")


class OverviewSerializer(SnapshotTimeSerializer):
    counts = CountsSerializer()
    ratings_per_day = DayCountSerializer(many=True)
    next_steps = NextStepSerializer(many=True)


class DisagreementSerializer(serializers.Serializer):
    """Among comparisons with two ratings or more: how many were unanimous, had a majority, or split evenly."""

    rate = serializers.FloatField(allow_null=True)
    limit = serializers.FloatField()
    is_above = serializers.BooleanField()
    unanimous = serializers.IntegerField()
    majority = serializers.IntegerField()
    split = serializers.IntegerField()


class LabellerAgreementSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    pseudonym = serializers.CharField()
    n_ratings = serializers.IntegerField()
    agreement_with_others = StatSerializer()
    first_side_share = StatSerializer()


class AgreementSerializer(SnapshotTimeSerializer):
    n_ratings = serializers.IntegerField()
    n_comparisons = serializers.IntegerField()
    n_multiply_rated = serializers.IntegerField()
    n_labellers = serializers.IntegerField()
    percent_agreement = StatSerializer()
    alpha_nominal = StatSerializer()
    alpha_ordinal = StatSerializer()
    disagreement = DisagreementSerializer()
    labellers = LabellerAgreementSerializer(many=True)
