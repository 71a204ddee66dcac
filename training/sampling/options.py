"""How the next comparisons are chosen, as a validated value."""

from dataclasses import dataclass

from django.core.exceptions import ValidationError

# Names of the engine's acquisition functions (training/engine/sampling); a test keeps the two lists equal.
ACQUISITIONS = ("random", "gap", "disagreement", "bald", "delta_ucb", "drts", "dts")
DEFAULT_ACQUISITION = "disagreement"
MAX_BUDGET = 50_000


@dataclass(frozen=True)
class SamplingOptions:
    """acquisition: by what rule; budget: how many comparisons; random_share (0 to 1): the part drawn uniformly, as an
    evaluation stream and control; seed: of every draw."""

    acquisition: str = DEFAULT_ACQUISITION
    budget: int = 100
    random_share: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        problems = {}
        if self.acquisition not in ACQUISITIONS:
            problems["acquisition"] = f"Expected one of {', '.join(ACQUISITIONS)}, got {self.acquisition!r}."
        if isinstance(self.budget, bool) or not isinstance(self.budget, int) or not 1 <= self.budget <= MAX_BUDGET:
            problems["budget"] = f"Expected a whole number from 1 to {MAX_BUDGET}, got {self.budget!r}."
        if not isinstance(self.random_share, int | float) or not 0 <= self.random_share <= 1:
            problems["random_share"] = f"Expected a share from 0 to 1, got {self.random_share!r}."
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            problems["seed"] = f"Expected a whole number from 0 on, got {self.seed!r}."
        if problems:
            raise ValidationError(problems)
