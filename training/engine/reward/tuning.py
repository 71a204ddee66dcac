"""Which weights a reward model trains: all, LoRA matrices beside frozen ones, or the head alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from training.engine.common.errors import EngineError

if TYPE_CHECKING:
    from training.engine.reward.model import RewardModel

LORA_MARK = "lora_"


def prepare(model: nn.Module, head: nn.Linear, *, tuning: str, lora_rank: int, lora_alpha: float) -> None:
    """Freeze what is not trained, in place. "lora" puts low-rank matrices beside every linear layer but the head.

    LoRA: Hu et al. 2021, arXiv 2106.09685. The base's own weights stay as they are, bit for bit.
    """
    if tuning == "full":
        return
    model.requires_grad_(False)
    if tuning == "lora":
        from peft import LoraConfig, inject_adapter_in_model

        linear = [
            name
            for name, module in model.named_modules()
            if (isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D") and module is not head
        ]
        if not linear:
            raise EngineError("bad_config", f"tuning: {type(model).__name__} has no linear layers for LoRA; use full")
        scale: Any = lora_alpha  # typed as a whole number, used as any
        config = LoraConfig(r=lora_rank, lora_alpha=scale, target_modules=linear, lora_dropout=0.0)
        inject_adapter_in_model(config, model)
    head.requires_grad_(True)


def merge_lora(model: nn.Module) -> None:
    """Add LoRA's matrices to the weights that they stand beside and leave plain layers, in place."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, BaseTunerLayer):
            layer: Any = module
            layer.merge()
            parent_name, _, attribute = name.rpartition(".")
            setattr(model.get_submodule(parent_name), attribute, layer.get_base_layer())
    model.requires_grad_(True)


def lora_weights(model: nn.Module) -> dict[str, Tensor]:
    """LoRA's matrices by name; {} for a model without."""
    return {name: one.detach().cpu().contiguous() for name, one in model.named_parameters() if LORA_MARK in name}


class Weights(nn.Module):
    """What is trained, in float32, by name: the optimiser's parameters and all that a checkpoint needs of a model.

    `in_half`: the trunk computes in bfloat16 from a copy of these weights, made after every update, instead of casting
    weights and activations at every layer. Gradients are added up in float32. `restore` ends it.
    """

    def __init__(self, reward_model: RewardModel, learner: nn.Module, *, in_half: bool) -> None:
        super().__init__()
        self._trunk: list[Any] = [reward_model.model.base_model]  # in a list: it is not this module's to register
        self.in_half = in_half
        trunk = {id(parameter) for parameter in self._trunk[0].parameters()}
        modules = (("model", reward_model.model), ("learner", learner))
        named = {
            f"{which}.{name}": parameter
            for which, module in modules
            for name, parameter in module.named_parameters()
            if parameter.requires_grad
        }
        self._halves: list[tuple[nn.Parameter, nn.Parameter]] = []
        self._named: dict[str, nn.Parameter] = {}
        for name, parameter in named.items():
            master = parameter
            if in_half and id(parameter) in trunk:
                master = nn.Parameter(parameter.detach().clone())
                self._halves.append((parameter, master))
            self._named[name] = master
        self.trained = nn.ParameterList(self._named.values())
        if in_half:
            # Weights only: a buffer such as the rotary frequencies would come back rounded.
            for parameter in self._trunk[0].parameters():
                parameter.data = parameter.data.bfloat16()

    @torch.no_grad()
    def collect_gradients(self) -> None:
        """Add the copies' gradients to those of the weights; after every backward pass."""
        for half, master in self._halves:
            if half.grad is not None:
                master.grad = half.grad.float() if master.grad is None else master.grad.add_(half.grad)
                half.grad = None

    @torch.no_grad()
    def publish(self) -> None:
        """Bring the copies up to date; after every update."""
        for half, master in self._halves:
            half.copy_(master)

    def restore(self) -> None:
        """The trunk has float32 weights again, those that were trained."""
        if self.in_half:
            for parameter in self._trunk[0].parameters():
                parameter.data = parameter.data.float()
            self.publish()
            self._halves, self.in_half = [], False

    def state(self) -> dict[str, Tensor]:
        """Copies by name."""
        return {name: parameter.detach().clone() for name, parameter in self._named.items()}

    @torch.no_grad()
    def load(self, state: dict[str, Tensor]) -> None:
        """Put back what `state` gave. Raises KeyError where it is of another model."""
        for name, parameter in self._named.items():
            parameter.copy_(state[name])
        self.publish()
