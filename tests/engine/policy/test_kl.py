"""KL against torch.distributions, its estimators against it, the controller against its formula."""

import pytest
import torch
from torch.distributions import Categorical, kl_divergence

from training.engine.policy.kl import AdaptiveBeta, entropy, exact_kl, k1, k3


@pytest.fixture
def logits() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    policy = torch.randn(3, 5, 11, generator=generator)
    return policy, policy + 0.5 * torch.randn(3, 5, 11, generator=generator)


def test_exact_kl_and_entropy_are_those_of_torch(logits: tuple[torch.Tensor, torch.Tensor]) -> None:
    policy, reference = (Categorical(logits=one) for one in logits)
    torch.testing.assert_close(exact_kl(*logits), kl_divergence(policy, reference), atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(entropy(logits[0]), policy.entropy(), atol=1e-6, rtol=1e-4)
    assert torch.equal(exact_kl(logits[0], logits[0]), torch.zeros(3, 5))


@pytest.mark.parametrize("estimator", [k1, k3])
def test_the_estimators_mean_is_the_kl(estimator, logits: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Within four standard errors of 200,000 draws, and closer than the other direction of KL is."""
    policy, reference = (Categorical(logits=one[0, 0]) for one in logits)
    torch.manual_seed(1)
    drawn = policy.sample((200_000,))
    values = estimator(policy.log_prob(drawn), reference.log_prob(drawn))
    exact = float(kl_divergence(policy, reference))
    error = abs(float(values.mean()) - exact)
    assert error < 4 * float(values.std()) / 200_000**0.5
    assert error < abs(float(kl_divergence(reference, policy)) - exact)


def test_k3_is_never_negative_and_varies_less(logits: tuple[torch.Tensor, torch.Tensor]) -> None:
    policy, reference = (Categorical(logits=one[1, 2]) for one in logits)
    torch.manual_seed(2)
    drawn = policy.sample((10_000,))
    pair = policy.log_prob(drawn), reference.log_prob(drawn)
    assert float(k3(*pair).min()) >= 0 > float(k1(*pair).min())
    assert float(k3(*pair).std()) < float(k1(*pair).std())


def test_beta_follows_ziegler() -> None:
    controller = AdaptiveBeta(0.1, target=6.0, horizon=1000)
    assert controller.update(6.3, 100) == pytest.approx(0.1 * (1 + 0.05 * 0.1))
    assert controller.update(100.0, 100) == pytest.approx(0.1 * 1.005 * (1 + 0.2 * 0.1))  # clipped
    assert controller.update(0.0, 100) == pytest.approx(0.1 * 1.005 * 1.02 * (1 - 0.2 * 0.1))
    assert AdaptiveBeta(0.1, target=0.0, horizon=1000).update(50.0, 100) == 0.1
