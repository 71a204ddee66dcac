"""`manage.py sample --project P [--option name=value] [--watch]`: choose the next comparisons, from a terminal."""

from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape

from annotate.jobs.models import JobState
from annotate.jobs.terminal import find_project, pair, refusals, watch
from annotate.projects.models import Project
from training.generation.models import Generation
from training.reward.models import RewardModel
from training.sampling.models import SamplingRound
from training.sampling.options import SamplingOptions
from training.sampling.selectors import preview
from training.sampling.services import request_round


class Command(BaseCommand):
    help = "Start a sampling round: choose comparisons by a reward model and put them on top of the queue."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--budget", type=int, metavar="N", help="how many comparisons")
        parser.add_argument("--acquisition", metavar="RULE", help="what a pair is worth")
        parser.add_argument("--model", type=int, metavar="VERSION", help="to choose by; default: the promoted one")
        parser.add_argument("--generation", type=int, metavar="NUMBER", help="only pairs with a completion it wrote")
        parser.add_argument(
            "--option",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="an option of the round, as prompt_rule=bal_pm, diversity=quotas; may be given again",
        )
        parser.add_argument("--preview", action="store_true", help="say what there is to choose from; start nothing")
        parser.add_argument("--watch", action="store_true", help="follow it with a progress bar until it ends")

    def handle(self, *args: Any, **options: Any) -> None:
        project = find_project(options["project"])
        console = Console(file=cast(TextIO, self.stdout), highlight=False)
        generation = self._generation(project, options["generation"])
        with refusals():
            chosen = SamplingOptions.parse(_given(options))
            if options["preview"]:
                _tell(preview(project, chosen, generation), console)
                return
            made = request_round(
                project=project,
                options=chosen,
                model=self._model(project, options["model"]),
                generation=generation,
                created_by=None,
            )
        console.print(f"{made} of {escape(project.name)} is queued (job {made.job_id}).")
        if options["watch"]:
            self._follow(made, console)

    def _follow(self, made: SamplingRound, console: Console) -> None:
        assert made.job is not None
        try:
            job = watch(made.job, console)
        except KeyboardInterrupt:
            console.print(f"\nStopped watching. {made} goes on in its worker; its page says how far it is.")
            return
        if job.state != JobState.SUCCEEDED:
            raise CommandError(f"{made} {job.state}: {job.error_message or 'on request'}")
        made.refresh_from_db()
        rows = made.sampled_comparisons
        console.print(
            f"{rows.count():,} comparisons of {made.n_candidates:,} candidates are on top of the queue, "
            f"{rows.filter(is_random=True).count():,} of them drawn at random."
        )

    def _model(self, project: Project, version: int | None) -> RewardModel | None:
        if version is None:
            return None
        found = RewardModel.objects.filter(project=project, version=version).first()
        if found is None:
            raise CommandError(f"There is no reward model v{version} in {project.slug}.")
        return found

    def _generation(self, project: Project, number: int | None) -> Generation | None:
        if number is None:
            return None
        found = Generation.objects.filter(project=project, number=number).first()
        if found is None:
            raise CommandError(f"There is no generation {number} in {project.slug}.")
        return found


def _given(options: dict[str, Any]) -> dict[str, Any]:
    own = {name: options[name] for name in ("budget", "acquisition") if options[name] is not None}
    return dict(map(pair, options["option"])) | own


def _tell(found: dict[str, Any], console: Console) -> None:
    about = "about " if found["is_estimate"] else ""
    console.print(f"To choose from: {about}{found['n_pairs']:,} pairs of {about}{found['n_prompts']:,} prompts.")
    console.print(f"Chosen: {found['n_chosen']:,}, {found['n_random']:,} of them at random.")
    hours = "" if found["hours"] is None else f", {found['hours']:.1f} hours"
    cost = "" if found["cost"] is None else f", {found['cost']} {found['currency']}"
    console.print(f"Labels: {found['n_labels']:,}{hours}{cost}.")
