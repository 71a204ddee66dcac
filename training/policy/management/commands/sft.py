"""`manage.py sft --project P [--watch]`: fine-tune a base model from a terminal."""

from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape

from annotate.jobs.models import JobState
from annotate.jobs.terminal import find_project, pair, refusals, watch
from training.policy.models import SftRun
from training.policy.options import SftOptions
from training.policy.selectors import choices
from training.policy.sft import preview, start_sft_run


class Command(BaseCommand):
    help = "Fine-tune a base model on the chosen completions of a comparison set, or on what people wrote."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--watch", action="store_true", help="follow it with a progress bar until it ends")
        parser.add_argument("--preview", action="store_true", help="say what it would learn from; start nothing")
        parser.add_argument(
            "--option",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="as base_model=checkpoint:3, comparison_set=2 (null: what people wrote), epochs=1, lora_rank=16; may "
            "be given again; what is left out is as the form starts with",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        project = find_project(options["project"])
        console = Console(file=cast(TextIO, self.stdout), highlight=False, soft_wrap=True)
        with refusals():
            asked = SftOptions.parse({**choices(project)["defaults"], **dict(map(pair, options["option"]))})
            if options["preview"]:
                found = preview(project=project, options=asked)
                for name, n in (found | found["left_out"]).items():
                    if isinstance(n, int):
                        console.print(f"{name.replace('_', ' ')}: {n:,}")
                for warning in found["warnings"]:
                    console.print(warning["message"])
                return
            made = start_sft_run(project=project, options=asked)
        console.print(f"{made} of {escape(project.name)} is queued (job {made.job_id}).")
        if not options["watch"]:
            return
        assert made.job is not None
        try:
            job = watch(made.job, console)
        except KeyboardInterrupt:
            console.print(f"\nStopped watching. {made} goes on in its worker; its page says how far it is.")
            return
        if job.state != JobState.SUCCEEDED:
            raise CommandError(f"{made} {job.state}: {job.error_message or 'on request'}")
        run = SftRun.objects.select_related("checkpoint").get(pk=made.pk)
        console.print(f"Kept as {run.checkpoint}.")
        if "heldout_after" in run.report:
            before, after = run.report["heldout_before"], run.report["heldout_after"]
            console.print(f"Held-out loss: {before:.3f} before, {after:.3f} after, nats per token.")
