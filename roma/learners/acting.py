"""Decisions for all battles at once."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Agent(Protocol):
    """A network that decides step by step."""

    def step(
        self, obs: Tensor, last_actions: Tensor, hidden: Tensor, generator: torch.Generator, greedy: bool
    ) -> tuple[Tensor, Tensor]:
        """Obs (E, A, O), last actions (E, A) with -1 for none, hidden (E*A, H) to utilities (E*A, U), next hidden."""


Chooser = Callable[[NDArray[np.float32], NDArray[np.bool_], float, NDArray[np.float32]], NDArray[np.int64]]


def epsilon_greedy(
    values: NDArray[np.float32], avail_actions: NDArray[np.bool_], epsilon: float, draws: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Actions (...) from values (..., U): each agent explores with probability `epsilon`, uniformly.

    Uniform draws (2, ...) decide whether it does, and which action then.
    """
    greedy = np.where(avail_actions, values, -np.inf).argmax(-1)
    if epsilon == 0.0:
        return greedy
    ranks = avail_actions.cumsum(-1)
    explored = (ranks > np.floor(draws[1] * ranks[..., -1])[..., None]).argmax(-1)
    return np.where(draws[0] < epsilon, explored, greedy)


class Actor:
    """Decisions of an agent network whose weights it shares; `choose` makes actions of its outputs."""

    def __init__(
        self, agent: Any, n_agents: int, hidden_dim: int, device: torch.device, choose: Chooser = epsilon_greedy
    ) -> None:
        self.agent, self.n_agents, self.hidden_dim, self.device = agent, n_agents, hidden_dim, device
        self.choose = choose

    @torch.inference_mode()
    def begin(self, n_battles: int) -> None:
        """Before the first decision of `n_battles` new battles: zero hidden state, no last action."""
        self.hidden = torch.zeros(n_battles * self.n_agents, self.hidden_dim, device=self.device)
        self.last_actions = torch.full((n_battles, self.n_agents), -1, device=self.device)

    def draw_latents(self, state: NDArray[np.float32], generator: torch.Generator) -> NDArray[np.int64] | None:
        """What the team draws for a whole battle, after `begin`: initial states (E, S) to (E,), None where nothing."""
        return None

    def decide(self, obs: Tensor, generator: torch.Generator, greedy: bool) -> tuple[Tensor, Tensor]:
        """The agents' outputs (E*A, U) and their next hidden state."""
        agent: Agent = self.agent
        return agent.step(obs, self.last_actions, self.hidden, generator, greedy)

    @torch.inference_mode()
    def act(
        self,
        obs: NDArray[np.float32],
        avail_actions: NDArray[np.bool_],
        epsilon: float,
        generator: torch.Generator,
    ) -> NDArray[np.int64]:
        """Obs (E, A, O) and available actions (E, A, U) to actions (E, A); 0 where none is available.

        `epsilon` is how much is explored; 0 is a test's decision. How many numbers are drawn depends on E alone.
        """
        draws = torch.rand(2, *obs.shape[:2], generator=generator, device=generator.device).cpu().numpy()
        seen = torch.from_numpy(obs).to(self.device)
        utilities, self.hidden = self.decide(seen, generator, epsilon == 0.0)
        values = utilities.cpu().numpy().reshape(avail_actions.shape)
        actions = self.choose(values, avail_actions, epsilon, draws)
        self.last_actions = torch.tensor(actions, device=self.device)  # a copy: the caller may change what it gets
        return actions
