"""`manage.py refresh --project P [--watch]`: what the Refresh button does, from a terminal."""

import time
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from annotate.jobs.models import Job, JobState
from annotate.jobs.terminal import find_project, pair, refusals
from annotate.projects.models import Project
from training.generation.options import MAX_PROMPTS
from training.generation.sources import default_mix
from training.policy.services import BUILTIN
from training.refresh.config import PROMOTIONS, RefreshConfig
from training.refresh.models import ACTIVE, OVER, CycleState, RefreshCycle, StageState
from training.refresh.services import start_refresh
from training.sampling.options import ACQUISITIONS, DEFAULT_ACQUISITION

POLL_S = 0.5


class Command(BaseCommand):
    help = "Start a refresh: drift check, candidates, sampling, labelling, comparison set, training, promotion."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--watch", action="store_true", help="follow it until it ends, also while it waits")
        parser.add_argument("--until-waiting", action="store_true", help="with --watch: stop where it waits for people")
        parser.add_argument("--attach", action="store_true", help="watch the refresh that runs; start none")
        parser.add_argument("--name", default="")
        parser.add_argument("--no-ask", action="store_true", help="train on the ratings there are; ask for no new ones")
        parser.add_argument(
            "--prompts", type=int, metavar="N", help=f"write new completions of so many prompts, up to {MAX_PROMPTS:,}"
        )
        parser.add_argument("--acquisition", default=DEFAULT_ACQUISITION, choices=ACQUISITIONS)
        parser.add_argument("--budget", type=int, help="how many comparisons to ask for")
        parser.add_argument("--target-share", type=float, help="go on when so much of them is labelled, 0 to 1")
        parser.add_argument("--max-days", type=int, help="go on at the latest after so many days")
        parser.add_argument("--min-ratings", type=int, help="ratings that a comparison needs")
        parser.add_argument("--min-agreement", type=float, help="least share of ratings that give the verdict")
        parser.add_argument("--ties", choices=("drop", "soft"))
        parser.add_argument(
            "--base-model", default=BUILTIN, help="builtin (default), checkpoint:ID, a path on the worker or a hub id"
        )
        parser.add_argument(
            "--training", action="append", default=[], metavar="NAME=VALUE", help="an option of training; repeatable"
        )
        parser.add_argument("--promotion", choices=PROMOTIONS, default="rule")

    def handle(self, *args: Any, **options: Any) -> None:
        project = find_project(options["project"])
        cycle = self._running(project) if options["attach"] else self._start(project, options)
        console = Console(file=cast(TextIO, self.stdout), highlight=False)
        if not (options["watch"] or options["attach"]):
            console.print(
                f"Refresh {cycle.number} of {escape(project.name)} is queued (job {cycle.job_id}).\n"
                f"Follow it: manage.py refresh --project {project.slug} --attach"
            )
            return
        try:
            console.print(f"Refresh {cycle.number} of {escape(project.name)}. Ctrl-C stops watching, not the refresh.")
            watch(cycle, console, is_until_waiting=options["until_waiting"])
        except KeyboardInterrupt:
            console.print(
                f"\nStopped watching. Refresh {cycle.number} goes on in its worker; "
                f"watch again: manage.py refresh --project {project.slug} --attach"
            )
            return
        if cycle.state == CycleState.WAITING:
            console.print(f"Refresh {cycle.number} waits for people.")
        elif cycle.state != CycleState.SUCCEEDED:
            raise CommandError(f"Refresh {cycle.number} {cycle.state}: {cycle.job.error_message or 'on request'}")
        else:
            console.print(f"Refresh {cycle.number} succeeded.")

    def _start(self, project: Project, options: dict[str, Any]) -> RefreshCycle:
        with refusals({"refresh_running": f"Watch it: --project {project.slug} --attach"}):
            config = RefreshConfig.parse(_config(project, options))
            return start_refresh(project=project, config=config, name=options["name"])

    def _running(self, project: Project) -> RefreshCycle:
        cycle = RefreshCycle.objects.filter(project=project, state__in=ACTIVE).first()
        if cycle is None:
            raise CommandError("No refresh of this project is running.")
        return cycle


def _config(project: Project, options: dict[str, Any]) -> dict[str, Any]:
    def given(**names: str) -> dict[str, Any]:
        return {name: options[option] for name, option in names.items() if options[option] is not None}

    sampling = given(acquisition="acquisition", budget="budget")
    if options["acquisition"] != DEFAULT_ACQUISITION:
        # Who names a rule for pairs means that rule, not one mixed with the default's prompts.
        sampling["prompt_rule"] = "value"
    candidates = None
    if options["prompts"] is not None:
        mix = [vars(row) for row in default_mix(project)]
        candidates = {"mix": mix, "n_prompts": options["prompts"], "is_unlabelled_only": False}
    return {
        "ask": not options["no_ask"],
        "candidates": candidates,
        "sampling": sampling,
        "labelling": given(target_share="target_share", max_days="max_days"),
        "spec": given(min_ratings="min_ratings", min_agreement="min_agreement", ties="ties"),
        "base_model": options["base_model"],
        "training": dict(pair(one) for one in options["training"]),
        "promotion": options["promotion"],
    }


def watch(cycle: RefreshCycle, console: Console, *, is_until_waiting: bool = False) -> None:
    """Show a bar, each stage as it ends, and warnings of the logs, until the refresh has ended. Reads only; `cycle` is
    as it was then."""
    shown: set[str] = set()
    last_line = 0
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(f"Refresh {cycle.number}", total=1.0)
        while True:
            cycle.refresh_from_db()
            job = Job.objects.get(pk=cycle.job_id)
            waits = ""
            for stage in cycle.stages.order_by("position"):
                if stage.state == StageState.WAITING:
                    waits = stage.summary
                if stage.state in OVER and stage.name not in shown:
                    shown.add(stage.name)
                    mark = "[green]✓[/]" if stage.state == StageState.SUCCEEDED else "–"
                    progress.console.print(f"{mark} {stage.get_name_display()}: {escape(stage.summary)}")
            for line in job.log_lines.filter(id__gt=last_line, level__in=["warning", "error"]).order_by("id"):
                last_line = line.pk
                progress.console.print(f"[yellow]![/] {escape(line.message)}")
            is_waiting = cycle.state == CycleState.WAITING
            progress.update(
                bar, completed=job.fraction or 0.0, description=escape(waits if is_waiting else _doing(job))
            )
            if not cycle.is_active or (is_waiting and is_until_waiting):
                return
            time.sleep(POLL_S)


def _doing(job: Job) -> str:
    if job.state == JobState.QUEUED:
        return f"waiting for a worker of queue {job.queue}"
    return job.message or "starting"
