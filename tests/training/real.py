"""Real ratings (PandaLM's test set) in a project, written straight into the tables."""

import gzip
import itertools
import json

from django.utils import timezone

from annotate.comparisons.models import Assignment, AssignmentKind, AssignmentState, Comparison
from annotate.comparisons.services import add_comparisons
from annotate.pool.models import Completion, CompletionSource, Prompt
from annotate.projects.models import Project
from annotate.ratings.models import Rating, RatingOrigin
from tests.real_data import real_data
from tests.training.ratings import labeller, sha256
from training.policy.services import BaseSettings
from training.refresh.config import RefreshConfig
from training.reward.options import TrainingOptions
from training.sampling.options import SamplingOptions

# A model that trains in seconds; the code path is the product's.
TINY_BASE = BaseSettings(
    base={
        "vocab_size": 600,
        "hidden_size": 32,
        "intermediate_size": 64,
        "n_layers": 1,
        "n_heads": 2,
        "context_length": 128,
        "max_tokens": 30_000,
    },
    sft={"context_length": 128, "max_tokens": 15_000},
)


def tiny_config(*, budget: int = 20, checkpoint_steps: int = 2, **training) -> RefreshConfig:
    """What the defaults ask for, of a model that trains in seconds: new ratings where there is a model to choose by."""
    options = {"epochs": 1, "max_length": 128, "batch_size": 16, "checkpoint_steps": checkpoint_steps} | training
    return RefreshConfig(
        base=TINY_BASE, training=TrainingOptions(**options), sampling=SamplingOptions(budget=budget, seed=3)
    )


def load_pandalm(project: Project, n: int, n_unrated: int = 0) -> list[Comparison]:
    """The first n comparisons with their ratings; of the last `n_unrated` only prompts and completions."""
    with gzip.open(real_data("pandalm.jsonl.gz"), "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in itertools.islice(file, n)]
    prompts: dict[str, Prompt] = {}
    completions: dict[tuple[str, str], Completion] = {}
    sources: dict[str, CompletionSource] = {}
    pairs = []
    for row in rows:
        key = json.dumps(row["prompt"])
        if key not in prompts:
            text = row["prompt"][0]["content"]
            prompts[key] = Prompt.objects.create(
                pool=project.pool, messages=row["prompt"], digest=sha256(key), excerpt=text[:200]
            )
        for side in row["completions"]:
            if side["source"] not in sources:
                sources[side["source"]] = CompletionSource.objects.create(pool=project.pool, name=side["source"])
            if (key, side["text"]) not in completions:
                completions[key, side["text"]] = Completion.objects.create(
                    prompt=prompts[key], source=sources[side["source"]], text=side["text"], digest=sha256(side["text"])
                )
        sides = [completions[key, side["text"]] for side in row["completions"]]
        pairs.append((row, prompts[key], sides))
    rated = [pair for pair in pairs[: n - n_unrated] if pair[2][0] != pair[2][1]]
    ids = add_comparisons(project=project, pairs=[(prompt.pk, a.pk, b.pk) for _, prompt, (a, b) in rated])
    by_id = {comparison.pk: comparison for comparison in Comparison.objects.filter(pk__in=ids.values())}
    assignments, ratings, seen = [], [], set()
    for row, _, (first, second) in rated:
        comparison = by_id[ids[min(first.pk, second.pk), max(first.pk, second.pk)]]
        if comparison.pk in seen:
            continue
        seen.add(comparison.pk)
        for said in row["ratings"]:
            preferred = (
                "tie"
                if said["preferred"] is None
                else "ab"[sorted((first.pk, second.pk)).index((first, second)[said["preferred"]].pk)]
            )
            person = labeller(said["labeller"])
            assignments.append(
                Assignment(
                    comparison=comparison,
                    labeller=person,
                    kind=AssignmentKind.IMPORTED,
                    state=AssignmentState.SUBMITTED,
                )
            )
            ratings.append(
                Rating(
                    comparison=comparison,
                    assignment=assignments[-1],
                    labeller=person,
                    project=project,
                    preferred=preferred,
                    origin=RatingOrigin.IMPORTED,
                    created_at=timezone.now(),
                )
            )
            name = {"a": "n_a", "b": "n_b", "tie": "n_ties"}[preferred]
            setattr(comparison, name, getattr(comparison, name) + 1)
    Assignment.objects.bulk_create(assignments)
    Rating.objects.bulk_create(ratings)
    Comparison.objects.bulk_update(by_id.values(), ["n_a", "n_b", "n_ties"])
    return list(by_id.values())
