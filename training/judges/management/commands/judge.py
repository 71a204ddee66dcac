"""`manage.py judge --project P --constitution C --judge endpoint:NAME [--watch]`: AI labelling, from a terminal."""

from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape

from annotate.jobs.models import JobState
from annotate.jobs.terminal import find_project, refusals, watch
from annotate.projects.models import Project
from training.judges.models import ConstitutionVersion, JudgeRun, Scope
from training.judges.options import RunOptions
from training.judges.selectors import estimate, published_versions
from training.judges.services import start_run


class Command(BaseCommand):
    help = "Have a language model rate comparisons by a constitution."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument(
            "--constitution", required=True, metavar="NAME", help="its latest published version is used"
        )
        parser.add_argument("--number", type=int, metavar="N", help="another version of it")
        parser.add_argument(
            "--judge", required=True, help='"endpoint:" and a name of LM_ENDPOINTS, or "path:" and a model'
        )
        parser.add_argument("--chain-of-thought", action="store_true", help="have it reason first")
        parser.add_argument("--scope", choices=Scope.values, default=Scope.UNRATED)
        parser.add_argument("--comparisons", type=int, default=200, metavar="N", help="at most so many")
        parser.add_argument("--principles", type=int, default=1, metavar="N", help="drawn for each comparison")
        parser.add_argument("--max-tokens", type=int, metavar="N", help="no further question once so many are used")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--estimate", action="store_true", help="say what it would take; start nothing")
        parser.add_argument("--watch", action="store_true", help="follow it with a progress bar until it ends")

    def handle(self, *args: Any, **options: Any) -> None:
        project = find_project(options["project"])
        console = Console(file=cast(TextIO, self.stdout), highlight=False)
        version = self._version(project, options)
        with refusals():
            chosen = RunOptions(
                judge=options["judge"],
                chain_of_thought=options["chain_of_thought"],
                scope=options["scope"],
                n_comparisons=options["comparisons"],
                n_principles=options["principles"],
                max_tokens=options["max_tokens"],
                seed=options["seed"],
            )
            if options["estimate"]:
                self._tell(project, chosen, console)
                return
            run = start_run(project=project, version=version, options=chosen, created_by=None)
        console.print(f"Judge run {run.number} of {escape(project.name)} is queued (job {run.job_id}).")
        if options["watch"]:
            self._follow(run, console)

    def _version(self, project: Project, options: dict[str, Any]) -> ConstitutionVersion:
        found = published_versions(project).filter(constitution__name=options["constitution"]).order_by("-number")
        if options["number"] is not None:
            found = found.filter(number=options["number"])
        version = found.first()
        if version is None:
            known = ", ".join(f"{one.constitution.name} {one.number}" for one in published_versions(project)[:20])
            raise CommandError(f"There is no such published constitution; there are: {known or 'none yet'}.")
        return version

    def _tell(self, project: Project, chosen: RunOptions, console: Console) -> None:
        found = estimate(
            project,
            scope=chosen.scope,
            n_comparisons=chosen.n_comparisons,
            n_principles=chosen.n_principles,
            chain_of_thought=chosen.chain_of_thought,
            judge=None,
        )
        console.print(
            f"{found['n_comparisons']:,} of {found['n_available']:,} comparisons, {found['n_judgements']:,} judgements "
            f"in {found['n_questions']:,} questions, about {found['n_tokens']:,} tokens."
        )

    def _follow(self, run: JudgeRun, console: Console) -> None:
        assert run.job is not None
        job = watch(run.job, console)
        if job.state != JobState.SUCCEEDED:
            raise CommandError(f"Judge run {run.number} {job.state}: {job.error_message or 'on request'}")
        run.refresh_from_db()
        console.print(
            f"{run.counts['n_judged']:,} judgements, {run.counts['n_unanswered']:,} unanswered, "
            f"about {run.counts['n_tokens']:,} tokens."
        )
