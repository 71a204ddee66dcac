"""`manage.py train --project P --set N [--option name=value] [--watch]`: a candidate reward model, from a terminal."""

from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape

from annotate.jobs.models import JobState
from annotate.jobs.terminal import find_project, pair, refusals, watch
from training.exports.models import ComparisonSet
from training.policy.services import BUILTIN
from training.reward.models import MAX_MEMBERS, RewardModel
from training.reward.options import TrainingOptions
from training.reward.selectors import metrics
from training.reward.services import request_training


class Command(BaseCommand):
    help = "Train a reward model on a comparison set. It becomes a candidate; promoting it is another step."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--set", required=True, type=int, metavar="NUMBER", help="number of the comparison set")
        parser.add_argument(
            "--base-model", default=BUILTIN, help="builtin (default), checkpoint:ID, a path on the worker or a hub id"
        )
        parser.add_argument("--members", type=int, default=1, metavar="N", help="an ensemble of so many")
        parser.add_argument(
            "--option",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="an option of the training, as epochs=3, tuning=lora, use_margins=true; may be given again",
        )
        parser.add_argument("--watch", action="store_true", help="follow it with a progress bar until it ends")

    def handle(self, *args: Any, **options: Any) -> None:
        model = self._start(options)
        assert model.job is not None
        console = Console(file=cast(TextIO, self.stdout), highlight=False)
        console.print(f"Reward model v{model.version} of {escape(model.project.name)} is queued (job {model.job_id}).")
        if not options["watch"]:
            return
        try:
            job = watch(model.job, console)
        except KeyboardInterrupt:
            console.print(f"\nStopped watching. v{model.version} goes on in its worker; its page says how far it is.")
            return
        if job.state != JobState.SUCCEEDED:
            raise CommandError(f"v{model.version} {job.state}: {job.error_message or 'on request'}")
        model.refresh_from_db()
        console.print(f"v{model.version} is {model.state}. {escape(_told(model))}")

    def _start(self, options: dict[str, Any]) -> RewardModel:
        project = find_project(options["project"])
        comparison_set = ComparisonSet.objects.filter(project=project, number=options["set"]).first()
        if comparison_set is None:
            numbers = project.comparison_sets.order_by("number").values_list("number", flat=True)
            known = ", ".join(map(str, numbers)) or "none yet"
            raise CommandError(f"There is no comparison set {options['set']} in {project.slug}; there are: {known}.")
        if not 1 <= options["members"] <= MAX_MEMBERS:
            raise CommandError(f"--members: expected 1 to {MAX_MEMBERS}, got {options['members']}.")
        with refusals():
            return request_training(
                project=project,
                comparison_set=comparison_set,
                base_model=options["base_model"],
                options=TrainingOptions.parse(dict(map(pair, options["option"]))),
                n_members=options["members"],
                created_by=None,
            )


def _told(model: RewardModel) -> str:
    found = metrics(model)
    accuracy, longer = found["accuracy"], found["baselines"]["longer"]
    if accuracy["value"] is None:
        return "There are no held-out comparisons to judge it by."
    interval = "" if accuracy["low"] is None else f" ({accuracy['low']:.1%} to {accuracy['high']:.1%})"
    beside = "" if longer["value"] is None else f"; the longer one: {longer['value']:.1%}"
    return f"Held-out accuracy {accuracy['value']:.1%}{interval}, n = {accuracy['n']}{beside}."
