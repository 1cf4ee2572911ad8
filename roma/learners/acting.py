"""Decisions for all battles at once."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roma.support import noise
from roma.support.noise import Purpose


class Agent(Protocol):
    """A network that decides step by step."""

    role_dim: int  # standard normal numbers that a decision takes; 0 without sampled roles

    def step(self, obs: Tensor, last_actions: Tensor, hidden: Tensor, role_noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return utilities (E*A, U) and next hidden state (E*A, H).

        Takes obs (E, A, O), last actions (E, A) with -1 for none, hidden (E*A, H), noise (E, A, role_dim).
        """


Chooser = Callable[[NDArray[np.float32], NDArray[np.bool_], float | None, NDArray[np.float64]], NDArray[np.int64]]


def epsilon_greedy(
    values: NDArray[np.float32], avail_actions: NDArray[np.bool_], epsilon: float | None, draws: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Choose actions (...) by values (..., U): each agent explores with probability `epsilon`, uniformly.

    Uniform draws (..., 2) decide whether it does, and which action it takes then. None is greedy.
    """
    greedy = np.where(avail_actions, values, -np.inf).argmax(-1)
    if epsilon is None:
        return greedy
    ranks = avail_actions.cumsum(-1)
    explored = (ranks > np.floor(draws[..., 1] * ranks[..., -1])[..., None]).argmax(-1)
    return np.where(draws[..., 0] < epsilon, explored, greedy)


class Actor:
    """Decisions of an agent network whose weights it shares; `choose` makes actions of the network's outputs."""

    def __init__(
        self, agent: Any, n_agents: int, hidden_dim: int, device: torch.device, choose: Chooser = epsilon_greedy
    ) -> None:
        self.agent, self.n_agents, self.hidden_dim, self.device = agent, n_agents, hidden_dim, device
        self.choose = choose

    @torch.inference_mode()
    def begin(self, keys: Sequence[int], state: NDArray[np.float32]) -> NDArray[np.int64] | None:
        """Begin new episodes, with zero hidden state and no last action.

        Args:
            keys: E keys of the episodes' noise, see `roma.seeding.noise_seed`.
            state: initial states, (E, S).

        Returns:
            What each team draws for its whole episode, (E,); None where nothing is drawn.
        """
        self.keys, self.step = np.array(keys, np.uint64), 0
        self.hidden = torch.zeros(len(keys) * self.n_agents, self.hidden_dim, device=self.device)
        self.last_actions = torch.full((len(keys), self.n_agents), -1, device=self.device)
        self.observed = np.ones(len(keys), np.bool_)  # where the last timestep brought an observation
        return None

    @torch.inference_mode()
    def act(
        self,
        obs: NDArray[np.float32],
        avail_actions: NDArray[np.bool_],
        live: NDArray[np.bool_],
        epsilon: float | None,
    ) -> NDArray[np.int64]:
        """Decide the next timestep.

        An episode's last observation is shown once more to the others; from then on its agents show zeros and no last
        action, as behind an episode's end in a batch. Only batch normalisation lets agents see those of other episodes.

        Args:
            obs: observations, (E, A, O).
            avail_actions: available actions, (E, A, U).
            live: episodes that go on, (E,).
            epsilon: how much is explored; None is greedy, as in tests.

        Returns:
            Actions, (E, A); 0 where none is available and in episodes that have ended.
        """
        draws = noise.uniforms(Purpose.EXPLORATION, self.keys, 1, self.n_agents, 2, self.step)[:, 0]
        seen = np.where(self.observed[:, None, None], obs, np.float32(0))
        utilities, self.hidden = self.decide(torch.from_numpy(seen).to(self.device), epsilon is None)
        values = utilities.cpu().numpy().reshape(avail_actions.shape)
        actions = self.choose(values, avail_actions, epsilon, draws)
        actions[~live] = 0
        self.last_actions = torch.from_numpy(np.where(live[:, None], actions, -1)).to(self.device)
        self.observed = live.copy()
        self.step += 1
        return actions

    def decide(self, obs: Tensor, greedy: bool) -> tuple[Tensor, Tensor]:
        """Return the agents' outputs (E*A, U) and their next hidden state."""
        agent: Agent = self.agent
        return agent.step(obs, self.last_actions, self.hidden, self.role_noise(greedy))

    def role_noise(self, greedy: bool) -> Tensor:
        """Draw the noise (E, A, role_dim) of sampled roles. It is 0 where greedy decisions take the mean role."""
        shape = len(self.keys), self.n_agents, self.agent.role_dim
        if not self.agent.role_dim or (greedy and self.agent.mean_role_when_greedy):
            return torch.zeros(shape, device=self.device)
        return torch.from_numpy(noise.normals(Purpose.ROLE, self.keys, 1, *shape[1:], self.step)[:, 0]).to(self.device)
