"""What a policy run is asked to do, as a validated value."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

from django.core.exceptions import ValidationError

from training.engine.policy.stopping import StopRule
from training.policy.services import BUILTIN, validate_base_model
from training.validation import Problems

ALGORITHMS = ("rloo", "grpo")
SHAPINGS = ("none", "centred", "sigmoid", "clip")
ENSEMBLES = ("mean", "worst", "uncertainty")
REWARDS = ("rewards", "calibrated")
MAX_STEPS = 100_000
MAX_EVALUATIONS = 200
MAX_PROBE = 2_000
MAX_HUMAN_KLS = 20
# At β = 0.05 a policy gives up one unit of reward for 20 nats: it moves far enough for the curve to be seen, and the
# reward models that people's comparisons make still have something to say there.
BETA = 0.05


@dataclass(frozen=True)
class PolicyRunOptions:
    """start: "builtin", "checkpoint:<id>" or "path:/…" on the worker; also the reference, which stays as it is.

    reward_model: the version whose reward is optimised; combine_with: the slug of another project over the same pool,
    whose model in use is combined with it (helpfulness with safety, by the scorer's rule), "" for none; gold_model: the
    version that is looked at only, None for none.
    algorithm, n_iterations (updates of each batch), learning_rate, lora_rank (0: all weights), seed: of the training.
    clip: ε of the clipped objective, where n_iterations is above 1.
    beta: of the penalty on the KL to the reference; kl_target: nats that beta is steered to, 0 for a fixed beta, over
    kl_horizon completions.
    reward: as the model says it or less what length adds; shaping, ensemble: what the trainer makes of it;
    uncertainty_weight: λ of the mean less λ times the members' variance, where ensemble is "uncertainty".
    n_steps × prompts_per_step × completions_per_prompt are sampled, at `temperature`, up to max_new_tokens each;
    prompts of more than max_prompt_tokens are left out.
    evaluate_every (steps), on n_probe prompts that are not trained on. human_kls: KLs at which n_human of them are put
    before people. kl_limit: nats at which it ends, 0 for none. early_stop: end when the second judge or people say so;
    false only chooses the best. stop_patience, stop_confidence, stop_margin (of the second judge's gain): see
    `stopping.StopRule`.
    """

    start: str = BUILTIN
    reward_model: int = 0
    combine_with: str = ""
    gold_model: int | None = None
    algorithm: str = "rloo"
    beta: float = BETA
    kl_target: float = 0.0
    shaping: str = "none"
    ensemble: str = "mean"
    reward: str = "rewards"
    n_steps: int = 100
    prompts_per_step: int = 16
    completions_per_prompt: int = 4
    max_new_tokens: int = 64
    temperature: float = 1.0
    learning_rate: float = 1e-4
    lora_rank: int = 0
    evaluate_every: int = 10
    n_probe: int = 64
    human_kls: tuple[float, ...] = (2.0, 5.0, 10.0)
    n_human: int = 30
    kl_limit: float = 0.0
    n_iterations: int = 1
    max_prompt_tokens: int = 256
    clip: float = 0.2
    kl_horizon: float = 1000.0
    uncertainty_weight: float = 0.5
    early_stop: bool = True
    stop_patience: int = StopRule.patience
    stop_confidence: float = StopRule.confidence
    stop_margin: float = StopRule.margin
    seed: int = 0

    def __post_init__(self) -> None:
        problems = Problems()
        message = _start_problem(self.start)
        problems.expect(not message, "start", message)
        problems.whole("reward_model", self.reward_model, 1, 2**31 - 1)
        if self.gold_model is not None:
            problems.whole("gold_model", self.gold_model, 1, 2**31 - 1)
            is_other = self.gold_model != self.reward_model
            problems.expect(is_other, "gold_model", "A second judge has to be another model than the one optimised.")
        for name, known in (
            ("algorithm", ALGORITHMS),
            ("shaping", SHAPINGS),
            ("ensemble", ENSEMBLES),
            ("reward", REWARDS),
        ):
            value = getattr(self, name)
            problems.expect(value in known, name, f"Expected one of {', '.join(known)}, got {value!r}.")
        if self.combine_with:
            told = "Of combined models there is one reward: no members, and none calibrated for length."
            problems.expect(self.ensemble == "mean", "ensemble", told)
            problems.expect(self.reward == "rewards", "reward", told)
        problems.number("beta", self.beta, 0, 10)
        problems.number("kl_target", self.kl_target, 0, 10_000)
        is_fixed = not self.kl_target or bool(self.beta)
        problems.expect(is_fixed, "beta", "A β that starts at 0 cannot be steered to a KL: give it a value above 0.")
        problems.number("kl_limit", self.kl_limit, 0, 10_000)
        problems.number("temperature", self.temperature, 0, 5, is_open=True)
        problems.number("learning_rate", self.learning_rate, 0, 1, is_open=True)
        problems.whole("n_steps", self.n_steps, 1, MAX_STEPS)
        problems.whole("prompts_per_step", self.prompts_per_step, 1, 4096)
        problems.whole("completions_per_prompt", self.completions_per_prompt, 2, 64)
        problems.whole("max_new_tokens", self.max_new_tokens, 1, 16_384)
        problems.whole("lora_rank", self.lora_rank, 0, 1024)
        problems.whole("evaluate_every", self.evaluate_every, 1, MAX_STEPS)
        problems.whole("n_probe", self.n_probe, 4, MAX_PROBE)
        problems.whole("n_human", self.n_human, 0, 500)
        problems.whole("n_iterations", self.n_iterations, 1, 16)
        problems.whole("max_prompt_tokens", self.max_prompt_tokens, 8, 131_072)
        problems.number("clip", self.clip, 0, 1, is_open=True)
        problems.number("kl_horizon", self.kl_horizon, 1, 1e9)
        problems.number("uncertainty_weight", self.uncertainty_weight, 0, 100)
        problems.expect(isinstance(self.early_stop, bool), "early_stop", "Expected true or false.")
        problems.whole("stop_patience", self.stop_patience, 0, MAX_EVALUATIONS)
        problems.number("stop_confidence", self.stop_confidence, 0.5, 0.9999)
        problems.number("stop_margin", self.stop_margin, 0, 1e6)
        problems.whole("seed", self.seed, 0, 2**31 - 1)
        are_numbers = all(
            isinstance(one, int | float) and not isinstance(one, bool) and 0 < one <= 10_000 for one in self.human_kls
        )
        problems.expect(
            are_numbers and len(self.human_kls) <= MAX_HUMAN_KLS,
            "human_kls",
            f"Expected at most {MAX_HUMAN_KLS} numbers above 0 to 10000.",
        )
        problems.done()
        is_growing = list(self.human_kls) == sorted(set(self.human_kls))
        problems.expect(is_growing, "human_kls", "Expected each once, in growing order.")
        problems.expect(
            self.n_evaluations <= MAX_EVALUATIONS,
            "evaluate_every",
            f"That makes {self.n_evaluations} evaluations; {MAX_EVALUATIONS} are allowed: evaluate less often.",
        )
        problems.expect(
            self.n_human <= self.n_probe, "n_human", f"People are asked about the {self.n_probe} prompts evaluated on."
        )
        problems.done()

    @property
    def stop_rule(self) -> StopRule:
        """By which the second judge ends a run."""
        return StopRule(confidence=self.stop_confidence, margin=self.stop_margin, patience=self.stop_patience)

    @property
    def n_batches(self) -> int:
        """Batches of completions that are sampled, each for `n_iterations` of the `n_steps` updates."""
        return -(-self.n_steps // self.n_iterations)

    @property
    def n_drawn(self) -> int:
        """Prompts of all batches; the same one may be drawn again."""
        return self.n_batches * self.prompts_per_step

    @property
    def n_evaluations(self) -> int:
        """At most: at the start, at intervals, at the end, and one for each KL at which people are asked."""
        return 2 + (self.n_steps - 1) // self.evaluate_every + len(self.human_kls)

    @classmethod
    def parse(cls, raw: Any) -> Self:
        """From JSON. Raises ValidationError by field."""
        if not isinstance(raw, dict):
            raise ValidationError({"options": "Expected an object."})
        known = {one.name for one in dataclasses.fields(cls)}
        if unknown := {str(name): "There is no such option." for name in raw if name not in known}:
            raise ValidationError(unknown)
        values = dict(raw)
        if "human_kls" in values:
            if not isinstance(values["human_kls"], list | tuple):
                raise ValidationError({"human_kls": "Expected a list."})
            values["human_kls"] = tuple(values["human_kls"])
        return cls(**values)

    @classmethod
    def filled(cls, raw: dict[str, Any]) -> dict[str, Any]:
        """Options as they are stored, with the defaults of those that were not there then."""
        return {**{one.name: one.default for one in dataclasses.fields(cls)}, **raw}

    def to_dict(self) -> dict[str, Any]:
        """As JSON, defaults included; `parse` gives it back."""
        return {**dataclasses.asdict(self), "human_kls": list(self.human_kls)}


def _start_problem(start: Any) -> str:
    """What is wrong with the name of a model to start from, whether or not there is such a model; empty: nothing."""
    expected = f'Expected "{BUILTIN}", checkpoint:<id> or path:/…, got {start!r}.'
    if not isinstance(start, str) or len(start) > 500 or "\x00" in start:
        return expected
    kind, _, name = start.partition(":")
    if start == BUILTIN or (kind == "checkpoint" and name.isascii() and name.isdigit() and len(name) < 19):
        return ""
    if kind == "path" and name.startswith("/"):
        try:
            validate_base_model(name)
        except ValidationError as error:
            return " ".join(error.messages)
        return ""
    return expected
