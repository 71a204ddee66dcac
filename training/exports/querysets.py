"""The same rules as `aggregation`, as SQL, for selection and live counts.

Without a choice among ratings it reads the counts that comparisons carry; with one it counts the ratings that are left.

Nothing is joined: what is asked of a prompt, a completion or ratings is a subquery of one comparison. So the database
reads the comparisons once, whatever it believes of the tables' sizes; with joins it has read all of them for each.
"""

import json
import math
from datetime import date
from typing import Any

from django.db import models
from django.db.models import (
    Avg,
    Case,
    Count,
    Exists,
    F,
    FloatField,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
    Window,
)
from django.db.models.functions import MD5, Cast, Coalesce, Greatest, NullIf, RowNumber

from annotate.common.days import end_of, start_of
from annotate.comparisons.models import Comparison, ComparisonState
from annotate.guidelines.models import WorkedExample
from annotate.pool.models import Completion, Prompt
from annotate.projects.models import Membership, Project
from annotate.ratings.models import Adjudication, Preferred, Rating
from annotate.ratings.selectors import counted
from annotate.ratings.services import REOPENED
from training.exports.aggregation import EPSILON
from training.exports.spec import Spec
from training.judges.models import Principle
from training.judges.selectors import counting
from training.splits import N_TRAIN_TENTHS
from training.splits import DigestTenth as DigestTenth

TAKEN = "taken"
IS_TAKEN = Q(fate=TAKEN)
# Why a comparison is left out, in the order in which the reasons are looked at.
LEFT_OUT = (
    "gold",
    "quiz",
    "flagged",
    "filtered",
    "invalid",
    "adjudicated",
    "excluded",
    "too_few_ratings",
    "tied",
    "low_agreement",
    "too_weak",
)


# An order that has nothing to do with anything, and never changes.
_DRAW = MD5(Cast("pk", models.TextField()))


def rated(project: Project) -> QuerySet[Comparison]:
    """Comparisons with ratings. Served by the index comparisons_rated."""
    return Comparison.objects.filter(project=project, n_ratings__gt=0)


def excluded_labellers(project: Project) -> list[int]:
    """Users whose ratings a reviewer keeps out of comparison sets."""
    members = Membership.objects.filter(project=project, excluded_at__isnull=False)
    return list(members.order_by("user").values_list("user", flat=True))


def kept(ratings: QuerySet[Rating], spec: Spec, excluded: list[int]) -> QuerySet[Rating]:
    """Those of some ratings that count in a set: current, one a labeller, of nobody excluded, as the spec chooses."""
    found = counted(ratings)
    if without := {*excluded, *spec.without_labellers}:
        found = found.exclude(labeller__in=without)
    if spec.labellers:
        found = found.filter(labeller__in=spec.labellers)
    if spec.guideline_versions:
        found = found.filter(guideline_version__number__in=spec.guideline_versions)
    if spec.rated_from:
        found = found.filter(created_at__gte=start_of(date.fromisoformat(spec.rated_from)))
    if spec.rated_to:
        found = found.filter(created_at__lte=end_of(date.fromisoformat(spec.rated_to)))
    return found


def with_fate(comparisons: QuerySet[Comparison], spec: Spec, excluded: list[int]) -> QuerySet[Comparison]:
    """Annotate `verdict` and `verdict_intensity` (newest adjudication, null without one or when the comparison was sent
    back to labelling since), `n_kept`, the ratings that count, `agreement` and `fate`: taken, or why not.
    """
    newest = Adjudication.objects.filter(comparison=OuterRef("pk")).order_by("-id")
    kept_a, kept_b, kept_ties = F("kept_a"), F("kept_b"), F("kept_ties")
    n_verdict = Case(When(kept_a=kept_b, then=kept_ties), default=Greatest(kept_a, kept_b), output_field=IntegerField())
    agreement = Cast(n_verdict, FloatField()) / NullIf(Cast(F("n_kept"), FloatField()), Value(0.0))
    # Each side is never null: what is not known to be tied is to be known as not tied.
    is_tied = Q(verdict__isnull=False, verdict="tie") | Q(verdict=None, kept_a=kept_b)
    by_ratings = Q(verdict=None)
    conditions = {
        "gold": Q(gold_preferred__isnull=False),
        "quiz": Exists(WorkedExample.objects.filter(comparison=OuterRef("pk"), in_quiz=True)),
        "flagged": Q(n_flags__gt=0),
        "filtered": ~_is_wanted(spec),
        "invalid": Q(verdict="invalid"),
        "adjudicated": Q(verdict__isnull=False) & Q(Value(not spec.include_adjudicated)),
        "excluded": (by_ratings | Q(Value(spec.chooses_ratings))) & Q(n_kept=0),
        "too_few_ratings": by_ratings & Q(n_kept__lt=spec.min_ratings),
        "tied": is_tied & Q(Value(spec.ties == "drop")),
        "low_agreement": by_ratings
        & Q(agreement__lt=spec.min_agreement - EPSILON)
        & Q(Value(spec.low_agreement == "drop")),
        "too_weak": ~is_tied & Q(strength__lt=(spec.min_intensity or 0) - EPSILON),
    }
    judged = _described(comparisons)
    judged = judged.annotate(
        verdict=NullIf(Subquery(newest.values("verdict")[:1]), Value(REOPENED)),
        verdict_intensity=Subquery(newest.values("intensity")[:1]),
        kept_a=_kept("n_a", Preferred.A, spec, excluded),
        kept_b=_kept("n_b", Preferred.B, spec, excluded),
        kept_ties=_kept("n_ties", Preferred.TIE, spec, excluded),
    )
    judged = judged.annotate(n_kept=kept_a + kept_b + kept_ties).annotate(agreement=agreement)
    return judged.annotate(strength=_strength(spec, excluded)).annotate(
        fate=Case(
            *[When(conditions[name], then=Value(name)) for name in LEFT_OUT],
            default=Value(TAKEN),
            output_field=models.CharField(),
        )
    )


def taken(project: Project, spec: Spec) -> QuerySet[Comparison]:
    """The comparisons of the set, in the order of their ids: what the fates leave, less what is too many of one kind of
    source, of one cluster, or in all.
    """
    chosen = _mixed(with_fate(rated(project), spec, excluded_labellers(project)).filter(IS_TAKEN), spec)
    if spec.max_comparisons is not None:
        chosen = _first(chosen, spec.max_comparisons)
    return chosen.order_by("pk")


def _mixed(chosen: QuerySet[Comparison], spec: Spec) -> QuerySet[Comparison]:
    """Without what is too many of one kind of source or of one cluster."""
    for kind, share in sorted(spec.max_source_share.items()):
        if share < 1:
            has_kind = Q(a_kind=kind) | Q(b_kind=kind)
            most = math.floor(share / (1 - share) * chosen.exclude(has_kind).count() + EPSILON)
            chosen = _first(chosen, most, among=has_kind)
    if spec.max_cluster_share is not None:
        chosen = _capped_by_cluster(chosen, spec.max_cluster_share)
    return chosen


def ai_offered(project: Project, spec: Spec) -> QuerySet[Comparison]:
    """Comparisons whose AI ratings the spec would take, with `ai_p_a`: their mean P(a preferred), by the weights of the
    principles. Nothing that people have decided, none of them flagged, gold or in a quiz, and only what is trained on.
    """
    theirs = counting(project).filter(comparison=OuterRef("pk"))
    weight = Subquery(Principle.objects.filter(pk=OuterRef("principle")).values("weight"))
    mean = theirs.order_by().values("comparison").annotate(p=Sum(F("p_a") * weight) / Sum(weight)).values("p")
    is_undecided = Q(state__in=[ComparisonState.OPEN, ComparisonState.COMPLETE])
    undecided = Comparison.objects.filter(is_undecided, project=project)
    if spec.ai["use"] == "all":
        undecided = with_fate(undecided, spec, excluded_labellers(project)).filter(
            Q(n_ratings=0) | Q(fate__in=["excluded", "too_few_ratings"])
        )
    else:
        undecided = _described(undecided.filter(n_ratings=0))
    quiz = Exists(WorkedExample.objects.filter(comparison=OuterRef("pk"), in_quiz=True))
    verdict = Exists(Adjudication.objects.filter(comparison=OuterRef("pk")))
    offered = (
        undecided.filter(Exists(theirs), ~quiz, ~verdict, _is_wanted(spec), gold_preferred=None, n_flags=0)
        .alias(tenth=DigestTenth("digest"))
        .filter(tenth__lt=N_TRAIN_TENTHS)
        .annotate(ai_p_a=Subquery(mean, output_field=FloatField()))
    )
    if spec.ties == "drop":
        offered = offered.exclude(ai_p_a__gt=0.5 - EPSILON, ai_p_a__lt=0.5 + EPSILON)
    return offered


def ai_taken(project: Project, spec: Spec, n_people: int) -> QuerySet[Comparison]:
    """Those of `ai_offered` that are put beside `n_people` comparisons that people have decided, in the order of their
    ids: no more than the share allows and than max_comparisons leaves, then the mix.

    None of them for a spec that takes no AI ratings.
    """
    if not spec.takes_ai:
        return Comparison.objects.none()
    chosen, share = ai_offered(project, spec), spec.ai["max_share"]
    bounds = []
    if share < 1:
        bounds.append(math.floor(share / (1 - share) * n_people + EPSILON))
    if spec.max_comparisons is not None:
        bounds.append(max(0, spec.max_comparisons - n_people))
    if bounds:
        chosen = _first(chosen, min(bounds))
    return _mixed(chosen, spec).order_by("pk")


def largest_cluster(sizes: list[int], n: int, share: float) -> int:
    """The most comparisons of one cluster of these sizes so that none is above `share` of what is left; 1 at least.

    `n` are all comparisons, those without a cluster among them. Fewer of the large ones leave fewer in all, so the
    bound falls until it holds.
    """
    others = n - sum(sizes)
    most = max(sizes, default=0)
    while most > 1:
        allowed = math.floor(share * (others + sum(min(size, most) for size in sizes)) + EPSILON)
        if allowed >= most:
            return most
        most = max(1, allowed)
    return max(1, most)


def _described(comparisons: QuerySet[Comparison]) -> QuerySet[Comparison]:
    """With what filters and the mix ask of prompts and completions."""
    return comparisons.alias(
        language=_of_prompt("language"),
        tags=_of_prompt("tags"),
        cluster=_of_prompt("cluster"),
        digest=_of_prompt("digest"),
        a_source=_of_completion("a", "source"),
        b_source=_of_completion("b", "source"),
        a_kind=_of_completion("a", "source__kind"),
        b_kind=_of_completion("b", "source__kind"),
    )


def _of_prompt(field: str) -> Subquery:
    """A field of a comparison's prompt."""
    return Subquery(Prompt.objects.filter(pk=OuterRef("prompt")).values(field))


def _of_completion(side: str, field: str) -> Subquery:
    """A field of a comparison's completion on one side, "a" or "b"."""
    return Subquery(Completion.objects.filter(pk=OuterRef(side)).values(field))


def _first(comparisons: QuerySet[Comparison], most: int, *, among: Q | None = None) -> QuerySet[Comparison]:
    """Without those of `among` that the draw puts behind its first `most`."""
    among = among or Q()
    drawn = comparisons.alias(draw=_DRAW)
    bound = drawn.filter(among).order_by("draw").values_list(_DRAW)[most : most + 1].first()
    return comparisons if bound is None else drawn.exclude(among & Q(draw__gte=bound[0]))


def _capped_by_cluster(comparisons: QuerySet[Comparison], share: float) -> QuerySet[Comparison]:
    """With no more of one cluster than a share of what is left, the first by the draw."""
    has_one = Q(cluster__isnull=False)
    sizes = [
        row["n"] for row in comparisons.filter(has_one).order_by().values(which=F("cluster")).annotate(n=Count("pk"))
    ]
    most = largest_cluster(sizes, comparisons.count(), share)
    drawn = comparisons.alias(draw=_DRAW)
    place = Window(RowNumber(), partition_by=[F("cluster")], order_by=[F("draw")])
    beyond = drawn.filter(has_one).order_by().annotate(place=place).filter(place=most + 1)
    bounds = dict(beyond.values_list(F("cluster"), F("draw")))
    if not bounds:
        return comparisons
    # One value to look in, since a condition for each of a thousand clusters would be tried on every comparison.
    bound = Func(
        Value(json.dumps(bounds)), Cast("cluster", models.TextField()),
        template="(%(expressions)s)", arg_joiner="::jsonb ->> ", output_field=models.TextField(),
    )  # fmt: skip
    return drawn.alias(bound=bound).exclude(bound__isnull=False, draw__gte=F("bound"))


def _is_wanted(spec: Spec) -> Q:
    """Whether the spec wants a comparison for its prompt and its completions' sources."""
    wanted = Q(Value(True))
    for names, values in (
        (("a_source__in", "b_source__in"), spec.sources),
        (("a_kind__in", "b_kind__in"), spec.source_kinds),
        (("language__in",), spec.languages),
        (("tags__overlap",), spec.tags),
    ):
        if values:
            for name in names:
                wanted &= Q(**{name: values})
    if spec.without_tags:
        wanted &= ~Q(tags__overlap=spec.without_tags)
    return wanted


def _kept(column: str, answer: Preferred, spec: Spec, excluded: list[int]) -> Any:
    """A comparison's count of one answer among the ratings that count: its column where all of them do."""
    if not excluded and not spec.chooses_ratings:
        return F(column)
    theirs = kept(Rating.objects.filter(comparison=OuterRef("pk"), preferred=answer), spec, excluded)
    n_theirs = theirs.order_by().values("comparison").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(n_theirs), 0, output_field=IntegerField())


def _strength(spec: Spec, excluded: list[int]) -> Any:
    """Mean intensity of those who gave the verdict, or the reviewer's; null where it is unknown or nobody asks."""
    if spec.min_intensity is None:
        return Value(None, output_field=FloatField())

    def mean(answer: Preferred) -> Subquery:
        theirs = kept(Rating.objects.filter(comparison=OuterRef("pk"), preferred=answer), spec, excluded)
        return Subquery(theirs.order_by().values("comparison").annotate(mean=Avg("intensity")).values("mean"))

    return Case(
        When(verdict__isnull=False, then=Cast("verdict_intensity", FloatField())),
        When(kept_a__gt=F("kept_b"), then=mean(Preferred.A)),
        When(kept_b__gt=F("kept_a"), then=mean(Preferred.B)),
        output_field=FloatField(),
    )
