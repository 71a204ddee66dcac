"""Which ratings of a project are meant: by labeller, day, guideline version, and by what their comparison is like.

The keys are those of the slices on the agreement page, so that each of its numbers leads to its ratings.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import (
    Case,
    CharField,
    Exists,
    F,
    FloatField,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Cast, Greatest, Least

from annotate.common.days import end_of, start_of
from annotate.comparisons.models import Comparison
from annotate.projects.models import Project
from annotate.ratings.models import Preferred, Rating

# By how much the longer completion of a comparison is the longer one: up to which factor each key goes. Lengths are in
# bytes of UTF-8, which PostgreSQL knows without reading the text.
LENGTHS: dict[str, float] = {"similar": 1.25, "1.25x": 2.0, "2x": 4.0, "4x": float("inf")}
LENGTH_LABELS = {
    "similar": "about as long (up to 1.25×)",
    "1.25x": "1.25× to 2× as long",
    "2x": "2× to 4× as long",
    "4x": "4× as long, or more",
}
AGREEMENT = ("unanimous", "majority", "split")
_LARGEST = Greatest("comparison__n_a", "comparison__n_b", "comparison__n_ties")


class ByteLength(Func):
    function = "octet_length"
    output_field = IntegerField()


@dataclass(frozen=True)
class Filters:
    """None and empty ask for all. since, until: days in UTC, both included. version: 0 for no guidelines read. source:
    "3-7", ids of completion sources, or one of them. intensity: 0 for ties. rated_by: also by this labeller."""

    labeller: int | None = None
    rated_by: int | None = None
    comparison: int | None = None
    version: int | None = None
    since: date | None = None
    until: date | None = None
    language: str = ""
    tag: str = ""
    source: str = ""
    length: str = ""
    intensity: int | None = None
    agreement: str = ""
    bucket: int | None = None

    def apply(self, project: Project) -> QuerySet[Rating]:
        """The project's ratings that are meant, superseded ones and repeats too. Labeller and days are index look-ups
        (`ratings_by_labeller`, `ratings_by_project_and_day`), a comparison as well; the rest narrows them down."""
        rows = Rating.objects.filter(project=project)
        plain: dict[str, Any] = {
            "labeller": self.labeller,
            "comparison": self.comparison,
            "bucket": self.bucket,
            "comparison__prompt__language": self.language or None,
            "comparison__prompt__tags__contains": [self.tag] if self.tag else None,
            "created_at__gte": start_of(self.since) if self.since else None,
            "created_at__lte": end_of(self.until) if self.until else None,
        }
        rows = rows.filter(**{name: value for name, value in plain.items() if value is not None})
        if self.version is not None:
            rows = rows.filter(guideline_version__number=self.version) if self.version else _unread(rows)
        if self.intensity is not None:
            rows = rows.filter(intensity=self.intensity) if self.intensity else rows.filter(preferred=Preferred.TIE)
        if self.rated_by is not None:
            theirs = Rating.objects.filter(comparison=OuterRef("comparison"), labeller=self.rated_by)
            rows = rows.filter(Exists(theirs))
        if self.source:
            rows = rows.filter(_of_sources(self.source))
        if self.length:
            rows = _of_length(rows, self.length)
        if self.agreement:
            rows = rows.annotate(comparison_agreement=agreement_of()).filter(comparison_agreement=self.agreement)
        return rows


def agreement_of() -> Case:
    """How the ratings of a rating's comparison agree: unanimous, majority (more than half), split; null with one."""
    return Case(
        When(comparison__n_ratings__lt=2, then=Value(None)),
        When(comparison__n_dissenting=0, then=Value("unanimous")),
        When(comparison__n_ratings__lt=2 * _LARGEST, then=Value("majority")),
        default=Value("split"),
        output_field=CharField(null=True),
    )


def _unread(rows: QuerySet[Rating]) -> QuerySet[Rating]:
    return rows.filter(guideline_version=None)


def _of_sources(source: str) -> Q:
    ids = [int(part) for part in source.split("-")]
    a, b = "comparison__a__source", "comparison__b__source"
    if len(ids) == 1:
        return Q(**{a: ids[0]}) | Q(**{b: ids[0]})
    return Q(**{a: ids[0], b: ids[1]}) | Q(**{a: ids[1], b: ids[0]})


def _of_length(rows: QuerySet[Rating], key: str) -> QuerySet[Rating]:
    """By the ratio of lengths, of the comparisons alone: a rating has the length of its comparison."""
    bounds = [1.0, *LENGTHS.values()]
    at = list(LENGTHS).index(key)
    lengths = ByteLength("a__text"), ByteLength("b__text")
    ratio = Cast(Greatest(*lengths), FloatField()) / Cast(Least(*lengths), FloatField())
    within = Q(ratio__gte=bounds[at])
    if bounds[at + 1] != float("inf"):
        within &= Q(ratio__lt=bounds[at + 1])
    alike = Comparison.objects.filter(pk=OuterRef("comparison")).annotate(ratio=ratio).filter(within)
    return rows.filter(Exists(alike))


def rating_rows(project: Project, filters: Filters) -> QuerySet[Rating]:
    """The ratings meant with what a row of the list shows, and `comparison_agreement`. One query."""
    return (
        filters.apply(project)
        .annotate(comparison_agreement=agreement_of(), prompt_excerpt=F("comparison__prompt__excerpt"))
        .select_related("labeller", "guideline_version", "superseded_by")
        .defer("guideline_version__body", "superseded_by__justification", "superseded_by__spans", "spans")
    )
