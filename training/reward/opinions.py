"""What a reward model thinks of the comparisons that people have rated, for the reviewers' queue."""

import json
import os
from collections.abc import Iterator
from math import exp
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from django.conf import settings
from django.db import transaction

from annotate.accounts.models import User
from annotate.agreement.opinions import Opinion, record_opinions
from annotate.common.errors import DomainError
from annotate.comparisons.models import Comparison
from annotate.jobs.context import JobContext
from annotate.jobs.models import Job
from annotate.jobs.services import enqueue
from training import artifacts
from training.exports.aggregation import split_of
from training.exports.querysets import rated
from training.reward.engine import run_engine
from training.reward.models import RewardModel, RewardModelState

# The newest rated comparisons, so many at most: a queue for people is never longer.
MOST_COMPARISONS = 50_000
_READ_ROWS = 10_000


@transaction.atomic
def request_opinions(*, model: RewardModel, created_by: User | None) -> Job:
    """Queue the job that asks the promoted model about the project's rated comparisons."""
    if model.state != RewardModelState.PROMOTED:
        raise DomainError(
            "not_promoted", f"v{model.version} is {model.state}; reviewers see the promoted model's view."
        )
    return enqueue(
        kind="opinions",
        title=f"Opinions of reward model v{model.version} on rated comparisons",
        project=model.project,
        params={"reward_model": model.pk},
        created_by=created_by,
    )


def form_opinions(*, model: RewardModel, context: JobContext) -> int:
    """Score both completions of each rated comparison and store σ(r_a − r_b), its probability that a is preferred.

    Bradley and Terry (1952): rewards are logits, so the gap's σ is a probability. A model that is no longer promoted
    says nothing (returns 0). The input is written once, so that a resumed job goes on from the engine's parts.
    """
    if model.state != RewardModelState.PROMOTED:
        context.log(f"v{model.version} is {model.state} by now: its opinions are not asked for any more.")
        return 0
    run = artifacts.run_directory(context.job.pk, f"opinions-v{model.version}")
    asked, held_out = run / "completions.jsonl", run / "held_out.json"
    if not asked.exists():
        _write_input(model, asked, held_out)
    if asked.stat().st_size == 0:
        return record_opinions(project=model.project, version=model.version, opinions=[])
    config = {
        "n_threads": settings.ENGINE_THREADS,
        "model": str(artifacts.local_directory(model.artifact_uri)),
        "input": str(asked),
        "out_dir": str(run / "out"),
    }
    result = run_engine(context, run, "predict", config, what=f"Scoring with reward model v{model.version}")
    is_held_out = set(json.loads(held_out.read_text()))
    opinions = (
        Opinion(comparison, _sigmoid(reward_a - reward_b), comparison in is_held_out)
        for comparison, reward_a, reward_b in paired_rewards(Path(result["rewards"]))
    )
    return record_opinions(project=model.project, version=model.version, opinions=opinions)


def _write_input(model: RewardModel, asked: Path, held_out: Path) -> None:
    """Two rows a comparison, a's completion first. Streamed; in place once it is whole."""
    chosen = rated(model.project).order_by("-pk").values("pk")[:MOST_COMPARISONS]
    rows = Comparison.objects.filter(pk__in=chosen).order_by("pk")
    columns = ("pk", "prompt__messages", "prompt__digest", "a__text", "b__text")
    not_trained_on: list[int] = []
    temporary = asked.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        for pk, messages, digest, a, b in rows.values_list(*columns).iterator(chunk_size=1_000):
            if split_of(digest) != "train":
                not_trained_on.append(pk)
            for text in (a, b):
                row: dict[str, Any] = {"id": str(pk), "messages": messages, "completion": text}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    held_out.write_text(json.dumps(not_trained_on))
    os.replace(temporary, asked)


def paired_rewards(path: Path) -> Iterator[tuple[int, float, float]]:
    """(comparison, reward of a, reward of b), as the input had them."""
    first: tuple[str, float] | None = None
    for batch in pq.ParquetFile(path).iter_batches(batch_size=_READ_ROWS, columns=["id", "reward"]):
        for pk, reward in zip(batch.column("id").to_pylist(), batch.column("reward").to_pylist(), strict=True):
            if first is None:
                first = (pk, reward)
                continue
            if pk != first[0]:
                raise ValueError(f"{path}: rewards of {first[0]} and {pk} stand where those of one comparison should")
            yield int(pk), first[1], reward
            first = None


def _sigmoid(gap: float) -> float:
    return 1 / (1 + exp(-gap)) if gap >= 0 else exp(gap) / (1 + exp(gap))
