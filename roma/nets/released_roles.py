"""Role networks that only the authors' released code has: batch normalisation behind the hidden layers."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from roma.nets.roles import Dissimilarity


class StepNormalisation(nn.Module):
    """Batch normalisation by the statistics of one time's rows, then leaky ReLU.

    The release normalises in the same way when it acts and tests, so that agents and episodes played side by side
    influence each other; an episode that has ended contributes rows of zeros. Running statistics, which torch's layer
    would keep, are never read.
    """

    def __init__(self, units: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(units)), nn.Parameter(torch.zeros(units))

    def forward(self, inputs: Tensor, counts: Sequence[int]) -> Tensor:
        """Inputs (R, N, ..., K), rows of each time; statistics run over these rows and N."""
        rows = torch.tensor(counts, device=inputs.device)
        times = torch.arange(len(rows), device=inputs.device).repeat_interleave(rows, output_size=len(inputs))
        rows = rows.view(-1, *[1] * (inputs.dim() - 2))

        def of_time(values: Tensor) -> Tensor:
            sums = values.new_zeros(len(counts), *values.shape[2:]).index_add(0, times, values.mean(1))
            return sums / rows

        centred = inputs - of_time(inputs).index_select(0, times).unsqueeze(1)
        scale = (of_time(centred**2) + 1e-5).rsqrt().index_select(0, times).unsqueeze(1)
        return functional.leaky_relu(centred * scale * self.weight + self.bias)


class NormalisedDissimilarity(Dissimilarity):
    """d_phi with a normalised hidden layer, for which every pair's units are formed."""

    def __init__(self, in_size: int, hidden: int, absolute: bool) -> None:
        super().__init__(in_size, hidden, absolute, StepNormalisation)

    def forward(self, inputs: Tensor, counts: Sequence[int] = ()) -> Tensor:
        """Trajectories or roles (R, A, I), rows of each time, to dissimilarities (R, A, A).

        As in the release, one normalisation takes the pairs of all agents i with the agent m places before, for each m.
        """
        first, second = self.parts(inputs)
        agents = torch.arange(first.shape[1], device=first.device)
        shift = (agents.unsqueeze(1) - agents) % len(agents)  # [i, j] -> m, and [i, m] -> j
        units = self.activation(first.unsqueeze(2) + second[:, shift], counts)  # (R, i, m, hidden)
        by_shift = self.output_layer(units).squeeze(-1)
        distance: Tensor = by_shift.gather(2, shift.expand_as(by_shift))
        return distance.abs() if self.absolute else distance
