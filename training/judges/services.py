"""Writes of constitutions, judges and their runs."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from annotate.accounts.models import User
from annotate.agreement.opinions import forget_judge_opinions, record_judge_opinions
from annotate.common.errors import DomainError
from annotate.common.models import next_number
from annotate.comparisons.models import Comparison
from annotate.jobs.models import Job
from annotate.jobs.services import enqueue
from annotate.projects import audit
from annotate.projects.models import Project
from training.endpoints import Endpoint, endpoints
from training.judges.comparing import verdict
from training.judges.models import AiRating, Constitution, ConstitutionVersion, Judge, JudgeRun, Principle
from training.judges.options import RunOptions
from training.judges.reports import report_of

MOST_PRINCIPLES = 50
_BATCH = 1_000


class PrincipleText(NamedTuple):
    """A principle as it is written: what to judge by, under which heading, and how much it counts."""

    text: str
    axis: str = ""
    weight: float = 1.0


@transaction.atomic
def create_constitution(
    *, project: Project, name: str, note: str = "", principles: Sequence[PrincipleText], author: User | None
) -> ConstitutionVersion:
    """Make a constitution with version 1 as its draft. Raises DomainError "constitution_exists"."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if Constitution.objects.filter(project=project, name=name).exists():
        raise DomainError("constitution_exists", f"There is a constitution {name!r} already: write its next version.")
    made = Constitution(project=project, name=name, created_by=author)
    made.full_clean()
    made.save()
    version = ConstitutionVersion(constitution=made, number=1, note=note, author=author)
    version.full_clean()
    version.save()
    _write_principles(version, principles)
    return version


@transaction.atomic
def save_draft(
    *, constitution: Constitution, note: str, principles: Sequence[PrincipleText], author: User | None
) -> ConstitutionVersion:
    """Write the draft of the next version, in place of what it said; published versions stay as they are.

    Locks the constitution, so that two writers cannot open two drafts.
    """
    Constitution.objects.select_for_update(no_key=True).get(pk=constitution.pk)
    draft = constitution.versions.filter(published_at=None).first()
    if draft is None:
        number = next_number(constitution.versions)
        draft = ConstitutionVersion(constitution=constitution, number=number)
    draft.note, draft.author = note, author
    draft.full_clean()
    draft.save()
    draft.principles.all().delete()
    _write_principles(draft, principles)
    return draft


@transaction.atomic
def publish_constitution(*, constitution: Constitution, actor: User | None) -> ConstitutionVersion:
    """Publish the draft: from now on judges may be asked by it, and nobody can change it.

    Locks the constitution. Raises DomainError "no_draft" and "no_principles".
    """
    Constitution.objects.select_for_update(no_key=True).get(pk=constitution.pk)
    draft = constitution.versions.filter(published_at=None).first()
    if draft is None:
        raise DomainError("no_draft", "There is no draft to publish: change something first.")
    n_principles = draft.principles.count()
    if n_principles == 0:
        raise DomainError("no_principles", "A constitution needs one principle at least.")
    draft.published_at = timezone.now()
    draft.save(update_fields=["published_at"])
    audit.record(
        project=constitution.project,
        actor=actor,
        action="constitution.published",
        summary=f"Constitution {draft}",
        target=draft,
        number=draft.number,
        n_principles=n_principles,
    )
    return draft


def _write_principles(version: ConstitutionVersion, principles: Sequence[PrincipleText]) -> None:
    if len(principles) > MOST_PRINCIPLES:
        raise DomainError("too_many_principles", f"A constitution has {MOST_PRINCIPLES} principles at most.")
    for position, one in enumerate(principles):
        made = Principle(version=version, position=position, **one._asdict())
        made.full_clean()
        made.save()


def endpoint_of(judge: str) -> Endpoint:
    """The endpoint of a judge's name. Raises ValidationError where the operator allows none of that name."""
    name, known = judge.removeprefix("endpoint:"), endpoints()
    if name not in known:
        names = ", ".join(known) or "none"
        raise ValidationError({"judge": f"The operator allows no endpoint {name!r}; allowed (LM_ENDPOINTS): {names}."})
    return known[name]


# --- runs -----------------------------------------------------------------------------------------------------------
@transaction.atomic
def start_run(
    *, project: Project, version: ConstitutionVersion, options: RunOptions, created_by: User | None
) -> JudgeRun:
    """Make a run, and its judge where there is none yet, and queue its job. Locks the project's row.

    Raises DomainError "not_published" for a draft, ValidationError for an endpoint that is not configured.
    """
    if version.published_at is None:
        raise DomainError("not_published", f"{version} is a draft: publish it first, so that it can no longer change.")
    model = endpoint_of(options.judge).model if options.judge.startswith("endpoint:") else ""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    judge, _ = Judge.objects.get_or_create(
        project=project, version=version, name=options.judge, model=model, chain_of_thought=options.chain_of_thought
    )
    number = next_number(project.judge_runs)
    run = JudgeRun(
        project=project,
        number=number,
        judge=judge,
        scope=options.scope,
        n_comparisons=options.n_comparisons,
        n_principles=options.n_principles,
        max_tokens=options.max_tokens,
        seed=options.seed,
        created_by=created_by,
    )
    run.full_clean()
    run.save()
    run.job = enqueue(
        kind="judge",
        title=f"Judge run {run.number}: {judge}",
        project=project,
        params={"run": run.pk},
        created_by=created_by,
    )
    run.save(update_fields=["job"])
    audit.record(
        project=project,
        actor=created_by,
        action="judge.started",
        summary=f"Judge run {run.number}: {judge}",
        target=run,
        options=options.to_dict(),
    )
    return run


def store_judgements(*, run: JudgeRun, judgements: Iterable[dict[str, Any]]) -> int:
    """Store what the engine wrote, in batches, and return of how many. What is there already stays as it is."""
    n_stored = 0
    batch: list[AiRating] = []
    for row in judgements:
        if row["p_a"] is None:
            continue
        batch.append(
            AiRating(
                judge_id=run.judge_id,
                run=run,
                comparison_id=row["id"],
                principle_id=row["principle"],
                p_a=row["p_a"],
                p_first_order=row["p_first_order"],
                p_second_order=row["p_second_order"],
                has_probabilities=row["has_probabilities"],
                rationale=row["rationale"],
            )
        )
        if len(batch) == _BATCH:
            n_stored += _store(batch)
            batch = []
    return n_stored + _store(batch)


def _store(batch: list[AiRating]) -> int:
    """Comparisons that are gone meanwhile are left out."""
    if not batch:
        return 0
    wanted = [one.comparison_id for one in batch]
    known = set(Comparison.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    rows = [one for one in batch if one.comparison_id in known]
    AiRating.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def finish_run(*, run: JudgeRun, counts: dict[str, Any]) -> JudgeRun:
    JudgeRun.objects.filter(pk=run.pk).update(counts=counts, finished_at=timezone.now())
    run.refresh_from_db()
    return run


# --- whether a judge counts -----------------------------------------------------------------------------------------
@transaction.atomic
def request_report(*, judge: Judge, created_by: User | None) -> Job:
    """Queue the job of `update_report`; the one that has not ended yet, where there is one. Locks the judge's row."""
    judge = Judge.objects.select_for_update(of=("self",), no_key=True).select_related("report_job").get(pk=judge.pk)
    if judge.report_job is not None and not judge.report_job.is_finished:
        return judge.report_job
    judge.report_job = enqueue(
        kind="judge_report",
        title=f"{judge}: compared with people",
        project=judge.project,
        params={"judge": judge.pk},
        created_by=created_by,
    )
    judge.save(update_fields=["report_job"])
    return judge.report_job


def update_report(*, judge: Judge, told: Callable[[int, str], None] | None = None) -> Judge:
    """Compare the judge with people anew and keep the result. One that no longer passes stays allowed: a researcher
    who sees the report decides.

    Where a judge that passes is sure of the other side than people, reviewers find the comparison in their queue; what
    other judges thought before makes room. One that does not pass accuses nobody.
    """
    report = report_of(judge, told=told) if told else report_of(judge)
    Judge.objects.filter(pk=judge.pk).update(report=report, reported_at=timezone.now())
    if not verdict(report):
        opinions = {row["comparison_id"]: row["p_a"] for row in report["disagreements"]}
        record_judge_opinions(project=judge.project, judge=str(judge), opinions=opinions)
    judge.refresh_from_db()
    return judge


@transaction.atomic
def allow_judge(*, judge: Judge, actor: User | None) -> Judge:
    """Let the judge's ratings into comparison sets whose spec asks for them. Locks the judge's row.

    The report is made anew first. Raises DomainError "judge_not_good_enough" with the `reasons` where it does not pass
    (`comparing.verdict`), "already_allowed".
    """
    judge = Judge.objects.select_for_update(of=("self",), no_key=True).get(pk=judge.pk)
    if judge.allowed_at is not None:
        raise DomainError("already_allowed", "The ratings of this judge count already.")
    judge = update_report(judge=judge)
    reasons = verdict(judge.report)
    if reasons:
        raise DomainError("judge_not_good_enough", " ".join(reasons), reasons=reasons)
    judge.allowed_at, judge.allowed_by = timezone.now(), actor
    judge.save(update_fields=["allowed_at", "allowed_by"])
    audit.record(
        project=judge.project,
        actor=actor,
        action="judge.allowed",
        summary=f"AI ratings of {judge} may be put into comparison sets",
        target=judge,
        kappa=judge.report["kappa"],
    )
    return judge


@transaction.atomic
def withdraw_judge(*, judge: Judge, actor: User | None, reason: str = "") -> Judge:
    """Keep the judge's ratings out of comparison sets from now on; sets that are written stay as they are."""
    judge = Judge.objects.select_for_update(of=("self",), no_key=True).get(pk=judge.pk)
    if judge.allowed_at is None:
        raise DomainError("not_allowed", "The ratings of this judge do not count as it is.")
    judge.allowed_at, judge.allowed_by = None, None
    judge.save(update_fields=["allowed_at", "allowed_by"])
    forget_judge_opinions(project=judge.project, judge=str(judge))
    audit.record(
        project=judge.project,
        actor=actor,
        action="judge.withdrawn",
        summary=f"AI ratings of {judge} are kept out of comparison sets" + (f": {reason}" if reason else ""),
        target=judge,
        reason=reason,
    )
    return judge
