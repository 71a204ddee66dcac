"""What dynamic redundancy saves: ratings and accuracy of the stop rule beside a fixed number of ratings a comparison.

    python bench/redundancy.py [--repetitions 10] [--comparisons 3000] [--data ../shared/data]

The rule is the queue's own (`annotate.comparisons.rules.ratings_wanted`): from the minimum to the maximum, stop when
the leading answer's posterior is sure enough. In each repetition the raters of every comparison come in a new random
order, and every policy is given the same order.

Labels. A policy's ratings make a label by majority (what goes into training; equal counts are drawn) and by the highest
posterior. Both are shown for every policy, so that what stopping saves is not mixed up with what weighing wins.

Reliabilities. Comparisons are split in two halves by prompt. Those that a policy uses on one half are estimated by
`one_coin` from what the same policy, knowing none, would have asked on the other half: never from a rating that it
decides about, and from no more ratings than it would have. The rows "knowing nobody" are that first stage itself.

References. Simulator: the truly better completion, and fresh ratings in each repetition. Real raters, table 1: one
rater of each comparison, drawn anew in each repetition, is held out from every policy, and a label is right if it is
what they said. That is unbiased; its ceiling is far below 100 %, since one person is noisy too. Real raters, table 2:
the majority of all these raters, of whom the label's are some: biased in favour of every policy, the more the more it
asks for. It says only how often stopping early gives another label than asking everybody would have.

"at equal accuracy": the cheapest mix of fixed numbers that is as accurate as the rule, both labelled by majority, and
the share of its ratings that the rule saves. ">" where no fixed number is as accurate; the saving is then that against
the largest. Intervals are 95 %, from a bootstrap over comparisons.
"""

import argparse
import gzip
import json
import os
import platform
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from annotate.agreement.metrics import one_coin  # noqa: E402  # the repository is on the path only now
from annotate.comparisons.rules import ANSWERS, posterior, ratings_wanted  # noqa: E402

N_RESAMPLES = 1000
FEW = 2_000
CONFIDENCES = (0.8, 0.9, 0.95)
# Files of real ratings, and how many raters of each comparison are taken.
REAL = {"cragc25": 5, "ukpconvarg1": 5, "pandalm": 3, "mtbench_human_turn1": 3}

# (rater, answer), in the order in which they come.
Ratings = list[tuple[int, str]]
Reliabilities = dict[int, float]


@dataclass(frozen=True)
class Question:
    """A comparison as a policy meets it, with the answer that is held to be right."""

    half: int
    ratings: Ratings
    right: str


@dataclass(frozen=True)
class Policy:
    """Fixed where `confidence` is None: `most` ratings. Else from `fewest` on until the posterior is sure enough."""

    fewest: int
    most: int
    confidence: float | None = None
    knows_raters: bool = False

    def __str__(self) -> str:
        if self.confidence is None:
            return f"fixed {self.most}"
        return f"{self.fewest} to {self.most}, {self.confidence:g}{'' if self.knows_raters else ', knowing nobody'}"

    def n_asked(self, ratings: Ratings, reliabilities: Reliabilities, *, ties_allowed: bool) -> int:
        """How many of the ratings, in their order, the policy asks for."""
        if self.confidence is None:
            return self.most
        n = 0
        while True:
            wanted = ratings_wanted(
                minimum=self.fewest,
                maximum=self.most,
                confidence=self.confidence,
                votes=[(answer, reliabilities.get(rater)) for rater, answer in ratings[:n]],
                ties_allowed=ties_allowed,
            )
            if wanted <= n:
                return n
            n = wanted


def policies(most: int) -> list[Policy]:
    """Every fixed number, then the rule from each minimum, once without knowing anybody; and a project's defaults."""
    found = [Policy(number, number) for number in range(1, most + 1)]
    for fewest in range(1, min(most, 4)):
        found += [Policy(fewest, most, confidence, knows_raters=True) for confidence in CONFIDENCES]
        found.append(Policy(fewest, most, 0.9))
    return found if most <= 5 else [*found, Policy(3, 5, 0.9, knows_raters=True)]


# --- one repetition -------------------------------------------------------------------------------------------------
def estimated(questions: Sequence[Question], n_asked: Sequence[int]) -> list[Reliabilities]:
    """For each half, the raters' reliabilities as the other half's first ratings tell them."""
    found = []
    for half in (0, 1):
        told = [
            (number, rater, ANSWERS.index(answer))
            for number, (question, n) in enumerate(zip(questions, n_asked, strict=True))
            if question.half != half
            for rater, answer in question.ratings[:n]
        ]
        found.append(one_coin(*zip(*told, strict=True)) if told else {})
    return found


def share_right(scores: dict[str, float], right: str) -> float:
    """Whether the leading answer is the right one; where several lead, the chance that the drawn one is."""
    highest = max(scores.values())
    leading = [answer for answer, score in scores.items() if score >= highest - 1e-9]
    return (right in leading) / len(leading)


def outcome(questions: Sequence[Question], policy: Policy, *, ties_allowed: bool) -> np.ndarray:
    """(comparisons, 3): ratings asked for, majority right, highest posterior right."""

    def asked(reliabilities: list[Reliabilities]) -> list[int]:
        return [
            policy.n_asked(question.ratings, reliabilities[question.half], ties_allowed=ties_allowed)
            for question in questions
        ]

    known: list[Reliabilities] = [{}, {}]
    n_asked = asked(known)
    if policy.knows_raters or policy.confidence is None:
        known = estimated(questions, n_asked)
        n_asked = asked(known)
    rows = []
    for question, n in zip(questions, n_asked, strict=True):
        taken = question.ratings[:n]
        counts = {answer: float(sum(said == answer for _, said in taken)) for answer in ANSWERS}
        votes = [(answer, known[question.half].get(rater)) for rater, answer in taken]
        weighed = posterior(votes, ties_allowed=ties_allowed)
        rows.append((n, share_right(counts, question.right), share_right(weighed, question.right)))
    return np.array(rows)


# --- the questions --------------------------------------------------------------------------------------------------
def simulated(n: int, lot: random.Random) -> Callable[[], list[Question]]:
    """Pairs of the demo's prompts, with a rating by each of its eight simulated labellers, made anew at each call."""
    from training.demo.simulator import LABELLERS, completions, prompts, rate, utility

    pairs = []
    for prompt in prompts(n // 2, "redundancy"):
        texts = [one.text for one in completions(prompt, "redundancy")]
        half = lot.randrange(2)
        for _ in range(2):
            first, second = lot.sample(texts, 2)
            gap = utility("helpfulness", prompt.messages, first) - utility("helpfulness", prompt.messages, second)
            if gap:
                pairs.append((half, prompt.messages, first, second, "a" if gap > 0 else "b"))

    def draw() -> list[Question]:
        questions = []
        for half, messages, a, b, right in pairs:
            ratings = []
            for rater, labeller in enumerate(LABELLERS):
                shown, sides = ((a, b), ("a", "b")) if lot.random() < 0.5 else ((b, a), ("b", "a"))
                said = rate(labeller, messages, *shown, lot, ties_allowed=False).preferred
                ratings.append((rater, sides[said == "second"]))
            lot.shuffle(ratings)
            questions.append(Question(half, ratings, right))
        return questions

    return draw


@dataclass(frozen=True)
class RealComparison:
    half: int
    ratings: Ratings


def real(path: Path, n_raters: int, n: int, lot: random.Random) -> list[RealComparison]:
    """Up to n comparisons of a file with at least so many raters, by lot. A rater counts once a comparison."""
    raters: dict[str, int] = {}
    halves: dict[str, int] = {}
    found = []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            said = {vote["labeller"]: vote["preferred"] for vote in reversed(row["ratings"])}
            if len(said) >= n_raters:
                half = halves.setdefault(json.dumps(row["prompt"]), lot.randrange(2))
                ratings = [
                    (raters.setdefault(name, len(raters)), "tie" if preferred is None else ANSWERS[preferred])
                    for name, preferred in said.items()
                ]
                found.append(RealComparison(half, ratings))
    return lot.sample(found, min(n, len(found)))


def held_out(comparisons: list[RealComparison], n_raters: int, lot: random.Random) -> Callable[[], list[Question]]:
    """One rater is the reference, the others are asked."""

    def draw() -> list[Question]:
        questions = []
        for one in comparisons:
            *asked, (_, right) = lot.sample(one.ratings, n_raters)
            questions.append(Question(one.half, asked, right))
        return questions

    return draw


def against_all(comparisons: list[RealComparison], n_raters: int, lot: random.Random) -> Callable[[], list[Question]]:
    """The majority of the same raters is the reference, where there is one."""

    def draw() -> list[Question]:
        questions = []
        for one in comparisons:
            asked = lot.sample(one.ratings, n_raters)
            counts = {answer: sum(said == answer for _, said in asked) for answer in ANSWERS}
            leading = [answer for answer in ANSWERS if counts[answer] == max(counts.values())]
            # As fixed numbers settle it: drawn.
            questions.append(Question(one.half, asked, lot.choice(leading)))
        return questions

    return draw


# --- the table ------------------------------------------------------------------------------------------------------
def cheapest(numbers: np.ndarray, accuracies: np.ndarray, wanted: float) -> float:
    """Fewest ratings a comparison, on average, at which a mix of two fixed numbers has the accuracy; nan above all."""
    if wanted > accuracies.max():
        return float("nan")
    costs = [
        number + (other - number) * (wanted - low) / (high - low) if high > low else number
        for number, low in zip(numbers, accuracies, strict=True)
        for other, high in zip(numbers, accuracies, strict=True)
        if low <= wanted <= high
    ]
    return float(min([*costs, *numbers[accuracies >= wanted]], default=float("nan")))


def interval(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def measure(title: str, draw: Callable[[], list[Question]], most: int, repetitions: int, *, ties_allowed: bool) -> None:
    compared = policies(most)
    sums: list[np.ndarray] = []
    # The bootstrap knows nothing of the lot of orders, so few comparisons are drawn more often.
    repetitions = max(repetitions, round(repetitions * FEW / max(1, len(draw()))))
    for _ in range(repetitions):
        questions = draw()
        found = [outcome(questions, policy, ties_allowed=ties_allowed) for policy in compared]
        sums = [total + one for total, one in zip(sums, found, strict=True)] if sums else found
    # (policies, comparisons, 3), each comparison averaged over the repetitions.
    means = np.stack(sums) / repetitions
    n = means.shape[1]
    weights = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=N_RESAMPLES) / n
    resampled = np.tensordot(weights, means, axes=(1, 1))
    overall = means.mean(axis=1)
    numbers = np.arange(1, most + 1, dtype=float)
    print(f"\n{title}\n{n:,} comparisons, {repetitions} orders of raters each")
    print(f"{'':28}{'ratings':>9}{'majority %':>21}{'posterior %':>21}{'fixed, at equal accuracy':>26}{'saved':>23}")
    for at, policy in enumerate(compared):
        n_ratings, *accuracies = overall[at]
        cells = "".join(f"{with_interval(value, resampled[:, at, 1 + i]):>21}" for i, value in enumerate(accuracies))
        line = f"{policy!s:28}{n_ratings:9.2f}{cells}"
        if policy.confidence is not None:
            line += saving(n_ratings, accuracies[0], overall[:most, 1], resampled, at, numbers)
        print(line, flush=True)


def with_interval(share: float, resampled: np.ndarray) -> str:
    low, high = interval(resampled)
    return f"{100 * share:.1f} ({100 * low:.1f}–{100 * high:.1f})"


def saving(
    n_ratings: float, accuracy: float, fixed: np.ndarray, resampled: np.ndarray, at: int, numbers: np.ndarray
) -> str:
    """Two cells: the fixed number that is as accurate, and the share of its ratings that the rule saves."""
    as_accurate = cheapest(numbers, fixed, accuracy)
    most = len(numbers)
    saved = []
    for draw in resampled:
        other = cheapest(numbers, draw[:most, 1], draw[at, 1])
        saved.append(1 - draw[at, 0] / (most if np.isnan(other) else other))
    low, high = interval(np.array(saved))
    is_above = np.isnan(as_accurate)
    share = 1 - n_ratings / (most if is_above else as_accurate)
    cell = f"> {most}" if is_above else f"{as_accurate:.2f}"
    percent = f"{'≥ ' if is_above else ''}{round(100 * share)} % ({round(100 * low)} to {round(100 * high)})"
    return f"{cell:>26}{percent:>23}"


def tables(data: Path, n: int, repetitions: int) -> Iterator[None]:
    lot = random.Random(1)
    measure(
        "Simulator: right is the truly better completion, no ties",
        simulated(n, lot),
        7,
        repetitions,
        ties_allowed=False,
    )
    yield
    for name, n_raters in REAL.items():
        path = data / f"{name}.jsonl.gz"
        if not path.is_file():
            print(f"\n{path} is missing: {name} is left out")
            continue
        comparisons = real(path, n_raters, n, lot)
        ties_allowed = any(answer == "tie" for one in comparisons for _, answer in one.ratings)
        ties = "ties" if ties_allowed else "no ties"
        title = f"{name}, {ties}, {n_raters} raters, "
        measure(
            f"{title}table 1: right is what a held-out rater said",
            held_out(comparisons, n_raters, lot),
            n_raters - 1,
            repetitions,
            ties_allowed=ties_allowed,
        )
        measure(
            f"{title}table 2: right is the majority of all of them (biased)",
            against_all(comparisons, n_raters, lot),
            n_raters,
            repetitions,
            ties_allowed=ties_allowed,
        )
        yield


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=10, help="orders of raters, more where comparisons are few")
    parser.add_argument("--comparisons", type=int, default=3_000, help="at most, of the simulator and of each file")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("TOUCHSTONE_DATA") or REPOSITORY.parent / "shared" / "data"),
        help="directory with the real ratings",
    )
    given = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    started = time.perf_counter()
    for _ in tables(given.data, given.comparisons, given.repetitions):
        continue
    print(f"\n{time.perf_counter() - started:.0f} s")
