"""Several linear maps of one input as one matrix product."""

import torch
from torch import Tensor
from torch.nn import functional


def joint_linear(inputs: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
    """Products of inputs (..., I) with weights (O_k, I), without bias: (..., O_k) each, views of one block.

    A long input is read once, and narrow weights do not make narrow, slow products; nor do weights that are columns of
    another, for concatenation lays them out contiguously.
    """
    return functional.linear(inputs, torch.cat(weights)).split([len(weight) for weight in weights], dim=-1)
