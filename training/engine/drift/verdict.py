"""From measures to a verdict that is seldom a false alarm."""

from __future__ import annotations

from dataclasses import dataclass

from training.engine.drift.metrics import Measured, holm

ALPHA = 0.01
# From here on a difference that is beyond chance is a strong one.
STRONG_AUC = 0.75
STRONG_PSI = 0.25  # above what equal distributions give
STRONG_OUTLIERS = 0.10  # share above that of the training side

RULE = (
    "Five measures vote: classifier, distance of features, lengths, rewards, and completions outside the training "
    f"cloud. Their p-values are corrected for being five (Holm); one below {ALPHA} is a finding, so that without drift "
    f"about 1 report in 100 has one. A finding is strong where the classifier's AUC is at least {STRONG_AUC}, a "
    f"stability index is {STRONG_PSI} above what chance gives, or the share outside is {STRONG_OUTLIERS:.0%} above "
    "that of the training side. The verdict is the strongest finding. Disagreement of the heads has no vote: it is "
    "lower on training completions in any case, since the heads learnt from them."
)

VERDICT_SENTENCES = {
    "too_few": "There are fewer than {least} prompts on one side: too few to say anything.",
    "none": "Nothing shows that the policy writes other than what the reward model was trained on.",
    "some": "The policy writes measurably other than what the reward model was trained on, but not by much.",
    "strong": "The policy writes something quite other than what the reward model was trained on: its rewards are not "
    "to be relied on there. Label comparisons of new completions and train again.",
}


@dataclass(frozen=True)
class Judgement:
    """The verdict, and of each measure its level ("none", "some", "strong") and its corrected p-value."""

    verdict: str
    levels: dict[str, str]
    p_adjusted: dict[str, float]


def judge(found: dict[str, Measured]) -> Judgement:
    """By RULE, over measures named classifier, mmd, lengths, rewards and outliers, each with a p-value."""
    adjusted = dict(
        zip(found, holm([1.0 if one.p_value is None else one.p_value for one in found.values()]), strict=True)
    )
    levels = {
        name: "none" if adjusted[name] >= ALPHA else "strong" if _is_strong(name, one) else "some"
        for name, one in found.items()
    }
    order = ("none", "some", "strong")
    return Judgement(max(levels.values(), key=order.index), levels, adjusted)


def _is_strong(name: str, one: Measured) -> bool:
    above = one.value - (one.expected or 0.0)
    if name == "classifier":
        return one.value >= STRONG_AUC
    if name in ("lengths", "rewards"):
        return above >= STRONG_PSI
    # A distance of features has no scale of its own.
    return name == "outliers" and above >= STRONG_OUTLIERS
