"""Which prompts of the pool are completed."""

import heapq
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db.models import Avg, Count, Exists, F, OuterRef, QuerySet, TextField, Value, Window
from django.db.models.functions import MD5, Cast, Concat, Length, RowNumber

from annotate.comparisons.models import Comparison
from annotate.pool.models import Completion, Prompt, SourceKind
from annotate.projects.models import Project
from training.generation.models import Generation
from training.generation.options import LEAST_COVERED, GenerationOptions

CHUNK = 500
# Prompts whose completions may stand in as random ones; more would not make them more random.
DONOR_PROMPTS = 2_000
CHARS_PER_TOKEN = 4


def eligible(project: Project, options: GenerationOptions) -> QuerySet[Prompt]:
    """The prompts that fit the options."""
    rows = Prompt.objects.filter(pool=project.pool_id)
    if options.tags:
        rows = rows.filter(tags__overlap=list(options.tags))
    if options.languages:
        rows = rows.filter(language__in=options.languages)
    if options.origins:
        rows = rows.filter(origin__in=options.origins)
    if options.clusters:
        rows = rows.filter(cluster__in=options.clusters)
    if options.is_unlabelled_only:
        rated = Comparison.objects.filter(project=project, prompt=OuterRef("pk"), n_ratings__gt=0)
        rows = rows.filter(~Exists(rated))
    return rows


def choose_prompts(project: Project, options: GenerationOptions, seed: int) -> list[int]:
    """Ids of up to `n_prompts` eligible prompts, the same for the same seed and pool.

    At random: by a hash of digest and seed. Least covered: each next prompt is of the cluster that has the fewest
    rated comparisons in the project, those chosen so far counted as such; within a cluster at random. So the tails
    come first, and none of them alone takes the whole batch. Prompts without a cluster count as one.
    """
    n = options.n_prompts
    shuffled = eligible(project, options).annotate(
        lot=MD5(Concat(F("digest"), Value(f"/{seed}"), output_field=TextField()))
    )
    if options.order != LEAST_COVERED:
        return list(shuffled.order_by("lot", "pk").values_list("pk", flat=True)[:n])
    ranked = shuffled.annotate(
        rank=Window(RowNumber(), partition_by=[F("cluster")], order_by=[F("lot").asc(), F("pk").asc()])
    ).filter(rank__lte=n)
    by_cluster: dict[int | None, list[int]] = defaultdict(list)
    for pk, cluster in ranked.order_by("cluster", "rank").values_list("pk", "cluster").iterator(chunk_size=5_000):
        by_cluster[cluster].append(pk)
    rated = dict(
        Comparison.objects.filter(project=project, n_ratings__gt=0)
        .values_list("prompt__cluster")
        .annotate(n=Count("pk"))
        .order_by()
    )
    # (rated so far, how many were taken, cluster): the numbers of clusters are arbitrary, so they only break ties.
    heap = [(rated.get(cluster, 0), 0, -1 if cluster is None else cluster) for cluster in by_cluster]
    heapq.heapify(heap)
    chosen: list[int] = []
    while heap and len(chosen) < n:
        covered, taken, key = heapq.heappop(heap)
        mine = by_cluster[None if key == -1 else key]
        chosen.append(mine[taken])
        if taken + 1 < len(mine):
            heapq.heappush(heap, (covered + 1, taken + 1, key))
    return chosen


def messages_of(prompt_ids: list[int]) -> Iterator[tuple[int, list[dict[str, str]]]]:
    """(id, messages) in the order given; one query for 500 prompts."""
    for start in range(0, len(prompt_ids), CHUNK):
        chunk = prompt_ids[start : start + CHUNK]
        found = dict(Prompt.objects.filter(pk__in=chunk).values_list("pk", "messages"))
        for pk in chunk:
            if pk in found:  # removed in the meantime
                yield pk, [{"role": m["role"], "content": m["content"]} for m in found[pk]]


def donor_completions(generation: Generation, start: str) -> list[tuple[int, str]]:
    """(prompt id, text) of completions that may stand in for another prompt's, in a fixed order.

    Of up to 2,000 prompts with completions, by digest from `start` on and round to its beginning, which is random and
    needs no sort. Completions that are random themselves are left out, since they say nothing of their prompt, and
    those of this generation, so that it draws the same whenever it is asked.
    """
    usable = Completion.objects.exclude(source__kind=SourceKind.RANDOM).exclude(generated_in__generation=generation)
    rows = (
        Prompt.objects.filter(Exists(usable.filter(prompt=OuterRef("pk"))), pool=generation.project.pool_id)
        .order_by("digest")
        .values_list("pk", flat=True)
    )
    ids = list(rows.filter(digest__gte=start)[:DONOR_PROMPTS])
    ids += list(rows.filter(digest__lt=start)[: DONOR_PROMPTS - len(ids)])
    found: list[tuple[int, str]] = []
    for first in range(0, len(ids), CHUNK):
        texts = usable.filter(prompt_id__in=ids[first : first + CHUNK]).order_by("digest", "prompt__digest")
        found += texts.values_list("prompt_id", "text")
    return found


def prompt_tokens(project: Project, options: GenerationOptions) -> float:
    """About how many tokens an eligible prompt has, by a sample of 1,000 and 4 characters a token."""
    sample = eligible(project, options).order_by("pk")[:1000]
    average: Any = Prompt.objects.filter(pk__in=sample.values("pk")).aggregate(
        mean=Avg(Length(Cast("messages", TextField())))
    )["mean"]
    return min(float(average or 0) / CHARS_PER_TOKEN, options.max_prompt_tokens)
