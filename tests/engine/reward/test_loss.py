from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from training.engine.common.errors import EngineError
from training.engine.reward.loss import davidson_loss, group_weights, margins_from, preference_loss


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


def test_label_smoothing_mixes_every_label_with_a_half() -> None:
    """ε = 0.2 and p = 1 give the target 0.9; at σ(Δ) = 3/4, L = −(0.9 ln 0.75 + 0.1 ln 0.25)."""
    chosen, rejected = _tensors([math.log(3)], [0.0])
    loss = preference_loss(chosen, rejected, label_smoothing=0.2)
    assert float(loss.total) == pytest.approx(-(0.9 * math.log(0.75) + 0.1 * math.log(0.25)))
    assert float(loss.n_correct) == 1
    (p,) = _tensors([0.5])
    halves = [float(preference_loss(chosen, rejected, soft_preference=p, label_smoothing=e).total) for e in (0.0, 0.4)]
    assert halves[0] == pytest.approx(halves[1])


def test_centring_adds_the_squared_sum_of_the_two_rewards() -> None:
    """Rewards 3 and 1, η = 0.01, w = 2: 2 · 0.01 · 16 = 0.32 more; of opposite rewards nothing more."""
    chosen, rejected, w = _tensors([3.0, 2.0], [1.0, -2.0], [2.0, 1.0])
    plain = preference_loss(chosen, rejected, weight=w).per_comparison
    centred = preference_loss(chosen, rejected, weight=w, centring=0.01).per_comparison
    assert (centred - plain).tolist() == pytest.approx([0.32, 0.0])


def test_the_gradient_with_smoothing_and_centring_is_the_finite_difference() -> None:
    torch.manual_seed(2)
    chosen, rejected = (torch.randn(5, dtype=torch.float64, requires_grad=True) for _ in range(2))
    p, m, w = (torch.rand(5, dtype=torch.float64) for _ in range(3))

    def total(c: Tensor, r: Tensor) -> Tensor:
        return preference_loss(c, r, soft_preference=p, margin=m, weight=w, label_smoothing=0.1, centring=0.05).total

    assert torch.autograd.gradcheck(total, (chosen, rejected), eps=1e-6, atol=1e-8)


def test_davidson_is_the_closed_form() -> None:
    """e^{Δ/2} = 2 and ν = 1: Z = 2 + ½ + 1 = 3.5, so P = 4/7, 1/7 and 2/7 for chosen, rejected and tie."""
    gap = torch.full((4,), 2 * math.log(2), dtype=torch.float64)
    log_nu = torch.zeros((), dtype=torch.float64)
    p_chosen, p_tie, weight = _tensors([1, 0, 0, 0.5], [0, 0, 1, 0.3], [1, 1, 1, 2])
    loss = davidson_loss(gap, log_nu, p_chosen, p_tie, weight).tolist()
    mixed = -2 * (0.5 * math.log(4 / 7) + 0.2 * math.log(1 / 7) + 0.3 * math.log(2 / 7))
    assert loss == pytest.approx([-math.log(4 / 7), -math.log(1 / 7), -math.log(2 / 7), mixed])


def test_davidson_without_ties_is_bradley_terry() -> None:
    gap, p = _tensors([-3.0, 0.2, 5.0], [0.1, 0.7, 1.0])
    zeros, ones = torch.zeros_like(gap), torch.ones_like(gap)
    loss = davidson_loss(gap, torch.tensor(-200.0, dtype=torch.float64), p, zeros, ones)
    expected = preference_loss(gap, zeros, soft_preference=p).per_comparison
    assert torch.allclose(loss, expected, rtol=1e-12)


def test_davidson_has_the_gradient_of_its_finite_difference_and_stays_finite() -> None:
    torch.manual_seed(3)
    gap = torch.randn(5, dtype=torch.float64, requires_grad=True)
    log_nu = torch.tensor(-0.4, dtype=torch.float64, requires_grad=True)
    p_chosen, p_tie, weight = torch.rand(5) * 0.6, torch.rand(5) * 0.4, torch.rand(5)

    def loss(g: Tensor, nu: Tensor) -> Tensor:
        return davidson_loss(g, nu, p_chosen.double(), p_tie.double(), weight.double())

    assert torch.autograd.gradcheck(loss, (gap, log_nu), eps=1e-6, atol=1e-8)
    far, one, none = _tensors([1e4], [1.0], [0.0])
    huge = davidson_loss(far, torch.zeros(()), one, none, one)
    assert huge.tolist() == [0.0]


def test_the_tie_parameter_that_fits_best_is_the_share_of_ties() -> None:
    """At Δ = 0, P(tie) = ν / (2 + ν): a share of ¼ ties is fitted by ν = ⅔, where ∂L/∂log ν = P(tie) − ¼ = 0."""
    log_nu = torch.tensor(math.log(2 / 3), dtype=torch.float64, requires_grad=True)
    gap, p_chosen, p_tie, weight = _tensors([0.0], [0.375], [0.25], [1.0])
    davidson_loss(gap, log_nu, p_chosen, p_tie, weight).sum().backward()
    assert log_nu.grad is not None
    assert float(log_nu.grad) == pytest.approx(0, abs=1e-12)


def test_the_pairs_of_a_group_weigh_as_much_as_one_comparison() -> None:
    """All C(3, 2) = 3 pairs of "a" weigh ⅓, the one of "b" and those of no group 1."""
    weights = group_weights(["a", None, "a", "b", "", "a"])
    assert weights.dtype == np.float32
    assert weights.tolist() == pytest.approx([1 / 3, 1, 1 / 3, 1, 1, 1 / 3])
    assert group_weights([]).shape == (0,)


def test_the_loss_of_a_ranking_is_the_mean_over_its_pairs() -> None:
    """InstructGPT: −1/3 Σ log σ(r_i − r_j) over the pairs of the rewards 2, 1, 0."""
    pairs = _tensors([2.0, 2.0, 1.0], [1.0, 0.0, 0.0])
    loss = preference_loss(*pairs, weight=torch.from_numpy(group_weights(["k"] * 3)))
    gaps = (1.0, 2.0, 1.0)
    assert float(loss.total) == pytest.approx(sum(math.log(1 + math.exp(-g)) for g in gaps) / 3, rel=1e-6)


def test_margins_come_from_the_nearest_level() -> None:
    """Llama 2's large margins; 2.5 goes up to 3, an unknown intensity has none."""
    large = {1: 0.0, 2: 1.0, 3: 2.0, 4: 3.0}
    assert margins_from([1, 2.4, 2.5, 4, float("nan")], large).tolist() == [0, 1, 2, 3, 0]
    with pytest.raises(EngineError, match="intensity 5"):
        margins_from([1, 5], large)
