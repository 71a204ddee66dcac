"""What commands that start a job share: `name=value` on the command line, and a bar until the job has ended."""

import json
import time
from typing import Any

from django.core.management.base import CommandError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from annotate.jobs.models import Job, JobState

POLL_S = 0.5


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
