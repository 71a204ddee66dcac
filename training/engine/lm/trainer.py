"""The training loop of language models on packed rows: deterministic, checkpointed, stopped by divergence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from training.engine.common.checkpoint import Checkpoints
from training.engine.common.cli import StopFlag
from training.engine.common.errors import EngineError, StopRequested
from training.engine.common.optimisation import adamw, autocast, schedule
from training.engine.common.progress import Pace, Reporter
from training.engine.lm.packing import PackedRows


@dataclass(frozen=True)
class FitSettings:
    """How `fit` trains; the verbs' configs are turned into one of these."""

    n_steps: int
    rows_per_step: int
    learning_rate: float
    warmup_share: float
    weight_decay: float
    max_grad_norm: float
    seed: int
    precision: str
    device: str
    checkpoint_steps: int


def token_loss(model: nn.Module, input_ids: Tensor, positions: Tensor, has_loss: Tensor) -> Tensor:
    """Sum of −log p(token | its document so far) over the tokens with loss; all arguments (n, t).

    Vocabulary logits are computed only where there is loss.
    """
    decoder: Any = model.base_model
    head: Any = model.get_output_embeddings()  # type: ignore[operator]
    hidden = decoder(input_ids=input_ids, position_ids=positions, use_cache=False).last_hidden_state
    wanted = has_loss[:, 1:]
    logits = head(hidden[:, :-1][wanted])
    return cross_entropy(logits.float(), input_ids[:, 1:][wanted], reduction="sum")


def fit(
    model: nn.Module,
    rows: PackedRows,
    settings: FitSettings,
    *,
    checkpoints: Checkpoints,
    reporter: Reporter,
    stop: StopFlag,
    stage: str,
) -> dict[str, float]:
    """Train in place for `n_steps` updates, resuming from the newest checkpoint.

    Epochs are permutations drawn from (seed, epoch). Returns the mean loss of the first and the last tenth of the
    steps. Raises StopRequested after writing a checkpoint, or EngineError "diverged".
    """
    optimiser = adamw(
        model, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay, betas=(0.9, 0.95)
    )
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, schedule(settings.n_steps, settings.warmup_share))
    torch.manual_seed(settings.seed)
    step, losses = 0, list[float]()
    state = checkpoints.load()
    if state is not None:
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        scheduler.load_state_dict(state["scheduler"])
        step, losses = state["step"], state["losses"]
        reporter.log(f"resumed {stage} at step {step} of {settings.n_steps}")

    def checkpoint() -> None:
        checkpoints.save(
            step,
            {
                "model": model.state_dict(),
                "optimiser": optimiser.state_dict(),
                "scheduler": scheduler.state_dict(),
                "losses": losses,
            },
        )

    model.train()
    pace = Pace(done=step)
    tokens_per_step = settings.rows_per_step * rows.input_ids.shape[1]
    while step < settings.n_steps:
        picked = rows_of_step(len(rows), step, settings.rows_per_step, settings.seed)
        input_ids, positions, has_loss = (
            torch.from_numpy(part[picked]).to(settings.device)
            for part in (rows.input_ids.astype(np.int64), rows.positions.astype(np.int64), rows.has_loss)
        )
        with autocast(settings.device, settings.precision):
            loss = token_loss(model, input_ids, positions, has_loss) / has_loss.sum().clamp(min=1)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
        value = float(loss.detach())
        if not (math.isfinite(value) and math.isfinite(float(norm))):
            raise EngineError(
                "diverged",
                f"the {stage} loss became {value} (gradient norm {float(norm)}) at step {step}; lower learning_rate",
            )
        optimiser.step()
        scheduler.step()
        optimiser.zero_grad(set_to_none=True)
        step += 1
        losses.append(value)
        speed = pace.rate(step) * tokens_per_step
        reporter.progress(
            stage,
            step,
            settings.n_steps,
            message=f"loss {value:.2f}, {speed:,.0f} tokens/s, ETA {pace.eta(step, settings.n_steps)}",
            metrics={"loss": value, "tokens_per_s": speed, "learning_rate": float(scheduler.get_last_lr()[0])},
        )
        is_due = step % settings.checkpoint_steps == 0 and step < settings.n_steps
        if stop.is_set and step < settings.n_steps:
            checkpoint()
            raise StopRequested
        if is_due:
            checkpoint()
    tenth = max(1, len(losses) // 10)
    return {"first_loss": float(np.mean(losses[:tenth])), "last_loss": float(np.mean(losses[-tenth:]))}


def rows_of_step(n_rows: int, step: int, rows_per_step: int, seed: int) -> NDArray[np.int64]:
    """Row indices of one step: the (step · k)-th to ((step + 1) · k)-th of endless epochs, each its own permutation."""
    first = step * rows_per_step
    picked: list[NDArray[np.int64]] = []
    position = first
    while position < first + rows_per_step:
        epoch, offset = divmod(position, n_rows)
        order = np.random.default_rng((seed, epoch)).permutation(n_rows)
        take = order[offset : offset + first + rows_per_step - position]
        picked.append(take)
        position += len(take)
    return np.concatenate(picked)


@torch.no_grad()
def mean_token_loss(model: nn.Module, rows: PackedRows, *, device: str, precision: str, n_rows: int = 8) -> float:
    """Mean −log p over all tokens with loss, in nats, without training."""
    model.eval()
    total, count = 0.0, 0
    for start in range(0, len(rows), n_rows):
        part = slice(start, start + n_rows)
        has_loss = torch.from_numpy(rows.has_loss[part]).to(device)
        with autocast(device, precision):
            total += float(
                token_loss(
                    model,
                    torch.from_numpy(rows.input_ids[part].astype(np.int64)).to(device),
                    torch.from_numpy(rows.positions[part].astype(np.int64)).to(device),
                    has_loss,
                )
            )
        count += int(has_loss[:, 1:].sum())
    return total / max(1, count)
