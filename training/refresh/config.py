"""What a refresh is asked to do, as a validated value."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Self

from django.core.exceptions import ValidationError

from training.exports.spec import Spec
from training.generation.options import GenerationOptions
from training.policy.services import BUILTIN, BaseSettings, validate_base_model
from training.refresh.models import StageName
from training.reward.options import TrainingOptions
from training.sampling.options import SamplingOptions
from training.validation import under

PROMOTIONS = ("rule", "hand")
MAX_DAYS = 365

# What may be changed of a stage before it begins: its part of the config.
PART_OF: dict[str, str] = {
    StageName.CANDIDATES: "candidates",
    StageName.SAMPLE: "sampling",
    StageName.LABEL: "labelling",
    StageName.EXPORT: "spec",
    StageName.BASE: "base_model",
    StageName.TRAIN: "training",
    StageName.PROMOTE: "promotion",
}


@dataclass(frozen=True)
class LabellingOptions:
    """When labelling is done: target_share (above 0 to 1) of the comparisons that were asked for have their ratings, or
    max_days have passed since they were put into the queue (None: however long it takes)."""

    target_share: float = 0.9
    max_days: int | None = None

    def __post_init__(self) -> None:
        problems = {}
        share, days = self.target_share, self.max_days
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
            problems["target_share"] = f"Expected a share above 0, up to 1, got {share!r}."
        if days is not None and (isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= MAX_DAYS):
            problems["max_days"] = f"Expected a whole number from 1 to {MAX_DAYS}, or nothing, got {days!r}."
        if problems:
            raise ValidationError(problems)

    @classmethod
    def parse(cls, raw: Any) -> Self:
        """From JSON. Raises ValidationError by field."""
        if not isinstance(raw, dict):
            raise ValidationError({"labelling": "Expected an object."})
        known = {one.name for one in dataclasses.fields(cls)}
        if unknown := {name: "There is no such option." for name in raw if name not in known}:
            raise ValidationError(unknown)
        return cls(**raw)


@dataclass(frozen=True)
class RefreshConfig:
    """Everything that a refresh needs to know, saved whole with its cycle.

    ask: whether new ratings are asked for first; without, it trains on those there are. candidates: completions to be
    written for that; None: pairs are chosen from the pool as it is. promotion: by the project's rules, or by a person
    for whom the refresh waits. `base` are overrides of the engine's configs of the built-in model; programs set them,
    forms do not.
    """

    ask: bool = True
    candidates: GenerationOptions | None = None
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    labelling: LabellingOptions = field(default_factory=LabellingOptions)
    spec: Spec = field(default_factory=Spec)
    base_model: str = BUILTIN
    training: TrainingOptions = field(default_factory=TrainingOptions)
    promotion: str = "rule"
    base: BaseSettings = field(default_factory=BaseSettings)

    def __post_init__(self) -> None:
        validate_base_model(self.base_model)
        if not isinstance(self.ask, bool):
            raise ValidationError({"ask": "Expected true or false."})
        if self.promotion not in PROMOTIONS:
            raise ValidationError({"promotion": f"Expected one of {', '.join(PROMOTIONS)}, got {self.promotion!r}."})
        if self.training.needs_strengths:
            why = (
                "A refresh writes a new comparison set, whose label noise nobody has estimated yet: "
                "train on a set that has it."
            )
            raise ValidationError({"training.noise_treatment": why})

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> Self:
        """From what a form, the API, the command line or a schedule gives; what is left out has its default.

        Raises ValidationError by field ("sampling.budget").
        """
        known = {one.name for one in dataclasses.fields(cls)}
        if unknown := {name: "There is no such option." for name in raw if name not in known}:
            raise ValidationError(unknown)
        candidates = raw.get("candidates")
        return cls(
            ask=raw.get("ask", True),
            candidates=None if candidates is None else under("candidates", lambda: GenerationOptions.parse(candidates)),
            sampling=under("sampling", lambda: SamplingOptions.parse(raw.get("sampling") or {})),
            labelling=under("labelling", lambda: LabellingOptions.parse(raw.get("labelling") or {})),
            spec=under("spec", lambda: Spec.parse(raw.get("spec") or {})),
            base_model=raw.get("base_model", BUILTIN),
            training=under("training", lambda: TrainingOptions.parse(raw.get("training") or {})),
            promotion=raw.get("promotion", "rule"),
            base=BaseSettings(**raw.get("base") or {}),
        )

    def with_part(self, stage: str, value: Any) -> Self:
        """The config with another part for a stage of `PART_OF`. Raises ValidationError by field."""
        return self.parse(self.to_dict() | {PART_OF[stage]: value})

    def to_dict(self) -> dict[str, Any]:
        """As JSON; `parse` gives it back."""
        return {
            "ask": self.ask,
            "candidates": None if self.candidates is None else self.candidates.to_dict(),
            "sampling": self.sampling.to_dict(),
            "labelling": dataclasses.asdict(self.labelling),
            "spec": self.spec.to_dict(),
            "base_model": self.base_model,
            "training": self.training.to_dict(),
            "promotion": self.promotion,
            "base": dataclasses.asdict(self.base),
        }

    @classmethod
    def of_cycle(cls, raw: dict[str, Any]) -> Self:
        """What was saved with a cycle, perhaps by an earlier version, which chose pairs by their worth alone and asked
        for them at its end."""
        sampling = {"prompt_rule": "value"} | raw["sampling"]
        return cls.parse({"ask": False} | raw | {"sampling": sampling})
