"""What a run of a judge is asked for, as a validated value."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError

from training.judges.models import Scope

MOST_COMPARISONS = 100_000
_ENDPOINT = re.compile(r"^endpoint:[\w.-]{1,60}$")


@dataclass(frozen=True)
class RunOptions:
    """judge: "endpoint:<name>" or "path:<absolute directory on the worker>"; chain_of_thought: have it reason first.

    scope: "unrated" comparisons, or those people have "rated", to compare with them; n_comparisons: at most so many;
    n_principles: drawn for each of them; max_tokens: no further question once so many are used, None for no limit;
    seed: of the draws.
    """

    judge: str
    chain_of_thought: bool = False
    scope: str = Scope.UNRATED
    n_comparisons: int = 200
    n_principles: int = 1
    max_tokens: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        problems = {}
        if not isinstance(self.judge, str) or not (_ENDPOINT.match(self.judge) or _is_path(self.judge)):
            problems["judge"] = f'Expected "endpoint:" and a name, or "path:" and a directory; got {self.judge!r}.'
        if not isinstance(self.chain_of_thought, bool):
            problems["chain_of_thought"] = "Expected true or false."
        if self.scope not in Scope.values:
            problems["scope"] = f"Expected one of {', '.join(Scope.values)}, got {self.scope!r}."
        for name, low, high in (
            ("n_comparisons", 1, MOST_COMPARISONS),
            ("n_principles", 1, 50),
            ("max_tokens", 1, 10**12),
            ("seed", 0, 2**31),
        ):
            value = getattr(self, name)
            if value is None and name == "max_tokens":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                problems[name] = f"Expected a whole number from {low} to {high}, got {value!r}."
        if problems:
            raise ValidationError(problems)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _is_path(judge: str) -> bool:
    kind, _, path = judge.partition(":")
    return kind == "path" and path.startswith("/") and ".." not in Path(path).parts and len(judge) <= 500
