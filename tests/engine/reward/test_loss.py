from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from training.engine.reward.loss import preference_loss


def _tensors(*columns: list[float]) -> list[Tensor]:
    return [torch.tensor(column, dtype=torch.float64) for column in columns]


def test_it_is_log_two_for_equal_rewards() -> None:
    chosen, rejected = _tensors([1.5], [1.5])
    assert float(preference_loss(chosen, rejected).total) == pytest.approx(math.log(2))


def test_it_is_the_closed_form_with_margin_weight_and_soft_preference() -> None:
    """Δ = ln 3, so σ(Δ) = 3/4. Margin ln 2: σ(Δ − m) = σ(ln 1.5) = 0.6 and σ(−Δ − m) = σ(−ln 6) = 1/7.

    p = 0.8, w = 2: L = −2 (0.8 ln 0.6 + 0.2 ln (1/7)).
    """
    chosen, rejected = _tensors([math.log(3)], [0.0])
    assert float(preference_loss(chosen, rejected).total) == pytest.approx(-math.log(0.75))
    p, m, w = _tensors([0.8], [math.log(2)], [2.0])
    loss = preference_loss(chosen, rejected, soft_preference=p, margin=m, weight=w)
    assert float(loss.total) == pytest.approx(-2 * (0.8 * math.log(0.6) + 0.2 * math.log(1 / 7)))


def test_it_returns_its_parts() -> None:
    chosen, rejected, p = _tensors([2.0, 0.0, 1.0, 3.0], [1.0, 1.0, 1.0, 0.0], [1.0, 0.9, 0.7, 0.5])
    loss = preference_loss(chosen, rejected, soft_preference=p)
    assert loss.reward_gap.tolist() == [1.0, -1.0, 0.0, 3.0]
    assert float(loss.total) == pytest.approx(float(loss.per_comparison.sum()))
    assert float(loss.n_correct) == 1.5  # right, wrong, equal rewards count half, p = ½ is left out
    assert float(loss.n_decided) == 3


def test_swapping_sides_and_preference_changes_nothing_but_the_sign_of_the_gap() -> None:
    torch.manual_seed(0)
    chosen, rejected = torch.randn(50, dtype=torch.float64), torch.randn(50, dtype=torch.float64)
    p, m, w = (torch.rand(50, dtype=torch.float64) for _ in range(3))
    one = preference_loss(chosen, rejected, soft_preference=p, margin=m, weight=w)
    other = preference_loss(rejected, chosen, soft_preference=1 - p, margin=m, weight=w)
    assert torch.allclose(one.per_comparison, other.per_comparison, rtol=1e-12)
    assert torch.equal(one.reward_gap, -other.reward_gap)
    assert one.n_correct == other.n_correct


def test_a_constant_added_to_both_rewards_changes_nothing() -> None:
    chosen, rejected = _tensors([0.3, -2.0], [1.0, 0.5])
    assert torch.allclose(
        preference_loss(chosen, rejected).per_comparison, preference_loss(chosen + 7, rejected + 7).per_comparison
    )


def test_a_soft_label_is_lowest_at_its_own_log_odds() -> None:
    """d/dΔ [−p log σ(Δ) − (1 − p) log σ(−Δ)] = σ(Δ) − p, which is 0 at Δ = ln(p / (1 − p))."""
    p = 0.8
    gap = torch.tensor([math.log(p / (1 - p))], dtype=torch.float64, requires_grad=True)
    preference_loss(gap, torch.zeros(1, dtype=torch.float64), soft_preference=torch.tensor([p])).total.backward()
    assert gap.grad is not None
    assert float(gap.grad) == pytest.approx(0, abs=1e-7)


def test_its_gradient_is_the_finite_difference() -> None:
    torch.manual_seed(1)
    chosen, rejected = (torch.randn(6, dtype=torch.float64, requires_grad=True) for _ in range(2))
    p, m, w = (torch.rand(6, dtype=torch.float64) for _ in range(3))

    def total(c: Tensor, r: Tensor) -> Tensor:
        return preference_loss(c, r, soft_preference=p, margin=m, weight=w).total

    assert torch.autograd.gradcheck(total, (chosen, rejected), eps=1e-6, atol=1e-8)
    total(chosen, rejected).backward()
    assert chosen.grad is not None
    assert rejected.grad is not None
    step = 1e-6
    for i in range(6):
        nudge = torch.zeros(6, dtype=torch.float64)
        nudge[i] = step
        rise = float(
            total(chosen.detach() + nudge, rejected.detach()) - total(chosen.detach() - nudge, rejected.detach())
        )
        assert float(chosen.grad[i]) == pytest.approx(rise / (2 * step), rel=1e-6)
        assert float(rejected.grad[i]) == pytest.approx(-float(chosen.grad[i]), rel=1e-9)


def test_the_gradient_raises_the_chosen_reward() -> None:
    """−∂L/∂r(chosen) = σ(−Δ) = 1/4 at Δ = ln 3."""
    chosen = torch.tensor([math.log(3)], dtype=torch.float64, requires_grad=True)
    preference_loss(chosen, torch.zeros(1, dtype=torch.float64)).total.backward()
    assert chosen.grad is not None
    assert float(chosen.grad) == pytest.approx(-0.25)


def test_it_stays_finite_for_huge_gaps() -> None:
    chosen, rejected = _tensors([1e4, -1e4], [0.0, 0.0])
    loss = preference_loss(chosen, rejected)
    assert loss.per_comparison.tolist() == [0.0, 1e4]
