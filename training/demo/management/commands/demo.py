"""`manage.py demo seed | remove | status`."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training.demo import removal
from training.demo import seed as demo


class Command(BaseCommand):
    help = "Make the demo projects, or remove them with everything that belongs to them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="what", required=True)
        commands.add_parser("seed", help="make the demo unless it is there")
        commands.add_parser("status", help="say what there is of it")
        remove = commands.add_parser("remove", help="remove it; asks first")
        remove.add_argument("--yes", action="store_true", help="do not ask, whatever others have put into it")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["what"] == "seed":
            self._seed()
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
