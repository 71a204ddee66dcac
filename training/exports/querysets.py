"""The same rules as `aggregation`, as SQL over the counts that comparisons carry, for selection and live counts."""

from django.db import models
from django.db.models import Case, F, FloatField, Func, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import MD5, Cast, Greatest

from annotate.comparisons.models import Comparison
from annotate.projects.models import Project
from annotate.ratings.models import Adjudication
from training.exports.aggregation import EPSILON
from training.exports.spec import Spec

TAKEN = "taken"
IS_TAKEN = Q(fate=TAKEN)
# Why a comparison is left out, in the order in which the reasons are looked at.
LEFT_OUT = ("gold", "flagged", "invalid", "adjudicated", "too_few_ratings", "tied", "low_agreement")


class DigestTenth(Func):
    """`aggregation.split_of` in SQL: the first 32 bits of a hexadecimal digest modulo 10."""

    template = "MOD(('x' || substr(%(expressions)s, 1, 8))::bit(32)::bigint, 10)"
    output_field = IntegerField()


def rated(project: Project) -> QuerySet[Comparison]:
    """Comparisons with ratings. Served by the index comparisons_rated."""
    return Comparison.objects.filter(project=project, n_ratings__gt=0)


def with_fate(comparisons: QuerySet[Comparison], spec: Spec) -> QuerySet[Comparison]:
    """Annotate `verdict` and `verdict_intensity` (newest adjudication, null without) and `fate`: taken, or why not."""
    newest = Adjudication.objects.filter(comparison=OuterRef("pk")).order_by("-id")
    n_verdict = Case(When(n_a=F("n_b"), then=F("n_ties")), default=Greatest("n_a", "n_b"), output_field=IntegerField())
    agreement = Cast(n_verdict, FloatField()) / Cast(F("n_ratings"), FloatField())
    is_tied = Q(verdict="tie") | Q(verdict=None, n_a=F("n_b"))
    by_ratings = Q(verdict=None)
    conditions = {
        "gold": Q(gold_preferred__isnull=False),
        "flagged": Q(n_flags__gt=0),
        "invalid": Q(verdict="invalid"),
        "adjudicated": Q(verdict__isnull=False) & Q(Value(not spec.include_adjudicated)),
        "too_few_ratings": by_ratings & Q(n_ratings__lt=spec.min_ratings),
        "tied": is_tied & Q(Value(spec.ties == "drop")),
        "low_agreement": by_ratings & Q(agreement__lt=spec.min_agreement - EPSILON),
    }
    return comparisons.annotate(
        verdict=Subquery(newest.values("verdict")[:1]),
        verdict_intensity=Subquery(newest.values("intensity")[:1]),
        agreement=agreement,
    ).annotate(
        fate=Case(
            *[When(conditions[name], then=Value(name)) for name in LEFT_OUT],
            default=Value(TAKEN),
            output_field=models.CharField(),
        )
    )


def taken(project: Project, spec: Spec) -> QuerySet[Comparison]:
    """The comparisons of the set, in the order of their ids."""
    chosen = with_fate(rated(project), spec).filter(IS_TAKEN)
    if spec.max_comparisons is not None:
        drawn = (
            chosen.annotate(draw=MD5(Cast("pk", models.TextField())))
            .order_by("draw", "pk")
            .values("pk")[: spec.max_comparisons]
        )
        chosen = with_fate(Comparison.objects.filter(pk__in=drawn), spec)
    return chosen.order_by("pk")
