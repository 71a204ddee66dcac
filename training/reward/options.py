"""How a reward model is trained, as far as people choose it; everything else is the engine's default."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

# name: (least, most); None: the engine decides.
_BOUNDS: dict[str, tuple[float, float]] = {
    "epochs": (1, 100),
    "max_steps": (1, 10_000_000),
    "batch_size": (1, 4096),
    "learning_rate": (1e-8, 1.0),
    "max_length": (8, 131_072),
    "checkpoint_steps": (1, 100_000),
    "seed": (0, 2**31),
}
_FLOATS = ("learning_rate",)


@dataclass(frozen=True)
class TrainingOptions:
    """Options of the engine's `reward train`; None leaves the base's default (`reward.services`) or the engine's."""

    epochs: int | None = None
    max_steps: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    max_length: int | None = None
    checkpoint_steps: int | None = None
    seed: int | None = None
    use_margins: bool | None = None
    use_weights: bool | None = None
    use_soft_preferences: bool | None = None

    def __post_init__(self) -> None:
        problems = {}
        for name, value in dataclasses.asdict(self).items():
            if value is None:
                continue
            if name not in _BOUNDS:
                if not isinstance(value, bool):
                    problems[name] = f"Expected true or false, got {value!r}."
                continue
            low, high = _BOUNDS[name]
            kinds = (int, float) if name in _FLOATS else (int,)
            if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
                problems[name] = f"Expected a number from {low:g} to {high:g}, got {value!r}."
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

    def to_dict(self) -> dict[str, Any]:
        """The options that were chosen."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
