"""Starting refreshes, and keeping their rows in step with their jobs."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.common.models import next_number
from annotate.jobs.models import FINISHED, Job, JobState
from annotate.jobs.services import enqueue
from annotate.projects import audit
from annotate.projects.models import Project
from training.exports.selectors import preview
from training.exports.spec import Spec
from training.refresh.config import RefreshConfig
from training.refresh.models import RefreshCycle, RefreshStage, StageName, StageState
from training.reward.services import training_ended

# Below these a reward model cannot be told from a coin toss: 30 held-out comparisons would still leave ± 18 points,
# and a refresh is asked for before there are so many. They keep a run from being started that cannot teach anything.
NEEDED_TRAIN = 40
NEEDED_TEST = 5


@transaction.atomic
def start_refresh(
    *, project: Project, config: RefreshConfig, name: str = "", created_by: User | None = None
) -> RefreshCycle:
    """Make a cycle with its stages and queue its job.

    Locks the project's row. Raises DomainError "refresh_running" when there is one, and "too_few_comparisons" (with
    what is there and what is needed) when the ratings do not suffice.
    """
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    _release_finished(project)
    running = RefreshCycle.objects.filter(project=project, is_active=True).first()
    if running is not None:
        raise already_running(running)
    _require_enough(project, config.spec)
    number = next_number(project.refresh_cycles)
    job = enqueue(
        kind="refresh", title=f"Refresh {number}", project=project, params={"number": number},
        created_by=created_by,
    )  # fmt: skip
    cycle = RefreshCycle(
        project=project, number=number, name=name, config=config.to_dict(), job=job, created_by=created_by
    )
    cycle.full_clean()
    cycle.save()
    RefreshStage.objects.bulk_create(
        RefreshStage(cycle=cycle, position=position, name=stage) for position, stage in enumerate(StageName.values)
    )
    summary = f"Refresh {cycle.number} is started"
    audit.record(
        project=project, actor=created_by, action="refresh.started", summary=summary, target=cycle, config=cycle.config
    )
    return cycle


def already_running(cycle: RefreshCycle) -> DomainError:
    return DomainError(
        "refresh_running",
        f"Refresh {cycle.number} of this project is running; wait for it or cancel it.",
        refresh={"id": cycle.pk, "number": cycle.number},
        job=str(cycle.job_id),
    )


def _release_finished(project: Project) -> None:
    """A worker that died right after its job's last word may not have said that the cycle is over."""
    RefreshCycle.objects.filter(project=project, is_active=True, job__state__in=FINISHED).update(is_active=False)


def _require_enough(project: Project, spec: Spec) -> None:
    counts = preview(project, spec)
    missing = max(0, NEEDED_TRAIN - counts["train"]), max(0, NEEDED_TEST - counts["test"])
    if not any(missing):
        return
    left_out = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts["left_out"].items() if n)
    raise DomainError(
        "too_few_comparisons",
        f"There are {counts['comparisons']} rated comparisons that fit: {counts['train']} to train on and "
        f"{counts['test']} on held-out prompts. At least {NEEDED_TRAIN} and {NEEDED_TEST} are needed; "
        f"about {_more(missing)} more rated comparisons on new prompts would do."
        + (f" Left out: {left_out}." if left_out else ""),
        counts=counts,
        needed={"train": NEEDED_TRAIN, "test": NEEDED_TEST},
    )


def _more(missing: tuple[int, int]) -> int:
    """Comparisons to rate so that, at 80 and 10 %, both splits have enough."""
    return max(round(missing[0] / 0.8 + 0.5), missing[1] * 10)


def activate(*, cycle: RefreshCycle) -> None:
    """Say that the cycle's job works on it: a retry makes it active again. Raises DomainError when another one is."""
    _release_finished(cycle.project)
    try:
        with transaction.atomic():
            RefreshCycle.objects.filter(pk=cycle.pk).update(is_active=True)
    except IntegrityError:
        running = RefreshCycle.objects.filter(project=cycle.project, is_active=True).first()
        raise already_running(running or cycle) from None


def begin_stage(*, stage: RefreshStage) -> None:
    stage.state, stage.summary, stage.finished_at = StageState.RUNNING, "", None
    stage.started_at = stage.started_at or timezone.now()
    stage.save()


def end_stage(*, stage: RefreshStage, state: StageState, summary: str) -> None:
    stage.state, stage.summary, stage.finished_at = state, summary[:500], timezone.now()
    stage.save()


def refresh_ended(*, job: Job) -> None:
    """After a job's end: the project is free for the next refresh, and what was begun is not left looking busy."""
    cycle = RefreshCycle.objects.filter(job=job).first()
    if cycle is None:
        return
    RefreshCycle.objects.filter(pk=cycle.pk).update(is_active=False)
    begun = cycle.stages.filter(state=StageState.RUNNING)
    if job.state == JobState.CANCELLED:
        begun.update(state=StageState.PENDING, summary="Cancelled; a retry goes on from here.")
    elif job.state == JobState.FAILED:
        begun.update(state=StageState.FAILED, summary=job.error_message[:500], finished_at=timezone.now())
    training_ended(job=job)
