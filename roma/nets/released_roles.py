"""Role networks of the authors' released code only: batch normalisation after the hidden layers."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from roma.nets.roles import Dissimilarity


class StepNormalisation(nn.Module):
    """Batch normalisation with the statistics of each time's rows, then leaky ReLU.

    The release normalises in the same way during acting and tests, so that agents and parallel episodes influence each
    other. An ended episode contributes rows of zeros. There are no running statistics, because the release never uses
    them.
    """

    def __init__(self, units: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(units)), nn.Parameter(torch.zeros(units))

    def forward(self, inputs: Tensor, counts: Sequence[int]) -> Tensor:
        """Normalise inputs (R, N, ..., K). Statistics run over N and over the rows of each time, `counts` of them."""
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
    """d_phi with batch normalisation of its hidden layer, which requires the units of all pairs."""

    def __init__(self, in_size: int, hidden: int, absolute: bool) -> None:
        super().__init__(in_size, hidden, absolute, StepNormalisation)

    def forward(self, inputs: Tensor, counts: Sequence[int] = ()) -> Tensor:
        """Return dissimilarities (R, A, A), given trajectories or roles (R, A, I) and the number of rows of each time.

        As in the release, there is one normalisation for each m. It runs over the pairs of each agent i with the agent
        m places before i.
        """
        first, second = self.parts(inputs)
        agents = torch.arange(first.shape[1], device=first.device)
        shift = (agents.unsqueeze(1) - agents) % len(agents)  # [i, j] -> m, and [i, m] -> j
        units = self.activation(first.unsqueeze(2) + second[:, shift], counts)  # (R, i, m, hidden)
        by_shift = self.output_layer(units).squeeze(-1)
        distance: Tensor = by_shift.gather(2, shift.expand_as(by_shift))
        return distance.abs() if self.absolute else distance
