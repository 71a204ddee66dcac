"""How many ratings a comparison wants: pure rules, decided in one place."""

from collections.abc import Iterable, Mapping
from math import exp, log

ANSWERS = ("a", "b", "tie")
# Chance that a labeller of whom nothing is known answers rightly: two of them who agree make 0.9.
DEFAULT_RELIABILITY = 0.75
_LOWEST, _HIGHEST = 0.05, 0.98


def weight(reliability: float | None, n_answers: int) -> float:
    """Log-odds that one rating adds to its answer, against each other answer.

    The one-coin model (Dawid & Skene 1979 with one parameter a labeller): right with chance `reliability`, else any of
    the other `n_answers` - 1 alike. Chances are kept from 0 and 1, so that nobody alone decides for ever.
    """
    p = min(max(DEFAULT_RELIABILITY if reliability is None else reliability, _LOWEST), _HIGHEST)
    return log(p * (n_answers - 1) / (1 - p))


def posterior(votes: Iterable[tuple[str, float | None]], *, ties_allowed: bool) -> dict[str, float]:
    """Probability of each answer (a, b, and tie where one is possible) given (answer, reliability of its labeller).

    Every answer is alike before the first vote. "Neither is acceptable" arrives as a tie, so a tie is possible once
    somebody has said so.
    """
    votes = list(votes)
    has_ties = ties_allowed or any(answer == "tie" for answer, _ in votes)
    answers = ANSWERS if has_ties else ANSWERS[:2]
    evidence = dict.fromkeys(answers, 0.0)
    for answer, reliability in votes:
        evidence[answer] += weight(reliability, len(answers))
    return _normalised(evidence)


def _normalised(evidence: Mapping[str, float]) -> dict[str, float]:
    highest = max(evidence.values())
    odds = {answer: exp(value - highest) for answer, value in evidence.items()}
    total = sum(odds.values())
    return {answer: value / total for answer, value in odds.items()}


def ratings_wanted(
    *,
    minimum: int,
    maximum: int,
    confidence: float,
    votes: Iterable[tuple[str, float | None]],
    ties_allowed: bool,
) -> int:
    """Ratings wanted in all, given (answer, reliability of its labeller) so far.

    The project's minimum first; then one more at a time until the leading answer's posterior is at least `confidence`,
    up to the maximum. With labellers of whom nothing is known and 0.9: 3:0 and 3:1 stop, 2:1 and 2:2 go on.
    """
    votes = list(votes)
    n_ratings = len(votes)
    if n_ratings < minimum:
        return minimum
    if n_ratings >= maximum:
        return n_ratings
    is_sure = max(posterior(votes, ties_allowed=ties_allowed).values()) >= confidence - 1e-9
    return n_ratings if is_sure else n_ratings + 1


def anonymous_votes(n_a: int, n_b: int, n_ties: int) -> list[tuple[str, None]]:
    """Votes of labellers of whom nothing is known, from their counts."""
    return [("a", None)] * n_a + [("b", None)] * n_b + [("tie", None)] * n_ties
