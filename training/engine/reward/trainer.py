"""`train`: a reward model from a comparison set, deterministic, resumable to the same weights."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from training.engine.common.atomic import atomic_directory, sha256_file, write_json, write_text
from training.engine.common.checkpoint import Checkpoints
from training.engine.common.cli import StopFlag
from training.engine.common.config import claim_run_directory, config_to_dict, finished_result, option
from training.engine.common.distributed import Peers
from training.engine.common.errors import ConfigError, EngineError, StopRequested
from training.engine.common.optimisation import (
    adamw,
    autocast,
    resolve_device,
    resolve_precision,
    schedule,
    use_threads,
)
from training.engine.common.progress import Pace, Reporter
from training.engine.common.rows import read_rows, row_messages
from training.engine.reward.card import model_card
from training.engine.reward.clashes import clashes
from training.engine.reward.continuing import MODEL_FORMAT, Replay, Start, replay_of, touchstone_of, weights_digest
from training.engine.reward.data import (
    Comparisons,
    ComparisonSet,
    MicroBatch,
    collate,
    epoch_batches,
    examples_of,
    micro_batches,
    open_comparison_set,
    read_split,
    sizes_of,
    tokenise,
)
from training.engine.reward.ensemble import HEADS_NAME
from training.engine.reward.evaluate import report_on, score_comparisons
from training.engine.reward.forgetting import LanguageHead, language_loss
from training.engine.reward.length import fit_length_calibration
from training.engine.reward.loss import PreferenceLoss
from training.engine.reward.metrics import log_loss
from training.engine.reward.model import RewardModel, features_of
from training.engine.reward.objective import Learner
from training.engine.reward.outside import FeatureRange
from training.engine.reward.packing import packing
from training.engine.reward.posterior import HeadPosterior
from training.engine.reward.preparation import prepare, select
from training.engine.reward.tuning import Weights, lora_weights, merge_lora
from training.engine.reward.tuning import prepare as prepare_tuning

ENGINE_VERSION = "1"


@dataclass(frozen=True)
class RewardTrainConfig:
    """Config of `train`. The defaults suit the built-in base model; for a pretrained base see `learning_rate`."""

    base_model: str = option(help="directory or hub id of a decoder or encoder, best the SFT model")
    comparison_set: str = option(help="directory of a comparison set (manifest.json and Parquet shards)")
    out_dir: str = option(help="run directory; the reward model is written to OUT/model")
    start_from: str = option(
        "",
        help="directory of a reward model of Touchstone that was made from base_model: training goes on from its trunk "
        "and heads, in place of a new head",
    )
    earlier_set: str = option("", help="directory of the comparison set that the model in start_from learnt from")
    replay: float = option(
        1.0, help="earlier comparisons for each new one, drawn by seed; 0: new ones only", at_least=0
    )
    project: str = option("", help="slug of the project, for touchstone.json")
    axis: str = option("", help="what was judged (helpfulness, safety, …); default: the comparison set's")
    version: int = option(0, help="version of the reward model in its project, for touchstone.json", at_least=0)
    max_length: int = option(512, help="longest text in tokens; longer prompts are cut on the left", at_least=8)
    epochs: int = option(3, help="passes over the training split", at_least=1)
    max_steps: int | None = option(None, help="stop after this many updates, whatever the epochs say", at_least=1)
    batch_size: int = option(32, help="comparisons per update", at_least=1)
    micro_batch_tokens: int | None = option(
        None,
        help="tokens in one forward pass; changes memory and speed, not the gradient; "
        "null: 8192 on a CPU, 32768 on a GPU",
        at_least=1,
    )
    bucket_batches: int = option(8, help="batches that are made equally long together; 1: none", at_least=1)
    learning_rate: float = option(3e-4, help="peak learning rate; 2e-5 to 1e-4 for a pretrained base", above=0)
    head_learning_rate_factor: float = option(1.0, help="times learning_rate, for the new scalar head", above=0)
    weight_decay: float = option(0.01, help="decoupled weight decay of matrices", at_least=0)
    warmup_share: float = option(0.1, help="share of the updates that warm up", at_least=0, at_most=1)
    max_grad_norm: float = option(1.0, help="gradients are clipped to this norm", above=0)
    dropout: float = option(0.0, help="replaces every dropout rate of the base", at_least=0, at_most=0.9)
    head_std: float = option(0.01, help="the new head starts as N(0, head_std / sqrt(width))", at_least=0)
    use_weights: bool = option(True, help="weight the loss by the set's weights, normalised to mean 1 (scaled BT)")
    use_margins: bool = option(False, help="subtract the set's margins (Llama 2)")
    margin_scale: float = option(1.0, help="times the margins; 3 makes Llama 2's large ones of the small", above=0)
    margin_map: dict[str, float] | None = option(  # noqa: RUF009 - option gives a field, as above
        None, help='margin of each rounded intensity, as {"1": 0, "2": 0.5}, instead of the set\'s'
    )
    use_soft_preferences: bool = option(True, help="train on the aggregated preference, not on the majority alone")
    label_smoothing: float = option(0.0, help="this share of every label is ½ each", at_least=0, at_most=0.9)
    centring: float = option(0.0, help="times (r_chosen + r_rejected)²: keeps rewards near 0; 0.01", at_least=0)
    ties: str = option(
        "soft",
        help='a preference of ½: "soft" label, "davidson" (a third outcome), or "drop"',
        choices=("soft", "davidson", "drop"),
    )
    objective: str = option(
        "comparisons",
        help='"labellers": every single rating, with the labellers\' reliabilities and position bias learnt beside',
        choices=("comparisons", "labellers"),
    )
    tuning: str = option("full", help="which weights are trained", choices=("full", "lora", "head"))
    lora_rank: int = option(16, help="rank of the LoRA matrices", at_least=1)
    lora_alpha: float = option(32.0, help="LoRA's scale is alpha / rank", above=0)
    gradient_checkpointing: bool = option(False, help="compute activations twice instead of keeping them")
    packing: str = option(
        "auto",
        help="packed: no padding, and a prompt that texts share is computed once; auto: where the model can",
        choices=("auto", "packed", "padded"),
    )
    n_heads: int = option(1, help="heads on one trunk, an ensemble at the price of one model", at_least=1, at_most=64)
    length_remedy: str = option(
        "none",
        help="against a taste for length: completions of other prompts as rejected, or a second head that takes length",
        choices=("none", "random_pairing", "odin"),
    )
    random_pairing_share: float = option(0.25, help="added comparisons per comparison", above=0, at_most=1)
    strengths: str = option("", help="Parquet file of `crossfit` on this comparison set")
    noise_treatment: str = option(
        "none",
        help="what is done about comparisons that cross-fitted models contradict",
        choices=("none", "drop", "flip", "soft", "margin"),
    )
    forgetting_texts: str = option(
        "", help="JSONL of {\"messages\"} for the trunk's language-modelling loss; default: validation's chosen texts"
    )
    evaluations_per_epoch: int = option(2, help="validation passes per epoch", at_least=1)
    patience: int = option(4, help="stop after this many validation passes without a better loss", at_least=1)
    divergence_loss: float = option(5.0, help="stop when the mean loss of 20 updates exceeds this", above=0)
    reward_rows: int = option(1000, help="training comparisons from which reward mean and std are taken", at_least=1)
    measure_forgetting: bool = option(True, help="the trunk's language-modelling loss before and after (decoders)")
    seed: int = option(0, help="of the head and the data order", at_least=0)
    precision: str = option("auto", help="bf16 where the hardware has it", choices=("auto", "fp32", "bf16"))
    device: str = option("auto", help="auto, cpu, cuda, cuda:0, …")
    n_threads: int = option(2, help="CPU threads", at_least=1)
    checkpoint_steps: int = option(25, help="updates between checkpoints", at_least=1)

    def validate(self) -> None:
        """Raise ConfigError where one option would leave another without effect."""
        for name, problem in clashes(config_to_dict(self)).items():
            raise ConfigError(name, problem)
        if self.noise_treatment != "none" and not self.strengths:
            raise ConfigError("noise_treatment", "needs strengths: a file of `crossfit` on this comparison set")


def train(config: RewardTrainConfig, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
    """Train, keep the weights with the best validation loss, evaluate on the test split, write OUT/model.

    OUT/model is a directory for AutoModelForSequenceClassification with touchstone.json, report.json, the posterior
    of its head and README.md, the model card. Result: model,
    n_train, n_steps, best_step, validation_loss, accuracy and baselines (null without a test split), seconds.
    With `start_from` the start counts as evaluated at update 0: weights that no update made better are the start's. The
    posterior and the scale of the rewards are of the whole training split, replayed or not, and `replay` in the result
    says how much was.
    Raises EngineError: those of `open_comparison_set`, `Start.of` and `replay_of`, "empty_input", "diverged".
    """
    out = Path(config.out_dir)
    peers = Peers.join(resolve_device(config.device))
    device = peers.device
    precision = resolve_precision(config.precision, device)
    source = open_comparison_set(config.comparison_set)
    fingerprint = {"comparison_set": source.digest, "precision": precision}
    for path in filter(None, (config.strengths, config.forgetting_texts)):
        if not Path(path).is_file():
            raise EngineError("input_not_found", f"the input file {path} does not exist")
        fingerprint[path] = sha256_file(path)
    if config.start_from:
        fingerprint["start_from"] = weights_digest(config.start_from)
    if config.earlier_set:
        fingerprint["earlier_set"] = open_comparison_set(config.earlier_set).digest
    if peers.is_first:
        claim_run_directory(out, config, fingerprint=fingerprint)
    peers.wait()
    if (done := finished_result(out)) is not None:
        return done
    started = time.monotonic()
    use_threads(config.n_threads)
    torch.manual_seed(config.seed)  # first: a base without a pooler, and LoRA, draw weights of their own
    start = Start.of(config)
    reward_model = start.model
    prepare_tuning(
        reward_model.model,
        reward_model.head,
        tuning=config.tuning,
        lora_rank=config.lora_rank,
        lora_alpha=config.lora_alpha,
    )
    reward_model.model.to(device)
    training = tokenise(read_split(source, "train"), reward_model.encoder, reporter, split="train")
    validation = tokenise(read_split(source, "validation"), reward_model.encoder, reporter, split="validation")
    test_rows = read_split(source, "test")
    test = tokenise(test_rows, reward_model.encoder, reporter, split="test")
    if not len(training):
        raise EngineError("empty_input", f"the comparison set {config.comparison_set} has no training comparisons")
    replay = replay_of(training, config)
    taken = training if replay is None else select(training, replay.rows)
    if replay is not None:
        reporter.log(
            f"going on from {config.start_from}: {replay.n_new} new comparisons, and {replay.n_replayed} of the "
            f"{replay.n_earlier} that it learnt from"
        )
    reporter.log(
        f"{len(taken)} comparisons to train on ({taken.n_tokens:,} tokens, {taken.n_truncated} cut), "
        f"{len(validation)} for validation, {len(test)} for the test; {device}, {precision}"
    )
    is_asked = config.measure_forgetting and reward_model.is_decoder
    language = LanguageHead.of(config.base_model) if is_asked else None
    unseen = texts_unseen(config, reward_model, validation)
    before = language_loss(reward_model.model, language, unseen) if language else None
    run = TrainingRun(
        config, reward_model, taken, validation, out / "checkpoints", device, precision, peers, heads=start.heads
    )
    summary = run.fit(reporter, stop)
    if not peers.is_first:
        return {"n_steps": summary["n_steps"]}
    after = language_loss(reward_model.model, language, unseen) if language else None
    adapter = lora_weights(reward_model.model)
    if adapter:
        merge_lora(reward_model.model)
    reporter.progress("evaluate", 0, len(test), unit="comparisons", message="scoring the held-out test split")
    result: dict[str, Any] = {
        "model": str(out / "model"),
        "n_train": len(taken),
        "n_validation": len(validation),
        "n_test": len(test),
        **summary,
        "replay": replay and replay.to_dict(),
        "accuracy": None,
        "baselines": None,
        "precision": precision,
    }
    forgetting = forgetting_of(before, after)
    report = None
    if len(test):
        chosen, rejected = score_comparisons(reward_model, test, run.micro_batch_tokens)
        report = report_on(test, chosen, rejected, split="test", table=test_rows)
        report["comparison_set_digest"] = source.digest
        report["training"] = summary
        report["forgetting"] = forgetting
        result |= {"accuracy": report["accuracy"], "baselines": report["baselines"]}
    reporter.progress("evaluate", len(test), len(test), unit="comparisons", force=True)
    result["seconds"] = round(time.monotonic() - started, 1)
    reward_model.metadata = metadata_of(config, source, reward_model, training, run.micro_batch_tokens) | {
        "continued_from": continued_from(config, replay),
        "length_calibration": length_calibration_of(reward_model, validation, run.micro_batch_tokens),
        "forgetting": forgetting,
        "temperature": report and report["temperature"],
        "seconds": result["seconds"],
    }
    # What was learnt before still holds the head where it was left out now.
    known = run.training if replay is None else prepare(training, config, reward_model.encoder)
    posterior, feature_range = kept_of_training(reward_model, known, run.micro_batch_tokens)
    with atomic_directory(out / "model") as directory:
        reward_model.save(directory)
        posterior.save(directory)
        feature_range.save(directory)
        if run.learner.heads is not None:
            save_file(
                heads_of(run.learner.heads, reward_model, training, run.micro_batch_tokens), directory / HEADS_NAME
            )
        if adapter:
            save_file(adapter, directory / "lora.safetensors")
        if report is not None:
            write_json(directory / "report.json", report)
        write_text(directory / "README.md", model_card(reward_model.metadata, report or {}))
    write_json(out / "result.json", result)
    run.checkpoints.clear()
    return result


class TrainingRun:
    """One run's model, data, optimiser and position, all of which a checkpoint holds."""

    def __init__(
        self,
        config: RewardTrainConfig,
        reward_model: RewardModel,
        training: Comparisons,
        validation: Comparisons,
        directory: Path,
        device: str,
        precision: str,
        peers: Peers | None = None,
        *,
        heads: Tensor | None = None,
    ) -> None:
        self.peers = peers or Peers(0, 1, device)
        self.config = config
        self.reward_model = reward_model
        self.model = reward_model.model
        self.pad_id = int(reward_model.tokenizer.pad_token_id)
        self.device = device
        self.precision = precision
        self.training = prepare(training, config, reward_model.encoder)
        self.validation = validation
        if config.packing == "packed" and not reward_model.is_packable:
            raise EngineError("bad_config", f"packing: {config.base_model} cannot compute packed texts; use auto")
        self.is_padded = config.packing == "padded" or not reward_model.is_packable
        # On two cores packs of 8192 tokens were 8 % quicker than those of 4096: fewer, larger matrix products.
        self.micro_batch_tokens = config.micro_batch_tokens or (8192 if device == "cpu" else 32768)
        self.examples = examples_of(self.training)
        self.sizes = sizes_of(self.training, self.examples, is_padded=self.is_padded)
        self.learner = Learner(config, reward_model.head, self.training, heads).to(device)
        # Of a frozen trunk: what the head reads never changes.
        self.features: NDArray[np.float32] | None = None
        self.weights = Weights(
            reward_model,
            self.learner,
            in_half=precision == "bf16" and config.tuning == "full" and not self.is_padded,
        )
        if config.gradient_checkpointing:
            self.model.activation_checkpointing_enable()
        self.checkpoints = Checkpoints(directory)
        self.steps_per_epoch = math.ceil(len(self.examples) / config.batch_size)
        self.n_steps = min(self.steps_per_epoch * config.epochs, config.max_steps or 10**9)
        self.evaluation_steps = math.ceil(self.steps_per_epoch / config.evaluations_per_epoch)
        self.optimiser = adamw(
            self.weights,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            betas=(0.9, 0.95),
        )
        _split_head_group(self.optimiser, [reward_model.head, self.learner], config.head_learning_rate_factor)
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimiser, schedule(self.n_steps, config.warmup_share))
        self.step = 0
        self.losses: list[float] = []
        self.evaluations: list[dict[str, float]] = []
        self.best: dict[str, float] | None = None
        self.is_over = False
        self._order: tuple[int, list[NDArray[np.int64]]] | None = None  # a pure function of the epoch, kept for speed

    def fit(self, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
        """Train to the end or to early stopping, from the newest checkpoint on; leaves the best weights in the model.

        Returns n_steps, best_step, validation_loss, validation_accuracy, train_loss and the list of evaluations.
        """
        torch.manual_seed(self.config.seed)
        self._resume(reporter)
        if self.config.tuning == "head":
            self._read_features(reporter)
        if self.config.start_from and not self.evaluations and self.step == 0 and len(self.validation):
            self._evaluate(reporter)
        pace = Pace(done=self.step)
        self.model.train()
        while self.step < self.n_steps and not self.is_over:
            loss, accuracy, norm = self._update()
            self.step += 1
            self.losses.append(loss)
            speed = pace.rate(self.step) * self.config.batch_size
            tokens_per_s = pace.rate(self.step) * self.tokens_per_step
            reporter.progress(
                "train",
                self.step,
                self.n_steps,
                message=f"loss {loss:.3f}, {speed:.0f} comparisons/s, ETA {pace.eta(self.step, self.n_steps)}",
                metrics={
                    "loss": loss,
                    "accuracy": accuracy,
                    "gradient_norm": norm,
                    "comparisons_per_s": speed,
                    "tokens_per_s": tokens_per_s,
                },
            )
            recent = self.losses[-20:]
            if len(recent) == 20 and float(np.mean(recent)) > self.config.divergence_loss:
                raise EngineError("diverged", _diverged(float(np.mean(recent)), self.step))
            is_evaluation = self.step % self.evaluation_steps == 0 or self.step == self.n_steps
            if is_evaluation and len(self.validation):
                self._evaluate(reporter)
            is_last = self.step == self.n_steps or self.is_over
            is_stopped = self.peers.any(stop.is_set)
            if is_last or is_stopped or is_evaluation or self.step % self.config.checkpoint_steps == 0:
                self._checkpoint()
            if is_stopped and not is_last:
                raise StopRequested
        if self.best is not None:
            best = torch.load(self._best_path(int(self.best["step"])), map_location="cpu", weights_only=True)
            self.weights.load(best)
        self.weights.restore()
        self.learner.settle()
        self.model.eval()
        tail = self.losses[-max(1, len(self.losses) // 10) :]
        return {
            "n_steps": self.step,
            "best_step": int(self.best["step"]) if self.best else self.step,
            "validation_loss": self.best["loss"] if self.best else None,
            "validation_accuracy": self.best["accuracy"] if self.best else None,
            "train_loss": float(np.mean(tail)),
            "evaluations": self.evaluations,
        }

    def _update(self) -> tuple[float, float, float]:
        """One optimiser step over one batch, in as many micro-batches as the token budget asks for."""
        epoch, index = divmod(self.step, self.steps_per_epoch)
        if self._order is None or self._order[0] != epoch:
            batches = epoch_batches(
                self.sizes.longest,
                batch_size=self.config.batch_size,
                seed=self.config.seed,
                epoch=epoch,
                bucket_batches=self.config.bucket_batches,
            )
            self._order = (epoch, batches)
        batch = self._order[1][index]
        mine = batch[self.peers.rank :: self.peers.n]
        total, n_correct, n_decided = 0.0, 0.0, 0.0
        with self._packing():
            # ODIN's correlations are over the whole batch, which is then computed in one piece.
            budget = 2**62 if self.config.length_remedy == "odin" else self.micro_batch_tokens
            for part in self._prepared(micro_batches(mine, self.sizes, budget)):
                loss = self.loss_of(part)
                (loss.total / len(batch)).backward()
                self.weights.collect_gradients()
                total += float(loss.total.detach())
                n_correct += float(loss.n_correct)
                n_decided += float(loss.n_decided)
        self.peers.add_up_gradients(self.weights.parameters())
        total, n_correct, n_decided = self.peers.add_up((total, n_correct, n_decided), self.device)
        norm = float(nn.utils.clip_grad_norm_(self.weights.parameters(), self.config.max_grad_norm))
        value = total / len(batch)
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise EngineError("diverged", _diverged(value, self.step + 1))
        self.optimiser.step()
        self.scheduler.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.weights.publish()
        return value, n_correct / max(1.0, n_decided), norm

    def loss_of(self, batch: MicroBatch) -> PreferenceLoss:
        """Forward pass and loss of one micro-batch. The heads are computed in float32 whatever the trunk is."""
        if self.features is not None:
            n = len(self.training)
            rows = np.concatenate([batch.indices, batch.indices + n])
            features = torch.from_numpy(self.features[rows]).to(self.device)
        else:
            with self._autocast():
                features = features_of(self.model, batch.texts.to(self.device))
        loss: PreferenceLoss = self.learner(features, batch)
        return loss

    @property
    def tokens_per_step(self) -> float:
        """Tokens that an update computes on average."""
        return float(self.sizes.packed.sum()) / self.steps_per_epoch

    def _prepared(self, parts: list[NDArray[np.int64]]) -> Iterator[MicroBatch]:
        """The micro-batches of some examples each; while one is computed, the next is laid out."""

        def lay_out(part: NDArray[np.int64]) -> MicroBatch:
            return collate(
                self.training,
                np.concatenate([self.examples[i] for i in part]),
                pad_id=self.pad_id,
                is_padded=self.is_padded,
                dtype=torch.bfloat16 if self.precision == "bf16" else torch.float32,
            )

        if not parts:
            return
        if self.device == "cpu":
            # A second thread there takes a core from the products, and brings threads of its own for them.
            yield from map(lay_out, parts)
            return
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(lay_out, parts[0])
            for following in [*parts[1:], None]:
                ready = coming.result()
                if following is not None:
                    coming = pool.submit(lay_out, following)
                yield ready

    def _autocast(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self.weights.in_half else autocast(self.device, self.precision)

    def _packing(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self.is_padded else packing(self.model)

    def _read_features(self, reporter: Reporter) -> None:
        texts = [*self.training.chosen, *self.training.rejected]
        reporter.log(f"reading the frozen trunk's features of {len(texts)} texts")
        with self._autocast():
            _, self.features = self.reward_model.score_and_features_encoded(
                texts, tokens_per_batch=self.micro_batch_tokens
            )

    @torch.no_grad()
    def _evaluate(self, reporter: Reporter) -> None:
        """Validation: unweighted log-loss against the soft preferences, which rewards calibration as well as order."""
        self.learner.settle()
        with self._autocast():
            chosen, rejected = score_comparisons(self.reward_model, self.validation, self.micro_batch_tokens)
        gap = chosen.astype(np.float64) - rejected
        p = self.validation.numbers["soft_preference"]
        decided = p != 0.5
        hits = 0.5 * (1 + np.sign(gap[decided]) * np.sign(p[decided] - 0.5))
        loss = log_loss(gap, p)
        accuracy = float(hits.mean()) if decided.any() else 0.5
        if not math.isfinite(loss):
            raise EngineError("diverged", _diverged(loss, self.step))
        record = {"step": self.step, "loss": loss, "accuracy": accuracy}
        self.evaluations.append(record)
        if self.best is None or loss < self.best["loss"]:
            self.best = record
            path = self._best_path(self.step)
            if self.peers.is_first:
                with atomic_directory(path.parent) as directory:
                    torch.save(self.weights.state(), directory / path.name)
        else:
            since = sum(one["step"] > self.best["step"] for one in self.evaluations)
            self.is_over = since >= self.config.patience
        reporter.progress(
            "validate",
            self.step,
            self.n_steps,
            message=f"validation loss {loss:.3f}, accuracy {accuracy:.1%}, best at step {int(self.best['step'])}",
            metrics={"validation_loss": loss, "validation_accuracy": accuracy},
            force=True,
        )
        if self.is_over:
            reporter.log(f"stopped early: no better validation loss since step {int(self.best['step'])}")

    def _checkpoint(self) -> None:
        if not self.peers.is_first:
            self.peers.wait()
            return
        self.checkpoints.save(
            self.step,
            {
                "trained": self.weights.state(),
                "optimiser": self.optimiser.state_dict(),
                "scheduler": self.scheduler.state_dict(),
                "losses": self.losses,
                "evaluations": self.evaluations,
                "best": self.best,
                "is_over": self.is_over,
            },
        )
        for other in self.checkpoints.directory.glob("best-*"):  # only now does no checkpoint need an older one
            if self.best is None or other != self._best_path(int(self.best["step"])).parent:
                shutil.rmtree(other, ignore_errors=True)
        self.peers.wait()

    def _resume(self, reporter: Reporter) -> None:
        state = self.checkpoints.load()
        if state is None:
            return
        self.weights.load(state["trained"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.step, self.losses, self.evaluations = state["step"], state["losses"], state["evaluations"]
        self.best, self.is_over = state["best"], state["is_over"]
        reporter.log(f"resumed at step {self.step} of {self.n_steps}")

    def _best_path(self, step: int) -> Path:
        return self.checkpoints.directory / f"best-{step:06d}" / "weights.pt"


def metadata_of(
    config: RewardTrainConfig,
    source: ComparisonSet,
    reward_model: RewardModel,
    training: Comparisons,
    tokens_per_batch: int,
) -> dict[str, Any]:
    """touchstone.json: what the model is, where it comes from, and the scale of its rewards on training texts."""
    picked = np.sort(np.random.default_rng(config.seed).permutation(len(training))[: config.reward_rows])
    texts = [side[i] for side in (training.chosen, training.rejected) for i in picked]
    rewards = reward_model.score_encoded(texts, tokens_per_batch=tokens_per_batch).astype(np.float64)
    return {
        "format": MODEL_FORMAT,
        "project": config.project or str(source.manifest.get("project", "")),
        "axis": config.axis or str(source.manifest.get("axis", "")),
        "version": config.version,
        "base_model": config.base_model,
        "max_length": reward_model.max_length,
        "reward_mean": float(rewards.mean()),
        "reward_std": float(rewards.std()),
        "comparison_set_digest": source.digest,
        "engine_version": ENGINE_VERSION,
        "tuning": config.tuning,
        "config": config_to_dict(config),
    }


def continued_from(config: RewardTrainConfig, replay: Replay | None) -> dict[str, Any] | None:
    """What touchstone.json says of the model that training went on from; None for a new head."""
    if not config.start_from:
        return None
    start = touchstone_of(Path(config.start_from))
    counts = replay.to_dict() if replay is not None else {}
    return {name: start.get(name) for name in ("project", "version", "comparison_set_digest")} | counts


def heads_of(
    heads: nn.Linear, reward_model: RewardModel, training: Comparisons, tokens_per_batch: int
) -> dict[str, Tensor]:
    """Weights (h, d) of several heads, and each one's mean reward (h,) on training texts: brings them to one level."""
    weight = heads.weight.detach().cpu().contiguous()
    some = [*training.chosen[:500], *training.rejected[:500]]
    _, features = reward_model.score_and_features_encoded(some, tokens_per_batch=tokens_per_batch)
    return {"weight": weight, "reward_mean": (torch.from_numpy(features) @ weight.T).mean(dim=0)}


def kept_of_training(
    reward_model: RewardModel, training: Comparisons, tokens_per_batch: int
) -> tuple[HeadPosterior, FeatureRange]:
    """What the training comparisons leave open about the head, kept beside the weights for active sampling, and where
    their texts lie, by which the scorer says how far others are from them."""
    texts = [*training.chosen, *training.rejected]
    rewards, features = reward_model.score_and_features_encoded(texts, tokens_per_batch=tokens_per_batch)
    n = len(training)
    gaps = rewards[:n] - rewards[n:]
    posterior = HeadPosterior.fit(features[:n] - features[n:], gaps, training.numbers["weight"])
    return posterior, FeatureRange.fit(features)


def texts_unseen(config: RewardTrainConfig, reward_model: RewardModel, validation: Comparisons) -> list[list[int]]:
    """Token ids of the texts by which forgetting is measured: the config's file, or the chosen ones of validation."""
    if not config.forgetting_texts:
        return [one.input_ids for one in validation.chosen]
    return [
        reward_model.encoder.conversation_ids(row_messages(row, f"{config.forgetting_texts} row {number}"))[
            : reward_model.max_length
        ]
        for number, row in enumerate(read_rows(config.forgetting_texts), start=1)
    ]


def forgetting_of(before: dict[str, float] | None, after: dict[str, float] | None) -> dict[str, float] | None:
    """The language-modelling loss of the trunk before and after, in nats a token."""
    if before is None or after is None:
        return None
    return {"before": before["loss"], "after": after["loss"], "n_tokens": before["n_tokens"]}


def length_calibration_of(
    reward_model: RewardModel, validation: Comparisons, tokens_per_batch: int
) -> dict[str, float] | None:
    """What would take the excess of the model's taste for length over the labellers' out of its rewards."""
    if not len(validation):
        return None
    chosen, rejected = score_comparisons(reward_model, validation, tokens_per_batch)
    lengths = [np.asarray(validation.meta[name], dtype=np.float64) for name in ("chosen_chars", "rejected_chars")]
    found = fit_length_calibration(
        chosen.astype(np.float64) - rejected,
        lengths[0] - lengths[1],
        validation.numbers["soft_preference"],
        lengths=(lengths[0], lengths[1]),
    )
    return dataclasses.asdict(found)


def _split_head_group(optimiser: torch.optim.AdamW, heads: Sequence[nn.Module], factor: float) -> None:
    """Give the heads' parameters their own learning rate."""
    if factor == 1.0:
        return
    head_ids = {id(parameter) for head in heads for parameter in head.parameters()}
    extra: list[dict[str, Any]] = []
    for group in optimiser.param_groups:
        mine: Sequence[Tensor] = [p for p in group["params"] if id(p) in head_ids]
        if mine:
            group["params"] = [p for p in group["params"] if id(p) not in head_ids]
            extra.append(
                {**{k: v for k, v in group.items() if k != "params"}, "params": mine, "lr": group["lr"] * factor}
            )
    for group in extra:
        optimiser.add_param_group(group)


def _diverged(loss: float, step: int) -> str:
    return (
        f"training diverged: the loss is {loss:.3g} at update {step} (0.69 is a coin toss); "
        "lower learning_rate, or raise warmup_share"
    )
