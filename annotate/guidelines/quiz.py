"""The quiz of a version: which examples it asks, how they are laid out for an attempt, and what passes."""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import QuerySet

from annotate.guidelines.models import WorkedExample
from annotate.projects.models import Project

Shown = Literal["first", "second", "tie"]
_SWAPPED = {"a": "b", "b": "a", "tie": "tie"}
_STORED = {"first": "a", "second": "b", "tie": "tie"}
_SHOWN: dict[str, Shown] = {"a": "first", "b": "second", "tie": "tie"}


def questions_of(version: Any, project: Project) -> QuerySet[WorkedExample]:
    """The examples that the project asks of a version (or of a query's outer row); none where it asks no quiz.

    A tie is asked only where it can be answered.
    """
    if project.quiz_pass_share == 0:
        return WorkedExample.objects.none()
    asked = WorkedExample.objects.filter(version=version, in_quiz=True)
    return asked if project.ties_allowed else asked.exclude(preferred="tie")


@dataclass(frozen=True)
class Question:
    """A worked example as one attempt asks it."""

    example: WorkedExample
    # Whether the stored b stands first.
    is_swapped: bool

    @property
    def first(self) -> str:
        return self.example.completion_b if self.is_swapped else self.example.completion_a

    @property
    def second(self) -> str:
        return self.example.completion_a if self.is_swapped else self.example.completion_b

    @property
    def verdict(self) -> Shown:
        """What the guidelines prefer, as this attempt shows it."""
        preferred = self.example.preferred
        return _SHOWN[_SWAPPED[preferred] if self.is_swapped else preferred]

    def stored(self, shown: Shown) -> str:
        """From screen order (first, second, tie) to the example's own (a, b, tie)."""
        return _SWAPPED[_STORED[shown]] if self.is_swapped else _STORED[shown]


def draw(*, labeller_id: int, version_id: int, attempt: int, examples: Iterable[WorkedExample]) -> list[Question]:
    """The examples in the order and with the sides of this attempt: the same again after a reload, others next time."""

    def dice(example: WorkedExample) -> bytes:
        return hashlib.sha256(f"{labeller_id}:{version_id}:{attempt}:{example.pk}".encode()).digest()

    return [Question(one, dice(one)[-1] % 2 == 1) for one in sorted(examples, key=dice)]


def n_needed(*, n_questions: int, pass_share: float) -> int:
    """Right answers that pass. Rounded up, but for what a float adds: 55 % of 20 are 11."""
    return math.ceil(pass_share * n_questions - 1e-9)
