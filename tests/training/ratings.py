"""Ratings and prompts made straight in the database, as importers do, for tests of what is done with them."""

import hashlib
from typing import Any

from django.utils import timezone

from annotate.accounts.models import User, UserKind
from annotate.comparisons.models import Assignment, AssignmentKind, AssignmentState, Comparison
from annotate.jobs.context import JobContext
from annotate.jobs.models import Job, JobState
from annotate.jobs.services import claim
from annotate.pool.models import Completion, CompletionSource, Prompt, SourceKind
from annotate.projects.models import Project
from annotate.ratings.models import Rating, RatingOrigin
from annotate.ratings.services import count


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def labeller(name: str) -> User:
    return User.objects.get_or_create(external_key=f"test/{name}", defaults={"kind": UserKind.IMPORTED, "name": name})[
        0
    ]


def rate(comparison: Comparison, *answers: str | tuple[str, int | None], **fields: Any) -> list[Rating]:
    """One rating a labeller: "a", "b", "tie", or with an intensity ("a", 3)."""
    ratings = []
    comparison.refresh_from_db()
    for number, answer in enumerate(answers):
        preferred, intensity = answer if isinstance(answer, tuple) else (answer, None)
        person = labeller(f"{number}")
        assignment = Assignment.objects.create(
            comparison=comparison, labeller=person, kind=AssignmentKind.IMPORTED, state=AssignmentState.SUBMITTED
        )
        ratings.append(
            Rating.objects.create(
                comparison=comparison,
                assignment=assignment,
                labeller=person,
                project=comparison.project,
                preferred=preferred,
                intensity=intensity,
                created_at=timezone.now(),
                **{"origin": RatingOrigin.IMPORTED, **fields},
            )
        )
        count(comparison, preferred, +1)
    comparison.save(update_fields=["n_a", "n_b", "n_ties"])
    comparison.refresh_from_db()
    return ratings


def correct(rating: Rating, preferred: str, intensity: int | None = None, **fields: Any) -> Rating:
    """A rating that supersedes an earlier one."""
    comparison = Comparison.objects.get(pk=rating.comparison_id)
    newer = Rating.objects.create(
        comparison=comparison,
        assignment=rating.assignment,
        labeller=rating.labeller,
        project=rating.project,
        preferred=preferred,
        intensity=intensity,
        supersedes=rating,
        created_at=timezone.now(),
        **{"origin": RatingOrigin.IMPORTED, **fields},
    )
    count(comparison, rating.preferred, -1)
    count(comparison, preferred, +1)
    comparison.save(update_fields=["n_a", "n_b", "n_ties"])
    return newer


def running_job(project: Project, kind: str = "export", **params: Any) -> JobContext:
    """A job that this process has claimed, as a worker would, with its context."""
    job = Job.objects.create(
        project=project, kind=kind, title=kind, queue="default", params=params, queued_at=timezone.now()
    )
    taken = claim(job_id=job.pk, worker="test")
    assert taken is not None and taken.state == JobState.RUNNING
    return JobContext(taken)


def make_prompt(project: Project, text: str, completions: list[str], kind: str = SourceKind.EXTERNAL) -> Prompt:
    source, _ = CompletionSource.objects.get_or_create(pool=project.pool, name=f"a-{kind}", defaults={"kind": kind})
    prompt = Prompt.objects.create(
        pool=project.pool, messages=[{"role": "user", "content": text}], digest=sha256(text), excerpt=text[:200]
    )
    for completion in completions:
        Completion.objects.create(prompt=prompt, source=source, text=completion, digest=sha256(completion))
    return prompt
