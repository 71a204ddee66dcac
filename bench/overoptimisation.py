"""Over-optimisation where the truth is known: proxy and gold of best-of-n on the simulator, and what helps.

    python bench/overoptimisation.py [--write] [--seeds 10] [--prompts 36] [--cache DIRECTORY]

Gold is the demo world's true utility. The reference policy is the world's writers, drawn anew for each completion
(40 % SFT, 20 % each of the early policy, the current one and the red team, who flatters, pads and overclaims). Its
best of n is the completion of n that a reward model rewards highest, at a KL of ln n − (n − 1)/n from the reference.
Means are over all subsets of 256 completions a prompt (`best_of_n_means`), so that drawing adds no noise.

Reward models are small and quickly made: Bradley-Terry heads on the frozen features of the pretrained MiniLM (see
`bench/reward_ratings.py`), with a ridge that a fifth of the prompts chooses. A label is one rating by one of the demo's
eight labellers of two completions of other prompts, none by the red team. A seed draws pairs, labellers and ratings
anew; prompts and completions that are judged stay. Intervals are 95 % over seeds (Student's t), differences paired by
seed.

Features are kept in --cache; making them takes most of the time. With --write the tables go between the marks of
docs/over-optimisation.md and the plots into docs/images.
"""

import argparse
import itertools
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.stats import t as student

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from acquisition import fit  # noqa: E402  # they lie beside this file
from reward_ratings import features_of, log_losses, markdown, minilm, put  # noqa: E402

from training.demo import simulator  # noqa: E402
from training.demo.crowd import Pairs, rate_all  # noqa: E402
from training.demo.knowledge import words  # noqa: E402
from training.demo.labellers import LABELLERS, SimulatedLabeller  # noqa: E402
from training.demo.plots import COLOURS, Axis, Line, panel, svg  # noqa: E402
from training.engine.policy import exploits  # noqa: E402
from training.engine.policy.overoptimisation import (  # noqa: E402
    GaoFit,
    best_of_n_kl,
    best_of_n_means,
    fit_gao,
    predict,
)
from training.engine.policy.stopping import Point, StopRule, decide  # noqa: E402
from training.engine.reward.length import fit_length_calibration  # noqa: E402

DOCUMENT = REPOSITORY / "docs" / "over-optimisation.md"
IMAGES = REPOSITORY / "docs" / "images"
CACHE = REPOSITORY / "var" / "bench" / "overoptimisation"

NS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
D = np.sqrt(best_of_n_kl(NS))
M = 256
EARLY = 16
REFERENCE = {"sft": 40, "early_policy": 20, "current_policy": 20, "adversarial": 20}
# What the demo world's truth is made of, `training.demo.truth.Features`.
COUNTED = {
    "asked points that are covered": "coverage",
    "asked points that are wrong": "wrong",
    "on topic": "on_topic",
    "in the format asked for, −1 to 1": "format_fit",
    "tips": "n_tips",
    "pleasantries": "n_polite",
    "flattery": "n_flattery",
    "padding": "n_padding",
    "claims of certainty": "n_overclaims",
    "repetition": "repetition",
}
RATED = ("sft", "sft", "early_policy", "current_policy", "early_policy")
RIDGES = (10.0, 30.0, 100.0, 300.0, 1000.0)
N_MEMBERS = 5
N_LABELS = 300
FLIPPED = 0.25
TASTES = (2.0, 6.0)
N_TRUSTED = 100
Array = np.ndarray


@dataclass(frozen=True)
class World:
    """Completions with features (n, d), true utility and words (n,), of prompts numbered within each part.

    judged: rows (prompts, 256) of the reference's completions that best-of-n chooses among. pairs: (k, 2) rows that can
    be rated. more: rows (prompts, m) of the reference's completions of further prompts, for a refresh. counted: what
    there is to the judged ones' utility, (prompts, 256) each.
    """

    features: Array
    utility: Array
    n_words: Array
    prompt: Array
    texts: list[str]
    judged: Array
    pairs: Array
    more: Array
    counted: dict[str, Array]

    @property
    def gold(self) -> Array:
        return self.utility[self.judged]


def world_of(n_prompts: int, cache: Path) -> World:
    rng = random.Random("over-optimisation")
    texts: list[tuple[list[dict[str, str]], str]] = []
    prompt: list[int] = []

    def written(part: str, n: int, kinds_of: Callable[[], Sequence[str]]) -> Array:
        rows = []
        for number, asked in enumerate(simulator.prompts(n, f"over-optimisation {part}")):
            kinds = kinds_of()
            rows.append(list(range(len(texts), len(texts) + len(kinds))))
            texts.extend((asked.messages, simulator.write(asked, kind, rng)) for kind in kinds)  # type: ignore[arg-type]
            prompt.extend([number] * len(kinds))
        return np.array(rows)

    def drawn(n: int) -> Callable[[], Sequence[str]]:
        return lambda: rng.choices(list(REFERENCE), list(REFERENCE.values()), k=n)

    judged = written("judged", n_prompts, drawn(M))
    rated = written("rated", 500, lambda: RATED)
    more = written("more", 100, drawn(24))
    pairs = np.array([pair for row in rated.tolist() for pair in itertools.combinations(row, 2)])
    # One file each, so that a change of one part makes that alone anew.
    parts = [texts[int(part.min()) : int(part.max()) + 1] for part in (judged, rated, more)]
    found = np.concatenate([features_of(part, base=minilm(), max_length=128, cache=cache) for part in parts])
    of_judged = [[simulator.features(*texts[at]) for at in row] for row in judged.tolist()]
    return World(
        features=found / found[rated.ravel()].std(axis=0).clip(1e-3),
        utility=np.array([simulator.true_utility(*one) for one in texts]),
        n_words=np.array([len(words(text)) for _, text in texts], dtype=np.float64),
        prompt=np.array(prompt),
        texts=[text for _, text in texts],
        judged=judged,
        pairs=pairs[[texts[a][1] != texts[b][1] for a, b in pairs.tolist()]],
        more=more,
        counted={
            name: np.array([[float(getattr(one, field)) for one in row] for row in of_judged])
            for name, field in COUNTED.items()
        },
    )


# --- reward models ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Labels:
    """Rows (n, 2) of what was compared, the share p (n,) for the first, and the prompts (n,)."""

    pairs: Array
    p: Array
    prompt: Array

    def __add__(self, other: "Labels") -> "Labels":
        return Labels(*(np.concatenate(both) for both in zip(self._parts(), other._parts(), strict=True)))

    def _parts(self) -> tuple[Array, Array, Array]:
        return self.pairs, self.p, self.prompt

    def some(self, rows: Array) -> "Labels":
        return Labels(self.pairs[rows], self.p[rows], self.prompt[rows])


def rated(
    world: World, pairs: Array, rng: np.random.Generator, flipped: float, people: Sequence[SimulatedLabeller]
) -> Labels:
    a, b = pairs.T
    n = len(pairs)
    gaps = Pairs(world.utility[a] - world.utility[b], world.n_words[a], world.n_words[b], np.full(n, 20.0), [])
    said = rate_all(gaps, people, np.arange(n), rng.integers(0, len(people), n), rng)["side"].astype(float)
    said = np.where(rng.random(n) < flipped, -said, said)
    return Labels(pairs, 0.5 + said / 2, world.prompt[a])


@dataclass(frozen=True)
class Rewards:
    """What a reward model says of all completions of the world (n,): mean 0 and spread 1 over those it learnt from."""

    of_all: Array
    ridge: float

    def judged(self, world: World) -> Array:
        return self.of_all[world.judged]


def trained(world: World, labels: Labels, ridge: float | None = None) -> Rewards:
    x = world.features[labels.pairs[:, 0]] - world.features[labels.pairs[:, 1]]
    start = np.zeros(x.shape[1])
    if ridge is None:
        held = labels.prompt % 5 == 0
        heads = [fit(x[~held], labels.p[~held], one, start) for one in RIDGES]
        losses = [log_losses(x[held] @ head, labels.p[held]).mean() for head in heads]
        ridge = RIDGES[int(np.argmin(losses))]
    head = fit(x, labels.p, ridge, start)
    found = world.features @ head
    known = found[labels.pairs.ravel()]
    return Rewards((found - known.mean()) / (known.std() or 1.0), ridge)


def members(world: World, labels: Labels, ridge: float, rng: np.random.Generator) -> Array:
    """(k, n): rewards of heads of as many bootstrap samples of the prompts. Heads of one minimum differ by nothing
    else; members of a network also differ by where they start from."""
    prompts, at = np.unique(labels.prompt, return_inverse=True)
    found = []
    for _ in range(N_MEMBERS):
        counts = np.bincount(rng.integers(0, len(prompts), len(prompts)), minlength=len(prompts))
        found.append(trained(world, labels.some(np.repeat(np.arange(len(at)), counts[at])), ridge).of_all)
    return np.array(found)


def calibrated(world: World, rewards: Rewards, labels: Labels) -> Array:
    """Rewards less what length adds beyond the taste of who gave these labels."""
    a, b = labels.pairs.T
    r, n = rewards.of_all, world.n_words
    return fit_length_calibration(r[a] - r[b], n[a] - n[b], labels.p, lengths=(n[a], n[b])).apply(r, n)


def of_more(world: World, rewards: Rewards, how: str, n: int, rng: np.random.Generator) -> Array:
    """(n, 2) pairs of what the reference writes to further prompts: two at random, or what the reward model likes best
    of twelve against one at random or against what it likes best of twelve others."""
    found = []
    for at in range(n):
        one, other = rng.permutation(world.more[at % len(world.more)]).reshape(2, -1)
        found.append(
            (
                one[0] if how == "random" else one[np.argmax(rewards.of_all[one])],
                other[np.argmax(rewards.of_all[other])] if how == "best" else other[0],
            )
        )
    return np.array(found)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


SINGLE = "one reward model"
MORE = f"{N_LABELS} more labels, of pairs of the old kind"
OF_REFERENCE = f"{N_LABELS} more, of two at random by the reference"
AGAINST_RANDOM = f"{N_LABELS} more, of its best of 12 against one at random"
REFRESHED = f"{N_LABELS} more, of its best of 12 against another best of 12"
ARMS = (
    SINGLE,
    "σ(r − r_ref)",
    "clipped at 1 spread above r_ref",
    "length-calibrated",
    f"ensemble of {N_MEMBERS}, mean",
    "ensemble, mean of σ(r − r_ref)",
    "ensemble, worst case",
    "ensemble, mean − 0.5 variance",
    "ensemble, mean − 2 variance",
    MORE,
    OF_REFERENCE,
    AGAINST_RANDOM,
    REFRESHED,
    "the last, ensemble of 5, worst case",
)


def arms(world: World, seed: int, flipped: float) -> dict[str, Array]:
    """Of each arm the proxy (prompts, 256) of the judged completions."""
    rng = np.random.default_rng((seed, 11))
    order = rng.permutation(world.pairs)
    labels = rated(world, order[:N_LABELS], rng, flipped, LABELLERS)
    single = trained(world, labels)
    held = rated(world, order[-N_TRUSTED:], rng, flipped, LABELLERS)
    several = members(world, labels, single.ridge, rng)
    more = labels + rated(world, order[N_LABELS : 2 * N_LABELS], rng, flipped, LABELLERS)
    refreshed = {}
    for how in ("random", "best against random", "best"):
        liked = rated(world, of_more(world, single, how, N_LABELS, rng), rng, flipped, LABELLERS)
        refreshed[how] = labels + replace(liked, prompt=liked.prompt + 10_000)
    models = {how: trained(world, these) for how, these in refreshed.items()}
    again = members(world, refreshed["best"], models["best"].ridge, rng)
    judged = world.judged
    r, k = single.of_all[judged], several[:, judged]
    above, k_above = r - r.mean(axis=1, keepdims=True), k - k.mean(axis=2, keepdims=True)
    proxies = (
        r,
        sigmoid(above),
        np.minimum(above, 1.0),
        calibrated(world, single, held)[judged],
        k.mean(axis=0),
        sigmoid(k_above).mean(axis=0),
        k.min(axis=0),
        k.mean(axis=0) - 0.5 * k.var(axis=0),
        k.mean(axis=0) - 2 * k.var(axis=0),
        trained(world, more).judged(world),
        *(model.judged(world) for model in models.values()),
        again[:, judged].min(axis=0),
    )
    return dict(zip(ARMS, proxies, strict=True))


# --- figures ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Curves:
    """Gains over the reference at each n: gold, proxy (seeds, ns)."""

    gold: Array
    proxy: Array

    @classmethod
    def of(cls, world: World, proxies: Sequence[Array]) -> "Curves":
        gold = np.array([best_of_n_means(proxy, world.gold, NS) for proxy in proxies])
        proxy = np.array([best_of_n_means(one, one, NS) / (one.std() or 1.0) for one in proxies])
        return cls(gold - gold[:, :1], proxy - proxy[:, :1])

    @property
    def peak(self) -> Array:
        """(seeds,): which n is best."""
        return self.gold.argmax(axis=1)

    @property
    def fits(self) -> list[GaoFit]:
        found = [fit_gao("best_of_n", D, one) for one in self.gold]
        assert all(found)
        return found  # type: ignore[return-value]


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def setting(flipped: float) -> str:
    return f"{N_LABELS} labels" + (f", {percent(flipped)} of them turned round" if flipped else "")


def half_of(values: Array) -> float:
    n = len(values)
    return float(student.ppf(0.975, n - 1) * values.std(ddof=1) / n**0.5) if n > 1 else float("inf")


def mean_cell(values: Array, digits: int = 2) -> str:
    return f"{values.mean():.{digits}f} ± {half_of(values):.{digits}f}".replace("-", "−")


def difference_cell(values: Array, base: Array, digits: int = 2) -> str:
    apart = values - base
    text = f"{apart.mean():+.{digits}f} ± {half_of(apart):.{digits}f}".replace("-", "−")
    return f"**{text}**" if abs(apart.mean()) > half_of(apart) else text


def n_cell(curves: Curves) -> str:
    """The n that is best for the mean curve, and the range of the seeds' own."""
    own = sorted(NS[at] for at in curves.peak)
    return f"{NS[int(curves.gold.mean(axis=0).argmax())]} ({own[0]} to {own[-1]})"


def fit_cells(curves: Curves) -> list[str]:
    fit_ = fit_gao("best_of_n", D, curves.gold.mean(axis=0))
    assert fit_ is not None
    peak = "none" if fit_.peak_d is None else f"{fit_.peak_d:.2f}"
    return [f"{fit_.alpha:.2f}", f"{fit_.beta:.2f}", peak, f"{fit_.r2:.2f}"]


# --- 1: labels and noise ----------------------------------------------------------------------------------------------
SIZES = (100, 300, 1000, 3000)


def by_labels(world: World, seeds: int) -> tuple[str, dict[tuple[int, float], Curves]]:
    found: dict[tuple[int, float], Curves] = {}
    for flipped in (0.0, FLIPPED):
        for n in SIZES:
            proxies = []
            for seed in range(seeds):
                rng = np.random.default_rng((seed, 5, n))
                labels = rated(world, rng.permutation(world.pairs)[:n], rng, flipped, LABELLERS)
                proxies.append(trained(world, labels).judged(world))
            found[n, flipped] = Curves.of(world, proxies)

    def rows() -> Iterator[list[str]]:
        for (n, flipped), curves in found.items():
            at = int(curves.gold.mean(axis=0).argmax())
            yield [
                f"{n:,}",
                percent(flipped),
                n_cell(curves),
                f"{D[at]:.2f}",
                mean_cell(curves.gold[:, at]),
                mean_cell(curves.gold[:, -1]),
                difference_cell(curves.gold[:, -1], curves.gold[:, at]),
                *fit_cells(curves),
            ]

    title = "Labels and noise: where gold is highest, and what it is at n = 256"
    columns = (
        "labels | turned round | best n (of the seeds) | its d | gold there | gold at 256 | lost by 256 "
        "| α | β | the fit's peak d | R²"
    )
    return markdown(title, columns, rows()), found


# --- 2: what helps ----------------------------------------------------------------------------------------------------
def by_arm(world: World, drawn: dict[float, list[dict[str, Array]]]) -> tuple[str, dict[tuple[float, str], Curves]]:
    found = {
        (flipped, arm): Curves.of(world, [one[arm] for one in of_seeds])
        for flipped, of_seeds in drawn.items()
        for arm in ARMS
    }

    def rows(flipped: float) -> Iterator[list[str]]:
        base = found[flipped, SINGLE]
        for arm in ARMS:
            curves = found[flipped, arm]
            at, of_base = (int(one.gold.mean(axis=0).argmax()) for one in (curves, base))
            best, last = curves.gold[:, at], curves.gold[:, -1]
            is_base = arm == SINGLE
            yield [
                arm,
                n_cell(curves),
                f"{D[at]:.2f}",
                mean_cell(best) if is_base else difference_cell(best, base.gold[:, of_base]),
                mean_cell(last) if is_base else difference_cell(last, base.gold[:, -1]),
                difference_cell(last, best),
                fit_cells(curves)[2],
            ]

    columns = "proxy | best n (of the seeds) | its d | gold there | gold at 256 | lost by 256 | the fit's peak d"
    return "\n\n".join(markdown(setting(flipped), columns, rows(flipped)) for flipped in drawn), found


# --- 3: prediction ----------------------------------------------------------------------------------------------------
def predicted(world: World, found: dict[tuple[int, float], Curves], drawn: dict[float, list[dict[str, Array]]]) -> str:
    """How well a fit to the small n foretells where gold is highest: of the curves themselves, and as a run sees it."""

    def rows() -> Iterator[list[str]]:
        for flipped in drawn:
            curves = [(gold, None, gold) for n in SIZES for gold in found[n, flipped].gold]
            for most in (EARLY, 48, 256):
                yield ["the curve itself, all settings", percent(flipped), f"n ≤ {most}", *foretold(curves, most)]
        for flipped, of_seeds in drawn.items():
            seen = []
            for seed, proxies in enumerate(of_seeds):
                truth = best_of_n_means(proxies[SINGLE], world.gold, NS)
                rng = np.random.default_rng((seed, 4))
                for _ in range(10):
                    run = course(world, proxies[SINGLE], WATCHES[1], rng)
                    gold, se = (np.array([getattr(one, name) for one in run]) for name in ("gold_gain", "gold_se"))
                    seen.append((gold, se, truth - truth[0]))
            for most in (EARLY, 48, 256):
                yield [f"{WATCHES[1].name}, {N_LABELS} labels", percent(flipped), f"n ≤ {most}", *foretold(seen, most)]

    columns = "gold | turned round | fitted to | predicted less actual d | absolute | interval holds it | gold lost"
    return markdown("The fit's peak against where gold is highest", columns, rows())


def foretold(seen: Sequence[tuple[Array, Array | None, Array]], most: int) -> list[str]:
    """Cells for fits to gold that was seen with its errors, and what it is in truth."""
    use = np.array(NS) <= most
    apart, inside, lost = [], [], []
    for gold, se, truth in seen:
        fit_ = fit_gao("best_of_n", D[use], gold[use], None if se is None else se[use])
        assert fit_ is not None
        at = int(truth.argmax())
        peak = float(D[-1]) if fit_.peak_d is None else min(fit_.peak_d, float(D[-1]))
        apart.append(peak - D[at])
        lost.append(truth[at] - truth[int(np.abs(D - peak).argmin())])
        low, high = fit_.peak_d_interval or (np.inf, None)
        # A peak at the last n may lie anywhere beyond.
        inside.append((low <= D[at] or at == len(NS) - 1) and (high is None or D[at] <= high))
    return [
        f"{np.mean(apart):+.2f}".replace("-", "−"),
        f"{np.mean(np.abs(apart)):.2f}",
        percent(float(np.mean(inside))),
        f"{np.mean(lost):.2f}",
    ]


# --- 4: stopping ------------------------------------------------------------------------------------------------------
OFF = StopRule(confidence=1 - 1e-12, patience=0)
RULES = (
    ("never stop, keep the last", None),
    ("never stop, keep the best", OFF),
    ("bounds only", StopRule(patience=0)),
    ("bounds, or parted over 1", StopRule(patience=1)),
    ("bounds, or parted over 2", StopRule(patience=2)),
    ("bounds, or parted over 3 (default)", StopRule()),
    ("the same, best less 1 standard error", StopRule(caution=1.0)),
    ("bounds, or parted over 4", StopRule(patience=4)),
)
N_COURSES = 40


@dataclass(frozen=True)
class Watch:
    name: str
    n_prompts: int
    by_people: bool


WATCHES = (
    Watch("gold of 200 prompts", 200, False),
    Watch("gold of 64 prompts", 64, False),
    Watch("one rating each of 100 prompts", 100, True),
    Watch("one rating each of 36 prompts", 36, True),
)


def course(world: World, proxy: Array, watch: Watch, rng: np.random.Generator) -> list[Point]:
    """One run's evaluations: for prompts drawn with replacement, the best of the first n of its completions in a
    random order, against another completion of the reference."""
    prompts = rng.integers(0, len(proxy), watch.n_prompts)
    order = np.argsort(rng.random((watch.n_prompts, M)), axis=1)
    rewards, gold = proxy[prompts[:, None], order], world.gold[prompts[:, None], order]
    rows = world.judged[prompts[:, None], order]
    reference = np.argsort(rng.random((watch.n_prompts, M)), axis=1)[:, 0]
    other = world.judged[prompts, reference]
    points = []
    for at, n in enumerate(NS):
        best = rewards[:, :n].argmax(axis=1)
        picked = np.arange(watch.n_prompts), best
        claim = rewards[picked] - proxy[prompts, reference]
        gain = gold[picked] - world.gold[prompts, reference]
        if watch.by_people:
            said = rated(world, np.stack([rows[picked], other], axis=1), rng, 0.0, LABELLERS)
            gain, claim = said.p - 0.5, sigmoid(claim) - 0.5
        se = float(gain.std(ddof=1)) / watch.n_prompts**0.5
        points.append(Point(at, float(D[at]), float(claim.mean()), float(gain.mean()), se))
    return points


def stopping(world: World, drawn: dict[float, list[dict[str, Array]]]) -> str:
    """Regret in gold against the best evaluation, mean over runs of a seed, then over seeds."""

    def rows(flipped: float) -> Iterator[list[str]]:
        regrets: dict[str, dict[str, Array]] = {name: {} for name, _ in RULES}
        ends: dict[str, list[float]] = {name: [] for name, _ in RULES}
        for watch in WATCHES:
            each: dict[str, list[float]] = {name: [] for name, _ in RULES}
            for seed, proxies in enumerate(drawn[flipped]):
                truth = best_of_n_means(proxies[SINGLE], world.gold, NS)
                rng = np.random.default_rng((seed, 3))
                runs = [course(world, proxies[SINGLE], watch, rng) for _ in range(N_COURSES)]
                for name, rule in RULES:
                    kept, end = zip(*(kept_by(rule, run) for run in runs), strict=True)
                    each[name].append(float(np.mean(truth.max() - truth[list(kept)])))
                    if watch == WATCHES[1]:
                        ends[name] += end
            for name, values in each.items():
                regrets[name][watch.name] = np.array(values)
        for name, _ in RULES:
            yield [
                name,
                *(mean_cell(regrets[name][watch.name]) for watch in WATCHES),
                str(NS[int(np.median(ends[name]))]),
            ]

    names = " | ".join(watch.name for watch in WATCHES)
    return "\n\n".join(
        markdown(
            f"Regret in gold of what is kept: {setting(flipped)}",
            f"rule | {names} | median n it stops at (64 prompts)",
            rows(flipped),
        )
        for flipped in drawn
    )


def kept_by(rule: StopRule | None, run: list[Point]) -> tuple[int, int]:
    """The evaluation that is kept, and that at which the run ends."""
    if rule is None:
        return len(run) - 1, len(run) - 1
    for n in range(1, len(run) + 1):
        found = decide(run[:n], rule)
        if found.stop or n == len(run):
            return found.best_step, n - 1
    raise AssertionError


# --- 5: length --------------------------------------------------------------------------------------------------------
ON_OWN, ON_TRUSTED = "calibrated on the same people's ratings", f"calibrated on {N_TRUSTED} trusted ratings"


def length(world: World, seeds: int) -> str:
    """People who like length, and a calibration on ratings of their own or on trusted ones."""

    def rows() -> Iterator[list[str]]:
        for taste in TASTES:
            drawn = [liking_length(world, seed, taste) for seed in range(seeds)]
            curves = {arm: Curves.of(world, [one[arm] for one in drawn]) for arm in drawn[0]}
            base = curves[SINGLE]
            for arm, one in curves.items():
                n_words = np.array([best_of_n_means(of[arm], world.n_words[world.judged], NS) for of in drawn])
                at = int(one.gold.mean(axis=0).argmax())
                shares = [report.features[0].reward for report in reports(world, drawn, arm)]
                yield [
                    f"{taste:g}",
                    arm,
                    n_cell(one),
                    *(
                        mean_cell(one.gold[:, k]) if one is base else difference_cell(one.gold[:, k], base.gold[:, j])
                        for k, j in ((at, int(base.gold.mean(axis=0).argmax())), (-1, -1))
                    ),
                    f"{n_words[:, 0].mean():.0f}",
                    mean_cell(n_words[:, -1], 0),
                    share_cell(shares),
                ]

    columns = (
        "taste | proxy | best n (of the seeds) | gold there | gold at 256 | words of the reference | words at 256 "
        "| length's share of the gain at 64"
    )
    return markdown(f"Labellers who like length, {2 * N_LABELS} labels", columns, rows())


def liking_length(world: World, seed: int, taste: float) -> dict[str, Array]:
    people = [replace(LABELLERS[at % 5], name=f"{at}", length_taste=taste) for at in range(12)]
    trusted = [replace(LABELLERS[0], temperature=0.3)]
    rng = np.random.default_rng((seed, 17))
    order = rng.permutation(world.pairs)
    single = trained(world, rated(world, order[: 2 * N_LABELS], rng, 0.0, people))
    own, better = (rated(world, order[-N_TRUSTED:], rng, 0.0, who) for who in (people, trusted))
    found = {
        SINGLE: single.of_all,
        ON_OWN: calibrated(world, single, own),
        ON_TRUSTED: calibrated(world, single, better),
    }
    return {arm: one[world.judged] for arm, one in found.items()}


# --- 6: exploits ------------------------------------------------------------------------------------------------------
N_EACH = 6


def reports(world: World, drawn: Sequence[dict[str, Array]], arm: str) -> list[exploits.ExploitReport]:
    """Of each seed, on its best of 64 against one more completion of the reference, N_EACH times a prompt."""
    found = []
    for seed, proxies in enumerate(drawn):
        rng = np.random.default_rng((seed, 19))
        prompts = np.repeat(np.arange(len(world.judged)), N_EACH)
        some = np.argsort(rng.random((len(prompts), M)), axis=1)[:, :65]
        rewards = proxies[arm][prompts[:, None], some]
        best, at = rewards[:, :64].argmax(axis=1), np.arange(len(prompts))
        policy = [world.texts[row] for row in world.judged[prompts, some[at, best]]]
        reference = [world.texts[row] for row in world.judged[prompts, some[:, 64]]]
        found.append(exploits.report(policy, reference, rewards[at, best], rewards[:, 64]))
    return found


def share_cell(parts: Sequence[exploits.Explained | None]) -> str:
    shares = np.array([part.share if part and part.share else 0.0 for part in parts])
    return f"{100 * shares.mean():.0f} ± {100 * half_of(shares):.0f} %".replace("-", "−")


def explained(world: World, drawn: list[dict[str, Array]]) -> str:
    """What the features of writing explain of the gain in reward, by `exploits.report`."""
    shown = {arm: reports(world, drawn, arm) for arm in (SINGLE, REFRESHED)}

    def rows() -> Iterator[list[str]]:
        for at, feature in enumerate(exploits.FEATURES):
            parts = {arm: [one.features[at] for one in found] for arm, found in shown.items()}
            cells = [feature.name, f"{100 * np.mean([part.reference_share for part in parts[SINGLE]]):.0f} %"]
            for of_arm in parts.values():
                cells += [
                    share_cell([part.reward for part in of_arm]),
                    f"{100 * np.mean([part.policy_share for part in of_arm]):.0f} %",
                    f"{sum(part.is_flagged for part in of_arm)}",
                ]
            yield cells

    columns = (
        "feature | the reference has it in | first model: of the gain | in | flagged, seeds "
        "| refreshed: of the gain | in | flagged, seeds"
    )
    return markdown("What writing explains of the gain in reward at the best of 64", columns, rows())


def in_truth(world: World, drawn: dict[float, list[dict[str, Array]]]) -> str:
    """What the truth counts in the best of n by one reward model, mean over prompts."""

    def rows() -> Iterator[list[str]]:
        for name, values in world.counted.items():
            cells = [name, f"{values.mean():.2f}"]
            for of_seeds in drawn.values():
                found = np.array([best_of_n_means(proxies[SINGLE], values, (EARLY, M)) for proxies in of_seeds])
                cells += [f"{found[:, 0].mean():.2f}", difference_cell(found[:, 1], found[:, 0])]
            yield [cell.replace("-", "−") for cell in cells]

    columns = "in a completion | reference" + "".join(
        f" | {setting(flipped)}: best of {EARLY} | from there to {M}" for flipped in drawn
    )
    return markdown("What the best of n is like in truth", columns, rows())


# --- plots ------------------------------------------------------------------------------------------------------------
AXIS = Axis(
    [float(np.sqrt(best_of_n_kl(n))) for n in (1, 2, 4, 8, 16, 64, 256)],
    [
        ("d", [f"{np.sqrt(best_of_n_kl(n)):.1f}" for n in (1, 2, 4, 8, 16, 64, 256)]),
        ("n", [str(n) for n in (1, 2, 4, 8, 16, 64, 256)]),
    ],
)


def curves_plot(found: dict[tuple[float, str], Curves]) -> str:
    """Proxy and gold of one reward model, with and without labels turned round."""
    panels = []
    for at, flipped in enumerate((0.0, FLIPPED)):
        curves = found[flipped, SINGLE]
        gold = curves.gold.mean(axis=0)
        band = np.array([half_of(column) for column in curves.gold.T])
        use = np.array(NS) <= EARLY
        fit_, early = fit_gao("best_of_n", D, gold), fit_gao("best_of_n", D[use], gold[use])
        assert fit_ is not None and early is not None
        panels.append(
            panel(
                setting(flipped),
                AXIS,
                [
                    Line("gold, ± 95 % over seeds", D, gold, COLOURS[0], band),
                    Line("proxy, in spreads of the reward", D, curves.proxy.mean(axis=0), COLOURS[1]),
                    Line("d (α − β d), fitted to all of gold", D, predict(fit_, D), COLOURS[2], dashed=True),
                    Line(f"the same, fitted to n ≤ {EARLY}", D, predict(early, D), COLOURS[3], dashed=True),
                ],
                left=440 * at,
                unit="gain over the reference",
                marks=[] if early.peak_d is None else [(min(early.peak_d, float(D[-1])), "predicted peak")],
            )
        )
    return svg(panels, 4, "Proxy and gold over the distance d of best-of-n: the proxy rises, gold rises and falls")


def arms_plot(found: dict[tuple[float, str], Curves]) -> str:
    shown = (SINGLE, ARMS[6], MORE, AGAINST_RANDOM, REFRESHED)
    panels = [
        panel(
            setting(flipped),
            AXIS,
            [Line(arm, D, found[flipped, arm].gold.mean(axis=0), COLOURS[at]) for at, arm in enumerate(shown)],
            left=440 * number,
            unit="gold's gain over the reference",
        )
        for number, flipped in enumerate((0.0, FLIPPED))
    ]
    return svg(panels, len(shown), "Gold over the distance d of best-of-n by what the proxy is")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put tables and plots into the documents")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--prompts", type=int, default=36)
    parser.add_argument("--cache", type=Path, default=CACHE)
    given = parser.parse_args()
    started, made = time.monotonic(), []

    def told(name: str, text: str) -> None:
        made.append((name, text))
        print(f"{text}\n\n({time.monotonic() - started:.0f} s so far)\n", flush=True)

    world = world_of(given.prompts, given.cache)
    print(f"{len(world.texts)} completions ({time.monotonic() - started:.0f} s so far)\n", flush=True)
    text, of_labels = by_labels(world, given.seeds)
    told("labels", text)
    drawn = {flipped: [arms(world, seed, flipped) for seed in range(given.seeds)] for flipped in (0.0, FLIPPED)}
    text, of_arms = by_arm(world, drawn)
    told("arms", text)
    told("prediction", predicted(world, of_labels, drawn))
    told("stopping", stopping(world, drawn))
    told("length", length(world, given.seeds))
    told("exploits", explained(world, drawn[0.0]))
    told("truth", in_truth(world, drawn))
    if given.write:
        for name, text in made:
            put(DOCUMENT, f"bench/overoptimisation.py --write, {name}", text)
        (IMAGES / "over-optimisation.svg").write_text(curves_plot(of_arms), encoding="utf-8")
        (IMAGES / "over-optimisation-remedies.svg").write_text(arms_plot(of_arms), encoding="utf-8")


if __name__ == "__main__":
    main()
