"""Actors, which choose the actions of all parallel episodes at once.

`TorchActor` is the definition and works on any device. `CompiledActor` chooses the same actions on the CPU, in one
compiled call for networks, exploration and choice.
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
    """Interface of an agent network that acts step by step."""

    role_dim: int  # standard normal numbers for each decision; 0 without sampled roles

    def step(self, obs: Tensor, last_actions: Tensor, hidden: Tensor, role_noise: Tensor) -> tuple[Tensor, Tensor]:
        """Compute one step.

        Args:
            obs: Observations (E, A, O).
            last_actions: Last actions (E, A), -1 for none.
            hidden: Hidden states (E*A, H).
            role_noise: Standard normal numbers (E, A, role_dim).

        Returns:
            Utilities (E*A, U) and the next hidden states (E*A, H).
        """


class Actor(ABC):
    """Base class of actors. The agent network learns only between episodes."""

    def __init__(self, agent: Any, n_agents: int) -> None:
        self.agent, self.n_agents = agent, n_agents

    def begin(self, keys: Sequence[int], state: Floats) -> NDArray[np.int64] | None:
        """Begin new episodes, with zero hidden state and no last action.

        Args:
            keys: E keys of the episodes' noise, see `roma.support.seeding.noise_seed`.
            state: Initial states, (E, S).

        Returns:
            The latent that each team draws for its whole episode, (E,); None for agents without latents.
        """
        self.keys, self.step = np.array(keys, np.uint64), 0
        return self._begin(state)

    def act(
        self, obs: Floats, avail_actions: NDArray[np.bool_], live: NDArray[np.bool_], epsilon: float | None
    ) -> NDArray[np.int64]:
        """Choose the actions of the next timestep.

        Batch normalisation lets episodes influence each other. An ended episode takes part with its last observation
        once, and with zeros and no last action from then on, like the padding of a batch.

        Args:
            obs: Observations (E, A, O).
            avail_actions: Available actions (E, A, U).
            live: Episodes that have not ended (E,).
            epsilon: Exploration rate; None: greedy actions, as in tests.

        Returns:
            Actions (E, A); 0 for agents without an available action and in episodes that have ended.
        """
        actions = self._act(obs, avail_actions, live, epsilon)
        self.step += 1
        return actions

    @abstractmethod
    def _begin(self, state: Floats) -> NDArray[np.int64] | None:
        """Begin new episodes in the subclass; see `begin`."""

    @abstractmethod
    def _act(
        self, obs: Floats, avail_actions: NDArray[np.bool_], live: NDArray[np.bool_], epsilon: float | None
    ) -> NDArray[np.int64]:
        """Choose the actions of this timestep in the subclass; see `act`."""

    def latent_draws(self) -> NDArray[np.float64]:
        """Draw the uniform numbers (E,) that choose latents."""
        return noise.uniforms(Purpose.LATENT, self.keys, 1, 1, 1)[:, 0, 0, 0]

    def choice_draws(self) -> NDArray[np.float64]:
        """Draw the uniform numbers (E, A, 2) for this timestep's exploration or choice."""
        return noise.uniforms(Purpose.EXPLORATION, self.keys, 1, self.n_agents, 2, self.step)[:, 0]

    def role_noise(self, greedy: bool) -> Floats:
        """Draw the standard normal numbers (E, A, role_dim) for this timestep's sampled roles.

        They are 0 if greedy actions use the mean role.
        """
        agent = self.agent
        if agent.role_dim == 0 or (greedy and agent.mean_role_when_greedy):
            return np.zeros((len(self.keys), self.n_agents, agent.role_dim), np.float32)
        return noise.normals(Purpose.ROLE, self.keys, 1, self.n_agents, agent.role_dim, self.step)[:, 0]


class TorchActor(Actor):
    """Actor that computes with torch. `choose` turns the network's outputs into actions."""

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
        self.observed = np.ones(battles, np.bool_)  # episodes that were live in the last timestep
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
        """Return the agents' outputs (E*A, U) and their next hidden states (E*A, H)."""
        agent: Agent = self.agent
        role_noise = torch.from_numpy(self.role_noise(greedy)).to(self.device)
        return agent.step(obs, self.last_actions, self.hidden, role_noise)


class CompiledActor(Actor):
    """Actor that computes with compiled kernels, on the CPU.

    Its actions agree with those of `TorchActor` up to the rounding of matrix products. Without batch normalisation they
    do not depend, in any bit, on the number of parallel episodes.

    Args:
        agent: The agent network, on the CPU.
        n_agents: Number of agents, A.
        from_policy: The network's outputs are the logits of COMA's policy.
        learnt_latents: Latents are drawn from the network's policy over them; otherwise uniformly.
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
