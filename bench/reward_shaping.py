"""What shaping the reward, the KL penalty and the ensemble do to a policy in RL, with the simulator's truth as gold.

    python bench/reward_shaping.py                        # on two CPU cores an hour and more a seed
    python bench/reward_shaping.py --out DIR --arms plain=10,worst=3 --write

One SFT model and one reward model of four heads, as `manage.py demo loop` makes them, by itself in the same directory;
and for each arm and seed a policy run from that SFT model against that reward model. `worst=3` is that arm with the
seeds 0, 1 and 2, of the prompts' order and of the sampling. Gold is measured on prompts that no policy is trained on.
What is there is not made again, so a benchmark that was cut short goes on.

Subtracting what the reference's completions of the prompt get (shaping "centred") is no arm: RLOO and GRPO compare the
completions of one prompt with each other, where whatever is the same for all of them cancels.

Gold is highest at one update for all seeds, where their mean is. Kept is the evaluation that the stop rule keeps
where it ends the run when it would. Regret is what that lacks in gold against the run's best; where the rule sees
half of the prompts and the other half tells what its choice was worth, the mean of both ways, it counts what the rule
cannot know, and some chance in what the best is. ± is half a 95 % interval: over prompts with one seed, over seeds
(Student) with several. `--write` puts the table into docs/over-optimisation.md and draws its plot.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
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

import numpy as np  # noqa: E402
from reward_ratings import markdown, put  # noqa: E402  # beside this file
from scipy import stats  # noqa: E402

from training.demo.loop import Loop, LoopOptions, PolicyCourse, lines_of  # noqa: E402
from training.demo.plots import COLOURS, WIDTH, Line, axis, panel, svg  # noqa: E402

DOCUMENT = ROOT / "docs" / "over-optimisation.md"
IMAGE = ROOT / "docs" / "images" / "reward-shaping.svg"
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
COLUMNS = (
    "reward | seeds | KL at the end | proxy there | gold there | gold highest | at KL | gold of the kept"
    " | regret | on other prompts"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "demo-loop", help="directory of the models and runs")
    parser.add_argument("--arms", default=",".join(ARMS), help=f"of {','.join(ARMS)}, each with =SEEDS for several")
    parser.add_argument("--steps", type=int, default=LoopOptions.steps, help="updates of each run")
    parser.add_argument("--write", action="store_true", help="put the table into the document")
    options = parser.parse_args()
    n_seeds = {arm: int(n or 1) for arm, _, n in (one.partition("=") for one in options.arms.split(","))}

    loop = Loop(options.out, dataclasses.replace(LoopOptions(), steps=options.steps), _tell)
    options.out.mkdir(parents=True, exist_ok=True)
    sft = loop.sft_model()
    reward_model = loop.reward_model("first", sft, loop.first_comparisons(sft))
    found: dict[str, list[PolicyCourse]] = {arm: [] for arm in n_seeds}
    elsewhere: dict[str, list[float]] = {arm: [] for arm in n_seeds}
    for seed in range(max(n_seeds.values())):  # all arms of a seed before the next one: what is there compares
        for arm in [arm for arm, n in n_seeds.items() if seed < n]:
            # The loop's own first policy is the plain one.
            name = "first" if (arm, seed, options.steps) == ("plain", 0, LoopOptions.steps) else f"{arm}-{seed}"
            course = loop.policy(name, sft, reward_model, {**ARMS[arm][1], "seed": seed})
            found[arm].append(course)
            elsewhere[arm].append(regret_elsewhere(options.out / f"policy-{name}", course))
    title = f"Policies of {options.steps} updates"
    text = markdown(title, COLUMNS, iter([_row(ARMS[arm][0], found[arm], elsewhere[arm]) for arm in found]))
    print(text)
    if options.write:
        put(DOCUMENT, "bench/reward_shaping.py --write", text)
        IMAGE.write_text(plot(found), encoding="utf-8")


def _row(name: str, courses: Sequence[PolicyCourse], elsewhere: Sequence[float]) -> list[str]:
    last = [course.evaluations[-1] for course in courses]
    at_each_step = list(zip(*(course.evaluations for course in courses), strict=True))
    best = max(at_each_step, key=lambda ones: fmean(float(one["gold_gain"]) for one in ones))
    return [
        name,
        str(len(courses)),
        f"{fmean(one['kl'] for one in last):.1f}",
        f"{fmean(one['reward_gain'] for one in last):+.2f}",
        _gold(last),
        _gold(best),
        f"{fmean(one['kl'] for one in best):.1f}",
        _gold([course.kept_in_time for course in courses]),
        _mean([course.regret for course in courses], "{:.2f}"),
        _mean(elsewhere, "{:.2f}"),
    ]


def regret_elsewhere(directory: Path, course: PolicyCourse) -> float:
    """On one half of the prompts, of what the rule keeps by the other half; the mean of both ways."""
    gains = []
    for path in sorted(directory.glob("evaluations/[0-9]*/samples.jsonl")):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        gains.append([row["gold"] - row["reference_gold"] for row in rows])
    gold = np.array(gains)  # (evaluations, prompts)
    found = []
    for side in (0, 1):
        seen, other = gold[:, side::2], gold[:, 1 - side :: 2].mean(axis=1)
        errors = seen.std(axis=1, ddof=1) / seen.shape[1] ** 0.5
        told = [
            {**one, "gold_gain": float(mean), "gold_gain_se": float(error)}
            for one, mean, error in zip(course.evaluations, seen.mean(axis=1), errors, strict=True)
        ]
        kept = PolicyCourse(course.name, told).kept_in_time
        found.append(float(other.max() - other[told.index(kept)]))
    return fmean(found)


def plot(found: dict[str, list[PolicyCourse]]) -> str:
    """Means over seeds: proxy and gold of the first arm, and gold of each that has more than one seed."""
    means = {ARMS[arm][0]: mean_of(courses) for arm, courses in found.items() if len(courses) > 1}
    means = means or {ARMS[arm][0]: courses[0] for arm, courses in found.items()}
    name, first = next(iter(means.items()))
    along = axis("d", max(one["d"] for course in means.values() for one in course.evaluations))
    lines = lines_of(first)
    others = [
        Line(name, [one["d"] for one in course.evaluations], [one["gold_gain"] for one in course.evaluations], colour)
        for (name, course), colour in zip(means.items(), itertools.cycle(COLOURS))
    ]
    unit = "gain over the SFT model"
    panels = [
        panel(f"Proxy and gold: {name}", along, lines, left=0, unit=unit, beside=others),
        panel("Gold", along, others, left=WIDTH, unit=unit, beside=lines),
    ]
    n_lines = max(len(lines), len(others))
    return svg(panels, n_lines, "Proxy and gold over d, the square root of KL, by what a policy is trained on")


def mean_of(courses: Sequence[PolicyCourse]) -> PolicyCourse:
    """A course of the means over seeds, its gold with their error."""
    evaluations = []
    for ones in zip(*(course.evaluations for course in courses), strict=True):
        gold = [float(one["gold_gain"]) for one in ones]
        means = {key: fmean(float(one[key]) for one in ones) for key in ("kl", "d", "reward_gain")}
        evaluations.append(
            {"step": ones[0]["step"], **means, "gold_gain": fmean(gold), "gold_gain_se": _half_width(gold) / 1.96}
        )
    return PolicyCourse(courses[0].name, evaluations)


def _gold(evaluations: Sequence[dict[str, Any]]) -> str:
    if len(evaluations) == 1:
        return f"{evaluations[0]['gold_gain']:+.2f} ± {1.96 * evaluations[0]['gold_gain_se']:.2f}"
    return _mean([float(one["gold_gain"]) for one in evaluations], "{:+.2f}")


def _mean(values: Sequence[float], form: str) -> str:
    told = form.format(fmean(values))
    if len(values) == 1:
        return told
    return f"{told} ± {_half_width(values):.2f}"


def _half_width(values: Sequence[float]) -> float:
    """Of a 95 % interval of their mean."""
    return float(stats.t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5


def _tell(text: str) -> None:
    if not text.startswith("\r"):
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
