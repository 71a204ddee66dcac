"""The whole loop, small: it trains what it says, goes on where it was cut short, and tells what came out."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from training.demo.loop import LoopOptions, PolicyCourse, gained, run_loop

pytestmark = pytest.mark.timeout(600)

SMALL = LoopOptions(
    corpus=400,
    demonstrations=120,
    corpus_tokens=60_000,
    hidden_size=64,
    n_layers=2,
    labels=80,
    fresh=20,
    prompts=40,
    probe=12,
    steps=4,
    evaluate_every=2,
    learning_rate=3e-3,
    prompts_per_step=4,
    max_new_tokens=16,
    n_members=2,
)


def test_from_the_sft_model_to_the_second_policy(tmp_path: Path) -> None:
    told: list[str] = []
    courses = run_loop(tmp_path, SMALL, told.append)
    assert [[one["step"] for one in course.evaluations] for course in courses] == [[0, 2, 4]] * 2
    for course in courses:
        assert course.evaluations[0]["kl"] == 0 < course.evaluations[-1]["kl"]
        assert course.regret >= 0
    # On the same prompts: what the two gain over the reference differs by as much.
    gain, half = gained(*courses)
    last = [course.evaluations[-1]["gold_gain"] for course in courses]
    assert gain == pytest.approx(last[1] - last[0])
    assert half > 0
    # The refresh's ratings are of what the first policy wrote, and the second reward model learns from them too.
    counts = [
        json.loads((tmp_path / f"comparisons-{name}" / "manifest.json").read_text())["counts"]
        for name in ("first", "second")
    ]
    assert sum(counts[1].values()) > sum(counts[0].values()) > 30
    assert (tmp_path / "table.md").read_text().count("\n") >= 4
    assert (tmp_path / "over-optimisation-rl.svg").read_text().startswith("<svg")
    # Cut short in the second policy, it goes on to the same; what was there is not made again.
    (tmp_path / "policy-second" / "result.json").unlink()
    again: list[str] = []
    first, second = run_loop(tmp_path, SMALL, again.append)
    assert first == courses[0]
    # The scorer computes in half precision, in batches of the moment: not to the last digit.
    assert [one["step"] for one in second.evaluations] == [0, 2, 4]
    assert second.evaluations[0]["gold"] == courses[1].evaluations[0]["gold"]
    assert "first policy" not in " ".join(again)
    assert any(line.startswith("second policy: ") for line in again)


def test_the_stop_rule_is_told_on_the_way() -> None:
    """Gold rises, then collapses, while the proxy goes on: the rule ends it and keeps the step before."""
    rows = [(0, 0.0, 0.0), (5, 1.0, 1.0), (10, 2.0, -2.0), (15, 3.0, -3.0)]
    evaluations = [
        {"step": step, "d": step / 5, "reward_gain": proxy, "gold_gain": gold, "gold_gain_se": 0.1}
        for step, proxy, gold in rows
    ]
    course = PolicyCourse("first", evaluations)
    assert course.stopped is not None
    step, decision = course.stopped
    assert (step, decision.reason, decision.best_step) == (10, "gold_fell", 5)
    assert course.kept["step"] == 5
    assert course.regret == 0
    rising = replace(course, evaluations=[one | {"gold_gain": one["reward_gain"]} for one in evaluations])
    assert rising.stopped is None
    assert rising.kept["step"] == 15
