"""Making sampling rounds: the only writer of their rows and of the priorities they give."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.common.models import next_number
from annotate.comparisons.models import Comparison, ComparisonState
from annotate.comparisons.services import add_comparisons
from annotate.jobs.context import JobContext, JobFailed
from annotate.jobs.models import FINISHED, Job, JobState
from annotate.jobs.services import enqueue
from annotate.projects import audit
from annotate.projects.models import Project
from training import artifacts
from training.engine.common.atomic import write_json, write_rows
from training.exports.querysets import DigestTenth
from training.generation.models import Generation
from training.reward.engine import run_engine
from training.reward.models import RewardModel
from training.reward.opinions import paired_rewards
from training.reward.services import promoted_model
from training.sampling import scoring
from training.sampling.candidates import candidate_rows, labelled_rows
from training.sampling.models import RoundOpinion, SampledComparison, SamplingRound
from training.sampling.options import MAX_BUDGET, SamplingOptions
from training.sampling.outcome import FIRST_HELD_OUT

# A later round stands above an earlier one, and within a round the rank decides.
PRIORITY_OF_A_ROUND = 2 * MAX_BUDGET


# --- making ---------------------------------------------------------------------------------------------------------
@transaction.atomic
def create_round(
    *,
    project: Project,
    model: RewardModel,
    options: SamplingOptions,
    job: Job | None = None,
    created_by: User | None = None,
    generation: Generation | None = None,
) -> SamplingRound:
    """Make the row of a round that is to be drawn. Locks the project's row, so that numbers do not collide."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    number = next_number(project.sampling_rounds)
    made = SamplingRound(
        project=project,
        number=number,
        reward_model=model,
        generation=generation,
        acquisition=options.acquisition,
        budget=options.budget,
        random_share=options.random_share,
        # Its own draws in every round; a round that is run again draws the same.
        seed=options.seed + number,
        options=options.to_dict(),
        job=job,
        created_by=created_by,
    )
    made.full_clean()
    made.save()
    return made


@transaction.atomic
def request_round(
    *,
    project: Project,
    options: SamplingOptions,
    model: RewardModel | None = None,
    generation: Generation | None = None,
    created_by: User | None,
) -> SamplingRound:
    """Make a round and queue the job that draws it. `model`: the promoted one if not given.

    Locks the project's row. Raises DomainError "no_reward_model" before there is one to choose by, "not_trained" for
    one without weights, "round_running" while another round of the project is being drawn: both would choose the same.
    """
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    model = model or promoted_model(project)
    if model is None:
        raise DomainError("no_reward_model", "No reward model is promoted yet. Promote one, or name one to choose by.")
    if not model.artifact_uri:
        raise DomainError("not_trained", f"v{model.version} is {model.state}: it has no weights to choose by.")
    running = being_drawn(project)
    if running is not None:
        raise DomainError(
            "round_running",
            f"Sampling round {running.number} of this project is being drawn; wait for it or cancel its job.",
            sampling_round={"id": running.pk, "number": running.number},
        )
    made = create_round(project=project, model=model, options=options, created_by=created_by, generation=generation)
    made.job = enqueue(
        kind="sample",
        title=f"Sampling round {made.number}",
        project=project,
        params={"sampling_round": made.pk},
        created_by=created_by,
    )
    made.save(update_fields=["job"])
    audit.record(
        project=project,
        actor=created_by,
        action="sampling_round.started",
        summary=f"Sampling round {made.number} is started: up to {made.budget} comparisons, chosen by v{model.version}",
        target=made,
        options=made.options,
    )
    return made


def being_drawn(project: Project) -> SamplingRound | None:
    """A round whose job has not ended yet."""
    unfinished = SamplingRound.objects.filter(project=project, finished_at=None, job__isnull=False)
    return unfinished.exclude(job__state__in=FINISHED).first()


def round_ended(*, job: Job) -> None:
    scoring.dismiss_helpers(job)
    if job.state == JobState.SUCCEEDED:
        artifacts.forget_run(job.pk)  # all that is kept of it is in the database


def run_round(*, sampling_round: SamplingRound, context: JobContext) -> SamplingRound:
    """Choose comparisons in the engine and put them on top of the queue. A finished round is left as it is.

    Candidates are written once for a round, so that a run that was cut short chooses among the same ones; many of them
    are scored together with other workers (`scoring`). Comparisons, priorities and reasons are then stored in one
    transaction.
    """
    sampling_round.refresh_from_db()
    if sampling_round.finished_at is not None:
        return sampling_round
    run = artifacts.run_directory(context.job.pk, f"sampling-{sampling_round.number}")
    candidates, labelled, mix = run / "candidates.jsonl", run / "labelled.jsonl", run / "mix.json"
    if not sampling_round.scoring_shards.exists():
        if not candidates.exists():
            _write_inputs(sampling_round, candidates, labelled, mix, context)
        SamplingRound.objects.filter(pk=sampling_round.pk).update(mix=json.loads(mix.read_text()))
        with open(candidates, "rb") as file:
            n_prompts = sum(1 for _ in file)
        if n_prompts == 0:
            return _finish(sampling_round, [], {"n_candidates": 0})
        if n_prompts > scoring.prompts_per_shard():
            scoring.cut(sampling_round, candidates, labelled, run, context)
    config: dict[str, Any] = {"n_threads": settings.ENGINE_THREADS, "out_dir": str(run / "out")}
    if sampling_round.scoring_shards.exists():
        pieces = scoring.score_together(sampling_round, context)
        config |= {"pieces": [str(one) for one in pieces], "out_dir": str(run / "out-of-shards")}
    else:
        model = artifacts.local_directory(sampling_round.reward_model.artifact_uri)
        config |= {"model": str(model), "candidates": str(candidates), "labelled": str(labelled)}
    config |= {**options_of(sampling_round).to_dict(), "seed": sampling_round.seed}
    write_json(run / "select.json", config)
    command = [sys.executable, "-m", "training.engine.sampling", "select", "--config", str(run / "select.json")]
    result = context.run_process(command, what="Choosing the next comparisons")
    chosen = [json.loads(line) for line in Path(result["selected"]).read_text(encoding="utf-8").splitlines()]
    report = {key: value for key, value in result.items() if key not in ("event", "selected")}
    drawn = _finish(sampling_round, chosen, report)
    try:
        judge_rounds(model=drawn.reward_model, context=context)
    except JobFailed as failure:  # the round stands all the same
        context.log(
            f"Earlier rounds could not be judged by v{drawn.reward_model.version}: {failure.message}", "warning"
        )
    return drawn


def options_of(sampling_round: SamplingRound) -> SamplingOptions:
    """By what it is drawn; of a round from before there were more options, what its columns say."""
    if sampling_round.options:
        return SamplingOptions.parse(sampling_round.options)
    return SamplingOptions(
        acquisition=sampling_round.acquisition,
        budget=sampling_round.budget,
        random_share=sampling_round.random_share,
        seed=sampling_round.seed,
    )


def _write_inputs(
    sampling_round: SamplingRound, candidates: Path, labelled: Path, mix: Path, context: JobContext
) -> None:
    """Write what the engine reads. The candidates go last: once they are there, all is."""
    kinds: Counter[str] = Counter()
    labelled_ones = labelled_rows(sampling_round.project)
    write_rows(labelled, labelled_ones, told=lambda n: context.progress(message=f"{n} labelled prompts"))
    draft = candidates.with_suffix(".draft")
    rows = candidate_rows(sampling_round.project, sampling_round.generation, kinds)
    write_rows(draft, rows, told=lambda n: context.progress(message=f"{n} prompts with unrated pairs"))
    write_json(mix, dict(kinds))
    draft.replace(candidates)


@transaction.atomic
def _finish(sampling_round: SamplingRound, chosen: list[dict[str, Any]], report: dict[str, Any]) -> SamplingRound:
    """Store what was chosen. Locks the round, then the comparisons in the order of their ids."""
    locked = SamplingRound.objects.select_for_update(of=("self",)).select_related("project").get(pk=sampling_round.pk)
    if locked.finished_at is not None:
        return locked
    ids = add_comparisons(project=locked.project, pairs=[(row["prompt_id"], row["a"], row["b"]) for row in chosen])
    row_of = {ids[min(row["a"], row["b"]), max(row["a"], row["b"])]: row for row in chosen}
    before = _raise_priorities(locked, {pk: row["rank"] for pk, row in row_of.items()})
    SampledComparison.objects.bulk_create(
        (
            SampledComparison(
                sampling_round=locked,
                comparison_id=pk,
                rank=row["rank"],
                is_random=row["is_random"],
                terms=row["terms"],
                cluster=row.get("cluster"),
                priority_before=before.get(pk),
            )
            for pk, row in row_of.items()
        ),
        batch_size=1000,
    )
    locked.n_candidates, locked.report, locked.finished_at = report["n_candidates"], report, timezone.now()
    locked.save(update_fields=["n_candidates", "report", "finished_at"])
    scoring.forget_shards(locked)
    return locked


def _priority(round_number: int, rank: int) -> int:
    """Above everything earlier, best rank first."""
    return round_number * PRIORITY_OF_A_ROUND + MAX_BUDGET - rank


def _raise_priorities(sampling_round: SamplingRound, rank_of: dict[int, int]) -> dict[int, int]:
    """Put open comparisons above everything earlier. Counts are not touched, so no rating is lost.

    Returns the priorities that they had before.
    """
    comparisons = list(
        Comparison.objects.select_for_update(no_key=True)
        .filter(pk__in=rank_of, state=ComparisonState.OPEN)
        .order_by("pk")
        .only("pk", "priority", "n_wanted")
    )
    before = {comparison.pk: comparison.priority for comparison in comparisons}
    for comparison in comparisons:
        comparison.priority = max(comparison.priority, _priority(sampling_round.number, rank_of[comparison.pk]))
        comparison.n_wanted = max(comparison.n_wanted, sampling_round.project.min_ratings)
    Comparison.objects.bulk_update(comparisons, ["priority", "n_wanted"], batch_size=1000)
    return before


# --- what it brought -------------------------------------------------------------------------------------------------
@transaction.atomic
def request_judgement(*, model: RewardModel, created_by: User | None) -> Job:
    """Queue the job of `judge_rounds`. Raises DomainError "not_trained" for a model without weights."""
    if not model.artifact_uri:
        raise DomainError("not_trained", f"v{model.version} is {model.state}: it has no weights.")
    return enqueue(
        kind="judge_rounds",
        title=f"Sampling rounds judged by reward model v{model.version}",
        project=model.project,
        params={"reward_model": model.pk},
        created_by=created_by,
    )


def judge_rounds(*, model: RewardModel, context: JobContext) -> int:
    """Ask a model about the random parts of rounds that earlier models drew, as far as their prompts are held out.

    So `outcome.later_models` can say what became of the labels. Only what it was not asked about before is scored;
    rated or not, since ratings come in later. Returns of how many comparisons its opinion is new.
    """
    waiting = (
        SampledComparison.objects.filter(
            sampling_round__project=model.project_id,
            sampling_round__reward_model__version__lt=model.version,
            is_random=True,
        )
        .alias(tenth=DigestTenth("comparison__prompt__digest"))
        .filter(tenth__gte=FIRST_HELD_OUT)
        .exclude(opinions__reward_model=model)
    )
    run = artifacts.run_directory(context.job.pk, f"judge-rounds-v{model.version}")
    asked = run / "completions.jsonl"
    if not asked.exists():
        write_rows(asked, _completions_of(waiting), told=lambda n: context.progress(message=f"{n} completions"))
    if asked.stat().st_size == 0:
        return 0
    config = {
        "n_threads": settings.ENGINE_THREADS,
        "model": str(artifacts.local_directory(model.artifact_uri)),
        "input": str(asked),
        "out_dir": str(run / "out"),
    }
    what = f"Judging earlier rounds by reward model v{model.version}"
    result = run_engine(context, run, "predict", config, what=what)
    known = set(waiting.values_list("pk", flat=True))
    rows = (
        RoundOpinion(sampled_id=pk, reward_model=model, gap=reward_a - reward_b)
        for pk, reward_a, reward_b in paired_rewards(Path(result["rewards"]))
        if pk in known
    )
    return len(RoundOpinion.objects.bulk_create(rows, batch_size=1000, ignore_conflicts=True))


def _completions_of(sampled: QuerySet[SampledComparison]) -> Iterator[dict[str, Any]]:
    """Two rows a comparison, a's completion first."""
    columns = ("pk", "comparison__prompt__messages", "comparison__a__text", "comparison__b__text")
    for pk, messages, a, b in sampled.order_by("pk").values_list(*columns).iterator(chunk_size=500):
        for text in (a, b):
            yield {"id": str(pk), "messages": messages, "completion": text}


# --- taking back ----------------------------------------------------------------------------------------------------
@transaction.atomic
def withdraw_round(*, sampling_round: SamplingRound, actor: User | None) -> int:
    """Take the round's comparisons that nobody has rated or holds from the top of the queue; returns how many.

    Each gets the priority it would have without this round. Rated and leased ones stay as they are, so no work is lost.
    Locks the round, then the comparisons in the order of their ids. Raises DomainError "not_drawn", and
    "already_withdrawn".
    """
    locked = SamplingRound.objects.select_for_update(of=("self",)).select_related("project").get(pk=sampling_round.pk)
    if locked.finished_at is None:
        raise DomainError("not_drawn", f"{locked} has not been drawn: cancel its job instead.")
    if locked.withdrawn_at is not None:
        raise DomainError("already_withdrawn", f"{locked} has been withdrawn already.")
    untouched = list(
        Comparison.objects.select_for_update(no_key=True)
        .filter(sampled_in__sampling_round=locked, state=ComparisonState.OPEN, n_ratings=0, n_taken=0)
        .order_by("pk")
        .only("pk", "priority")
    )
    ids = [comparison.pk for comparison in untouched]
    locked.sampled_comparisons.filter(comparison__in=ids).update(is_withdrawn=True)
    priorities = _priorities_of(ids)
    for comparison in untouched:
        comparison.priority = priorities[comparison.pk]
    Comparison.objects.bulk_update(untouched, ["priority"], batch_size=1000)
    locked.withdrawn_at = timezone.now()
    locked.save(update_fields=["withdrawn_at"])
    summary = f"{locked} is withdrawn: {len(ids)} unrated comparisons leave the top of the queue"
    audit.record(
        project=locked.project, actor=actor, action="sampling_round.withdrawn", summary=summary, target=locked,
        n_comparisons=len(ids),
    )  # fmt: skip
    return len(ids)


@transaction.atomic
def restore_round(*, sampling_round: SamplingRound, actor: User | None) -> int:
    """Put what was withdrawn, as far as nobody has rated it meanwhile, where the round had put it; returns how many.

    Locks as `withdraw_round`. Raises DomainError "not_withdrawn".
    """
    locked = SamplingRound.objects.select_for_update(of=("self",)).select_related("project").get(pk=sampling_round.pk)
    if locked.withdrawn_at is None:
        raise DomainError("not_withdrawn", f"{locked} has not been withdrawn.")
    withdrawn = locked.sampled_comparisons.filter(is_withdrawn=True, comparison__n_ratings=0)
    raised = _raise_priorities(locked, dict(withdrawn.values_list("comparison", "rank")))
    locked.sampled_comparisons.filter(is_withdrawn=True).update(is_withdrawn=False)
    locked.withdrawn_at = None
    locked.save(update_fields=["withdrawn_at"])
    summary = f"{locked} is restored: {len(raised)} comparisons stand on top of the queue again"
    audit.record(
        project=locked.project, actor=actor, action="sampling_round.restored", summary=summary, target=locked,
        n_comparisons=len(raised),
    )  # fmt: skip
    return len(raised)


def _priorities_of(comparisons: list[int]) -> dict[int, int]:
    """What each comparison's priority is by the rounds that it is not withdrawn from, or was before the first one."""
    first: dict[int, int] = {}
    raised: dict[int, int] = {}
    rows = SampledComparison.objects.filter(comparison__in=comparisons).order_by("sampling_round__number")
    columns = ("comparison", "sampling_round__number", "rank", "is_withdrawn", "priority_before")
    for pk, number, rank, is_withdrawn, before in rows.values_list(*columns):
        if before is not None:
            first.setdefault(pk, before)
        if not is_withdrawn:
            raised[pk] = max(raised.get(pk, 0), _priority(number, rank))
    return {pk: max(first.get(pk, 0), raised[pk]) if pk in raised else first.get(pk, 0) for pk in comparisons}
