"""A reward model trained afresh beside one that goes on from the last: what it knows of old and of new comparisons.

    python bench/reward_continued.py [--seeds 3] [--old 600] [--new 300]

The truth is known: a completion's utility is the sum of what is in it, and labels are drawn from σ(difference). Old
completions differ in tone and in whether they shout. The new batch, as a policy that has moved would write it, cites a
source where it is rude, so that a model that knows the old ones alone ranks most of it wrongly. A small base (0.2M
parameters) is trained on the texts, a reward model v1 on the old comparisons, and then, on old and new ones together,

    afresh       a new head on the base, all comparisons, the product's defaults for the built-in base
    continued    from v1, all new ones and `replay` old ones for each, at `rate` times the default learning rate

Held-out accuracies are against the side of the greater utility, in percent, means over seeds with their standard
deviation; `updates` and `seconds` are of the whole training, on one thread.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

import training.engine  # noqa: E402, F401  # first, since it says how torch's threads wait
from tests.engine.conftest import comparison_row, write_comparison_set  # noqa: E402
from training.engine.common.cli import StopFlag  # noqa: E402
from training.engine.common.config import config_from_dict  # noqa: E402
from training.engine.common.progress import Reporter  # noqa: E402
from training.engine.lm.base import TrainBaseConfig, train_base  # noqa: E402
from training.engine.reward.data import open_comparison_set, read_split, tokenise  # noqa: E402
from training.engine.reward.model import RewardModel  # noqa: E402
from training.engine.reward.trainer import RewardTrainConfig, train  # noqa: E402

TOPICS = (
    "rivers",
    "bread",
    "chess",
    "tides",
    "maps",
    "clocks",
    "bees",
    "glass",
    "salt",
    "trains",
    "wool",
    "rust",
    "ferns",
)
KIND = ("Thank you for asking about {}.", "I am glad to help you with {}.", "Good question, {} matter to many.")
RUDE = ("I do not care about {}.", "Look up {} yourself.", "Only a fool asks about {}.")
SOURCE = (" See the book, page {}.", " As chapter {} says.")
SHOUT = " Mark my words!"
UTILITY = {"kind": 1.5, "source": 3.0, "shout": -0.7}
RATES = (0.1, 0.3, 1.0)
REPLAYS = (0.0, 1.0)
# The product's for the built-in base (`training.reward.defaults`); what an engine reads on one thread.
COMMON = {"batch_size": 16, "epochs": 2, "max_length": 96, "n_threads": 1, "device": "cpu", "precision": "fp32"}
RATE = 1e-3


def completion(source: random.Random, topic: str, *, is_kind: bool, cites: bool, shouts: bool) -> tuple[str, float]:
    text = source.choice(KIND if is_kind else RUDE).format(topic)
    text += source.choice(SOURCE).format(source.randint(1, 99)) if cites else ""
    text += SHOUT if shouts else ""
    return text, UTILITY["kind"] * is_kind + UTILITY["source"] * cites + UTILITY["shout"] * shouts


def rows(first: int, n: int, *, is_new: bool, seed: int) -> list[dict[str, Any]]:
    """n comparisons of one prompt each; `utility_gap` beside them is that of the first minus the second completion."""
    source = random.Random(f"{seed}-{is_new}")
    made = []
    for number in range(first, first + n):
        topic = source.choice(TOPICS)
        kinds = source.sample((True, False), 2) if source.random() < 0.7 else [source.random() < 0.5] * 2
        sides = [
            completion(source, topic, is_kind=kind, cites=is_new and not kind, shouts=source.random() < 0.4)
            for kind in kinds
        ]
        gap = sides[0][1] - sides[1][1]
        is_first = source.random() < 1 / (1 + math.exp(-gap))
        prompt = f"{number}: what of {topic}?"
        row = comparison_row(
            {
                "prompt": [{"role": "user", "content": prompt}],
                "completions": [{"text": text, "source": "x"} for text, _ in sides],
                "ratings": [{"preferred": 0 if is_first else 1}],
            },
            number,
        )
        made.append(
            row | {"prompt_digest": hashlib.sha256(prompt.encode()).hexdigest(), "gap": gap if is_first else -gap}
        )
    return made


def accuracy(model: RewardModel, directory: Path, held_out: list[dict[str, Any]]) -> float:
    """Share of the set's test comparisons among `held_out` with unequal utilities whose better side has more reward."""
    truth = {row["comparison_id"]: row["gap"] for row in held_out if row["gap"]}
    comparisons = tokenise(read_split(open_comparison_set(directory), "test"), model.encoder)
    gaps = model.score_encoded(comparisons.chosen) - model.score_encoded(comparisons.rejected)
    ids = comparisons.meta["comparison_id"]
    hits = [gap * truth[pk] > 0 for gap, pk in zip(gaps.tolist(), ids, strict=True) if pk in truth]
    return 100 * sum(hits) / len(hits)


def quietly(config_class: Any, verb: Any, values: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = verb(config_from_dict(config_class, values), Reporter(io.StringIO()), StopFlag())
    return result


def run(seed: int, n_old: int, n_new: int, root: Path) -> dict[str, tuple[float, float, float, float]]:
    """By arm: accuracy on old and on new held-out comparisons, updates, seconds."""
    old, new = rows(0, n_old, is_new=False, seed=seed), rows(n_old, n_new, is_new=True, seed=seed)
    earlier, both = write_set(root / "earlier", old), write_set(root / "both", old + new)
    corpus = root / "corpus.jsonl"
    texts = ({"messages": [*row["prompt"], *row[side]]} for row in old + new for side in ("chosen", "rejected"))
    corpus.write_text("".join(json.dumps(text) + "\n" for text in texts))
    shape = {"vocab_size": 600, "hidden_size": 64, "intermediate_size": 128, "n_layers": 2, "n_heads": 2}
    base = {"corpus": str(corpus), "out_dir": str(root / "base"), "context_length": 96, "max_tokens": 60_000}
    made = quietly(TrainBaseConfig, train_base, {**base, **shape, "n_threads": 1, "precision": "fp32"})
    common = {**COMMON, "base_model": made["model"], "seed": seed, "measure_forgetting": False, "learning_rate": RATE}
    common["checkpoint_steps"] = 10_000
    found: dict[str, tuple[float, float, float, float]] = {}

    def arm(name: str, comparison_set: Path, **options: Any) -> str:
        out = root / f"run-{len(found)}"
        began = time.process_time()
        values = {**common, "comparison_set": str(comparison_set), "out_dir": str(out), **options}
        result = quietly(RewardTrainConfig, train, values)
        seconds = time.process_time() - began
        model = RewardModel.load(result["model"])
        found[name] = (accuracy(model, both, old), accuracy(model, both, new), result["n_steps"], seconds)
        print(f"seed {seed}, {name}: {found[name]}", file=sys.stderr, flush=True)
        return str(result["model"])

    start = arm("v1, old ones only", earlier)
    arm("afresh", both)
    for rate in RATES:
        for replay in REPLAYS:
            more = {"start_from": start, "earlier_set": str(earlier), "replay": replay, "learning_rate": rate * RATE}
            arm(f"continued, rate {rate:g}, replay {replay:g}", both, **more)
    return found


def write_set(directory: Path, made: list[dict[str, Any]]) -> Path:
    return write_comparison_set(directory, [{key: row[key] for key in row if key != "gap"} for row in made])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--old", type=int, default=600)
    parser.add_argument("--new", type=int, default=300)
    asked = parser.parse_args()
    results = []
    for seed in range(asked.seeds):
        with tempfile.TemporaryDirectory() as directory:
            results.append(run(seed, asked.old, asked.new, Path(directory)))
    print("| training | old ones, % | new ones, % | updates | CPU seconds |\n| --- | --- | --- | --- | --- |")
    for name in results[0]:
        columns = list(zip(*(found[name] for found in results), strict=True))
        shown = [f"{statistics.mean(one):.1f} ± {statistics.pstdev(one):.1f}" for one in columns[:2]]
        shown += [f"{statistics.mean(one):.0f}" for one in columns[2:]]
        print(f"| {name} | {' | '.join(shown)} |")


if __name__ == "__main__":
    main()
