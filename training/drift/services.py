"""Making drift reports: the only writer of their rows."""

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.common.models import next_number
from annotate.jobs.context import JobContext
from annotate.jobs.models import Job
from annotate.jobs.services import enqueue
from annotate.projects.models import Project
from training import artifacts
from training.drift.completions import write_sides
from training.drift.models import DriftReport
from training.engine.common.atomic import write_json
from training.generation.models import Generation
from training.reward.comparing import read_report, require_trained
from training.reward.models import RewardModel
from training.reward.services import promoted_model


@transaction.atomic
def create_drift_report(
    *,
    project: Project,
    model: RewardModel,
    generation: Generation | None = None,
    job: Job | None = None,
    created_by: User | None = None,
) -> DriftReport:
    """Make the row of a report. Locks the project's row, so that numbers do not collide. Raises DomainError
    "not_trained"."""
    require_trained(model)
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    number = next_number(project.drift_reports)
    made = DriftReport(
        project=project,
        number=number,
        reward_model=model,
        generation=generation,
        job=job,
        created_by=created_by,
    )
    made.full_clean()
    made.save()
    return made


@transaction.atomic
def request_drift_report(
    *,
    project: Project,
    model: RewardModel | None = None,
    generation: Generation | None = None,
    created_by: User | None = None,
) -> DriftReport:
    """Queue a report on a model, without one on the promoted model. Raises DomainError "not_trained" and
    "nothing_promoted"."""
    model = model or promoted_model(project)
    if model is None:
        raise DomainError("nothing_promoted", "No reward model is in use. Train and promote one first.")
    made = create_drift_report(project=project, model=model, generation=generation, created_by=created_by)
    made.job = enqueue(
        kind="drift",
        title=f"Drift report {made.number} on v{model.version}",
        project=project,
        params={"drift_report": made.pk},
        created_by=created_by,
    )
    made.save(update_fields=["job"])
    return made


def run_drift_report(*, report: DriftReport, context: JobContext) -> DriftReport:
    """Compare in the engine and keep the report. A finished one is left as it is.

    The completions are written once for a report, so that a run that was cut short goes on with the same ones.
    """
    report.refresh_from_db()
    if report.finished_at is not None:
        return report
    model = report.reward_model
    run = artifacts.run_directory(context.job.pk, f"drift-{report.number}")
    compared = write_sides(
        project=report.project, comparison_set=model.comparison_set, generation=report.generation, directory=run
    )
    config = {
        "n_threads": settings.ENGINE_THREADS,
        "model": str(artifacts.local_directory(model.artifact_uri)),
        "training": str(run / "training.jsonl"),
        "policy": str(run / "policy.jsonl"),
        "out_dir": str(run / "out"),
    }
    write_json(run / "report.json", config)
    command = [sys.executable, "-m", "training.engine.drift", "report", "--config", str(run / "report.json")]
    result = context.run_process(command, what="Comparing what the policy writes with the training completions")
    found: dict[str, Any] = read_report(Path(result["report"]))
    DriftReport.objects.filter(pk=report.pk, finished_at=None).update(
        verdict=found["verdict"], report={**found, "compared": compared}, finished_at=timezone.now()
    )
    report.refresh_from_db()
    return report
