"""Reads: constitutions, judges and runs; which comparisons a run asks about, and what that takes."""

import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db.models import Count, Exists, IntegerField, OuterRef, Prefetch, QuerySet, Subquery, TextField, Value
from django.db.models.functions import MD5, Cast, Coalesce, Concat

from annotate.comparisons.models import Comparison, ComparisonState
from annotate.guidelines.models import WorkedExample
from annotate.pool.models import Prompt
from annotate.projects.models import Project
from training.judges.models import AiRating, Constitution, ConstitutionVersion, Judge, JudgeRun, Principle, Scope
from training.judges.reports import together
from training.splits import N_TRAIN_TENTHS, DigestTenth

CHUNK = 500
SAMPLE = 200
# What a question says around the texts, and what a chain of thought adds, in tokens.
QUESTION_TOKENS = 120
THOUGHT_TOKENS = 200
_BYTES_A_TOKEN = 4


def constitutions(project: Project) -> QuerySet[Constitution]:
    """With their `versions`, newest first, each with its principles."""
    versions = ConstitutionVersion.objects.order_by("-number").prefetch_related("principles")
    return Constitution.objects.filter(project=project).prefetch_related(Prefetch("versions", queryset=versions))


def judges(project: Project) -> QuerySet[Judge]:
    """With `n_ratings`."""
    return (
        Judge.objects.filter(project=project)
        .select_related("version__constitution", "report_job")
        .annotate(n_ratings=Count("ratings"))
    )


def runs(project: Project) -> QuerySet[JudgeRun]:
    return JudgeRun.objects.filter(project=project).select_related("judge__version__constitution", "job")


def to_judge(
    project: Project, *, scope: str, seed: int, judge: Judge | None = None, n_principles: int = 1
) -> QuerySet[Comparison]:
    """Comparisons that a judge may be asked about and has not been by so many principles, in an order drawn by `seed`.

    Never gold or quiz comparisons, nor flagged ones. Unrated: open ones whose prompt is trained on, since an AI rating
    of a held-out one would be of no use. Rated: with people's ratings, to compare with them; held-out ones too.
    """
    quiz = WorkedExample.objects.filter(comparison=OuterRef("pk"), in_quiz=True)
    found = Comparison.objects.filter(~Exists(quiz), project=project, gold_preferred=None, n_flags=0)
    if scope == Scope.RATED:
        found = found.filter(n_ratings__gt=0)
    else:
        digest = Subquery(Prompt.objects.filter(pk=OuterRef("prompt")).values("digest"))
        found = (
            found.filter(n_ratings=0, state=ComparisonState.OPEN)
            .alias(digest=digest)
            .alias(tenth=DigestTenth("digest"))
            .filter(tenth__lt=N_TRAIN_TENTHS)
        )
    if judge is not None:
        given = AiRating.objects.filter(comparison=OuterRef("pk"), judge=judge).order_by().values("comparison")
        n_given = Subquery(given.annotate(n=Count("pk")).values("n"), output_field=IntegerField())
        found = found.alias(n_given=Coalesce(n_given, 0)).filter(n_given__lt=n_principles)
    return found.order_by(MD5(Concat(Value(f"{seed}/"), Cast("pk", TextField()))), "pk")


def drawn_principles(principles: list[Principle], *, seed: int, comparison_id: int) -> list[Principle]:
    """All of them in an order drawn for a comparison, the heavier ones rather first (Efraimidis and Spirakis 2006):
    the first n are a weighted draw of n without replacement."""
    rng = random.Random(f"{seed}/{comparison_id}")  # noqa: S311  # a draw, no secret
    keys = [rng.random() ** (1 / one.weight) for one in principles]
    return [principles[at] for at in sorted(range(len(principles)), key=lambda at: (-keys[at], at))]


def questions(run: JudgeRun) -> Iterator[dict[str, Any]]:
    """Rows of the engine's `judge`: each comparison with each principle drawn for it that it was not judged by yet."""
    judge = run.judge
    principles = list(judge.version.principles.all())
    n_principles = min(run.n_principles, len(principles))
    chosen = to_judge(run.project, scope=run.scope, seed=run.seed, judge=judge, n_principles=n_principles)
    ids = list(chosen.values_list("pk", flat=True)[: run.n_comparisons])
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK]
        given: dict[int, set[int]] = defaultdict(set)
        for pk, principle_id in AiRating.objects.filter(judge=judge, comparison__in=part).values_list(
            "comparison_id", "principle_id"
        ):
            given[pk].add(principle_id)
        texts = {
            row[0]: row[1:]
            for row in Comparison.objects.filter(pk__in=part).values_list(
                "pk", "prompt__messages", "a__text", "b__text"
            )
        }
        for pk in part:
            messages, a, b = texts[pk]
            drawn = drawn_principles(principles, seed=run.seed, comparison_id=pk)
            for principle in [one for one in drawn if one.pk not in given[pk]][: n_principles - len(given[pk])]:
                yield {
                    "id": pk,
                    "messages": [{"role": m["role"], "content": m["content"]} for m in messages],
                    "a": a,
                    "b": b,
                    "principle": {"id": principle.pk, "text": principle.text},
                }


def estimate(
    project: Project, *, scope: str, n_comparisons: int, n_principles: int, chain_of_thought: bool, judge: Judge | None
) -> dict[str, int]:
    """What a run would ask: comparisons there are, judgements, questions (two orders each) and about how many tokens.

    Lengths are those of up to 200 comparisons that would be asked about, four bytes a token.
    """
    found = to_judge(project, scope=scope, seed=0, judge=judge, n_principles=n_principles)
    n_available = found.count()
    n = min(n_comparisons, n_available)
    lengths = [
        sum(len(m["content"].encode()) for m in messages) + len(a.encode()) + len(b.encode())
        for messages, a, b in found.values_list("prompt__messages", "a__text", "b__text")[:SAMPLE]
    ]
    mean = sum(lengths) / len(lengths) / _BYTES_A_TOKEN if lengths else 0.0
    n_judgements = n * n_principles
    per_question = mean + QUESTION_TOKENS
    if chain_of_thought:
        per_question = 2 * per_question + 2 * THOUGHT_TOKENS
    return {
        "n_available": n_available,
        "n_comparisons": n,
        "n_judgements": n_judgements,
        "n_questions": 2 * n_judgements * (2 if chain_of_thought else 1),
        "n_tokens": round(2 * n_judgements * per_question),
    }


def ratings_of_comparison(comparison: Comparison) -> list[dict[str, Any]]:
    """What judges say of a comparison, newest judge first: {"judge", "p_a", "ratings"}, each rating with its principle.

    p_a: the soft label as comparison sets and reports read it, the mean over principles by their weights.
    """
    rows = AiRating.objects.filter(comparison=comparison).select_related("judge__version__constitution", "principle")
    by_judge: dict[int, list[AiRating]] = defaultdict(list)
    for one in rows.order_by("-judge", "principle__position"):
        by_judge[one.judge_id].append(one)
    return [
        {"judge": given[0].judge, "p_a": together([_parts(one) for one in given]).p_a, "ratings": given}
        for given in by_judge.values()
    ]


def _parts(one: AiRating) -> tuple[float, float | None, float | None, float]:
    return one.p_a, one.p_first_order, one.p_second_order, one.principle.weight


def counting(project: Project) -> QuerySet[AiRating]:
    """AI ratings that may count: of judges that a researcher has allowed. For comparison sets."""
    # Their ids, since nothing is joined where this is asked of each comparison.
    allowed = Judge.objects.filter(project=project, allowed_at__isnull=False)
    return AiRating.objects.filter(judge__in=list(allowed.values_list("pk", flat=True)))


def allowed_judges(project: Project) -> list[Judge]:
    found = Judge.objects.filter(project=project, allowed_at__isnull=False).select_related("version__constitution")
    return list(found.order_by("pk"))


def published_versions(project: Project) -> QuerySet[ConstitutionVersion]:
    found = ConstitutionVersion.objects.filter(constitution__project=project, published_at__isnull=False)
    return found.select_related("constitution")
