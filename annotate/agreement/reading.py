"""A project's ratings and comparisons as columns, in one pass and bounded memory.

PostgreSQL writes rows of numbers in its binary COPY format; rows without nulls all have the same size, so numpy reads
them as they come, and no rating ever becomes a Python object.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    Exists,
    F,
    Field,
    Func,
    IntegerField,
    OuterRef,
    QuerySet,
    SmallIntegerField,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, Extract
from numpy.typing import NDArray

from annotate.agreement.metrics.columns import Ratings
from annotate.comparisons.models import Comparison, ComparisonState
from annotate.pool.models import Prompt
from annotate.projects.models import Membership, Project
from annotate.ratings.filters import ByteLength
from annotate.ratings.models import Preferred, Rating
from annotate.ratings.selectors import current

SECONDS_A_WEEK = 7 * 24 * 3600
# 1970-01-01 was a Thursday; weeks begin with their Monday.
_MONDAY = 3 * 24 * 3600
# Bytes of UTF-8 a word takes with the space behind it, as English and German have it. Texts are not read to count them.
_BYTES_A_WORD = 6.0
# What a stored list of one message takes beside its text.
_BYTES_AROUND_A_PROMPT = 60
_BLOCK = 1 << 22

_KINDS: dict[type[Field], str] = {SmallIntegerField: "i2", IntegerField: "i4", BigIntegerField: "i8"}
_SIDE = {"a": 1, "b": -1, "tie": 0}
Columns = dict[str, NDArray[Any]]


def copy_columns(rows: QuerySet[Any], expressions: dict[str, tuple[Any, type[Field]]]) -> Columns:
    """The rows' expressions as columns, by name. Each is a whole number and never null, of the given field's size."""
    annotated = rows.annotate(**{f"c_{name}": Cast(what, kind()) for name, (what, kind) in expressions.items()})
    sql, params = annotated.values_list(*[f"c_{name}" for name in expressions]).query.sql_with_params()
    return _copy(sql, params, {name: kind for name, (_, kind) in expressions.items()})


def _copy(sql: str, params: Any, kinds: dict[str, type[Field]]) -> Columns:
    layout: list[tuple[str, str]] = [("_n", ">i2")]
    for name, kind in kinds.items():
        layout += [(f"_{name}", ">i4"), (name, f">{_KINDS[kind]}")]
    row = np.dtype(layout)
    blocks: list[list[NDArray[Any]]] = [[] for _ in kinds]

    def take(block: bytes) -> None:
        table = np.frombuffer(block, dtype=row)
        for column, name in zip(blocks, kinds, strict=True):
            column.append(table[name].astype(table[name].dtype.newbyteorder("=")))

    connection.ensure_connection()
    with connection.connection.cursor() as cursor:
        buffer = bytearray()
        skip = 19  # signature, flags, length of the extension
        with cursor.copy(f"COPY ({sql}) TO STDOUT (FORMAT BINARY)", params) as copy:
            for data in copy:
                buffer += data
                if len(buffer) >= _BLOCK:
                    end = skip + (len(buffer) - skip) // row.itemsize * row.itemsize
                    take(bytes(buffer[skip:end]))
                    del buffer[:end]
                    skip = 0
        take(bytes(buffer[skip:-2]))
    return {name: np.concatenate(column) for column, name in zip(blocks, kinds, strict=True)}


@dataclass(frozen=True)
class Read:
    """What a snapshot is made from.

    ratings: current ones, one a labeller and comparison, of everybody. is_included: (n,) whether they count for the
    project as a whole. intensity: (n,) 0 for a tie, −1 where none was given. bucket: (n,) −1 without. repeats: the
    labellers (m,) of second looks, and whether they said the same (m,). comparisons: columns of those with ratings or
    flags, ascending by `comparison`.
    """

    ratings: Ratings
    is_included: NDArray[np.bool_]
    intensity: NDArray[np.int8]
    bucket: NDArray[np.int8]
    repeats: tuple[NDArray[np.int64], NDArray[np.bool_]]
    comparisons: Columns
    languages: list[str]

    @property
    def place(self) -> NDArray[np.int64]:
        """(n,) which of the comparisons each rating is of."""
        return np.searchsorted(self.comparisons["comparison"], self.ratings.comparison)


def read(project: Project) -> Read:
    """Two passes: over the comparisons with their texts' lengths, and over the ratings. Ratings of comparisons that
    came between the two are left for the next snapshot."""
    languages = sorted(
        Prompt.objects.filter(pool=project.pool_id).exclude(language="").values_list("language", flat=True).distinct()
    )
    comparisons = _comparisons(project, languages)
    found = _ratings(project)
    at = np.searchsorted(comparisons["comparison"], found["comparison"])
    at[at == len(comparisons["comparison"])] = 0
    if len(comparisons["comparison"]):
        is_known = comparisons["comparison"][at] == found["comparison"]
    else:
        is_known = np.zeros(len(at), dtype=bool)
    found, at = {name: column[is_known] for name, column in found.items()}, at[is_known]
    is_repeat = found["is_repeat"].astype(bool)
    repeats = _repeats(found, is_repeat)
    counts = ~is_repeat
    found, at = {name: column[counts] for name, column in found.items()}, at[counts]
    return Read(
        ratings=_as_ratings(found, {name: column[at] for name, column in comparisons.items()}),
        is_included=~found["is_excluded"].astype(bool),
        intensity=np.where(found["side"] == 0, 0, found["intensity"]).astype(np.int8),
        bucket=found["bucket"].astype(np.int8),
        repeats=repeats,
        comparisons=comparisons,
        languages=languages,
    )


def _ratings(project: Project) -> Columns:
    excluded = Membership.objects.filter(project=project, user=OuterRef("labeller"), excluded_at__isnull=False)
    side = Case(*[When(preferred=name, then=Value(side)) for name, side in _SIDE.items()], output_field=IntegerField())
    is_first = Case(
        When(preferred=Preferred.TIE, then=Value(-1)),
        When(assignment__first=None, then=Value(-1)),
        When(assignment__first=F("preferred"), then=Value(1)),
        default=Value(0),
        output_field=IntegerField(),
    )
    rows = current(Rating.objects.filter(project=project)).order_by("comparison_id", "id")
    return copy_columns(
        rows,
        {
            "comparison": (F("comparison_id"), BigIntegerField),
            "labeller": (F("labeller_id"), BigIntegerField),
            "side": (side, SmallIntegerField),
            "intensity": (Coalesce("intensity", Value(-1)), SmallIntegerField),
            "bucket": (Coalesce("bucket", Value(-1)), SmallIntegerField),
            "first_shown": (is_first, SmallIntegerField),
            "active_ms": (Coalesce("active_ms", Value(-1)), BigIntegerField),
            "version": (Coalesce("guideline_version__number", Value(0)), IntegerField),
            "created_s": (Extract("created_at", "epoch"), BigIntegerField),
            "is_repeat": (Cast("is_repeat", IntegerField()), SmallIntegerField),
            "is_excluded": (Cast(Exists(excluded), IntegerField()), SmallIntegerField),
        },
    )


def _comparisons(project: Project, languages: list[str]) -> Columns:
    """Those with ratings or flags. Lengths are in bytes, which PostgreSQL knows without reading the texts."""
    gold = Case(
        *[When(gold_preferred=name, then=Value(side)) for name, side in _SIDE.items()],
        default=Value(2),
        output_field=IntegerField(),
    )
    is_settled = Case(
        When(state__in=[ComparisonState.ADJUDICATED, ComparisonState.CLOSED], then=Value(1)),
        default=Value(0),
        output_field=IntegerField(),
    )
    language = Func(
        Value(languages),
        F("prompt__language"),
        template="GREATEST(array_position(%(expressions)s), 0)",
        arg_joiner="::text[], ",
        output_field=IntegerField(),
    )
    rows = (
        Comparison.objects.filter(project=project, n_ratings__gt=0)
        | Comparison.objects.filter(project=project, n_flags__gt=0)
    ).order_by("id")
    return copy_columns(
        rows,
        {
            "comparison": (F("id"), BigIntegerField),
            "n_flags": (F("n_flags"), IntegerField),
            "gold": (gold, SmallIntegerField),
            "is_settled": (is_settled, SmallIntegerField),
            "source_a": (F("a__source"), BigIntegerField),
            "source_b": (F("b__source"), BigIntegerField),
            "length_a": (ByteLength("a__text"), IntegerField),
            "length_b": (ByteLength("b__text"), IntegerField),
            "length_prompt": (Func("prompt__messages", function="pg_column_size"), IntegerField),
            # Its place among `languages`, −1 where it is not known.
            "language": (language - Value(1), SmallIntegerField),
        },
    )


def tags(project: Project, most: int) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """The commonest tags of rated comparisons' prompts, and as two columns which comparison has which of them."""
    rated = Comparison.objects.filter(project=project, n_ratings__gt=0)
    each = rated.annotate(tag=Func("prompt__tags", function="unnest", output_field=TextField()))
    ranked = each.order_by().values_list("tag").annotate(n=Count("id")).order_by("-n", "tag")
    names = [tag for tag, _ in ranked[:most]]
    if not names:
        return [], np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    sql = """
        SELECT asked.id, array_position(%s::text[], has.tag::text)
        FROM comparisons_comparison AS asked
        JOIN pool_prompt ON pool_prompt.id = asked.prompt_id
        CROSS JOIN LATERAL unnest(pool_prompt.tags) AS has (tag)
        WHERE asked.project_id = %s AND asked.n_ratings > 0 AND has.tag = ANY (%s)
    """
    found = _copy(sql, [names, project.pk, names], {"comparison": BigIntegerField, "tag": IntegerField})
    return names, found["comparison"], found["tag"].astype(np.int64) - 1


def _repeats(found: Columns, is_repeat: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Second looks beside the same labeller's first one."""
    pairs = np.stack([found["comparison"], found["labeller"]], axis=1)
    first = {tuple(pair): side for pair, side in _of_repeated(pairs, found["side"], is_repeat)}
    labellers, same = [], []
    for pair, side in zip(pairs[is_repeat].tolist(), found["side"][is_repeat].tolist(), strict=True):
        if tuple(pair) in first:
            labellers.append(pair[1])
            same.append(first[tuple(pair)] == side)
    return np.array(labellers, dtype=np.int64), np.array(same, dtype=bool)


def _of_repeated(pairs: NDArray[Any], sides: NDArray[Any], is_repeat: NDArray[np.bool_]) -> list[tuple[Any, int]]:
    chosen = ~is_repeat & np.isin(pairs[:, 0], pairs[is_repeat, 0])
    return list(zip(pairs[chosen].tolist(), sides[chosen].tolist(), strict=True))


def _as_ratings(found: Columns, of: Columns) -> Ratings:
    """`found` by rating, `of` the comparison of each."""
    side = found["side"]
    a_is_longer = np.sign(of["length_a"].astype(np.int64) - of["length_b"])
    gold = of["gold"]
    n_bytes = of["length_a"].astype(np.int64) + of["length_b"]
    n_bytes += np.maximum(of["length_prompt"].astype(np.int64) - _BYTES_AROUND_A_PROMPT, 0)
    return Ratings.from_arrays(
        comparison=found["comparison"],
        labeller=found["labeller"],
        side=side,
        signed_intensity=side * np.where(found["intensity"] > 0, found["intensity"], 1),
        first_shown=found["first_shown"],
        longer=np.where((side == 0) | (a_is_longer == 0), -1, side == a_is_longer),
        gold_right=np.where(gold == 2, -1, gold == side),
        active_ms=found["active_ms"],
        n_words=n_bytes / _BYTES_A_WORD,
        week=(found["created_s"] + _MONDAY) // SECONDS_A_WEEK,
        version=found["version"],
        created_s=found["created_s"],
    )
