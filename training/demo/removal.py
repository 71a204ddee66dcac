"""Taking the demo away: its rows, jobs and files, and the models that the scorer serves for it.

What other people have made stays: their projects, with the pool if it is the demo's, and whoever belongs to them. The
built-in models under VAR_DIR/models stay too: a cache that goes by content, for the next demo to find.
"""

import json
import time
from contextlib import suppress

from django.db import transaction
from django.db.models import ProtectedError, Q

from annotate.accounts.models import User, UserKind
from annotate.common.errors import DomainError
from annotate.imports.models import Import
from annotate.jobs.models import FINISHED, Job, JobState
from annotate.jobs.services import request_cancel
from annotate.pool.models import Completion, Prompt
from annotate.projects.models import Membership, Pool, Project
from annotate.ratings.models import Adjudication, Flag, Rating
from annotate.ratings.services import purge
from training import artifacts
from training.demo.seed import ORIGIN, emails, hold_lock, labellers, sign_ins, summary
from training.policy.models import SftRun
from training.policy.sft import forget_sft_models
from training.policy_runs.keeping import forget_models
from training.policy_runs.models import PolicyRun
from training.reward import registry


def work_of_others() -> list[str]:
    """What people who are not of the demo have put into it, and what of theirs stays, in words."""
    projects = Project.objects.filter(is_demo=True)
    in_demo = Q(comparison__project__in=projects)
    mine = Q(labeller__email__in=emails()) | ~Q(labeller__kind=UserKind.PERSON)
    added = Prompt.objects.filter(pool__projects__in=projects).exclude(origin=ORIGIN)
    counts = {
        "ratings by people with accounts of their own": Rating.objects.filter(in_demo).exclude(mine).count(),
        "flags by people with accounts of their own": Flag.objects.filter(in_demo).exclude(mine).count(),
        "verdicts by people with accounts of their own": Adjudication.objects.filter(in_demo)
        .exclude(reviewer__email__in=emails())
        .count(),
        "prompts that were added to its own": added.distinct().count(),
    }
    found = [f"{n:,} {what}" for what, n in counts.items() if n]
    for project in Project.objects.filter(is_demo=False, pool__projects__in=projects).distinct().order_by("pk"):
        found.append(f"the project {project.name!r} uses the demo's prompts: it stays, and so do they")
    for member in _members_elsewhere():
        found.append(f"{member.user.email} belongs to the project {member.project.name!r} and stays")
    return found


def _members_elsewhere() -> list[Membership]:
    """Demo people as members of projects that are not the demo's: one of them may be all that such a project has."""
    members = Membership.objects.filter(user__email__in=emails(), project__is_demo=False)
    return list(members.select_related("user", "project").order_by("pk"))


def remove(*, patience_s: float = 30.0) -> dict[str, int]:
    """Remove the demo and return how much of what is gone.

    Jobs are cancelled first; one that does not stop in `patience_s` loses its row, and its worker lets go of it at the
    next heartbeat. All rows go in one transaction, then the files.
    """
    projects = list(Project.objects.filter(is_demo=True).select_related("pool"))
    _end_jobs(projects, patience_s)
    with transaction.atomic():
        hold_lock()
        before = summary()
        jobs = list(Job.objects.filter(project__in=projects).values_list("pk", flat=True))
        uploads = list(Import.objects.filter(project__in=projects).values_list("file_url", flat=True))
        policy_runs = list(PolicyRun.objects.filter(project__in=projects).values_list("pk", flat=True))
        sft_runs = list(SftRun.objects.filter(project__in=projects).values_list("pk", flat=True))
        n_rows = {
            "refresh cycles": sum(project.refresh_cycles.count() for project in projects),
            "reward models": sum(project.reward_models.count() for project in projects),
            "jobs": len(jobs),
        }
        for project in projects:
            # Rows of the models' wing hang on the project, and what restricts their removal goes in the same sweep.
            purge(project=project)
        n_pool = {"prompts": 0, "completions": 0}
        for pool in Pool.objects.filter(pk__in={project.pool_id for project in projects}, projects=None):
            n_pool["completions"] += Completion.objects.filter(prompt__pool=pool).count()
            n_pool["prompts"] += pool.prompts.count()
            pool.prompts.all().delete()  # before the sources, which their completions hold fast
            pool.delete()
        n_users = _remove_users([project.slug for project in projects])
    for url in uploads:
        if url.startswith(artifacts.artifact_url("imports", "")):
            artifacts.remove(url.rpartition("/")[0])
    for project in projects:
        for kind in ("reward-models", "comparison-sets", "strengths", "external", "bulk-inputs", "bulk-scorings"):
            artifacts.remove(artifacts.artifact_url(kind, project.slug))
    for job_id in jobs:
        artifacts.forget_run(job_id)
    forget_models(policy_runs)
    forget_sft_models(sft_runs)
    registry.sync()
    _forget_sign_ins()
    return before | n_pool | n_users | n_rows


def _end_jobs(projects: list[Project], patience_s: float) -> None:
    unfinished = Job.objects.filter(project__in=projects).exclude(state__in=FINISHED)
    for job in unfinished:
        with suppress(DomainError):  # it has ended at this moment
            request_cancel(job=job)
    deadline = time.monotonic() + patience_s
    while unfinished.filter(state=JobState.RUNNING).exists() and time.monotonic() < deadline:
        time.sleep(0.2)


def _remove_users(slugs: list[str]) -> dict[str, int]:
    """Remove the simulated labellers, those of files imported into the demo, and the demo's people."""
    imported = User.objects.none()
    for slug in slugs:
        imported |= User.objects.filter(kind=UserKind.IMPORTED, external_key__startswith=f"{slug}/")
    busy = {member.user_id for member in _members_elsewhere()}
    people = User.objects.filter(email__in=emails()).exclude(pk__in=busy)
    n = {"simulated labellers": 0, "accounts": 0}
    for name, users in (("simulated labellers", labellers()), ("", imported), ("accounts", people)):
        for user in users:
            # Who has rated elsewhere is held fast by the ratings.
            with suppress(ProtectedError), transaction.atomic():
                user.delete()
                if name:
                    n[name] += 1
    return n


def _forget_sign_ins() -> None:
    """Remove the file of sign-ins, but for those of people who stay."""
    path = sign_ins()
    stay = set(User.objects.filter(email__in=emails()).values_list("email", flat=True))
    if not path.exists():
        return
    kept = [account for account in json.loads(path.read_text(encoding="utf-8")) if account["email"] in stay]
    if kept:
        path.write_text(json.dumps(kept, indent=2), encoding="utf-8")  # the mode stays
    else:
        path.unlink()
