"""The same rules as `aggregation`, as SQL over the counts that comparisons carry, for selection and live counts."""

from typing import Any

from django.db import models
from django.db.models import (
    Case,
    Count,
    F,
    FloatField,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import MD5, Cast, Coalesce, Greatest, NullIf

from annotate.comparisons.models import Comparison
from annotate.projects.models import Membership, Project
from annotate.ratings.models import Adjudication, Preferred, Rating
from annotate.ratings.selectors import counted
from annotate.ratings.services import REOPENED
from training.exports.aggregation import EPSILON
from training.exports.spec import Spec

TAKEN = "taken"
IS_TAKEN = Q(fate=TAKEN)
# Why a comparison is left out, in the order in which the reasons are looked at.
LEFT_OUT = ("gold", "flagged", "invalid", "adjudicated", "excluded", "too_few_ratings", "tied", "low_agreement")


class DigestTenth(Func):
    """`aggregation.split_of` in SQL: the first 32 bits of a hexadecimal digest modulo 10."""

    template = "MOD(('x' || substr(%(expressions)s, 1, 8))::bit(32)::bigint, 10)"
    output_field = IntegerField()


def rated(project: Project) -> QuerySet[Comparison]:
    """Comparisons with ratings. Served by the index comparisons_rated."""
    return Comparison.objects.filter(project=project, n_ratings__gt=0)


def excluded_labellers(project: Project) -> list[int]:
    """Users whose ratings a reviewer keeps out of comparison sets."""
    members = Membership.objects.filter(project=project, excluded_at__isnull=False)
    return list(members.order_by("user").values_list("user", flat=True))


def with_fate(comparisons: QuerySet[Comparison], spec: Spec, excluded: list[int]) -> QuerySet[Comparison]:
    """Annotate `verdict` and `verdict_intensity` (newest adjudication, null without one or when the comparison was sent
    back to labelling since), `n_kept`, the ratings that are not of `excluded` labellers, and `fate`: taken, or why not.
    """
    newest = Adjudication.objects.filter(comparison=OuterRef("pk")).order_by("-id")
    kept_a, kept_b, kept_ties = F("kept_a"), F("kept_b"), F("kept_ties")
    n_verdict = Case(When(kept_a=kept_b, then=kept_ties), default=Greatest(kept_a, kept_b), output_field=IntegerField())
    agreement = Cast(n_verdict, FloatField()) / NullIf(Cast(F("n_kept"), FloatField()), Value(0.0))
    is_tied = Q(verdict="tie") | Q(verdict=None, kept_a=kept_b)
    by_ratings = Q(verdict=None)
    conditions = {
        "gold": Q(gold_preferred__isnull=False),
        "flagged": Q(n_flags__gt=0),
        "invalid": Q(verdict="invalid"),
        "adjudicated": Q(verdict__isnull=False) & Q(Value(not spec.include_adjudicated)),
        "excluded": by_ratings & Q(n_kept=0),
        "too_few_ratings": by_ratings & Q(n_kept__lt=spec.min_ratings),
        "tied": is_tied & Q(Value(spec.ties == "drop")),
        "low_agreement": by_ratings & Q(agreement__lt=spec.min_agreement - EPSILON),
    }
    return (
        comparisons.annotate(
            verdict=NullIf(Subquery(newest.values("verdict")[:1]), Value(REOPENED)),
            verdict_intensity=Subquery(newest.values("intensity")[:1]),
            kept_a=_kept("n_a", Preferred.A, excluded),
            kept_b=_kept("n_b", Preferred.B, excluded),
            kept_ties=_kept("n_ties", Preferred.TIE, excluded),
        )
        .annotate(n_kept=kept_a + kept_b + kept_ties)
        .annotate(agreement=agreement)
        .annotate(
            fate=Case(
                *[When(conditions[name], then=Value(name)) for name in LEFT_OUT],
                default=Value(TAKEN),
                output_field=models.CharField(),
            )
        )
    )


def _kept(column: str, answer: Preferred, excluded: list[int]) -> Any:
    """A comparison's count of one answer without the excluded labellers'. Without any of these it is the column."""
    if not excluded:
        return F(column)
    theirs = counted(Rating.objects.filter(comparison=OuterRef("pk"), labeller__in=excluded, preferred=answer))
    n_theirs = theirs.order_by().values("comparison").annotate(n=Count("pk")).values("n")
    return F(column) - Coalesce(Subquery(n_theirs), 0, output_field=IntegerField())


def taken(project: Project, spec: Spec) -> QuerySet[Comparison]:
    """The comparisons of the set, in the order of their ids."""
    excluded = excluded_labellers(project)
    chosen = with_fate(rated(project), spec, excluded).filter(IS_TAKEN)
    if spec.max_comparisons is not None:
        drawn = (
            chosen.annotate(draw=MD5(Cast("pk", models.TextField())))
            .order_by("draw", "pk")
            .values("pk")[: spec.max_comparisons]
        )
        chosen = with_fate(Comparison.objects.filter(pk__in=drawn), spec, excluded)
    return chosen.order_by("pk")
