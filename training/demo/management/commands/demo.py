"""`manage.py demo seed | remove | status | loop`."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from training.demo import removal
from training.demo import seed as demo


class Command(BaseCommand):
    help = "Make the demo projects, or remove them with everything that belongs to them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="what", required=True)
        commands.add_parser("seed", help="make the demo unless it is there")
        commands.add_parser("status", help="say what there is of it")
        loop = commands.add_parser("loop", help="SFT, labels, reward model, RL, over-optimisation, refresh, RL again")
        loop.add_argument("--out", type=Path, default=None, help="where it is made, and gone on with; default VAR_DIR")
        loop.add_argument("--steps", type=int, default=40, help="updates of each policy; 40")
        loop.add_argument("--labels", type=int, default=6000, help="comparisons before the refresh; 6000")
        loop.add_argument("--seed", type=int, default=0, help="of the prompts, the ratings and the training")
        remove = commands.add_parser("remove", help="remove it; asks first")
        remove.add_argument("--yes", action="store_true", help="do not ask, whatever others have put into it")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["what"] == "seed":
            self._seed()
        elif options["what"] == "loop":
            self._loop(options)
        elif not demo.is_seeded():
            self.stdout.write("There is no demo here; `manage.py demo seed` makes one.")
        elif options["what"] == "status":
            self._status()
        else:
            self._remove(is_sure=options["yes"])

    def _seed(self) -> None:
        started = time.monotonic()
        made = demo.seed()
        if made:
            self.stdout.write(f"  {demo.describe(made)}, in {time.monotonic() - started:.0f} s")
        else:
            self.stdout.write("The demo is there already.")

    def _loop(self, options: dict[str, Any]) -> None:
        # It needs what trains models, which a web server that only seeds does not have.
        from training.demo.loop import LoopFailed, LoopOptions, gained, run_loop, table

        directory = options["out"] or Path(settings.VAR_DIR) / "demo-loop"
        started = time.monotonic()
        asked = LoopOptions(steps=options["steps"], labels=options["labels"], seed=options["seed"])
        try:
            courses = run_loop(directory, asked, self._told)
        except LoopFailed as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"\n{table(courses)}\n")
        for course in courses:
            stopped = course.stopped
            rule = f"would end it at step {stopped[0]}: {stopped[1].message}" if stopped else "would not end it."
            self.stdout.write(f"{course.name} policy: the stop rule {rule} Regret in gold: {course.regret:.2f}")
        gain, half = gained(*courses)
        self.stdout.write(
            f"Trained to the end, the policy after the refresh has {gain:+.2f} ± {half:.2f} gold over the one before."
        )
        self.stdout.write(f"In {time.monotonic() - started:.0f} s. Table, plot and models are in {directory}.")

    def _told(self, text: str) -> None:
        """Progress stays on one line where somebody watches, and is not written where nobody does."""
        if not text.startswith("\r"):
            self.stdout.write(("\r\x1b[2K" if self.stdout.isatty() else "") + text)
        elif self.stdout.isatty():
            self.stdout.write("\r\x1b[2K" + text[1:100], ending="")
            self.stdout.flush()

    def _status(self) -> None:
        self.stdout.write(f"The demo: {demo.describe(demo.summary())}.")
        path = demo.sign_ins()
        self.stdout.write(f"Its sign-ins are in {path}." if path.exists() else f"Its sign-ins ({path}) are gone.")
        self._tell_work_of_others()

    def _tell_work_of_others(self) -> bool:
        found = removal.work_of_others()
        for line in found:
            self.stdout.write(f"Note: {line}.")
        return bool(found)

    def _remove(self, *, is_sure: bool) -> None:
        self.stdout.write(f"This removes the demo: {demo.describe(demo.summary())}.")
        has_work_of_others = self._tell_work_of_others()
        if has_work_of_others and not is_sure:
            raise CommandError("Nothing was removed. If that is what you want: `manage.py demo remove --yes`.")
        if not is_sure and not self._agrees():
            self.stdout.write("Nothing was removed.")
            return
        self.stdout.write(f"Removed: {demo.describe(removal.remove())}.")

    def _agrees(self) -> bool:
        try:
            return input("Remove it? [y/N] ").strip().lower() in ("y", "yes")
        except EOFError:  # nobody is there to be asked
            return False
