"""Whether a project's ratings suffice to train a reward model on."""

from annotate.common.errors import DomainError
from annotate.projects.models import Project
from training.exports.selectors import preview
from training.exports.spec import Spec

# Below these a reward model cannot be told from a coin toss: 30 held-out comparisons would still leave ± 18 points,
# and a refresh is asked for before there are so many. They keep a run from being started that cannot teach anything.
NEEDED_TRAIN = 40
NEEDED_TEST = 5


def require_enough(project: Project, spec: Spec) -> None:
    """Raise DomainError "too_few_comparisons", with what is there and what is needed, where they do not suffice."""
    counts = preview(project, spec)
    missing = max(0, NEEDED_TRAIN - counts["train"]), max(0, NEEDED_TEST - counts["test"])
    if not any(missing):
        return
    left_out = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts["left_out"].items() if n)
    raise DomainError(
        "too_few_comparisons",
        f"There are {counts['comparisons']} rated comparisons that fit: {counts['train']} to train on and "
        f"{counts['test']} on held-out prompts. At least {NEEDED_TRAIN} and {NEEDED_TEST} are needed; "
        f"about {_more(missing)} more rated comparisons on new prompts would do."
        + (f" Left out: {left_out}." if left_out else ""),
        counts=counts,
        needed={"train": NEEDED_TRAIN, "test": NEEDED_TEST},
    )


def _more(missing: tuple[int, int]) -> int:
    """Comparisons to rate so that, at 80 and 10 %, both splits have enough."""
    return max(round(missing[0] / 0.8 + 0.5), missing[1] * 10)
