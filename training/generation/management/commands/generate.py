"""`manage.py generate --project P [--watch]`: have models complete prompts of the pool, from a terminal."""

import json
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape

from annotate.jobs.models import JobState
from annotate.jobs.terminal import find_project, refusals, watch
from annotate.projects.models import Project
from training.generation.models import Generation
from training.generation.options import LEAST_COVERED, ORDERS, GenerationOptions
from training.generation.services import estimate, request_generation
from training.generation.sources import default_mix

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
        project = find_project(options["project"])
        console = Console(file=cast(TextIO, self.stdout), highlight=False)
        with refusals():
            asked = self._options(project, options)
            if options["estimate"]:
                for name, n in estimate(project=project, options=asked).items():
                    console.print(f"{name.replace('_', ' ')}: {n:,}")
                return
            made = request_generation(project=project, options=asked)
        console.print(f"Generation {made.number} of {escape(project.name)} is queued (job {made.job_id}).")
        if not options["watch"]:
            return
        try:
            assert made.job is not None
            job = watch(made.job, console)
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
