"""Agent networks in the layout of the compiled kernels of `roma.nets.ops.acting`; shapes as there.

Most weights are copied. Call `lay_out` again after the network has learnt.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from roma.nets.latent import LatentAgent
from roma.nets.ops.acting import decisions
from roma.nets.ops.acting.choice import Choice
from roma.nets.ops.acting.layers import Activation, Floats, LatentLayer, Layer, RoleDecoder, RoleEncoder, Trunk
from roma.nets.recurrent import RecurrentTrunk, UtilityAgent
from roma.nets.released_roles import StepNormalisation
from roma.nets.roles import RoleAgent


class CompiledAgent(ABC):
    """Agent network for E new battles, with the agents' memory.

    Args:
        trunk: The network's trunk.
        shape: (E, A).
        widths: Output sizes of the layers after the GRU; the last one is U.
        units: K, hidden units of the role networks.
        dimensions: D, dimensions of a role.
    """

    def __init__(
        self, trunk: Trunk, shape: tuple[int, int], widths: Sequence[int], units: int = 0, dimensions: int = 0
    ) -> None:
        in_size, hidden_dim = trunk.of_obs.shape[1], trunk.of_agent.shape[1]
        self.trunk, self.shape = trunk, shape
        self.memory = decisions.Memory(
            hidden=zeros(*shape, hidden_dim),
            last_actions=np.full(shape, -1),
            observed=np.ones(shape[0], np.bool_),
        )
        self.scratch = decisions.Scratch(
            terms=np.empty(max(in_size, hidden_dim, units, *widths), np.int64),
            products=zeros(*shape, hidden_dim + units),
            units=zeros(*shape, units),
            role=zeros(2 * dimensions),
            gates=zeros(2, 3 * hidden_dim),
            generated=zeros(hidden_dim + 1, widths[-1]),
            layers=zeros(2, max(widths)),
        )

    def act(
        self,
        choice: Choice,
        obs: Floats,
        avail_actions: NDArray[np.bool_],
        live: NDArray[np.bool_],
        draws: NDArray[np.float64],
        noise: Floats,
    ) -> NDArray[np.int64]:
        """Choose the actions of the next timestep in the live battles.

        Args:
            choice: Rule that turns the network's outputs into actions.
            obs: Observations (E, A, O).
            avail_actions: Available actions (E, A, U).
            live: Battles that have not ended (E,).
            draws: Uniform numbers for the choice (E, A, 2).
            noise: Standard normal numbers for the roles (E, A, D).

        Returns:
            Actions (E, A), 0 in battles that have ended.
        """
        actions = np.empty(self.shape, np.int64)
        seen = (np.ascontiguousarray(obs, np.float32), np.ascontiguousarray(avail_actions), live, draws)
        self.decide(noise, (choice, *seen, self.memory, self.scratch, actions))
        return actions

    @abstractmethod
    def decide(self, noise: Floats, arguments: tuple[Any, ...]) -> None:
        """Call the kernel of this kind of network with its own arguments, followed by `arguments`."""


class CompiledUtilities(CompiledAgent):
    """Layout of a `UtilityAgent`."""

    def __init__(self, agent: UtilityAgent, shape: tuple[int, int]) -> None:
        further = [module for module in agent.further_layers if not isinstance(module, nn.ReLU)]
        self.layers = tuple(map(layer_of, (*further, agent.utility_layer)))
        super().__init__(trunk_of(agent.trunk, shape[1]), shape, [layer.bias.shape[1] for layer in self.layers])

    def decide(self, noise: Floats, arguments: tuple[Any, ...]) -> None:
        decisions.decide_by_utilities(self.trunk, self.layers, *arguments)


class CompiledRoles(CompiledAgent):
    """Layout of a `RoleAgent`."""

    def __init__(self, agent: RoleAgent, shape: tuple[int, int]) -> None:
        encoder, decoder = agent.role_encoder, agent.role_decoder
        of_rest = array(encoder.hidden_layer.weight)[:, encoder.behind_obs :].T
        if not len(of_rest):  # the encoder reads only observations
            of_rest = zeros(decoder.n_actions + shape[1], of_rest.shape[1])
        of_action, of_agent = np.split(of_rest, [decoder.n_actions])
        self.encoder = RoleEncoder(
            of_action=np.ascontiguousarray(of_action),
            of_agent=np.ascontiguousarray(of_agent + array(encoder.hidden_layer.bias)),
            activation=activation_of(encoder.activation, of_agent.shape[1]),
            gaussian=layer_of(encoder.output_layer),
            variance_floor=float(encoder.variance_floor),
        )
        self.decoder = RoleDecoder(
            of_role=layer_of(decoder.hidden_layer),
            activation=activation_of(decoder.activation, of_agent.shape[1]),
            generator=layer_of(decoder.output_layer),
        )
        trunk = trunk_of(agent.trunk, shape[1], encoder.obs_weight)
        super().__init__(trunk, shape, [decoder.n_actions], of_agent.shape[1], agent.role_dim)

    def decide(self, noise: Floats, arguments: tuple[Any, ...]) -> None:
        decisions.decide_by_roles(self.trunk, self.encoder, self.decoder, noise, *arguments)


class CompiledLatents(CompiledAgent):
    """Layout of a `LatentAgent`, whose teams draw a latent before the first timestep."""

    def __init__(self, agent: LatentAgent, shape: tuple[int, int]) -> None:
        trunk = trunk_of(agent.trunk, shape[1])
        of_both = array(agent.generator.weight).T.reshape(-1, agent.n_actions, trunk.of_agent.shape[1])
        of_latent, of_agent = np.split(of_both, [agent.noise_dim])
        bias = array(agent.generator.bias).reshape(of_both.shape[1:])
        self.layer = LatentLayer(
            *(np.ascontiguousarray(table.swapaxes(1, 2)) for table in (of_latent, of_agent + bias))
        )
        self.policy = layer_of(agent.latent_policy.hidden_layer), layer_of(agent.latent_policy.output_layer)
        super().__init__(trunk, shape, [agent.n_actions])

    def draw_latents(self, state: Floats, draws: NDArray[np.float64], learnt: bool) -> NDArray[np.int64]:
        """Draw the latents (E,).

        Args:
            state: Initial states (E, S).
            draws: Uniform numbers (E,).
            learnt: Draw from the network's policy given the state; otherwise uniformly.
        """
        first, last = self.policy
        if not learnt:
            last = Layer(np.zeros_like(last.weight), np.zeros_like(last.bias))
        terms = np.empty(max(first.weight.shape[1:]), np.int64)
        rooms = zeros(first.bias.shape[1]), zeros(last.bias.shape[1]), terms
        self.latents = np.empty(len(draws), np.int64)
        decisions.draw_latents(first, last, np.ascontiguousarray(state, np.float32), draws, *rooms, self.latents)
        return self.latents

    def decide(self, noise: Floats, arguments: tuple[Any, ...]) -> None:
        decisions.decide_by_latents(self.trunk, self.layer, self.latents, *arguments)


def lay_out(agent: nn.Module, n_battles: int, n_agents: int) -> CompiledAgent:
    """Return an agent network in the kernels' layout, for `n_battles` new battles."""
    kinds = {UtilityAgent: CompiledUtilities, RoleAgent: CompiledRoles, LatentAgent: CompiledLatents}
    network: CompiledAgent = kinds[type(agent)](agent, (n_battles, n_agents))
    return network


def trunk_of(trunk: RecurrentTrunk, n_agents: int, further_obs_weight: Tensor | None = None) -> Trunk:
    """Lay out a trunk. A further weight (K, O) on the observations becomes part of the same product."""
    gru, inputs = trunk.gru, layer_of(trunk.input_layer)
    of_obs, of_action, of_index = np.split(inputs.weight, [trunk.obs_size, -n_agents], axis=1)
    if further_obs_weight is not None:
        of_obs = np.concatenate([of_obs, array(further_obs_weight).T[None]], axis=2)
    agents = np.arange(n_agents)
    return Trunk(
        of_obs=np.ascontiguousarray(of_obs),
        of_action=np.ascontiguousarray(of_action),
        of_agent=of_index[0 if trunk.shared else agents, agents] + inputs.bias,
        of_input=layer(gru.weight_ih, gru.bias_ih),
        of_hidden=layer(gru.weight_hh, gru.bias_hh),
    )


def layer_of(module: Any) -> Layer:
    """Lay out a linear module."""
    return layer(module.weight, module.bias)


def layer(weight: Tensor, bias: Tensor) -> Layer:
    """Lay out weight (O, I) and bias (O,) shared by all agents, or separate ones (A, O, I) and (A, O)."""
    sets = array(weight).reshape(-1, *weight.shape[-2:])
    return Layer(np.ascontiguousarray(sets.swapaxes(1, 2)), array(bias).reshape(-1, bias.shape[-1]))


def activation_of(activation: nn.Module, units: int) -> Activation:
    """Lay out the activation of a role network's hidden layer."""
    if isinstance(activation, StepNormalisation):
        return Activation(True, array(activation.weight), array(activation.bias))
    return Activation(False, zeros(units), zeros(units))


def array(tensor: Tensor) -> Floats:
    """Return a weight as an array that shares its memory."""
    values: Floats = tensor.detach().numpy()
    return values


def zeros(*shape: int) -> Floats:
    """Return zeros of the kernels' type."""
    return np.zeros(shape, np.float32)
