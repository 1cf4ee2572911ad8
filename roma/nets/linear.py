"""Linear maps in one product: several maps of the same input, or a separate map for each agent."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def joint_linear(inputs: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
    """Return the products (..., O_k) of inputs (..., I) with weights (O_k, I), as views of one product."""
    return functional.linear(inputs, torch.cat(weights)).split([len(weight) for weight in weights], dim=-1)


class AgentLinear(nn.Module):
    """Separate linear layer for each agent, computed as one batched product; initialised like nn.Linear."""

    def __init__(self, n_agents: int, in_size: int, out_size: int) -> None:
        super().__init__()
        bound = in_size**-0.5
        self.weight = nn.Parameter(torch.empty(n_agents, out_size, in_size).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(n_agents, out_size).uniform_(-bound, bound))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs (N, A, O), given inputs (N, A, I)."""
        return torch.baddbmm(self.bias.unsqueeze(1), inputs.transpose(0, 1), self.weight.mT).transpose(0, 1)
