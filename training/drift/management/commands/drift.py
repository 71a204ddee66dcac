"""`manage.py drift --project P [--watch]`: compare what the policy writes with what a reward model was trained on."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotate.common.errors import DomainError
from annotate.jobs.models import Job, JobState
from annotate.projects.models import Project
from training.drift.models import DriftReport
from training.drift.services import request_drift_report
from training.generation.models import Generation
from training.reward.models import RewardModel

POLL_S = 0.5


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
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project {options['project']!r}.")
        model = generation = None
        if options["model"] is not None:
            model = RewardModel.objects.filter(project=project, version=options["model"]).first()
            if model is None:
                raise CommandError(f"{project.name} has no reward model v{options['model']}.")
        if options["generation"] is not None:
            generation = Generation.objects.filter(project=project, number=options["generation"]).first()
            if generation is None:
                raise CommandError(f"{project.name} has no generation {options['generation']}.")
        try:
            report = request_drift_report(project=project, model=model, generation=generation)
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"Drift report {report.number} of {project.name} is queued (job {report.job_id}).")
        if options["watch"]:
            try:
                self._watch(report)
            except KeyboardInterrupt:
                self.stdout.write("\nStopped watching. The report goes on in its worker.")

    def _watch(self, report: DriftReport) -> None:
        told = ""
        job = report.job
        assert job is not None  # just queued
        while not (job := Job.objects.get(pk=job.pk)).is_finished:
            if job.message and job.message != told:
                told = job.message
                self.stdout.write(told)
            time.sleep(POLL_S)
        if job.state != JobState.SUCCEEDED:
            raise CommandError(f"Drift report {report.number} {job.state}: {job.error_message or 'on request'}")
        report.refresh_from_db()
        self.stdout.write(f"{report.get_verdict_display()}. {report.report['sentence']}")
        for measure in report.report["measures"]:
            self.stdout.write(f"  {measure['sentence']}")
