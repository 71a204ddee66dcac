from typing import Any

from rest_framework import serializers

from annotate.accounts.models import User
from annotate.guidelines.models import GuidelineDraft, GuidelineVersion, QualificationAttempt, WorkedExample
from annotate.guidelines.selectors import Standing

SHOWN_SIDES = ["first", "second", "tie"]


class WorkedExampleSerializer(serializers.ModelSerializer):
    in_quiz = serializers.BooleanField(
        default=False, help_text="Asked in the quiz, and not shown before it to who has to pass it."
    )
    comparison = serializers.IntegerField(
        source="comparison_id",
        allow_null=True,
        required=False,
        default=None,
        help_text="The project's comparison that it was made from, if it was made from one.",
    )

    class Meta:
        model = WorkedExample
        fields = [
            "prompt",
            "completion_a",
            "completion_b",
            "preferred",
            "intensity",
            "rationale",
            "in_quiz",
            "comparison",
        ]

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
        fields = ["number", "body", "change_note", "changes_meaning", "author", "published_at", "examples"]
        read_only_fields = ["number"]

    def get_author(self, version: GuidelineVersion) -> str:
        return str(version.author) if version.author else ""


class GuidelineRequestSerializer(serializers.Serializer):
    body = serializers.CharField(max_length=200_000)
    change_note = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    changes_meaning = serializers.BooleanField(
        required=False, default=False, help_text="Everybody reads it and passes its quiz again; true of the first."
    )
    based_on = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=0,
        help_text="Number of the version that was rewritten, 0 for none; refused if there is a newer one by now.",
    )
    draft_revision = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=0,
        help_text="Revision of the draft that is published, 0 for none; refused if it has been changed since.",
    )
    examples = WorkedExampleSerializer(many=True, required=False, default=list)


class DraftExampleSerializer(serializers.Serializer):
    """A worked example while it is being written: parts of it may still be missing."""

    prompt = serializers.CharField(allow_blank=True, default="", trim_whitespace=False)
    completion_a = serializers.CharField(allow_blank=True, default="", trim_whitespace=False)
    completion_b = serializers.CharField(allow_blank=True, default="", trim_whitespace=False)
    preferred = serializers.ChoiceField(choices=[("a", "A"), ("b", "B"), ("tie", "Tie")])
    intensity = serializers.IntegerField(allow_null=True, default=None, min_value=1, max_value=4)
    rationale = serializers.CharField(allow_blank=True, default="")
    in_quiz = serializers.BooleanField(default=False)
    comparison = serializers.IntegerField(allow_null=True, default=None)


class NoteSerializer(serializers.Serializer):
    comparison = serializers.IntegerField(allow_null=True, default=None)
    section = serializers.CharField(allow_blank=True, default="", max_length=200)
    text = serializers.CharField(max_length=5000)
    by = serializers.CharField(allow_blank=True, default="", max_length=254)
    at = serializers.CharField(allow_blank=True, default="", max_length=40)


class DraftSerializer(serializers.ModelSerializer):
    examples = DraftExampleSerializer(many=True)
    notes = NoteSerializer(many=True)
    updated_by = serializers.SerializerMethodField()

    class Meta:
        model = GuidelineDraft
        fields = [
            "body",
            "change_note",
            "changes_meaning",
            "examples",
            "notes",
            "based_on",
            "revision",
            "updated_by",
            "updated_at",
        ]

    def get_updated_by(self, draft: GuidelineDraft) -> str:
        return str(draft.updated_by) if draft.updated_by else ""


class DraftRequestSerializer(serializers.Serializer):
    revision = serializers.IntegerField(min_value=0, help_text="The one that was read; 0 where there was no draft.")
    body = serializers.CharField(max_length=200_000, allow_blank=True, trim_whitespace=False)
    change_note = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    changes_meaning = serializers.BooleanField(required=False, default=False)
    examples = DraftExampleSerializer(  # type: ignore[call-arg]  # max_length is of the list
        many=True, required=False, default=list, max_length=500
    )
    notes = NoteSerializer(  # type: ignore[call-arg]
        many=True, required=False, default=list, max_length=1000
    )


class DraftQuerySerializer(serializers.Serializer):
    revision = serializers.IntegerField(
        required=False, allow_null=True, default=None, help_text="Refused if the draft has been changed since."
    )


class RequalificationRequestSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=300)


class RequalificationSerializer(serializers.Serializer):
    n_revoked = serializers.IntegerField()


class QuestionSerializer(serializers.Serializer):
    """A worked example as it is asked; `completion_a` is the one that stands first in this attempt."""

    id = serializers.IntegerField(source="example.pk")
    prompt = serializers.CharField(source="example.prompt")
    completion_a = serializers.CharField(source="first")
    completion_b = serializers.CharField(source="second")


class QualificationSerializer(serializers.Serializer):
    standing = serializers.ChoiceField(choices=Standing.choices)
    version = serializers.IntegerField(source="version.number", default=None, allow_null=True)
    passed_version = serializers.IntegerField(allow_null=True, help_text="The newest one that the caller has passed.")
    attempt = serializers.IntegerField(help_text="Send it with the answers.")
    n_attempts_left = serializers.IntegerField()
    pass_share = serializers.FloatField()
    n_needed = serializers.IntegerField(help_text="Right answers that pass.")
    quiz = QuestionSerializer(many=True)


class AnswerSerializer(serializers.Serializer):
    example = serializers.IntegerField()
    preferred = serializers.ChoiceField(choices=SHOWN_SIDES)
    intensity = serializers.IntegerField(allow_null=True, required=False, default=None, min_value=1, max_value=4)


class QualificationRequestSerializer(serializers.Serializer):
    version = serializers.IntegerField(min_value=1)
    attempt = serializers.IntegerField(
        min_value=1, required=False, default=1, help_text="The attempt whose questions are answered, as GET told it."
    )
    answers = AnswerSerializer(many=True, required=False, default=list)


class MarkedSerializer(serializers.Serializer):
    example = serializers.IntegerField()
    is_right = serializers.BooleanField()
    preferred = serializers.ChoiceField(choices=SHOWN_SIDES, help_text="The guidelines' verdict, as it was shown.")
    intensity = serializers.IntegerField(allow_null=True)
    rationale = serializers.CharField()


class ResultSerializer(serializers.Serializer):
    passed = serializers.BooleanField()
    n_right = serializers.IntegerField()
    n_questions = serializers.IntegerField()
    n_attempts_left = serializers.IntegerField()
    answers = MarkedSerializer(many=True)


class AttemptLabellerSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["id", "pseudonym"]


class AttemptSerializer(serializers.ModelSerializer):
    labeller = AttemptLabellerSerializer()
    version = serializers.IntegerField(source="version.number")
    is_blocking = serializers.BooleanField(help_text="Its labeller has no attempt left at the current version.")

    class Meta:
        model = QualificationAttempt
        fields = [
            "id",
            "labeller",
            "version",
            "n_questions",
            "n_right",
            "passed",
            "forgiven",
            "revoked_at",
            "is_blocking",
            "created_at",
        ]


class AllowedSerializer(serializers.Serializer):
    n_forgiven = serializers.IntegerField()
