"""Role networks: the fast computation equals a plain one by the equations."""

import pytest
import torch
from torch.testing import assert_close

from roma.nets.roles import Dissimilarity, RoleDecoder, RoleEncoder

NO_ACTIONS = torch.full((50, 1), -1)


def test_variance_floor():
    encoder = RoleEncoder(4, 12, 3, variance_floor=0.1, obs_size=4)
    with torch.no_grad():
        encoder.output_layer.bias[3:] = torch.tensor([-20.0, -20.0, 3.0])
    distribution = encoder(torch.randn(50, 1, 12, requires_grad=True), NO_ACTIONS, [50])
    assert (distribution.variance[..., :2] == torch.tensor(0.1)).all()
    assert (distribution.variance[..., 2] > 1).all()
    (gradient,) = torch.autograd.grad(distribution.variance[..., :2].sum(), encoder.output_layer.bias)
    assert (gradient == 0).all()


def test_entropy_is_not_negative_at_the_floor():
    encoder = RoleEncoder(4, 12, 3, variance_floor=0.1, obs_size=4)
    with torch.no_grad():
        encoder.output_layer.bias[3:] = -20.0
    assert (encoder(torch.randn(50, 1, 12), NO_ACTIONS, [50]).entropy() > 0).all()


def generated_utilities(decoder, role, state):
    """Return utilities (R, U) with the last layer of each row formed explicitly."""
    generated = decoder.output_layer(decoder.hidden_layer(role).relu()).unflatten(1, (-1, decoder.n_actions))
    return torch.einsum("rh,rhu->ru", state, generated[:, :-1]) + generated[:, -1]


def test_decoder_applies_the_generated_layer():
    torch.manual_seed(0)
    decoder = RoleDecoder(3, 12, 16, n_actions=5)
    role, state = torch.randn(1100, 3), torch.randn(1100, 16)
    expected = generated_utilities(decoder, role, state)
    assert_close(decoder(role, state), expected)

    actions = torch.randint(4, (1100,))  # the last action is never taken
    assert_close(decoder.of_actions(role, state, actions), expected.gather(1, actions.unsqueeze(1)).squeeze(1))


def test_decoder_gradients_of_actions_taken():
    torch.manual_seed(0)
    decoder = RoleDecoder(3, 12, 16, n_actions=5).double()
    role = torch.randn(40, 3, dtype=torch.float64, requires_grad=True)
    state = torch.randn(40, 16, dtype=torch.float64, requires_grad=True)
    actions = torch.randint(5, (40,))
    cotangent = torch.randn(40, dtype=torch.float64)
    leaves = [role, state, *decoder.parameters()]
    direct = torch.autograd.grad(decoder.of_actions(role, state, actions), leaves, cotangent)
    chosen = generated_utilities(decoder, role, state).gather(1, actions.unsqueeze(1)).squeeze(1)
    for mine, expected in zip(direct, torch.autograd.grad(chosen, leaves, cotangent), strict=True):
        assert_close(mine, expected)


@pytest.mark.parametrize("absolute", [True, False])
def test_dissimilarity_reads_both_trajectories(absolute):
    torch.manual_seed(0)
    network = Dissimilarity(8, 12, absolute)
    trajectory = torch.randn(6, 4, 8)
    pairs = torch.cat(
        [trajectory.unsqueeze(2).expand(-1, -1, 4, -1), trajectory.unsqueeze(1).expand(-1, 4, -1, -1)], dim=-1
    )
    expected = network.output_layer(network.hidden_layer(pairs).relu()).squeeze(-1)
    assert_close(network(trajectory), expected.abs() if absolute else expected)
