"""`score`: rewards, head rewards and reduced features of candidates, in parts that workers share among themselves.

Directory: parts/part-000123.npz, one for each `prompts_per_part` candidate prompts; parts/labelled-000123.npz for the
labelled ones; scored.json once all parts of this worker are there. A part is the same whichever worker makes it.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
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
from training.engine.reward.posterior import FILE_NAME, HeadPosterior
from training.engine.sampling.acquisition import PairScores

# Wider features are projected to so many numbers. A random projection keeps squared distances to within a factor of
# 1 ± √(2/128), an eighth, for two thirds of all pairs (Johnson & Lindenstrauss 1984).
FEATURE_SIZE = 128
PROJECTION_SEED = 7
LARGEST_HALF = 65_504.0
DONE = "scored.json"


@dataclass(frozen=True)
class ScoreConfig:
    """Config of `score`."""

    model: str = option(help="directory of a trained reward model")
    candidates: str = option(help='JSONL of {"prompt_id", "messages", "completions": [{"id", "text"}], "pairs"}')
    out_dir: str = option(help="run directory; parts are written to OUT/parts")
    labelled: str = option("", help='JSONL of {"prompt_id", "messages", "n"}: what is labelled already')
    shard: int = option(0, help="number of this worker, from 0", at_least=0)
    n_shards: int = option(1, help="workers that share the parts", at_least=1)
    seed: int = option(0, help="of the heads that are drawn", at_least=0)
    n_heads: int = option(32, help="heads drawn from the posterior", at_least=2)
    prompts_per_part: int = option(64, help="prompts that are scored between two safe points", at_least=1)
    tokens_per_batch: int = option(8192, help="padded tokens in one forward pass", at_least=1)
    dtype: str = option("float32", help="precision of the weights", choices=("float32", "bfloat16"))
    device: str = option("auto", help="auto, cpu, cuda, cuda:0, …")
    n_threads: int = option(2, help="CPU threads", at_least=1)

    def validate(self) -> None:
        """Raises EngineError "bad_config" for a shard that is none of the n_shards."""
        if self.shard >= self.n_shards:
            raise EngineError("bad_config", f"shard: expected less than n_shards = {self.n_shards}, got {self.shard}")


def score(config: ScoreConfig, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
    """Score this shard's parts of the candidates and of the labelled prompts; `select` reads them with those of the
    other shards. Result: scored (the directory), n_prompts and n_labelled of all shards, n_parts of this one, seconds.

    One forward pass a completion and one short one a prompt. Memory holds one part.
    Raises EngineError: "input_not_found", "bad_input" (naming the row), "model_not_found", "model_broken".
    """
    out = Path(config.out_dir)
    claim_run_directory(out, config, fingerprint=input_digests(config.candidates, config.labelled))
    if (done := finished_result(out)) is not None:
        return done
    started = time.monotonic()
    told = write_parts(config, out, reporter, stop)
    result = {
        "scored": str(out),
        "n_prompts": told["n_prompts"],
        "n_labelled": told["n_labelled"],
        "n_parts": len(list((out / "parts").glob("*.npz"))),
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(out / "result.json", result)
    return result


def input_digests(candidates: str, labelled: str) -> dict[str, str]:
    """SHA-256 of the input files by name. Raises EngineError "input_not_found"."""
    for what, path in (("candidates", candidates), ("labelled", labelled)):
        if (path or what == "candidates") and not Path(path).is_file():
            raise EngineError("input_not_found", f"the {what} file {path} does not exist")
    digests = {"candidates": sha256_file(candidates)}
    return {**digests, "labelled": sha256_file(labelled)} if labelled else digests


def write_parts(config: ScoreConfig, out: Path, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
    """Write OUT/parts and then OUT/scored.json, whose content is returned. Parts that are there already are kept."""
    # Everything is read once before the first pass of the model: a bad row is told now and not in an hour.
    n_prompts = sum(1 for _ in _checked(config.candidates))
    n_labelled = sum(1 for _ in _checked_labelled(config.labelled)) if config.labelled else 0
    use_threads(config.n_threads)
    parts = out / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    model = RewardModel.load(config.model, config.dtype, device=resolve_device(config.device))
    posterior = HeadPosterior.load(config.model)
    if posterior is None:
        reporter.log("the model has no posterior of its head beside it: its uncertainty is that of the prior alone")
    scorer = _Scorer(model, posterior, config)
    for stem, make, rows, total in (
        ("part", scorer.candidates, _checked(config.candidates), n_prompts),
        ("labelled", scorer.labelled, _checked_labelled(config.labelled) if n_labelled else iter(()), n_labelled),
    ):
        _write(make, rows, total, parts / stem, config, reporter, stop)
    head = Path(config.model) / FILE_NAME
    told = {
        "inputs": input_digests(config.candidates, config.labelled),
        "head": sha256_file(head) if head.is_file() else None,
        "n_prompts": n_prompts,
        "n_labelled": n_labelled,
        "n_heads": config.n_heads,
        "seed": config.seed,
        "prompts_per_part": config.prompts_per_part,
        "feature_size": scorer.feature_size,
    }
    write_json(out / DONE, told)
    return told


def _write(
    make: Callable[[list[dict[str, Any]]], dict[str, NDArray[Any]]],
    rows: Iterator[dict[str, Any]],
    total: int,
    stem: Path,
    config: ScoreConfig,
    reporter: Reporter,
    stop: StopFlag,
) -> None:
    """Write STEM-000123.npz of this shard's share of `total` rows."""
    pace: Pace | None = None
    n_done = 0
    for number in itertools.count():
        chunk = list(itertools.islice(rows, config.prompts_per_part))
        if not chunk:
            return
        target = stem.with_name(f"{stem.name}-{number:06d}.npz")
        if number % config.n_shards == config.shard and not target.exists():
            pace = pace or Pace(done=n_done)
            columns = make(chunk)
            with open(target.with_suffix(".tmp"), "wb") as file:
                np.savez(file, **columns)  # type: ignore[arg-type]  # the stubs take every keyword for a flag
            os.replace(target.with_suffix(".tmp"), target)
        n_done += len(chunk)
        speed = f"{pace.rate(n_done):.0f} prompts/s, ETA {pace.eta(n_done, total)}" if pace else "resumed"
        reporter.progress("score" if stem.name == "part" else "labelled", n_done, total, unit="prompts", message=speed)
        if stop.is_set and n_done < total:
            raise StopRequested


class _Scorer:
    """Makes the arrays of a part from its rows."""

    def __init__(self, model: RewardModel, posterior: HeadPosterior | None, config: ScoreConfig) -> None:
        self._model = model
        self._tokens_per_batch = config.tokens_per_batch
        posterior = posterior or HeadPosterior(np.eye(model.feature_size), 0)
        self._heads = posterior.draw(config.n_heads, config.seed)
        self._projection = projection(model.feature_size)
        whitening = posterior.whitening()
        self._whitening = whitening if self._projection is None else whitening @ self._projection
        self.feature_size = min(model.feature_size, FEATURE_SIZE)

    def candidates(self, chunk: list[dict[str, Any]]) -> dict[str, NDArray[Any]]:
        """Of p prompts: prompt_id, size (p,), prompt_features (p, r). Of their m completions: id, reward (m,),
        head_rewards (m, heads), features and whitened (m, r). Of their n pairs: first, second (n,), completions of
        this part. whitened: features times `HeadPosterior.whitening`, less their mean over the prompt, which cancels
        in every pair and of which a half would keep little else."""
        items: list[tuple[list[dict[str, str]], str]] = []
        place: dict[tuple[int, int], int] = {}
        for number, row in enumerate(chunk):
            for completion in row["completions"]:
                place[number, completion["id"]] = len(items)
                items.append((row["messages"], completion["text"]))
        n = len(items)
        # What the trunk makes of a prompt is read behind an empty completion. Where the pass shares prompts among their
        # completions (decoders), that costs a few tokens.
        rewards, features = self._model.score_and_features(
            [*items, *((row["messages"], "") for row in chunk)], tokens_per_batch=self._tokens_per_batch
        )
        pairs = [(number, a, b) for number, row in enumerate(chunk) for a, b in row["pairs"]]
        deviations = features[:n].astype(np.float64) @ self._heads.T
        sizes = np.array([len(row["completions"]) for row in chunk], dtype=np.int64)
        whitened = features[:n].astype(np.float64) @ self._whitening
        means = np.add.reduceat(whitened, np.cumsum(sizes) - sizes, axis=0) / sizes[:, None]
        return {
            "prompt_id": np.array([row["prompt_id"] for row in chunk], dtype=np.int64),
            "size": sizes,
            "prompt_features": self._reduced(features[n:]),
            "id": np.array([one["id"] for row in chunk for one in row["completions"]], dtype=np.int64),
            "reward": rewards[:n],
            "head_rewards": (rewards[:n, None] + deviations).astype(np.float32),
            "features": self._reduced(features[:n]),
            "whitened": _half(whitened - np.repeat(means, sizes, axis=0)),
            "first": np.array([place[number, a] for number, a, _ in pairs], dtype=np.int64),
            "second": np.array([place[number, b] for number, _, b in pairs], dtype=np.int64),
        }

    def labelled(self, chunk: list[dict[str, Any]]) -> dict[str, NDArray[Any]]:
        """prompt_id, n (p,) and prompt_features (p, r) of labelled prompts."""
        items = [(row["messages"], "") for row in chunk]
        features = self._model.features(items, tokens_per_batch=self._tokens_per_batch)
        return {
            "prompt_id": np.array([row["prompt_id"] for row in chunk], dtype=np.int64),
            "n": np.array([row["n"] for row in chunk], dtype=np.int64),
            "prompt_features": self._reduced(features),
        }

    def _reduced(self, features: NDArray[np.float32]) -> NDArray[np.float16]:
        reduced = features if self._projection is None else features @ self._projection
        return _half(reduced)


def _half(values: NDArray[np.floating]) -> NDArray[np.float16]:
    return np.clip(values, -LARGEST_HALF, LARGEST_HALF).astype(np.float16)


def projection(width: int) -> NDArray[np.float32] | None:
    """One Gaussian projection (width, FEATURE_SIZE) for every worker and run; None for features that are narrow."""
    if width <= FEATURE_SIZE:
        return None
    rng = np.random.default_rng([PROJECTION_SEED, width])
    return (rng.standard_normal((width, FEATURE_SIZE)) / np.sqrt(FEATURE_SIZE)).astype(np.float32)


class ScoredPool:
    """What `score` has written, of one worker or of several. Arrays are read when they are asked for."""

    def __init__(self, directories: Sequence[str | Path], *, are_pieces: bool = False) -> None:
        """From the shards of one pool, or where they `are_pieces` from runs that each had a file of their own: rows
        then come in the order of the directories.

        Raises EngineError: "scored_incomplete" (a shard is missing or has not finished), "scored_mismatch" (not of one
        model, one draw of heads and one pool; pieces may differ in what they have read).
        """
        manifests = []
        for directory in map(Path, directories):
            if not (directory / DONE).is_file():
                raise EngineError("scored_incomplete", f"{directory} holds no finished `score` run ({DONE} is missing)")
            manifests.append(json.loads((directory / DONE).read_text(encoding="utf-8")))
        own = ("inputs", "n_prompts", "n_labelled") if are_pieces else ()
        for where, manifest in zip(directories, manifests, strict=True):
            if changed := [name for name in manifest if name not in own and manifest[name] != manifests[0][name]]:
                raise EngineError(
                    "scored_mismatch", f"{where} was scored with another {', '.join(changed)} than {directories[0]}"
                )
        told = manifests[0]
        self.n_heads, self.feature_size = int(told["n_heads"]), int(told["feature_size"])
        self.has_posterior = told["head"] is not None
        per_part = told["prompts_per_part"]
        together = [([one], manifest) for one, manifest in zip(directories, manifests, strict=True)]
        self._parts: list[Path] = []
        self._labelled: list[Path] = []
        for folders, manifest in together if are_pieces else [(list(directories), told)]:
            self._parts += self._found("part", folders, -(-manifest["n_prompts"] // per_part))
            self._labelled += self._found("labelled", folders, -(-manifest["n_labelled"] // per_part))

    @staticmethod
    def _found(stem: str, directories: Sequence[str | Path], n_parts: int) -> list[Path]:
        folders = [Path(directory, "parts") for directory in directories]
        found = {path.name: path for folder in folders for path in folder.glob(f"{stem}-*.npz")}
        names = [f"{stem}-{number:06d}.npz" for number in range(n_parts)]
        if missing := [name for name in names if name not in found]:
            raise EngineError(
                "scored_incomplete",
                f"{len(missing)} of {n_parts} parts are in none of the scored directories, the first is {missing[0]}",
            )
        return [found[name] for name in names]

    def column(self, name: str, *, labelled: bool = False) -> NDArray[Any]:
        """An array of all parts joined, in the order of the file."""
        paths = self._labelled if labelled else self._parts
        columns = []
        for path in paths:
            with np.load(path, allow_pickle=False) as part:
                columns.append(part[name])
        if columns:
            return np.concatenate(columns)
        width = dict.fromkeys(("prompt_features", "features", "whitened"), self.feature_size)
        width["head_rewards"] = self.n_heads
        return np.zeros((0, width[name]) if name in width else 0, dtype=np.float32 if name in width else np.int64)

    def pair_scores(self, seed: int) -> PairScores:
        """What the acquisition functions read."""
        firsts, seconds = [], []
        offset = 0
        for path in self._parts:
            with np.load(path, allow_pickle=False) as part:
                firsts.append(part["first"] + offset)
                seconds.append(part["second"] + offset)
                offset += int(part["size"].sum())
        first = np.concatenate(firsts) if firsts else np.zeros(0, dtype=np.int64)
        second = np.concatenate(seconds) if seconds else np.zeros(0, dtype=np.int64)
        sizes = self.column("size")
        return PairScores(
            rewards=self.column("reward"),
            head_rewards=self.column("head_rewards"),
            prompts=np.repeat(np.arange(len(sizes)), sizes),
            first=first,
            second=second,
            noise=np.random.default_rng([seed, 0]).random(len(first)),
            seed=seed,
        )


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


def _checked_labelled(path: str) -> Iterator[dict[str, Any]]:
    """Rows of the labelled file. Raises EngineError "bad_input" naming the row and what was expected."""
    for number, row in enumerate(read_rows(path), start=1):
        where = f"{path} row {number}"
        row_messages(row, where)
        for name in ("prompt_id", "n"):
            if not isinstance(row.get(name), int):
                raise EngineError("bad_input", f'{where}: "{name}" must be a whole number')
        yield row
