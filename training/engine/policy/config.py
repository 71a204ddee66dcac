"""What `optimise` can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from training.engine.common.config import option
from training.engine.common.errors import ConfigError
from training.engine.policy.shaping import ENSEMBLES, REWARDS, SHAPINGS, Shaping

ALGORITHMS = ("rloo", "grpo")


@dataclass(frozen=True)
class OptimiseConfig:
    """Config of `optimise`. The scorer's token is taken from the environment, SCORER_TOKEN."""

    policy: str = option(help="directory or hub id of a causal language model; as it is now it is the reference too")
    prompts: str = option(help='JSONL or Parquet file of {"id", "messages"} rows to train on')
    probe: str = option(help="the same of prompts that are never trained on, for the evaluations")
    out_dir: str = option(help="run directory")
    scorer_url: str = option(help="where the reward model is served")
    reward_model: str = option(help='"name", "name@version", or "one+other" combined')
    gold_url: str = option("", help="where a second, better judge is served; empty for none")
    gold_model: str = option("", help="its name there")
    algorithm: str = option("rloo", help="the trainer of TRL", choices=ALGORITHMS)
    n_iterations: int = option(
        1, help="updates on each batch of completions; above 1 PPO's clipped objective is at work", at_least=1
    )
    clip: float = option(0.2, help="ε of the clipped objective", above=0, at_most=1)
    beta: float = option(0.05, help="weight of the KL penalty, per nat", at_least=0)
    kl_target: float = option(0.0, help="nats a completion that β is steered to; 0 leaves β fixed", at_least=0)
    kl_horizon: float = option(1000.0, help="completions over which β adapts", above=0)
    reward: str = option("rewards", help="rewards, or those calibrated for length", choices=REWARDS)
    shaping: str = option("none", help="see shaping.shaped", choices=SHAPINGS)
    ensemble: str = option("mean", help="how an ensemble's members make one reward", choices=ENSEMBLES)
    uncertainty_weight: float = option(0.5, help="λ of mean − λ · variance", at_least=0)
    n_steps: int = option(100, help="updates", at_least=1)
    prompts_per_step: int = option(16, help="prompts in a batch", at_least=1)
    completions_per_prompt: int = option(4, help="completions of each", at_least=2)
    micro_batch_size: int = option(0, help="completions in one forward pass of the update; 0: all of a process")
    max_new_tokens: int = option(64, help="longest completion in tokens", at_least=1)
    max_prompt_tokens: int = option(256, help="longer prompts are left out", at_least=8)
    temperature: float = option(1.0, help="of the sampling, in training and evaluation", above=0)
    learning_rate: float = option(
        1e-4, help="constant after 5 steps; for all weights of a large model take 1e-6, for LoRA 1e-5 to 1e-4", above=0
    )
    lora_rank: int = option(0, help="rank of LoRA adapters on all linear layers; 0 trains all weights", at_least=0)
    gradient_checkpointing: bool = option(False, help="compute activations twice instead of keeping them")
    evaluate_every: int = option(10, help="updates between evaluations", at_least=1)
    human_kls: list[float] = option(  # noqa: RUF009 - option gives a field
        default_factory=list, help="KLs (nats a completion) at which an evaluation is made for people to judge"
    )
    kl_limit: float = option(0.0, help="KL (nats a completion) at which the run ends; 0 for none", at_least=0)
    stop_rule: dict[str, Any] = option(  # noqa: RUF009
        default_factory=dict, help="fields of stopping.StopRule"
    )
    early_stop: bool = option(True, help="end when the stop rule says so; false only marks the best")
    seed: int = option(0, help="of the data order and the sampling", at_least=0)
    precision: str = option("auto", help="bf16 on a GPU that has it, else fp32", choices=("auto", "fp32", "bf16"))
    device: str = option("auto", help="auto, cpu, cuda, cuda:0, …")
    n_threads: int = option(2, help="CPU threads", at_least=1)
    checkpoint_steps: int = option(20, help="updates between checkpoints", at_least=1)

    def validate(self) -> None:
        """Checks over several fields."""
        if self.kl_target > 0 and self.beta == 0:
            raise ConfigError("kl_target", "a β that starts at 0 cannot adapt: give beta a value above 0")
        if bool(self.gold_url) != bool(self.gold_model):
            raise ConfigError("gold_model", "a gold judge needs both gold_url and gold_model")
        if self.micro_batch_size and self.n_completions % self.micro_batch_size:
            raise ConfigError("micro_batch_size", f"must divide the batch of {self.n_completions} completions")
        if sorted(self.human_kls) != list(self.human_kls) or any(kl <= 0 for kl in self.human_kls):
            raise ConfigError("human_kls", f"expected growing numbers above 0, got {self.human_kls}")

    @property
    def n_completions(self) -> int:
        """Completions in a batch."""
        return self.prompts_per_step * self.completions_per_prompt

    def n_completions_of(self, n_processes: int) -> int:
        """Completions of the batch that each of so many processes writes and trains on.

        Raises ConfigError where they cannot be shared out evenly.
        """
        if self.n_completions % n_processes:
            raise ConfigError(
                "prompts_per_step",
                f"the batch of {self.prompts_per_step} × {self.completions_per_prompt} = {self.n_completions} "
                f"completions cannot be shared out evenly among {n_processes} processes",
            )
        mine = self.n_completions // n_processes
        if self.micro_batch_size and mine % self.micro_batch_size:
            raise ConfigError(
                "micro_batch_size", f"must divide the {mine} completions that each of {n_processes} processes has"
            )
        return mine

    @property
    def how(self) -> Shaping:
        return Shaping(self.reward, self.ensemble, self.uncertainty_weight, self.shaping)
