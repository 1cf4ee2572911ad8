"""Decisions for all battles at once.

`TorchActor` defines them, on any device. `CompiledActor` takes the same decisions on the CPU: one compiled call for the
networks, exploration and choice of all battles.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roma.nets.compiled import CompiledLatents, lay_out
from roma.nets.ops.acting.choice import Choice, epsilon_greedy
from roma.support import noise
from roma.support.noise import Purpose

Floats = NDArray[np.float32]
Chooser = Callable[[Floats, NDArray[np.bool_], float | None, NDArray[np.float64]], NDArray[np.int64]]


class Agent(Protocol):
    """A network that decides step by step."""

    role_dim: int  # standard normal numbers that a decision takes; 0 without sampled roles

    def step(self, obs: Tensor, last_actions: Tensor, hidden: Tensor, role_noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return utilities (E*A, U) and next hidden state (E*A, H).

        Takes obs (E, A, O), last actions (E, A) with -1 for none, hidden (E*A, H), noise (E, A, role_dim).
        """


class Actor(ABC):
    """Decisions of an agent network that learns between episodes."""

    def __init__(self, agent: Any, n_agents: int) -> None:
        self.agent, self.n_agents = agent, n_agents

    def begin(self, keys: Sequence[int], state: Floats) -> NDArray[np.int64] | None:
        """Begin new episodes, with zero hidden state and no last action.

        Args:
            keys: E keys of the episodes' noise, see `roma.support.seeding.noise_seed`.
            state: initial states, (E, S).

        Returns:
            What each team draws for its whole episode, (E,); None where nothing is drawn.
        """
        self.keys, self.step = np.array(keys, np.uint64), 0
        return self._begin(state)

    def act(
        self, obs: Floats, avail_actions: NDArray[np.bool_], live: NDArray[np.bool_], epsilon: float | None
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
        actions = self._act(obs, avail_actions, live, epsilon)
        self.step += 1
        return actions

    @abstractmethod
    def _begin(self, state: Floats) -> NDArray[np.int64] | None:
        """What `begin` does besides."""

    @abstractmethod
    def _act(
        self, obs: Floats, avail_actions: NDArray[np.bool_], live: NDArray[np.bool_], epsilon: float | None
    ) -> NDArray[np.int64]:
        """What `act` does in this timestep."""

    def latent_draws(self) -> NDArray[np.float64]:
        """Draw the uniform numbers (E,) of latents."""
        return noise.uniforms(Purpose.LATENT, self.keys, 1, 1, 1)[:, 0, 0, 0]

    def choice_draws(self) -> NDArray[np.float64]:
        """Draw the uniform numbers (E, A, 2) of this timestep's exploration or choice."""
        return noise.uniforms(Purpose.EXPLORATION, self.keys, 1, self.n_agents, 2, self.step)[:, 0]

    def role_noise(self, greedy: bool) -> Floats:
        """Draw the standard normal numbers (E, A, role_dim) of this timestep's sampled roles.

        They are 0 where greedy decisions take the mean role.
        """
        agent = self.agent
        if agent.role_dim == 0 or (greedy and agent.mean_role_when_greedy):
            return np.zeros((len(self.keys), self.n_agents, agent.role_dim), np.float32)
        return noise.normals(Purpose.ROLE, self.keys, 1, self.n_agents, agent.role_dim, self.step)[:, 0]


class TorchActor(Actor):
    """Decisions by torch; `choose` makes actions of the network's outputs."""

    def __init__(
        self, agent: Any, n_agents: int, hidden_dim: int, device: torch.device, choose: Chooser = epsilon_greedy
    ) -> None:
        super().__init__(agent, n_agents)
        self.hidden_dim, self.device, self.choose = hidden_dim, device, choose

    @torch.inference_mode()
    def _begin(self, state: Floats) -> NDArray[np.int64] | None:
        battles = len(self.keys)
        self.hidden = torch.zeros(battles * self.n_agents, self.hidden_dim, device=self.device)
        self.last_actions = torch.full((battles, self.n_agents), -1, device=self.device)
        self.observed = np.ones(battles, np.bool_)  # where the last timestep brought an observation
        return None

    @torch.inference_mode()
    def _act(
        self, obs: Floats, avail_actions: NDArray[np.bool_], live: NDArray[np.bool_], epsilon: float | None
    ) -> NDArray[np.int64]:
        seen = torch.from_numpy(np.where(self.observed[:, None, None], obs, np.float32(0))).to(self.device)
        outputs, self.hidden = self.decide(seen, epsilon is None)
        values = outputs.cpu().numpy().reshape(avail_actions.shape)
        actions = np.where(live[:, None], self.choose(values, avail_actions, epsilon, self.choice_draws()), 0)
        self.last_actions = torch.from_numpy(np.where(live[:, None], actions, -1)).to(self.device)
        self.observed = live.copy()
        return actions

    def decide(self, obs: Tensor, greedy: bool) -> tuple[Tensor, Tensor]:
        """Return the agents' outputs (E*A, U) and their next hidden state."""
        agent: Agent = self.agent
        role_noise = torch.from_numpy(self.role_noise(greedy)).to(self.device)
        return agent.step(obs, self.last_actions, self.hidden, role_noise)


class CompiledActor(Actor):
    """Decisions by compiled kernels.

    They are those of `TorchActor`, but for the rounding of its products. Unless batch normalisation connects episodes,
    no bit of them depends on how many run side by side.

    Args:
        agent: the agent network, on the CPU.
        n_agents: number of agents.
        from_policy: whether the network's outputs are the logits of COMA's policy.
        learnt_latents: whether latents are drawn from the network's policy over them, or uniformly.
    """

    def __init__(self, agent: Any, n_agents: int, from_policy: bool = False, learnt_latents: bool = True) -> None:
        super().__init__(agent, n_agents)
        self.from_policy, self.learnt_latents = from_policy, learnt_latents

    def _begin(self, state: Floats) -> NDArray[np.int64] | None:
        self.network = lay_out(self.agent, len(self.keys), self.n_agents)
        if isinstance(self.network, CompiledLatents):
            return self.network.draw_latents(state, self.latent_draws(), self.learnt_latents)
        return None

    def _act(
        self, obs: Floats, avail_actions: NDArray[np.bool_], live: NDArray[np.bool_], epsilon: float | None
    ) -> NDArray[np.int64]:
        greedy = epsilon is None
        choice = Choice(greedy, 0.0 if epsilon is None else float(epsilon), self.from_policy)
        return self.network.act(choice, obs, avail_actions, live, self.choice_draws(), self.role_noise(greedy))
