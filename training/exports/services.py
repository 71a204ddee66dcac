"""Writes of comparison sets: making the row, writing the files, freezing both together."""

import hashlib
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.common.models import next_number
from annotate.jobs.context import JobContext
from annotate.jobs.models import Job
from annotate.jobs.services import enqueue
from annotate.projects import audit
from annotate.projects.models import Project
from training import artifacts
from training.exports.card import dataset_card
from training.exports.models import ComparisonSet
from training.exports.querysets import excluded_labellers, taken
from training.exports.reading import AI, comparison_rows
from training.exports.selectors import disagreement
from training.exports.shards import SPLITS, ShardWriter, digest_of
from training.exports.spec import Spec
from training.judges.models import Judge
from training.judges.selectors import allowed_judges

FORMAT = "touchstone.comparison_set/2"


@transaction.atomic
def create_comparison_set(
    *, project: Project, spec: Spec, name: str = "", job: Job | None = None, created_by: User | None = None
) -> ComparisonSet:
    """Make the row of a set that is still to be written. Locks the project's row, so that numbers do not collide."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    number = next_number(project.comparison_sets)
    made = ComparisonSet(project=project, number=number, name=name, spec=spec.to_dict(), job=job, created_by=created_by)
    made.full_clean()
    made.save()
    return made


@transaction.atomic
def request_comparison_set(
    *, project: Project, spec: Spec, name: str = "", created_by: User | None, is_warned: bool = True
) -> ComparisonSet:
    """Make a set and queue the job that writes it.

    Raises DomainError "disagreement_above_limit" where labellers disagree more than the project allows and the caller
    has not been told of it yet.
    """
    found = disagreement(project, spec)
    if found["is_above"]:
        if not is_warned:
            raise DomainError(
                "disagreement_above_limit",
                f"Labellers disagree on {found['share']:.0%} of these comparisons; the project's limit is "
                f"{found['limit']:.0%}.",
                disagreement=found,
            )
        audit.record(
            project=project,
            actor=created_by,
            action="export.above_limit",
            summary=f"Export although labellers disagree on {found['share']:.0%} of the comparisons",
            disagreement=found,
        )
    made = create_comparison_set(project=project, spec=spec, name=name, created_by=created_by)
    made.job = enqueue(
        kind="export",
        title=f"Export comparison set {made.number}",
        project=project,
        params={"comparison_set": made.pk},
        created_by=created_by,
    )
    made.save(update_fields=["job"])
    return made


def write_comparison_set(*, comparison_set: ComparisonSet, context: JobContext) -> ComparisonSet:
    """Write shards and manifest, then freeze the row. A set that is frozen already is left as it is.

    A run that was cut short is repeated from the start: its files carry no manifest, so nobody took them for whole.
    """
    comparison_set.refresh_from_db()
    if comparison_set.frozen_at is not None:
        return comparison_set
    project, spec = comparison_set.project, Spec.parse(comparison_set.spec)
    # Unique for ever, also when a project is removed and made again: what was fetched once is found by its place.
    url = artifacts.artifact_url("comparison-sets", project.slug, f"{comparison_set.number}-{comparison_set.pk}")
    artifacts.remove(url)
    filesystem, directory = artifacts.open_filesystem(url)
    excluded = User.objects.filter(pk__in=excluded_labellers(project)).order_by("pseudonym")
    pseudonyms = list(excluded.values_list("pseudonym", flat=True))
    judges = allowed_judges(project) if spec.takes_ai else []
    expected = taken(project, spec).aggregate(comparisons=Count("pk"), prompts=Count("prompt", distinct=True))
    per_split: Counter[str] = Counter()
    labellers: set[int] = set()
    guideline_versions: set[int] = set()
    n_ratings = n_ties = n_hard = n_ai = 0
    groups: set[str] = set()
    with ShardWriter(filesystem, directory, has_origin=spec.takes_ai) as writer:
        for done, row in enumerate(comparison_rows(project, spec), start=1):
            labellers |= row.pop("labeller_ids")
            n_ties += row.pop("is_tie")
            n_hard += row["is_hard"]
            n_ai += row.get("origin") == AI
            if row["group"] is not None:
                groups.add(row["group"])
            guideline_versions.update(row["guideline_versions"])
            n_ratings += row["n_ratings"]
            per_split[row["split"]] += 1
            writer.add(row)
            if done % 1000 == 0:
                context.progress(
                    done, max(done, expected["comparisons"]), unit="comparisons", message="writing comparisons"
                )
    split_counts = {split: per_split[split] for split in SPLITS}
    manifest = {
        "format": FORMAT,
        "project": project.slug,
        "axis": project.axis,
        "spec": spec.to_dict(),
        # Whose ratings were kept out.
        "excluded_labellers": pseudonyms,
        "counts": split_counts,
        "shards": writer.shards,
        "code_version": code_version(),
        "digest": digest_of(writer.shards),
    }
    if spec.takes_ai:
        # Rows that no person has judged, and who judged them; all are in the training split.
        manifest["ai"] = {"comparisons": n_ai, "judges": [_named(judge) for judge in judges]}
    card = dataset_card(comparison_set, manifest, n_ratings=n_ratings, n_labellers=len(labellers))
    artifacts.write_file(f"{url}/README.md", card.encode())
    artifacts.write_file(f"{url}/manifest.json", (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode())
    counts: dict[str, Any] = split_counts | {
        "comparisons": sum(per_split.values()),
        "prompts": expected["prompts"],
        "ratings": n_ratings,
        "ties": n_ties,
        "hard": n_hard,
        "rankings": len(groups),
        "labellers": len(labellers),
        "ai": n_ai,
        "excluded_labellers": len(pseudonyms),
        "guideline_versions": sorted(guideline_versions),
    }
    context.check()  # whoever lost the claim has lost the files as well
    uri = directory if artifacts.is_local(url) else url
    return _freeze(comparison_set, uri, manifest, counts)


@transaction.atomic
def _freeze(comparison_set: ComparisonSet, uri: str, manifest: dict[str, Any], counts: dict[str, Any]) -> ComparisonSet:
    n_frozen = ComparisonSet.objects.filter(pk=comparison_set.pk, frozen_at=None).update(
        uri=uri, manifest=manifest, counts=counts, digest=manifest["digest"], frozen_at=timezone.now()
    )
    if n_frozen:
        audit.record(
            project=comparison_set.project,
            actor=comparison_set.created_by,
            action="export.written",
            summary=f"Comparison set {comparison_set.number}: {counts['comparisons']:,} comparisons",
            target=comparison_set,
            spec=manifest["spec"],
            digest=manifest["digest"],
            excluded_labellers=manifest["excluded_labellers"],
        )
    comparison_set.refresh_from_db()
    return comparison_set


def _named(judge: Judge) -> dict[str, Any]:
    return {
        "judge": judge.name,
        "model": judge.model,
        "constitution": judge.version.constitution.name,
        "version": judge.version.number,
        "chain_of_thought": judge.chain_of_thought,
    }


@cache
def code_version() -> str:
    """SHA-256 (12 digits) of the modules that decide what is in a shard: another value, perhaps other rows."""
    here = Path(__file__).parent
    sources = [here / f"{name}.py" for name in ("aggregation", "querysets", "reading", "shards", "spec")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
