"""What commands that start a job share: the project by its slug, `name=value` on the command line, refusals in a line,
and a bar until the job has ended."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from annotate.common.errors import DomainError
from annotate.jobs.models import Job, JobState
from annotate.projects.models import Project

POLL_S = 0.5


def find_project(slug: str) -> Project:
    """The project of that slug. Raises CommandError that names those there are."""
    project = Project.objects.select_related("pool").filter(slug=slug).first()
    if project is None:
        known = ", ".join(Project.objects.order_by("slug").values_list("slug", flat=True)[:20]) or "none yet"
        raise CommandError(f"There is no project {slug!r}; there are: {known}.")
    return project


@contextmanager
def refusals(hints: Mapping[str, str] | None = None) -> Iterator[None]:
    """Within, what a service refuses ends the command in a line; `hints`, by code, say what to do about it."""
    try:
        yield
    except ValidationError as error:
        told = "; ".join(f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items())
        raise CommandError(told) from error
    except DomainError as error:
        hint = (hints or {}).get(error.code)
        raise CommandError(f"{error.message} {hint}" if hint else error.message) from error


def pair(given: str) -> tuple[str, Any]:
    """("epochs", 3) of "epochs=3": a value is JSON where it reads as such, else text."""
    name, equals, value = given.partition("=")
    if not equals:
        raise CommandError(f"{given}: expected name=value.")
    try:
        return name.strip(), json.loads(value)
    except json.JSONDecodeError:
        return name.strip(), value.strip()


def watch(job: Job, console: Console) -> Job:
    """Show a bar and the log's warnings until the job has ended. Reads only."""
    last_line = 0
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(job.title, total=1.0)
        while True:
            job.refresh_from_db()
            for line in job.log_lines.filter(id__gt=last_line, level__in=["warning", "error"]).order_by("id"):
                last_line = line.pk
                progress.console.print(f"[yellow]![/] {escape(line.message)}")
            waiting = f"waiting for a worker of queue {job.queue}" if job.state == JobState.QUEUED else "starting"
            progress.update(bar, completed=job.fraction or 0.0, description=escape(job.message or waiting))
            if job.is_finished:
                return job
            time.sleep(POLL_S)
