"""How fast a file of ratings goes in, and how much memory that takes; beside it the loop one would write first.

    python bench/bench_import.py [--rows 100000] [--sample 2000]

Starts a PostgreSQL and a Redis of its own and removes them. Every measured run is a process of its own, so that its
peak memory (VmHWM) is its own too; `base` is the peak of a process that has loaded the same modules and read nothing.
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

WORDS = [f"word{number}" for number in range(3000)]
N_LABELLERS = 50


def rows(n: int, seed: str) -> Iterator[dict[str, Any]]:
    """Comparisons as they are: a prompt of 30 words, two completions of 100, a rating by each of two labellers."""
    lot = random.Random(seed)

    def text(n_words: int) -> str:
        return " ".join(lot.choices(WORDS, k=n_words))

    for number in range(n):
        labellers = lot.sample(range(N_LABELLERS), 2)
        yield {
            "prompt": [{"role": "user", "content": f"{seed} {number}: {text(30)}?"}],
            "completions": [{"text": text(100), "source": "model-1"}, {"text": text(100), "source": "model-2"}],
            "ratings": [
                {"labeller": f"labeller {who}", "preferred": lot.randint(0, 1), "intensity": lot.randint(1, 4)}
                for who in labellers
            ],
        }


def write_file(path: Path, n: int, seed: str) -> None:
    with path.open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows(n, seed))


# --- in the measured process ----------------------------------------------------------------------------------------
def measured(what: str, path: Path, slug: str) -> dict[str, float]:
    import django

    django.setup()
    import pyarrow.parquet  # noqa: F401  # loaded in all of them, so that `base` has it too

    from annotate.projects.models import Project

    project = Project.objects.select_related("pool").get(slug=slug)
    started = time.perf_counter()
    if what == "import":
        from django.core.management import call_command

        with open(os.devnull, "w") as nowhere:
            call_command("import", str(path), "--project", slug, stdout=nowhere)
    elif what == "loop":
        plain_loop(path, project)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "peak_mib": peak_mib()}


def peak_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status has no VmHWM: this benchmark needs Linux.")


def plain_loop(path: Path, project: Any) -> None:
    """The same rows by get_or_create, each in a transaction: what it takes to be as safe to repeat, and no more."""
    from django.db import transaction
    from django.utils import timezone

    from annotate.accounts.models import User, UserKind
    from annotate.comparisons.models import Assignment, AssignmentKind, AssignmentState, Comparison
    from annotate.pool.digests import completion_digest, excerpt, prompt_digest
    from annotate.pool.models import Completion, CompletionSource, Prompt
    from annotate.ratings.models import Rating, RatingOrigin
    from annotate.ratings.services import count, settle

    for line in path.open():
        row = json.loads(line)
        with transaction.atomic():
            prompt, _ = Prompt.objects.get_or_create(
                pool=project.pool,
                digest=prompt_digest(row["prompt"]),
                defaults={"messages": row["prompt"], "excerpt": excerpt(row["prompt"])},
            )
            completions = []
            for given in row["completions"]:
                source, _ = CompletionSource.objects.get_or_create(pool=project.pool, name=given["source"])
                completion, _ = Completion.objects.get_or_create(
                    prompt=prompt,
                    digest=completion_digest(given["text"]),
                    defaults={"text": given["text"], "source": source},
                )
                completions.append(completion)
            a, b = sorted(completions, key=lambda one: one.pk)
            comparison, _ = Comparison.objects.get_or_create(
                project=project, a=a, b=b, defaults={"prompt": prompt, "n_wanted": project.min_ratings}
            )
            for vote in row["ratings"]:
                labeller, _ = User.objects.get_or_create(
                    external_key=f"{project.slug}/{vote['labeller']}",
                    defaults={"kind": UserKind.IMPORTED, "name": vote["labeller"], "is_active": False},
                )
                assignment, is_new = Assignment.objects.get_or_create(
                    comparison=comparison,
                    labeller=labeller,
                    kind=AssignmentKind.IMPORTED,
                    defaults={"state": AssignmentState.SUBMITTED},
                )
                if is_new:
                    preferred = "a" if completions[vote["preferred"]] == a else "b"
                    Rating.objects.create(
                        comparison=comparison,
                        assignment=assignment,
                        labeller=labeller,
                        project=project,
                        preferred=preferred,
                        intensity=vote["intensity"],
                        origin=RatingOrigin.IMPORTED,
                        created_at=timezone.now(),
                    )
                    count(comparison, preferred, +1)
                    comparison.n_taken += 1
            settle(comparison, project)
            comparison.save()


# --- the table ------------------------------------------------------------------------------------------------------
def measure(what: str, path: Path, slug: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", what, "--file", str(path), "--project", slug]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=REPOSITORY)
    return json.loads(done.stdout.splitlines()[-1])


def main(n_rows: int, n_sample: int) -> None:
    from tests import environment

    environment.prepare()
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections

    with tempfile.TemporaryDirectory(prefix="touchstone-bench-") as folder:
        try:
            environment.start_servers()
            call_command("migrate", verbosity=0)
            projects = make_projects()
            connections.close_all()
            files = {n: Path(folder) / f"{n}.jsonl" for n in (n_sample, n_rows // 10, n_rows)}
            for n, path in files.items():
                write_file(path, n, seed=f"file of {n}")
            base = measure("nothing", files[n_sample], projects["loop"])
            print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
            print(f"{n_rows:,} rows: {files[n_rows].stat().st_size / 1024**2:.0f} MiB of JSONL, 2 ratings a row")
            print(f"base memory {base['peak_mib']:.0f} MiB\n")
            print(f"{'':36}{'rows':>9}{'s':>9}{'rows/s':>9}{'peak MiB':>10}{'over base':>11}")

            def show(title: str, what: str, n: int, slug: str) -> float:
                got = measure(what, files[n], slug)
                over = got["peak_mib"] - base["peak_mib"]
                rate = n / got["seconds"]
                print(
                    f"{title:36}{n:9,}{got['seconds']:9.1f}{rate:9,.0f}{got['peak_mib']:10.0f}{over:11.0f}", flush=True
                )
                return rate

            slow = show("get_or_create, row by row", "loop", n_sample, projects["loop"])
            show("import, a tenth", "import", n_rows // 10, projects["import"])
            fast = show("import", "import", n_rows, projects["import"])
            show("import, the same file again", "import", n_rows, projects["import"])
            print(f"\nimport / get_or_create: {fast / slow:.1f}×")
        finally:
            environment.discard()


def make_projects() -> dict[str, str]:
    from annotate.accounts.models import User
    from annotate.projects.services import create_project

    owner = User.objects.create_superuser("bench@example.org", "a long enough passphrase")
    return {name: create_project(owner=owner, name=f"bench {name}").slug for name in ("loop", "import")}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--sample", type=int, default=2_000, help="rows for the row-by-row loop")
    parser.add_argument("--measure", choices=["nothing", "import", "loop"], help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--project", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measured(given.measure, given.file, given.project)))
    else:
        main(given.rows, given.sample)
