"""How a reward model is trained, as far as people choose it; everything else is the engine's default."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

from training.engine.reward.clashes import clashes

# name: (least, most); None: the engine decides.
BOUNDS: dict[str, tuple[float, float]] = {
    "epochs": (1, 100),
    "max_steps": (1, 10_000_000),
    "batch_size": (1, 4096),
    "learning_rate": (1e-8, 1.0),
    "weight_decay": (0.0, 10.0),
    "warmup_share": (0.0, 1.0),
    "max_length": (8, 131_072),
    "patience": (1, 1000),
    "checkpoint_steps": (1, 100_000),
    "seed": (0, 2**31),
    "margin_scale": (1e-3, 100.0),
    "label_smoothing": (0.0, 0.9),
    "centring": (0.0, 10.0),
    "lora_rank": (1, 1024),
    "lora_alpha": (1e-3, 10_000.0),
    "n_heads": (1, 64),
    "random_pairing_share": (0.01, 1.0),
    "replay": (0.0, 20.0),
}
_FLOATS = (
    "learning_rate",
    "weight_decay",
    "warmup_share",
    "margin_scale",
    "label_smoothing",
    "centring",
    "lora_alpha",
    "random_pairing_share",
    "replay",
)
TIES = ("soft", "davidson", "drop")
TUNINGS = ("full", "lora", "head")
LENGTH_REMEDIES = ("none", "random_pairing", "odin")
OBJECTIVES = ("comparisons", "labellers")
NOISE_TREATMENTS = ("none", "drop", "flip", "soft", "margin")
STARTS = ("fresh", "continued")
CHOICES = {
    "start": STARTS,
    "ties": TIES,
    "tuning": TUNINGS,
    "length_remedy": LENGTH_REMEDIES,
    "objective": OBJECTIVES,
    "noise_treatment": NOISE_TREATMENTS,
}


@dataclass(frozen=True)
class TrainingOptions:
    """Options of the engine's `reward train`; None leaves the base's default (`reward.services`) or the engine's.

    `noise_treatment` other than "none" needs the strengths of a cross-fit of the comparison set (`reward.noise`).
    `margin_map` gives the margin of each intensity level ("1", "2", …) in place of the set's. `start` "continued" goes
    on from the promoted model in place of a new head on a base (`reward.continuing`); `replay` is how many of the
    comparisons that it learnt from are seen again for each new one.
    """

    start: str | None = None
    replay: float | None = None
    epochs: int | None = None
    max_steps: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    warmup_share: float | None = None
    max_length: int | None = None
    patience: int | None = None
    checkpoint_steps: int | None = None
    seed: int | None = None
    use_margins: bool | None = None
    margin_scale: float | None = None
    margin_map: dict[str, float] | None = None
    use_weights: bool | None = None
    use_soft_preferences: bool | None = None
    label_smoothing: float | None = None
    centring: float | None = None
    ties: str | None = None
    tuning: str | None = None
    lora_rank: int | None = None
    lora_alpha: float | None = None
    gradient_checkpointing: bool | None = None
    n_heads: int | None = None
    length_remedy: str | None = None
    random_pairing_share: float | None = None
    objective: str | None = None
    noise_treatment: str | None = None

    def __post_init__(self) -> None:
        problems = {
            name: problem
            for name, value in dataclasses.asdict(self).items()
            if value is not None and (problem := _problem(name, value))
        }
        if not problems:
            problems = {
                name: f"{text[0].upper()}{text[1:]}." for name, text in clashes(dataclasses.asdict(self)).items()
            }
        if problems:
            raise ValidationError(problems)

    @classmethod
    def parse(cls, raw: Any) -> "TrainingOptions":
        """Build from plain values. Raises ValidationError by field."""
        if not isinstance(raw, dict):
            raise ValidationError({"training": "Expected an object."})
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(raw) - known):
            raise ValidationError(dict.fromkeys(unknown, f"There is no such option; there are {sorted(known)}."))
        return cls(**raw)

    @property
    def needs_strengths(self) -> bool:
        return self.noise_treatment not in (None, "none")

    @property
    def is_continued(self) -> bool:
        return self.start == "continued"

    def to_dict(self) -> dict[str, Any]:
        """The options that were chosen."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


def _problem(name: str, value: Any) -> str:
    """What is wrong with a value; empty when nothing is."""
    if name in CHOICES:
        return "" if value in CHOICES[name] else f"Expected one of {', '.join(CHOICES[name])}, got {value!r}."
    if name == "margin_map":
        return "" if _is_margin_map(value) else 'Expected margins from 0 to 100 by intensity, as {"1": 0, "2": 1}.'
    if name not in BOUNDS:
        return "" if isinstance(value, bool) else f"Expected true or false, got {value!r}."
    low, high = BOUNDS[name]
    if _is_number(value, whole=name not in _FLOATS) and low <= value <= high:
        return ""
    return f"Expected a number from {low:g} to {high:g}, got {value!r}."


def _is_number(value: Any, *, whole: bool = False) -> bool:
    return isinstance(value, int if whole else int | float) and not isinstance(value, bool)


def _is_margin_map(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) <= {"1", "2", "3", "4"}
        and all(_is_number(margin) and 0 <= margin <= 100 for margin in value.values())
    )
