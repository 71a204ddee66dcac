"""Starting, stopping and retrying policy runs."""

import statistics
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.common.models import next_number
from annotate.jobs.models import Job, JobState
from annotate.jobs.services import enqueue, request_cancel
from annotate.jobs.services import retry as retry_job
from annotate.projects import audit
from annotate.projects.models import Project
from training import artifacts
from training.policy_runs.models import PolicyEvaluation, PolicyRun
from training.policy_runs.options import PolicyRunOptions
from training.policy_runs.people import ask_people
from training.policy_runs.selectors import combinable, n_prompts, problem
from training.policy_runs.starts import Start, find_start
from training.reward import registry
from training.reward.bulk import require_model
from training.reward.models import RewardModel

# A run takes what the last few of the project took for as many completions; the median of these.
LATELY = 5


# --- starting --------------------------------------------------------------------------------------------------------
def start_policy_run(*, project: Project, options: PolicyRunOptions, created_by: User | None = None) -> PolicyRun:
    """Make a run and queue its job; the scorer keeps its models until that has ended.

    Locks the project's row, so that numbers do not collide. Raises ValidationError by field where the options name what
    there is not, or what `created_by` may not see, and DomainError "no_reward_model" and "no_prompts".
    """
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        named = _named(project, options, created_by)
        start, model = named.start, named.model
        made = PolicyRun(
            project=project,
            number=next_number(project.policy_runs),
            options=options.to_dict(),
            start_checkpoint=start.checkpoint,
            start_model=start.label,
            reward_model=model,
            combined_model=named.combined,
            gold_model=named.gold,
            created_by=created_by,
        )
        made.full_clean()
        made.save()
        made.job = enqueue(
            kind="optimise_policy",
            title=f"Policy run {made.number} against v{model.version}",
            project=project,
            params={"policy_run": made.pk},
            created_by=created_by,
        )
        made.save(update_fields=["job"])
        _record(made, created_by, "started", f"is started: {start.label} against reward model v{model.version}")
        transaction.on_commit(registry.sync)
    return made


@dataclass(frozen=True)
class _Named:
    """What the options of a run name, as it is found now."""

    start: Start
    model: RewardModel
    combined: RewardModel | None
    gold: RewardModel | None


def _named(project: Project, options: PolicyRunOptions, user: User | None) -> _Named:
    """Raises as `start_policy_run`."""
    require_model(project, None)
    counts = n_prompts(project)
    if told := problem(project, counts):
        raise DomainError("no_prompts", told)
    problems: dict[str, Any] = {}
    start = model = combined = gold = None
    try:
        start = find_start(project, options.start)
    except ValidationError as error:
        problems |= error.message_dict
    try:
        model = require_model(project, options.reward_model)
    except DomainError as error:
        problems["reward_model"] = error.message
    if options.combine_with:
        combined = combinable(project, user).get(options.combine_with)
        if combined is None:
            problems["combine_with"] = "Expected another project of this pool that you see, with a model in use."
    if options.gold_model is not None:
        try:
            gold = require_model(project, options.gold_model)
        except DomainError as error:
            problems["gold_model"] = error.message
    if model is not None and model.n_members < 2 and options.ensemble != "mean":
        problems["ensemble"] = f"v{model.version} is a single model: there are no members that could differ."
    if problems:
        raise ValidationError(problems)
    assert start is not None and model is not None
    return _Named(start, model, combined, gold)


def preview(*, project: Project, options: PolicyRunOptions, user: User | None = None) -> dict[str, Any]:
    """What a run would take, before it is started. Raises as `start_policy_run`.

    n_prompts: there to train on, passes: how often each is drawn. n_completions: sampled in training, and
    n_probe_completions in all evaluations, of max_new_tokens at most together. n_comparisons: put before people at
    most, n_ratings: wanted of them. seconds: by what earlier runs took, None before there is one.
    """
    _named(project, options, user)
    counts = n_prompts(project)
    n_probe = min(options.n_probe, counts["n_probe"])
    n_completions = options.n_drawn * options.completions_per_prompt
    n_asked = len(options.human_kls) * min(options.n_human, n_probe)
    n_probe_completions = n_probe * options.n_evaluations
    return {
        "n_prompts": counts["n_prompts"],
        "passes": options.n_drawn / counts["n_prompts"],
        "n_completions": n_completions,
        "n_updates": options.n_steps,
        "n_probe": n_probe,
        "n_evaluations": options.n_evaluations,
        "n_probe_completions": n_probe_completions,
        "max_new_tokens": (n_completions + n_probe_completions) * options.max_new_tokens,
        "n_comparisons": n_asked,
        "n_ratings": n_asked * project.min_ratings,
        "seconds": _seconds(project, n_completions),
    }


def _seconds(project: Project, n_completions: int) -> float | None:
    rows = PolicyRun.objects.filter(project=project, job__state=JobState.SUCCEEDED, stop_reason="").order_by("-pk")
    paces = []
    for raw, began, ended in rows.values_list("options", "job__started_at", "job__finished_at")[:LATELY]:
        then = PolicyRunOptions.parse(raw)
        n = then.n_drawn * then.completions_per_prompt
        if began is not None and ended is not None:
            paces.append((ended - began).total_seconds() / n)
    return statistics.median(paces) * n_completions if paces else None


# --- on the way ------------------------------------------------------------------------------------------------------
@transaction.atomic
def cancel_policy_run(*, run: PolicyRun, actor: User | None) -> None:
    """Stop a run; its evaluations stay. Locks the run's row. Raises DomainError "not_cancellable"."""
    locked = _locked(run)
    if not can_cancel(locked):
        raise DomainError("not_cancellable", f"{locked} has ended, or is being cancelled: there is nothing to cancel.")
    assert locked.job is not None
    request_cancel(job=locked.job)
    _record(locked, actor, "cancelled", "is cancelled")


@transaction.atomic
def retry_policy_run(*, run: PolicyRun, actor: User | None) -> None:
    """Go on with a failed or cancelled run from its last checkpoint. Locks the run's row. Raises DomainError
    "not_retryable"."""
    locked = _locked(run)
    if not can_retry(locked):
        raise DomainError("not_retryable", "Only a failed or cancelled policy run can be retried.")
    assert locked.job is not None
    retry_job(job=locked.job)
    _record(locked, actor, "retried", "goes on")
    transaction.on_commit(registry.sync)


def ask_by_hand(*, evaluation: PolicyEvaluation, n: int, actor: User | None) -> int:
    """Have people judge up to n more of an evaluation's samples; returns how many. Raises DomainError "nothing_to_ask"
    for the start itself, and where all are before people."""
    if evaluation.step == 0:
        raise DomainError("nothing_to_ask", "At step 0 the policy is its own reference: there is nothing to compare.")
    asked = ask_people(evaluation=evaluation, n=n, actor=actor)
    if not asked:
        raise DomainError("nothing_to_ask", "People are asked about all prompts of this evaluation already.")
    return asked


def _locked(run: PolicyRun) -> PolicyRun:
    return PolicyRun.objects.select_for_update(of=("self",)).select_related("job", "project").get(pk=run.pk)


def can_cancel(run: PolicyRun) -> bool:
    return run.job is not None and run.job.can_cancel


def can_retry(run: PolicyRun) -> bool:
    return run.job is not None and run.job.can_retry and run.finished_at is None


def state_of(run: PolicyRun) -> str:
    """The job's; of a run whose job is gone, how it ended."""
    if run.job is not None:
        return str(run.job.state)
    return str(JobState.CANCELLED if run.finished_at is None else JobState.SUCCEEDED)


def run_ended(*, job: Job) -> None:
    """After the job: the scorer need not hold the models any more, and files are kept only for a retry."""
    transaction.on_commit(registry.sync, robust=True)
    if job.state == JobState.SUCCEEDED:
        artifacts.forget_run(job.pk)


def _record(run: PolicyRun, actor: User | None, what: str, told: str, **details: Any) -> None:
    audit.record(
        project=run.project, actor=actor, action=f"policy_run.{what}", summary=f"{run} {told}", target=run, **details
    )
