"""What goes into a comparison set, as a validated value."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

TIES = ("drop", "soft")
INTENSITY_WEIGHTINGS = ("scaled_bt", "none")


@dataclass(frozen=True)
class Spec:
    """Which comparisons are taken and how their ratings become numbers.

    min_ratings: current ratings that a comparison needs. min_agreement: least share (0 to 1) of its ratings that give
    the verdict. ties "drop": comparisons without a preferred side are left out and single ties are not votes; "soft":
    they stay with a preference of ½, and a tie is half a vote for each side. intensity_weighting "scaled_bt": weight
    grows with the mean intensity; "none": weight 1. include_adjudicated: a reviewer's verdict stands for the ratings,
    whatever their number and agreement; otherwise such comparisons are left out. max_comparisons: at most so many,
    drawn by a fixed hash of their id, so that a smaller set is part of a larger one.
    """

    min_ratings: int = 1
    min_agreement: float = 0.0
    ties: str = "drop"
    intensity_weighting: str = "scaled_bt"
    include_adjudicated: bool = True
    max_comparisons: int | None = None

    def __post_init__(self) -> None:
        problems: dict[str, str] = {}
        if not _is_whole(self.min_ratings) or not 1 <= self.min_ratings <= 50:
            problems["min_ratings"] = f"Expected a whole number from 1 to 50, got {self.min_ratings!r}."
        if not _is_number(self.min_agreement) or not 0 <= self.min_agreement <= 1:
            problems["min_agreement"] = f"Expected a share from 0 to 1, got {self.min_agreement!r}."
        if self.ties not in TIES:
            problems["ties"] = f"Expected one of {', '.join(TIES)}, got {self.ties!r}."
        if self.intensity_weighting not in INTENSITY_WEIGHTINGS:
            expected = ", ".join(INTENSITY_WEIGHTINGS)
            problems["intensity_weighting"] = f"Expected one of {expected}, got {self.intensity_weighting!r}."
        if not isinstance(self.include_adjudicated, bool):
            problems["include_adjudicated"] = f"Expected true or false, got {self.include_adjudicated!r}."
        if self.max_comparisons is not None and (not _is_whole(self.max_comparisons) or self.max_comparisons < 1):
            problems["max_comparisons"] = f"Expected a whole number from 1 on, or null, got {self.max_comparisons!r}."
        if problems:
            raise ValidationError(problems)

    @classmethod
    def parse(cls, raw: Any) -> "Spec":
        """Build from plain values. Raises ValidationError by field, also for a field that does not exist."""
        if not isinstance(raw, dict):
            raise ValidationError({"spec": "Expected an object."})
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(raw) - known):
            hint = f"There is no such field; the fields are {', '.join(sorted(known))}."
            raise ValidationError(dict.fromkeys(unknown, hint))
        return cls(**raw)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
