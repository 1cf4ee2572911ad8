"""Mixer and recurrent agent against the public reference networks."""

import pytest
import torch
from torch.nn.utils.rnn import pack_sequence
from torch.testing import assert_close

from roma.nets.mixers import MonotonicMixer
from roma.nets.ops.recurrence import gated_recurrence
from roma.nets.recurrent import UtilityAgent
from tests.golden.algorithms.reference import TOLERANCE, agent_tensors, load, mixer_tensors, under


@pytest.mark.parametrize(("kind", "hypernet_hidden"), [("h1/", 0), ("h2/", 64)])
def test_mixer(kind, hypernet_hidden):
    arrays = under(load("qmixer"), kind)
    mixer = MonotonicMixer(24, 5, 32, hypernet_hidden, "elu")
    mixer.load_state_dict(mixer_tensors(under(arrays, "mixer/")))
    utilities = arrays["in/agent_qs"].requires_grad_()
    state = arrays["in/state"].requires_grad_()

    q_tot = mixer(utilities, state)
    assert_close(q_tot, arrays["out/q_tot"][..., 0], **TOLERANCE)

    (q_tot * arrays["in/cotangent"][..., 0]).sum().backward()
    assert_close(utilities.grad, arrays["grad_in/agent_qs"], **TOLERANCE)
    assert_close(state.grad, arrays["grad_in/state"], **TOLERANCE)
    for name, gradient in mixer_tensors(under(arrays, "grad/")).items():
        assert_close(mixer.get_parameter(name).grad, gradient, **TOLERANCE)


def test_agent():
    """The reference network is fed with raw inputs: they stand in for observations, with no action and no index."""
    arrays = load("rnn_agent")
    inputs = arrays["in/x"]
    steps, rows, size = inputs.shape
    agent = UtilityAgent(size, 9, 1, 64)
    weights = agent_tensors(under(arrays, "agent/"))
    without_columns = torch.zeros(64, 9 + 1)
    weights["trunk.input_layer.weight"] = torch.cat([weights["trunk.input_layer.weight"], without_columns], dim=1)
    agent.load_state_dict(weights)

    obs = inputs.view(steps * rows, 1, size)
    none = torch.full((rows, 1), -1)
    utilities = agent(obs, none.repeat(steps, 1), [rows] * steps).view(steps, rows, -1)
    assert_close(utilities, arrays["out/q"], **TOLERANCE)

    (utilities * arrays["in/cotangent"]).sum().backward()
    for name, gradient in agent_tensors(under(arrays, "grad/")).items():
        assert_close(agent.get_parameter(name).grad, gradient, **TOLERANCE)

    hidden, no_noise = torch.zeros(rows, 64), torch.zeros(rows, 1, 0)
    for step in range(steps):
        values, hidden = agent.step(inputs[step].unsqueeze(1), none, hidden, no_noise)
        assert_close(values, arrays["out/q"][step], **TOLERANCE)
        assert_close(hidden, arrays["out/h"][step], **TOLERANCE)


@pytest.mark.parametrize("lengths", [[7, 7, 7], [7, 4, 4, 1]])
def test_recurrence_has_the_gradient_of_torch_gru(lengths):
    """Two agents to an episode; torch walks through each agent's own sequence."""
    torch.manual_seed(0)
    gru = torch.nn.GRU(4, 4).double()
    episodes = [torch.randn(length, 2, 4, dtype=torch.float64, requires_grad=True) for length in lengths]
    weights = [gru.weight_ih_l0, gru.weight_hh_l0, gru.bias_ih_l0, gru.bias_hh_l0]
    packed = pack_sequence(episodes)
    ours = gated_recurrence(packed.data, packed.batch_sizes.tolist(), *weights)
    theirs = pack_sequence([gru(episode)[0] for episode in episodes]).data
    assert_close(ours, theirs)
    with torch.no_grad():
        assert_close(gated_recurrence(packed.data, packed.batch_sizes.tolist(), *weights), theirs)
    cotangent = torch.randn_like(ours)
    for mine, expected in zip(
        torch.autograd.grad(ours, [*episodes, *weights], cotangent),
        torch.autograd.grad(theirs, [*episodes, *weights], cotangent),
        strict=True,
    ):
        assert_close(mine, expected)


def own_agent(agents, index):
    """Return one of several agents with separate weights as a network with shared weights."""
    further = [layer.bias.shape[-1] for layer in agents.further_layers if hasattr(layer, "bias")]
    alone = UtilityAgent(OBS_SIZE, N_ACTIONS, agents.n_agents, HIDDEN, further)
    alone.load_state_dict({name: value[index] for name, value in agents.state_dict().items()})
    return alone


OBS_SIZE, N_ACTIONS, N_AGENTS, HIDDEN = 5, 4, 3, 6


@pytest.mark.parametrize("further_layers", [(), (7, 5)])
def test_agents_with_weights_of_their_own_are_as_many_networks(further_layers):
    torch.manual_seed(0)
    agents = UtilityAgent(OBS_SIZE, N_ACTIONS, N_AGENTS, HIDDEN, further_layers, shared=False).double()
    counts = [4, 4, 2, 1]
    obs = torch.randn(sum(counts), N_AGENTS, OBS_SIZE, dtype=torch.float64)
    last_actions = torch.randint(-1, N_ACTIONS, (sum(counts), N_AGENTS))
    hidden, no_noise = torch.randn(4 * N_AGENTS, HIDDEN, dtype=torch.float64), torch.zeros(4, N_AGENTS, 0)
    utilities = agents(obs, last_actions, counts)
    stepped, next_hidden = agents.step(obs[:4], last_actions[:4], hidden, no_noise)
    cotangent = torch.randn_like(utilities)
    gradients = dict(
        zip(
            (name for name, _ in agents.named_parameters()),
            torch.autograd.grad((utilities * cotangent).sum(), agents.parameters()),
            strict=True,
        )
    )
    for index in range(N_AGENTS):
        alone = own_agent(agents, index).double()
        expected = alone(obs, last_actions, counts)[:, index]
        assert_close(utilities[:, index], expected)
        (expected * cotangent[:, index]).sum().backward()
        for name, parameter in alone.named_parameters():
            assert_close(gradients[name][index], parameter.grad, msg=name)
        own = slice(index, None, N_AGENTS)
        expected, expected_hidden = alone.step(obs[:4], last_actions[:4], hidden, no_noise)
        assert_close(stepped[own], expected[own])
        assert_close(next_hidden[own], expected_hidden[own])


def test_an_agents_utilities_reach_its_own_weights_only():
    torch.manual_seed(0)
    agents = UtilityAgent(OBS_SIZE, N_ACTIONS, N_AGENTS, HIDDEN, shared=False)
    obs, last_actions = torch.randn(7, N_AGENTS, OBS_SIZE), torch.randint(-1, N_ACTIONS, (7, N_AGENTS))
    agents(obs, last_actions, [4, 3])[:, 1].sum().backward()
    for name, parameter in agents.named_parameters():
        assert parameter.grad[1].any(), name
        assert not parameter.grad[[0, 2]].any(), name


@pytest.mark.parametrize("activation", ["elu", "relu"])
@pytest.mark.parametrize("hypernet_hidden", [0, 16])
def test_mixer_is_monotonic(activation, hypernet_hidden):
    torch.manual_seed(0)
    mixer = MonotonicMixer(6, 4, 8, hypernet_hidden, activation)
    utilities = torch.randn(500, 4, requires_grad=True)
    mixer(utilities, torch.randn(500, 6)).sum().backward()
    assert (utilities.grad >= 0).all()
    assert (utilities.grad > 0).any()
