"""What the engine is told where nobody chose."""

from typing import Any

from training.policy.services import BaseModel
from training.reward.options import TrainingOptions

# A pretrained base is only bent a little; the small built-in one has most still to learn, and on the demo's ratings
# more and larger updates took it from the coin toss to two in three.
PRETRAINED_DEFAULTS = {"learning_rate": 5e-5}
# Few new weights beside frozen ones bear, and need, larger steps.
LEARNING_RATES = {"lora": 2e-4, "head": 1e-3}
# Times the base's rate for a training that goes on: its head is no longer a coin toss, and large steps on few new
# comparisons undo what it knows (docs/reward-model-reports.md has what was measured).
CONTINUED_RATE = 0.3
BUILTIN_DEFAULTS = {"learning_rate": 1e-3, "batch_size": 16, "epochs": 2}


def engine_options(options: TrainingOptions, base: BaseModel) -> dict[str, Any]:
    """The chosen options over the base's defaults, under the engine's names; the rest is the engine's default."""
    defaults: dict[str, Any] = dict(PRETRAINED_DEFAULTS if base.checkpoint is None else BUILTIN_DEFAULTS)
    if base.checkpoint is None and options.tuning in LEARNING_RATES:
        defaults["learning_rate"] = LEARNING_RATES[options.tuning]
    if options.is_continued:
        defaults["learning_rate"] *= CONTINUED_RATE
    chosen = options.to_dict()
    chosen.pop("start", None)  # the engine is told from where instead (`reward.continuing`)
    return defaults | chosen
