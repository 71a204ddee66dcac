"""Refreshes that a project starts by itself: every so many days, after so many new ratings, or on drift."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.projects import audit
from annotate.projects.models import Project
from annotate.ratings.models import Rating
from training.drift.models import DriftReport
from training.drift.selectors import needs_refresh
from training.drift.services import request_drift_report
from training.generation.models import Generation
from training.refresh.config import MAX_DAYS, RefreshConfig
from training.refresh.models import ACTIVE, RefreshCycle, RefreshSchedule, Trigger
from training.refresh.services import start_refresh
from training.reward.services import promoted_model

MAX_RATINGS = 1_000_000
# What stood in the way is seldom gone in five minutes.
AGAIN_AFTER = timedelta(hours=1)
# The policy's completions are looked at so often, and after each generation.
DRIFT_EVERY = timedelta(days=1)
# A page says "at least so many"; nobody needs the rest.
COUNTED_RATINGS = 100_000


@dataclass(frozen=True)
class Due:
    """Why a refresh is to be started now."""

    trigger: Trigger
    reason: str


@transaction.atomic
def set_schedule(
    *,
    project: Project,
    is_enabled: bool,
    on_drift: bool,
    new_ratings: int | None,
    every_days: int | None,
    config: RefreshConfig,
    actor: User | None,
) -> RefreshSchedule:
    """Say when the project starts refreshes, and what with. Raises ValidationError by field."""
    problems = {}
    if new_ratings is not None and not 1 <= new_ratings <= MAX_RATINGS:
        problems["new_ratings"] = f"Expected a whole number from 1 to {MAX_RATINGS:,}, or nothing, got {new_ratings}."
    if every_days is not None and not 1 <= every_days <= MAX_DAYS:
        problems["every_days"] = f"Expected a whole number from 1 to {MAX_DAYS}, or nothing, got {every_days}."
    if is_enabled and not (on_drift or new_ratings or every_days):
        problems["is_enabled"] = "Say when: on drift, after a number of new ratings, or every so many days."
    if problems:
        raise ValidationError(problems)
    values: dict[str, Any] = {
        "is_enabled": is_enabled,
        "on_drift": on_drift,
        "new_ratings": new_ratings,
        "every_days": every_days,
        "config": config.to_dict(),
        "set_by": actor,
        "changed_at": timezone.now(),
        "refused_at": None,
        "last_reason": "",
    }
    schedule, _ = RefreshSchedule.objects.update_or_create(project=project, defaults=values)
    summary = "Refreshes are started by themselves" if is_enabled else "Refreshes are started by hand only"
    details = {name: values[name] for name in ("is_enabled", "on_drift", "new_ratings", "every_days")}
    audit.record(project=project, actor=actor, action="refresh.scheduled", summary=summary, target=project, **details)
    return schedule


def start_due() -> int:
    """Start the refreshes that are due and ask for the drift reports that are; returns how many were started. Run by
    beat, safe at any time: each project's schedule is looked at under its lock."""
    enabled = RefreshSchedule.objects.filter(is_enabled=True).values_list("pk", flat=True)
    return sum(_check(pk) for pk in list(enabled))


@transaction.atomic
def _check(pk: int) -> bool:
    schedule = (
        RefreshSchedule.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("project", "set_by")
        .filter(pk=pk, is_enabled=True)
        .first()
    )
    if schedule is None or RefreshCycle.objects.filter(project=pk, state__in=ACTIVE).exists():
        return False
    now = timezone.now()
    schedule.checked_at = now
    due = what_is_due(schedule, now)
    is_started = False
    if due is not None and (schedule.refused_at is None or now - schedule.refused_at >= AGAIN_AFTER):
        is_started = _start(schedule, due, now)
    elif due is None and schedule.on_drift:
        _ask_about_drift(schedule, now)
    schedule.save(update_fields=["checked_at", "last_reason", "refused_at"])
    return is_started


def _start(schedule: RefreshSchedule, due: Due, now: datetime) -> bool:
    try:
        with transaction.atomic():
            cycle = start_refresh(
                project=schedule.project,
                config=RefreshConfig.parse(schedule.config),
                trigger=due.trigger,
                trigger_reason=due.reason,
                created_by=schedule.set_by,
            )
    except DomainError as error:
        schedule.last_reason, schedule.refused_at = f"{due.reason} Not started: {error.message}"[:500], now
        return False
    except ValidationError as error:  # made by an earlier version that allowed more
        told = "; ".join(f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items())
        schedule.last_reason, schedule.refused_at = f"{due.reason} Not started: {told}"[:500], now
        return False
    schedule.last_reason, schedule.refused_at = f"Refresh {cycle.number}: {due.reason}"[:500], None
    return True


def what_is_due(schedule: RefreshSchedule, now: datetime) -> Due | None:
    """Drift before ratings before the calendar: the reason that says most."""
    last = last_refresh(schedule.project)
    if schedule.on_drift:
        found = needs_refresh(schedule.project)
        # One that the last refresh has answered, or made itself, asks for no other, also where it promoted nothing.
        if found is not None and (last is None or found.report.created_at > (last.finished_at or last.created_at)):
            return Due(Trigger.DRIFT, found.reason)
    if schedule.new_ratings and ratings_since(schedule.project, last, schedule.new_ratings) >= schedule.new_ratings:
        since = f"since refresh {last.number} took those there were" if last else "so far"
        return Due(Trigger.RATINGS, f"{schedule.new_ratings} new ratings or more {since}.")
    at = next_at(schedule, last)
    if at is not None and now >= at:
        days = "A day is" if schedule.every_days == 1 else f"{schedule.every_days} days are"
        return Due(Trigger.SCHEDULE, f"{days} over.")
    return None


def last_refresh(project: Project) -> RefreshCycle | None:
    rows = RefreshCycle.objects.filter(project=project).select_related("comparison_set").order_by("-number")
    return rows.only("number", "created_at", "finished_at", "comparison_set__frozen_at").first()


def next_at(schedule: RefreshSchedule, last: RefreshCycle | None) -> datetime | None:
    """When the calendar asks for the next one: counted from the last refresh, or from the schedule's last change where
    that was later."""
    if not schedule.every_days:
        return None
    began = max(schedule.changed_at, last.created_at) if last else schedule.changed_at
    return began + timedelta(days=schedule.every_days)


def ratings_since(project: Project, last: RefreshCycle | None, at_most: int = COUNTED_RATINGS) -> int:
    """Ratings that came in since a refresh wrote its comparison set, else since it began; counted up to `at_most`."""
    rows = Rating.objects.filter(project=project)
    if last is not None:
        taken_at = last.comparison_set.frozen_at if last.comparison_set else None
        rows = rows.filter(created_at__gt=taken_at or last.created_at)
    return rows.order_by()[:at_most].count()


def _ask_about_drift(schedule: RefreshSchedule, now: datetime) -> None:
    """Queue a drift report where there is none since the last day, or since the last generation ended."""
    model = promoted_model(schedule.project)
    if model is None:
        return
    latest = DriftReport.objects.filter(project=schedule.project, reward_model=model).order_by("-number").first()
    if latest is not None:
        if latest.finished_at is None and latest.job is not None and not latest.job.is_finished:
            return
        written = Generation.objects.filter(project=schedule.project, finished_at__gt=latest.created_at)
        if now - latest.created_at < DRIFT_EVERY and not written.exists():
            return
    request_drift_report(project=schedule.project, model=model, created_by=schedule.set_by)
