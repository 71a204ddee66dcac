"""`manage.py drift --project P [--watch]`: compare what the policy writes with what a reward model was trained on."""

from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape

from annotate.jobs.models import JobState
from annotate.jobs.terminal import find_project, refusals, watch
from training.drift.services import request_drift_report
from training.generation.models import Generation
from training.reward.models import RewardModel


class Command(BaseCommand):
    help = "Compare what the policy writes now with what a reward model was trained on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument(
            "--model", type=int, metavar="VERSION", help="of the reward model; default: the promoted one"
        )
        parser.add_argument("--generation", type=int, help="number of a generation; default: the newest completions")
        parser.add_argument("--watch", action="store_true", help="wait for the report and print it")

    def handle(self, *args: Any, **options: Any) -> None:
        project = find_project(options["project"])
        model = generation = None
        if options["model"] is not None:
            model = RewardModel.objects.filter(project=project, version=options["model"]).first()
            if model is None:
                raise CommandError(f"{project.name} has no reward model v{options['model']}.")
        if options["generation"] is not None:
            generation = Generation.objects.filter(project=project, number=options["generation"]).first()
            if generation is None:
                raise CommandError(f"{project.name} has no generation {options['generation']}.")
        with refusals():
            report = request_drift_report(project=project, model=model, generation=generation)
        console = Console(file=cast(TextIO, self.stdout), highlight=False, soft_wrap=True)
        console.print(escape(f"Drift report {report.number} of {project.name} is queued (job {report.job_id})."))
        if not options["watch"]:
            return
        assert report.job is not None
        try:
            job = watch(report.job, console)
        except KeyboardInterrupt:
            console.print("\nStopped watching. The report goes on in its worker.")
            return
        if job.state != JobState.SUCCEEDED:
            raise CommandError(f"Drift report {report.number} {job.state}: {job.error_message or 'on request'}")
        report.refresh_from_db()
        console.print(escape(f"{report.get_verdict_display()}. {report.report['sentence']}"))
        for measure in report.report["measures"]:
            console.print(escape(f"  {measure['sentence']}"))
