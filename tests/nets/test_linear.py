"""Linear maps computed side by side equal those computed one by one, and so do their gradients."""

import pytest
import torch
from torch.testing import assert_close

from roma.nets.linear import joint_linear


@pytest.mark.parametrize("widths", [[40], [3], [33, 4, 5]])
def test_joint_products(widths):
    torch.manual_seed(0)
    inputs = torch.randn(2, 3, 6, dtype=torch.float64, requires_grad=True)
    weights = [torch.randn(width, 6, dtype=torch.float64, requires_grad=True) for width in widths]
    products = joint_linear(inputs, *weights)
    for product, weight in zip(products, weights, strict=True):
        assert_close(product, inputs @ weight.T)
    assert torch.autograd.gradcheck(joint_linear, (inputs, *weights))
