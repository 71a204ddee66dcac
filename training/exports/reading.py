"""Rows of a comparison set, streamed from the database."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from annotate.pool.models import Completion, Prompt
from annotate.projects.models import Project
from annotate.ratings.models import Rating
from annotate.ratings.selectors import included
from training.exports.aggregation import Verdict, Vote, adjudicated, aggregate, split_of
from training.exports.querysets import taken
from training.exports.spec import Spec

CHUNK = 2_000


def comparison_rows(project: Project, spec: Spec) -> Iterator[dict[str, Any]]:
    """The rows of the set in the order of comparison ids, each with `labeller_ids` on top of the shards' columns.

    A server-side cursor walks the comparisons, so memory does not grow with them; texts and ratings are fetched with
    three queries a chunk. The verdict is taken from the ratings themselves, so a rating that arrives while this runs
    cannot make a row whose numbers contradict the ratings it names.
    """
    columns = ("id", "prompt_id", "a_id", "b_id", "verdict", "verdict_intensity")
    cursor = taken(project, spec).values_list(*columns).iterator(chunk_size=CHUNK)
    chunk: list[tuple] = []
    for comparison in cursor:
        chunk.append(comparison)
        if len(chunk) == CHUNK:
            yield from _rows_of(project, spec, chunk)
            chunk = []
    if chunk:
        yield from _rows_of(project, spec, chunk)


def _rows_of(project: Project, spec: Spec, chunk: list[tuple]) -> Iterator[dict[str, Any]]:
    prompts = {
        pk: (messages, digest)
        for pk, messages, digest in Prompt.objects.filter(pk__in={row[1] for row in chunk}).values_list(
            "id", "messages", "digest"
        )
    }
    completions = {
        pk: (text, source)
        for pk, text, source in Completion.objects.filter(
            pk__in={completion for row in chunk for completion in row[2:4]}
        ).values_list("id", "text", "source__name")
    }
    ratings = defaultdict(list)
    for comparison_id, *rating in (
        included(Rating.objects.filter(comparison_id__in=[row[0] for row in chunk]))
        .order_by("id")
        .values_list("comparison_id", "id", "preferred", "intensity", "guideline_version__number", "labeller_id")
    ):
        ratings[comparison_id].append(rating)
    for comparison_id, prompt_id, a_id, b_id, verdict, verdict_intensity in chunk:
        given = ratings[comparison_id]
        decided = _decide(project, spec, comparison_id, verdict, verdict_intensity, given)
        if decided is None:
            continue
        messages, digest = prompts[prompt_id]
        sides = {"a": completions[a_id], "b": completions[b_id]}
        chosen, rejected = sides[decided.chosen], sides["b" if decided.chosen == "a" else "a"]
        yield {
            "prompt": [{"role": m["role"], "content": m["content"]} for m in messages],
            "chosen": [{"role": "assistant", "content": chosen[0]}],
            "rejected": [{"role": "assistant", "content": rejected[0]}],
            "margin": decided.margin,
            "weight": decided.weight,
            "soft_preference": decided.soft_preference,
            "intensity": decided.intensity,
            "agreement": decided.agreement,
            "n_ratings": len(given),
            "axis": project.axis,
            "chosen_source": chosen[1],
            "rejected_source": rejected[1],
            "chosen_chars": len(chosen[0]),
            "rejected_chars": len(rejected[0]),
            "chosen_is_a": decided.chosen == "a",
            "comparison_id": comparison_id,
            "prompt_digest": digest,
            "split": split_of(digest),
            "rating_ids": [rating[0] for rating in given],
            "guideline_versions": sorted({rating[3] for rating in given if rating[3] is not None}),
            "labeller_ids": {rating[4] for rating in given},
            "is_tie": decided.is_tie,
        }


def _decide(
    project: Project, spec: Spec, comparison_id: int, verdict: str | None, intensity: int | None, given: list[list]
) -> Verdict | None:
    n_levels = project.n_intensities
    if verdict is not None:
        return adjudicated(verdict, intensity, len(given), spec, n_levels=n_levels, comparison_id=comparison_id)
    votes = [Vote(preferred, strength) for _, preferred, strength, _, _ in given]
    return aggregate(votes, spec, n_levels=n_levels, comparison_id=comparison_id)
