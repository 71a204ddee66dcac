"""Simulated labellers by the thousand ratings: the model of `labellers.rate`, all ratings at once.

For questions about statistics, which need many ratings of known making and none of their words. The same formulas as
`rate` in arrays; a test holds the two together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotate.agreement.metrics.columns import Ratings
from training.demo.knowledge import Message, words
from training.demo.labellers import STEPS, SimulatedLabeller
from training.demo.truth import utility
from training.demo.writing import completions, prompts

Floats = NDArray[np.float64]

# Utilities less than this apart are a tie to a reader without noise.
TRUE_TIE = 0.25


@dataclass(frozen=True)
class Pairs:
    """Two completions each, a and b. gap: u(a) − u(b). n_a, n_b, n_prompt: words. All (P,)."""

    gap: Floats
    n_a: Floats
    n_b: Floats
    n_prompt: Floats
    texts: list[tuple[list[Message], str, str]]

    def __len__(self) -> int:
        return len(self.gap)

    def first(self, n: int) -> "Pairs":
        """The first n of them."""
        return Pairs(self.gap[:n], self.n_a[:n], self.n_b[:n], self.n_prompt[:n], self.texts[:n])

    @property
    def answer(self) -> NDArray[np.int64]:
        """1 where a is better, −1 where b is, 0 where it hardly matters."""
        return np.where(np.abs(self.gap) < TRUE_TIE, 0, np.sign(self.gap)).astype(np.int64)


def pairs_of(n: int, *, seed: int = 0, axis: str = "helpfulness") -> Pairs:
    """n pairs of completions of the demo's kind of prompts."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[float, int, int, int]] = []
    texts: list[tuple[list[Message], str, str]] = []
    for prompt in prompts(max(1, n // 3 + 1), f"crowd {seed}"):
        found = [one.text for one in completions(prompt, f"crowd {seed}")]
        drawn = list(combinations(found, 2))
        n_prompt = sum(len(words(message["content"])) for message in prompt.messages)
        for at in rng.permutation(len(drawn))[:3].tolist():
            a, b = drawn[at] if rng.random() < 0.5 else drawn[at][::-1]
            gap = utility(axis, prompt.messages, a) - utility(axis, prompt.messages, b)
            rows.append((gap, len(words(a)), len(words(b)), n_prompt))
            texts.append(([*prompt.messages], a, b))
    gap, n_a, n_b, n_prompt = np.array(rows[:n], dtype=np.float64).T
    return Pairs(gap, n_a, n_b, n_prompt, texts[:n])


@dataclass(frozen=True)
class _Habits:
    """The labellers' fields as columns, one entry a rating."""

    temperature: Floats
    length_taste: Floats
    position_bias: Floats
    tie_below: Floats
    carelessness: Floats
    words_per_minute: Floats

    @classmethod
    def of(cls, labellers: Sequence[SimulatedLabeller], who: NDArray[np.int64]) -> "_Habits":
        names = cls.__dataclass_fields__
        return cls(*(np.array([getattr(one, name) for one in labellers], dtype=np.float64)[who] for name in names))


def rate_all(
    pairs: Pairs,
    labellers: Sequence[SimulatedLabeller],
    pair: NDArray[np.int64],
    who: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    ties_allowed: bool = True,
) -> dict[str, NDArray[Any]]:
    """Ratings (n,) of these pairs by these labellers, the sides drawn for each: side, signed_intensity, first_shown,
    longer, active_ms and n_words, as in `Ratings`.
    """
    habits, n = _Habits.of(labellers, who), len(pair)
    a_first = rng.random(n) < 0.5
    turn = np.where(a_first, 1.0, -1.0)
    n_a, n_b = pairs.n_a[pair], pairs.n_b[pair]
    is_careless = rng.random(n) < habits.carelessness
    noise = rng.logistic(size=n)
    seen = (
        turn * (pairs.gap[pair] + habits.length_taste * np.log((n_a + 5) / (n_b + 5)))
        + habits.position_bias
        + habits.temperature * noise
    )
    perceived = np.where(is_careless, 1.25 * noise + 3 * habits.position_bias, seen)
    is_tie = (np.abs(perceived) < habits.tie_below) & ties_allowed & ~(is_careless & (rng.random(n) < 0.5))
    side = np.where(is_tie, 0, np.sign(perceived) * turn).astype(np.int8)
    strength = 1 + (np.abs(perceived)[:, None] >= np.array(STEPS)).sum(axis=1)

    speed = rng.random(n)
    reading_s = 60 * (pairs.n_prompt[pair] + n_a + n_b) / habits.words_per_minute
    thinking_s = 2.0 + 5.0 * np.exp(-np.abs(perceived))
    spread = np.exp(0.35 * np.log(speed / (1 - speed)) / 1.8)
    seconds = np.where(is_careless, 0.9 + 1.2 * speed, (reading_s + thinking_s) * spread)
    seconds += np.where(rng.random(n) < 0.01, 40, 0)
    return {
        "side": side,
        "signed_intensity": (side * strength).astype(np.int8),
        "first_shown": np.where(is_tie, -1, (perceived > 0).astype(np.int8)),
        "longer": np.where((side == 0) | (n_a == n_b), -1, ((side > 0) == (n_a > n_b)).astype(np.int8)),
        "active_ms": (1000 * np.minimum(seconds, 240.0)).astype(np.int64),
        "n_words": (pairs.n_prompt[pair] + n_a + n_b).astype(np.int32),
    }


def chances(pairs: Pairs, labeller: SimulatedLabeller, *, ties_allowed: bool = True) -> Floats:
    """(P, 3): chance that the labeller says b, tie, a, over both ways of showing the pair. In closed form."""
    taste = labeller.length_taste * np.log((pairs.n_a + 5) / (pairs.n_b + 5))
    tie = labeller.tie_below if ties_allowed else 0.0
    found = np.zeros((len(pairs), 3))
    for turn in (1, -1):
        centre = pairs.gap + taste + turn * labeller.position_bias
        seen = _steps(centre, labeller.temperature, tie)
        # Who does not look says tie in half of the cases that fall there, and follows the noise in the others.
        habit = np.full(len(pairs), 3.0 * turn * labeller.position_bias)
        careless = (_steps(habit, 1.25, tie) + _steps(habit, 1.25, 0.0)) / 2
        found += ((1 - labeller.carelessness) * seen + labeller.carelessness * careless) / 2
    return found


def _steps(centre: Floats, scale: float, tie: float) -> Floats:
    below = 1 / (1 + np.exp(np.clip((centre + tie) / scale, -500, 500)))
    up_to = 1 / (1 + np.exp(np.clip((centre - tie) / scale, -500, 500)))
    return np.stack([below, up_to - below, 1 - up_to], axis=1)


def reliability(pairs: Pairs, labeller: SimulatedLabeller, *, ties_allowed: bool = True) -> float:
    """Chance that the labeller gives the true answer, over the pairs: what models of labellers are to find out."""
    answer = pairs.answer if ties_allowed else np.sign(pairs.gap).astype(np.int64)
    return float(chances(pairs, labeller, ties_allowed=ties_allowed)[np.arange(len(pairs)), answer + 1].mean())


@dataclass(frozen=True)
class Project:
    """Ratings of a simulated project and, beside them, whether second looks said the same: (labeller, same)."""

    ratings: Ratings
    repeats: tuple[NDArray[np.int64], NDArray[np.bool_]]


def simulate(
    pairs: Pairs,
    labellers: Sequence[SimulatedLabeller],
    rng: np.random.Generator,
    *,
    n_each: int = 3,
    n_versions: int = 3,
    n_weeks: int = 12,
    gold_rate: float = 0.05,
    repeat_rate: float = 0.03,
    ties_allowed: bool = True,
    changes: Mapping[int, tuple[int, SimulatedLabeller]] | None = None,
) -> Project:
    """Every pair rated by n_each of the labellers, by lot, one pair after the other over the weeks and versions.

    Labellers are numbered from 0. changes: who is somebody else from a guideline version on. Gold is a share of the
    pairs that are not nearly ties.
    """
    n_pairs = len(pairs)
    who = np.argsort(rng.random((n_pairs, len(labellers))), axis=1)[:, :n_each].ravel()
    pair = np.repeat(np.arange(n_pairs), n_each)
    version = 1 + pair * n_versions // n_pairs
    everybody, actor = list(labellers), who.copy()
    for labeller, (since, other) in (changes or {}).items():
        actor[(who == labeller) & (version >= since)] = len(everybody)
        everybody.append(other)
    said = rate_all(pairs, everybody, pair, actor, rng, ties_allowed=ties_allowed)
    is_gold = (rng.random(n_pairs) < gold_rate) & (np.abs(pairs.gap) > 1.0)
    again = np.flatnonzero(rng.random(len(pair)) < repeat_rate)
    second = rate_all(pairs, everybody, pair[again], actor[again], rng, ties_allowed=ties_allowed)
    ratings = Ratings.from_arrays(
        comparison=pair,
        labeller=who,
        gold_right=np.where(is_gold[pair], said["side"] == pairs.answer[pair], -1),
        week=2900 + pair * n_weeks // n_pairs,
        version=version,
        created_s=2900 * 7 * 86400 + pair * 60,
        **said,
    )
    return Project(ratings, (who[again], second["side"] == said["side"][again]))
