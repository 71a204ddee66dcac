"""`select`: from candidate pairs to the comparisons to ask for next, each with the terms it was chosen by."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterator
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
from training.engine.common.progress import Pace, Reporter
from training.engine.common.rows import read_rows, row_messages
from training.engine.reward.model import RewardModel
from training.engine.reward.posterior import HeadPosterior
from training.engine.sampling.acquisition import ACQUISITIONS, PairScores
from training.engine.sampling.choice import choose


@dataclass(frozen=True)
class SelectConfig:
    """Config of `select`."""

    model: str = option(help="directory of a trained reward model")
    candidates: str = option(help='JSONL of {"prompt_id", "messages", "completions": [{"id", "text"}], "pairs"}')
    out_dir: str = option(help="run directory; the choice is written to OUT/selected.jsonl")
    acquisition: str = option("disagreement", help="rule of choice", choices=tuple(ACQUISITIONS))
    budget: int = option(100, help="how many comparisons to choose", at_least=1)
    random_share: float = option(0.15, help="share drawn uniformly, as a control", at_least=0, at_most=1)
    seed: int = option(0, help="of every draw", at_least=0)
    max_per_prompt: int = option(2, help="chosen pairs of one prompt, as long as others are left", at_least=1)
    n_heads: int = option(32, help="heads drawn from the posterior", at_least=2)
    prompts_per_part: int = option(64, help="prompts that are scored between two safe points", at_least=1)
    tokens_per_batch: int = option(8192, help="padded tokens in one forward pass", at_least=1)
    dtype: str = option("float32", help="precision of the weights", choices=("float32", "bfloat16"))
    device: str = option("auto", help="auto, cpu, cuda, cuda:0, …")
    n_threads: int = option(2, help="CPU threads", at_least=1)


def select(config: SelectConfig, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
    """Write OUT/selected.jsonl with {"prompt_id", "a", "b", "rank", "is_random", "terms"} rows, best first.

    terms: gap (reward of a less that of b), disagreement (variance of the gap over the heads), acquisition (the value
    it was chosen by). Result: selected (path), n_candidates, n_prompts, n_chosen, n_random, averages over the chosen
    ones and over all, seconds. One forward pass a completion; memory holds a few numbers a pair.
    Raises EngineError: "input_not_found", "bad_input" (naming the line), "model_not_found", "model_broken".
    """
    out = Path(config.out_dir)
    if not Path(config.candidates).is_file():
        raise EngineError("input_not_found", f"the candidates file {config.candidates} does not exist")
    claim_run_directory(out, config, fingerprint={"candidates": sha256_file(config.candidates)})
    if (done := finished_result(out)) is not None:
        return done
    started = time.monotonic()
    use_threads(config.n_threads)
    pairs = _score_all(config, out / "parts", reporter, stop)
    worth = ACQUISITIONS[config.acquisition](pairs.scores)
    chosen = choose(
        worth,
        pairs.prompt_ids,
        budget=config.budget,
        random_share=config.random_share,
        max_per_prompt=config.max_per_prompt,
        rng=np.random.default_rng([config.seed, 1]),
    )
    disagreement = pairs.scores.disagreement
    temporary = out / "selected.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        for rank, one in enumerate(chosen):
            terms = {
                "gap": float(pairs.scores.gap[one.index]),
                "disagreement": float(disagreement[one.index]),
                "acquisition": float(worth[one.index]),
            }
            row = {
                "prompt_id": int(pairs.prompt_ids[one.index]),
                "a": int(pairs.a[one.index]),
                "b": int(pairs.b[one.index]),
                "rank": rank,
                "is_random": one.is_random,
                "terms": terms,
            }
            file.write(json.dumps(row) + "\n")
    os.replace(temporary, out / "selected.jsonl")
    by_rule = [one.index for one in chosen if not one.is_random]
    result = {
        "selected": str(out / "selected.jsonl"),
        "n_candidates": len(worth),
        "n_prompts": len(np.unique(pairs.prompt_ids)),
        "n_chosen": len(chosen),
        "n_chosen_prompts": len({int(pairs.prompt_ids[one.index]) for one in chosen}),
        "n_random": len(chosen) - len(by_rule),
        "mean_disagreement": _mean(disagreement),
        "mean_disagreement_chosen": _mean(disagreement[by_rule]),
        "mean_abs_gap": _mean(np.abs(pairs.scores.gap)),
        "mean_abs_gap_chosen": _mean(np.abs(pairs.scores.gap[by_rule])),
        "has_posterior": pairs.has_posterior,
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(out / "result.json", result)
    return result


@dataclass(frozen=True)
class _Pairs:
    """Candidate pairs, n of them, in the order of the file."""

    prompt_ids: NDArray[np.int64]
    a: NDArray[np.int64]
    b: NDArray[np.int64]
    scores: PairScores
    has_posterior: bool


def _score_all(config: SelectConfig, parts: Path, reporter: Reporter, stop: StopFlag) -> _Pairs:
    """Score every pair, part by part; parts that an earlier run has written are read."""
    parts.mkdir(exist_ok=True)
    model = RewardModel.load(config.model, config.dtype, device=resolve_device(config.device))
    posterior = HeadPosterior.load(config.model)
    n_prompts = sum(1 for _ in read_rows(config.candidates))
    rows = _checked(config.candidates)
    pace: Pace | None = None
    n_done = 0
    paths: list[Path] = []
    while chunk := list(itertools.islice(rows, config.prompts_per_part)):
        path = parts / f"part-{len(paths):06d}.npz"
        paths.append(path)
        if not path.exists():
            pace = pace or Pace(done=n_done)
            columns = _score_part(model, posterior, chunk, config)
            with open(path.with_suffix(".tmp"), "wb") as file:
                np.savez(file, **columns)  # type: ignore[arg-type]  # the stubs take every keyword for a flag
            os.replace(path.with_suffix(".tmp"), path)
        n_done += len(chunk)
        speed = f"{pace.rate(n_done):.0f} prompts/s, ETA {pace.eta(n_done, n_prompts)}" if pace else "resumed"
        reporter.progress("select", n_done, n_prompts, unit="prompts", message=speed)
        if stop.is_set and n_done < n_prompts:
            raise StopRequested
    if posterior is None:
        reporter.log("the model has no posterior of its head beside it: its uncertainty is that of the prior alone")
    loaded = [dict(np.load(path, allow_pickle=False)) for path in paths]
    offset = 0
    for part in loaded:
        part["first"] += offset
        part["second"] += offset
        offset += len(part["reward"])

    def column(name: str, empty: tuple[int, ...] = (0,)) -> NDArray[Any]:
        return np.concatenate([part[name] for part in loaded]) if loaded else np.zeros(empty, dtype=np.int64)

    first, second, ids = column("first"), column("second"), column("id")
    number = np.cumsum(np.diff(column("prompt_id"), prepend=-1) != 0) - 1
    return _Pairs(
        column("prompt_id")[first],
        ids[first],
        ids[second],
        PairScores(
            rewards=column("reward"),
            head_rewards=column("head_rewards", (0, config.n_heads)),
            prompts=number,
            first=first,
            second=second,
            noise=np.random.default_rng([config.seed, 0]).random(len(first)),
            seed=config.seed,
        ),
        posterior is not None,
    )


def _score_part(
    model: RewardModel, posterior: HeadPosterior | None, chunk: list[dict[str, Any]], config: SelectConfig
) -> dict[str, NDArray[Any]]:
    """prompt_id, id, reward (m,) and head_rewards (m, heads) of the completions of some prompts; first and second (n,)
    of their pairs, as indices of completions of this part."""
    items: list[tuple[list[dict[str, str]], str]] = []
    place: dict[tuple[int, int], int] = {}
    for number, row in enumerate(chunk):
        for completion in row["completions"]:
            place[number, completion["id"]] = len(items)
            items.append((row["messages"], completion["text"]))
    rewards, features = model.score_and_features(items, tokens_per_batch=config.tokens_per_batch)
    pairs = [(number, a, b) for number, row in enumerate(chunk) for a, b in row["pairs"]]
    if posterior is None:
        posterior = HeadPosterior(np.eye(features.shape[1]), 0)
    heads = posterior.draw(config.n_heads, config.seed)
    return {
        "prompt_id": np.array([row["prompt_id"] for row in chunk for _ in row["completions"]], dtype=np.int64),
        "id": np.array([one["id"] for row in chunk for one in row["completions"]], dtype=np.int64),
        "reward": rewards,
        "head_rewards": (rewards[:, None] + features.astype(np.float64) @ heads.T).astype(np.float32),
        "first": np.array([place[number, a] for number, a, _ in pairs], dtype=np.int64),
        "second": np.array([place[number, b] for number, _, b in pairs], dtype=np.int64),
    }


def _checked(path: str) -> Iterator[dict[str, Any]]:
    """Rows of the candidates file. Raises EngineError "bad_input" naming the row and what was expected."""
    for number, row in enumerate(read_rows(path), start=1):
        where = f"{path} row {number}"
        row_messages(row, where)
        completions, pairs = row.get("completions"), row.get("pairs")
        if not isinstance(row.get("prompt_id"), int):
            raise EngineError("bad_input", f'{where}: "prompt_id" must be a whole number')
        if not isinstance(completions, list) or not all(
            isinstance(one, dict) and isinstance(one.get("id"), int) and isinstance(one.get("text"), str)
            for one in completions
        ):
            raise EngineError("bad_input", f'{where}: "completions" must be a list of {{"id", "text"}}')
        known = {one["id"] for one in completions}
        if not isinstance(pairs, list) or not pairs:
            raise EngineError("bad_input", f'{where}: "pairs" must be a list of at least one [id, id]')
        for pair in pairs:
            if not isinstance(pair, list) or len(pair) != 2 or pair[0] == pair[1] or not known.issuperset(pair):
                raise EngineError("bad_input", f"{where}: {pair!r} is no pair of two of its completions")
        yield row


def _mean(values: NDArray[np.floating]) -> float | None:
    return float(values.mean()) if len(values) else None
