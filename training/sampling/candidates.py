"""What may be asked for next: completion pairs of the pool that this project has no ratings of."""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db.models import Q

from annotate.comparisons.models import Comparison, ComparisonState
from annotate.pool.models import Completion, Prompt
from annotate.projects.models import Project

CHUNK = 500
# C(12, 2) = 66 pairs of one prompt are plenty; the rest of a longer list waits for a later round.
MAX_COMPLETIONS = 12


def candidate_rows(project: Project) -> Iterator[dict[str, Any]]:
    """{"prompt_id", "messages", "completions": [{"id", "text"}], "pairs": [[id, id]]}, one prompt a row.

    Streamed: memory holds 500 prompts, for each of which three queries are made.
    """
    prompts = Prompt.objects.filter(pool=project.pool_id).order_by("pk").values_list("pk", "messages")
    rows = prompts.iterator(chunk_size=CHUNK)
    while chunk := list(itertools.islice(rows, CHUNK)):
        ids = [pk for pk, _ in chunk]
        completions: dict[int, list[tuple[int, str]]] = defaultdict(list)
        for prompt_id, pk, text in (
            Completion.objects.filter(prompt_id__in=ids).order_by("pk").values_list("prompt_id", "pk", "text")
        ):
            if len(completions[prompt_id]) < MAX_COMPLETIONS:
                completions[prompt_id].append((pk, text))
        taken = _taken_pairs(project, ids)
        for prompt_id, messages in chunk:
            mine = completions[prompt_id]
            pairs = [
                [first, second]
                for (first, _), (second, _) in itertools.combinations(mine, 2)
                if (first, second) not in taken
            ]
            if pairs:
                used = {completion for pair in pairs for completion in pair}
                yield {
                    "prompt_id": prompt_id,
                    "messages": [{"role": m["role"], "content": m["content"]} for m in messages],
                    "completions": [{"id": pk, "text": text} for pk, text in mine if pk in used],
                    "pairs": pairs,
                }


def _taken_pairs(project: Project, prompt_ids: list[int]) -> set[tuple[int, int]]:
    """Pairs (a < b) that must not be asked for: rated, gold, flagged, or settled without ratings."""
    settled = Comparison.objects.filter(project=project, prompt_id__in=prompt_ids).filter(
        Q(n_ratings__gt=0)
        | Q(gold_preferred__isnull=False)
        | Q(n_flags__gt=0)
        | Q(state__in=[ComparisonState.ADJUDICATED, ComparisonState.CLOSED])
    )
    return set(settled.values_list("a_id", "b_id"))
