"""Simulated labellers: people whose reliability, tastes and habits are known.

A labeller perceives the difference of two completions as

    d = [u(first) − u(second)] + taste · log(words first / words second) + bias + temperature · noise

with u the true utility of the axis and logistic noise, so that without taste and bias the chance of preferring the
first is σ(Δu / temperature): the Bradley-Terry model. Careless moments see no utility at all.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Literal, NamedTuple

from training.demo.knowledge import Message, words
from training.demo.truth import Features, features, utility

Side = Literal["first", "second", "tie"]

# |d| from which a preference is called slightly better, better, significantly better.
STEPS = (0.9, 2.4, 4.6)


@dataclass(frozen=True)
class SimulatedLabeller:
    """temperature: noise, in units of utility. length_taste: what twice the length is worth is 0.69 times this.
    position_bias: what being shown first is worth. tie_below: |d| below which they say tie, where ties are allowed.
    carelessness: share of ratings given without reading. words_per_minute: how fast they read.
    """

    name: str
    temperature: float
    length_taste: float = 0.0
    position_bias: float = 0.0
    tie_below: float = 0.25
    carelessness: float = 0.02
    words_per_minute: float = 230.0

    @property
    def slug(self) -> str:
        return self.name.lower().replace(" ", ".")


# From the most reliable to the least.
LABELLERS: tuple[SimulatedLabeller, ...] = (
    SimulatedLabeller("Ada Sim", 0.55, words_per_minute=200, carelessness=0.0),
    SimulatedLabeller("Bruno Sim", 0.75, words_per_minute=220),
    SimulatedLabeller("Chiara Sim", 0.85, length_taste=1.2, words_per_minute=240),
    SimulatedLabeller("Dmitri Sim", 0.95, tie_below=0.9, words_per_minute=190),
    SimulatedLabeller("Efua Sim", 1.15, words_per_minute=260),
    SimulatedLabeller("Farid Sim", 1.2, position_bias=1.1, words_per_minute=280),
    SimulatedLabeller("Grace Sim", 1.5, length_taste=-0.6, words_per_minute=250),
    SimulatedLabeller("Hugo Sim", 1.6, position_bias=0.3, carelessness=0.4, words_per_minute=520),
)


class Judgement(NamedTuple):
    preferred: Side
    # 1 the weakest; None for a tie.
    intensity: int | None
    active_ms: int
    # Names neither side, since sides are drawn anew for each labeller. Mostly empty.
    justification: str


def rate(
    labeller: SimulatedLabeller,
    messages: Sequence[Message],
    first: str,
    second: str,
    rng: random.Random,
    *,
    axis: str = "helpfulness",
    ties_allowed: bool = True,
    n_intensities: int = 4,
) -> Judgement:
    """One labeller's judgement of two completions of a prompt, the first of them shown on the left.

    Takes seven draws of `rng` whatever happens, so that one judgement does not shift the next one's chances.
    """
    careless, noise, speed, tie, why, habit, pause = (rng.random() for _ in range(7))
    n_first, n_second = len(words(first)), len(words(second))
    is_careless = careless < labeller.carelessness
    if is_careless:
        perceived = 1.25 * _logit(noise) + 3 * labeller.position_bias
    else:
        perceived = (
            utility(axis, messages, first)
            - utility(axis, messages, second)
            + labeller.length_taste * log((n_first + 5) / (n_second + 5))
            + labeller.position_bias
            + labeller.temperature * _logit(noise)
        )
    active_ms = _active_ms(labeller, messages, n_first + n_second, abs(perceived), speed, pause, is_careless)
    is_tie = abs(perceived) < labeller.tie_below and ties_allowed and not (is_careless and tie < 0.5)
    if is_tie:
        return Judgement("tie", None, active_ms, "")
    preferred: Side = "first" if perceived > 0 else "second"
    strength = 1 + sum(abs(perceived) >= step for step in STEPS)
    intensity = max(1, round(strength * n_intensities / 4))
    justification = ""
    if why < 0.22 and not is_careless:
        better, worse = (first, second) if preferred == "first" else (second, first)
        justification = _justification(features(messages, better), features(messages, worse), axis, habit)
    return Judgement(preferred, intensity, active_ms, justification)


def preference_probability(
    labeller: SimulatedLabeller, messages: Sequence[Message], first: str, second: str, *, axis: str = "helpfulness"
) -> float:
    """P(the attentive labeller prefers the first) where ties are not allowed: what their ratings average to."""
    difference = (
        utility(axis, messages, first)
        - utility(axis, messages, second)
        + labeller.length_taste * log((len(words(first)) + 5) / (len(words(second)) + 5))
        + labeller.position_bias
    )
    return 1 / (1 + exp(-difference / labeller.temperature))


def _logit(p: float) -> float:
    p = min(max(p, 1e-9), 1 - 1e-9)
    return log(p / (1 - p))


def _active_ms(
    labeller: SimulatedLabeller,
    messages: Sequence[Message],
    n_words: int,
    strength: float,
    speed: float,
    pause: float,
    is_careless: bool,
) -> int:
    """Reading time, longer where the difference is small, spread by about a third; careless ones hardly read."""
    n_prompt = sum(len(words(message["content"])) for message in messages)
    reading_s = 60 * (n_prompt + n_words) / labeller.words_per_minute
    thinking_s = 2.0 + 5.0 * exp(-strength)
    spread = exp(0.35 * _logit(speed) / 1.8)
    seconds = (0.9 + 1.2 * speed) if is_careless else (reading_s + thinking_s) * spread
    if pause < 0.01:  # the door bell
        seconds += 40
    return int(1000 * min(seconds, 240.0))


def _justification(better: Features, worse: Features, axis: str, habit: float) -> str:
    """A sentence on what tells the two apart most, in words of either side's merits."""
    reasons = []
    if axis == "safety":
        if better.declines and not worse.declines:
            reasons += ["It rightly refuses; the other one goes along.", "Refusing is right here."]
        if worse.n_reckless > better.n_reckless:
            reasons += ["The other one is reckless.", "The other one waves warnings away."]
        if better.has_caution and not worse.has_caution:
            reasons += ["It says what to be careful about.", "Good warning; the other one has none."]
        if better.offers_instead and not worse.offers_instead:
            reasons += ["Offers a better way instead of only refusing."]
    elif worse.wrong > better.wrong:
        reasons += ["The other one states something wrong.", "Facts: this one is right, the other is not."]
    elif better.coverage > worse.coverage:
        reasons += ["Answers all that was asked.", "The other one leaves part of the question open."]
    elif worse.on_topic < 0.5 <= better.on_topic:
        reasons += ["The other one is about something else.", "The other one misses the question."]
    elif worse.format_fit < better.format_fit:
        reasons += ["Keeps to the format that was asked for.", "Right format."]
    elif worse.repetition > better.repetition + 0.1:
        reasons += ["The other one repeats itself."]
    elif worse.n_flattery + worse.n_padding > better.n_flattery + better.n_padding:
        reasons += ["The other one is full of empty phrases.", "Less flattery, more substance."]
    elif worse.n_rude > better.n_rude:
        reasons += ["The other one is rude."]
    elif worse.is_cut_off and not better.is_cut_off:
        reasons += ["The other one breaks off."]
    elif better.n_tips + better.n_extra_right > worse.n_tips + worse.n_extra_right:
        reasons += ["Gives a useful extra.", "Somewhat more helpful."]
    else:
        reasons += ["Hardly any difference.", "Both fine, this reads better."]
    return reasons[int(habit * len(reasons))] if reasons else ""
