"""Kernels that choose the actions of all battles, one for each kind of agent network.

They read observations (E, A, O), available actions (E, A, U), live battles (E,) and uniform numbers (E, A, 2). They
write actions (E, A), 0 in battles that are not live, and update the agents' memory.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roma.nets.ops.acting.choice import choose, draw
from roma.nets.ops.acting.compiler import compiled, inlined
from roma.nets.ops.acting.layers import (
    ZERO,
    Floats,
    add_product,
    exp,
    generated_utilities,
    linear,
    normalise,
    rectify,
    sample_role,
    trunk_step,
)


class Memory(NamedTuple):
    """State of the agents between timesteps."""

    hidden: Floats  # (E, A, H)
    last_actions: NDArray[np.int64]  # (E, A), -1 for none
    observed: NDArray[np.bool_]  # (E,): battles that were live in the last timestep


class Scratch(NamedTuple):
    """Buffers for intermediate results."""

    terms: NDArray[np.int64]  # (widest input,)
    products: Floats  # (E, A, H + K): products of the observations
    units: Floats  # (E, A, K)
    role: Floats  # (2D,)
    gates: Floats  # (2, 3H)
    generated: Floats  # (H + 1, U)
    layers: Floats  # (2, widest layer)


@inlined
def own(trunk, i):
    """Return the index of agent i's set of weights."""
    return i if trunk.of_obs.shape[0] > 1 else 0


@compiled
def see(trunk, b, i, obs, s):
    """Write the products of an agent's observation (O,) with trunk and role encoder."""
    product = s.products[b, i]
    for k in range(product.shape[0]):
        product[k] = ZERO
    add_product(obs, trunk.of_obs[own(trunk, i)], product, s.terms)


@compiled
def proceed(trunk, b, i, memory, s):
    """Update an agent's hidden state, given the product of its observation."""
    hidden, g = memory.hidden[b, i], own(trunk, i)
    product = s.products[b, i, : hidden.shape[0]]
    trunk_step(product, trunk, g, i, memory.last_actions[b, i], hidden, s.gates, s.terms)


@compiled
def remember(memory, live, actions):
    """Store the actions (E, A) of live battles as last actions, and set those of ended battles to 0."""
    for b in range(actions.shape[0]):
        memory.observed[b] = live[b]
        for i in range(actions.shape[1]):
            memory.last_actions[b, i] = actions[b, i] if live[b] else -1
            if not live[b]:
                actions[b, i] = 0


@compiled
def decide_by_utilities(trunk, layers, choice, obs, avail, live, draws, memory, s, actions):
    """Choose actions of agents whose utilities are linear layers on the GRU state, with ReLU between layers."""
    for b in range(actions.shape[0]):
        if not live[b]:
            continue
        for i in range(actions.shape[1]):
            see(trunk, b, i, obs[b, i], s)
            proceed(trunk, b, i, memory, s)
            units = memory.hidden[b, i]
            for k, layer in enumerate(layers):
                if k > 0:
                    rectify(units)
                outputs = s.layers[k % 2][: layer.bias.shape[1]]
                linear(units, layer, own(trunk, i), outputs, s.terms)
                units = outputs
            actions[b, i] = choose(units, avail[b, i], choice, draws[b, i])
    remember(memory, live, actions)


@compiled
def activate(units, activation, live):
    """Apply the activation of a role network's hidden layer to its units (E, A, K) in place."""
    if activation.normalised:
        normalise(units, activation)
        return
    for b in range(units.shape[0]):
        if live[b]:
            for i in range(units.shape[1]):
                rectify(units[b, i])


@compiled
def decide_by_roles(trunk, encoder, decoder, noise, choice, obs, avail, live, draws, memory, s, actions):
    """Choose actions of agents whose last layer is generated from a role, sampled with noise (E, A, D).

    Ended battles take part in the batch normalisation of hidden layers, if there is any.
    """
    battles, agents = actions.shape
    width, dimensions = memory.hidden.shape[2], noise.shape[2]
    for b in range(battles):
        if live[b] or encoder.activation.normalised:
            for i in range(agents):
                see(trunk, b, i, obs[b, i], s)
                product, units, last_action = s.products[b, i, width:], s.units[b, i], memory.last_actions[b, i]
                for k in range(units.shape[0]):
                    units[k] = encoder.of_agent[i, k] + (product[k] if memory.observed[b] else ZERO)
                    if last_action >= 0:
                        units[k] += encoder.of_action[last_action, k]
    activate(s.units, encoder.activation, live)
    for b in range(battles):
        if live[b] or decoder.activation.normalised:
            for i in range(agents):
                sample_role(s.units[b, i], encoder, noise[b, i], s.role, s.terms)
                linear(s.role[:dimensions], decoder.of_role, 0, s.units[b, i], s.terms)
    activate(s.units, decoder.activation, live)
    for b in range(battles):
        if live[b]:
            for i in range(agents):
                proceed(trunk, b, i, memory, s)
                hidden, values = memory.hidden[b, i], s.layers[0]
                generated_utilities(s.units[b, i], decoder, hidden, values, s.generated, s.terms)
                actions[b, i] = choose(values, avail[b, i], choice, draws[b, i])
    remember(memory, live, actions)


@compiled
def decide_by_latents(trunk, layer, latents, choice, obs, avail, live, draws, memory, s, actions):
    """Choose actions of agents whose last layer, without a bias, depends on the team's latent (E,) and the agent."""
    for b in range(actions.shape[0]):
        if not live[b]:
            continue
        for i in range(actions.shape[1]):
            see(trunk, b, i, obs[b, i], s)
            proceed(trunk, b, i, memory, s)
            hidden, values = memory.hidden[b, i], s.layers[0]
            for u in range(values.shape[0]):
                values[u] = ZERO
            add_product(hidden, layer.of_latent[latents[b]], values, s.terms)
            add_product(hidden, layer.of_agent[i], values, s.terms)
            actions[b, i] = choose(values, avail[b, i], choice, draws[b, i])
    remember(memory, live, actions)


@compiled
def draw_latents(first, last, state, draws, units, logits, terms, latents):
    """Draw latents (E,) by uniform numbers (E,) from a policy of two layers on initial states (E, S)."""
    for b in range(latents.shape[0]):
        linear(state[b], first, 0, units, terms)
        rectify(units)
        linear(units, last, 0, logits, terms)
        top = logits[0]
        for z in range(1, logits.shape[0]):
            top = max(top, logits[z])
        for z in range(logits.shape[0]):
            logits[z] = exp(logits[z] - top)
        latents[b] = draw(logits, draws[b])
