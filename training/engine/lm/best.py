"""`choose-best`: of many completions of a prompt those that a reward model likes most, or knows least about.

Both find what a policy that is optimised against the reward model would drift to: high reward is what best-of-n does
(Nakano et al. 2021; over-optimisation of it in Gao et al. 2022), high disagreement is where its reward is a guess
(Coste et al. 2023).
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.engine.common.atomic import sha256_file, write_bytes, write_json
from training.engine.common.cli import StopFlag
from training.engine.common.config import claim_run_directory, config_from_dict, finished_result, option
from training.engine.common.errors import ConfigError, EngineError, StopRequested
from training.engine.common.optimisation import resolve_device, use_threads
from training.engine.common.progress import Reporter
from training.engine.common.rows import read_rows, row_completion, row_messages
from training.engine.reward.model import RewardModel
from training.engine.reward.posterior import HeadPosterior

RULES = ("reward", "disagreement")


@dataclass(frozen=True)
class BestPart:
    """Of which part of the mix how many completions a prompt are kept, by which rule."""

    part: int = option(help="number of the part in the mix", at_least=0)
    n: int = option(1, help="completions kept of each prompt", at_least=1)
    by: str = option("reward", help="what is highest", choices=RULES)


@dataclass(frozen=True)
class ChooseBestConfig:
    """Config of `choose-best`."""

    model: str = option(help="directory of a trained reward model")
    completions: str = option(help="completions.jsonl of `generate` or `ask`")
    out_dir: str = option(help="run directory; what is kept is written to OUT/completions.jsonl")
    best: list[dict[str, Any]] = option(  # noqa: RUF009 - option gives a field, as above
        help='{"part", "n", "by"} of the parts to choose in; others are kept whole'
    )
    prompts_per_batch: int = option(32, help="prompts between two safe points", at_least=1)
    tokens_per_batch: int = option(8192, help="padded tokens in one forward pass", at_least=1)
    device: str = option("auto", help="auto, cpu, cuda, cuda:0, …")
    n_threads: int = option(2, help="CPU threads", at_least=1)

    def validate(self) -> None:
        _best_parts(self)


def choose_best(config: ChooseBestConfig, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
    """Write the kept rows, best first within a prompt, each with "reward", "disagreement" and "n_candidates".

    Rows of other parts come first, as they are. Empty and refused texts are never kept. disagreement is the variance,
    over the head's posterior, of the reward's distance to the mean of the prompt's candidates: a reward alone has no
    zero, so only differences have a variance. Result: completions (path), n_candidates, n_completions, n_tokens.
    Raises EngineError "input_not_found", "bad_input", "model_not_found", "model_broken".
    """
    out = Path(config.out_dir)
    if not Path(config.completions).is_file():
        raise EngineError("input_not_found", f"the completions file {config.completions} does not exist")
    claim_run_directory(out, config, fingerprint={"completions": sha256_file(config.completions)})
    if (done := finished_result(out)) is not None:
        return done
    use_threads(config.n_threads)
    rules = {one.part: one for one in _best_parts(config)}
    model = RewardModel.load(config.model, device=resolve_device(config.device))
    posterior = HeadPosterior.load(config.model)
    if posterior is None and any(rule.by == "disagreement" for rule in rules.values()):
        reporter.log("the model has no posterior of its head beside it: its uncertainty is that of the prior alone")
    n_candidates = sum(1 for row in read_rows(config.completions) if row.get("part", 0) in rules)
    parts = out / "parts"
    parts.mkdir(exist_ok=True)
    groups = itertools.groupby(_candidates(config.completions, rules), key=lambda row: (row["part"], row["id"]))
    paths: list[Path] = []
    n_done = 0
    while batch := [list(rows) for _, rows in itertools.islice(groups, config.prompts_per_batch)]:
        path = parts / f"part-{len(paths):06d}.jsonl"
        paths.append(path)
        if not path.exists():
            kept = _chosen(model, posterior, batch, rules, config.tokens_per_batch)
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept)
            write_bytes(path, lines.encode())
        n_done += sum(map(len, batch))
        reporter.progress("choose", n_done, n_candidates, unit="candidates")
        if stop.is_set and n_done < n_candidates:
            raise StopRequested
    n_kept = n_tokens = 0
    draft = out / "completions.draft"
    with open(draft, "w", encoding="utf-8") as file:
        others = (row for row in read_rows(config.completions) if row.get("part", 0) not in rules)
        for row in itertools.chain(others, *(read_rows(path) for path in paths)):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            n_kept += 1
            n_tokens += row["n_tokens"] or 0
    os.replace(draft, out / "completions.jsonl")
    result = {
        "completions": str(out / "completions.jsonl"),
        "n_candidates": n_candidates,
        "n_completions": n_kept,
        "n_tokens": n_tokens,
    }
    write_json(out / "result.json", result)
    return result


def keep_best(rewards: NDArray[np.floating], disagreement: NDArray[np.floating], *, n: int, by: str) -> list[int]:
    """Indices of the n highest of rewards (k,) or disagreement (k,), highest first; of equals the earlier one."""
    worth = np.asarray(rewards if by == "reward" else disagreement, dtype=np.float64)
    return [int(index) for index in np.argsort(-worth, kind="stable")[:n]]


def _chosen(
    model: RewardModel,
    posterior: HeadPosterior | None,
    groups: Sequence[list[dict[str, Any]]],
    rules: Mapping[int, BestPart],
    tokens_per_batch: int,
) -> Iterator[dict[str, Any]]:
    """The kept rows of groups of candidates, each group of one prompt and part; one pass over all of them."""
    items = [(row["messages"], row["completion"]) for rows in groups for row in rows]
    rewards, features = model.score_and_features(items, tokens_per_batch=tokens_per_batch)
    if posterior is None:
        posterior = HeadPosterior(np.eye(features.shape[1]), 0)
    start = 0
    for rows in groups:
        mine = slice(start, start + len(rows))
        start += len(rows)
        deviations = features[mine].astype(np.float64) - features[mine].mean(axis=0, dtype=np.float64)
        disagreement = posterior.gap_variance(deviations)
        rule = rules[rows[0]["part"]]
        for index in keep_best(rewards[mine], disagreement, n=rule.n, by=rule.by):
            yield {
                **rows[index],
                "reward": float(rewards[mine][index]),
                "disagreement": float(disagreement[index]),
                "n_candidates": len(rows),
            }


def _candidates(path: str, rules: Mapping[int, BestPart]) -> Iterator[dict[str, Any]]:
    """Rows with a text in the parts that are chosen in, checked; those of one prompt and part follow each other."""
    for number, row in enumerate(read_rows(path), start=1):
        where = f"{path} row {number}"
        row["part"] = row.get("part", 0)
        if row["part"] in rules:
            row_messages(row, where)
            if row_completion(row, where):
                yield row


def _best_parts(config: ChooseBestConfig) -> list[BestPart]:
    found = []
    for number, raw in enumerate(config.best):
        try:
            found.append(config_from_dict(BestPart, raw))
        except ConfigError as error:
            raise ConfigError(
                f"best[{number}].{error.field}", error.message.removeprefix(f"{error.field}: ")
            ) from error
    return found
