"""`manage.py export --project P [--set name=value] [--preview] [--watch]`: a comparison set, from a terminal."""

import json
from pathlib import Path
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from annotate.jobs.models import Job, JobState
from annotate.jobs.terminal import find_project, pair, refusals, watch
from training.exports.models import ComparisonSet
from training.exports.selectors import preview
from training.exports.services import request_comparison_set
from training.exports.spec import Spec


class Command(BaseCommand):
    help = "Write a comparison set: ratings, filtered and frozen as Parquet files."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--name", default="")
        parser.add_argument("--spec", type=Path, metavar="FILE", help="a spec as JSON, such as a manifest's")
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a field of the spec, as min_ratings=3, ties=soft, tags='[\"code\"]'; may be given again",
        )
        parser.add_argument("--preview", action="store_true", help="say what it would give and why others are left out")
        parser.add_argument("--yes", action="store_true", help="although labellers disagree more than the limit")
        parser.add_argument("--watch", action="store_true", help="follow it with a progress bar until it ends")

    def handle(self, *args: Any, **options: Any) -> None:
        project = find_project(options["project"])
        console = Console(file=cast(TextIO, self.stdout), highlight=False)
        with refusals({"disagreement_above_limit": "Export all the same: --yes"}):
            spec = Spec.parse(_given(options))
            if options["preview"]:
                _tell(preview(project, spec), console)
                return
            made = request_comparison_set(
                project=project, spec=spec, name=options["name"], created_by=None, is_warned=options["yes"]
            )
        assert made.job is not None
        console.print(f"Comparison set {made.number} of {escape(project.name)} is queued (job {made.job_id}).")
        if options["watch"]:
            _follow(made, made.job, console)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The spec's fields from --spec and, over these, from --set."""
    fields: dict[str, Any] = {}
    if options["spec"]:
        try:
            fields = json.loads(options["spec"].read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CommandError(f"--spec: {error}") from error
    return fields | dict(map(pair, options["set"]))


def _tell(counts: dict[str, Any], console: Console) -> None:
    table = Table(show_header=False, box=None)
    for name in ("comparisons", "train", "validation", "test", "prompts", "ratings", "hard"):
        table.add_row(name, f"{counts[name]:,}")
    for name, n in counts["left_out"].items():
        if n:
            table.add_row(f"left out: {name.replace('_', ' ')}", f"{n:,}")
    console.print(table)
    for warning in counts["warnings"]:
        console.print(f"[yellow]![/] {escape(warning['message'])}")


def _follow(made: ComparisonSet, job: Job, console: Console) -> None:
    job = watch(job, console)
    if job.state != JobState.SUCCEEDED:
        raise CommandError(f"Comparison set {made.number} {job.state}: {job.error_message or 'on request'}")
    made.refresh_from_db()
    console.print(f"{made.counts['comparisons']:,} comparisons in {escape(made.uri)}, digest {made.digest[:12]}.")
