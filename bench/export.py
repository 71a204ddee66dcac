"""How long a comparison set takes to write, how much memory, and whether it is the same twice.

    python bench/export.py [--comparisons 100000] [--baseline 20000]

Starts a PostgreSQL and a Redis of its own as the tests do, seeds by SQL (three ratings a comparison, texts of 300 to
3000 characters), exports twice, and removes everything. Beside it what one would otherwise write: Django's objects
with their ratings prefetched, made a table in memory and a Parquet file, on `--baseline` comparisons; it writes fewer
columns than we do. Printed are seconds, rows a second and the peak memory of the process so far; the table in memory
comes last, so that its peak is not taken for ours.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from snapshot import seed, timed  # noqa: E402  # beside this file


def per_second(name: str, n: int, work: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    found = timed(name, work)
    print(f"{'':<44} {n / (time.perf_counter() - began):8.0f} rows/s", flush=True)
    return found


def export(project: Any) -> Any:
    """A comparison set of the default spec, written as its job does."""
    from django.utils import timezone

    from annotate.jobs.context import JobContext
    from annotate.jobs.models import Job
    from annotate.jobs.services import claim
    from training.exports.services import create_comparison_set, write_comparison_set
    from training.exports.spec import Spec

    job = Job.objects.create(
        project=project, kind="export", title="bench", queue="default", params={}, queued_at=timezone.now()
    )
    claimed = claim(job_id=job.pk, worker="bench")
    assert claimed is not None
    made = create_comparison_set(project=project, spec=Spec())
    return write_comparison_set(comparison_set=made, context=JobContext(claimed))


def by_objects(project: Any, n: int, path: Path) -> None:
    """Model objects into one table in memory: majority side, texts, ratings."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from annotate.comparisons.models import Comparison

    found = Comparison.objects.filter(project=project, n_flags=0).order_by("pk")
    rows = []
    for one in found.select_related("prompt", "a__source", "b__source").prefetch_related("ratings__labeller")[:n]:
        ratings = list(one.ratings.all())
        n_a, n_b = (sum(rating.preferred == side for rating in ratings) for side in "ab")
        if n_a == n_b:
            continue
        chosen, rejected = (one.a, one.b) if n_a > n_b else (one.b, one.a)
        rows.append(
            {
                "prompt": one.prompt.messages,
                "chosen": [{"role": "assistant", "content": chosen.text}],
                "rejected": [{"role": "assistant", "content": rejected.text}],
                "soft_preference": (max(n_a, n_b) + 0.5) / (n_a + n_b + 1),
                "chosen_source": chosen.source.name,
                "rejected_source": rejected.source.name,
                "rating_ids": [rating.pk for rating in ratings],
                "labellers": [rating.labeller.pseudonym for rating in ratings],
            }
        )
    pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd")


def bench(options: argparse.Namespace) -> None:
    project = timed("seeded", lambda: seed(options))
    n = options.comparisons
    first = per_second("first export", n, lambda: export(project))
    second = per_second("second export", n, lambda: export(project))
    print(f"{first.counts['comparisons']:,} of {n:,} comparisons taken, {first.counts['ratings']:,} ratings")
    if first.digest != second.digest:
        raise SystemExit("The two exports differ: the same ratings and spec must give the same bytes.")
    print(f"both {first.digest[:12]}: the same bytes")
    n = min(n, options.baseline)
    path = Path(first.uri) / "by-objects.bench"
    per_second("objects and a table in memory", n, lambda: by_objects(project, n, path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=100_000)
    parser.add_argument("--labellers", type=int, default=200)
    parser.add_argument("--baseline", type=int, default=20_000)
    options = parser.parse_args()
    options.ratings = 3 * options.comparisons

    from tests import environment

    environment.prepare()
    import django

    django.setup()
    environment.start_servers()
    try:
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        bench(options)
    finally:
        environment.discard()


if __name__ == "__main__":
    main()
