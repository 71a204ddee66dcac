from rest_framework import serializers

from annotate.pool.models import Completion, CompletionSource, Prompt


class MessageSerializer(serializers.Serializer):
    role = serializers.CharField()
    content = serializers.CharField()


class CompletionSourceSerializer(serializers.ModelSerializer):
    class Meta:
        model = CompletionSource
        fields = ["name", "kind"]


class CompletionSerializer(serializers.ModelSerializer):
    source = CompletionSourceSerializer()  # type: ignore[assignment]  # DRF's fields have a `source` of their own

    class Meta:
        model = Completion
        fields = ["id", "text", "source", "created_at"]


class PromptSerializer(serializers.ModelSerializer):
    messages = MessageSerializer(many=True)
    n_completions = serializers.IntegerField(read_only=True)

    class Meta:
        model = Prompt
        fields = ["id", "messages", "language", "tags", "origin", "n_completions", "created_at"]


class PromptDetailSerializer(PromptSerializer):
    completions = CompletionSerializer(many=True)

    class Meta(PromptSerializer.Meta):
        fields = [*PromptSerializer.Meta.fields, "completions"]
