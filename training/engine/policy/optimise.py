"""`optimise`: train a policy with TRL against a served, frozen reward model, and watch what becomes of it."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from training.engine.common.atomic import sha256_file, write_json
from training.engine.common.chat import DEFAULT_CHAT_TEMPLATE, ChatEncoder
from training.engine.common.cli import StopFlag
from training.engine.common.config import ConfigError, claim_run_directory, config_from_dict, finished_result
from training.engine.common.distributed import Peers
from training.engine.common.errors import EngineError, StopRequested
from training.engine.common.optimisation import autocast, resolve_device, resolve_precision, use_threads
from training.engine.common.progress import Pace, Reporter
from training.engine.common.rows import read_rows, row_messages
from training.engine.lm.sft import load_causal
from training.engine.policy.config import OptimiseConfig
from training.engine.policy.evaluate import Probe, Prompt, without_adapters, write_completions
from training.engine.policy.judge import Judge
from training.engine.policy.kl import AdaptiveBeta
from training.engine.policy.saving import save_whole
from training.engine.policy.shaping import Array, ensembled, shaped
from training.engine.policy.stopping import Decision, Point, StopRule, decide

WARMUP_STEPS = 5


def optimise(config: OptimiseConfig, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
    """Train; every evaluation is a directory OUT/evaluations/STEP, every update a line of OUT/steps.jsonl.

    Result: model (directory of the policy that is kept; the reference's own where nothing was better), best_step,
    last_step, stop_reason ("" when it ran to its end), stop_message, n_steps, seconds. A file OUT/stop.json {"reason",
    "message"} ends the run, with success, after the step at hand.

    Several processes (`accelerate launch`) share out each batch and each evaluation; the first writes and tells, and
    what decides how it goes on is known to all. A run may be resumed by another number of them.
    """
    out = Path(config.out_dir)
    peers = Peers.join(resolve_device(config.device))
    for path in (config.prompts, config.probe):
        if not Path(path).is_file():
            raise EngineError("input_not_found", f"the prompts file {path} does not exist")
    config.n_completions_of(peers.n)
    # On a CPU most of the time goes into sampling, where bf16 gains nothing, and KL is exact in float32.
    is_cpu = torch.device(peers.device).type == "cpu"
    precision = "fp32" if is_cpu and config.precision == "auto" else resolve_precision(config.precision, peers.device)

    def claim() -> dict[str, Any] | None:
        digests = {"prompts": sha256_file(config.prompts), "probe": sha256_file(config.probe)}
        claim_run_directory(out, config, fingerprint={**digests, "precision": precision})
        return finished_result(out)

    if (done := peers.first(claim)) is not None:
        return done
    use_threads(config.n_threads)
    run = _Run(config, reporter, stop, peers, precision)
    result = run.train()
    if peers.is_first:
        write_json(out / "result.json", result)
        shutil.rmtree(out / "trainer", ignore_errors=True)
    return result


class _Run:
    """One run: the models, the judges, what was measured so far."""

    def __init__(
        self, config: OptimiseConfig, reporter: Reporter, stop: StopFlag, peers: Peers, precision: str
    ) -> None:
        self.config, self.reporter, self.stop = config, reporter, stop
        self.out = Path(config.out_dir)
        self.peers, self.device, self.precision = peers, peers.device, precision
        self.rule = _stop_rule(config)
        token = os.environ.get("SCORER_TOKEN", "")
        self.judge = self._frozen_judge(token)
        self.gold = Judge(config.gold_url, config.gold_model, token, "gold") if config.gold_url else None
        self.model, self.tokenizer = load_causal(config.policy)
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        if not self.tokenizer.chat_template:
            self.tokenizer.chat_template = DEFAULT_CHAT_TEMPLATE
        window = int(getattr(self.model.config.get_text_config(), "max_position_embeddings", 1 << 30))
        room = min(config.max_prompt_tokens, window - config.max_new_tokens)
        if room < 8:
            raise ConfigError(
                "max_new_tokens", f"leaves no room for a prompt in this model's window of {window} tokens"
            )
        self.encoder = ChatEncoder(self.tokenizer, room)
        self.prompts = self._read(config.prompts, room)
        if len(self.prompts) < config.prompts_per_step:
            raise EngineError(
                "too_few_prompts",
                f"{len(self.prompts)} prompts of at most {room} tokens are fewer than one batch of "
                f"{config.prompts_per_step}: ask for smaller batches, or allow longer prompts",
            )
        probe = self._read(config.probe, room)
        if len(probe) < 2:
            raise EngineError("too_few_prompts", f"an evaluation needs 2 probe prompts of at most {room} tokens")
        self.probe = Probe(
            probe,
            self.tokenizer,
            self.judge,
            self.gold,
            peers,
            seed=config.seed,
            temperature=config.temperature,
            max_new_tokens=config.max_new_tokens,
        )
        self.rewards = Rewards(config, self.judge, self.prompts, self._reference_values, peers)
        self.history: list[dict[str, Any]] = []
        self.decision = Decision(False, "", "", 0)
        self._frozen_model: Any = None

    # --- the run ------------------------------------------------------------------------------------------------------
    def train(self) -> dict[str, Any]:
        started = time.monotonic()
        resume = self.peers.first(self._resume_from)
        at = int(resume.name.rpartition("-")[2]) if resume else 0
        beta, self.history = self.peers.first(lambda: self._go_on(at))
        if self.history:
            self.decision = decide([Point.of(one) for one in self.history], self.rule)
        trainer = self._trainer(beta)
        if trainer.ref_model is not None:
            self._frozen_model = trainer.ref_model
        watch = _Watch(self, trainer, AdaptiveBeta(beta, self.config.kl_target, self.config.kl_horizon))
        trainer.add_callback(watch)
        if not self.history:
            self.evaluate(trainer.model, 0, beta)
        if resume and self.peers.is_first:
            self.reporter.log(f"resumed at step {at} of {self.config.n_steps}")
        if at < self.config.n_steps and not self.decision.stop:
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        if watch.is_interrupted:
            raise StopRequested
        last = watch.step or at
        if self.history[-1]["step"] != last:
            self.evaluate(trainer.model, last, trainer.beta)
        return self.peers.first(lambda: self._result(watch.ended or ("", ""), last, started))

    def _result(self, ended: tuple[str, str], last: int, started: float) -> dict[str, Any]:
        best = self.decision.best_step
        for directory in self._evaluations():
            if int(directory.name) not in (best, last):
                shutil.rmtree(directory / "model", ignore_errors=True)
        return {
            "model": self.config.policy if best == 0 else str(self._directory(best) / "model"),
            "best_step": best,
            "last_step": last,
            "stop_reason": ended[0],
            "stop_message": ended[1],
            "n_steps": self.config.n_steps,
            "seconds": round(time.monotonic() - started, 1),
        }

    def evaluate(self, policy: Any, step: int, beta: float, human_kl: float | None = None) -> None:
        """Make the evaluation of a step and decide on going on."""

        def save(directory: Path) -> None:
            save_whole(policy, self.tokenizer, directory)

        # TRL's reference computes in the run's precision, so the policy has to, or they differ where they are the same.
        with autocast(self.device, self.precision):
            values = self.probe.evaluate(
                policy,
                self._reference(policy),
                self._directory(step),
                step=step,
                beta=beta,
                human_kl=human_kl,
                save=save if step else None,
            )
        self.history.append(values)
        self.decision = decide([Point.of(one) for one in self.history], self.rule)
        if self.peers.is_first:
            self.reporter.event("evaluation", step=step, path=str(self._directory(step)))

    # --- parts --------------------------------------------------------------------------------------------------------
    def _trainer(self, beta: float) -> Any:
        """TRL's own trainer, asked for nothing but what the config says."""
        from datasets import Dataset
        from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

        config = self.config
        # What the whole batch is stays the same, however many processes share it.
        n_mine = config.n_completions_of(self.peers.n)
        n_at_once = config.micro_batch_size or n_mine
        arguments: dict[str, Any] = {
            "output_dir": str(self.out / "trainer"),
            "max_steps": config.n_steps,
            "per_device_train_batch_size": n_at_once,
            "gradient_accumulation_steps": n_mine // n_at_once,
            "num_generations": config.completions_per_prompt,
            "num_iterations": config.n_iterations,
            "epsilon": config.clip,
            "max_completion_length": config.max_new_tokens,
            "temperature": config.temperature,
            "beta": beta,
            "learning_rate": config.learning_rate,
            "lr_scheduler_type": "constant_with_warmup",
            "warmup_steps": WARMUP_STEPS,
            "logging_steps": 1,
            "save_strategy": "steps",
            "save_steps": _multiple(config.checkpoint_steps, config.n_iterations),
            "save_total_limit": 2,
            "report_to": "none",
            "disable_tqdm": True,
            "seed": config.seed,
            "bf16": self.precision == "bf16",
            "use_cpu": torch.device(self.device).type == "cpu",
            "gradient_checkpointing": config.gradient_checkpointing,
        }
        rows = [{"prompt": self.encoder.neutralised(one.messages), "prompt_id": one.id} for one in self.prompts]
        kind: Any
        options: Any
        kind, options = (RLOOTrainer, RLOOConfig) if config.algorithm == "rloo" else (GRPOTrainer, GRPOConfig)
        trainer = kind(
            model=self.model,
            reward_funcs=self.rewards,
            args=options(**arguments),
            train_dataset=Dataset.from_list(rows),
            processing_class=self.tokenizer,
            peft_config=self._adapters(),
        )
        self.model = trainer.model  # with its adapters
        trainer.remove_callback(PrinterCallback)  # what is printed is read as events
        return trainer

    def _adapters(self) -> Any:
        if not self.config.lora_rank:
            return None
        from peft import LoraConfig

        rank = self.config.lora_rank
        return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")

    def _reference(self, policy: Any) -> Callable[[], AbstractContextManager[Any]]:
        if self.config.lora_rank:
            return lambda: without_adapters(policy)
        return lambda: contextlib.nullcontext(self._reference_model())

    def _reference_model(self) -> Any:
        """The trainer's, or, where it keeps none (β = 0), one of our own."""
        if self._frozen_model is None:
            self._frozen_model = load_causal(self.config.policy)[0].to(self.device).eval().requires_grad_(False)
        return self._frozen_model

    def _reference_values(self, prompts: Sequence[Prompt]) -> Array:
        """What the reference's completion of each prompt is worth, for the shapings that need it (n)."""
        with self._reference(self.model)() as model, torch.no_grad():
            was_training = model.training
            model.eval()
            sampled = write_completions(
                model,
                self.tokenizer,
                prompts,
                seed=self.config.seed,
                temperature=self.config.temperature,
                max_new_tokens=self.config.max_new_tokens,
            )
            model.train(was_training)
        found = self.judge.judge([one.messages for one in prompts], [one.text for one in sampled])
        return ensembled(self.config.how, found.rewards, found.members, found.calibrated)

    def _read(self, path: str, room: int) -> list[Prompt]:
        found, n_long = [], 0
        for number, row in enumerate(read_rows(path), start=1):
            messages = row_messages(row, f"{path} row {number}")
            ids = self.encoder.prompt_ids(messages)
            if len(ids) > room:
                n_long += 1
                continue
            found.append(Prompt(str(row.get("id", number)), [dict(one) for one in messages], ids))
        if n_long and self.peers.is_first:
            self.reporter.log(f"{n_long} prompts of {Path(path).name} are longer than {room} tokens and left out")
        return found

    # --- going on where a run was cut short ---------------------------------------------------------------------------
    def _frozen_judge(self, token: str) -> Judge:
        """The reward model in the version that it had when the run began."""
        path = self.out / "frozen.json"

        def version() -> str:
            if not path.is_file():
                now = Judge(self.config.scorer_url, self.config.reward_model, token).model
                write_json(path, {"reward_model": now})
            return str(json.loads(path.read_text(encoding="utf-8"))["reward_model"])

        return Judge(self.config.scorer_url, self.peers.first(version), token)

    def _resume_from(self) -> Path | None:
        """The newest whole checkpoint: one that was being written when the process died is not named yet."""
        names = self.out / "checkpoints.json"
        if not names.is_file():
            return None
        known = [Path(path) for path in json.loads(names.read_text(encoding="utf-8"))]
        return next((path for path in reversed(known) if path.is_dir()), None)

    def _go_on(self, at: int) -> tuple[float, list[dict[str, Any]]]:
        """Forget what was measured after the checkpoint, return β and the evaluations before it."""
        history = []
        lines = [line for line in self.step_rows() if line["step"] <= at]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (self.out / "steps.jsonl").write_text(text, encoding="utf-8")
        for directory in self._evaluations():
            if int(directory.name) > at:
                shutil.rmtree(directory)
            else:
                history.append(json.loads((directory / "evaluation.json").read_text(encoding="utf-8")))
        return float(lines[-1]["next_beta"]) if lines else self.config.beta, history

    def step_rows(self) -> list[dict[str, Any]]:
        path = self.out / "steps.jsonl"
        if not path.is_file():
            return []
        found = []
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(json.JSONDecodeError):  # the line that was being written when the process died
                found.append(json.loads(line))
        return found

    def _evaluations(self) -> list[Path]:
        return sorted(path for path in (self.out / "evaluations").glob("[0-9]*") if path.is_dir())

    def _directory(self, step: int) -> Path:
        return self.out / "evaluations" / f"{step:05d}"


class Rewards:
    """TRL's reward function: asks the scorer, makes one number of each answer, keeps what the batch was worth.

    Each process asks for its own part of the batch.
    """

    __name__ = "reward"

    def __init__(
        self,
        config: OptimiseConfig,
        judge: Judge,
        prompts: Sequence[Prompt],
        reference_values: Callable[[Sequence[Prompt]], Array],
        peers: Peers,
    ) -> None:
        self._how, self._judge, self._peers = config.how, judge, peers
        self._prompts = {one.id: one for one in prompts}
        self._reference_values = reference_values
        self._known: dict[str, float] = {}
        self.raw = 0.0

    def __call__(self, prompts: list[Any], completions: list[Any], *, prompt_id: list[str], **_: Any) -> list[float]:
        texts = [one if isinstance(one, str) else "".join(part["content"] for part in one) for one in completions]
        return self._peers.each(lambda: self._values(prompt_id, texts))

    def _values(self, prompt_id: list[str], texts: list[str]) -> list[float]:
        found = self._judge.judge([self._prompts[one].messages for one in prompt_id], texts)
        self.raw = float(found.rewards.mean())
        try:
            values = ensembled(self._how, found.rewards, found.members, found.calibrated)
        except ValueError as error:
            raise EngineError("bad_config", f"{error}: choose another reward or ensemble") from error
        if self._how.shaping == "none":
            return [float(value) for value in values]
        new = [self._prompts[one] for one in dict.fromkeys(prompt_id) if one not in self._known]
        if new:
            self._known |= dict(zip([one.id for one in new], self._reference_values(new).tolist(), strict=True))
        reference = np.asarray([self._known[one] for one in prompt_id])
        return [float(value) for value in shaped(self._how, values, reference, self._judge.std)]


class _Watch(TrainerCallback):
    """Writes down each update, evaluates, steers β, and ends the run."""

    def __init__(self, run: _Run, trainer: Any, controller: AdaptiveBeta) -> None:
        self.run, self.trainer, self.controller = run, trainer, controller
        self.pace = Pace(done=0)
        self.began = time.monotonic()
        self.step = 0
        self.ended: tuple[str, str] | None = None
        self.is_interrupted = False
        self._kl = self._length = 0.0
        self._marks = [kl for kl in run.config.human_kls if kl not in {one["human_kl"] for one in run.history}]

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> TrainerControl:
        """After each update, with what TRL has measured of it."""
        if logs is None or "loss" not in logs:  # the summary at the end
            return control
        config, peers = self.run.config, self.run.peers
        self.step = state.global_step
        raw, n_told_to_stop = peers.add_up((self.run.rewards.raw, self.run.stop.is_set), peers.device)
        row, self._kl = peers.first(lambda: self._written_row(logs, raw / peers.n))
        self.trainer.beta = row["next_beta"]
        if not math.isfinite(row["loss"]):
            raise EngineError("diverged", f"the loss became {row['loss']} at step {self.step}; lower learning_rate")
        self._evaluate_if_due()
        self.ended = peers.first(self._end)
        at_a_batch = self.step % config.n_iterations == 0
        self.is_interrupted = n_told_to_stop > 0 and at_a_batch and not self.ended and self.step < config.n_steps
        if self.ended or self.is_interrupted:
            control.should_training_stop = True
            control.should_save = self.is_interrupted
        return control

    def _written_row(self, logs: dict[str, Any], raw: float) -> tuple[dict[str, Any], float]:
        """The line that is added to steps.jsonl, and the KL that β was steered by."""
        row = self._row(logs, raw)
        row["next_beta"] = self.controller.update(self._kl, self.run.config.n_completions)
        with open(self.run.out / "steps.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self._tell(row)
        return row, self._kl

    def _row(self, logs: dict[str, Any], raw: float) -> dict[str, Any]:
        """A line of steps.jsonl. `kl` is TRL's estimate, k1 in RLOO and k3 in GRPO, in nats a completion.

        An update on a batch that was used before has no new lengths, and in RLOO no new KL.
        """
        if logs.get("completions/mean_length") is not None:
            self._length = float(logs["completions/mean_length"])
        if logs.get("kl") is not None:
            self._kl = float(logs["kl"]) * self._length
        return {
            "step": self.step,
            "reward": logs.get("reward"),
            "raw_reward": raw,
            "reward_std": logs.get("reward_std"),
            "kl": self._kl if self.run.config.beta else None,
            "beta": self.trainer.beta,
            "entropy": logs.get("entropy"),
            "length": self._length,
            "cut_off": logs.get("completions/clipped_ratio"),
            "loss": float(logs["loss"]),
            "learning_rate": logs.get("learning_rate"),
            "seconds": round(time.monotonic() - self.began, 2),
        }

    def _tell(self, row: dict[str, Any]) -> None:
        n_steps = self.run.config.n_steps
        kl = "" if row["kl"] is None else f", KL {row['kl']:.2f}"
        self.run.reporter.progress(
            "policy",
            self.step,
            n_steps,
            message=f"reward {row['raw_reward']:.2f}{kl}, ETA {self.pace.eta(self.step, n_steps)}",
            metrics={name: float(row[name] or 0.0) for name in ("raw_reward", "kl", "beta", "entropy", "length")},
        )

    def _evaluate_if_due(self) -> None:
        reached = [kl for kl in self._marks if self._kl >= kl]
        config = self.run.config
        if not (reached or self.step % config.evaluate_every == 0 or self.step == config.n_steps):
            return
        if reached:
            self._marks = [kl for kl in self._marks if kl > reached[-1]]
        self.run.evaluate(self.trainer.model, self.step, self.trainer.beta, reached[-1] if reached else None)

    def _end(self) -> tuple[str, str] | None:
        """Why the run ends here, as a code and in words."""
        asked = self.run.out / "stop.json"
        if asked.is_file():
            found = json.loads(asked.read_text(encoding="utf-8"))
            return str(found["reason"]), str(found["message"])
        newest, config = self.run.history[-1], self.run.config
        if newest["step"] != self.step:
            return None
        if config.early_stop and self.run.decision.stop:
            return self.run.decision.reason, self.run.decision.message
        if 0 < config.kl_limit <= newest["kl"]:
            return "kl_limit", f"KL reached {newest['kl']:.1f} nats a completion, and {config.kl_limit:g} is the limit."
        return None

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        """A checkpoint is whole once each process has written its random state."""
        self.run.peers.wait()
        if not self.run.peers.is_first:
            return control
        directory = Path(str(args.output_dir))
        path = directory / f"checkpoint-{state.global_step}"
        known = [str(one) for one in directory.glob("checkpoint-*") if one != path]
        known.sort(key=lambda name: int(name.rpartition("-")[2]))
        write_json(self.run.out / "checkpoints.json", [*known, str(path)])
        return control


def _stop_rule(config: OptimiseConfig) -> StopRule:
    try:
        return config_from_dict(StopRule, config.stop_rule)
    except ValueError as error:
        raise ConfigError("stop_rule", str(error)) from error


def _multiple(n: int, of: int) -> int:
    return max(1, math.ceil(n / of)) * of
