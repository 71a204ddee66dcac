from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import optimize
from torch import Tensor

from training.engine.reward.labellers import PACE, LabellerModel


def _set(model: LabellerModel, reliability: list[float], bias: list[float]) -> None:
    with torch.no_grad():
        eta = torch.tensor(reliability, dtype=model.logit.dtype)
        model.logit.copy_((torch.logit(eta) - math.log(9)) / PACE)
        model.bias.copy_(torch.tensor(bias, dtype=model.bias.dtype) / PACE)


def _columns(*columns: list[float]) -> list[Tensor]:
    return [torch.tensor(column, dtype=torch.float64) for column in columns]


def test_it_starts_with_good_labellers_without_bias() -> None:
    model = LabellerModel(3)
    assert model.reliability.tolist() == pytest.approx([0.9] * 3)
    assert model.position_bias.tolist() == [0, 0, 0]
    assert float(model.prior().detach()) == 0


def test_the_loss_is_the_closed_form() -> None:
    """σ(ln 3) = ¾. η = 0.8: P = 0.8 · ¾ + 0.1 = 0.7 for chosen and 0.3 for rejected; a tie is half of each log.

    With β = ln 2 and chosen first, σ(ln 6) = 6/7; with rejected first, σ(ln 1.5) = 0.6.
    """
    model = LabellerModel(2).double()
    _set(model, [0.8, 0.8], [0.0, math.log(2)])
    labeller = torch.tensor([0, 0, 0, 1, 1])
    gap, side, first = _columns([math.log(3)] * 5, [1, -1, 0, 1, -1], [1, -1, 0, 1, -1])
    expected = [
        -math.log(0.7),
        -math.log(0.3),
        -0.5 * (math.log(0.7) + math.log(0.3)),
        -math.log(0.8 * 6 / 7 + 0.1),
        -math.log(0.8 * 0.4 + 0.1),
    ]
    assert model.loss(gap, labeller, side, first).tolist() == pytest.approx(expected)


def test_swapping_the_sides_changes_nothing() -> None:
    torch.manual_seed(0)
    model = LabellerModel(4).double()
    _set(model, [0.6, 0.7, 0.9, 0.99], [0.3, -0.2, 0.0, 1.0])
    labeller, gap = torch.randint(4, (50,)), torch.randn(50, dtype=torch.float64)
    side, first = (torch.randint(-1, 2, (50,)).double() for _ in range(2))
    assert torch.allclose(model.loss(gap, labeller, side, first), model.loss(-gap, labeller, -side, -first))


def test_its_gradient_is_the_finite_difference() -> None:
    torch.manual_seed(0)
    model = LabellerModel(3).double()
    _set(model, [0.6, 0.8, 0.95], [0.4, 0.0, -0.3])
    labeller = torch.randint(3, (12,))
    side, first = (torch.randint(-1, 2, (12,)).double() for _ in range(2))
    gap = torch.randn(12, dtype=torch.float64, requires_grad=True)
    parameters = tuple(model.parameters())

    def loss(gap: Tensor, *_: Tensor) -> Tensor:
        return model.loss(gap, labeller, side, first).sum() + model.prior()

    assert torch.autograd.gradcheck(loss, (gap, *parameters), eps=1e-7, atol=1e-4, rtol=1e-5)


def test_a_careless_labeller_teaches_less_than_a_careful_one() -> None:
    """At Δ = 0 the pull on the gap is −∂L/∂Δ = η (¼) / ½ = η / 2."""
    model = LabellerModel(2).double()
    _set(model, [0.9, 0.3], [0.0, 0.0])
    gap = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    ones, zeros = torch.ones(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    model.loss(gap, torch.tensor([0, 1]), ones, zeros).sum().backward()
    assert gap.grad is not None
    assert gap.grad.tolist() == pytest.approx([-0.45, -0.15])


def test_it_stays_finite_for_huge_gaps() -> None:
    model = LabellerModel(1)
    loss = model.loss(torch.tensor([1e4, -1e4]), torch.tensor([0, 0]), torch.ones(2), torch.zeros(2))
    assert torch.isfinite(loss).all()
    assert float(loss[1].detach()) == pytest.approx(-math.log(0.05), rel=1e-5)


def _ratings(n: int, reliability: list[float], bias: list[float]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(0)
    gap = rng.normal(scale=2, size=n)
    labeller = rng.integers(len(reliability), size=n)
    first = rng.choice([-1.0, 1.0], size=n)
    eta, beta = np.array(reliability)[labeller], np.array(bias)[labeller]
    p = eta / (1 + np.exp(-gap - beta * first)) + (1 - eta) / 2
    side = np.where(rng.random(n) < p, 1.0, -1.0)
    return torch.from_numpy(gap), torch.from_numpy(labeller), torch.from_numpy(side), torch.from_numpy(first)


def test_it_finds_planted_reliabilities_and_biases() -> None:
    """Adam at a trunk's learning rate, as in training; the optimum is where scipy's BFGS on the formula ends."""
    reliability, bias = [0.95, 0.7, 0.3], [0.0, 0.8, -0.4]
    gap, labeller, side, first = _ratings(12_000, reliability, bias)
    model = LabellerModel(3).double()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(200):
        optimiser.zero_grad()
        (model.loss(gap, labeller, side, first).sum() + model.prior()).div(len(gap)).backward()
        optimiser.step()
    assert model.reliability.tolist() == pytest.approx(reliability, abs=0.06)
    assert model.position_bias.tolist() == pytest.approx(bias, abs=0.2)

    g, j, s, f = (one.numpy() for one in (gap, labeller, side, first))

    def minus_log_posterior(theta: np.ndarray) -> float:
        logits, beta = math.log(9) + theta[0] + theta[1:4], theta[4] + theta[5:8]
        eta = 1 / (1 + np.exp(-logits))
        p = eta[j] / (1 + np.exp(-s * (g + beta[j] * f))) + (1 - eta[j]) / 2
        prior = (theta[:4] ** 2).sum() + (theta[4:] ** 2).sum() / 0.25
        return float(-np.log(p).sum() + 0.5 * prior)

    best = optimize.minimize(minus_log_posterior, np.zeros(8)).x
    etas = 1 / (1 + np.exp(-(math.log(9) + best[0] + best[1:4])))
    assert model.reliability.tolist() == pytest.approx(etas.tolist(), abs=0.02)
    assert model.position_bias.tolist() == pytest.approx((best[4] + best[5:8]).tolist(), abs=0.05)


def test_a_labeller_with_one_rating_is_an_average_one() -> None:
    """Labeller 1's single wrong answer leaves them near labeller 0, who is often wrong for sure."""
    gap, labeller, side, first = _ratings(3_000, [0.5], [0.0])
    gap, side = torch.cat([gap, torch.tensor([4.0])]), torch.cat([side, torch.tensor([-1.0])])
    labeller, first = torch.cat([labeller, torch.tensor([1])]), torch.cat([first, torch.tensor([0.0])])
    model = LabellerModel(2).double()
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(200):
        optimiser.zero_grad()
        (model.loss(gap, labeller, side, first).sum() + model.prior()).div(len(gap)).backward()
        optimiser.step()
    often, once = model.reliability.tolist()
    assert often == pytest.approx(0.5, abs=0.06)
    assert 0.3 < once < 0.8
