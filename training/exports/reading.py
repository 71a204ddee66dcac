"""Rows of a comparison set, streamed from the database."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from annotate.agreement.models import ComparisonAnswer
from annotate.comparisons.models import Comparison
from annotate.pool.models import Completion, Prompt
from annotate.projects.models import Project
from annotate.rankings.models import RankingAnswer
from annotate.ratings.models import Rating
from training.exports.aggregation import EPSILON, Verdict, Vote, adjudicated, aggregate, drawn_side, split_of
from training.exports.querysets import ai_taken, excluded_labellers, kept, taken
from training.exports.spec import Spec

CHUNK = 5_000
# Who said which completion is better.
HUMAN, AI = "human", "ai"


def comparison_rows(project: Project, spec: Spec) -> Iterator[dict[str, Any]]:
    """The rows of the set in the order of comparison ids, each with `labeller_ids` on top of the shards' columns; of a
    spec that takes AI ratings each with its `origin`, those of AI ratings after the others.

    A server-side cursor walks the comparisons, so memory does not grow with them; texts, ratings and what is known
    beside them are fetched with a few queries a chunk. The verdict is taken from the ratings themselves, so a rating
    that arrives while this runs cannot make a row whose numbers contradict the ratings it names.
    """
    excluded = excluded_labellers(project)
    columns = ("id", "prompt_id", "a_id", "b_id", "verdict", "verdict_intensity")
    n_people = 0
    for chunk in _chunks(taken(project, spec), columns):
        for row in _rows_of(project, spec, excluded, chunk):
            n_people += 1
            yield row | {"origin": HUMAN} if spec.takes_ai else row
    if spec.takes_ai:
        for chunk in _chunks(ai_taken(project, spec, n_people), ("id", "prompt_id", "a_id", "b_id", "ai_p_a")):
            yield from _ai_rows_of(project, spec, chunk)


def _chunks(comparisons: QuerySet[Comparison], columns: tuple[str, ...]) -> Iterator[list[tuple]]:
    cursor = comparisons.values_list(*columns).iterator(chunk_size=CHUNK)
    while chunk := list(itertools.islice(cursor, CHUNK)):
        yield chunk


def _rows_of(project: Project, spec: Spec, excluded: list[int], chunk: list[tuple]) -> Iterator[dict[str, Any]]:
    ids = [row[0] for row in chunk]
    prompts, completions = _prompts(chunk), _completions(chunk)
    ratings: dict[int, list[tuple]] = defaultdict(list)
    for comparison_id, *rating in (
        kept(Rating.objects.filter(comparison__in=_one_of(ids)), spec, excluded)
        .order_by("id")
        .values_list(
            "comparison_id",
            "id",
            "preferred",
            "intensity",
            "guideline_version__number",
            "labeller_id",
            "labeller__pseudonym",
            "assignment__first",
            "bucket",
            "ranking_id",
        )
    ):
        ratings[comparison_id].append(tuple(rating))
    rankings = _rankings({rating[8] for given in ratings.values() for rating in given if rating[8] is not None})
    batches = _batches(ids)
    posteriors = _posteriors(ids) if spec.preference == "posterior" else {}
    for comparison_id, prompt_id, a_id, b_id, verdict, verdict_intensity in chunk:
        given = ratings[comparison_id]
        decided = _decide(
            project, spec, comparison_id, verdict, verdict_intensity, given, posteriors.get(comparison_id)
        )
        if decided is None:
            continue
        messages, digest, language, tags, cluster = prompts[prompt_id]
        is_a = decided.chosen == "a"
        chosen, rejected = (completions[pk] for pk in ((a_id, b_id) if is_a else (b_id, a_id)))
        asked_as = sorted(rankings[rating[8]] for rating in given if rating[8] in rankings)
        yield {
            **_texts(messages, chosen, rejected),
            "margin": decided.margin,
            "weight": decided.weight,
            "soft_preference": decided.soft_preference,
            "intensity": decided.intensity,
            "agreement": decided.agreement,
            "n_ratings": len(given),
            "axis": project.axis,
            "chosen_is_a": is_a,
            "comparison_id": comparison_id,
            "prompt_digest": digest,
            "split": split_of(digest),
            "rating_ids": [rating[0] for rating in given],
            "guideline_versions": sorted({rating[3] for rating in given if rating[3] is not None}),
            "group": f"ranking-{asked_as[0]}" if asked_as else None,
            "is_hard": decided.is_hard,
            "safety_bucket": _commonest([rating[7] for rating in given if rating[7] is not None]),
            "language": language,
            "tags": tags,
            "cluster": cluster,
            "batch": batches.get(comparison_id, 0),
            "labellers": [rating[5] for rating in given],
            "sides": [_towards(rating[1], decided.chosen) for rating in given],
            "firsts": [_towards(rating[6], decided.chosen) for rating in given],
            "labeller_ids": {rating[4] for rating in given},
            "is_tie": decided.is_tie,
        }


def _ai_rows_of(project: Project, spec: Spec, chunk: list[tuple]) -> Iterator[dict[str, Any]]:
    """Rows of AI ratings. Nobody's rating is in them: no labellers, no intensity, no agreement of people."""
    ids = [row[0] for row in chunk]
    prompts, completions = _prompts(chunk), _completions(chunk)
    batches = _batches(ids)
    for comparison_id, prompt_id, a_id, b_id, p_a in chunk:
        messages, digest, language, tags, cluster = prompts[prompt_id]
        is_tie = abs(p_a - 0.5) < EPSILON
        is_a = drawn_side(comparison_id) == "a" if is_tie else p_a > 0.5
        chosen, rejected = (completions[pk] for pk in ((a_id, b_id) if is_a else (b_id, a_id)))
        yield {
            **_texts(messages, chosen, rejected),
            "margin": 0.0,
            "weight": float(spec.ai["weight"]),
            "soft_preference": max(p_a, 1 - p_a),
            "intensity": None,
            "agreement": None,
            "n_ratings": 0,
            "axis": project.axis,
            "chosen_is_a": is_a,
            "comparison_id": comparison_id,
            "prompt_digest": digest,
            "split": split_of(digest),
            "rating_ids": [],
            "guideline_versions": [],
            "group": None,
            "is_hard": False,
            "safety_bucket": None,
            "language": language,
            "tags": tags,
            "cluster": cluster,
            "batch": batches.get(comparison_id, 0),
            "labellers": [],
            "sides": [],
            "firsts": [],
            "origin": AI,
            "labeller_ids": set(),
            "is_tie": is_tie,
        }


def _prompts(chunk: list[tuple]) -> dict[int, tuple]:
    """messages, digest, language, tags and cluster of the prompts of a chunk."""
    found = Prompt.objects.filter(pk__in=_one_of(row[1] for row in chunk))
    return {row[0]: row[1:] for row in found.values_list("id", "messages", "digest", "language", "tags", "cluster")}


def _completions(chunk: list[tuple]) -> dict[int, tuple]:
    """text, source and its kind of the completions of a chunk."""
    found = Completion.objects.filter(pk__in=_one_of(completion for row in chunk for completion in row[2:4]))
    return {row[0]: row[1:] for row in found.values_list("id", "text", "source__name", "source__kind")}


def _texts(messages: list[dict[str, str]], chosen: tuple, rejected: tuple) -> dict[str, Any]:
    return {
        "prompt": [{"role": m["role"], "content": m["content"]} for m in messages],
        "chosen": [{"role": "assistant", "content": chosen[0]}],
        "rejected": [{"role": "assistant", "content": rejected[0]}],
        "chosen_source": chosen[1],
        "rejected_source": rejected[1],
        "chosen_chars": len(chosen[0]),
        "rejected_chars": len(rejected[0]),
        "chosen_source_kind": chosen[2],
        "rejected_source_kind": rejected[2],
    }


def _decide(
    project: Project,
    spec: Spec,
    comparison_id: int,
    verdict: str | None,
    intensity: int | None,
    given: list[tuple],
    posterior_a: float | None,
) -> Verdict | None:
    n_levels = project.n_intensities
    if verdict is not None:
        if not given and spec.chooses_ratings:
            return None  # none of its ratings is among those that were asked for
        return adjudicated(verdict, intensity, len(given), spec, n_levels=n_levels, comparison_id=comparison_id)
    votes = [Vote(rating[1], rating[2]) for rating in given]
    return aggregate(votes, spec, n_levels=n_levels, comparison_id=comparison_id, posterior_a=posterior_a)


def _one_of(ids: Iterable[int]) -> RawSQL:
    """For `…__in`: one parameter instead of one for each of thousands, which take longer to write than the query."""
    return RawSQL("SELECT unnest(%s::bigint[])", [sorted(set(ids))])


def _towards(side: str | None, chosen: str) -> int:
    """+1 where a side is the chosen one, −1 where it is the other, 0 for a tie and for unknown."""
    return 0 if side not in ("a", "b") else 1 if side == chosen else -1


def _commonest(values: list[int]) -> int | None:
    """The commonest value, the lowest of several; None of none."""
    if not values:  # most comparisons: a Counter would cost more than the rest of the row
        return None
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], value))


def _rankings(answers: set) -> dict[Any, int]:
    """The ranking that was asked for by each answer of one."""
    if not answers:
        return {}
    found = RankingAnswer.objects.filter(client_id__in=answers)
    return dict(found.values_list("client_id", "assignment__ranking_id"))


def _batches(ids: list[int]) -> dict[int, int]:
    """The number of the sampling round that first asked for each comparison that one asked for."""
    found = Comparison.objects.filter(pk__in=_one_of(ids), sampled_in__isnull=False)
    batches: dict[int, int] = {}
    for pk, number in found.values_list("pk", "sampled_in__sampling_round__number"):
        batches[pk] = min(number, batches.get(pk, number))
    return batches


def _posteriors(ids: list[int]) -> dict[int, float]:
    """The model of labellers' P(a preferred), a tie being half of each."""
    found = ComparisonAnswer.objects.filter(pk__in=_one_of(ids)).values_list("pk", "p_a", "p_tie")
    return {pk: p_a + p_tie / 2 for pk, p_a, p_tie in found}
