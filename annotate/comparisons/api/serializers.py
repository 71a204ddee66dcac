from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.comparisons.models import Assignment
from annotate.guidelines.selectors import Standing
from annotate.pool.api.serializers import MessageSerializer

BLOCKS = ["paused", *(standing.value for standing in Standing if standing != Standing.OK)]


class ShownPromptSerializer(serializers.Serializer):
    messages = MessageSerializer(many=True)


class ShownCompletionSerializer(serializers.Serializer):
    text = serializers.CharField()


class AssignmentSerializer(serializers.ModelSerializer):
    """What a labeller may see: the texts in the order drawn for them. Neither source nor stored order is told."""

    prompt = serializers.SerializerMethodField()
    first = serializers.SerializerMethodField()
    second = serializers.SerializerMethodField()
    warnings = serializers.ListField(
        child=serializers.CharField(), source="comparison.warnings", help_text="Sensitive categories of the prompt."
    )

    class Meta:
        model = Assignment
        fields = ["id", "prompt", "first", "second", "warnings", "lease_until"]

    @extend_schema_field(ShownPromptSerializer)
    def get_prompt(self, assignment: Assignment) -> dict[str, Any]:
        return {"messages": assignment.comparison.prompt.messages}

    @extend_schema_field(ShownCompletionSerializer)
    def get_first(self, assignment: Assignment) -> dict[str, str]:
        comparison = assignment.comparison
        return {"text": comparison.a.text if assignment.first == "a" else comparison.b.text}

    @extend_schema_field(ShownCompletionSerializer)
    def get_second(self, assignment: Assignment) -> dict[str, str]:
        comparison = assignment.comparison
        return {"text": comparison.b.text if assignment.first == "a" else comparison.a.text}


def shown(assignment: Assignment) -> dict[str, Any]:
    """What `AssignmentSerializer` gives, at a tenth of its cost: this is in every answer to every labeller."""
    comparison = assignment.comparison
    texts = {"text": comparison.a.text}, {"text": comparison.b.text}
    first, second = texts if assignment.first == "a" else texts[::-1]
    return {
        "id": assignment.pk,
        "prompt": {"messages": comparison.prompt.messages},
        "first": first,
        "second": second,
        "warnings": comparison.warnings,
        "lease_until": assignment.lease_until,
    }


class NextRequestSerializer(serializers.Serializer):
    n = serializers.IntegerField(min_value=1, max_value=20, default=1, help_text="Leases to hold in all.")


class SkipRequestSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=300)


class GoldAgreementSerializer(serializers.Serializer):
    n = serializers.IntegerField()
    n_right = serializers.IntegerField()


class LabellerProgressSerializer(serializers.Serializer):
    rated_today = serializers.IntegerField()
    rated_total = serializers.IntegerField()
    available = serializers.IntegerField()
    available_is_capped = serializers.BooleanField()
    gold = GoldAgreementSerializer(
        allow_null=True, help_text="Own answers to pairs with a known one; null where the project does not show it."
    )


class BlockSerializer(serializers.Serializer):
    code = serializers.ChoiceField(choices=BLOCKS)
    detail = serializers.CharField()


class NextSerializer(serializers.Serializer):
    assignments = AssignmentSerializer(many=True)
    progress = LabellerProgressSerializer()
    guideline_version = serializers.IntegerField(allow_null=True)
    block = BlockSerializer(
        allow_null=True, help_text="Why there is no work for the caller; null where nothing stops them."
    )
