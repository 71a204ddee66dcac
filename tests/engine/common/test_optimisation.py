from __future__ import annotations

from itertools import pairwise

import pytest
from torch import nn

from training.engine.common.optimisation import adamw, schedule, warmup_cosine


def test_it_warms_up_linearly_and_falls_as_a_cosine_to_the_floor() -> None:
    """4 warm-up steps give 1/4, 2/4, 3/4, 1; half-way through the other 8 the cosine is at (1 + 0.1) / 2."""
    factors = [warmup_cosine(step, n_steps=12, n_warmup=4, floor=0.1) for step in range(13)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[4] == 1.0
    assert factors[8] == pytest.approx(0.55)
    assert factors[12] == pytest.approx(0.1)
    assert all(later < earlier for earlier, later in pairwise(factors[4:]))


def test_the_first_update_of_a_very_short_run_already_moves() -> None:
    assert schedule(1, 0.0)(0) > 0


def test_it_decays_matrices_only() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    decayed, plain = adamw(model, learning_rate=1e-3, weight_decay=0.1, betas=(0.9, 0.95)).param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(2, 3)]
    assert decayed["weight_decay"] == 0.1
    assert [tuple(p.shape) for p in plain["params"]] == [(2,), (2,), (2,)]
    assert plain["weight_decay"] == 0.0
