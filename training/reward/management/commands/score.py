"""`manage.py score --project P --input URL [--watch]`: a file of prompts and completions scored, from a terminal."""

from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape

from annotate.jobs.models import JobState
from annotate.jobs.terminal import find_project, refusals, watch
from training.engine.common.errors import EngineError
from training.engine.scoring.bulk_input import REJECTED, ROWS_PER_SHARD, files_of
from training.reward.bulk import MAX_BAD_SHARE, request_bulk_scoring
from training.reward.models import BulkScoring


class Command(BaseCommand):
    help = "Score a file of prompts and completions, of any size, with a reward model that the scorer serves."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument(
            "--input", required=True, metavar="URL", help="Parquet or JSONL: a file, directory or glob, as fsspec reads"
        )
        parser.add_argument("--version", type=int, metavar="N", dest="model_version", help="default: the promoted one")
        parser.add_argument("--name", default="")
        parser.add_argument("--rows-per-shard", type=int, default=ROWS_PER_SHARD, metavar="N")
        parser.add_argument(
            "--max-bad-share", type=float, default=MAX_BAD_SHARE, metavar="X", help="more bad rows, and the job fails"
        )
        parser.add_argument("--watch", action="store_true", help="follow it with a progress bar until it ends")

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Django has a --version of its own, which says Django's."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def handle(self, *args: Any, **options: Any) -> None:
        scoring = self._start(options)
        assert scoring.job is not None
        console = Console(file=cast(TextIO, self.stdout), highlight=False, soft_wrap=True)
        version = scoring.reward_model.version
        console.print(f"{escape(scoring.name)} is to be scored with v{version} (job {scoring.job_id}).")
        console.print(f"Scored shards: {escape(scoring.output_url)}")
        if not options["watch"]:
            return
        try:
            job = watch(scoring.job, console)
        except KeyboardInterrupt:
            console.print("\nStopped watching. The job goes on in its worker; the Jobs page says how far it is.")
            return
        scoring.refresh_from_db()
        counts = scoring.counts
        if counts:
            told = f"{counts['scored']:,} rows with {counts['completions']:,} completions scored"
            bad = f", {counts['rejected']:,} not: see {REJECTED}" if counts["rejected"] else ""
            console.print(f"{told}{bad}.")
        if job.state != JobState.SUCCEEDED:
            raise CommandError(f"The scoring {job.state}: {job.error_message or 'on request'}")

    def _start(self, options: dict[str, Any]) -> BulkScoring:
        project = find_project(options["project"])
        url = options["input"]
        with refusals():
            try:
                filesystem, files = files_of(url)
                if "://" not in url:  # the worker may run in another directory
                    url = filesystem._strip_protocol(url)
                return request_bulk_scoring(
                    project=project,
                    input_url=url,
                    name=options["name"] or (files[0].name if len(files) == 1 else url.rstrip("/").rsplit("/", 1)[-1]),
                    version=options["model_version"],
                    rows_per_shard=options["rows_per_shard"],
                    max_bad_share=options["max_bad_share"],
                    created_by=None,
                )
            except EngineError as error:
                raise CommandError(error.message) from error
