"""How the next comparisons are chosen, as a validated value."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

# Names of the engine's rules (training/engine/sampling); a test keeps the lists equal.
ACQUISITIONS = ("random", "gap", "disagreement", "bald", "delta_ucb", "drts", "dts")
PROMPT_RULES = ("value", "uniform", "badge", "v_optimal", "bal_pm")
DIVERSITIES = ("none", "quotas", "k_centre", "facility_location")
# What did best on seeds that it was not chosen on: docs/active-sampling-measured.md.
DEFAULT_ACQUISITION = "dts"
DEFAULT_PROMPT_RULE = "badge"
MAX_BUDGET = 50_000
MAX_CLUSTERS = 10_000
MAX_SEED = 2**31 - 1

_CHOICES = {"acquisition": ACQUISITIONS, "prompt_rule": PROMPT_RULES, "diversity": DIVERSITIES}
# name: (least, most)
_WHOLE = {"budget": (1, MAX_BUDGET), "seed": (0, MAX_SEED), "n_clusters": (0, MAX_CLUSTERS), "max_per_prompt": (1, 100)}


@dataclass(frozen=True)
class SamplingOptions:
    """Names and defaults are those of the engine's `SelectConfig`.

    acquisition: what a label of a pair is worth. prompt_rule: which prompts are asked about. diversity: how the batch
    is spread over the pool. budget: how many comparisons. random_share (0 to 1): the part drawn uniformly, as an
    evaluation stream and control. n_clusters: of prompts, 0 for √(n/2). max_cluster_share (above 0 to 1): no cluster
    gets more of the batch. max_per_prompt: chosen pairs of one prompt, as long as others are left. seed: of every draw.
    Raises ValidationError by field.
    """

    acquisition: str = DEFAULT_ACQUISITION
    prompt_rule: str = DEFAULT_PROMPT_RULE
    diversity: str = "none"
    budget: int = 100
    random_share: float = 0.15
    n_clusters: int = 0
    max_cluster_share: float = 1.0
    max_per_prompt: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        problems = {}
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                problems[name] = f"Expected one of {', '.join(known)}, got {getattr(self, name)!r}."
        for name, (least, most) in _WHOLE.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                problems[name] = f"Expected a whole number from {least} to {most}, got {value!r}."
        if not _is_number(self.random_share) or not 0 <= self.random_share <= 1:
            problems["random_share"] = f"Expected a share from 0 to 1, got {self.random_share!r}."
        if not _is_number(self.max_cluster_share) or not 0 < self.max_cluster_share <= 1:
            problems["max_cluster_share"] = f"Expected a share above 0, up to 1, got {self.max_cluster_share!r}."
        if problems:
            raise ValidationError(problems)

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> "SamplingOptions":
        """From what a form, the API or the command line gives. Raises ValidationError by field."""
        known = {one.name for one in dataclasses.fields(cls)}
        unknown = {name: "There is no such option." for name in raw if name not in known}
        if unknown:
            raise ValidationError(unknown)
        return cls(**raw)

    def to_dict(self) -> dict[str, Any]:
        shares = {"random_share": float(self.random_share), "max_cluster_share": float(self.max_cluster_share)}
        return dataclasses.asdict(self) | shares


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
