"""`manage.py generate --project P [--watch]`: have models complete prompts of the pool, from a terminal."""

import json
import time
from typing import Any, TextIO, cast

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from annotate.common.errors import DomainError
from annotate.jobs.models import Job, JobState
from annotate.projects.models import Project
from training.generation.models import Generation
from training.generation.options import LEAST_COVERED, ORDERS, GenerationOptions
from training.generation.services import estimate, request_generation
from training.generation.sources import default_mix

POLL_S = 0.5
NUMBERS = {"n": int, "best_of": int, "temperature": float, "top_p": float}


class Command(BaseCommand):
    help = "Have models complete prompts of the pool: candidates for the next sampling round."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--watch", action="store_true", help="follow it with a progress bar until it ends")
        parser.add_argument("--estimate", action="store_true", help="say what it would cost; start nothing")
        parser.add_argument(
            "--mix",
            action="append",
            metavar="SOURCE[,FIELD=VALUE…]",
            help="one source, again for each more: checkpoint:12,n=2,temperature=0.7 or pool,kind=random or "
            "endpoint:NAME or path:/models/x or builtin; left out: what the form starts with",
        )
        parser.add_argument("--n-prompts", type=int)
        parser.add_argument("--order", choices=ORDERS, default=LEAST_COVERED)
        parser.add_argument("--tag", action="append", default=[], help="only prompts with it, or another one given")
        parser.add_argument("--language", action="append", default=[])
        parser.add_argument("--max-new-tokens", type=int)
        parser.add_argument("--near-duplicate", type=float, help="least similarity that is dropped, 0 to 1")
        parser.add_argument("--seed", type=int)
        parser.add_argument("--options", metavar="FILE", help="all of it as JSON, as the API takes it")

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.select_related("pool").filter(slug=options["project"]).first()
        if project is None:
            known = ", ".join(Project.objects.order_by("slug").values_list("slug", flat=True)[:20]) or "none yet"
            raise CommandError(f"There is no project {options['project']!r}; there are: {known}.")
        console = Console(file=cast(TextIO, self.stdout), highlight=False)
        try:
            asked = self._options(project, options)
            if options["estimate"]:
                for name, n in estimate(project=project, options=asked).items():
                    console.print(f"{name.replace('_', ' ')}: {n:,}")
                return
            made = request_generation(project=project, options=asked)
        except ValidationError as error:
            told = "; ".join(f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items())
            raise CommandError(told) from error
        except DomainError as error:
            raise CommandError(error.message) from error
        console.print(f"Generation {made.number} of {escape(project.name)} is queued (job {made.job_id}).")
        if not options["watch"]:
            return
        try:
            job = watch(made, console)
        except KeyboardInterrupt:
            console.print(f"\nStopped watching. Generation {made.number} goes on in its worker.")
            return
        if job.state != JobState.SUCCEEDED:
            raise CommandError(f"Generation {made.number} {job.state}: {job.error_message or 'on request'}")
        counts = Generation.objects.get(pk=made.pk).counts
        dropped = ", ".join(f"{n} {why.replace('_', ' ')}" for why, n in counts["dropped"].items()) or "none"
        console.print(
            f"{counts['written']} completions of {counts['prompts']} prompts are written; dropped: {dropped}."
        )

    def _options(self, project: Project, options: dict[str, Any]) -> GenerationOptions:
        if options["options"]:
            try:
                with open(options["options"], encoding="utf-8") as file:
                    return GenerationOptions.parse(json.load(file))
            except (OSError, ValueError) as error:
                raise CommandError(f"{options['options']}: {error}") from error
        rows = options["mix"]
        given = {
            "n_prompts": options["n_prompts"],
            "max_new_tokens": options["max_new_tokens"],
            "near_duplicate": options["near_duplicate"],
            "seed": options["seed"],
        }
        return GenerationOptions.parse(
            {
                "mix": [_mix_row(row) for row in rows] if rows else [vars(row) for row in default_mix(project)],
                "order": options["order"],
                "tags": options["tag"],
                "languages": options["language"],
                **{name: value for name, value in given.items() if value is not None},
            }
        )


def _mix_row(text: str) -> dict[str, Any]:
    source, *fields = text.split(",")
    row: dict[str, Any] = {"source": source}
    for field in fields:
        name, separator, value = field.partition("=")
        if not separator:
            raise CommandError(f"--mix {text}: expected FIELD=VALUE after the source, got {field!r}")
        try:
            row[name] = NUMBERS.get(name, str)(value)
        except ValueError as error:
            raise CommandError(f"--mix {text}: {name} takes a number, got {value!r}") from error
    return row


def watch(generation: Generation, console: Console) -> Job:
    """Show a bar and the log's warnings until the job has ended. Reads only."""
    assert generation.job_id is not None
    last_line = 0
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(f"Generation {generation.number}", total=1.0)
        while True:
            job = Job.objects.get(pk=generation.job_id)
            for line in job.log_lines.filter(id__gt=last_line, level__in=["warning", "error"]).order_by("id"):
                last_line = line.pk
                progress.console.print(f"[yellow]![/] {escape(line.message)}")
            doing = "waiting for a worker of queue gpu" if job.state == JobState.QUEUED else job.message or "starting"
            progress.update(bar, completed=job.fraction or 0.0, description=escape(doing))
            if job.is_finished:
                return job
            time.sleep(POLL_S)
