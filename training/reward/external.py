"""Reward models on comparisons that somebody brings along, such as RewardBench's categories as JSONL."""

import uuid
from pathlib import Path, PurePath

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.jobs.context import JobContext
from annotate.jobs.services import enqueue
from training import artifacts
from training.reward.comparing import read_report, require_trained
from training.reward.engine import run_engine
from training.reward.models import ExternalEvaluation, RewardModel

# RewardBench has 3,000 rows in 10 MB; more is scored by hand, beside the queue.
MAX_BYTES = 64 * 1024**2


def request_external(
    *, model: RewardModel, file: UploadedFile, name: str, created_by: User | None
) -> ExternalEvaluation:
    """Keep the file among the artifacts and queue the job that scores it.

    Raises DomainError "not_trained", "unknown_file_kind" and "file_too_large" (413).
    """
    require_trained(model)
    filename = PurePath(file.name or "set.jsonl").name[-200:]
    if not filename.lower().endswith((".jsonl", ".ndjson")):
        raise DomainError(
            "unknown_file_kind", f"{filename} is no JSONL file (.jsonl), one comparison a line.", status=400
        )
    if file.size is not None and file.size > MAX_BYTES:
        raise DomainError(
            "file_too_large",
            f"{filename} has {file.size / 1024**2:,.0f} MiB; {MAX_BYTES / 1024**2:,.0f} are allowed.",
            status=413,
        )
    url = artifacts.artifact_url("external", model.project.slug, f"{uuid.uuid4()}.jsonl")
    filesystem, path = artifacts.open_filesystem(url)
    filesystem.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
    with filesystem.open(path, "wb") as target:
        for chunk in file.chunks():
            target.write(chunk)
    return _queue(model, name.strip() or filename, filename, url, created_by)


@transaction.atomic
def _queue(model: RewardModel, name: str, filename: str, url: str, created_by: User | None) -> ExternalEvaluation:
    made = ExternalEvaluation(
        reward_model=model, name=name[:120], filename=filename, file_url=url, created_by=created_by
    )
    made.full_clean()
    made.save()
    made.job = enqueue(
        kind="external_evaluation",
        title=f"Reward model v{model.version} on {made.name}",
        project=model.project,
        params={"evaluation": made.pk},
        created_by=created_by,
    )
    made.save(update_fields=["job"])
    return made


def evaluate_external(*, evaluation: ExternalEvaluation, context: JobContext) -> ExternalEvaluation:
    """Score the file and keep the engine's report (touchstone.external_report/1)."""
    evaluation.refresh_from_db()
    if evaluation.report:
        return evaluation
    model = evaluation.reward_model
    run = artifacts.run_directory(context.job.pk, f"external-{evaluation.pk}")
    config = {
        "n_threads": settings.ENGINE_THREADS,
        "model": str(artifacts.local_directory(model.artifact_uri)),
        "input": str(_fetched(evaluation.file_url, run)),
        "out": str(run / "report.json"),
    }
    run_engine(context, run, "external", config, what=f"Reward model v{model.version} on {evaluation.name}")
    ExternalEvaluation.objects.filter(pk=evaluation.pk).update(report=read_report(Path(config["out"])))
    evaluation.refresh_from_db()
    return evaluation


def _fetched(url: str, run: Path) -> Path:
    """The file on this machine's disk."""
    filesystem, path = artifacts.open_filesystem(url)
    if artifacts.is_local(url):
        return Path(path)
    target = run / "input.jsonl"
    filesystem.get_file(path, str(target))
    return target
