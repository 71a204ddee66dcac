"""Web processes import the models' wing, with its addresses and kinds of jobs, where torch is not installed."""

import os
import subprocess
import sys

from tests.environment import REPOSITORY

PROGRAM = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers", "tokenizers", "accelerate", "peft"):
            raise ImportError(f"{name} is not installed in web processes")

sys.meta_path.insert(0, NoTorch())
import django
django.setup()
from django.urls import reverse
from annotate.jobs.registry import kind_of
import training.judges.management.commands.judge
import training.policy.management.commands.sft
import training.policy_runs.management.commands.policy
import training.refresh.management.commands.refresh
import training.reward.management.commands.train
import annotate.wsgi

names = ("comparison-sets", "comparison-sets-preview", "reward-models", "score", "sampling-rounds", "refreshes")
for name in (*names, "judge-runs", "policy-runs", "sft-runs"):
    assert reverse(f"api:{name}", args=["demo"]).startswith("/api/v1/projects/demo/")
assert kind_of("export").queue == "default"
for kind in ("train", "compare_models", "noise", "judge", "optimise_policy", "sft"):
    assert kind_of(kind).queue == "gpu"
print("imported")
"""


def test_the_models_wing_is_imported_without_torch():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("imported")
