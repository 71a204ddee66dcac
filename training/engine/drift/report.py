"""`report`: two files of completions and a reward model, to measures of drift, a verdict and where it comes from."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.engine.common.atomic import sha256_file, write_json
from training.engine.common.cli import StopFlag
from training.engine.common.config import claim_run_directory, finished_result, option
from training.engine.common.errors import EngineError, StopRequested
from training.engine.common.optimisation import resolve_device, use_threads
from training.engine.common.progress import Reporter
from training.engine.common.rows import read_rows, row_completion, row_messages
from training.engine.drift import metrics
from training.engine.drift.metrics import Measured
from training.engine.drift.verdict import RULE, VERDICT_SENTENCES, judge
from training.engine.reward.model import RewardModel
from training.engine.reward.posterior import HeadPosterior

FORMAT = "touchstone.drift/1"
SIDES = ("training", "policy")
# Fewer prompts than this on a side, and nothing is said; of a slice likewise.
LEAST = 50
MOST_SLICES = 40


@dataclass(frozen=True)
class ReportConfig:
    """Config of `report`."""

    model: str = option(help="directory of a trained reward model")
    training: str = option(help='JSONL of {"messages", "completion"} it was trained on, optional "group", "slices"')
    policy: str = option(help="JSONL of what the policy writes now, like `training`")
    out_dir: str = option(help="run directory; the report is written to OUT/report.json")
    most: int = option(2000, help="completions a side, one a prompt, drawn by their digests", at_least=10)
    seed: int = option(0, help="of permutations, bootstrap and folds", at_least=0)
    per_part: int = option(256, help="texts that are scored between two safe points", at_least=1)
    tokens_per_batch: int = option(8192, help="padded tokens in one forward pass", at_least=1)
    dtype: str = option("float32", help="precision of the weights", choices=("float32", "bfloat16"))
    device: str = option("auto", help="auto, cpu, cuda, cuda:0, …")
    n_threads: int = option(2, help="CPU threads", at_least=1)


@dataclass(frozen=True)
class _Row:
    """One completion; `group` names its prompt, `slices` its kinds: {"language": ["de"], "tag": […], …}."""

    messages: list[dict[str, str]]
    completion: str
    group: str
    slices: dict[str, list[str]]


@dataclass(frozen=True)
class _Side:
    """n drawn completions with rewards (n,) and features (n, d), and features (n, d) of their prompts alone."""

    rows: list[_Row]
    rewards: NDArray[np.float64]
    features: NDArray[np.float64]
    prompts: NDArray[np.float64]

    def where(self, keep: Callable[[_Row], bool]) -> NDArray[np.bool_]:
        return np.array([keep(row) for row in self.rows], dtype=bool)


def report(config: ReportConfig, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
    """Write OUT/report.json (touchstone.drift/1). Result: report (path), verdict, n_training, n_policy, seconds.

    One completion a prompt and side is compared, so that the rows of a side are independent. Two forward passes a
    completion, one of them with its prompt alone.
    Raises EngineError: "input_not_found", "bad_input" (naming the row), "model_not_found", "model_broken".
    """
    out = Path(config.out_dir)
    files = {"training": config.training, "policy": config.policy}
    for path in files.values():
        if not Path(path).is_file():
            raise EngineError("input_not_found", f"the input file {path} does not exist")
    claim_run_directory(out, config, fingerprint={name: sha256_file(path) for name, path in files.items()})
    if (done := finished_result(out)) is not None:
        return done
    started = time.monotonic()
    use_threads(config.n_threads)
    drawn, counts = {}, {}
    for name, path in files.items():
        drawn[name], counts[name] = draw(path, config.most)
    found: dict[str, Any] = {
        "format": FORMAT,
        "n": counts,
        "rule": RULE,
        "measures": [],
        "lengths": None,
        "rewards": None,
        "slices": [],
        "most_moved": None,
        "origin": None,
    }
    if min(len(rows) for rows in drawn.values()) < LEAST:
        found |= {"verdict": "too_few", "sentence": VERDICT_SENTENCES["too_few"].format(least=LEAST)}
    else:
        training, policy = _score(config, drawn, out / "parts", reporter, stop)
        reporter.progress("compare", 0, 1, unit="reports")
        found |= _compare(training, policy, HeadPosterior.load(config.model), config.seed)
        reporter.progress("compare", 1, 1, unit="reports")
    write_json(out / "report.json", found)
    result = {
        "report": str(out / "report.json"),
        "verdict": found["verdict"],
        "n_training": len(drawn["training"]),
        "n_policy": len(drawn["policy"]),
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(out / "result.json", result)
    return result


def draw(path: str, most: int) -> tuple[list[_Row], dict[str, int]]:
    """One completion of each of at most `most` prompts, and how many there were.

    The completion with the lowest digest stands for its prompt, the prompts with the lowest digests for all: the draw
    does not depend on the order of the file, and hardly changes when rows are added. Memory holds `most` rows and 16
    bytes a prompt.
    """
    best: dict[str, tuple[str, _Row]] = {}
    n = 0
    groups: set[bytes] = set()
    for row in _checked(path):
        n += 1
        place = hashlib.sha256(row.group.encode(errors="surrogatepass")).hexdigest()
        groups.add(bytes.fromhex(place[:32]))
        rank = hashlib.sha256(f"{place}\n{row.completion}".encode(errors="surrogatepass")).hexdigest()
        if place not in best or rank < best[place][0]:
            best[place] = (rank, row)
        if len(best) >= 2 * most:
            best = {key: best[key] for key in sorted(best)[:most]}
    rows = [best[key][1] for key in sorted(best)[:most]]
    return rows, {"completions": n, "prompts": len(groups), "used": len(rows)}


def _checked(path: str) -> Iterator[_Row]:
    for number, row in enumerate(read_rows(path), start=1):
        where = f"{path} row {number}"
        messages, completion = row_messages(row, where), row_completion(row, where)
        group, slices = row.get("group"), row.get("slices") or {}
        if group is not None and not isinstance(group, str):
            raise EngineError("bad_input", f'{where}: "group" must be text, got {group!r}')
        is_slices = isinstance(slices, dict) and all(
            isinstance(values, list) and all(isinstance(value, str) for value in values) for values in slices.values()
        )
        if not is_slices:
            raise EngineError("bad_input", f'{where}: "slices" must be lists of texts by kind, got {slices!r}')
        yield _Row(messages, completion, group if group is not None else json.dumps(messages), slices)


def _score(
    config: ReportConfig, drawn: dict[str, list[_Row]], parts: Path, reporter: Reporter, stop: StopFlag
) -> tuple[_Side, _Side]:
    """Score both sides, part by part; parts that an earlier run has written are read."""
    parts.mkdir(exist_ok=True)
    model: RewardModel | None = None
    total, done = sum(len(rows) for rows in drawn.values()), 0
    sides = []
    for name in SIDES:
        paths: list[Path] = []
        rows = iter(drawn[name])
        while chunk := list(itertools.islice(rows, config.per_part)):
            path = parts / f"{name}-{len(paths):06d}.npz"
            paths.append(path)
            if not path.exists():
                model = model or RewardModel.load(config.model, config.dtype, device=resolve_device(config.device))
                whole = [(row.messages, row.completion) for row in chunk]
                rewards, features = model.score_and_features(whole, tokens_per_batch=config.tokens_per_batch)
                bare = [(row.messages, "") for row in chunk]
                prompts = model.features(bare, tokens_per_batch=config.tokens_per_batch)
                with open(path.with_suffix(".tmp"), "wb") as file:
                    np.savez(file, rewards=rewards, features=features, prompts=prompts)
                os.replace(path.with_suffix(".tmp"), path)
            done += len(chunk)
            reporter.progress("score", done, total, unit="completions", message=name)
            if stop.is_set and done < total:
                raise StopRequested
        loaded = [np.load(path, allow_pickle=False) for path in paths]
        columns = [
            np.concatenate([part[column] for part in loaded]).astype(np.float64)
            for column in ("rewards", "features", "prompts")
        ]
        sides.append(_Side(drawn[name], *columns))
    return sides[0], sides[1]


def _compare(training: _Side, policy: _Side, posterior: HeadPosterior | None, seed: int) -> dict[str, Any]:
    """The report's measures, verdict, slices and origin."""
    rng = np.random.default_rng([seed, 2])
    x, y = training.features, policy.features
    lengths, length_bins = metrics.psi(_lengths(training), _lengths(policy), rng)
    rewards, reward_bins = metrics.psi(training.rewards, policy.rewards, rng)
    found = {
        "classifier": metrics.classifier(x, y, rng),
        "mmd": metrics.mmd(*metrics.standardised(x, y), rng),
        "lengths": lengths,
        "rewards": rewards,
        "outliers": metrics.outliers(x, y, rng),
    }
    verdict = judge(found)
    measures = [
        _told(name, measured, training, policy, verdict.p_adjusted[name], verdict.levels[name])
        for name, measured in found.items()
    ]
    if posterior is not None:
        centre = x.mean(axis=0)
        ratio = metrics.variance_ratio(posterior.gap_variance(x - centre), posterior.gap_variance(y - centre))
        measures.append(_told("disagreement", ratio, training, policy, None, None))
    slices = _slices(training, policy, seed)
    # Of those that moved: the one of which that is surest.
    moved = [one for one in slices if one["p_adjusted"] < 0.01]
    return {
        "verdict": verdict.verdict,
        "sentence": VERDICT_SENTENCES[verdict.verdict],
        "measures": measures,
        "lengths": dataclasses.asdict(length_bins),
        "rewards": dataclasses.asdict(reward_bins),
        "slices": slices,
        "most_moved": max(moved, key=lambda one: one["low"], default=None),
        "origin": _origin(training, policy, rng),
    }


def _lengths(side: _Side) -> NDArray[np.float64]:
    """Characters of the completions."""
    return np.array([len(row.completion) for row in side.rows], dtype=np.float64)


def _slices(training: _Side, policy: _Side, seed: int) -> list[dict[str, Any]]:
    """The classifier within each kind of prompts that both sides have enough of, and of each source of the policy's
    against all training completions; surest first."""
    names: dict[tuple[str, str], int] = {}
    for row in policy.rows:
        for kind, values in row.slices.items():
            for value in set(values):
                names[kind, value] = names.get((kind, value), 0) + 1
    large = sorted((key for key, n in names.items() if n >= LEAST), key=lambda key: (-names[key], key))
    made: list[dict[str, Any]] = []
    p_values = []
    for kind, value in large[:MOST_SLICES]:

        def is_in(row: _Row, kind: str = kind, value: str = value) -> bool:
            return value in row.slices.get(kind, ())

        x = training.features if kind == "source" else training.features[training.where(is_in)]
        y = policy.features[policy.where(is_in)]
        if len(x) < LEAST:
            continue
        measured = metrics.classifier(x, y, np.random.default_rng([seed, 3]))
        p_values.append(measured.p_value or 0.0)
        made.append(
            {
                "kind": kind,
                "value": value,
                "n_training": len(x),
                "n_policy": len(y),
                "auc": measured.value,
                "low": measured.low,
                "high": measured.high,
            }
        )
    for one, adjusted in zip(made, metrics.holm(p_values), strict=True):
        one["p_adjusted"] = adjusted
    return sorted(made, key=lambda one: -one["low"])


def _origin(training: _Side, policy: _Side, rng: np.random.Generator) -> dict[str, Any]:
    """Whether the prompts are others, what is written to the old ones is, or both.

    Prompts are told apart by the features of the prompt with nothing written to it. Old prompts: those drawn on both
    sides.
    """
    own = {row.group for row in training.rows}
    shared = own & {row.group for row in policy.rows}
    prompts = metrics.classifier(training.prompts, policy.prompts, rng)
    lengths, _ = metrics.psi(_prompt_lengths(training), _prompt_lengths(policy), rng)
    completions = None
    if len(shared) >= LEAST:
        x = training.features[training.where(lambda row: row.group in shared)]
        y = policy.features[policy.where(lambda row: row.group in shared)]
        completions = metrics.classifier(x, y, rng), len(x), len(y)
    alpha = 0.01
    others = min(prompts.p_value or 0.0, lengths.p_value or 0.0) < alpha / 2
    if completions is None:
        rest = f"Fewer than {LEAST} prompts are on both sides, so completions of the same prompts were not compared."
    elif (completions[0].p_value or 0.0) < alpha:
        rest = "What is written to the same prompts has changed."
    else:
        rest = "What is written to the same prompts has not measurably changed."
    return {
        "known_share": len(shared) / len(policy.rows),
        "prompts": _told("prompts", prompts, training, policy, None, None),
        "prompt_lengths": _told("prompt_lengths", lengths, training, policy, None, None),
        "completions": None if completions is None else _told_of("completions", *completions),
        "sentence": ("The prompts are of another kind. " if others else "The prompts are of the same kind. ") + rest,
    }


def _prompt_lengths(side: _Side) -> NDArray[np.float64]:
    return np.array([sum(len(m["content"]) for m in row.messages) for row in side.rows], dtype=np.float64)


SENTENCES = {
    "classifier": "A classifier that is shown one completion of each side puts the policy's first {value:.0%} of the "
    "time (95 % interval {low:.0%} to {high:.0%}); 50 % means that it cannot tell them apart.",
    "mmd": "The distance of the two clouds of features is {value:.4f}; without drift 95 % of such distances lie "
    "between {low:.4f} and {high:.4f}.",
    "lengths": "The lengths of completions have a stability index of {value:.2f} (95 % interval {low:.2f} to "
    "{high:.2f}); without drift it is around {expected:.2f}, and 0.25 above that is a strong shift.",
    "rewards": "The rewards have a stability index of {value:.2f} (95 % interval {low:.2f} to {high:.2f}); without "
    "drift it is around {expected:.2f}, and 0.25 above that is a strong shift.",
    "outliers": "{value:.1%} of the policy's completions lie outside the cloud of the training completions (95 % "
    "interval {low:.1%} to {high:.1%}); of training completions that the cloud was not made from, {expected:.1%}.",
    "disagreement": "The heads that the ratings leave possible disagree {value:.2f} times as much about the policy's "
    "completions as about the training completions.",
    "prompts": "By the prompts alone, a classifier puts the policy's first {value:.0%} of the time (95 % interval "
    "{low:.0%} to {high:.0%}).",
    "prompt_lengths": "The lengths of prompts have a stability index of {value:.2f}; without drift it is around "
    "{expected:.2f}.",
    "completions": "Of prompts that are on both sides, a classifier puts the policy's completions first {value:.0%} of "
    "the time (95 % interval {low:.0%} to {high:.0%}).",
}


def _told(
    name: str, measured: Measured, training: _Side, policy: _Side, p_adjusted: float | None, level: str | None
) -> dict[str, Any]:
    told = _told_of(name, measured, len(training.rows), len(policy.rows))
    return {**told, "p_adjusted": p_adjusted, "level": level}


def _told_of(name: str, measured: Measured, n_training: int, n_policy: int) -> dict[str, Any]:
    values = dataclasses.asdict(measured)
    return {
        "name": name,
        **values,
        "p_adjusted": None,
        "level": None,
        "n_training": n_training,
        "n_policy": n_policy,
        "sentence": SENTENCES[name].format(**values),
    }
