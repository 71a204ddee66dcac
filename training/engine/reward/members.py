"""`members`: an ensemble of reward models that differ by the head they start from and the order of the data.

Coste et al. 2023 (arXiv 2310.02743) and Eisenstein et al. 2023 (arXiv 2312.09244): such members agree where there is
data and part where there is none, so that their least or their mean less their variance resists over-optimisation.
With tuning "lora" the members are small changes of one trunk; each is written as `train` writes it, a model of its own.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.engine.common.atomic import atomic_directory, write_json
from training.engine.common.cli import StopFlag
from training.engine.common.config import claim_run_directory, finished_result, option
from training.engine.common.errors import StopRequested
from training.engine.common.optimisation import resolve_device
from training.engine.common.progress import Pace, Reporter
from training.engine.reward.continuing import member_start
from training.engine.reward.data import ComparisonSet, open_comparison_set, read_split, tokenise
from training.engine.reward.ensemble import COEFFICIENT, COMBINATIONS, FILE_NAME, FORMAT, combine, load_member
from training.engine.reward.metrics import log_loss, share_stat, sign_hits
from training.engine.reward.parts import PartReporter, one_process_only, percent_done, train_config
from training.engine.reward.trainer import train


@dataclass(frozen=True)
class MembersConfig:
    """Config of `members`."""

    base_model: str = option(help="directory or hub id of a decoder or encoder, as of `train`")
    comparison_set: str = option(help="directory of a comparison set")
    out_dir: str = option(help="run directory; the ensemble is written to OUT/model")
    train: dict[str, Any] = option(  # noqa: RUF009 - option gives a field, as above
        help="fields of `train`'s config other than its defaults", default_factory=dict
    )
    n_members: int = option(5, help="models, the seed of each one more than the last's", at_least=1, at_most=20)
    combination: str = option("mean", help="how the members' rewards become one", choices=COMBINATIONS)
    coefficient: float = option(COEFFICIENT, help='times the variance, for "uncertainty"', at_least=0)
    tokens_per_batch: int = option(8192, help="padded tokens in one forward pass of the evaluation", at_least=1)

    def validate(self) -> None:
        """Raise ConfigError for what `train` would refuse."""
        train_config(self.train, base_model=self.base_model, comparison_set=self.comparison_set, out_dir=self.out_dir)


def members(config: MembersConfig, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
    """Train the members one after the other and write OUT/model, resuming where a former call was ended.

    OUT/model is member 0 as `train` writes it, with members/1, members/2, … beside, and ensemble.json, which names
    them. Its report.json has `ensemble` more: see `ensemble_report`. Result: that of member 0's training with `model`,
    `n_members`, `ensemble` (null without a test split) and `seconds` of the whole. Raises EngineError as `train` does.
    """
    one_process_only()
    out = Path(config.out_dir)
    config.validate()
    source = open_comparison_set(config.comparison_set)
    claim_run_directory(out, config, fingerprint={"comparison_set": source.digest})
    if (done := finished_result(out)) is not None:
        return done
    started = time.monotonic()
    starts = [member_start(config.train.get("start_from", ""), nth) for nth in range(config.n_members)]
    runs = [out / "runs" / f"member-{nth}" for nth in range(config.n_members)]
    pace = Pace(done=percent_done(sum((run / "result.json").is_file() for run in runs), config.n_members))
    results = []
    for nth, run in enumerate(runs):
        options = train_config(
            {**config.train, "start_from": starts[nth]},
            base_model=config.base_model,
            comparison_set=config.comparison_set,
            out_dir=str(run),
            nth=nth,
        )
        within = PartReporter(
            reporter, stage="members", part=nth, n_parts=config.n_members, name=f"member {nth + 1}", pace=pace
        )
        results.append(train(options, within, stop))
        if stop.is_set and nth + 1 < config.n_members:
            raise StopRequested
    models = [Path(result["model"]) for result in results]
    device = resolve_device(train_config(config.train, base_model="", comparison_set="", out_dir="").device)
    report = _on_test_split(config, source, models, device)
    _assemble(config, models, report, out / "model")
    result = {
        **results[0],
        "model": str(out / "model"),
        "n_members": config.n_members,
        "ensemble": report,
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(out / "result.json", result)
    shutil.rmtree(out / "runs", ignore_errors=True)
    reporter.progress("members", 100, 100, unit="%", force=True)
    return result


def ensemble_report(
    chosen: ArrayLike,
    rejected: ArrayLike,
    soft_preference: ArrayLike,
    prompts: ArrayLike,
    *,
    coefficient: float = COEFFICIENT,
) -> dict[str, Any]:
    """What k members make of n comparisons, from their rewards (k, n) of both sides at one level.

    n_members; accuracy: a Stat for each way to combine them; members: the accuracy of each; log_loss of the mean, and
    member_log_loss the mean of theirs; agreement: how often two of them prefer the same side (null for one member);
    mean_std: the mean standard deviation of their reward gaps; disagreement: the share of comparisons on which one
    prefers another side than their mean. Accuracies leave preferences of ½ out.
    """
    c, r = np.asarray(chosen, dtype=np.float64), np.asarray(rejected, dtype=np.float64)
    p = np.asarray(soft_preference, dtype=np.float64)
    decided = p != 0.5
    side, groups = np.sign(p - 0.5)[decided], np.asarray(prompts, dtype=object).astype(str)[decided]
    gaps = c - r
    signs = np.sign(gaps)
    pairs = [float(np.mean(one == other)) for one, other in itertools.combinations(signs, 2)]

    def accuracy(gap: NDArray[np.float64]) -> Any:
        return share_stat(sign_hits(gap[decided] * side), groups)

    return {
        "n_members": len(gaps),
        "accuracy": {
            how: accuracy(combine(c, how, coefficient) - combine(r, how, coefficient)) for how in COMBINATIONS
        },
        "members": [accuracy(gap) for gap in gaps],
        "log_loss": log_loss(gaps.mean(axis=0), p),
        "member_log_loss": float(np.mean([log_loss(gap, p) for gap in gaps])),
        "agreement": float(np.mean(pairs)) if pairs else None,
        "mean_std": float(gaps.std(axis=0).mean()),
        "disagreement": float((signs != np.sign(gaps.mean(axis=0))).any(axis=0).mean()),
    }


def _on_test_split(
    config: MembersConfig, source: ComparisonSet, models: list[Path], device: str
) -> dict[str, Any] | None:
    """`ensemble_report` on the test split; None without one. One member at a time is in memory."""
    table = read_split(source, "test")
    if not table.num_rows:
        return None
    chosen, rejected = [], []
    for path in models:
        member = load_member(path, device=device)
        comparisons = tokenise(table, member.model.encoder)
        rewards = member.score([*comparisons.chosen, *comparisons.rejected], config.tokens_per_batch)
        chosen.append(rewards[:, : len(comparisons)])
        rejected.append(rewards[:, len(comparisons) :])
    return ensemble_report(
        np.concatenate(chosen),
        np.concatenate(rejected),
        comparisons.numbers["soft_preference"],
        comparisons.meta["prompt_digest"],
        coefficient=config.coefficient,
    )


def _assemble(config: MembersConfig, models: list[Path], report: dict[str, Any] | None, target: Path) -> None:
    """Put the members' directories into one, by links where the file system has them."""
    names = [".", *(f"members/{nth}" for nth in range(1, len(models)))]
    with atomic_directory(target) as temporary:
        for name, model in zip(names, models, strict=True):
            shutil.copytree(model, temporary / name, copy_function=_link_or_copy, dirs_exist_ok=True)
        description = {
            "format": FORMAT,
            "members": names,
            "combination": config.combination,
            "coefficient": config.coefficient,
        }
        write_json(temporary / FILE_NAME, description)
        if report is not None:
            path = temporary / "report.json"
            alone = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
            write_json(path, {**alone, "ensemble": report})


def _link_or_copy(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
