#!/usr/bin/env python
"""Every command of Touchstone starts here: `manage.py up`, `import`, `refresh`, `demo` and Django's own."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
