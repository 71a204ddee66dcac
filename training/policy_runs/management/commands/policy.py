"""`manage.py policy start|status --project P [--watch]`: optimise a policy from a terminal, and see how it stands."""

from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from annotate.jobs.models import JobState
from annotate.jobs.terminal import find_project, pair, refusals, watch
from annotate.projects.models import Project
from training.policy_runs import services
from training.policy_runs.models import PolicyRun
from training.policy_runs.options import PolicyRunOptions
from training.policy_runs.people import win_rates
from training.policy_runs.selectors import choices, evaluations


class Command(BaseCommand):
    help = "Optimise a policy against a frozen reward model, and see what becomes of it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=("start", "status"))
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--watch", action="store_true", help="follow it with a progress bar until it ends")
        parser.add_argument("--run", type=int, metavar="NUMBER", help="of status: which one; default: the newest")
        parser.add_argument(
            "--option",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="of start, as beta=0.02, n_steps=200, gold_model=3, human_kls=[2,5]; may be given again; what is left "
            "out is as the form starts with",
        )
        parser.add_argument("--preview", action="store_true", help="of start: say what it would take; start nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        project = find_project(options["project"])
        console = Console(file=cast(TextIO, self.stdout), highlight=False, soft_wrap=True)
        if options["what"] == "start":
            run = self._start(project, options, console)
        else:
            run = _find(project, options["run"])
        if run is None:
            return
        if options["watch"] and run.job is not None and not run.job.is_finished:
            try:
                watch(run.job, console)
            except KeyboardInterrupt:
                console.print(f"\nStopped watching. {run} goes on in its worker; its page says how far it is.")
                return
            run = _find(project, run.number)
        if options["what"] == "status" or options["watch"]:
            _tell(run, console)
        if options["watch"] and run.job is not None and run.job.state != JobState.SUCCEEDED:
            raise CommandError(f"{run} {run.job.state}: {run.job.error_message or 'on request'}")

    def _start(self, project: Project, options: dict[str, Any], console: Console) -> PolicyRun | None:
        with refusals():
            given = {**choices(project)["defaults"], **dict(map(pair, options["option"]))}
            if given["reward_model"] is None:
                given["reward_model"] = 1  # there is none: the service says so
            asked = PolicyRunOptions.parse(given)
            if options["preview"]:
                for name, n in services.preview(project=project, options=asked).items():
                    told = "unknown" if n is None else f"{n:,.4g}" if isinstance(n, float) else f"{n:,}"
                    console.print(f"{name.replace('_', ' ')}: {told}")
                return None
            run = services.start_policy_run(project=project, options=asked)
        console.print(f"{run} of {escape(project.name)} is queued (job {run.job_id}).")
        return run


def _find(project: Project, number: int | None) -> PolicyRun:
    runs = PolicyRun.objects.filter(project=project).select_related("job", "checkpoint", "reward_model")
    found = runs.order_by("-number").first() if number is None else runs.filter(number=number).first()
    if found is None:
        raise CommandError(f"{project.name} has no policy run{'' if number is None else f' {number}'}.")
    return found


def _tell(run: PolicyRun, console: Console) -> None:
    """A row for each evaluation, and what came of it all."""
    state = services.state_of(run)
    console.print(f"{run}: {escape(run.start_model)} against v{run.reward_model.version}, {state}.")
    rates = win_rates(run)
    table = Table("step", "KL", "reward gain", "gold gain", "people", "the RM claims", "tokens")
    for one in evaluations(run):
        rate, told = rates.get(one.pk), one.metrics
        by_people = claimed = "–"
        if rate is not None:
            waits = f"0 of {rate.n_asked}"
            by_people = waits if rate.rate is None else f"{rate.rate:.0%} ({rate.low:.0%}–{rate.high:.0%}, n={rate.n})"
            claimed = f"{rate.claimed:.0%}"
        numbers = [_number(told.get(name)) for name in ("kl", "reward_gain", "gold_gain")]
        table.add_row(str(one.step), *numbers, by_people, claimed, _number(told.get("length")))
    console.print(table)
    if run.stop_message:
        console.print(escape(run.stop_message))
    if run.finished_at is not None:
        kept = (
            f"step {run.report.get('best_step')} as {run.checkpoint.name}" if run.checkpoint else "the start, unchanged"
        )
        console.print(escape(f"Kept: {kept}."))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
