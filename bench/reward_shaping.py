"""What shaping the reward, the KL penalty and the ensemble do to a policy in RL, with the simulator's truth as gold.

    python bench/reward_shaping.py                        # on two CPU cores an hour and more a seed
    python bench/reward_shaping.py --out DIR --arms plain,worst --seeds 0,1,2 --write

One SFT model and one reward model of four heads, as `manage.py demo loop` makes them, by itself in the same directory;
and for each arm and seed a policy run from that SFT model against that reward model. The seed is that of the prompts'
order and of the sampling. Gold is measured on prompts that no policy is trained on. What is there is not made again, so
a benchmark that was cut short goes on.

Subtracting what the reference's completions of the prompt get (shaping "centred") is no arm: RLOO and GRPO compare the
completions of one prompt with each other, where whatever is the same for all of them cancels.

Regret is what the evaluation that the stop rule keeps lacks in gold against the run's best. ± is half a 95 % interval:
over prompts with one seed, over seeds (Student) with several. `--write` puts the table into docs/over-optimisation.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")

import django  # noqa: E402

django.setup()

from reward_ratings import markdown, put  # noqa: E402  # beside this file
from scipy import stats  # noqa: E402

from training.demo.loop import Loop, LoopOptions, PolicyCourse  # noqa: E402

DOCUMENT = ROOT / "docs" / "over-optimisation.md"
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("the mean of the heads, β 0.01", {}),
    "beta-0.05": ("β 0.05", {"beta": 0.05}),
    "beta-0.2": ("β 0.2", {"beta": 0.2}),
    "sigmoid": ("σ(reward − the reference's)", {"shaping": "sigmoid"}),
    "clip": ("clipped", {"shaping": "clip"}),
    "worst": ("the worst of four heads", {"ensemble": "worst"}),
    "uncertainty": ("mean − ½ variance of the heads", {"ensemble": "uncertainty"}),
    "grpo": ("GRPO in place of RLOO", {"algorithm": "grpo"}),
}
COLUMNS = "reward | KL at the end | proxy there | gold there | gold highest | at KL | kept by the stop rule | regret"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "demo-loop", help="directory of the models and runs")
    parser.add_argument("--arms", default=",".join(ARMS), help=f"of {','.join(ARMS)}")
    parser.add_argument("--seeds", default="0", help="of the policy runs, 0,1,2")
    parser.add_argument("--steps", type=int, default=LoopOptions.steps, help="updates of each run")
    parser.add_argument("--write", action="store_true", help="put the table into the document")
    options = parser.parse_args()
    arms, seeds = options.arms.split(","), [int(seed) for seed in options.seeds.split(",")]

    loop = Loop(options.out, dataclasses.replace(LoopOptions(), steps=options.steps), _tell)
    options.out.mkdir(parents=True, exist_ok=True)
    sft = loop.sft_model()
    reward_model = loop.reward_model("first", sft, loop.first_comparisons(sft))
    found: dict[str, list[PolicyCourse]] = {arm: [] for arm in arms}
    for seed in seeds:  # all arms of a seed before the next seed, so that what is there compares
        for arm in arms:
            # The loop's own first policy is the plain one.
            name = "first" if (arm, seed, options.steps) == ("plain", 0, LoopOptions.steps) else f"{arm}-{seed}"
            found[arm].append(loop.policy(name, sft, reward_model, {**ARMS[arm][1], "seed": seed}))
    title = f"Policies of {options.steps} updates, {len(seeds)} seed{'s' * (len(seeds) > 1)}"
    text = markdown(title, COLUMNS, iter([_row(ARMS[arm][0], courses) for arm, courses in found.items()]))
    print(text)
    if options.write:
        put(DOCUMENT, "bench/reward_shaping.py --write", text)


def _row(name: str, courses: Sequence[PolicyCourse]) -> list[str]:
    last = [course.evaluations[-1] for course in courses]
    best = [max(course.evaluations, key=lambda one: float(one["gold_gain"])) for course in courses]
    kept = []
    for course in courses:
        stopped = course.stopped
        step = stopped[1].best_step if stopped else course.decided.best_step
        kept.append(next(one for one in course.evaluations if one["step"] == step))
    return [
        name,
        f"{fmean(one['kl'] for one in last):.1f}",
        f"{fmean(one['reward_gain'] for one in last):+.2f}",
        _gold(last),
        _gold(best),
        f"{fmean(one['kl'] for one in best):.1f}",
        _gold(kept),
        _mean([course.regret for course in courses], "{:.2f}"),
    ]


def _gold(evaluations: Sequence[dict[str, Any]]) -> str:
    if len(evaluations) == 1:
        return f"{evaluations[0]['gold_gain']:+.2f} ± {1.96 * evaluations[0]['gold_gain_se']:.2f}"
    return _mean([float(one["gold_gain"]) for one in evaluations], "{:+.2f}")


def _mean(values: Sequence[float], form: str) -> str:
    told = form.format(fmean(values))
    if len(values) == 1:
        return told
    half = float(stats.t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return f"{told} ± {half:.2f}"


def _tell(text: str) -> None:
    if not text.startswith("\r"):
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
