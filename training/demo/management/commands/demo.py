"""`manage.py demo seed | remove | status`."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training.demo import seed as demo


class Command(BaseCommand):
    help = "Make the demo projects, or remove them with everything that belongs to them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="what", required=True)
        commands.add_parser("seed", help="make the demo unless it is there")
        commands.add_parser("status", help="say what there is of it")
        remove = commands.add_parser("remove", help="remove it; asks first")
        remove.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["what"] == "seed":
            self._seed()
        elif not demo.is_seeded():
            self.stdout.write("There is no demo here.")
        elif options["what"] == "status":
            self.stdout.write(demo.describe(demo.summary()))
        else:
            self._remove(options["yes"])

    def _seed(self) -> None:
        started = time.monotonic()
        made = demo.seed()
        if made:
            self.stdout.write(f"  {demo.describe(made)}, in {time.monotonic() - started:.0f} s")
        else:
            self.stdout.write("The demo is there already.")

    def _remove(self, is_sure: bool) -> None:
        self.stdout.write(f"This removes the demo: {demo.describe(demo.summary())}.")
        for line in demo.foreign_work():
            self.stdout.write(f"Note: {line}.")
        if not is_sure and input("Remove it? [y/N] ").strip().lower() not in ("y", "yes"):
            self.stdout.write("Nothing was removed.")
            return
        try:
            removed = demo.remove()
        except demo.DemoInUse as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"Removed: {demo.describe(removed)}.")
