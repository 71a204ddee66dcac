"""Reads of drift reports, and whether they ask for a refresh."""

from dataclasses import dataclass

from django.db.models import QuerySet

from annotate.projects.models import Project
from training.drift.models import DriftReport, Verdict
from training.reward.services import promoted_model


def drift_reports(project: Project) -> QuerySet[DriftReport]:
    """Newest first, with model, generation and job; for lists without the reports, which are large."""
    rows = DriftReport.objects.filter(project=project).select_related("reward_model", "generation", "job")
    unread = [f"reward_model__{name}" for name in ("report", "config", "sources")]
    return rows.defer(*unread, "generation__options", "generation__counts")


@dataclass(frozen=True)
class Trigger:
    """Why a refresh is due, and the report that says so."""

    report: DriftReport
    reason: str


def needs_refresh(project: Project) -> Trigger | None:
    """A trigger when the promoted model's latest finished report says "strong", or its latest two say "some" of
    different completions; the same ones looked at again are no second finding."""
    model = promoted_model(project)
    if model is None:
        return None
    latest = list(drift_reports(project).filter(reward_model=model, finished_at__isnull=False).order_by("-number")[:2])
    if not latest:
        return None
    newest = latest[0]
    if newest.verdict == Verdict.STRONG:
        return Trigger(newest, f"Drift report {newest.number} says that v{model.version} has drifted strongly.")
    is_twice = len(latest) == 2 and all(one.verdict == Verdict.SOME for one in latest)
    if is_twice and _completions(newest) != _completions(latest[1]):
        reason = f"Drift reports {latest[1].number} and {newest.number} both say that v{model.version} has drifted."
        return Trigger(newest, reason)
    return None


def _completions(report: DriftReport) -> str | None:
    """A digest of the policy's completions that were compared."""
    digest: str | None = report.report.get("compared", {}).get("digest")
    return digest
