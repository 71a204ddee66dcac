"""`manage.py import FILE --project P`: what the Imports page does, from a terminal, for files of any size."""

import threading
from pathlib import Path
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from annotate.imports.models import Import, ImportFormat
from annotate.imports.services import NO_COUNTS, start_import
from annotate.jobs.models import Job, JobState
from annotate.jobs.services import claim, request_cancel
from annotate.jobs.tasks import run_claimed, worker_name
from annotate.jobs.terminal import find_project, refusals
from annotate.pool.models import SourceKind
from annotate.projects.models import Project

SHOWN_ERRORS = 10


class Command(BaseCommand):
    help = "Import prompts, completions and ratings from a JSONL (also .gz), CSV or Parquet file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--format", default=ImportFormat.AUTO, choices=ImportFormat.values)
        parser.add_argument("--source-name", default="", help="of completions whose rows name none")
        parser.add_argument("--source-kind", default=SourceKind.EXTERNAL, choices=SourceKind.values)

    def handle(self, *args: Any, **options: Any) -> None:
        project = find_project(options["project"])
        file: Path = options["file"].absolute()
        if not file.is_file():
            raise CommandError(f"{file} does not exist.")
        run = self._start(project, file, options)
        console = Console(file=cast(TextIO, self.stdout), highlight=False)
        try:
            job = self._run(run, console)
        except KeyboardInterrupt:
            request_cancel(job=run.job)
            raise CommandError("Stopped. What was read is in; run the same command again for the rest.") from None
        run.refresh_from_db()
        counts = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name in NO_COUNTS if (n := run.counts[name]))
        console.print(escape(f"{file.name} ({run.get_format_display()}): {counts or 'nothing'}."))
        for error in run.errors.all()[:SHOWN_ERRORS]:
            console.print(escape(f"  line {error.line}, {error.field or 'row'}: {error.reason}"))
        if run.counts["bad_rows"] > SHOWN_ERRORS:
            console.print(f"  … all of them: /api/v1/projects/{project.slug}/imports/{run.pk}/errors.csv")
        if job.state != JobState.SUCCEEDED:
            raise CommandError(f"The import {job.state}: {job.error_message or 'on request'}")

    def _start(self, project: Project, file: Path, options: dict[str, Any]) -> Import:
        """Make the job and claim it before a worker can."""
        with refusals(), transaction.atomic():
            run = start_import(
                project=project,
                file_url=f"file://{file}",
                filename=file.name,
                format=options["format"],
                source_name=options["source_name"],
                source_kind=options["source_kind"],
            )
            job = claim(job_id=run.job_id, worker=worker_name())
            assert job is not None
            run.job = job
        return run

    @staticmethod
    def _run(run: Import, console: Console) -> Job:
        """Run the job here; a thread shows how far it is."""
        is_over = threading.Event()
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            bar = progress.add_task("starting", total=1.0)

            def show() -> None:
                while not is_over.wait(0.3):
                    now = Job.objects.get(pk=run.job_id)
                    progress.update(bar, completed=now.fraction or 0.0, description=escape(now.message or "starting"))
                connection.close()

            watcher = threading.Thread(target=show, daemon=True)
            watcher.start()
            try:
                run_claimed(run.job)
            finally:
                is_over.set()
                watcher.join(5)
        return Job.objects.get(pk=run.job_id)
