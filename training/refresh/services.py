"""Starting refreshes, changing them on their way, and keeping their rows in step with their jobs.

Every change of a cycle's or a stage's state happens under the lock of the cycle's row, so that a worker that takes the
next stage, a person who leaves it out and the clock that looks for finished labelling follow one another.
"""

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.errors import DomainError, not_found
from annotate.common.models import next_number
from annotate.jobs.models import FINISHED, Job, JobState
from annotate.jobs.services import enqueue, request_cancel
from annotate.jobs.services import retry as retry_job
from annotate.projects import audit
from annotate.projects.models import Project
from training.generation.sources import find_sources
from training.refresh.config import PART_OF, RefreshConfig
from training.refresh.labelling import is_too_late, labelling_of
from training.refresh.models import (
    ACTIVE,
    OVER,
    CycleState,
    RefreshCycle,
    RefreshStage,
    StageName,
    StageState,
    Trigger,
)
from training.refresh.ratings import require_enough
from training.refresh.stages import Outcome, promoted_by_hand
from training.reward.models import RewardModel, RewardModelState
from training.reward.services import leave_unevaluated, promoted_model, training_ended
from training.validation import under

# A job ends where one of these waits; the others of a refresh follow one another in one job.
MAY_WAIT = (StageName.LABEL, StageName.PROMOTE)
ENDS = {
    JobState.SUCCEEDED: CycleState.SUCCEEDED,
    JobState.FAILED: CycleState.FAILED,
    JobState.CANCELLED: CycleState.CANCELLED,
}
# What a stage made and would go on with: forgotten when its options change, so that it begins anew.
_MADE_BY = {
    StageName.CANDIDATES: "generation",
    StageName.SAMPLE: "sampling_round",
    StageName.EXPORT: "comparison_set",
    StageName.TRAIN: "reward_model",
}


# --- starting --------------------------------------------------------------------------------------------------------
@transaction.atomic
def start_refresh(
    *,
    project: Project,
    config: RefreshConfig,
    name: str = "",
    trigger: Trigger = Trigger.HAND,
    trigger_reason: str = "",
    created_by: User | None = None,
) -> RefreshCycle:
    """Make a cycle with its stages and queue its job.

    Locks the project's row. Raises ValidationError for a source of completions that there is not; DomainError
    "refresh_running" when there is one, "nothing_to_continue" for a training that is to go on from a promoted model
    that there is not, and "too_few_comparisons" (with what is there and what is needed) when it is to train on the
    ratings of now and these do not suffice.
    """
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    _settle_finished(project)
    running = RefreshCycle.objects.filter(project=project, state__in=ACTIVE).first()
    if running is not None:
        raise already_running(running)
    if config.training.is_continued and promoted_model(project) is None:
        raise DomainError(
            "nothing_to_continue", "No reward model is promoted yet that training could go on from: train afresh."
        )
    if not (config.ask and _has_chooser(project)):
        require_enough(project, config.spec)
    else:
        _require_sources(project, config)
    number = next_number(project.refresh_cycles)
    cycle = RefreshCycle(
        project=project,
        number=number,
        name=name,
        config=config.to_dict(),
        trigger=trigger,
        trigger_reason=trigger_reason[:300],
        job=_enqueue(project, number, created_by),
        created_by=created_by,
    )
    cycle.full_clean()
    cycle.save()
    RefreshStage.objects.bulk_create(
        RefreshStage(cycle=cycle, position=position, name=stage) for position, stage in enumerate(StageName.values)
    )
    _record(cycle, created_by, "started", f"is started{f': {trigger_reason}' if trigger_reason else ''}")
    return cycle


def _enqueue(project: Project, number: int, created_by: User | None) -> Job:
    return enqueue(
        kind="refresh",
        title=f"Refresh {number}",
        project=project,
        params={"number": number},
        created_by=created_by,
    )


def _has_chooser(project: Project) -> bool:
    states = (RewardModelState.PROMOTED, RewardModelState.CANDIDATE)
    return RewardModel.objects.filter(project=project, state__in=states).exists()


def _require_sources(project: Project, config: RefreshConfig) -> None:
    """Raise ValidationError by field where completions are to come from what there is not."""
    candidates = config.candidates
    if candidates is not None:
        under("candidates", lambda: find_sources(project, candidates))


def already_running(cycle: RefreshCycle) -> DomainError:
    doing = "waiting for people" if cycle.state == CycleState.WAITING else "running"
    return DomainError(
        "refresh_running",
        f"Refresh {cycle.number} of this project is {doing}; wait for it or cancel it.",
        refresh={"id": cycle.pk, "number": cycle.number},
        job=str(cycle.job_id),
    )


# --- what the job says -----------------------------------------------------------------------------------------------
@transaction.atomic
def activate(*, cycle: RefreshCycle) -> None:
    """Say that the cycle's job works on it: a retry makes it active again. Raises DomainError when another one is."""
    _settle_finished(cycle.project, besides=cycle)
    try:
        with transaction.atomic():
            RefreshCycle.objects.filter(pk=cycle.pk).update(state=CycleState.RUNNING, finished_at=None)
    except IntegrityError:
        running = RefreshCycle.objects.filter(project=cycle.project, state__in=ACTIVE).first()
        raise already_running(running or cycle) from None


@transaction.atomic
def begin_next_stage(*, cycle: RefreshCycle) -> RefreshStage | None:
    """The first stage that is not over, marked as running, with the cycle and its config read anew; None when all are.

    Locks the cycle's row: what a person left out or changed a moment ago counts, and later it is too late.
    """
    _locked(cycle.pk)
    cycle.refresh_from_db()
    stage = cycle.stages.exclude(state__in=OVER).order_by("position").first()
    if stage is None:
        return None
    stage.state, stage.summary, stage.finished_at = StageState.RUNNING, "", None
    stage.started_at = stage.started_at or timezone.now()
    stage.save()
    return stage


@transaction.atomic
def end_stage(*, stage: RefreshStage, outcome: Outcome) -> None:
    """Write down what came of a stage; one that waits is not over. Locks the cycle's row."""
    _locked(stage.cycle_id)
    stage.state, stage.summary = outcome.state, outcome.summary[:500]
    stage.finished_at = None if outcome.state == StageState.WAITING else timezone.now()
    stage.save()


def refresh_ended(*, job: Job) -> None:
    """After a job's end: the cycle waits or is over, and what was begun is not left looking busy."""
    cycle = RefreshCycle.objects.select_for_update().filter(job=job).first()
    if cycle is not None:
        _settle(cycle, job)
    training_ended(job=job)


def _settle(cycle: RefreshCycle, job: Job) -> None:
    """Bring a cycle into the state that its job's end asks for. Call under the cycle's lock."""
    begun = cycle.stages.filter(state=StageState.RUNNING)
    if job.state == JobState.CANCELLED:
        begun.update(state=StageState.PENDING, summary="Cancelled; a retry goes on from here.")
    elif job.state == JobState.FAILED:
        begun.update(state=StageState.FAILED, summary=job.error_message[:500], finished_at=timezone.now())
    if job.state == JobState.SUCCEEDED and cycle.stages.filter(state=StageState.WAITING).exists():
        _set_state(cycle, CycleState.WAITING)
    elif cycle.state == CycleState.RUNNING:
        _set_state(cycle, ENDS[JobState(job.state)])


def _set_state(cycle: RefreshCycle, state: CycleState) -> None:
    cycle.state, cycle.finished_at = state, None if state in ACTIVE else timezone.now()
    cycle.save(update_fields=["state", "finished_at"])


def _settle_finished(project: Project, besides: RefreshCycle | None = None) -> None:
    """A job whose end could not be followed up at once (its consequences failed) may have left its cycle running."""
    left = RefreshCycle.objects.select_for_update(of=("self",)).select_related("job")
    for cycle in left.filter(project=project, state=CycleState.RUNNING, job__state__in=FINISHED):
        if besides is None or cycle.pk != besides.pk:
            _settle(cycle, cycle.job)


# --- waiting ---------------------------------------------------------------------------------------------------------
def advance_waiting() -> int:
    """Let refreshes go on for which people have done their part; returns how many. Run by beat, safe at any time."""
    waiting = RefreshCycle.objects.filter(state=CycleState.WAITING).values_list("pk", flat=True)
    return sum(_advance(pk) for pk in waiting)


@transaction.atomic
def _advance(pk: int) -> bool:
    cycle = _locked(pk)
    if cycle.state != CycleState.WAITING:
        return False
    stage = cycle.stages.filter(state=StageState.WAITING).order_by("position").first()
    if stage is not None:
        outcome = _what_people_did(cycle, stage)
        if outcome.state == StageState.WAITING:
            if outcome.summary != stage.summary:
                RefreshStage.objects.filter(pk=stage.pk).update(summary=outcome.summary[:500])
            return False
        stage.cycle = cycle
        end_stage(stage=stage, outcome=outcome)
    _go_on(cycle)
    return True


def _what_people_did(cycle: RefreshCycle, stage: RefreshStage) -> Outcome:
    if stage.name == StageName.PROMOTE:
        return promoted_by_hand(cycle)
    options = RefreshConfig.of_cycle(cycle.config).labelling
    if cycle.sampling_round is None:
        return Outcome("The sampling round is gone.", StageState.SKIPPED)
    found = labelling_of(cycle.sampling_round, options)
    if found.is_met:
        return Outcome(found.told())
    if cycle.sampling_round.withdrawn_at is not None:
        return Outcome(f"The sampling round was withdrawn. {found.told()}")
    if is_too_late(options, stage.started_at):
        days = f"{options.max_days} {'day is' if options.max_days == 1 else 'days are'} over"
        return Outcome(f"{days}: {found.n_labelled} of {found.n_asked} comparisons are labelled.")
    return Outcome(found.told(), StageState.WAITING)


def _go_on(cycle: RefreshCycle) -> None:
    """Queue the next job of a cycle that waited or whose last job ended well. Call under the cycle's lock."""
    cycle.job = _enqueue(cycle.project, cycle.number, cycle.created_by)
    cycle.state, cycle.finished_at = CycleState.RUNNING, None
    cycle.save(update_fields=["job", "state", "finished_at"])


# --- what people change on the way -----------------------------------------------------------------------------------
@transaction.atomic
def cancel_refresh(*, cycle: RefreshCycle, actor: User | None) -> RefreshCycle:
    """Stop a refresh, also while it waits. What was labelled stays, and so does the sampling round on top of the queue
    until it is withdrawn. Raises DomainError "not_cancellable"."""
    cycle = _locked(cycle.pk)
    if not can_cancel(cycle):
        raise DomainError("not_cancellable", f"Refresh {cycle.number} is {cycle.state}: there is nothing to cancel.")
    if cycle.state == CycleState.RUNNING:
        request_cancel(job=cycle.job)
    else:
        waiting = cycle.stages.filter(state=StageState.WAITING)
        waiting.update(state=StageState.PENDING, summary="Cancelled; a retry goes on from here.")
        _set_state(cycle, CycleState.CANCELLED)
    _record(cycle, actor, "cancelled", "is cancelled")
    return cycle


@transaction.atomic
def retry_refresh(*, cycle: RefreshCycle, actor: User | None) -> RefreshCycle:
    """Go on with a failed or cancelled refresh at the stage where it stopped.

    Locks the project's row, then the cycle's. Raises DomainError "not_retryable", and "refresh_running" while another
    one is.
    """
    Project.objects.select_for_update(no_key=True).get(pk=cycle.project_id)
    cycle = _locked(cycle.pk)
    if not can_retry(cycle):
        raise DomainError(
            "not_retryable", f"Only a failed or cancelled refresh can be retried; this one is {cycle.state}."
        )
    _resume(cycle)
    _record(cycle, actor, "retried", "goes on")
    return cycle


def _resume(cycle: RefreshCycle) -> None:
    """The failed job goes on from its checkpoint; where the last one ended well, another follows it."""
    activate(cycle=cycle)
    if cycle.job.can_retry:
        retry_job(job=cycle.job)
        cycle.refresh_from_db()
    else:
        _go_on(cycle)


@transaction.atomic
def skip_stage(*, cycle: RefreshCycle, name: str, reason: str, actor: User | None) -> RefreshCycle:
    """Leave a stage out, with the reason. One that waited or had failed lets the refresh go on at once.

    Locks the project's row, then the cycle's. Raises DomainError "not_skippable", and "refresh_running" where going on
    would make two.
    """
    Project.objects.select_for_update(no_key=True).get(pk=cycle.project_id)
    cycle = _locked(cycle.pk)
    stage = _stage(cycle, name)
    if not can_skip(cycle, stage):
        raise DomainError("not_skippable", f"{stage.get_name_display()} is {stage.state}: it cannot be left out now.")
    was = stage.state
    stage.state, stage.summary, stage.is_skipped_by_hand = StageState.SKIPPED, reason[:500], True
    stage.finished_at = timezone.now()
    stage.save()
    if name == StageName.EVALUATE and cycle.reward_model is not None:
        leave_unevaluated(model=cycle.reward_model, reason=reason)
    _record(cycle, actor, "stage_skipped", f"goes on without {stage.get_name_display().lower()}: {reason}", stage=name)
    if was == StageState.WAITING:
        _go_on(cycle)
    elif was == StageState.FAILED:
        _resume(cycle)
    return cycle


@transaction.atomic
def restore_stage(*, cycle: RefreshCycle, name: str, actor: User | None) -> RefreshCycle:
    """Put back a stage that a person left out, as long as it was not reached. Raises DomainError "not_restorable"."""
    cycle = _locked(cycle.pk)
    stage = _stage(cycle, name)
    if not can_restore(cycle, stage):
        raise DomainError("not_restorable", f"{stage.get_name_display()} cannot be put back: the refresh is past it.")
    stage.state, stage.summary, stage.is_skipped_by_hand, stage.finished_at = StageState.PENDING, "", False, None
    stage.save()
    _record(cycle, actor, "stage_restored", f"runs {stage.get_name_display().lower()} again", stage=name)
    return cycle


@transaction.atomic
def edit_stage(*, cycle: RefreshCycle, name: str, value: Any, actor: User | None) -> RefreshCycle:
    """Change a stage's part of the config before it begins; of a failed one, what it begins anew with.

    Raises ValidationError by field, and DomainError "not_editable".
    """
    cycle = _locked(cycle.pk)
    stage = _stage(cycle, name)
    if not can_edit(cycle, stage):
        raise DomainError("not_editable", f"{stage.get_name_display()} is {stage.state}: it cannot be changed now.")
    before = cycle.config
    config = RefreshConfig.of_cycle(before).with_part(name, value)
    if name == StageName.CANDIDATES:
        _require_sources(cycle.project, config)
    cycle.config = config.to_dict()
    changed = ["config"]
    if made := _MADE_BY.get(StageName(name)):
        setattr(cycle, made, None)
        changed.append(made)
    cycle.save(update_fields=changed)
    part = PART_OF[name]
    _record(
        cycle,
        actor,
        "stage_edited",
        f"has other options for {stage.get_name_display().lower()}",
        **{part: [before.get(part), cycle.config[part]]},
    )
    return cycle


def can_cancel(cycle: RefreshCycle) -> bool:
    return cycle.state == CycleState.WAITING or (cycle.state == CycleState.RUNNING and cycle.job.can_cancel)


def can_retry(cycle: RefreshCycle) -> bool:
    return cycle.state in (CycleState.FAILED, CycleState.CANCELLED)


def can_skip(cycle: RefreshCycle, stage: RefreshStage) -> bool:
    """Pending and waiting stages of a refresh that is not over for good, and a failed one."""
    if cycle.state == CycleState.SUCCEEDED:
        return False
    return stage.state in (StageState.PENDING, StageState.WAITING, StageState.FAILED)


def can_restore(cycle: RefreshCycle, stage: RefreshStage) -> bool:
    """Left out by a person, and no later stage has begun."""
    if cycle.state == CycleState.SUCCEEDED or not stage.is_skipped_by_hand:
        return False
    untouched = (StageState.PENDING, StageState.SKIPPED)
    later = [one for one in cycle.stages.all() if one.position > stage.position]
    return all(one.state in untouched and (one.state == StageState.PENDING or one.is_skipped_by_hand) for one in later)


def can_edit(cycle: RefreshCycle, stage: RefreshStage) -> bool:
    """Before it begins, after it failed, and while it waits: the target of labelling may change."""
    if stage.name not in PART_OF or cycle.state == CycleState.SUCCEEDED:
        return False
    if stage.state == StageState.WAITING:
        return stage.name == StageName.LABEL
    return stage.state in (StageState.PENDING, StageState.FAILED)


def _stage(cycle: RefreshCycle, name: str) -> RefreshStage:
    stage = cycle.stages.filter(name=name).first()
    if stage is None:
        raise not_found("stage")
    return stage


def _locked(pk: int) -> RefreshCycle:
    """The cycle's row, locked until the end of the transaction, with its project, job and links."""
    rows = RefreshCycle.objects.select_for_update(of=("self",))
    return rows.select_related("project", "job", "sampling_round", "reward_model", "created_by").get(pk=pk)


def _record(cycle: RefreshCycle, actor: User | None, what: str, told: str, **details: Any) -> None:
    if what == "started":
        details["config"] = cycle.config
    audit.record(
        project=cycle.project,
        actor=actor,
        action=f"refresh.{what}",
        summary=f"Refresh {cycle.number} {told}",
        target=cycle,
        **details,
    )
