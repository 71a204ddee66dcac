"""`select`: from candidate pairs to the comparisons to ask for next, each with the terms it was chosen by."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.engine.common.atomic import sha256_file, write_json
from training.engine.common.cli import StopFlag
from training.engine.common.config import claim_run_directory, finished_result, option
from training.engine.common.errors import ConfigError, EngineError
from training.engine.common.progress import Reporter
from training.engine.sampling import diversity, prompts
from training.engine.sampling.acquisition import ACQUISITIONS, Floats, PairScores
from training.engine.sampling.choice import Chosen, Clusters, choose
from training.engine.sampling.scoring import DONE, ScoreConfig, ScoredPool, input_digests, write_parts


@dataclass(frozen=True)
class SelectConfig:
    """Config of `select`. It scores `candidates` by `model` first, or reads what workers have `scored`."""

    out_dir: str = option(help="run directory; the choice is written to OUT/selected.jsonl")
    model: str = option("", help="directory of a trained reward model")
    candidates: str = option("", help='JSONL of {"prompt_id", "messages", "completions": [{"id", "text"}], "pairs"}')
    labelled: str = option("", help='JSONL of {"prompt_id", "messages", "n"}: what is labelled already')
    scored: list[str] = option(  # noqa: RUF009 - a factory: a list of its own for each config
        help="directories of finished `score` runs, one of each shard; instead of the three above", default_factory=list
    )
    pieces: list[str] = option(  # noqa: RUF009 - as above
        help="directories of finished `score` runs of a file each, whose rows follow each other; instead of `scored`",
        default_factory=list,
    )
    acquisition: str = option("dts", help="what a pair is worth", choices=tuple(ACQUISITIONS))
    prompt_rule: str = option("badge", help="which prompts are asked about", choices=prompts.PROMPT_RULES)
    diversity: str = option("none", help="how the batch is made diverse", choices=diversity.DIVERSITIES)
    n_clusters: int = option(0, help="clusters of prompts; 0: √(n/2)", at_least=0)
    max_cluster_share: float = option(1.0, help="most of the budget that one cluster may have", above=0, at_most=1)
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

    def validate(self) -> None:
        """Raises ConfigError unless there is either something to score or something scored."""
        if self.scored and self.pieces:
            raise ConfigError("pieces", "expected none beside `scored`")
        if given := "scored" if self.scored else "pieces" if self.pieces else "":
            for name in ("model", "candidates", "labelled"):
                if getattr(self, name):
                    raise ConfigError(name, f"expected none beside `{given}`, whose runs have read it")
            return
        for name in ("model", "candidates"):
            if not getattr(self, name):
                raise ConfigError(name, "missing; expected text, or finished runs in `scored`")


def select(config: SelectConfig, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
    """Write OUT/selected.jsonl with {"prompt_id", "a", "b", "rank", "is_random", "cluster", "terms"} rows, best first.

    terms: gap (reward of a less that of b), disagreement (variance of the gap over the heads), acquisition (the value
    of the rule), and what the rules used: bald; upper and lower (bounds of the rewards of the pair's better and worse
    completion); gradient and distance; reduction; uncertainty, entropy and density; gain. Result: selected (path),
    n_candidates, n_prompts, n_chosen, n_random, n_clusters, coverage and coverage_rest (see `coverage`), averages over
    the chosen ones and over all, seconds. One forward pass a completion; memory holds a few numbers a pair, and of each
    prompt and completion its reduced features.
    Raises EngineError: "input_not_found", "bad_input" (naming the row), "model_not_found", "model_broken",
    "scored_incomplete", "scored_mismatch".
    """
    from threadpoolctl import threadpool_limits

    out = Path(config.out_dir)
    claim_run_directory(out, config, fingerprint=_fingerprint(config))
    if (done := finished_result(out)) is not None:
        return done
    started = time.monotonic()
    if config.scored or config.pieces:
        pool = ScoredPool(config.scored or config.pieces, are_pieces=bool(config.pieces))
    else:
        names = {field.name for field in dataclasses.fields(ScoreConfig)}
        shared = {name: value for name, value in vars(config).items() if name in names}
        write_parts(ScoreConfig(**shared), out, reporter, stop)
        pool = ScoredPool([out])
    with threadpool_limits(config.n_threads):
        result = _select(config, pool, out, reporter)
    result["seconds"] = round(time.monotonic() - started, 1)
    write_json(out / "result.json", result)
    return result


def _fingerprint(config: SelectConfig) -> dict[str, str]:
    scored = config.scored or config.pieces
    if not scored:
        return input_digests(config.candidates, config.labelled)
    for directory in scored:
        if not Path(directory, DONE).is_file():
            raise EngineError("scored_incomplete", f"{directory} holds no finished `score` run ({DONE} is missing)")
    return {directory: sha256_file(Path(directory, DONE)) for directory in scored}


def _select(config: SelectConfig, pool: ScoredPool, out: Path, reporter: Reporter) -> dict[str, Any]:
    steps = 4
    reporter.progress("select", 0, steps, message="what each pair is worth")
    scores = pool.pair_scores(config.seed)
    worth = ACQUISITIONS[config.acquisition](scores)
    reporter.progress("select", 1, steps, message="clusters of prompts", force=True)
    known = KnownPrompts.of(pool, config.n_clusters, config.seed)
    reporter.progress("select", 2, steps, message="choosing the batch", force=True)
    chosen = choose_batch(config, scores, worth, known, pool.column)
    reporter.progress("select", 3, steps, message="writing what was chosen", force=True)
    result = _write(config, pool, scores, worth, known, chosen, out)
    reporter.progress("select", steps, steps)
    return result


@dataclass(frozen=True)
class KnownPrompts:
    """Candidate prompts, n of them, and after them the labelled ones that are no candidates; m in all.

    ids: (m,). points: (m, d) unit vectors. clusters: (m,), centres: (clusters, d). is_labelled: (m,).
    """

    n: int
    ids: NDArray[np.int64]
    points: Floats
    clusters: NDArray[np.int64]
    centres: Floats
    is_labelled: NDArray[np.bool_]

    @classmethod
    def of(cls, pool: ScoredPool, n_clusters: int, seed: int) -> KnownPrompts:
        """Read them and put them in clusters, all of one draw."""
        ids = pool.column("prompt_id")
        labelled_ids = pool.column("prompt_id", labelled=True)[pool.column("n", labelled=True) > 0]
        features = pool.column("prompt_features")
        elsewhere = pool.column("prompt_features", labelled=True)[pool.column("n", labelled=True) > 0]
        labelled_ids, first = np.unique(labelled_ids, return_index=True)
        is_new = ~np.isin(labelled_ids, ids)
        return cls.made(
            np.concatenate([ids, labelled_ids[is_new]]),
            np.concatenate([features, elsewhere[first][is_new]]),
            np.concatenate([np.isin(ids, labelled_ids), np.ones(int(is_new.sum()), dtype=bool)]),
            len(ids),
            n_clusters,
            seed,
        )

    @classmethod
    def made(
        cls,
        ids: NDArray[np.int64],
        features: NDArray[np.floating],
        is_labelled: NDArray[np.bool_],
        n: int,
        n_clusters: int,
        seed: int,
    ) -> KnownPrompts:
        """From ids, raw features and whether each is labelled; the first `n` are candidates."""
        points = diversity.unit_vectors(features)
        clusters, centres = diversity.cluster(points, n_clusters, seed)
        return cls(n, ids, points, clusters, centres, is_labelled)


def choose_batch(
    config: SelectConfig, scores: PairScores, worth: Floats, known: KnownPrompts, column: Callable[[str], Floats]
) -> list[Chosen]:
    """The batch by the rules of the config. column: from "features" or "whitened" to what `score` has written of the
    completions, (completions, r); read only by a rule that needs it."""
    labelled = known.points[known.is_labelled]
    prompt_rule: prompts.PromptRule | None = None
    if config.prompt_rule == "uniform":
        prompt_rule = prompts.uniform
    elif config.prompt_rule == "badge":
        of_completion = column("features")

        def gradients(pairs: NDArray[np.integer]) -> Floats:
            difference = of_completion[scores.first[pairs]].astype(np.float32) - of_completion[scores.second[pairs]]
            return prompts.gradient_embedding(scores.gap[pairs], difference)

        prompt_rule = prompts.badge(gradients)
    elif config.prompt_rule == "v_optimal":
        by_posterior = column("whitened")

        def vectors(pairs: NDArray[np.integer]) -> Floats:
            vector: Floats = by_posterior[scores.first[pairs]].astype(np.float32) - by_posterior[scores.second[pairs]]
            return vector

        target = prompts.second_moment(vectors, len(scores))
        prompt_rule = prompts.v_optimal(vectors, prompts.coin_variance(scores.gap), target)
    elif config.prompt_rule == "bal_pm":
        prompt_rule = prompts.bal_pm(
            scores.information,
            scores.pair_prompts,
            known.points[: known.n],
            known.is_labelled[: known.n],
            known.points[known.n :],
        )
    batch_rule: diversity.BatchRule | None = None
    if config.diversity == "k_centre":
        batch_rule = diversity.k_centre(known.points, labelled)
    elif config.diversity == "facility_location":
        batch_rule = diversity.facility_location(known.points, labelled, np.random.default_rng([config.seed, 4]))
    clusters = Clusters(
        known.clusters[: known.n],
        np.bincount(known.clusters, minlength=len(known.centres)),
        has_quotas=config.diversity == "quotas",
        max_share=config.max_cluster_share,
    )
    return choose(
        worth,
        scores.pair_prompts,
        budget=config.budget,
        random_share=config.random_share,
        max_per_prompt=config.max_per_prompt,
        rng=np.random.default_rng([config.seed, 1]),
        prompt_rule=prompt_rule,
        clusters=clusters,
        batch_rule=batch_rule,
    )


def _write(
    config: SelectConfig,
    pool: ScoredPool,
    scores: PairScores,
    worth: Floats,
    known: KnownPrompts,
    chosen: Sequence[Chosen],
    out: Path,
) -> dict[str, Any]:
    ids = pool.column("id")
    prompt_of = scores.pair_prompts
    gap, disagreement = scores.gap, scores.disagreement
    temporary = out / "selected.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        for rank, one in enumerate(chosen):
            prompt = int(prompt_of[one.index])
            row = {
                "prompt_id": int(known.ids[prompt]),
                "a": int(ids[scores.first[one.index]]),
                "b": int(ids[scores.second[one.index]]),
                "rank": rank,
                "is_random": one.is_random,
                "cluster": int(known.clusters[prompt]),
                "terms": {
                    "gap": float(gap[one.index]),
                    "disagreement": float(disagreement[one.index]),
                    "acquisition": float(worth[one.index]),
                    **_terms(config.acquisition, scores, one.index),
                    **one.terms,
                },
            }
            file.write(json.dumps(row, allow_nan=False) + "\n")
    os.replace(temporary, out / "selected.jsonl")
    by_rule = np.array([one.index for one in chosen if not one.is_random], dtype=np.int64)
    chosen_prompts = np.array([prompt_of[one.index] for one in chosen], dtype=np.int64)
    covered, rest = diversity.coverage(
        known.clusters, known.ids, known.is_labelled, chosen_prompts, known.points, known.centres
    )
    return {
        "selected": str(out / "selected.jsonl"),
        "n_candidates": len(worth),
        "n_prompts": known.n,
        "n_chosen": len(chosen),
        "n_chosen_prompts": len(np.unique(chosen_prompts)),
        "n_random": len(chosen) - len(by_rule),
        "mean_disagreement": _mean(disagreement),
        "mean_disagreement_chosen": _mean(disagreement[by_rule]),
        "mean_abs_gap": _mean(np.abs(gap)),
        "mean_abs_gap_chosen": _mean(np.abs(gap[by_rule])),
        "has_posterior": pool.has_posterior,
        "n_clusters": len(known.centres),
        "coverage": covered,
        "coverage_rest": rest,
    }


def _terms(acquisition: str, scores: PairScores, pair: int) -> dict[str, float]:
    """What the acquisition function saw in a pair, beside its gap and disagreement."""
    if acquisition == "bald":
        return {"bald": float(scores.information[pair])}
    if acquisition in ("delta_ucb", "drts"):
        better, worse = int(scores.first[pair]), int(scores.second[pair])
        if scores.rewards[better] < scores.rewards[worse]:
            better, worse = worse, better
        upper, lower = scores.uppers[better], scores.lowers[worse]
        return {"upper": float(upper), "lower": float(lower)}
    return {}


def _mean(values: NDArray[np.floating]) -> float | None:
    return float(values.mean()) if len(values) else None
