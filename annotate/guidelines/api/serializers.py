from typing import Any

from rest_framework import serializers

from annotate.guidelines.models import GuidelineVersion, WorkedExample


class WorkedExampleSerializer(serializers.ModelSerializer):
    class Meta:
        model = WorkedExample
        fields = ["prompt", "completion_a", "completion_b", "preferred", "intensity", "rationale"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        is_tie, intensity = attrs["preferred"] == "tie", attrs.get("intensity")
        if is_tie and intensity is not None:
            raise serializers.ValidationError({"intensity": "A tie has no intensity."})
        if not is_tie and not 1 <= (intensity or 0) <= 4:
            raise serializers.ValidationError({"intensity": "Give a level from 1 (weakest) to 4."})
        return attrs


class GuidelineVersionSerializer(serializers.ModelSerializer):
    author = serializers.SerializerMethodField()
    published_at = serializers.DateTimeField(source="created_at", read_only=True)
    examples = WorkedExampleSerializer(many=True)

    class Meta:
        model = GuidelineVersion
        fields = ["number", "body", "change_note", "author", "published_at", "examples"]
        read_only_fields = ["number"]

    def get_author(self, version: GuidelineVersion) -> str:
        return str(version.author) if version.author else ""


class GuidelineRequestSerializer(serializers.Serializer):
    body = serializers.CharField(max_length=200_000)
    change_note = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    examples = WorkedExampleSerializer(many=True, required=False, default=list)
