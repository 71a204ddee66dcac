"""When a reward model may replace the promoted one by itself. Pure functions on reports."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Decision:
    promote: bool
    reason: str


def decide(report: dict[str, Any]) -> Decision:
    """Whether a trained model is promoted, and why or why not.

    Three conditions, each on the held-out comparisons of its own set:
    1. There are some.
    2. The 95 % interval of its accuracy lies above ½. A model that may be a coin toss must not steer a policy or choose
       what people label; a point estimate above ½ is what half of all coin tosses have.
    3. It is at least as accurate as the promoted model on the very same comparisons (prompts are held out by digest, so
       neither has seen them). Point estimates decide: asking for a significant gain would keep an old model for ever
       where gains are small, and "not significantly worse" would let quality sink in small steps.
    Anything else stays a candidate, which a researcher can still promote by hand, with a reason.
    """
    accuracy = report.get("accuracy") or {}
    if not accuracy.get("n"):
        return Decision(False, "Not promoted: the comparison set has no held-out comparisons to judge it by.")
    told = _told(accuracy)
    if accuracy.get("low") is None or accuracy["low"] <= 0.5:
        return Decision(False, f"Not promoted: accuracy {told} is not clearly better than a coin toss.")
    beside = _beside_length(accuracy, report)
    incumbent = report.get("incumbent")
    if incumbent is None:
        return Decision(True, f"The first reward model that is better than a coin toss: accuracy {told}{beside}.")
    theirs = (incumbent.get("accuracy") or {}).get("value")
    name = f"v{incumbent['version']}"
    if theirs is None:
        return Decision(False, f"Not promoted: {name} could not be judged on the same comparisons.")
    if accuracy["value"] < theirs:
        return Decision(
            False, f"Not promoted: accuracy {told} is below the {theirs:.1%} of {name} on the same comparisons."
        )
    return Decision(True, f"Accuracy {told}, at least the {theirs:.1%} of {name} on the same comparisons{beside}.")


def _told(accuracy: dict[str, Any]) -> str:
    low, high = accuracy.get("low"), accuracy.get("high")
    interval = f"{low:.1%} to {high:.1%}, " if low is not None and high is not None else ""
    return f"{accuracy['value']:.1%} ({interval}n = {accuracy['n']})"


def _beside_length(accuracy: dict[str, Any], report: dict[str, Any]) -> str:
    longer = ((report.get("baselines") or {}).get("longer") or {}).get("value")
    if longer is None:
        return ""
    verb = "more than" if accuracy["value"] > longer else "no more than"
    return f"; {verb} the {longer:.1%} of preferring the longer completion"
