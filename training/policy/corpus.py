"""What the built-in models are trained on: the pool's own texts, as JSONL for the engine.

Only prompts of the training split are read, so a reward model that starts from these models has seen no held-out
prompt before its evaluation. Prompts come in the order of their digests, which is random and never changes; a budget of
characters bounds the file, and with it the engine's memory and time, at any size of the pool.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db.models import Case, F, QuerySet, When

from annotate.comparisons.models import Comparison
from annotate.pool.models import Completion, Prompt, SourceKind
from annotate.projects.models import Pool
from training.exports.aggregation import split_of

BUDGET_CHARS = 8_000_000
CHUNK = 500
# Fewer examples than this do not teach a format.
FEW = 20


def corpus_rows(pool: Pool) -> Iterator[dict[str, Any]]:
    """{"messages"}: every completion of every training prompt as a whole conversation."""
    for messages, texts in _conversations(pool, Completion.objects.all()):
        for text in texts:
            yield {"messages": [*messages, {"role": "assistant", "content": text}]}
        if not texts:
            yield {"messages": messages}


def sft_rows(completions: QuerySet[Completion], pool: Pool) -> Iterator[dict[str, Any]]:
    """{"messages", "completion"}: the given completions with their prompts."""
    for messages, texts in _conversations(pool, completions):
        for text in texts:
            yield {"messages": messages, "completion": text}


def sft_completions(pool: Pool) -> tuple[QuerySet[Completion], str]:
    """The completions to fine-tune on and what they are: the first of these that the pool has enough of.

    sft completions; the winners of rated comparisons; completions that people wrote; all of them.
    """
    mine = Completion.objects.filter(prompt__pool=pool)
    choices = (
        (mine.filter(source__kind=SourceKind.SFT), "the pool's sft completions"),
        (mine.filter(pk__in=_winners(pool)), "the completions that ratings preferred, since there are no sft ones"),
        (
            mine.filter(source__kind=SourceKind.HUMAN),
            "the completions that people wrote, since there are neither sft nor rated ones",
        ),
    )
    for completions, what in choices:
        if len(completions.values_list("pk", flat=True)[:FEW]) == FEW:
            return completions, what
    return mine, "all completions of the pool, since there are too few sft, rated or human-written ones"


def _winners(pool: Pool) -> QuerySet[Comparison]:
    """Ids of completions that more ratings prefer than the other one, in any project over the pool."""
    decided = Comparison.objects.filter(project__pool=pool, n_ratings__gt=0, n_flags=0).exclude(n_a=F("n_b"))
    return decided.values_list(Case(When(n_a__gt=F("n_b"), then=F("a")), default=F("b")), flat=True)


def _conversations(pool: Pool, completions: QuerySet[Completion]) -> Iterator[tuple[list[dict[str, str]], list[str]]]:
    """(messages, completion texts) of training prompts until the budget is used up. Two queries for 500 prompts."""
    prompts = Prompt.objects.filter(pool=pool).order_by("digest").values_list("pk", "digest", "messages")
    left = BUDGET_CHARS
    training = (row for row in prompts.iterator(chunk_size=CHUNK) if split_of(row[1]) == "train")
    while left > 0 and (chunk := list(itertools.islice(training, CHUNK))):
        texts = defaultdict(list)
        found = completions.filter(prompt_id__in=[pk for pk, _, _ in chunk]).order_by("digest")
        for prompt_id, text in found.values_list("prompt_id", "text"):
            texts[prompt_id].append(text)
        for pk, _, messages in chunk:
            plain = [{"role": m["role"], "content": m["content"]} for m in messages]
            left -= sum(len(m["content"]) for m in plain) * max(1, len(texts[pk])) + sum(map(len, texts[pk]))
            yield plain, texts[pk]
            if left <= 0:
                return
