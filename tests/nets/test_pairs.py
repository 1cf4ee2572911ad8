"""What is computed of pairs in blocks equals the formula, and so do its gradients."""

import pytest
import torch
from torch.distributions import Normal
from torch.testing import assert_close

from roma.nets import pairs


@pytest.fixture(autouse=True)
def _several_blocks(monkeypatch):
    monkeypatch.setattr(pairs, "BLOCK", 64)
    monkeypatch.setattr(pairs, "LEAST_ROWS", 2)
    torch.manual_seed(0)


def leaves(count):
    return [torch.randn(5, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(count)]


def test_pairwise_units():
    first, second = leaves(2)
    weight = torch.randn(4, dtype=torch.float64, requires_grad=True)
    expected = (first.unsqueeze(2) + second.unsqueeze(1)).relu() @ weight
    assert_close(pairs.PairwiseUnits.apply(first, second, weight), expected)
    assert torch.autograd.gradcheck(pairs.PairwiseUnits.apply, (first, second, weight))


def test_pairwise_log_density():
    sample, mean, log_variance = leaves(3)
    variance = log_variance.detach().exp().requires_grad_()
    normal = Normal(mean.unsqueeze(1), variance.unsqueeze(1).sqrt())
    expected = normal.log_prob(sample.unsqueeze(2)).sum(-1)
    assert_close(pairs.PairwiseLogDensity.apply(sample, mean, variance), expected)
    assert torch.autograd.gradcheck(pairs.PairwiseLogDensity.apply, (sample, mean, variance))
