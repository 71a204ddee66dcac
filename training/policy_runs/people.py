"""Human checkpoints: a policy's completions beside its reference's become blind comparisons, and their ratings a win
rate beside what the reward model claims."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from django.db import transaction
from django.db.models import Max, OuterRef, Q, Subquery

from annotate.accounts.models import User
from annotate.agreement.metrics.stat import wilson_interval
from annotate.comparisons.models import Comparison, ComparisonState
from annotate.comparisons.services import add_comparisons
from annotate.pool.digests import completion_digest
from annotate.pool.models import Completion, CompletionSource, SourceKind
from annotate.projects import audit
from annotate.projects.models import Project
from annotate.ratings.models import Adjudication
from training.exports.aggregation import preferred_side
from training.policy_runs.models import Outcome, PolicyEvaluation, PolicyRun, PolicySample
from training.sampling.options import MAX_BUDGET
from training.sampling.services import PRIORITY_OF_A_ROUND


# --- asking ----------------------------------------------------------------------------------------------------------
@transaction.atomic
def ask_people(*, evaluation: PolicyEvaluation, n: int, actor: User | None = None) -> int:
    """Have up to n more of an evaluation's samples judged by people; returns how many.

    Drawn by a hash of run and prompt, so that the evaluations of a run are judged on the same prompts. Locks the
    evaluation's row.
    """
    locked = (
        PolicyEvaluation.objects.select_for_update(of=("self",)).select_related("run__project").get(pk=evaluation.pk)
    )
    run = locked.run
    left = list(PolicySample.objects.filter(evaluation=locked, is_asked=False))
    left.sort(key=lambda one: hashlib.sha256(f"{run.pk}/{one.prompt_id}".encode()).digest())
    chosen = left[:n]
    for sample in chosen:
        sample.is_asked, sample.evident = True, _evident(sample)
    asked = [sample for sample in chosen if not sample.evident]
    source = source_of(run, f"step {locked.step}", SourceKind.CURRENT_POLICY)
    put_before_people(run.project, asked, source)
    PolicySample.objects.bulk_update(chosen, ["is_asked", "evident"], batch_size=500)
    locked.n_comparisons += len(chosen)
    locked.save(update_fields=["n_comparisons"])
    if chosen:
        audit.record(
            project=run.project,
            actor=actor,
            action="policy_run.people_asked",
            summary=f"People are asked about {len(chosen)} completions of {locked}",
            target=run,
            step=locked.step,
            n_comparisons=len(asked),
        )
    return len(chosen)


def _evident(sample: PolicySample) -> str:
    """The answer that nobody has to be asked for; "" where people have to say."""
    mine, theirs = (" ".join(as_stored(text).split()) for text in (sample.completion, sample.reference))
    if mine == theirs:
        return Outcome.TIE
    if not mine or not theirs:
        return Outcome.WIN if mine else Outcome.LOSS
    return ""


def put_before_people(project: Project, samples: Sequence[PolicySample], source: CompletionSource) -> None:
    """Comparisons of those samples, on top of the queue; the policy's texts are stored as the source's. Call inside a
    transaction."""
    if not samples:
        return
    run = samples[0].evaluation.run
    reference = source_of(run, "reference", SourceKind.SFT)
    step = samples[0].evaluation.step
    mine = store_texts([(one.prompt_id, one.completion, one.n_tokens) for one in samples], source, run, step)
    theirs = store_texts([(one.prompt_id, one.reference, one.reference_n_tokens) for one in samples], reference, run, 0)
    pairs = [(one.prompt_id, first, second) for one, first, second in zip(samples, mine, theirs, strict=True)]
    ids = add_comparisons(project=project, pairs=pairs)
    _raise_priority(project, ids.values())
    for sample, (_, first, second) in zip(samples, pairs, strict=True):
        sample.completion_row_id, sample.reference_row_id = first, second
        sample.comparison_id = ids[min(first, second), max(first, second)]
    PolicySample.objects.bulk_update(samples, ["completion_row", "reference_row", "comparison"], batch_size=500)


def _raise_priority(project: Project, comparisons: Iterable[int]) -> None:
    """Above every sampling round so far, as a next one would be: a policy goes on while people look."""
    latest = project.sampling_rounds.aggregate(latest=Max("number"))["latest"] or 0
    priority = (latest + 1) * PRIORITY_OF_A_ROUND + MAX_BUDGET
    rows = list(
        Comparison.objects.select_for_update(no_key=True)
        .filter(pk__in=list(comparisons), state=ComparisonState.OPEN)
        .order_by("pk")
        .only("pk", "priority", "n_wanted")
    )
    for row in rows:
        row.priority = max(row.priority, priority)
        row.n_wanted = max(row.n_wanted, project.min_ratings)
    Comparison.objects.bulk_update(rows, ["priority", "n_wanted"], batch_size=1000)


# --- texts in the pool -----------------------------------------------------------------------------------------------
def as_stored(text: str) -> str:
    """As the database takes it."""
    return text.replace("\x00", "")


def source_of(run: PolicyRun, part: str, kind: str) -> CompletionSource:
    """The pool's source for a part of a run. Two projects of one pool may have runs of the same number: what is in
    `checkpoint` tells them apart."""
    mine = f"policy-run:{run.pk}"
    name = f"{run} · {part}"
    defaults = {"kind": kind, "checkpoint": mine}
    found, _ = CompletionSource.objects.get_or_create(pool=run.project.pool, name=name, defaults=defaults)
    if found.checkpoint != mine:
        name = f"{name} · {run.project.slug}"[:120]
        found, _ = CompletionSource.objects.get_or_create(pool=run.project.pool, name=name, defaults=defaults)
    return found


def store_texts(
    texts: Sequence[tuple[int, str, int | None]], source: CompletionSource, run: PolicyRun, step: int
) -> list[int]:
    """Ids of completions in the pool, one for each (prompt id, text, tokens); a text that is there stays its first
    source's."""
    rows = [
        Completion(
            prompt_id=prompt_id,
            source=source,
            text=as_stored(text),
            digest=completion_digest(as_stored(text)),
            n_tokens=n_tokens,
            sampling_parameters={
                "policy_run": run.number,
                "step": step,
                "temperature": run.options["temperature"],
                "max_new_tokens": run.options["max_new_tokens"],
            },
        )
        for prompt_id, text, n_tokens in texts
    ]
    Completion.objects.bulk_create(
        sorted(rows, key=lambda one: (one.prompt_id, one.digest)), ignore_conflicts=True, batch_size=500
    )
    there = Completion.objects.filter(
        prompt_id__in={one.prompt_id for one in rows}, digest__in={one.digest for one in rows}
    )
    ids = {(prompt_id, digest): pk for pk, prompt_id, digest in there.values_list("pk", "prompt_id", "digest")}
    return [ids[one.prompt_id, one.digest] for one in rows]


# --- what they said --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class WinRate:
    """Of the policy against its reference, one vote a comparison, ties half.

    n_asked: samples that are to be judged; n of them have been. low, high: Wilson's 95 % interval. claimed: what the
    reward model says the rate is, the mean of σ(reward − reference's reward), on the n judged samples, or on all that
    are asked about while there are none. rate and its bounds are None until then.
    """

    n_asked: int
    n: int
    wins: int
    losses: int
    ties: int
    rate: float | None
    low: float | None
    high: float | None
    claimed: float

    def to_dict(self) -> dict[str, float | int | None]:
        return asdict(self)


def win_rates(run: PolicyRun) -> dict[int, WinRate]:
    """By the id of each evaluation that people are asked about. One query."""
    rows: dict[int, list[tuple[str, float]]] = defaultdict(list)
    for sample in outcomes(run):
        if sample.is_asked:
            rows[sample.evaluation_id].append((sample.outcome, _claimed(sample.gap)))
    return {pk: _win_rate(found) for pk, found in rows.items()}


@dataclass(frozen=True)
class Judged:
    """A sample that is before people, drawn for them or not: "" for an outcome that they have not said yet."""

    sample_id: int
    evaluation_id: int
    is_asked: bool
    outcome: str
    gap: float


def outcomes(run: PolicyRun, evaluation: PolicyEvaluation | None = None) -> list[Judged]:
    """What people made of the samples of a run, or of one of its evaluations, a reviewer's verdict before their
    ratings. One query."""
    of = {"evaluation__run": run} if evaluation is None else {"evaluation": evaluation}
    newest = Adjudication.objects.filter(comparison=OuterRef("comparison")).order_by("-pk")
    rows = (
        PolicySample.objects.filter(Q(is_asked=True) | Q(comparison__isnull=False), **of)
        .annotate(verdict=Subquery(newest.values("verdict")[:1]))
        .order_by("pk")
        .values_list(
            "pk", "evaluation_id", "is_asked", "evident", "reward", "reference_reward", "completion_row_id",
            "comparison__a_id", "comparison__n_a", "comparison__n_b", "comparison__n_ties", "verdict",
        )
    )  # fmt: skip
    return [
        Judged(pk, evaluation_id, is_asked, evident or _outcome(mine, a, n_a, n_b, n_ties, verdict), reward - other)
        for pk, evaluation_id, is_asked, evident, reward, other, mine, a, n_a, n_b, n_ties, verdict in rows
    ]


def _outcome(
    mine: int | None, a: int | None, n_a: int | None, n_b: int | None, n_ties: int | None, verdict: str | None
) -> str:
    if a is None or mine is None or n_a is None or n_b is None or verdict == "invalid":
        return ""
    if verdict in ("a", "b", "tie"):
        side = verdict
    elif n_a + n_b + (n_ties or 0) == 0:
        return ""
    else:
        side = preferred_side(n_a, n_b)
    if side == "tie":
        return Outcome.TIE
    return Outcome.WIN if (side == "a") == (mine == a) else Outcome.LOSS


def _claimed(gap: float) -> float:
    """σ(gap), without overflow."""
    return 1 / (1 + math.exp(-gap)) if gap >= 0 else 1 - 1 / (1 + math.exp(gap))


def _win_rate(rows: Sequence[tuple[str, float]]) -> WinRate:
    judged = [(outcome, claimed) for outcome, claimed in rows if outcome]
    counts = {name: sum(outcome == name for outcome, _ in judged) for name in Outcome.values}
    n = len(judged)
    rate = low = high = None
    if n:
        wins = counts[Outcome.WIN] + counts[Outcome.TIE] / 2
        rate = wins / n
        low, high = wilson_interval(wins, n)
    claims = [claimed for _, claimed in judged or rows]
    return WinRate(
        n_asked=len(rows),
        n=n,
        wins=counts[Outcome.WIN],
        losses=counts[Outcome.LOSS],
        ties=counts[Outcome.TIE],
        rate=rate,
        low=low,
        high=high,
        claimed=sum(claims) / len(claims),
    )
