"""QTRAN's joint action value and state value."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class JointValue(nn.Module):
    """Joint action value Q_jt(s, h, a) and state value V(s) of QTRAN-base (Son et al., 2019), with PyMARL's sizes.

    Q_jt reads the state and the sum over agents of an encoding of [h_i, one-hot a_i], so that its size does not depend
    on the number of agents.
    """

    def __init__(self, state_size: int, hidden_dim: int, n_actions: int, embed_dim: int) -> None:
        super().__init__()
        self.hidden_dim = hidden_dim
        encoding = hidden_dim + n_actions
        self.encoder_hidden = nn.Linear(encoding, encoding)
        self.encoder_output = nn.Linear(encoding, encoding)
        self.joint_layers = perceptron(state_size + encoding, embed_dim)
        self.state_layers = perceptron(state_size, embed_dim)

    def joint(self, state: Tensor, hidden: Tensor, actions: Tensor) -> Tensor:
        """Return Q_jt (R,), given states (R, S), the agents' GRU states (R, A, H) and actions (R, A)."""
        of_hidden, of_action = self.encoder_hidden.weight.tensor_split([self.hidden_dim], dim=1)
        selected = functional.embedding(actions, of_action.T)  # a one-hot action selects a column
        units = (functional.linear(hidden, of_hidden, self.encoder_hidden.bias) + selected).relu()
        team = self.encoder_output(units).sum(-2)
        value: Tensor = self.joint_layers(torch.cat([state, team], dim=-1))
        return value.squeeze(-1)

    def state_value(self, state: Tensor) -> Tensor:
        """Return V (R,), given states (R, S)."""
        value: Tensor = self.state_layers(state)
        return value.squeeze(-1)


def perceptron(in_size: int, width: int) -> nn.Sequential:
    """Return a network with two ReLU layers of equal width and one output."""
    return nn.Sequential(nn.Linear(in_size, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))
