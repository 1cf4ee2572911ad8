"""Actions of agents with roles other than their own: at single decisions with the same history, and in whole episodes.

Shapes: E episodes of a round, T moments of one episode, R moments at which decisions are repeated, A agents, U actions,
K draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roma.learners.base.acting import Floats, TorchActor
from roma.learners.base.roles import RoleRecord
from roma.nets.roles import RoleAgent
from roma.recordings.rollout_file import NOBODY

DRAWS = 8  # K

Actions = NDArray[np.int8]
Mask = NDArray[np.bool_]


class Trials(NamedTuple):
    """Greedy actions with other roles; see roma.recordings.rollout_file.Milestone."""

    tried: NDArray[np.int32]
    resampled: Actions
    lender: Actions
    exchanged: Actions


@torch.inference_mode()
def try_roles(
    agent: RoleAgent, records: Sequence[RoleRecord], avail_actions: Sequence[Mask], every: int, rng: np.random.Generator
) -> Trials:
    """Repeat decisions of a round with other roles: new draws of an agent's own role, and roles of other living agents.

    A role decoder that normalises over the batch sees all agents of the running episodes, each with its new role.

    Args:
        agent: Acting network.
        records: Role record of each episode, over T moments; the last moment follows the last decision.
        avail_actions: Available actions of each episode (T, A, U).
        every: Timesteps between repeated decisions.
        rng: Random generator of the draws.

    Returns:
        The greedy actions, in the order of episodes and moments.
    """
    lengths = [len(record.role_mean) - 1 for record in records]
    times = range(0, max(lengths), every)
    places = [[(battle, t) for battle, length in enumerate(lengths) if t < length] for t in times]
    counts, rows = list(map(len, places)), list(chain.from_iterable(places))

    def stacked(name: str, later: int = 0) -> Tensor:
        values = [getattr(record, name) for record in records]
        return torch.stack([values[battle][t + later] for battle, t in rows])

    mean, deviation = stacked("role_mean"), stacked("role_variance").sqrt()
    states = stacked("trajectory", 1)  # h^t, stored as h^{t-1} of the next moment
    available = np.stack([avail_actions[battle][t] for battle, t in rows])
    living = ~available[..., 0]  # no-op is available to dead agents only

    def chosen(agents: NDArray[np.int64]) -> Actions:
        """Return greedy actions, each with a draw of the role of the given agent (R, A)."""
        index = torch.from_numpy(agents).unsqueeze(-1).expand_as(mean)
        noise = torch.from_numpy(rng.standard_normal(mean.shape, np.float32))
        role = mean.gather(1, index) + deviation.gather(1, index) * noise
        utilities = agent.utilities(role, states, counts).numpy()
        return np.where(available, utilities, -np.inf).argmax(-1).astype(np.int8)

    own = np.broadcast_to(np.arange(living.shape[1]), living.shape).copy()
    lenders = [_another(living, rng) for _ in range(DRAWS)]
    resampled = np.stack([chosen(own) for _ in range(DRAWS)], -1)
    exchanged = np.stack([chosen(np.maximum(each, 0)) for each in lenders], -1)
    lender = np.stack(lenders, -1).astype(np.int8)
    starts = np.cumsum([0, *(length + 1 for length in lengths)])
    tried = np.array([starts[battle] + t for battle, t in rows], np.int32)
    order = np.argsort(tried)
    return Trials(
        tried[order],
        np.where(living[..., None], resampled, np.int8(NOBODY))[order],
        lender[order],
        np.where(lender >= 0, exchanged, np.int8(NOBODY))[order],
    )


def _another(living: Mask, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw another living agent for each living one (R, A), uniformly; NOBODY if there is none."""
    agents = living.shape[1]
    candidates = living[:, :, None] & living[:, None] & ~np.eye(agents, dtype=bool)
    drawn = (candidates * (1 - rng.random(candidates.shape, np.float32))).argmax(-1)
    return np.where(candidates.any(-1), drawn, NOBODY)


class ShuffledRoles(TorchActor):
    """Actor that gives every living agent the role of another one, for whole episodes.

    Each episode has a random order of the agents. An agent gets the role of the next living agent in this order.
    """

    def _begin(self, state: Floats) -> NDArray[np.int64] | None:
        self.ranks = np.stack([np.random.default_rng(int(key)).permutation(self.n_agents) for key in self.keys])
        return super()._begin(state)

    def decide(self, obs: Tensor, greedy: bool) -> tuple[Tensor, Tensor]:
        """See TorchActor."""
        agent: RoleAgent = self.agent
        of_trunk, of_encoder = agent.obs_products(obs)
        noise = torch.from_numpy(self.role_noise(greedy)).to(self.device)
        role = agent.role_encoder(of_encoder, self.last_actions, [len(obs)]).sample(noise)
        lenders = torch.from_numpy(following(self.ranks, obs.ne(0).any(-1).cpu().numpy())).to(self.device)
        role = role.gather(1, lenders.unsqueeze(-1).expand_as(role))
        hidden = agent.trunk.step(of_trunk, self.last_actions, self.hidden)
        return agent.role_decoder(role.flatten(0, 1), hidden, [len(hidden)]), hidden


def following(ranks: NDArray[np.int64], living: Mask) -> NDArray[np.int64]:
    """Return the next living agent in a cyclic order for each living agent, and the agent itself for each dead one.

    Args:
        ranks: Rank of each agent in the order of its episode (E, A).
        living: Mask of living agents (E, A).

    Returns:
        Indices of agents (E, A).
    """
    agents = ranks.shape[1]
    order, place = np.argsort(np.where(living, ranks, ranks + agents), 1), np.arange(agents)
    alive = living.sum(1, keepdims=True)
    after = np.take_along_axis(order, np.where(place + 1 < alive, place + 1, 0), 1)
    found = np.empty_like(order)
    np.put_along_axis(found, order, np.where(place < alive, after, order), 1)
    return found
