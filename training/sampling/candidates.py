"""What may be asked for next: completion pairs of the pool that this project has no ratings of."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from django.db.models import Count, Q, QuerySet

from annotate.comparisons.models import Comparison, ComparisonState
from annotate.pool.models import Completion, Prompt
from annotate.projects.models import Project
from training.generation.models import GeneratedCompletion, Generation

CHUNK = 500
# C(12, 2) = 66 pairs of one prompt are plenty; of a longer list the newest count, for a policy moves on.
MAX_COMPLETIONS = 12


def candidate_rows(
    project: Project, generation: Generation | None = None, mix: Counter[str] | None = None
) -> Iterator[dict[str, Any]]:
    """{"prompt_id", "messages", "completions": [{"id", "text"}], "pairs": [[id, id]]}, one prompt a row.

    With a generation: only pairs of which it wrote one side at least. Pairs of texts that are equal but for their white
    space are none. `mix` counts the completions by the kind of their source. Streamed: memory holds 500 prompts with 12
    completions each, for which three queries are made (four with a generation).
    """
    prompts = Prompt.objects.filter(pool=project.pool_id)
    if generation is not None:
        prompts = prompts.filter(pk__in=_of_generation(generation).values("completion__prompt"))
    rows = prompts.order_by("pk").values_list("pk", "messages").iterator(chunk_size=CHUNK)
    while chunk := list(itertools.islice(rows, CHUNK)):
        ids = [pk for pk, _ in chunk]
        fresh = None
        if generation is not None:
            of_chunk = _of_generation(generation).filter(completion__prompt__in=ids)
            fresh = set(of_chunk.values_list("completion", flat=True))
        completions = _completions(ids, fresh)
        taken = _taken_pairs(project, ids)
        for prompt_id, messages in chunk:
            mine = completions[prompt_id]
            same = {pk: " ".join(text.split()) for pk, text, _ in mine}
            pairs = [
                [first, second]
                for (first, _, _), (second, _, _) in itertools.combinations(mine, 2)
                if (first, second) not in taken
                and same[first] != same[second]
                and (fresh is None or first in fresh or second in fresh)
            ]
            if not pairs:
                continue
            used = {completion for pair in pairs for completion in pair}
            if mix is not None:
                mix.update(kind for pk, _, kind in mine if pk in used)
            yield {
                "prompt_id": prompt_id,
                "messages": _plain(messages),
                "completions": [{"id": pk, "text": text} for pk, text, _ in mine if pk in used],
                "pairs": pairs,
            }


def labelled_rows(project: Project) -> Iterator[dict[str, Any]]:
    """{"prompt_id", "messages", "n"} of each prompt with n rated comparisons of this project. Streamed by 500."""
    rated = Comparison.objects.filter(project=project, n_ratings__gt=0)
    counts = rated.order_by("prompt").values_list("prompt").annotate(n=Count("pk")).iterator(chunk_size=CHUNK)
    while chunk := dict(itertools.islice(counts, CHUNK)):
        for pk, messages in Prompt.objects.filter(pk__in=chunk).order_by("pk").values_list("pk", "messages"):
            yield {"prompt_id": pk, "messages": _plain(messages), "n": chunk[pk]}


def _plain(messages: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def _of_generation(generation: Generation) -> QuerySet[GeneratedCompletion]:
    return GeneratedCompletion.objects.filter(generation=generation)


def _completions(prompt_ids: list[int], fresh: set[int] | None) -> dict[int, list[tuple[int, str, str]]]:
    """(id, text, kind of source) of each prompt, oldest first: the newest 12, those in `fresh` before all others."""
    found: dict[int, list[tuple[int, str, str]]] = defaultdict(list)
    rows = Completion.objects.filter(prompt_id__in=prompt_ids).order_by("-pk")
    columns = ("prompt_id", "pk", "text", "source__kind")
    others: dict[int, list[tuple[int, str, str]]] = defaultdict(list)
    for prompt_id, pk, text, kind in rows.values_list(*columns).iterator(chunk_size=CHUNK):
        into = found if fresh is None or pk in fresh else others
        if len(into[prompt_id]) < MAX_COMPLETIONS:
            into[prompt_id].append((pk, text, kind))
    for prompt_id, rest in others.items():
        found[prompt_id] += rest[: MAX_COMPLETIONS - len(found[prompt_id])]
    for mine in found.values():
        mine.sort()
    return found


def _taken_pairs(project: Project, prompt_ids: list[int]) -> set[tuple[int, int]]:
    """Pairs (a < b) that must not be asked for."""
    return set(not_to_be_asked(project, prompt_ids).values_list("a_id", "b_id"))


def not_to_be_asked(project: Project, prompt_ids: list[int]) -> QuerySet[Comparison]:
    """Comparisons of some prompts that are rated, gold, flagged, or settled without ratings."""
    return Comparison.objects.filter(project=project, prompt_id__in=prompt_ids).filter(
        Q(n_ratings__gt=0)
        | Q(gold_preferred__isnull=False)
        | Q(n_flags__gt=0)
        | Q(state__in=[ComparisonState.ADJUDICATED, ComparisonState.CLOSED])
    )
