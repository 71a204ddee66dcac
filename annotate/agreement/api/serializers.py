from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.accounts.models import UserKind
from annotate.agreement.metrics.worth import REASONS
from annotate.agreement.models import ComparisonAnswer
from annotate.agreement.selectors import ORDERINGS, cross_fitted_of, model_of, reasons_now
from annotate.projects.api.serializers import LabellerMessageSerializer
from annotate.ratings.models import Rating


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


class ForecastSerializer(serializers.Serializer):
    """At the pace of the last 14 days; dates are null where there is none, or the day is years away."""

    n_remaining = serializers.IntegerField(help_text="Ratings that open comparisons are expected to take still.")
    n_remaining_comparisons = serializers.IntegerField()
    per_day = serializers.FloatField()
    done_on = serializers.DateField(allow_null=True)
    done_earliest = serializers.DateField(allow_null=True, help_text="The 95 % interval begins here.")
    done_latest = serializers.DateField(allow_null=True)


class CostSerializer(serializers.Serializer):
    """Active time by the project's rate. Amounts have two decimals."""

    currency = serializers.CharField()
    pay_per_hour = serializers.CharField()
    spent = serializers.CharField()
    remaining = serializers.CharField(allow_null=True)
    per_comparison = serializers.CharField(allow_null=True, help_text="Of the complete ones; null without any.")
    spent_hours = serializers.FloatField()
    remaining_hours = serializers.FloatField(allow_null=True)
    is_estimated = serializers.FloatField(
        help_text="Share of ratings whose time is not known and is taken to be the others' mean."
    )


class DisagreementSerializer(serializers.Serializer):
    """Among comparisons with two ratings or more: how many were unanimous, had a majority, or split evenly."""

    rate = serializers.FloatField(allow_null=True)
    limit = serializers.FloatField()
    is_above = serializers.BooleanField()
    unanimous = serializers.IntegerField()
    majority = serializers.IntegerField()
    split = serializers.IntegerField()


class AgreementInShortSerializer(serializers.Serializer):
    alpha_nominal = StatSerializer()
    disagreement = DisagreementSerializer()
    n_worth = serializers.IntegerField(help_text="Comparisons that are worth a reviewer's look.")


class OverviewSerializer(SnapshotTimeSerializer):
    counts = CountsSerializer()
    ratings_per_day = DayCountSerializer(many=True)
    next_steps = NextStepSerializer(many=True)
    forecast = ForecastSerializer(allow_null=True, help_text="For who may review; null for others.")
    cost = CostSerializer(allow_null=True, help_text="For who may review, where the project has a rate.")
    agreement = AgreementInShortSerializer(allow_null=True, help_text="For who may review; null for others.")


class WeekSerializer(serializers.Serializer):
    week = serializers.DateField(help_text="Its Monday.")
    n_ratings = serializers.IntegerField()
    alpha = StatSerializer()
    disagreement = StatSerializer()


MODEL_NAMES = ["graded", "dawid_skene", "mace"]
CHANGE_VERDICTS = ["lower", "higher", "unclear", "too_few"]


class ChangeSerializer(serializers.Serializer):
    previous = serializers.IntegerField()
    difference = StatSerializer(help_text="Of the disagreement: this version less the previous one.")
    verdict = serializers.ChoiceField(choices=CHANGE_VERDICTS)


class VersionSerializer(serializers.Serializer):
    number = serializers.IntegerField()
    published_at = serializers.DateTimeField(allow_null=True)
    change_note = serializers.CharField()
    changes_meaning = serializers.BooleanField()
    n_ratings = serializers.IntegerField()
    alpha = StatSerializer()
    disagreement = StatSerializer()
    change = ChangeSerializer(allow_null=True)


class AxisSerializer(serializers.Serializer):
    slug = serializers.CharField()
    axis = serializers.CharField()
    name = serializers.CharField()
    n_ratings = serializers.IntegerField()
    alpha_nominal = StatSerializer()
    disagreement = DisagreementSerializer()


class SliceSerializer(serializers.Serializer):
    """A part of the ratings. `dimension` and `key` are a filter of the list of ratings."""

    dimension = serializers.ChoiceField(
        choices=["source", "language", "tag", "length", "intensity", "bucket"],
    )
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # Field.label is another thing
    n_comparisons = serializers.IntegerField(help_text="With two of the slice's ratings or more.")
    n_ratings = serializers.IntegerField()
    disagreement = StatSerializer()
    alpha = StatSerializer()
    share = serializers.FloatField(allow_null=True, help_text="Its part of all pairs of ratings that differ.")
    excess = serializers.FloatField(
        allow_null=True, help_text="By how much the disagreement would fall if it were as that of the rest."
    )


class ModelSerializer(serializers.Serializer):
    model = serializers.ChoiceField(choices=["vote_shares", *MODEL_NAMES])
    log_likelihood = serializers.FloatField(help_text="Mean natural logarithm of the chance given to the side said.")
    accuracy = serializers.FloatField(help_text="Share of ratings whose likeliest side was said.")


class ModelsSerializer(serializers.Serializer):
    """Models of labellers by how they predict ratings that they have not seen, the best first."""

    chosen = serializers.ChoiceField(choices=MODEL_NAMES, help_text="Made the reliabilities and the answers.")
    n_ratings = serializers.IntegerField(help_text="There were when they were compared.")
    n_held_out = serializers.IntegerField(help_text="0: too few to compare, so the default was taken.")
    rows = ModelSerializer(many=True)


class AgreementSerializer(SnapshotTimeSerializer):
    n_ratings = serializers.IntegerField()
    n_comparisons = serializers.IntegerField()
    n_multiply_rated = serializers.IntegerField()
    n_labellers = serializers.IntegerField()
    excluded_labellers = serializers.IntegerField(help_text="Whose ratings are left out of all this.")
    percent_agreement = StatSerializer()
    alpha_nominal = StatSerializer()
    alpha_ordinal = StatSerializer()
    fleiss_kappa = StatSerializer()
    disagreement = DisagreementSerializer()
    over_time = WeekSerializer(many=True)
    versions = VersionSerializer(many=True)
    models = ModelsSerializer(allow_null=True)
    axes = AxisSerializer(
        many=True, help_text="Projects over the same completions that the caller may review, this one first."
    )
    slices = SliceSerializer(many=True, help_text="Those that explain most of the disagreement first.")


class PairedLabellerSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    pseudonym = serializers.CharField()
    n_ratings = serializers.IntegerField()


def _matrix(**options: Any) -> serializers.ListField:
    return serializers.ListField(child=serializers.ListField(child=serializers.FloatField(allow_null=True)), **options)


class PairsSerializer(serializers.Serializer):
    """Square matrices in the order of `labellers`; null where two share too few comparisons."""

    labellers = PairedLabellerSerializer(many=True)
    kappa = _matrix(help_text="Cohen's κ of the preferred side.")
    low = _matrix()
    high = _matrix()
    n = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()), help_text="Comparisons that both have rated."
    )
    weighted = _matrix(help_text="Quadratically weighted κ of the signed intensity.")


class FindingSerializer(serializers.Serializer):
    code = serializers.ChoiceField(
        choices=[
            "position_bias",
            "length_taste",
            "near_chance",
            "too_fast",
            "changed",
            "inconsistent",
            "misses_gold",
        ]
    )
    value = StatSerializer()
    p_value = serializers.FloatField()
    version = serializers.IntegerField(allow_null=True, help_text="Of the guidelines, after which they changed.")


class LabellersQuerySerializer(serializers.Serializer):
    ordering = serializers.ChoiceField(
        choices=[sign + key for key in ORDERINGS for sign in ("", "-")], required=False, default="-n_ratings"
    )
    search = serializers.CharField(required=False, allow_blank=True, default="", max_length=150)


class LabellerRowSerializer(serializers.Serializer):
    """A labeller's figures as of the latest snapshot."""

    id = serializers.IntegerField(help_text="Of the user.")
    membership = serializers.IntegerField(allow_null=True, help_text="Null where they are no member (any more).")
    pseudonym = serializers.CharField()
    kind = serializers.ChoiceField(choices=UserKind.choices)
    name = serializers.CharField(allow_null=True, help_text="For who may adjudicate or manage; null for others.")
    n_ratings = serializers.IntegerField()
    reliability = StatSerializer(help_text="Chance that a rating of theirs names the right side.")
    with_others = StatSerializer(help_text="How often another labeller says the same.")
    gold = StatSerializer(help_text="Share of known answers that they gave.")
    self_agreement = StatSerializer(help_text="Share of repeats that they answered alike.")
    first_side = StatSerializer(help_text="How often they preferred what was shown first.")
    longer = StatSerializer(help_text="How often they preferred the longer completion.")
    longer_excess = StatSerializer(help_text="The same less what others preferred on the same comparisons.")
    too_fast = StatSerializer(help_text="Share of ratings that came faster than anybody reads.")
    drift = StatSerializer(help_text="Agreement with the others in the later half less that in the earlier.")
    median_active_ms = serializers.FloatField(allow_null=True)
    findings = FindingSerializer(many=True)
    paused_at = serializers.DateTimeField(allow_null=True)
    pause_reason = serializers.CharField()
    excluded_at = serializers.DateTimeField(allow_null=True)
    exclusion_reason = serializers.CharField()
    is_active = serializers.BooleanField()


class LabellerWeekSerializer(serializers.Serializer):
    week = serializers.DateField(help_text="Its Monday.")
    n_ratings = serializers.IntegerField()
    active_ms = serializers.IntegerField()
    with_others = StatSerializer()
    gold = StatSerializer()


class LabellerVersionSerializer(serializers.Serializer):
    version = serializers.IntegerField(help_text="0: no guidelines were read.")
    n_ratings = serializers.IntegerField()
    with_others = StatSerializer()


class LabellerQualificationSerializer(serializers.Serializer):
    version = serializers.IntegerField()
    passed = serializers.BooleanField()
    n_right = serializers.IntegerField()
    n_questions = serializers.IntegerField()
    revoked_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class LabellerSerializer(LabellerRowSerializer):
    weeks = LabellerWeekSerializer(many=True)
    versions = LabellerVersionSerializer(many=True)
    qualifications = LabellerQualificationSerializer(many=True, help_text="Newest first, the last hundred.")
    messages = LabellerMessageSerializer(many=True, help_text="For who may adjudicate, newest first.")


class AnswerOfAllSerializer(serializers.Serializer):
    """What the ratings say together, each weighed by its labeller."""

    p_a = serializers.FloatField()
    p_b = serializers.FloatField()
    p_tie = serializers.FloatField()
    expected_intensity = serializers.FloatField(help_text="Above 0 for a, below 0 for b.")


class OpinionSerializer(serializers.Serializer):
    """What the promoted reward model says."""

    version = serializers.IntegerField()
    p_a = serializers.FloatField()
    is_held_out = serializers.BooleanField(help_text="Whether it did not see this comparison in training.")


class DissentingRatingSerializer(serializers.ModelSerializer):
    class Meta:
        model = Rating
        fields = ["preferred", "intensity", "justification", "created_at"]


class DissentSerializer(serializers.Serializer):
    """A rating that is not what all ratings of its comparison together say."""

    comparison = serializers.IntegerField(source="comparison_id")
    prompt_excerpt = serializers.CharField(source="comparison.prompt.excerpt")
    rating = DissentingRatingSerializer(source="*")
    answer = AnswerOfAllSerializer(source="comparison.answer")


class CrossFittedSerializer(serializers.Serializer):
    """What reward models say that were trained without this comparison."""

    comparison_set = serializers.IntegerField(help_text="Number of the set on which they were trained.")
    p_a = serializers.FloatField()
    strength = serializers.FloatField(help_text="Mean reward of a minus that of b.")
    std = serializers.FloatField(allow_null=True)
    rank = serializers.IntegerField(allow_null=True, help_text="1 for the most suspicious label; null: no suspicion.")


class ReasonQuerySerializer(serializers.Serializer):
    reason = serializers.ChoiceField(choices=list(REASONS), required=False, allow_blank=True, default="")


class DisagreementRowSerializer(serializers.Serializer):
    comparison = serializers.IntegerField(source="comparison_id")
    prompt_excerpt = serializers.CharField(source="comparison.prompt.excerpt")
    n_a = serializers.IntegerField(source="comparison.n_a")
    n_b = serializers.IntegerField(source="comparison.n_b")
    n_ties = serializers.IntegerField(source="comparison.n_ties")
    n_flags = serializers.IntegerField(source="comparison.n_flags")
    worth = serializers.FloatField()
    reasons = serializers.SerializerMethodField()
    answer = serializers.SerializerMethodField()
    model = serializers.SerializerMethodField()
    cross_fitted = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(choices=list(REASONS))))
    def get_reasons(self, answer: ComparisonAnswer) -> list[str]:
        return reasons_now(answer, answer.comparison)

    @extend_schema_field(AnswerOfAllSerializer(allow_null=True))
    def get_answer(self, answer: ComparisonAnswer) -> dict[str, Any] | None:
        return AnswerOfAllSerializer(answer).data if answer.n_ratings else None

    @extend_schema_field(OpinionSerializer(allow_null=True))
    def get_model(self, answer: ComparisonAnswer) -> dict[str, Any] | None:
        opinion = model_of(answer.comparison)
        return OpinionSerializer(opinion).data if opinion else None

    @extend_schema_field(CrossFittedSerializer(allow_null=True))
    def get_cross_fitted(self, answer: ComparisonAnswer) -> dict[str, Any] | None:
        opinion = cross_fitted_of(answer.comparison)
        return CrossFittedSerializer(opinion).data if opinion else None


class ComparisonAnswerSerializer(serializers.Serializer):
    answer = AnswerOfAllSerializer(allow_null=True)
    model = OpinionSerializer(allow_null=True)
    cross_fitted = CrossFittedSerializer(allow_null=True)
    worth = serializers.FloatField(allow_null=True, help_text="Of a reviewer's look; null before the first snapshot.")
    reasons = serializers.ListField(child=serializers.ChoiceField(choices=list(REASONS)))
