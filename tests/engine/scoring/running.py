"""The scorer as a process of its own, for tests of it."""

import contextlib
import os
import signal
import subprocess
import sys

import httpx

from annotate.common.processes import wait_until
from tests.environment import REPOSITORY, free_port
from training.engine.common.atomic import write_json

PROMPT = [{"role": "user", "content": "Name a colour."}]


class Running:
    def __init__(self, directory, *options, **environment):
        self.registry = directory / "registry.json"
        self.log = directory / "scorer.log"
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        command = [sys.executable, "-m", "training.engine.scoring", "serve", "--registry", str(self.registry)]
        self.command = [*command, "--port", str(port), "--max-queue", "400", "--dtype", "float32", *options]
        self.environment = {**os.environ, "SCORER_TOKEN": "", **environment}
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, cwd=REPOSITORY, env=self.environment, stdout=log, stderr=log)
        assert wait_until(lambda: self.answers("/healthz"), 60, 0.1), self.log.read_text()

    def answers(self, path, status=200):
        try:
            return httpx.get(self.url + path, timeout=2, trust_env=False).status_code == status
        except httpx.TransportError:
            return False

    def promote(self, *models):
        entries = [{"name": n, "version": v, "path": str(path), "state": "promoted"} for n, v, path in models]
        write_json(self.registry, {"models": entries})

    def readiness(self):
        return httpx.get(f"{self.url}/readyz", timeout=2, trust_env=False).json()

    def serves(self, *names):
        try:
            return self.readiness()["models"] == list(names)
        except httpx.TransportError:
            return False

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextlib.contextmanager
def serving(directory, *models, options=()):
    """A scorer that serves models (name, version, path); ended at the end, unless the test has done so."""
    running = Running(directory, *options)
    try:
        running.promote(*models)
        names = sorted(f"{name}@{version}" for name, version, _ in models)
        assert wait_until(lambda: running.serves(*names), 30, 0.1), running.log.read_text()
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()
