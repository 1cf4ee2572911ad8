"""COMA's centralised critic."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class CounterfactualCritic(nn.Module):
    """Critic Q(s, (a_-i, .)) of each agent i for all its actions, with two ReLU layers (Foerster et al., 2018).

    The input for agent i is [state, o_i, the others' actions, all last actions, index], one-hot for actions and index.
    All agents share the terms of the input layer, except those of o_i, of i's own action and of the index. One-hot
    inputs select columns of the weight.
    """

    def __init__(self, state_size: int, obs_size: int, n_actions: int, n_agents: int, width: int) -> None:
        super().__init__()
        self.n_actions = n_actions
        joint = n_agents * n_actions
        self.sizes = [state_size, obs_size, joint, joint, n_agents]
        self.input_layer = nn.Linear(sum(self.sizes), width)
        self.hidden_layer = nn.Linear(width, width)
        self.output_layer = nn.Linear(width, n_actions)

    def forward(self, state: Tensor, obs: Tensor, actions: Tensor, last_actions: Tensor) -> Tensor:
        """Return the values of all actions (R, A, U).

        Args:
            state: Global states (R, S).
            obs: Observations (R, A, O).
            actions: Actions taken (R, A).
            last_actions: Last actions (R, A), -1 for none.
        """
        of_state, of_obs, of_actions, of_last, of_agent = self.input_layer.weight.split(self.sizes, dim=1)
        first = torch.arange(actions.shape[-1], device=actions.device) * self.n_actions
        acting = functional.embedding(first + actions, of_actions.T)  # (R, A, width): term of each agent's action
        acted = functional.embedding(first + last_actions.clamp_min(0), of_last.T) * (last_actions >= 0).unsqueeze(-1)
        team = functional.linear(state, of_state, self.input_layer.bias) + (acting + acted).sum(-2)
        units = functional.linear(obs, of_obs) + team.unsqueeze(-2) - acting + of_agent.T
        values: Tensor = self.output_layer(self.hidden_layer(units.relu()).relu())
        return values
