"""Linear maps that are computed side by side: several of one input, or one of each agent's own."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def joint_linear(inputs: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
    """Products of inputs (..., I) with weights (O_k, I), without bias: (..., O_k) each, views of one product."""
    return functional.linear(inputs, torch.cat(weights)).split([len(weight) for weight in weights], dim=-1)


class AgentLinear(nn.Module):
    """A linear layer of each agent's own, all of them one batched product; initialised as nn.Linear is."""

    def __init__(self, n_agents: int, in_size: int, out_size: int) -> None:
        super().__init__()
        bound = in_size**-0.5
        self.weight = nn.Parameter(torch.empty(n_agents, out_size, in_size).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(n_agents, out_size).uniform_(-bound, bound))

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs (N, A, I) to (N, A, O)."""
        return torch.baddbmm(self.bias.unsqueeze(1), inputs.transpose(0, 1), self.weight.mT).transpose(0, 1)
