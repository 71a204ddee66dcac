"""What a reward model has to show before it is put into use. Pure functions on reports."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Block:
    """One reason against a promotion: a stable code for programs, a sentence for people."""

    code: str
    message: str

    def to_dict(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message}


@dataclass(frozen=True)
class Limits:
    """What a project asks for.

    max_length_correlation: greatest |ρ| (Spearman) of reward gap and length difference within comparisons, 0 to 1;
    None: any. min_advantage: least lead of the accuracy over "the longer one is better", −1 to 1; None: none asked for.
    must_beat_promoted: at least as good as the model in use, overall, on each batch of its own, on the earlier
    comparisons by which that one was judged, and on those that it never had. A batch, or either of these two, is judged
    by itself from `min_batch_comparisons` on: a handful says nothing.
    """

    max_length_correlation: float | None = 0.5
    min_advantage: float | None = None
    must_beat_promoted: bool = True
    min_batch_comparisons: int = 30


@dataclass(frozen=True)
class Decision:
    promote: bool
    reason: str
    blocks: list[Block] = field(default_factory=list)


def decide(report: dict[str, Any], limits: Limits | None = None) -> Decision:
    """Whether a trained model is promoted by itself, and why or why not: it is, where nothing blocks it."""
    blocks = blocks_of(report, limits or Limits())
    if blocks:
        return Decision(False, f"Not promoted: {' '.join(block.message for block in blocks)}", blocks)
    accuracy = report["accuracy"]
    told, beside = _told(accuracy), _beside_length(accuracy, report)
    incumbent = report.get("incumbent")
    if incumbent is None:
        return Decision(True, f"The first reward model that is better than a coin toss: accuracy {told}{beside}.")
    theirs = (incumbent.get("accuracy") or {}).get("value")
    if theirs is None:
        return Decision(True, f"Accuracy {told}{beside}.")
    name = f"v{incumbent['version']}"
    ages = _by_age(incumbent)
    return Decision(True, f"Accuracy {told}, beside the {theirs:.1%} of {name} on the same comparisons{ages}{beside}.")


def blocks_of(report: dict[str, Any], limits: Limits) -> list[Block]:
    """What speaks against promoting a model with this report, each on the held-out comparisons of its own set.

    - no_held_out: there are none.
    - coin_toss: the 95 % interval of its accuracy does not lie above ½. A model that may be a coin toss must not steer
      a policy or choose what people label; a point estimate above ½ is what half of all coin tosses have.
    - worse_than_promoted: it is less accurate than the model in use on the very same comparisons (prompts are held out
      by digest, so neither has seen them). Point estimates decide: asking for a significant gain would keep an old
      model for ever where gains are small, and "not significantly worse" would let quality sink in small steps.
    - worse_on_batch: on the held-out slice of one batch it is significantly worse than the model in use (the 95 %
      interval of the paired difference lies below 0), whatever it gains elsewhere. Single batches are small, so here
      significance is asked for: of ten, some are below by chance.
    - worse_on_earlier, worse_on_fresh: so it is on the held-out comparisons of the set that the model in use learnt
      from, which were frozen with it (what the new one has forgotten shows there and not on new batches), or on those
      of its own set that are not in that one.
    - promoted_not_judged: the model in use could not be judged on the same comparisons, or has not been.
    - length_correlation: how long a completion is says too much about its reward.
    - advantage: too little lead over preferring the longer completion.
    """
    accuracy = report.get("accuracy") or {}
    if not accuracy.get("n"):
        return [Block("no_held_out", "The comparison set has no held-out comparisons to judge it by.")]
    told = _told(accuracy)
    found = []
    if accuracy.get("low") is None or accuracy["low"] <= 0.5:
        found.append(Block("coin_toss", f"Accuracy {told} is not clearly better than a coin toss."))
    if limits.must_beat_promoted and report.get("incumbent"):
        found += _beside_promoted(accuracy, told, report["incumbent"], limits.min_batch_comparisons)
    correlation, limit = length_correlation(report), limits.max_length_correlation
    if limit is not None and correlation is not None and abs(correlation) > limit:
        found.append(
            Block(
                "length_correlation",
                f"Its reward follows length: within comparisons they correlate at {correlation:.2f}, "
                f"beyond this project's limit of {limit:.2f}.",
            )
        )
    longer = ((report.get("baselines") or {}).get("longer") or {}).get("value")
    if limits.min_advantage is not None and longer is not None and accuracy["value"] - longer < limits.min_advantage:
        found.append(
            Block(
                "advantage",
                f"Accuracy {told} leads the {longer:.1%} of preferring the longer completion by less than "
                f"{limits.min_advantage:.1%}.",
            )
        )
    return found


def _beside_promoted(
    accuracy: dict[str, Any], told: str, incumbent: dict[str, Any], min_batch_comparisons: int
) -> list[Block]:
    theirs = (incumbent.get("accuracy") or {}).get("value")
    name = f"v{incumbent['version']}"
    if theirs is None:
        why = f" ({incumbent['error']})" if incumbent.get("error") else ""
        return [Block("promoted_not_judged", f"{name} could not be judged on the same comparisons{why}.")]
    # A report of the two in one run has this model's accuracy on exactly the comparisons that the other was judged on.
    mine = (incumbent.get("own_accuracy") or accuracy)["value"]
    found = []
    if mine < theirs:
        found.append(
            Block(
                "worse_than_promoted",
                f"Accuracy {told} is below the {theirs:.1%} of {name} on the same comparisons.",
            )
        )
    for age, where in AGES.items():
        if worse := _worse((incumbent.get(age) or {}).get("difference"), name, min_batch_comparisons):
            found.append(Block(f"worse_on_{age}", f"On {where(name)} {worse}"))
    for batch in incumbent.get("batches") or []:
        if worse := _worse(batch.get("difference"), name, min_batch_comparisons):
            found.append(Block("worse_on_batch", f"On {_batch(batch['bucket'])} {worse}"))
    return found


AGES: dict[str, Callable[[str], str]] = {
    "earlier": "the earlier comparisons, held out when {} was trained,".format,
    "fresh": "the new comparisons, which {} never had,".format,
}


def _worse(difference: dict[str, Any] | None, name: str, min_comparisons: int) -> str:
    """How much less accurate it is than the other on a slice; empty where that is not significant, or it is small."""
    difference = difference or {}
    high = difference.get("high")
    if (difference.get("n") or 0) < min_comparisons or high is None or high >= 0:
        return ""
    return f"it is {-difference['value']:.1%} less accurate than {name} (at least {-high:.1%}, n = {difference['n']})."


def _by_age(incumbent: dict[str, Any]) -> str:
    """Differences to the other's accuracy, in brackets, where both are known."""
    earlier, fresh = (((incumbent.get(age) or {}).get("difference") or {}).get("value") for age in ("earlier", "fresh"))
    return "" if earlier is None or fresh is None else f" ({earlier:+.1%} on earlier ones, {fresh:+.1%} on new ones)"


def _batch(bucket: str) -> str:
    return "what no sampling round asked for" if bucket == "0" else f"batch {bucket}"


def length_correlation(report: dict[str, Any]) -> float | None:
    """Rank correlation of reward gap and length difference within comparisons; None where it is not known."""
    within = (report.get("length_correlation") or {}).get("within_comparison")
    value = within.get("spearman") if isinstance(within, dict) else within
    return None if value is None else float(value)


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
