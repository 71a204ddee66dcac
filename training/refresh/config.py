"""What a refresh is asked to do, as a validated value."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from training.exports.spec import Spec
from training.policy.services import BUILTIN, BaseSettings, validate_base_model
from training.reward.options import TrainingOptions
from training.sampling.options import DEFAULT_ACQUISITION, DEFAULT_PROMPT_RULE, SamplingOptions
from training.validation import under


@dataclass(frozen=True)
class RefreshConfig:
    """Everything that a refresh needs to know, saved whole with its cycle.

    `base` are overrides of the engine's configs of the built-in model; programs set them, forms do not.
    """

    base_model: str = BUILTIN
    spec: Spec = field(default_factory=Spec)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    base: BaseSettings = field(default_factory=BaseSettings)

    def __post_init__(self) -> None:
        validate_base_model(self.base_model)
        if self.training.needs_strengths:
            why = (
                "A refresh writes a new comparison set, whose label noise nobody has estimated yet: "
                "train on a set that has it."
            )
            raise ValidationError({"training.noise_treatment": why})

    @classmethod
    def build(
        cls,
        *,
        base_model: str = BUILTIN,
        acquisition: str = DEFAULT_ACQUISITION,
        budget: int | None = None,
        spec: dict[str, Any] | None = None,
        training: dict[str, Any] | None = None,
    ) -> "RefreshConfig":
        """From what a form, the API or the command line gives. Raises ValidationError by field."""
        # A form that names a rule for pairs alone means that rule, not one mixed with the default's prompts.
        is_default = acquisition == DEFAULT_ACQUISITION
        sampling = SamplingOptions(acquisition=acquisition, prompt_rule=DEFAULT_PROMPT_RULE if is_default else "value")
        return cls(
            base_model=base_model,
            spec=under("spec", lambda: Spec.parse(spec or {})),
            training=under("training", lambda: TrainingOptions.parse(training or {})),
            sampling=sampling if budget is None else dataclasses.replace(sampling, budget=budget),
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "base_model": self.base_model,
            "spec": self.spec.to_dict(),
            "training": self.training.to_dict(),
            "sampling": dataclasses.asdict(self.sampling),
            "base": dataclasses.asdict(self.base),
        }

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> "RefreshConfig":
        """What `to_dict` gave."""
        return cls(
            base_model=raw["base_model"],
            spec=Spec.parse(raw["spec"]),
            training=TrainingOptions.parse(raw["training"]),
            sampling=SamplingOptions(**{"prompt_rule": "value", **raw["sampling"]}),  # those of before had no other
            base=BaseSettings(**raw["base"]),
        )
