"""How long the snapshot of a large project takes, and how much memory: a million ratings by 200 labellers.

    python bench/snapshot.py [--comparisons 300000] [--ratings 1000000] [--labellers 200]

Starts a PostgreSQL and a Redis of its own as the tests do, seeds by SQL (texts of 300 to 3000 characters, two labellers
of them careless), and removes everything. The first run writes all answers, the second finds nothing changed. Printed
are seconds by part, and the peak memory of the process, which is a worker's. Afterwards: what pages and filters cost,
with the plans of the common filters.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

SEED = [
    """INSERT INTO accounts_user (id, password, is_superuser, name, pseudonym, kind, external_key, is_active, is_staff,
           created_at)
       SELECT 1000 + n, '', false, '', 'L-BENCH' || n, 'simulated', 'bench/' || n, true, false, now()
       FROM generate_series(1, %(labellers)s) n""",
    """INSERT INTO pool_prompt (id, pool_id, messages, digest, excerpt, language, origin, tags, created_at)
       SELECT n, %(pool)s, jsonb_build_array(jsonb_build_object('role', 'user', 'content',
           repeat('what is it ', n %% 40 + 3))), encode(sha256(n::text::bytea), 'hex'), 'what is it ' || n,
           (ARRAY['en', 'de', 'fr'])[n %% 3 + 1], '', ARRAY['tag ' || n %% 30, 'tag ' || n %% 7], now()
       FROM generate_series(1, %(comparisons)s) n""",
    """INSERT INTO pool_completion (id, prompt_id, source_id, text, digest, sampling_parameters, created_at)
       SELECT 2 * n + side, n, (%(sources)s::bigint[])[(n + side * (n %% 5)) %% 4 + 1],
           repeat(md5((2 * n + side)::text) || ' ', (n * 7 + side * 31) %% 85 + 9),
           encode(sha256((side || ' ' || n)::bytea), 'hex'), '{}', now()
       FROM generate_series(1, %(comparisons)s) n, generate_series(0, 1) side""",
    """INSERT INTO comparisons_comparison (id, project_id, prompt_id, a_id, b_id, state, priority, n_wanted, n_taken,
           n_required, n_a, n_b, n_ties, n_flags, warnings, created_at)
       SELECT n, %(project)s, n, 2 * n, 2 * n + 1, 'complete', 0, 3, 3, 0, 0, 0, 0, 0, '{}', now()
       FROM generate_series(1, %(comparisons)s) n""",
    """CREATE TEMP TABLE said AS
       SELECT n AS id, 1 + (n - 1) %% %(comparisons)s AS comparison,
           1001 + ((n - 1) %% %(comparisons)s * 7 + (n - 1) / %(comparisons)s * 53) %% %(labellers)s AS labeller,
           random() AS draw, random() AS strength
       FROM generate_series(1, %(ratings)s) n""",
    """INSERT INTO comparisons_assignment (id, comparison_id, labeller_id, kind, state, place, first, skip_reason,
           created_at)
       SELECT id, comparison, labeller, 'imported', 'submitted', NULL, (ARRAY['a', 'b'])[id %% 2 + 1], '', now()
       FROM said""",
    """INSERT INTO ratings_rating (id, comparison_id, assignment_id, labeller_id, project_id, preferred, intensity,
           is_neither_acceptable, justification, spans, active_ms, client_id, is_repeat, origin, created_at)
       SELECT id, comparison, id, labeller, %(project)s,
           CASE WHEN draw < CASE WHEN labeller <= 1002 THEN 0.5 ELSE 0.8 END THEN (ARRAY['a', 'b'])[comparison %% 2 + 1]
                WHEN draw < 0.95 THEN (ARRAY['b', 'a'])[comparison %% 2 + 1] ELSE 'tie' END,
           CASE WHEN draw < 0.95 THEN 1 + floor(4 * strength) END, false, '', '[]', 8000 + 40000 * strength,
           gen_random_uuid(), false, 'simulated', now() - (id %% 100) * interval '1 day'
       FROM said""",
    """UPDATE comparisons_comparison SET n_a = c.a, n_b = c.b, n_ties = c.tie FROM (
           SELECT comparison_id, count(*) FILTER (WHERE preferred = 'a') AS a,
               count(*) FILTER (WHERE preferred = 'b') AS b,
               count(*) FILTER (WHERE preferred = 'tie') AS tie FROM ratings_rating GROUP BY comparison_id
       ) AS c WHERE c.comparison_id = comparisons_comparison.id""",
]


def timed(name: str, work: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    found = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:<44} {time.perf_counter() - began:8.2f} s   peak {peak:7.0f} MB", flush=True)
    return found


def seed(options: argparse.Namespace) -> Any:
    from django.db import connection, transaction

    from annotate.accounts.models import User
    from annotate.pool.models import CompletionSource, SourceKind
    from annotate.projects.services import create_project

    owner = User.objects.create_user("owner@example.org", None)
    project = create_project(owner=owner, name="Bench", ties_allowed=True)
    sources = [
        CompletionSource.objects.create(pool=project.pool, name=f"model {n}", kind=SourceKind.EXTERNAL).pk
        for n in range(4)
    ]
    values = {"project": project.pk, "pool": project.pool_id, "sources": sources, **vars(options)}
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in SEED:
            cursor.execute(statement, values)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return project


def bench(options: argparse.Namespace) -> None:

    from annotate.agreement import reading, services, snapshots
    from annotate.agreement.models import AgreementSnapshot
    from annotate.projects.access import Seat
    from annotate.projects.models import Role
    from annotate.ratings.filters import Filters, rating_rows

    project = timed("seeded", lambda: seed(options))
    found = timed("read", lambda: reading.read(project))
    included = found.ratings.select(found.is_included)
    judged = timed("  model of labellers", lambda: snapshots.judge(included, project.n_intensities))
    timed("  coins for the queue", lambda: snapshots.coins(found))
    timed("  labellers: figures and findings", lambda: snapshots.labellers(project, found, judged))
    timed("  answers and worth", lambda: snapshots.answers(project, found, judged.answers))
    timed("  statistics", lambda: snapshots.statistics(project, found))
    timed("  counts", lambda: snapshots.counts(project))
    for name in ("whole refresh, all answers new", "whole refresh, nothing changed"):
        timed(name, lambda: services.refresh_snapshot(project_id=project.pk))

    from annotate.agreement import selectors

    seat = Seat(project.created_by, project, Role.OWNER)
    AgreementSnapshot.objects.filter(project=project).update(stale_since=None)
    timed("page: overview", lambda: selectors.overview(seat))
    timed("page: agreement", lambda: selectors.agreement(seat))
    timed("page: labellers", lambda: selectors.labeller_rows(seat, list(selectors.labellers(seat)[:50])))
    timed("page: disagreements", lambda: list(selectors.disagreements(project).order_by("-worth", "-comparison")[:51]))
    timed(
        "page: one labeller's disagreements",
        lambda: list(selectors.dissent(project, 1001).order_by("-created_at")[:51]),
    )
    today = project.created_at.date()
    for name, filters in {
        "all": Filters(),
        "labeller": Filters(labeller=1001),
        "a day": Filters(since=today, until=today),
        "a comparison": Filters(comparison=77),
        "split": Filters(agreement="split"),
        "length 4x": Filters(length="4x"),
        "tag": Filters(tag="tag 3"),
        "pair of labellers": Filters(labeller=1001, rated_by=1054),
        "intensity 3 in French": Filters(intensity=3, language="fr"),
    }.items():
        rows = rating_rows(project, filters).order_by("-created_at", "-id")[:51]
        timed(f"ratings: {name}", partial(list, rows.all()))
        if options.explain:
            print(rows.explain())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=300_000)
    parser.add_argument("--ratings", type=int, default=1_000_000)
    parser.add_argument("--labellers", type=int, default=200)
    parser.add_argument("--explain", action="store_true", help="print the plans of the filters")
    options = parser.parse_args()

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
