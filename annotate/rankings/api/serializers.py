from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.comparisons.api.serializers import BlockSerializer, ShownCompletionSerializer, ShownPromptSerializer
from annotate.rankings.models import MAX_SIZE, RankingAnswer, RankingAssignment
from annotate.rankings.services import MAX_LEASES

POSITIONS = "Positions on the screen, counted from 0, best first; those in one list share a place."


class RankingAssignmentSerializer(serializers.ModelSerializer):
    """What a labeller may see: the texts in the order drawn for them. No id tells one completion from another."""

    prompt = serializers.SerializerMethodField()
    completions = serializers.SerializerMethodField()
    warnings = serializers.SerializerMethodField(help_text="The prompt's tags that the project calls sensitive.")

    class Meta:
        model = RankingAssignment
        fields = ["id", "prompt", "completions", "warnings", "lease_until"]

    @extend_schema_field(ShownPromptSerializer)
    def get_prompt(self, assignment: RankingAssignment) -> dict[str, Any]:
        return {"messages": assignment.ranking.prompt.messages}

    @extend_schema_field(ShownCompletionSerializer(many=True))
    def get_completions(self, assignment: RankingAssignment) -> list[dict[str, str]]:
        texts = {completion.pk: completion.text for completion in assignment.ranking.completions.all()}
        return [{"text": texts[pk]} for pk in assignment.order]

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_warnings(self, assignment: RankingAssignment) -> list[str]:
        sensitive = self.context["project"].sensitive_tags
        return [tag for tag in assignment.ranking.prompt.tags if tag in sensitive]


class RankingsNextRequestSerializer(serializers.Serializer):
    n = serializers.IntegerField(min_value=1, max_value=MAX_LEASES, default=1, help_text="Leases to hold in all.")


class RankingProgressSerializer(serializers.Serializer):
    ranked_today = serializers.IntegerField()
    ranked_total = serializers.IntegerField()
    available = serializers.IntegerField()
    available_is_capped = serializers.BooleanField()


class NextRankingsSerializer(serializers.Serializer):
    assignments = RankingAssignmentSerializer(many=True)
    progress = RankingProgressSerializer()
    guideline_version = serializers.IntegerField(allow_null=True)
    block = BlockSerializer(
        allow_null=True, help_text="Why there is no work for the caller; null where nothing stops them."
    )


class OrderSerializer(serializers.Serializer):
    client_id = serializers.UUIDField(help_text="Made by the client: sending the same ranking twice stores it once.")
    assignment_id = serializers.IntegerField()
    tiers = serializers.ListField(
        child=serializers.ListField(
            child=serializers.IntegerField(min_value=0, max_value=MAX_SIZE - 1), min_length=1, max_length=MAX_SIZE
        ),
        min_length=1,
        max_length=MAX_SIZE,
        help_text=POSITIONS,
    )
    active_ms = serializers.IntegerField(
        allow_null=True, required=False, default=None, min_value=0, max_value=2_000_000_000
    )
    justification = serializers.CharField(required=False, allow_blank=True, default="", max_length=10_000)


class RankingsRequestSerializer(serializers.Serializer):
    rankings = serializers.ListField(child=OrderSerializer(), min_length=1, max_length=100)
    next = serializers.IntegerField(required=False, default=0, min_value=0, max_value=MAX_LEASES)


class RankingOutcomeSerializer(serializers.Serializer):
    client_id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=["accepted", "duplicate", "rejected"])
    answer_id = serializers.IntegerField(allow_null=True)
    code = serializers.CharField()
    detail = serializers.CharField()


class SubmittedRankingsSerializer(NextRankingsSerializer):
    results = RankingOutcomeSerializer(many=True)


class OwnRankingSerializer(serializers.ModelSerializer):
    """A labeller's own ranking, as it was on their screen."""

    prompt_excerpt = serializers.CharField(source="assignment.ranking.prompt.excerpt")
    tiers = serializers.SerializerMethodField(help_text=POSITIONS)

    class Meta:
        model = RankingAnswer
        fields = ["id", "assignment_id", "prompt_excerpt", "tiers", "justification", "created_at"]

    @extend_schema_field(serializers.ListField(child=serializers.ListField(child=serializers.IntegerField())))
    def get_tiers(self, answer: RankingAnswer) -> list[list[int]]:
        shown = {completion_id: position for position, completion_id in enumerate(answer.assignment.order)}
        return [[shown[completion_id] for completion_id in tier] for tier in answer.tiers]
