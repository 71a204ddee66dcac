from typing import Any

from rest_framework import serializers

from annotate.jobs.api.serializers import JobSerializer
from training.judges.comparing import verdict
from training.judges.models import AiRating, Constitution, ConstitutionVersion, Judge, JudgeRun, Principle, Scope


class PrincipleSerializer(serializers.ModelSerializer):
    class Meta:
        model = Principle
        fields = ["id", "text", "axis", "weight"]


class ConstitutionVersionSerializer(serializers.ModelSerializer):
    """`published_at` is null for the draft."""

    principles = PrincipleSerializer(many=True)

    class Meta:
        model = ConstitutionVersion
        fields = ["id", "number", "note", "published_at", "created_at", "principles"]


class ConstitutionSerializer(serializers.ModelSerializer):
    versions = ConstitutionVersionSerializer(many=True, help_text="Newest first.")

    class Meta:
        model = Constitution
        fields = ["id", "name", "created_at", "versions"]


class PrincipleRequestSerializer(serializers.Serializer):
    text = serializers.CharField(max_length=4000)
    axis = serializers.CharField(max_length=40, required=False, allow_blank=True, default="")
    weight = serializers.FloatField(required=False, default=1.0, min_value=0.001, max_value=1000)


class ConstitutionDraftRequestSerializer(serializers.Serializer):
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=20_000)
    principles = PrincipleRequestSerializer(many=True)


class ConstitutionRequestSerializer(ConstitutionDraftRequestSerializer):
    name = serializers.CharField(max_length=120)


class VersionBriefSerializer(serializers.ModelSerializer):
    name = serializers.CharField(source="constitution.name")

    class Meta:
        model = ConstitutionVersion
        fields = ["id", "number", "name"]


class JudgeSerializer(serializers.ModelSerializer):
    version = VersionBriefSerializer()
    n_ratings = serializers.IntegerField()
    report = serializers.JSONField(help_text="How its ratings compare with people's; {} before the first run.")
    report_job = JobSerializer(allow_null=True, help_text="The latest job that made the report anew on request.")
    reasons = serializers.SerializerMethodField(help_text="Why it may not count; empty where it may.")

    class Meta:
        model = Judge
        fields = [
            "id",
            "name",
            "model",
            "chain_of_thought",
            "version",
            "n_ratings",
            "allowed_at",
            "reported_at",
            "report_job",
            "report",
            "reasons",
        ]

    def get_reasons(self, judge: Judge) -> list[str]:
        return verdict(judge.report)


class JudgeBriefSerializer(serializers.ModelSerializer):
    version = VersionBriefSerializer()

    class Meta:
        model = Judge
        fields = ["id", "name", "model", "chain_of_thought", "version", "allowed_at"]


class AiRatingSerializer(serializers.ModelSerializer):
    """`p_a` is P(a preferred), of log-probabilities or of a written letter. `rationale`: the thoughts kept, or ""."""

    principle = PrincipleSerializer()

    class Meta:
        model = AiRating
        fields = [
            "id",
            "principle",
            "p_a",
            "p_first_order",
            "p_second_order",
            "has_probabilities",
            "rationale",
            "created_at",
        ]


class JudgedComparisonSerializer(serializers.Serializer):
    """All AI ratings of a comparison by one judge."""

    judge = JudgeBriefSerializer()
    p_a = serializers.FloatField(help_text="The soft label: the mean over its principles, by their weights.")
    ratings = AiRatingSerializer(many=True)


class RunCountsSerializer(serializers.Serializer):
    n_asked = serializers.IntegerField(required=False)
    n_judged = serializers.IntegerField(required=False)
    n_unanswered = serializers.IntegerField(required=False)
    n_tokens = serializers.IntegerField(required=False)
    stopped_by = serializers.CharField(required=False, allow_null=True)


class JudgeRunSerializer(serializers.ModelSerializer):
    judge = JudgeBriefSerializer()
    job = JobSerializer(allow_null=True)
    counts = RunCountsSerializer(help_text="Empty until the run has finished.")

    class Meta:
        model = JudgeRun
        fields = [
            "id",
            "number",
            "judge",
            "scope",
            "n_comparisons",
            "n_principles",
            "max_tokens",
            "seed",
            "counts",
            "finished_at",
            "created_at",
            "job",
        ]


class RunRequestSerializer(serializers.Serializer):
    """What the fields may hold is checked by `RunOptions`."""

    version_id = serializers.IntegerField()
    judge = serializers.CharField(max_length=500)
    chain_of_thought = serializers.BooleanField(required=False)
    scope = serializers.ChoiceField(choices=Scope.values, required=False)
    n_comparisons = serializers.IntegerField(required=False)
    n_principles = serializers.IntegerField(required=False)
    max_tokens = serializers.IntegerField(required=False, allow_null=True)
    seed = serializers.IntegerField(required=False)

    def options(self) -> dict[str, Any]:
        return {name: value for name, value in self.validated_data.items() if name != "version_id"}


class EstimateQuerySerializer(serializers.Serializer):
    scope = serializers.ChoiceField(choices=Scope.values, default=Scope.UNRATED)
    n_comparisons = serializers.IntegerField(min_value=1, max_value=100_000, default=200)
    n_principles = serializers.IntegerField(min_value=1, max_value=50, default=1)
    chain_of_thought = serializers.BooleanField(default=False)


class JudgeEstimateSerializer(serializers.Serializer):
    n_available = serializers.IntegerField(help_text="Comparisons there are to judge.")
    n_comparisons = serializers.IntegerField()
    n_judgements = serializers.IntegerField()
    n_questions = serializers.IntegerField()
    n_tokens = serializers.IntegerField(help_text="About, at four bytes a token.")


class EndpointChoiceSerializer(serializers.Serializer):
    name = serializers.CharField()
    model = serializers.CharField()


class JudgeChoicesSerializer(serializers.Serializer):
    endpoints = EndpointChoiceSerializer(many=True)


class ReasonQuerySerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
