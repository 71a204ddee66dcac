"""Many labellers at once: how long "submit and give me the next" takes, by labellers and by comparisons in the project.

    python bench/labelling.py [--sizes 2000 100000 1000000] [--labellers 1 4 16 32] [--seconds 10] [--think 5]

Starts PostgreSQL, Redis and gunicorn as `manage.py up` does (durable, the same number of processes and threads) and
removes them. Each labeller is a connection that submits and asks for the next pairs as soon as it is answered, without
a pause; a person needs some 30 s a pair. All of them live in one process of their own on the same machine, whose share
of a core is printed, as is what else ran on the machine meanwhile (another test run makes every time longer). A quarter
of the comparisons is complete, with three ratings each by labellers of the past. With --think S the most labellers work
once more, each waiting S seconds or so (exponentially distributed) between an answer and the next rating.

Afterwards SQL says whether every acknowledged rating is stored exactly once and nothing was over-assigned; if not, the
exit status is 1. Beside it, in the same database: the time to get the next pair from a queue as one would write it
first (those without my rating and with too few, ORDER BY random(), then a row that locks it).
"""

import argparse
import asyncio
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import time
import uuid
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

if TYPE_CHECKING:
    from tests.stand import Stand
    from tests.workload import Work

N_HELD = 5  # what the labelling screen holds (frontend/src/features/labelling/queue.ts)
WARM_UP_S = 2.0
SHARE_DONE = 0.25
# Below this many comparisons each cell has a project of its own: one cell would leave the next too few.
SHARED_FROM = 50_000


# --- the labellers, in a process of their own -----------------------------------------------------------------------
@dataclass
class Drive:
    """What the labellers of one cell have seen. Times in seconds."""

    latencies: list[float] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cpu_s: float = 0.0
    n_out_of_work: int = 0


class Connection:
    """HTTP/1.1 over one kept connection, written out because an HTTP library would cost as much CPU as the server."""

    def __init__(self, port: int, slug: str, token: str) -> None:
        self.port = port
        self.head = (
            f"POST /api/v1/projects/{slug}/%s HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        )
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        payload = json.dumps(body).encode()
        head = None
        while head is None:
            is_kept = self.streams is not None
            reader, writer = self.streams = self.streams or await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write((self.head % (path, len(payload))).encode() + payload)
                head = await reader.readuntil(b"\r\n\r\n")
            except (ConnectionError, asyncio.IncompleteReadError):
                self.streams = None  # the server ends connections that rest for two seconds
                if not is_kept:
                    raise
        length = re.search(rb"(?i)content-length: (\d+)", head)
        content = await reader.readexactly(int(length[1]) if length else 0)
        if b"connection: close" in head.lower():
            writer.close()
            self.streams = None
        return int(head[9:12]), content


async def label(connection: Connection, drive: Drive, begin: float, end: float, think_s: float) -> None:
    """One labeller: rates the oldest pair in hand, submits, takes what comes back, until `end`."""
    status, content = await connection.post("next", {"n": N_HELD})
    while time.perf_counter() < end:
        if status != 200:
            drive.errors.append(f"{status} {content[:300]!r}")
            return
        pairs = json.loads(content)["assignments"]
        if not pairs:
            drive.n_out_of_work += 1
            return
        if think_s:
            await asyncio.sleep(random.expovariate(1 / think_s))
        client_id = str(uuid.uuid4())
        # Mostly of one mind, sometimes not: comparisons that split labellers want more of them.
        answer = ("first", "second", "tie")[int(client_id[0], 16) % 3]
        rating = {
            "client_id": client_id,
            "assignment_id": pairs[0]["id"],
            "preferred": answer,
            "intensity": None if answer == "tie" else 2,
            "active_ms": 21_000,
        }
        sent = time.perf_counter()
        status, content = await connection.post("ratings", {"ratings": [rating], "next": N_HELD})
        received = time.perf_counter()
        if status != 200:
            continue
        # The whole answer is read again above; here only what became of the rating.
        if b'"status":"accepted"' in content or b'"status":"duplicate"' in content:
            drive.acknowledged.append(client_id)
            if begin <= sent and received <= end:
                drive.latencies.append(received - sent)
        else:
            drive.errors.append(content[:300].decode())
            return


async def drive_all(order: dict[str, Any]) -> Drive:
    drive = Drive()
    began = time.perf_counter()
    begin, end = began + order["warm_up"], began + order["warm_up"] + order["seconds"]
    cpu = time.process_time()
    labellers = [Connection(order["port"], order["slug"], token) for token in order["tokens"]]
    await asyncio.gather(*(label(labeller, drive, begin, end, order["think"]) for labeller in labellers))
    drive.cpu_s = time.process_time() - cpu
    drive.seconds = time.perf_counter() - began
    return drive


def run_labellers(stand: "Stand", work: "Work", n: int, seconds: float, think_s: float) -> Drive:
    order = {
        "port": stand.port,
        "slug": work.slug,
        "tokens": work.tokens[:n],
        "warm_up": WARM_UP_S,
        "seconds": seconds,
        "think": think_s,
    }
    command = [sys.executable, __file__, "--drive"]
    done = subprocess.run(command, input=json.dumps(order), stdout=subprocess.PIPE, text=True, check=True)
    return Drive(**json.loads(done.stdout))


# --- measured in the bench's own process ----------------------------------------------------------------------------
def seats(work: "Work") -> list[Any]:
    from annotate.accounts.models import User
    from annotate.projects.access import access_project
    from annotate.projects.models import Capability

    return [
        access_project(user, work.slug, Capability.LABEL)
        for user in User.objects.filter(pk__in=work.labeller_ids).order_by("pk")
    ]


def plans(work: "Work") -> list[str]:
    """EXPLAIN (ANALYZE, BUFFERS) of every query with which a labeller without leases is given five."""
    from django.db import connection, transaction

    from annotate.comparisons.services import lease

    sent: list[tuple[str, Any]] = []

    def note(execute: Any, query: str, parameters: Any, many: bool, context: Any) -> Any:
        sent.append((query, parameters))
        return execute(query, parameters, many, context)

    with transaction.atomic():
        with connection.execute_wrapper(note):
            lease(seat=seats(work)[-1], n=N_HELD)
        transaction.set_rollback(True)
    explained = []
    for query, parameters in sent:
        if "SKIP LOCKED" not in query:
            continue
        with transaction.atomic(), connection.cursor() as cursor:
            # Planned as the servers have it: once, for any project and labeller.
            names = ", ".join(str(value) for value in parameters)
            for number in range(len(parameters)):
                query = query.replace("%s", f"${number + 1}", 1)
            cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            cursor.execute(f"PREPARE the_lease ({', '.join(['bigint'] * len(parameters))}) AS {query}")
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) EXECUTE the_lease ({names})")
            explained.append("\n".join(row[0] for row in cursor.fetchall()))
            cursor.execute("DEALLOCATE the_lease")
            transaction.set_rollback(True)
    return explained


NAIVE = """
    SELECT c.id FROM comparisons_comparison c
    WHERE c.project_id = %(project)s AND c.state = 'open'
      AND NOT EXISTS (SELECT FROM ratings_rating r WHERE r.comparison_id = c.id AND r.labeller_id = %(labeller)s)
      AND (SELECT count(*) FROM ratings_rating r WHERE r.comparison_id = c.id)
        + (SELECT count(*) FROM comparisons_assignment s WHERE s.comparison_id = c.id AND s.state = 'leased') < 3
    ORDER BY random() LIMIT 1"""


def naive_next(seat: Any) -> int | None:
    """A random comparison that wants a rating of mine, and a row that says I have it. Two can be given one place."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(NAIVE, {"project": seat.project.pk, "labeller": seat.user.pk})
        found = cursor.fetchone()
        if found:
            cursor.execute("INSERT INTO bench_lock (comparison, labeller) VALUES (%s, %s)", [found[0], seat.user.pk])
    return found[0] if found else None


def lease_next(seat: Any) -> int | None:
    from annotate.comparisons.services import lease

    leases = lease(seat=seat, n=1)
    return leases[0].pk if leases else None


def time_to_get_one(work: "Work", get: Any, budget_s: float) -> float:
    """Median seconds for a labeller who holds nothing, over as many labellers as fit into the budget."""
    took: list[float] = []
    began = time.perf_counter()
    for seat in seats(work):
        started = time.perf_counter()
        assert get(seat) is not None
        took.append(time.perf_counter() - started)
        if time.perf_counter() - began > budget_s:
            break
    return statistics.median(took[1:] or took)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def cpu_seconds(pid: int) -> dict[int, float]:
    """User and system time of a process and of those it has made, by pid."""
    import psutil

    root = psutil.Process(pid)
    times = {process.pid: process.cpu_times() for process in [root, *root.children(recursive=True)]}
    return {number: each.user + each.system for number, each in times.items()}


def busy_seconds() -> float:
    """CPU time that the machine has spent since it started, on anything."""
    import psutil

    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)


def used(before: dict[int, float], after: dict[int, float]) -> float:
    """CPU seconds between two readings; what a process used that ended in between is not known any more."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


# --- the table ------------------------------------------------------------------------------------------------------
def measure(sizes: list[int], labellers: list[int], seconds: float, think_s: float) -> bool:
    """Print the tables; return whether everything that was acknowledged is there and nothing was over-assigned."""
    from tests import environment

    environment.prepare()
    from tests.stand import Stand

    with Stand(Path(os.environ["VAR_DIR"])) as stand:
        import django

        django.setup()
        from django.db import connection

        from annotate.common import local_servers

        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE bench_lock (comparison bigint, labeller bigint)")
        postgres = local_servers.postgres_pid(stand.var)
        assert postgres is not None and stand.web.pid is not None
        gunicorn = " ".join([*stand.web.command][stand.web.command.index("--worker-class") :])
        print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
        print(f"gunicorn {gunicorn}")
        print(
            f"{seconds:g} s a cell; times of submit-with-next in ms; clients and others: CPU, as shares of one core\n"
        )
        header: tuple[str, ...] = ("comparisons", "labellers", "ratings/s", "p50", "p95", "p99")
        header += ("clients", "web ms/rating", "PostgreSQL ms/rating", "others")
        print("".join(f"{title:>{max(10, len(title) + 2)}}" for title in header), flush=True)
        rates: dict[int, dict[int, float]] = {}
        queues: dict[int, tuple[float, float]] = {}
        explained: dict[int, list[str]] = {}
        broken: list[str] = []
        for size in sizes:
            work = None
            rates[size] = {}
            acknowledged: list[str] = []
            for n, pause_s in [*((n, 0.0) for n in labellers), *([(max(labellers), think_s)] if think_s else [])]:
                if work is None or size < SHARED_FROM:
                    broken += [] if work is None else check(size, work, acknowledged)
                    work, acknowledged = make(size, n, pause_s, max(labellers)), []
                before = cpu_seconds(stand.web.pid), cpu_seconds(postgres), busy_seconds()
                drive = run_labellers(stand, work, n, seconds, pause_s)
                after = cpu_seconds(stand.web.pid), cpu_seconds(postgres), busy_seconds()
                acknowledged += drive.acknowledged
                broken += [f"{size:,} comparisons, {n} labellers: {error}" for error in drive.errors[:3]]
                # All of the cell's time but the warm-up, or until its labellers ran out of work.
                rate = len(drive.latencies) / max(0.001, min(seconds, drive.seconds - WARM_UP_S))
                if not pause_s:
                    rates[size][n] = rate
                ours = [used(old, new) for old, new in zip(before[:2], after[:2], strict=True)]
                others = after[2] - before[2] - sum(ours) - drive.cpu_s
                per_rating = [1000 * cpu_s / max(1, len(drive.acknowledged)) for cpu_s in ours]
                times = "".join(f"{1000 * percentile(drive.latencies, share):10.1f}" for share in (0.5, 0.95, 0.99))
                print(
                    f"{size:13,}{n:11}{rate:11.0f}{times}{drive.cpu_s / drive.seconds:10.0%}"
                    f"{per_rating[0]:15.2f}{per_rating[1]:22.2f}{max(0.0, others) / drive.seconds:10.0%}"
                    + (f"   {pause_s:g} s between answer and rating" if pause_s else "")
                    + (f"   {drive.n_out_of_work} ran out of work" if drive.n_out_of_work else ""),
                    flush=True,
                )
            assert work is not None
            broken += check(size, work, acknowledged)
            fresh = make(size, 0, 0.0, max(labellers)) if size < SHARED_FROM else work
            give_back(fresh)
            explained[size] = plans(fresh)
            queues[size] = (time_to_get_one(fresh, lease_next, 5.0), time_to_get_one(fresh, naive_next, 10.0))
        report(rates, queues, explained)
        connection.close()
    print(
        "\n" + ("\n".join(broken) if broken else "Every acknowledged rating is stored once; nothing was over-assigned.")
    )
    return not broken


def make(size: int, n: int, pause_s: float, n_labellers: int) -> "Work":
    from tests.workload import make_work

    return make_work(
        name=f"bench {size} {n} {pause_s:g}", n_comparisons=size, n_labellers=n_labellers, share_done=SHARE_DONE
    )


def give_back(work: "Work") -> None:
    """Free what the labellers still hold, so that each is given a new one."""
    from django.utils import timezone

    from annotate.comparisons.models import Assignment
    from annotate.comparisons.services import take_back_expired_leases

    Assignment.objects.filter(comparison__project_id=work.project_id, state="leased").update(
        lease_until=timezone.now() - timedelta(hours=1)
    )
    while take_back_expired_leases():
        continue


def check(size: int, work: "Work", acknowledged: list[str]) -> list[str]:
    """What is wrong in the database after the labellers have stopped, as lines for people."""
    from django.db import connection

    from tests.workload import broken_rules, not_stored_once

    with connection.cursor() as cursor:
        wrong = not_stored_once(cursor, acknowledged)
        found = [f"{size:,}: {len(wrong)} of {len(acknowledged)} acknowledged are not stored once"] if wrong else []
        rules = broken_rules(cursor, work.project_id, none_late=True)
    return found + [f"{size:,}: not so: {name}: {rows}" for name, rows in rules.items()]


def report(
    rates: dict[int, dict[int, float]],
    queues: dict[int, tuple[float, float]],
    explained: dict[int, list[str]],
) -> None:
    small, large = min(rates), max(rates)
    print()
    for n in rates[large]:
        print(
            f"{n:3} labellers: {large:,} / {small:,} comparisons = {rates[large][n] / rates[small][n]:.2f}× ratings/s"
        )
    print(f"\n{'comparisons':>13}{'lease ms':>12}{'naive queue ms':>17}{'naive / lease':>16}")
    for size, (ours, naive) in queues.items():
        print(f"{size:13,}{1000 * ours:12.2f}{1000 * naive:17.2f}{naive / ours:15.1f}×")
    for size, queries in explained.items():
        for plan in queries:
            print(f"\nThe lease query at {size:,} comparisons, with the plan that serves every labeller:\n{plan}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_000, 100_000, 1_000_000], help="comparisons")
    parser.add_argument("--labellers", type=int, nargs="+", default=[1, 4, 16, 32])
    parser.add_argument("--seconds", type=float, default=10.0, help="measured time of each cell")
    parser.add_argument("--think", type=float, default=0.0, help="seconds; a further line with labellers who think")
    parser.add_argument("--drive", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.drive:
        print(json.dumps(asdict(asyncio.run(drive_all(json.load(sys.stdin))))))
    else:
        sys.exit(0 if measure(sorted(given.sizes), given.labellers, given.seconds, given.think) else 1)
