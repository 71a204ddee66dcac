"""Making sampling rounds: the only writer of their rows and of the priorities they give."""

import json
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from annotate.accounts.models import User
from annotate.comparisons.models import Comparison, ComparisonState
from annotate.comparisons.services import add_comparisons
from annotate.jobs.context import JobContext
from annotate.jobs.models import Job
from annotate.projects.models import Project
from training import artifacts
from training.engine.common.atomic import write_json
from training.reward.models import RewardModel
from training.sampling.candidates import candidate_rows
from training.sampling.models import SampledComparison, SamplingRound
from training.sampling.options import MAX_BUDGET, SamplingOptions

# A later round stands above an earlier one, and within a round the rank decides.
PRIORITY_OF_A_ROUND = 2 * MAX_BUDGET


@transaction.atomic
def create_round(
    *,
    project: Project,
    model: RewardModel,
    options: SamplingOptions,
    job: Job | None = None,
    created_by: User | None = None,
) -> SamplingRound:
    """Make the row of a round that is to be drawn. Locks the project's row, so that numbers do not collide."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    latest = project.sampling_rounds.aggregate(latest=Max("number"))["latest"] or 0
    made = SamplingRound(
        project=project,
        number=latest + 1,
        reward_model=model,
        acquisition=options.acquisition,
        budget=options.budget,
        random_share=options.random_share,
        # Its own draws in every round; a round that is run again draws the same.
        seed=options.seed + latest + 1,
        job=job,
        created_by=created_by,
    )
    made.full_clean()
    made.save()
    return made


def run_round(*, sampling_round: SamplingRound, context: JobContext) -> SamplingRound:
    """Choose comparisons in the engine and put them on top of the queue. A finished round is left as it is.

    Candidates are written once for a round, so that a run that was cut short chooses among the same ones; comparisons,
    priorities and reasons are then stored in one transaction.
    """
    sampling_round.refresh_from_db()
    if sampling_round.finished_at is not None:
        return sampling_round
    project = sampling_round.project
    run = artifacts.run_directory(context.job.pk, f"sampling-{sampling_round.number}")
    candidates = run / "candidates.jsonl"
    if not candidates.exists():
        _write_candidates(project, candidates, context)
    if candidates.stat().st_size == 0:
        return _finish(sampling_round, [], {"n_candidates": 0})
    config = {
        "n_threads": settings.ENGINE_THREADS,
        "model": str(artifacts.local_directory(sampling_round.reward_model.artifact_uri)),
        "candidates": str(candidates),
        "out_dir": str(run / "out"),
        "acquisition": sampling_round.acquisition,
        "budget": sampling_round.budget,
        "random_share": sampling_round.random_share,
        "seed": sampling_round.seed,
    }
    write_json(run / "select.json", config)
    command = [sys.executable, "-m", "training.engine.sampling", "select", "--config", str(run / "select.json")]
    result = context.run_process(command, what="Choosing the next comparisons")
    chosen = [json.loads(line) for line in Path(result["selected"]).read_text(encoding="utf-8").splitlines()]
    report = {key: value for key, value in result.items() if key not in ("event", "selected")}
    return _finish(sampling_round, chosen, report)


def _write_candidates(project: Project, path: Path, context: JobContext) -> None:
    draft = path.with_suffix(".draft")
    with open(draft, "w", encoding="utf-8") as file:
        for done, row in enumerate(candidate_rows(project), start=1):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            if done % 500 == 0:
                context.progress(message=f"{done} prompts with unrated pairs")
    draft.replace(path)


@transaction.atomic
def _finish(sampling_round: SamplingRound, chosen: list[dict[str, Any]], report: dict[str, Any]) -> SamplingRound:
    """Store what was chosen. Locks the round, then the comparisons in the order of their ids."""
    locked = SamplingRound.objects.select_for_update(of=("self",)).select_related("project").get(pk=sampling_round.pk)
    if locked.finished_at is not None:
        return locked
    ids = add_comparisons(project=locked.project, pairs=[(row["prompt_id"], row["a"], row["b"]) for row in chosen])
    rank_of = {ids[min(row["a"], row["b"]), max(row["a"], row["b"])]: row["rank"] for row in chosen}
    _raise_priorities(locked, rank_of)
    SampledComparison.objects.bulk_create(
        (
            SampledComparison(
                sampling_round=locked,
                comparison_id=ids[min(row["a"], row["b"]), max(row["a"], row["b"])],
                rank=row["rank"],
                is_random=row["is_random"],
                terms=row["terms"],
            )
            for row in chosen
        ),
        batch_size=1000,
    )
    locked.n_candidates, locked.report, locked.finished_at = report["n_candidates"], report, timezone.now()
    locked.save(update_fields=["n_candidates", "report", "finished_at"])
    return locked


def _raise_priorities(sampling_round: SamplingRound, rank_of: dict[int, int]) -> None:
    """Put comparisons above everything earlier, best rank first. Counts are not touched, so no rating is lost."""
    top = sampling_round.number * PRIORITY_OF_A_ROUND + MAX_BUDGET
    comparisons = list(
        Comparison.objects.select_for_update(no_key=True)
        .filter(pk__in=rank_of, state=ComparisonState.OPEN)
        .order_by("pk")
        .only("pk", "priority", "n_wanted")
    )
    for comparison in comparisons:
        comparison.priority = max(comparison.priority, top - rank_of[comparison.pk])
        comparison.n_wanted = max(comparison.n_wanted, sampling_round.project.min_ratings)
    Comparison.objects.bulk_update(comparisons, ["priority", "n_wanted"], batch_size=1000)
