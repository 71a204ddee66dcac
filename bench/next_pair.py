"""From the key that rates a pair to the next pair painted, in a real browser with a slow connection.

    python bench/next_pair.py [--pairs 200] [--delay 300] [--pace 400]

Starts PostgreSQL, Redis and the web server as `manage.py up` does, imports the comparisons of MT-Bench (long answers
with code, tables and formulas, from ../shared/data) without their ratings, and rates them by keyboard in headless
Chromium, whose network answers each request `delay` milliseconds late. A pair is painted when the first frame with it
has been drawn; frames come each 16.7 ms. Beside it: how long the browser waited for the server's answer to the same
ratings, which is what a screen waits that asks for the next pair only when one is rated.
"""

import argparse
import gzip
import json
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))
TEXTS = REPOSITORY.parent / "shared" / "data" / "mtbench_human_turn1.jsonl.gz"

PEOPLE = """
from annotate.projects.models import Membership, Role
from annotate.projects.services import create_project
from tests.cast import make_user
owner = make_user("owner", is_staff=True)
project = create_project(owner=owner, name="bench", gold_rate=0, repeat_rate=0)
Membership.objects.create(project=project, user=make_user("labeller"), role=Role.LABELLER)
"""

# Runs in the page. The clock starts with the key's own time stamp and stops in a task after the frame was drawn.
STOPWATCH = """() => {
  window.painted = [];
  const shown = () => document.querySelector('[data-pair]')?.dataset.pair;
  window.addEventListener('keydown', (event) => {
    const before = shown();
    const look = () => {
      const now = shown();
      if (!now || now === before) return void requestAnimationFrame(look);
      const after = new MessageChannel();
      after.port1.onmessage = () => window.painted.push(performance.now() - event.timeStamp);
      after.port2.postMessage(null);
    };
    requestAnimationFrame(look);
  }, true);
  performance.setResourceTimingBufferSize(5000);
  performance.clearResourceTimings();
}"""
WAITS = """() => performance.getEntriesByType('resource')
  .filter((one) => one.name.endsWith('/ratings')).map((one) => one.duration)"""


def main(n_pairs: int, delay_ms: int, pace_ms: int) -> None:
    from tests import environment

    environment.prepare()
    import django

    django.setup()
    from tests.stand import Stand

    with Stand() as stand, tempfile.TemporaryDirectory() as folder:
        stand.manage("shell", "-c", PEOPLE)
        file = Path(folder) / "pairs.jsonl"
        with gzip.open(TEXTS, "rt") as source, file.open("w") as target:
            target.writelines(json.dumps({**json.loads(line), "ratings": []}) + "\n" for line in source)
        stand.manage("import", str(file), "--project", "bench")
        painted, waits = measure(stand.url, n_pairs, delay_ms, pace_ms)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{n_pairs} pairs, server {delay_ms} ms late, a key each {pace_ms} ms; milliseconds:\n")
    print(f"{'':34}{'median':>8}{'p90':>8}{'p99':>8}{'worst':>8}")
    for name, values in (("key to next pair painted", painted), ("answer of the server, without paint", waits)):
        cuts = statistics.quantiles(values, n=100)
        print(f"{name:34}{statistics.median(values):8.0f}{cuts[89]:8.0f}{cuts[98]:8.0f}{max(values):8.0f}")
    print(f"\nwaiting / not waiting: {statistics.median(waits) / statistics.median(painted):.1f}×")


def measure(url: str, n_pairs: int, delay_ms: int, pace_ms: int) -> tuple[list[float], list[float]]:
    """(key to paint, waits for the server), in milliseconds."""
    from tests.cast import PASSWORD
    from tests.live import open_page

    with open_page() as page:
        page.goto(url)
        page.get_by_label("E-mail").fill("labeller@example.org")
        page.get_by_role("textbox", name="Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Projects").wait_for()
        page.goto(f"{url}/projects/bench/label")
        page.get_by_role("region", name="Completion B", exact=True).wait_for()
        network = page.context.new_cdp_session(page)
        limits: dict[str, Any] = {"offline": False, "downloadThroughput": -1, "uploadThroughput": -1}
        network.send("Network.enable")
        network.send("Network.emulateNetworkConditions", {**limits, "latency": delay_ms})
        page.evaluate(STOPWATCH)
        for number in range(n_pairs):
            page.keyboard.press("18273645"[number % 8])
            page.wait_for_function("(n) => window.painted.length === n", arg=number + 1, polling=20)
            page.wait_for_timeout(pace_ms)
        return page.evaluate("window.painted"), page.evaluate(WAITS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--delay", type=int, default=300, help="milliseconds that each answer is late")
    parser.add_argument("--pace", type=int, default=400, help="milliseconds between a painted pair and the next key")
    given = parser.parse_args()
    main(given.pairs, given.delay, given.pace)
