"""What goes into a comparison set, as a validated value."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError

from annotate.pool.models import SourceKind

TIES = ("drop", "soft")
LOW_AGREEMENT = ("drop", "hard")
INTENSITY_WEIGHTINGS = ("scaled_bt", "none")
AGREEMENT_WEIGHTINGS = ("none", "share")
PREFERENCES = ("votes", "posterior")
MARGINS = ("small", "large", "none")
AI_USES = ("none", "unrated", "all")
NO_AI: dict[str, Any] = {"use": "none", "max_share": 1.0, "weight": 1.0}
MOST_VALUES = 1_000


@dataclass(frozen=True)
class Spec:
    """Which comparisons are taken and how their ratings become numbers. An empty list restricts nothing.

    Ratings that count: rated_from and rated_to (days, UTC, inclusive), guideline_versions (numbers), labellers (only
    these users) and without_labellers. What is left of a comparison's ratings decides everything below.

    Comparisons: min_ratings of these ratings at least; min_agreement, the least share (0 to 1) of them that give the
    verdict, below which a comparison is left out (low_agreement "drop") or kept as a hard one with its weight times
    hard_weight ("hard"); min_intensity, the least mean intensity of those who preferred the chosen side (null: weakest
    ones stay, with margin 0); sources and source_kinds (both completions are of these); languages, tags (any of),
    without_tags (none of) of the prompt; include_adjudicated: a reviewer's verdict stands for the ratings, whatever
    their number and agreement; otherwise such comparisons are left out.

    The mix: max_source_share, for a kind of source the largest share of comparisons that may have a completion of it;
    max_cluster_share, the largest share of one prompt cluster; max_comparisons. They are applied in this order, each to
    what the ones before have left, so that a later one can raise a share again. What is too many is left out by a fixed
    hash of the id: with max_comparisons, a smaller set is part of a larger one.

    Numbers: ties "drop" leaves out comparisons without a preferred side, and single ties are no votes; "soft" keeps
    them with a preference of ½, and a tie is half a vote for each side. preference "votes": smoothed share of the
    votes; "posterior": as the project's model of its labellers has it, which weighs them by reliability (votes where it
    has not judged a comparison yet). intensity_weighting "scaled_bt": weight grows with the mean intensity;
    agreement_weighting "share": weight times agreement; margins: Llama 2's small (0 to 1) or large (0 to 3) ones.

    AI ratings of judges that a researcher has allowed: ai.use "none" takes none; "unrated" adds comparisons that nobody
    has rated; "all" also those whose people's ratings do not count or are too few. Nothing that people have decided is
    decided anew, and nothing is added outside the training split. ai.max_share (0 to 1) is the largest share of such
    rows in the set; ai.weight (0 to 1) is theirs in the loss, where a rating of unknown intensity weighs 1. The mix's
    limits hold among them too. What is not said of "ai" is as in `NO_AI`.
    """

    min_ratings: int = 1
    min_agreement: float = 0.0
    low_agreement: str = "drop"
    hard_weight: float = 0.5
    min_intensity: float | None = None
    ties: str = "drop"
    preference: str = "votes"
    intensity_weighting: str = "scaled_bt"
    agreement_weighting: str = "none"
    margins: str = "small"
    include_adjudicated: bool = True
    max_comparisons: int | None = None
    rated_from: str | None = None
    rated_to: str | None = None
    guideline_versions: list[int] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)
    source_kinds: list[str] = field(default_factory=list)
    max_source_share: dict[str, float] = field(default_factory=dict)
    languages: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    without_tags: list[str] = field(default_factory=list)
    labellers: list[int] = field(default_factory=list)
    without_labellers: list[int] = field(default_factory=list)
    max_cluster_share: float | None = None
    ai: dict[str, Any] = field(default_factory=lambda: dict(NO_AI))

    def __post_init__(self) -> None:
        if isinstance(self.ai, dict):
            object.__setattr__(self, "ai", NO_AI | self.ai)
        problems = {
            name: f"Expected {expected}, got {getattr(self, name)!r}."
            for name, (is_right, expected) in _RULES.items()
            if not is_right(getattr(self, name))
        }
        if not problems and self.rated_from and self.rated_to and self.rated_from > self.rated_to:
            problems["rated_to"] = f"Expected a day from {self.rated_from} on, got {self.rated_to!r}."
        if not problems and self.preference == "posterior" and self.chooses_ratings:
            problems["preference"] = (
                "The labellers' model judges by all ratings: choose votes, or no days, versions and labellers."
            )
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

    @property
    def takes_ai(self) -> bool:
        return bool(self.ai["use"] != "none" and self.ai["max_share"] > 0)

    @property
    def chooses_ratings(self) -> bool:
        """Whether some ratings do not count, so that a comparison's own counts say too much."""
        days = self.rated_from is not None or self.rated_to is not None
        return days or bool(self.guideline_versions or self.labellers or self.without_labellers)


def _is_ai(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == set(NO_AI)
        and value["use"] in AI_USES
        and all(_is_number(value[name]) and 0 <= value[name] <= 1 for name in ("max_share", "weight"))
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_day(value: Any) -> bool:
    try:
        return value is None or (isinstance(value, str) and date.fromisoformat(value).isoformat() == value)
    except ValueError:
        return False


Rule = tuple[Callable[[Any], bool], str]


def _number(low: float, high: float, *, is_whole: bool = False, or_null: bool = False) -> Rule:
    def is_right(value: Any) -> bool:
        if value is None:
            return or_null
        return (_is_whole(value) if is_whole else _is_number(value)) and low <= value <= high

    kind = "a whole number" if is_whole else "a number"
    return is_right, f"{kind} from {low:g} to {high:g}" + (", or null" if or_null else "")


def _one_of(choices: tuple[str, ...]) -> Rule:
    return (lambda value: value in choices), f"one of {', '.join(choices)}"


def _list(is_one: Callable[[Any], bool], expected: str) -> Rule:
    def is_right(value: Any) -> bool:
        return isinstance(value, list) and len(value) <= MOST_VALUES and all(is_one(one) for one in value)

    return is_right, f"a list of at most {MOST_VALUES} {expected}"


def _is_share_by_kind(value: Any) -> bool:
    return isinstance(value, dict) and all(
        kind in SourceKind.values and _is_number(share) and 0 <= share <= 1 for kind, share in value.items()
    )


_TEXTS = _list(lambda one: isinstance(one, str), "texts")
_IDS = _list(_is_whole, "whole numbers")
_DAY: Rule = (_is_day, "a day as 2026-01-31, or null")
_RULES: dict[str, Rule] = {
    "min_ratings": _number(1, 50, is_whole=True),
    "min_agreement": _number(0, 1),
    "low_agreement": _one_of(LOW_AGREEMENT),
    "hard_weight": _number(0, 1),
    "min_intensity": _number(1, 10, or_null=True),
    "ties": _one_of(TIES),
    "preference": _one_of(PREFERENCES),
    "intensity_weighting": _one_of(INTENSITY_WEIGHTINGS),
    "agreement_weighting": _one_of(AGREEMENT_WEIGHTINGS),
    "margins": _one_of(MARGINS),
    "include_adjudicated": (lambda value: isinstance(value, bool), "true or false"),
    "max_comparisons": _number(1, 10**9, is_whole=True, or_null=True),
    "rated_from": _DAY,
    "rated_to": _DAY,
    "guideline_versions": _IDS,
    "sources": _IDS,
    "source_kinds": _list(lambda one: one in SourceKind.values, f"of {', '.join(SourceKind.values)}"),
    "max_source_share": (_is_share_by_kind, f"shares from 0 to 1 by kind of source ({', '.join(SourceKind.values)})"),
    "languages": _TEXTS,
    "tags": _TEXTS,
    "without_tags": _TEXTS,
    "labellers": _IDS,
    "without_labellers": _IDS,
    "max_cluster_share": _number(0.001, 1, or_null=True),
    "ai": (_is_ai, f'"use" of {", ".join(AI_USES)}, "max_share" and "weight" from 0 to 1'),
}
