"""The report on a judge: its ratings beside what people say of the same comparisons."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from annotate.agreement import metrics
from annotate.comparisons.models import Comparison
from annotate.projects.models import Project
from annotate.ratings.filters import ByteLength
from annotate.ratings.models import Adjudication, Rating
from annotate.ratings.selectors import included
from annotate.ratings.services import REOPENED
from training.judges.comparing import compare, length_slice
from training.judges.models import AiRating, Judge

# The newest so many are compared: more would not narrow an interval that anybody reads.
MOST_COMPARED = 20_000
# Where people and the judge are both confident and apart, a reviewer should look.
CONFIDENT = 0.85
# Reviewers get no more than they can look at.
MOST_DISAGREEMENTS = 500
_SIDE = {"a": 1, "b": -1, "tie": 0}


class People(NamedTuple):
    """What people say of a comparison: side 1 for a, −1 for b, 0 for a tie; the share of ratings that say so."""

    side: int
    share: float
    n_ratings: int
    intensity: float | None
    is_settled: bool


class Judged(NamedTuple):
    """A judge's ratings of one comparison together: means over its principles, by their weights; nan: unanswered."""

    p_a: float
    p_first_order: float
    p_second_order: float


def _quiet(step: int, message: str) -> None:
    """Says nothing."""


# Steps of `report_of`, as it tells them.
STEPS = 3


def report_of(judge: Judge, *, told: Callable[[int, str], None] = _quiet) -> dict[str, Any]:
    """`comparing.compare` of the judge's comparisons that people have an answer to, ties apart, and `disagreements`:
    [{"comparison_id", "p_a", "side", "share", "n_ratings"}], the most confident ones first.

    Gold comparisons are nobody's to learn from: a judge is not asked about them (`selectors.to_judge`). `told`: as it
    begins each of its steps, which one from 0 and in words.
    """
    told(0, "reading AI ratings")
    judged = ratings_of(judge)
    told(1, f"reading people's ratings of {len(judged):,} comparisons")
    people = people_say(judge.project, judged)
    ids = [pk for pk in sorted(judged) if pk in people and people[pk].side != 0]
    about = {
        row[0]: row[1:]
        for row in Comparison.objects.filter(pk__in=ids)
        .annotate(length_a=ByteLength("a__text"), length_b=ByteLength("b__text"))
        .values_list("pk", "length_a", "length_b", "prompt__language", "a__source__kind", "b__source__kind")
    }
    ids = [pk for pk in ids if pk in about]
    length_a = np.array([about[pk][0] for pk in ids], dtype=np.int64)
    length_b = np.array([about[pk][1] for pk in ids], dtype=np.int64)
    told(2, f"comparing {len(ids):,} comparisons")
    p = np.array([judged[pk] for pk in ids], dtype=np.float64).reshape(-1, 3)
    found = compare(
        ids=np.array(ids, dtype=np.int64),
        side=np.array([people[pk].side for pk in ids], dtype=np.int64),
        p_a=p[:, 0],
        p_first_order=p[:, 1],
        p_second_order=p[:, 2],
        length_a=length_a,
        length_b=length_b,
        slices={
            "intensity": np.array([_rounded(people[pk].intensity) for pk in ids], dtype=object),
            "language": np.array([about[pk][2] for pk in ids], dtype=object),
            "source_kinds": np.array([" / ".join(sorted(about[pk][3:5])) for pk in ids], dtype=object),
            "length_difference": np.array(length_slice(length_a, length_b), dtype=object),
        },
        people_kappa=_people_kappa(judge.project, ids),
    )
    return found | {"disagreements": disagreements(judged, people)}


def disagreements(judged: dict[int, Judged], people: dict[int, People]) -> list[dict[str, Any]]:
    """Where people agree (two ratings, or a reviewer's verdict) and the judge is confident of the other side."""
    found: list[dict[str, Any]] = []
    for pk, one in judged.items():
        said = people.get(pk)
        if said is None or said.side == 0 or said.share < CONFIDENT or not (said.n_ratings > 1 or said.is_settled):
            continue
        p_said = one.p_a if said.side > 0 else 1 - one.p_a
        if p_said <= 1 - CONFIDENT:
            found.append(
                {
                    "comparison_id": pk,
                    "p_a": round(one.p_a, 4),
                    "side": "a" if said.side > 0 else "b",
                    "share": round(said.share, 4),
                    "n_ratings": said.n_ratings,
                }
            )
    return sorted(found, key=lambda row: -abs(judged[row["comparison_id"]].p_a - 0.5))[:MOST_DISAGREEMENTS]


def ratings_of(judge: Judge) -> dict[int, Judged]:
    """The judge's ratings by comparison, of the newest comparisons with people's ratings."""
    rows = (
        AiRating.objects.filter(judge=judge, comparison__n_ratings__gt=0, comparison__gold_preferred=None)
        .order_by("-comparison")
        .values_list("comparison_id", "p_a", "p_first_order", "p_second_order", "principle__weight")
    )
    given: dict[int, list[tuple]] = defaultdict(list)
    for pk, *rating in rows.iterator(chunk_size=5_000):
        if pk not in given and len(given) == MOST_COMPARED:
            break
        given[pk].append(tuple(rating))
    return {pk: together(ratings) for pk, ratings in given.items()}


def together(ratings: list[tuple]) -> Judged:
    """Of one comparison's (p_a, p_first_order, p_second_order, weight of the principle); null where unanswered."""
    values = np.array([[np.nan if one is None else one for one in rating[:3]] for rating in ratings], dtype=np.float64)
    weights = np.array([rating[3] for rating in ratings], dtype=np.float64)[:, None]
    weights = np.where(np.isnan(values), 0.0, weights)
    total = weights.sum(axis=0)
    means = np.divide((weights * np.nan_to_num(values)).sum(axis=0), total, out=np.full(3, np.nan), where=total > 0)
    return Judged(*means.tolist())


def people_say(project: Project, comparisons: Iterable[int]) -> dict[int, People]:
    """Their ratings that count together, or a reviewer's verdict; none for one that is invalid or has neither."""
    ids = list(comparisons)
    given: dict[int, list[tuple[str, int | None]]] = defaultdict(list)
    for pk, preferred, intensity in included(Rating.objects.filter(comparison__in=ids, project=project)).values_list(
        "comparison_id", "preferred", "intensity"
    ):
        given[pk].append((preferred, intensity))
    newest = Adjudication.objects.filter(comparison__in=ids).order_by("comparison", "-id").distinct("comparison")
    verdicts = {
        pk: (verdict, intensity)
        for pk, verdict, intensity in newest.values_list("comparison_id", "verdict", "intensity")
        if verdict != REOPENED
    }
    found = {pk: _majority(ratings) for pk, ratings in given.items()}
    for pk, (verdict, intensity) in verdicts.items():
        if verdict in _SIDE:
            found[pk] = People(_SIDE[verdict], 1.0, len(given.get(pk, [])), intensity, True)
        else:
            found.pop(pk, None)
    return found


def _majority(ratings: list[tuple[str, int | None]]) -> People:
    counts = Counter(preferred for preferred, _ in ratings)
    side = "tie" if counts["a"] == counts["b"] else "a" if counts["a"] > counts["b"] else "b"
    given = [intensity for preferred, intensity in ratings if preferred == side and intensity is not None]
    mean = sum(given) / len(given) if given else None
    return People(_SIDE[side], counts[side] / len(ratings), len(ratings), mean, False)


def _people_kappa(project: Project, ids: list[int]) -> metrics.Stat | None:
    """Fleiss' κ of people among themselves on these comparisons; None where too few have several ratings."""
    ratings = included(Rating.objects.filter(comparison__in=ids, project=project))
    rows = list(ratings.values_list("comparison_id", "preferred"))
    if not rows:
        return None
    units = np.array([pk for pk, _ in rows], dtype=np.int64)
    sides = metrics.randomise_orientation(units, np.array([_SIDE[side] for _, side in rows], dtype=np.int64))
    found = metrics.fleiss_kappa(units, sides)
    return None if found.too_few or found.value is None else found


def _rounded(intensity: float | None) -> str:
    return "" if intensity is None else str(round(intensity))
