"""Reward models on the simulator, where the truth is known: label noise, a taste for length, and planted wrong labels.

    python bench/reward_noise.py [--write] [--seeds 5] [--pairs 1600] [--base DIRECTORY]

The reward model is the one of `bench/reward_ratings.py`: the pretrained MiniLM with frozen weights and the engine's
reward head on it, fitted with the engine's losses to their minimum, ridge chosen by validation prompts against the
noisy ratings. The world is the demo's (`training.demo`): completions with a true utility, eight kinds of labellers.
"right" is the share of held-out pairs, of other prompts, whose truly better completion gets the higher reward; pairs
of nearly equal utility are left out. Each seed draws labellers' ratings and the division of prompts anew; all arms of
a seed have the same ratings, so that they cost the same. Intervals are 95 % over seeds (Student's t), differences
paired by seed.
"""

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.stats import rankdata, t

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from reward_ratings import (  # noqa: E402  # it lies beside this file
    CACHE,
    DOCUMENT,
    MAJORITY,
    RIDGES,
    Arm,
    Pairs,
    cached,
    features_of,
    fitted,
    log_losses,
    markdown,
    mean_loss,
    minilm,
    minimised,
    put,
)

from training.engine.reward.length import (  # noqa: E402
    fit_length_calibration,
    length_normalised,
    odin_penalty,
    random_pairs,
)
from training.engine.reward.noise import fold_of, strengths, treat  # noqa: E402

import torch  # noqa: E402  # isort: skip

from annotate.agreement import metrics  # noqa: E402
from training.demo import crowd  # noqa: E402
from training.demo.labellers import LABELLERS, SimulatedLabeller  # noqa: E402

N_EACH = 3
MAX_LENGTH = 128
RANDOM_SHARE = 0.25
ARMS = (
    MAJORITY,
    Arm("filtering: unanimous only", floor=1.0),
    Arm("weights by agreement", weight="agreement"),
    Arm("weights by intensity (scaled BT)", weight="intensity"),
    Arm("margins by intensity, small (0 to 1)", margin="small"),
    Arm("margins by intensity, large (0 to 3)", margin="large"),
    Arm("scaled BT + small margins", weight="intensity", margin="small"),
    Arm("soft labels: votes", is_soft=True),
    Arm("soft labels: posterior", is_soft=True),
    Arm("scaled BT + soft labels: votes (default)", is_soft=True, weight="intensity"),
    Arm("labeller-aware", is_by_labeller=True),
)
TRUTH = Arm("true answers")


@dataclass(frozen=True)
class World:
    """Pairs with the features of their completions (n, d) and the truth.

    `strangers`: rows (i, j) of random pairing, `f_strange` the features of completion a of j as an answer to i.
    """

    pairs: crowd.Pairs
    f_a: np.ndarray
    f_b: np.ndarray
    prompt: np.ndarray
    strangers: np.ndarray
    f_strange: np.ndarray

    @property
    def is_clear(self) -> np.ndarray:
        return self.pairs.answer != 0


def world_of(n: int, *, base: str, cache: Path) -> World:
    pairs = crowd.pairs_of(n, seed=1)
    _, prompt = np.unique([str(messages) for messages, _, _ in pairs.texts], return_inverse=True)
    # More than are needed: those are used whose two prompts are trained on.
    drawn = random_pairs(prompt.astype(str).tolist(), np.random.default_rng(2), RANDOM_SHARE / 0.6)
    strangers = np.stack(drawn, axis=1)
    texts = [(messages, a) for messages, a, _ in pairs.texts] + [(messages, b) for messages, _, b in pairs.texts]
    texts += [(pairs.texts[i][0], pairs.texts[j][1]) for i, j in strangers.tolist()]
    found = features_of(texts, base=base, max_length=MAX_LENGTH, cache=cache)
    found = found / found[: 2 * n].std(axis=0).clip(1e-3)
    return World(pairs, found[:n], found[n : 2 * n], prompt, strangers, found[2 * n :])


def rated(world: World, labellers: list[SimulatedLabeller], rng: np.random.Generator) -> dict[str, Pairs]:
    """The ratings of these labellers as comparisons, with votes and with the posterior as preferences for a."""
    n = len(world.pairs)
    who = np.argsort(rng.random((n, len(labellers))), axis=1)[:, :N_EACH].ravel()
    pair = np.repeat(np.arange(n), N_EACH)
    said = crowd.rate_all(world.pairs, labellers, pair, who, rng)
    side = said["side"].astype(int)
    # first_shown is whether the shown-first one was preferred; ties say nothing of which it was.
    first = np.where(said["first_shown"] < 0, 0, np.where(said["first_shown"] == 1, side, -side))
    lead = np.bincount(pair, weights=side) / N_EACH
    counts = np.stack([np.bincount(pair, weights=side == value, minlength=n) for value in (-1, 0, 1)])
    strength = np.bincount(pair, weights=said["signed_intensity"]) / N_EACH
    mean_intensity = np.abs(strength) + 1e-3  # no comparison quite without weight
    columns = metrics.Ratings.from_arrays(comparison=pair, labeller=who, **said)
    answers = metrics.answers(columns).p
    ratings = np.stack([pair, who, side, first], axis=1)
    longer = np.sign(world.pairs.n_a - world.pairs.n_b)
    votes = Pairs(
        world.f_a - world.f_b,
        0.5 + lead / 2,
        longer,
        world.prompt,
        ratings,
        counts.max(axis=0) / N_EACH,
        mean_intensity,
    )
    return {"votes": votes, "posterior": replace(votes, p=answers[:, 0] + answers[:, 2] / 2)}


@dataclass(frozen=True)
class Division:
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, world: World, rng: np.random.Generator) -> "Division":
        part = (rng.permutation(world.prompt.max() + 1) % 10)[world.prompt]
        return cls(np.flatnonzero(part < 6), np.flatnonzero(part == 6), np.flatnonzero((part > 6) & world.is_clear))


def right(world: World, gap: np.ndarray, rows: np.ndarray) -> float:
    return float((np.sign(gap[rows]) == world.pairs.answer[rows]).mean())


# --- 1: noise ---------------------------------------------------------------------------------------------------------
def crowds() -> Iterator[tuple[str, list[SimulatedLabeller]]]:
    """Noise for everybody alike, then a share of people who do not look. Twelve of them, of the demo's kinds."""
    people = [replace(LABELLERS[at % len(LABELLERS)], name=f"{at}") for at in range(12)]
    for factor in (0.5, 1, 2, 4, 8):
        yield f"temperature × {factor:g}", [replace(one, temperature=one.temperature * factor) for one in people]
    for n in (4, 6, 8):
        yield (
            f"{n} of 12 do not look",
            [
                replace(one, carelessness=1.0, position_bias=0.0) if at < n else one
                for at, one in enumerate(people[::-1])
            ],
        )


def noise(world: World, seeds: int, cache: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    """Names of the crowds, and shares (crowds, seeds): of wrong training labels, of right test pairs of each arm."""
    names: list[str] = []
    found: dict[str, list[list[float]]] = {"wrong labels": [], **{arm.name: [] for arm in (*ARMS, TRUTH)}}
    for number, (name, labellers) in enumerate(crowds()):
        names.append(name)
        for values in found.values():
            values.append([])
        for seed in range(seeds):
            key = hashlib.sha256(f"{labellers}{world.f_a[:3].sum():.5f}".encode()).hexdigest()[:12]
            draw = lru_cache(lambda: drawn(world, labellers, seed))  # noqa: B023  # only where an arm is not known yet
            for arm in (None, *ARMS, TRUTH):
                file = hashlib.sha256(f"{key}{arm}".encode()).hexdigest()[:12]
                share = cached(cache / f"noise-{number}-{seed}-{file}.npy", lambda: noise_run(world, *draw(), arm))  # noqa: B023
                found["wrong labels" if arm is None else arm.name][-1].append(float(share))
        print(name, {arm: round(float(np.mean(values[-1])), 3) for arm, values in found.items()}, flush=True)
    return names, {key: np.array(values) for key, values in found.items()}


def drawn(world: World, labellers: list[SimulatedLabeller], seed: int) -> tuple[Division, dict[str, Pairs]]:
    """A division of the prompts and these people's ratings, of one seed."""
    rng = np.random.default_rng((seed, 7))
    division = Division.of(world, rng)
    by = rated(world, labellers, rng)
    return division, by | {"truth": replace(by["votes"], p=(world.pairs.answer + 1) / 2)}


def noise_run(world: World, division: Division, by: dict[str, Pairs], arm: Arm | None) -> np.ndarray:
    """Share of right test pairs when trained as the arm says; for None, of wrong labels in training."""
    if arm is None:
        p = by["votes"].p[division.train]
        told = division.train[(p != 0.5) & world.is_clear[division.train]]
        return np.array((np.sign(by["votes"].p[told] - 0.5) != world.pairs.answer[told]).mean())
    kind = {"soft labels: posterior": "posterior", TRUTH.name: "truth"}.get(arm.name, "votes")
    head = fitted(by[kind].some(division.train), by["votes"].some(division.validation), arm)
    return np.array(right(world, by["votes"].x @ head, division.test))


# --- cells ------------------------------------------------------------------------------------------------------------
def mean_cell(values: np.ndarray) -> str:
    return f"{100 * values.mean():.1f}"


def difference_cell(values: np.ndarray, base: np.ndarray) -> str:
    """Mean of paired differences in points, ± half of the 95 % interval; bold where it leaves 0 out."""
    apart = 100 * (values - base)
    half = float(t.ppf(0.975, len(apart) - 1) * apart.std(ddof=1) / len(apart) ** 0.5) if len(apart) > 1 else np.inf
    text = f"{apart.mean():+.1f} ± {half:.1f}".replace("-", "−")
    return f"**{text}**" if abs(apart.mean()) > half else text


def noise_tables(world: World, seeds: int, cache: Path) -> str:
    names, found = noise(world, seeds, cache)

    def rows() -> Iterator[list[str]]:
        yield ["wrong among majority labels", *(f"{100 * one.mean():.0f} %" for one in found["wrong labels"])]
        base = found[MAJORITY.name]
        yield [MAJORITY.name, *(f"{mean_cell(one)} %" for one in base)]
        for arm in ARMS[1:]:
            yield [arm.name, *(difference_cell(one, other) for one, other in zip(found[arm.name], base, strict=True))]
        yield ["the true answers (ceiling)", *(f"{mean_cell(one)} %" for one in found["true answers"])]

    title = "Right as noise grows: majority in percent, the others in points against it"
    return markdown(title, " | ".join(["trained on", *names]), rows())


# --- 2: length --------------------------------------------------------------------------------------------------------
# What twice the length is worth is 0.69 times this, in units of a utility whose median difference is 3.4.
TASTE = 2.0
N_TRUSTED = 100
REMEDIES = (
    "none",
    "random pairing",
    "ODIN",
    "calibration on the same labellers",
    f"calibration on {N_TRUSTED} trusted pairs",
    "length-normalised reward",
)
SOFT = Arm("soft labels", is_soft=True)


def with_length(world: World, taste: float, seed: int) -> dict[str, dict[str, float]]:
    """Each remedy's figures on test pairs, for one draw of ratings by labellers who like length so much."""
    rng = np.random.default_rng((seed, 8))
    division = Division.of(world, rng)
    people = [replace(LABELLERS[at % 5], name=f"{at}", length_taste=taste) for at in range(12)]
    votes = rated(world, people, rng)["votes"]
    train, validation = votes.some(division.train), votes.some(division.validation)
    n_a, n_b = world.pairs.n_a, world.pairs.n_b
    head = fitted(train, validation, SOFT)
    r_a, r_b = world.f_a @ head, world.f_b @ head
    at, trusted = division.validation, rng.permutation(division.validation)[:N_TRUSTED]
    truth = (world.pairs.answer + 1) / 2
    found = {"none": (r_a, r_b)}

    turn = np.where(train.p < 0.5, -1.0, 1.0)
    is_used = np.isin(world.strangers, division.train).all(axis=1)
    i = world.strangers[is_used, 0]
    f_chosen = np.where((votes.p[i] >= 0.5)[:, None], world.f_a[i], world.f_b[i])
    x = np.concatenate([train.x * turn[:, None], f_chosen - world.f_strange[is_used]])
    p = np.concatenate([np.maximum(train.p, 1 - train.p), np.ones(len(i))])
    paired = best(lambda ridge: minimised(x, mean_loss(p, 0 * p, 1 + 0 * p), ridge), validation)
    found["random pairing"] = (world.f_a @ paired, world.f_b @ paired)

    quality = best(lambda ridge: odin(world, division.train, votes.p, ridge), validation, ridges=(1.0, 0.3, 0.1))
    found["ODIN"] = (world.f_a @ quality, world.f_b @ quality)

    for name, rows, said in ((REMEDIES[3], at, votes.p), (REMEDIES[4], trusted, truth)):
        calibration = fit_length_calibration(
            (r_a - r_b)[rows], (n_a - n_b)[rows], said[rows], lengths=(n_a[rows], n_b[rows])
        )
        found[name] = (calibration.apply(r_a, n_a), calibration.apply(r_b, n_b))
    longest, std = float(max(n_a.max(), n_b.max())), float(np.concatenate([r_a, r_b]).std())
    found[REMEDIES[5]] = (
        length_normalised(r_a, n_a, max_length=longest, reward_std=std),
        length_normalised(r_b, n_b, max_length=longest, reward_std=std),
    )
    answer, rows = world.pairs.answer, division.test
    longer = np.sign(n_a - n_b)
    opposed, agreed = (rows[(answer * longer)[rows] == sign] for sign in (-1, 1))
    return {
        name: {
            "right": right(world, a - b, rows),
            "opposed": right(world, a - b, opposed),
            "agreed": right(world, a - b, agreed),
            "correlation": float(np.corrcoef(rankdata((a - b)[rows]), rankdata((n_a - n_b)[rows]))[0, 1]),
        }
        for name, (a, b) in found.items()
    }


def best(make: Callable[[float], np.ndarray], validation: Pairs, ridges: Sequence[float] = RIDGES) -> np.ndarray:
    """Of the heads of some ridges, the one that predicts the validation's ratings best."""
    heads = [make(ridge) for ridge in ridges]
    return heads[int(np.argmin([log_losses(validation.x @ head, validation.p).mean() for head in heads]))]


def odin(world: World, rows: np.ndarray, p: np.ndarray, ridge: float) -> np.ndarray:
    """The quality head of two that share the features (Chen et al. 2024), by full-batch Adam."""
    f = torch.tensor(np.concatenate([world.f_a[rows], world.f_b[rows]]), dtype=torch.float32)
    f = f - f.mean(dim=0)
    lengths = torch.tensor(np.concatenate([world.pairs.n_a[rows], world.pairs.n_b[rows]]), dtype=torch.float32)
    loss = mean_loss(p[rows], np.zeros(len(rows)), np.ones(len(rows)))
    heads = (torch.randn((f.shape[1], 2), generator=torch.Generator().manual_seed(0)) * 1e-3).requires_grad_(True)
    optimiser = torch.optim.Adam([heads], lr=0.01)
    for _ in range(200):
        optimiser.zero_grad()
        quality, length = (f @ heads).T
        total = loss((quality + length)[: len(rows)] - (quality + length)[len(rows) :])
        total = total + odin_penalty(quality, length, lengths, heads[:, 0], heads[:, 1])
        (total + ridge / 2 * heads.square().sum()).backward()
        optimiser.step()
    found: np.ndarray = heads[:, 0].detach().numpy().astype(float)
    return found


def length_tables(world: World, seeds: int, _cache: Path) -> str:
    planted = [with_length(world, TASTE, seed) for seed in range(seeds)]
    honest = [with_length(world, 0.0, seed) for seed in range(seeds)]

    def of(runs: list[dict[str, dict[str, float]]], name: str, key: str) -> np.ndarray:
        return np.array([run[name][key] for run in runs])

    def row(runs: list[dict[str, dict[str, float]]], name: str) -> Iterator[str]:
        value = of(runs, name, "right")
        yield f"{mean_cell(value)} %"
        yield "" if name == "none" else difference_cell(value, of(runs, "none", "right"))
        yield f"{mean_cell(of(runs, name, 'opposed'))} %, {mean_cell(of(runs, name, 'agreed'))} %"
        yield f"{of(runs, name, 'correlation').mean():+.2f}".replace("-", "−")

    answer, longer = world.pairs.gap[world.is_clear], (world.pairs.n_a - world.pairs.n_b)[world.is_clear]
    natural = np.corrcoef(rankdata(answer), rankdata(longer))[0, 1]
    head = "remedy | right | against none | better is shorter, longer | correlation with length"
    both = [
        markdown(
            f"{title} (true utility's own correlation: {natural:+.2f})".replace("-", "−"),
            head,
            ([name, *row(runs, name)] for name in REMEDIES),
        )
        for title, runs in (
            ("Every labeller likes length", planted),
            ("No labeller does: what a remedy costs where there is nothing to remedy", honest),
        )
    ]
    return "\n\n".join(both)


# --- 3: planted wrong labels ------------------------------------------------------------------------------------------
N_FOLDS, N_MEMBERS = 5, 3
TREATMENTS = ("none", "drop", "flip", "soft", "margin")


def planted(world: World, share: float, seed: int) -> dict[str, float]:
    """True answers of which a share is turned: how the strengths rank them, and what treatments make of them."""
    rng = np.random.default_rng((seed, 9))
    division = Division.of(world, rng)
    rows = division.train[world.is_clear[division.train]]
    answer = world.pairs.answer.astype(float)
    is_flipped = rng.random(len(rows)) < share
    x = (world.f_a - world.f_b)[rows] * (answer[rows] * np.where(is_flipped, -1, 1))[:, None]
    held = division.validation[world.is_clear[division.validation]]
    turned = np.where(rng.random(len(held)) < share, -1, 1)
    x_held = (world.f_a - world.f_b)[held] * (answer[held] * turned)[:, None]
    x_test = (world.f_a - world.f_b)[division.test]

    def head_of(x: np.ndarray, p: np.ndarray, margin: np.ndarray, weight: np.ndarray, ridge: float) -> np.ndarray:
        return minimised(x, mean_loss(p, margin, weight / weight.mean()), ridge)

    one = np.ones(len(rows))
    heads = {ridge: head_of(x, one, 0 * one, one, ridge) for ridge in RIDGES}
    ridge = min(RIDGES, key=lambda each: float(log_losses(x_held @ heads[each], np.ones(len(held))).mean()))
    fold = np.array([fold_of(str(prompt), N_FOLDS) for prompt in world.prompt[rows]])
    crossed, own = np.zeros((N_MEMBERS, len(rows))), np.zeros((N_MEMBERS, len(rows)))
    for member in range(N_MEMBERS):
        weight = rng.exponential(size=len(rows))  # a Bayesian bootstrap makes the members differ
        own[member] = x @ head_of(x, one, 0 * one, weight, ridge)
        for at in range(N_FOLDS):
            out, kept = fold == at, fold != at
            head = head_of(x[kept], one[kept], 0 * one[kept], weight[kept], ridge)
            crossed[member, out] = x[out] @ head
    found: dict[str, float] = {}
    for name, gaps in (("cross-fitted", crossed), ("not", own)):
        mean, _ = strengths(gaps)
        order = np.argsort(mean)
        rank = rankdata(-mean)  # large where the models contradict the label
        n_bad = int(is_flipped.sum())
        found[f"{name} AUC"] = float((rank[is_flipped].sum() - n_bad * (n_bad + 1) / 2) / (n_bad * (len(rows) - n_bad)))
        for percent in (5, 10):
            found[f"{name} {percent}"] = float(is_flipped[order[: len(rows) * percent // 100]].mean())
        found[f"{name} below 0"] = float((mean < 0).mean())
    mean, std = strengths(crossed)
    for how in TREATMENTS:
        p, margin, kept_weight = treat(one, 0 * one, one, mean, std, how)
        found[how] = right_of(x_test @ head_of(x, p, margin, kept_weight, ridge), answer[division.test])
    truly = x * np.where(is_flipped, -1, 1)[:, None]
    found["without flips"] = right_of(x_test @ head_of(truly, one, 0 * one, one, ridge), answer[division.test])
    return found


def right_of(gap: np.ndarray, answer: np.ndarray) -> float:
    return float((np.sign(gap) == answer).mean())


def planted_tables(world: World, seeds: int, _cache: Path) -> str:
    shares = (0.1, 0.2)
    runs = {share: [planted(world, share, seed) for seed in range(seeds)] for share in shares}

    def of(share: float, key: str) -> np.ndarray:
        return np.array([run[key] for run in runs[share]])

    def finding() -> Iterator[list[str]]:
        for share in shares:
            for name, what in (("cross-fitted", "not trained on the pair"), ("not", "trained on it (as in the paper)")):
                yield [
                    f"{share:.0%}",
                    what,
                    f"{of(share, f'{name} AUC').mean():.3f} ± {of(share, f'{name} AUC').std(ddof=1):.3f}",
                    *(f"{mean_cell(of(share, f'{name} {percent}'))} %" for percent in (5, 10)),
                    f"{mean_cell(of(share, f'{name} below 0'))} %",
                ]

    def treated() -> Iterator[list[str]]:
        for share in shares:
            base = of(share, "none")
            yield [
                f"{share:.0%}",
                f"{mean_cell(base)} %",
                *(difference_cell(of(share, how), base) for how in (*TREATMENTS[1:], "without flips")),
            ]

    return "\n\n".join(
        [
            markdown(
                "Planted wrong labels: how often a label is wrong where the models contradict it most",
                "wrong | models that were | AUC (± over seeds) | lowest 5 % | lowest 10 % | strength below 0",
                finding(),
            ),
            markdown(
                "What the treatments do: right in percent, then points against it",
                "wrong | no treatment | drop | flip | soft | margin | had there been no wrong labels",
                treated(),
            ),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the tables into the document")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=1600)
    parser.add_argument("--base", default="", help="directory of another BERT")
    parser.add_argument("--cache", type=Path, default=CACHE)
    given = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    started = time.process_time()
    world = world_of(given.pairs, base=given.base or minilm(), cache=given.cache)
    made = []
    for part in (noise_tables, length_tables, planted_tables):
        made.append(part(world, given.seeds, given.cache))
        print(made[-1] + f"\n\n({time.process_time() - started:.0f} s of one core)\n", flush=True)
    if given.write:
        put(DOCUMENT, "bench/reward_noise.py --write", "\n\n".join(made))


if __name__ == "__main__":
    main()
