"""`manage.py refresh --project P [--watch]`: what the Refresh button does, from a terminal."""

import time
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from annotate.jobs.models import Job, JobState
from annotate.jobs.terminal import find_project, refusals
from annotate.projects.models import Project
from training.policy.services import BUILTIN
from training.refresh.config import RefreshConfig
from training.refresh.models import RefreshCycle, StageState
from training.refresh.services import start_refresh
from training.sampling.options import ACQUISITIONS, DEFAULT_ACQUISITION

POLL_S = 0.5


class Command(BaseCommand):
    help = "Start a refresh: comparison set, base model, training, evaluation, promotion, sampling."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--watch", action="store_true", help="follow it with a progress bar until it ends")
        parser.add_argument("--attach", action="store_true", help="watch the refresh that runs; start none")
        parser.add_argument("--name", default="")
        parser.add_argument("--base-model", default=BUILTIN, help="builtin (default), a path on the worker or a hub id")
        parser.add_argument("--acquisition", default=DEFAULT_ACQUISITION, choices=ACQUISITIONS)
        parser.add_argument("--budget", type=int, help="how many comparisons to ask for next")
        parser.add_argument("--min-ratings", type=int, help="ratings that a comparison needs")
        parser.add_argument("--min-agreement", type=float, help="least share of ratings that give the verdict")
        parser.add_argument("--ties", choices=("drop", "soft"))

    def handle(self, *args: Any, **options: Any) -> None:
        project = find_project(options["project"])
        cycle = self._running(project) if options["attach"] else self._start(project, options)
        console = Console(file=cast(TextIO, self.stdout), highlight=False)
        if not (options["watch"] or options["attach"]):
            console.print(
                f"Refresh {cycle.number} of {escape(project.name)} is queued (job {cycle.job_id}).\n"
                f"Follow it: manage.py refresh --project {project.slug} --attach"
            )
            return
        try:
            console.print(f"Refresh {cycle.number} of {escape(project.name)}. Ctrl-C stops watching, not the refresh.")
            job = watch(cycle, console)
        except KeyboardInterrupt:
            console.print(
                f"\nStopped watching. Refresh {cycle.number} goes on in its worker; "
                f"watch again: manage.py refresh --project {project.slug} --attach"
            )
            return
        if job.state != JobState.SUCCEEDED:
            raise CommandError(f"Refresh {cycle.number} {job.state}: {job.error_message or 'on request'}")
        console.print(f"Refresh {cycle.number} succeeded.")

    def _start(self, project: Project, options: dict[str, Any]) -> RefreshCycle:
        chosen = {name: options[name] for name in ("min_ratings", "min_agreement", "ties")}
        with refusals({"refresh_running": f"Watch it: --project {project.slug} --attach"}):
            config = RefreshConfig.build(
                base_model=options["base_model"],
                acquisition=options["acquisition"],
                budget=options["budget"],
                spec={name: value for name, value in chosen.items() if value is not None},
            )
            return start_refresh(project=project, config=config, name=options["name"])

    def _running(self, project: Project) -> RefreshCycle:
        cycle = RefreshCycle.objects.filter(project=project, is_active=True).first()
        if cycle is None:
            raise CommandError("No refresh of this project is running.")
        return cycle


def watch(cycle: RefreshCycle, console: Console) -> Job:
    """Show a bar, each stage as it ends, and warnings of the log, until the job has ended. Reads only."""
    shown: set[str] = set()
    last_line = 0
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(f"Refresh {cycle.number}", total=1.0)
        while True:
            job = Job.objects.get(pk=cycle.job_id)
            for stage in cycle.stages.order_by("position"):
                if stage.state in (StageState.SUCCEEDED, StageState.SKIPPED) and stage.name not in shown:
                    shown.add(stage.name)
                    progress.console.print(f"[green]✓[/] {stage.get_name_display()}: {escape(stage.summary)}")
            for line in job.log_lines.filter(id__gt=last_line, level__in=["warning", "error"]).order_by("id"):
                last_line = line.pk
                progress.console.print(f"[yellow]![/] {escape(line.message)}")
            progress.update(bar, completed=job.fraction or 0.0, description=escape(_doing(job)))
            if job.is_finished:
                return job
            time.sleep(POLL_S)


def _doing(job: Job) -> str:
    if job.state == JobState.QUEUED:
        return f"waiting for a worker of queue {job.queue}"
    return job.message or "starting"
