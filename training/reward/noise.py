"""Label noise: every comparison of a set judged by models that did not learn from it, and what reviewers should see."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from numpy.typing import NDArray

from annotate.accounts.models import User
from annotate.agreement.opinions import CrossFitted, record_cross_fitted
from annotate.common.errors import DomainError
from annotate.jobs.context import JobContext
from annotate.jobs.services import enqueue
from training import artifacts
from training.exports.models import ComparisonSet
from training.policy.services import BUILTIN, BaseModel, validate_base_model
from training.reward.defaults import engine_options
from training.reward.engine import run_engine
from training.reward.models import CrossFit
from training.reward.options import TrainingOptions

N_FOLDS = (2, 20)
N_REPEATS = (1, 10)
STRENGTHS = "strengths.parquet"
# Suspicious is a verdict whose opposite the models hold for at least twice as likely. A weak model is sure of nothing
# and so accuses nobody; and of the accused, reviewers get no more than they can look at.
SUSPICIOUS_P = 1 / 3
MOST_SUSPICIOUS = 500
_ROWS = 10_000


@transaction.atomic
def request_cross_fit(
    *,
    comparison_set: ComparisonSet,
    base_model: str = BUILTIN,
    options: TrainingOptions,
    n_folds: int = 5,
    n_repeats: int = 1,
    created_by: User | None,
) -> CrossFit:
    """Queue the job that trains `n_folds` models, `n_repeats` times, each to judge the fold it did not see.

    Raises ValidationError for the base model, DomainError "not_frozen", "cross_fit_of_strengths" and
    "cross_fit_continued".
    """
    validate_base_model(base_model)
    if comparison_set.frozen_at is None:
        raise DomainError("not_frozen", f"Comparison set {comparison_set.number} is still being written.")
    if options.needs_strengths:
        raise DomainError(
            "cross_fit_of_strengths", "Label noise is estimated on the labels as they are: choose no noise treatment."
        )
    if options.is_continued:
        raise DomainError(
            "cross_fit_continued",
            "Label noise is estimated by models that have not seen the labels, as the promoted one has: start afresh.",
        )
    made = CrossFit(
        comparison_set=comparison_set,
        base_model=base_model,
        config={"options": options.to_dict(), "n_folds": n_folds, "n_repeats": n_repeats},
        created_by=created_by,
    )
    made.full_clean()
    made.save()
    made.job = enqueue(
        kind="noise",
        title=f"Label noise of comparison set {comparison_set.number}",
        project=comparison_set.project,
        params={"cross_fit": made.pk, "base_model": base_model},
        created_by=created_by,
    )
    made.save(update_fields=["job"])
    return made


def latest_strengths(comparison_set: ComparisonSet) -> CrossFit | None:
    """The newest finished cross-fit of a set."""
    return CrossFit.objects.filter(comparison_set=comparison_set, finished_at__isnull=False).order_by("-pk").first()


def require_strengths(comparison_set: ComparisonSet) -> CrossFit:
    """`latest_strengths`. Raises DomainError "no_strengths" where there are none."""
    found = latest_strengths(comparison_set)
    if found is None:
        raise DomainError(
            "no_strengths",
            f"A noise treatment needs to know which labels are doubtful: estimate the label noise of comparison set "
            f"{comparison_set.number} first, then train.",
        )
    return found


def strengths_path(cross_fit: CrossFit) -> Path:
    return artifacts.local_directory(cross_fit.strengths_uri) / STRENGTHS


def state_of(comparison_set: ComparisonSet) -> dict[str, Any]:
    """{"state", "job", "summary", "suspicious"} of a set's label noise; state "none" before the first job.

    The state is the newest job's; summary and suspicious are those of the newest that has finished.
    """
    newest = CrossFit.objects.filter(comparison_set=comparison_set).select_related("job").order_by("-pk").first()
    finished = latest_strengths(comparison_set)
    state = "none"
    if newest is not None:
        state = newest.job.state if newest.job else ("succeeded" if newest.finished_at else "failed")
    return {
        "state": state,
        "job": newest.job if newest else None,
        "summary": finished.summary if finished else None,
        "suspicious": finished.suspicious if finished else [],
        "finished_at": finished.finished_at if finished else None,
    }


# --- the job --------------------------------------------------------------------------------------------------------
def cross_fit(*, row: CrossFit, base: BaseModel, context: JobContext) -> CrossFit:
    """Cross-fit in the engine, keep the strengths, and tell the reviewers' queue. Safe to repeat: the engine goes on
    from its parts, and what is stored is stored again."""
    row.refresh_from_db()
    comparison_set = row.comparison_set
    run = artifacts.run_directory(context.job.pk, f"cross-fit-{row.pk}")
    options = TrainingOptions.parse(row.config.get("options", {}))
    config = {
        "train": {"n_threads": settings.ENGINE_THREADS, **engine_options(options, base)},
        "base_model": base.path,
        "comparison_set": str(artifacts.local_directory(comparison_set.uri)),
        "out_dir": str(run / "out"),
        "n_folds": row.config["n_folds"],
        "n_repeats": row.config["n_repeats"],
    }
    result = run_engine(context, run, "crossfit", config, what=f"Label noise of comparison set {comparison_set.number}")
    strengths = run / "out" / STRENGTHS
    judged = read_strengths(strengths, artifacts.local_directory(comparison_set.uri), comparison_set.manifest)
    n_told = record_cross_fitted(
        project=comparison_set.project, comparison_set=comparison_set.number, opinions=judged.opinions()
    )
    context.log(f"{n_told} comparisons judged; {judged.n_suspicious} labels doubted, {len(judged.ranks)} to review.")
    published = run / "strengths"
    published.mkdir(exist_ok=True)
    (published / STRENGTHS).write_bytes(strengths.read_bytes())
    url = artifacts.artifact_url("strengths", comparison_set.project.slug, f"{comparison_set.number}-{row.pk}")
    uri = artifacts.publish_directory(published, url)
    kept = ("event", "model", "strengths", "suspicious", "out_dir")
    summary = {name: value for name, value in result.items() if name not in kept}
    summary |= {"n_suspicious": judged.n_suspicious, "n_judged": len(judged.ids)}
    CrossFit.objects.filter(pk=row.pk).update(
        base_model=base.name,
        strengths_uri=uri,
        summary=summary,
        suspicious=judged.suspicious(),
        finished_at=timezone.now(),
    )
    row.refresh_from_db()
    return row


class Judged(NamedTuple):
    """Columns (n,) of a cross-fit, ordered by comparison id. ranks: row to rank of the most suspicious, from 1.

    At a million comparisons 33 MB.
    """

    ids: NDArray[np.int64]
    p_chosen: NDArray[np.float64]
    strength: NDArray[np.float64]
    std: NDArray[np.float64]
    is_a: NDArray[np.bool_]
    ranks: dict[int, int]
    n_suspicious: int

    def opinions(self) -> Iterator[CrossFitted]:
        """In the comparisons' stored order: of a, not of what was chosen."""
        for at, pk in enumerate(self.ids):
            towards_a = bool(self.is_a[at])
            p, strength, std = float(self.p_chosen[at]), float(self.strength[at]), float(self.std[at])
            yield CrossFitted(
                int(pk),
                p if towards_a else 1 - p,
                strength if towards_a else -strength,
                None if np.isnan(std) else std,
                self.ranks.get(at),
            )

    def suspicious(self) -> list[dict[str, Any]]:
        return [
            {
                "comparison_id": int(self.ids[at]),
                "p_chosen": round(float(self.p_chosen[at]), 4),
                "strength": round(float(self.strength[at]), 4),
                "std": None if np.isnan(self.std[at]) else round(float(self.std[at]), 4),
            }
            for at in self.ranks
        ]


def read_strengths(path: Path, directory: Path, manifest: dict[str, Any]) -> Judged:
    """The engine's strengths beside which side the set has as chosen. Ties have no chosen side to be doubted."""
    table = pq.read_table(path, columns=["comparison_id", "p_chosen", "strength", "std"])
    ids = table.column("comparison_id").to_numpy().astype(np.int64)
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    columns = {
        name: table.column(name).to_numpy(zero_copy_only=False).astype(np.float64)[order]
        for name in ("p_chosen", "strength", "std")
    }
    is_a, p_label = np.zeros(len(ids), dtype=np.bool_), np.ones(len(ids))
    for shard in manifest["shards"]:
        file = pq.ParquetFile(directory / shard["path"])
        for batch in file.iter_batches(batch_size=_ROWS, columns=["comparison_id", "chosen_is_a", "soft_preference"]):
            mine, chosen_is_a, preference = (column.to_numpy(zero_copy_only=False) for column in batch.columns)
            at, is_known = _positions(ids, mine)
            is_a[at] = chosen_is_a[is_known]
            # A preference below ½ is for the rejected side.
            p, preference = columns["p_chosen"][at], preference[is_known]
            p_label[at] = np.where(preference > 0.5, p, np.where(preference < 0.5, 1 - p, 1.0))
    doubted = np.flatnonzero(p_label < SUSPICIOUS_P)
    by_doubt = doubted[np.argsort(p_label[doubted], kind="stable")][:MOST_SUSPICIOUS]
    ranks = {int(at): rank for rank, at in enumerate(by_doubt, start=1)}
    return Judged(ids, **columns, is_a=is_a, ranks=ranks, n_suspicious=len(doubted))


def _positions(ids: NDArray[np.int64], mine: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where those of `mine` (n,) that are in the sorted `ids` stand there, and which these are (n,)."""
    at = np.searchsorted(ids, mine)
    is_known = at < len(ids)
    is_known[is_known] = ids[at[is_known]] == mine[is_known]
    return at[is_known], is_known
