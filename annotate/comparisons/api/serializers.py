from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.comparisons.models import Assignment
from annotate.pool.api.serializers import MessageSerializer


class ShownPromptSerializer(serializers.Serializer):
    messages = MessageSerializer(many=True)


class ShownCompletionSerializer(serializers.Serializer):
    text = serializers.CharField()


class AssignmentSerializer(serializers.ModelSerializer):
    """What a labeller may see: the texts in the order drawn for them. Neither source nor stored order is told."""

    prompt = serializers.SerializerMethodField()
    first = serializers.SerializerMethodField()
    second = serializers.SerializerMethodField()

    class Meta:
        model = Assignment
        fields = ["id", "prompt", "first", "second", "lease_until"]

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


class NextRequestSerializer(serializers.Serializer):
    n = serializers.IntegerField(min_value=1, max_value=20, default=1, help_text="Leases to hold in all.")


class SkipRequestSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=300)


class LabellerProgressSerializer(serializers.Serializer):
    rated_today = serializers.IntegerField()
    rated_total = serializers.IntegerField()
    available = serializers.IntegerField()
    available_is_capped = serializers.BooleanField()


class NextSerializer(serializers.Serializer):
    assignments = AssignmentSerializer(many=True)
    progress = LabellerProgressSerializer()
    guideline_version = serializers.IntegerField(allow_null=True)
