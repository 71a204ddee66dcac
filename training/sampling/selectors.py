"""Reads of sampling rounds."""

from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Func, IntegerField, OuterRef, Q, QuerySet, Subquery

from annotate.agreement.models import LabellerFigures
from annotate.agreement.selectors import money
from annotate.comparisons.models import Comparison, ComparisonState
from annotate.pool.models import Completion, Prompt
from annotate.projects.models import Project
from training.generation.models import GeneratedCompletion, Generation
from training.reward.models import RewardModel, RewardModelState
from training.sampling.candidates import MAX_COMPLETIONS, not_to_be_asked
from training.sampling.models import SampledComparison, SamplingRound
from training.sampling.options import SamplingOptions

# A preview counts the pairs of so many prompts; those of a larger pool are told by their share.
COUNTED_PROMPTS = 20_000
MOST_CHOICES = 100


def sampling_rounds(project: Project) -> QuerySet[SamplingRound]:
    """Rounds with `n_chosen` comparisons, of which `n_rated` have ratings by now and `n_withdrawn` left the top."""
    of_round = SampledComparison.objects.filter(sampling_round=OuterRef("pk")).order_by()

    def count(condition: Q) -> Subquery:
        found = of_round.filter(condition).annotate(one=Func(F("pk"), function="COUNT", output_field=IntegerField()))
        return Subquery(found.values("one"))

    return (
        SamplingRound.objects.filter(project=project)
        .select_related("project", "reward_model", "generation", "job", "created_by")
        .annotate(
            n_chosen=count(Q()),
            n_rated=count(Q(comparison__n_ratings__gt=0)),
            n_withdrawn=count(Q(is_withdrawn=True)),
        )
    )


def choices(project: Project) -> dict[str, Any]:
    """What a round can be drawn by, the promoted model first, and from which finished generations, newest first."""
    models = RewardModel.objects.filter(project=project).exclude(artifact_uri="").order_by("-version")[:MOST_CHOICES]
    generations = Generation.objects.filter(project=project, finished_at__isnull=False).order_by("-number")
    return {
        "reward_models": sorted(models, key=lambda model: model.state != RewardModelState.PROMOTED),
        "generations": generations[:MOST_CHOICES],
    }


def examples(sampling_round: SamplingRound) -> dict[int, str]:
    """Excerpts of the prompts that its report names as the middle of a cluster."""
    named = [row["example"] for row in sampling_round.report.get("coverage") or [] if row.get("example") is not None]
    found = Prompt.objects.filter(pool=sampling_round.project.pool_id, pk__in=named)
    return dict(found.values_list("pk", "excerpt"))


def preview(project: Project, options: SamplingOptions, generation: Generation | None = None) -> dict[str, Any]:
    """What a round could choose from, and what its labels would take.

    n_prompts, n_pairs: to choose from; `is_estimate` when the pool has more prompts than were counted, where pairs are
    told by the share of those. n_waiting: comparisons that earlier rounds asked for and nobody has rated yet. n_chosen,
    n_random, n_labels: of this round. hours: of labellers' active time at the median of a rating in this project; cost:
    where the project has a rate. Null where nothing is known.
    """
    prompts = Prompt.objects.filter(pool=project.pool_id)
    if generation is not None:
        theirs = GeneratedCompletion.objects.filter(generation=generation).values("completion__prompt")
        prompts = prompts.filter(pk__in=theirs)
    n_all = prompts.count()
    counted = list(prompts.order_by("-pk").values_list("pk", flat=True)[:COUNTED_PROMPTS])
    n_prompts, n_pairs = _pairs(project, counted, generation)
    share = n_all / len(counted) if counted else 1.0
    n_pairs = round(n_pairs * share)
    return {
        "n_prompts": round(n_prompts * share),
        "n_pairs": n_pairs,
        "is_estimate": n_all > len(counted),
        "n_waiting": n_waiting(project),
        **labels_of(project, options, min(options.budget, n_pairs)),
    }


def labels_of(project: Project, options: SamplingOptions, n_chosen: int) -> dict[str, Any]:
    """What the labels of so many comparisons take: see `preview`."""
    n_labels = n_chosen * project.min_ratings
    seconds = median_active_s(project)
    hours = None if seconds is None else n_labels * seconds / 3600
    pay = project.pay_per_hour
    return {
        "n_chosen": n_chosen,
        "n_random": round(n_chosen * options.random_share),
        "ratings_each": project.min_ratings,
        "n_labels": n_labels,
        "median_s": seconds,
        "hours": hours,
        "cost": None if pay is None or hours is None else money(pay * Decimal(hours)),
        "currency": project.currency,
    }


def n_waiting(project: Project) -> int:
    """Comparisons that earlier rounds asked for, and that nobody has rated yet."""
    unrated = Comparison.objects.filter(project=project, state=ComparisonState.OPEN, n_ratings=0)
    asked = SampledComparison.objects.filter(sampling_round__project=project, is_withdrawn=False)
    return unrated.filter(pk__in=asked.values("comparison")).count()


def median_active_s(project: Project) -> float | None:
    """Seconds of active time that a rating takes: the median of the labellers' medians, each weighted by its ratings.

    None before there is a snapshot of the project with any.
    """
    rows = LabellerFigures.objects.filter(project=project, median_active_ms__isnull=False, n_ratings__gt=0)
    medians = list(rows.order_by("median_active_ms").values_list("median_active_ms", "n_ratings"))
    half = sum(n for _, n in medians) / 2
    for median, n in medians:
        half -= n
        if half <= 0 and median is not None:
            return median / 1000
    return None


def _pairs(project: Project, prompt_ids: list[int], generation: Generation | None) -> tuple[int, int]:
    """(prompts with a pair to ask for, such pairs) of some prompts, by their counts of completions: texts are not
    compared, so pairs of equal ones are among them."""
    completions = Completion.objects.filter(prompt__in=prompt_ids)
    sizes = dict(completions.order_by().values_list("prompt").annotate(n=Count("pk")))
    fresh: dict[int, int] = {}
    settled = not_to_be_asked(project, prompt_ids)
    if generation is not None:
        of_generation = GeneratedCompletion.objects.filter(generation=generation)
        theirs = of_generation.filter(completion__prompt__in=prompt_ids).order_by()
        fresh = dict(theirs.values_list("completion__prompt").annotate(n=Count("pk")))
        written = of_generation.values("completion")
        settled = settled.filter(Q(a__in=written) | Q(b__in=written))
    taken = dict(settled.order_by().values_list("prompt").annotate(n=Count("pk")))
    n_prompts = n_pairs = 0
    for prompt, size in sizes.items():
        size = min(size, MAX_COMPLETIONS)
        n = size * (size - 1) // 2
        if generation is not None:
            old = max(0, size - fresh.get(prompt, 0))
            n -= old * (old - 1) // 2
        n = max(0, n - taken.get(prompt, 0))
        n_prompts += n > 0
        n_pairs += n
    return n_prompts, n_pairs
