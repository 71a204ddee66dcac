"""What an SFT run is asked to do, as a validated value."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

from django.core.exceptions import ValidationError

from training.policy.services import BUILTIN, validate_base_model
from training.validation import Problems


@dataclass(frozen=True)
class SftOptions:
    """base_model: "builtin", "checkpoint:<id>", a path on the worker or a hub id.

    comparison_set: the number of the set whose chosen completions are learnt from; None: what people wrote to prompts
    of the pool. epochs: passes over the examples; learning_rate: at its peak; max_length: tokens of prompt and
    completion together, longer ones are cut; rows_per_step: rows of so many tokens per update; lora_rank: 0 trains all
    weights; seed: of the order.
    """

    base_model: str = BUILTIN
    comparison_set: int | None = None
    epochs: float = 2.0
    learning_rate: float = 1e-3
    max_length: int = 512
    rows_per_step: int = 4
    lora_rank: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        problems = Problems()
        problems.expect(
            isinstance(self.base_model, str) and len(self.base_model) <= 500, "base_model", "Expected a name."
        )
        if self.comparison_set is not None:
            problems.whole("comparison_set", self.comparison_set, 1, 2**31 - 1)
        problems.number("epochs", self.epochs, 0, 100, is_open=True)
        problems.number("learning_rate", self.learning_rate, 0, 1, is_open=True)
        problems.whole("max_length", self.max_length, 32, 131_072)
        problems.whole("rows_per_step", self.rows_per_step, 1, 4096)
        problems.whole("lora_rank", self.lora_rank, 0, 1024)
        problems.whole("seed", self.seed, 0, 2**31 - 1)
        problems.done()
        validate_base_model(self.base_model)

    @classmethod
    def parse(cls, raw: Any) -> Self:
        """From JSON. Raises ValidationError by field."""
        if not isinstance(raw, dict):
            raise ValidationError({"options": "Expected an object."})
        known = {one.name for one in dataclasses.fields(cls)}
        if unknown := {str(name): "There is no such option." for name in raw if name not in known}:
            raise ValidationError(unknown)
        return cls(**raw)

    def to_dict(self) -> dict[str, Any]:
        """As JSON, defaults included; `parse` gives it back."""
        return dataclasses.asdict(self)
