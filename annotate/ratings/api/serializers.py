from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.comparisons.api.serializers import AssignmentSerializer, NextSerializer, ShownPromptSerializer
from annotate.comparisons.models import Comparison, ComparisonState
from annotate.pool.models import Completion, SourceKind
from annotate.ratings.filters import AGREEMENT, LENGTHS, Filters
from annotate.ratings.models import Adjudication, Flag, FlagKind, Rating
from annotate.ratings.selectors import SHOW, can_correct
from annotate.ratings.services import REOPENED, shown_side

SHOWN_SIDES = ["first", "second", "tie"]
VERDICTS = ["a", "b", "tie", "invalid"]
STANDING_VERDICTS = Adjudication._meta.get_field("verdict").choices


class ShownSpanSerializer(serializers.Serializer):
    side = serializers.ChoiceField(choices=["first", "second"])
    start = serializers.IntegerField(min_value=0, max_value=10_000_000)
    end = serializers.IntegerField(min_value=1, max_value=10_000_000)
    quote = serializers.CharField(max_length=2000, trim_whitespace=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["end"] <= attrs["start"]:
            raise serializers.ValidationError({"end": "Must be after start."})
        return attrs


class JudgementSerializer(serializers.Serializer):
    client_id = serializers.UUIDField(help_text="Made by the client: sending the same rating twice stores it once.")
    assignment_id = serializers.IntegerField()
    preferred = serializers.ChoiceField(choices=SHOWN_SIDES)
    intensity = serializers.IntegerField(allow_null=True, required=False, default=None, min_value=1, max_value=4)
    is_neither_acceptable = serializers.BooleanField(
        required=False, default=False, help_text="With preferred: tie. Allowed where ties are not, too."
    )
    bucket = serializers.IntegerField(
        allow_null=True,
        required=False,
        default=None,
        min_value=0,
        max_value=5,
        help_text="Answer to the project's second question: its position among bucket_labels.",
    )
    active_ms = serializers.IntegerField(
        allow_null=True, required=False, default=None, min_value=0, max_value=2_000_000_000
    )
    justification = serializers.CharField(required=False, allow_blank=True, default="", max_length=10_000)
    spans = ShownSpanSerializer(  # type: ignore[call-arg]  # max_length is of the list
        many=True, required=False, default=list, max_length=20
    )
    supersedes = serializers.UUIDField(
        allow_null=True,
        required=False,
        default=None,
        help_text="The client_id of the own rating that this one corrects.",
    )


class RatingsRequestSerializer(serializers.Serializer):
    ratings = serializers.ListField(child=JudgementSerializer(), min_length=1, max_length=200)
    next = serializers.IntegerField(required=False, default=0, min_value=0, max_value=20)


class OutcomeSerializer(serializers.Serializer):
    client_id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=["accepted", "duplicate", "rejected"])
    rating_id = serializers.IntegerField(allow_null=True)
    code = serializers.CharField()
    detail = serializers.CharField()


class SubmittedSerializer(NextSerializer):
    results = OutcomeSerializer(many=True)


class FlagRequestSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(choices=FlagKind.choices)
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=2000)


class OwnRatingSerializer(serializers.ModelSerializer):
    """A labeller's own rating, as it was on their screen."""

    client_id = serializers.UUIDField()
    prompt_excerpt = serializers.CharField(source="comparison.prompt.excerpt")
    preferred = serializers.SerializerMethodField()
    spans = serializers.SerializerMethodField()
    can_correct = serializers.SerializerMethodField(help_text="Whether it is within the project's grace window.")

    class Meta:
        model = Rating
        fields = [
            "id",
            "client_id",
            "assignment_id",
            "prompt_excerpt",
            "preferred",
            "intensity",
            "is_neither_acceptable",
            "bucket",
            "justification",
            "spans",
            "can_correct",
            "created_at",
        ]

    @extend_schema_field(serializers.ChoiceField(choices=SHOWN_SIDES))
    def get_preferred(self, rating: Rating) -> str:
        return shown_side(rating.preferred, rating.assignment)

    @extend_schema_field(ShownSpanSerializer(many=True))
    def get_spans(self, rating: Rating) -> list[dict[str, Any]]:
        return [{**span, "side": shown_side(span["side"], rating.assignment)} for span in rating.spans]

    def get_can_correct(self, rating: Rating) -> bool:
        return can_correct(rating)


class OwnAssignmentSerializer(AssignmentSerializer):
    """A pair that the caller has rated, with their rating, to be looked at again and corrected."""

    rating = OwnRatingSerializer()

    class Meta(AssignmentSerializer.Meta):
        fields = [*AssignmentSerializer.Meta.fields, "rating"]


class GoldRequestSerializer(serializers.Serializer):
    preferred = serializers.ChoiceField(choices=["a", "b", "tie"])
    intensity = serializers.IntegerField(allow_null=True, required=False, default=None, min_value=1, max_value=4)


class ShowSerializer(serializers.Serializer):
    show = serializers.ChoiceField(choices=list(SHOW), default="all")
    ordering = serializers.ChoiceField(choices=["newest", "disagreement", "priority"], default="newest")


class ComparisonSerializer(serializers.ModelSerializer):
    prompt_excerpt = serializers.CharField(source="prompt.excerpt")
    state = serializers.ChoiceField(choices=ComparisonState.choices)
    disagreement = serializers.SerializerMethodField(help_text="Share of ratings that are not of the commonest answer.")
    is_gold = serializers.SerializerMethodField()

    class Meta:
        model = Comparison
        fields = [
            "id",
            "prompt_excerpt",
            "state",
            "priority",
            "n_wanted",
            "n_required",
            "n_ratings",
            "n_a",
            "n_b",
            "n_ties",
            "n_flags",
            "disagreement",
            "is_gold",
            "warnings",
            "created_at",
        ]

    @extend_schema_field(serializers.FloatField(allow_null=True))
    def get_disagreement(self, comparison: Comparison) -> float | None:
        return comparison.n_dissenting / comparison.n_ratings if comparison.n_ratings else None

    def get_is_gold(self, comparison: Comparison) -> bool:
        return comparison.gold_preferred is not None


class SourceSerializer(serializers.Serializer):
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=SourceKind.choices)


class SideSerializer(serializers.ModelSerializer):
    source = SourceSerializer()  # type: ignore[assignment]  # Field.source is where this serializer reads from

    class Meta:
        model = Completion
        fields = ["id", "text", "source"]


class PseudonymSerializer(serializers.Serializer):
    pseudonym = serializers.CharField()


class RatingSerializer(serializers.ModelSerializer):
    labeller = PseudonymSerializer()
    guideline_version = serializers.SerializerMethodField()
    is_superseded = serializers.SerializerMethodField()
    first = serializers.SerializerMethodField(help_text="The side this labeller saw first; null where not known.")

    class Meta:
        model = Rating
        fields = [
            "id",
            "labeller",
            "preferred",
            "intensity",
            "is_neither_acceptable",
            "bucket",
            "justification",
            "spans",
            "active_ms",
            "guideline_version",
            "origin",
            "first",
            "is_superseded",
            "is_repeat",
            "created_at",
        ]

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_guideline_version(self, rating: Rating) -> int | None:
        return rating.guideline_version.number if rating.guideline_version else None

    def get_is_superseded(self, rating: Rating) -> bool:
        return hasattr(rating, "superseded_by")

    @extend_schema_field(serializers.ChoiceField(choices=["a", "b"], allow_null=True))
    def get_first(self, rating: Rating) -> str | None:
        return rating.assignment.first


class RatingFiltersSerializer(serializers.Serializer):
    """What the list of ratings is narrowed down to; empty values do not ask."""

    labeller = serializers.IntegerField(required=False, allow_null=True, default=None, help_text="A user's id.")
    rated_by = serializers.IntegerField(required=False, allow_null=True, default=None)
    comparison = serializers.IntegerField(required=False, allow_null=True, default=None)
    version = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=0, help_text="Guideline version; 0: none was read."
    )
    since = serializers.DateField(required=False, allow_null=True, default=None)
    until = serializers.DateField(required=False, allow_null=True, default=None)
    language = serializers.CharField(required=False, default="", max_length=12)
    tag = serializers.CharField(required=False, default="", max_length=60)
    source = serializers.RegexField(  # type: ignore[assignment]  # Field.source is where a field reads from
        r"^[0-9]{1,18}(-[0-9]{1,18})?$",
        required=False,
        default="",
        help_text="Completion source, or a pair of them: 3-7.",
    )
    length = serializers.ChoiceField(
        choices=list(LENGTHS), required=False, default="", help_text="By how much the longer completion is longer."
    )
    intensity = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=0, max_value=4, help_text="0: ties."
    )
    agreement = serializers.ChoiceField(
        choices=list(AGREEMENT), required=False, default="", help_text="Of all ratings of the comparison."
    )
    bucket = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=0, max_value=5)

    def to_internal_value(self, data: Any) -> Any:
        """In the address: from and to for the days, with for a labeller who has rated the comparison too."""
        named = {"from": "since", "to": "until", "with": "rated_by"}
        return super().to_internal_value({named.get(name, name): value for name, value in data.items() if value != ""})

    @classmethod
    def filters(cls, query: Any) -> Filters:
        asked = cls(data=query)
        asked.is_valid(raise_exception=True)
        return Filters(**asked.validated_data)


class LabellerOfRatingSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    pseudonym = serializers.CharField()


class RatingRowSerializer(serializers.ModelSerializer):
    """A rating in the list of all ratings of a project."""

    comparison = serializers.IntegerField(source="comparison_id")
    prompt_excerpt = serializers.CharField()
    labeller = LabellerOfRatingSerializer()
    is_superseded = serializers.SerializerMethodField()
    guideline_version = serializers.IntegerField(source="guideline_version.number", default=None, allow_null=True)
    agreement = serializers.ChoiceField(
        source="comparison_agreement",
        choices=list(AGREEMENT),
        allow_null=True,
        help_text="Of all ratings of the comparison; null where there is one only.",
    )

    class Meta:
        model = Rating
        fields = [
            "id",
            "comparison",
            "prompt_excerpt",
            "labeller",
            "preferred",
            "intensity",
            "is_superseded",
            "is_repeat",
            "justification",
            "active_ms",
            "guideline_version",
            "created_at",
            "agreement",
        ]

    def get_is_superseded(self, rating: Rating) -> bool:
        return hasattr(rating, "superseded_by")


class FlagSerializer(serializers.ModelSerializer):
    labeller = PseudonymSerializer()

    class Meta:
        model = Flag
        fields = ["id", "labeller", "kind", "note", "created_at", "resolved_at"]


class AdjudicationSerializer(serializers.ModelSerializer):
    reviewer = serializers.CharField(source="reviewer.name")
    guideline_version = serializers.IntegerField(
        source="guideline_version.number",
        default=None,
        allow_null=True,
        help_text="Number of the version that was current then.",
    )

    class Meta:
        model = Adjudication
        fields = [
            "id",
            "reviewer",
            "verdict",
            "intensity",
            "note",
            "guideline_section",
            "guideline_version",
            "created_at",
        ]


class SettledSerializer(AdjudicationSerializer):
    draft_revision = serializers.SerializerMethodField(
        help_text="Revision of the guidelines' draft, where the steps wrote to it."
    )

    class Meta(AdjudicationSerializer.Meta):
        fields = [*AdjudicationSerializer.Meta.fields, "draft_revision"]

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_draft_revision(self, adjudication: Adjudication) -> int | None:
        return self.context["draft_revision"]


class ExampleStepSerializer(serializers.Serializer):
    rationale = serializers.CharField(max_length=5000)
    in_quiz = serializers.BooleanField(default=False)


class StepsSerializer(serializers.Serializer):
    gold = serializers.BooleanField(
        default=False, help_text="The verdict is the pair's known answer from now on, and the pair leaves training."
    )
    worked_example = ExampleStepSerializer(
        allow_null=True, required=False, default=None, help_text="Put the pair into the guidelines' draft."
    )
    guideline_note = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=5000, help_text="Note this in the guidelines' draft."
    )


class AdjudicationRequestSerializer(serializers.Serializer):
    preferred = serializers.ChoiceField(choices=VERDICTS)
    intensity = serializers.IntegerField(allow_null=True, required=False, default=None, min_value=1, max_value=4)
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=5000)
    guideline_section = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=200, help_text="The heading that decides it."
    )
    then = StepsSerializer(required=False, allow_null=True, default=None, help_text="Done with the verdict or not.")


class ReopenRequestSerializer(serializers.Serializer):
    n_more = serializers.IntegerField(min_value=1, max_value=10)
    reason = serializers.CharField(max_length=5000)


class ComparisonDetailSerializer(ComparisonSerializer):
    prompt = ShownPromptSerializer()
    a = SideSerializer()
    b = SideSerializer()
    ratings = RatingSerializer(many=True)
    flags = FlagSerializer(many=True)
    adjudication = serializers.SerializerMethodField()

    class Meta(ComparisonSerializer.Meta):
        fields = [
            *ComparisonSerializer.Meta.fields,
            "prompt",
            "a",
            "b",
            "gold_preferred",
            "gold_intensity",
            "ratings",
            "flags",
            "adjudication",
        ]

    @extend_schema_field(AdjudicationSerializer(allow_null=True))
    def get_adjudication(self, comparison: Comparison) -> dict[str, Any] | None:
        """The verdict that stands: the newest, unless the comparison was sent back to labelling since."""
        newest = next(iter(comparison.adjudications.all()), None)
        return AdjudicationSerializer(newest).data if newest and newest.verdict != REOPENED else None
