"""The kernels of acting against their references."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from numpy.testing import assert_allclose, assert_array_equal

from roma.learners.coma import learner as coma
from roma.nets.ops.acting import choice, decisions, layers
from roma.nets.ops.acting.choice import Choice, drawn, epsilon_greedy
from roma.nets.ops.acting.layers import Activation, Layer, RoleDecoder, RoleEncoder, Trunk

TOLERANCE = {"rtol": 1e-5, "atol": 1e-6}
SIZES = [1, 2, 3, 4, 5, 8, 17, 64]
without_deadline = settings(deadline=None)  # the first example compiles


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def sparse(size, density=0.5, seed=0):
    return normal(size, seed=seed) * (np.random.default_rng(seed + 1).random(size) < density).astype(np.float32)


def layer(in_size, out_size, sets=1):
    return Layer(normal(sets, in_size, out_size, seed=1), normal(sets, out_size, seed=2))


def trunk(width=6, n_obs=5, n_actions=4, n_agents=3, sets=1):
    return Trunk(
        of_obs=normal(sets, n_obs, width),
        of_action=normal(sets, n_actions, width, seed=3),
        of_agent=normal(n_agents, width, seed=4),
        of_input=layer(width, 3 * width, sets),
        of_hidden=layer(width, 3 * width, sets),
    )


def terms():
    return np.empty(64, np.int64)


@njit
def elementary(x):
    return layers.exp(x), layers.sigmoid(x), layers.tanh(x)


def test_elementary_functions():
    numbers = np.concatenate([np.linspace(-87, 87, 20_001), np.linspace(-1, 1, 2001)]).astype(np.float32)
    exp, sigmoid, tanh = np.array([elementary(x) for x in numbers]).T
    exact = numbers.astype(np.float64)
    assert_allclose(exp, np.exp(exact), rtol=2e-7)
    assert_allclose(sigmoid, 1 / (1 + np.exp(-exact)), rtol=3e-7)
    assert_allclose(tanh, np.tanh(exact), atol=2e-7)
    assert elementary(np.float32(1000))[1:] == (1, 1)
    assert elementary(np.float32(-1000))[1:] == (pytest.approx(0, abs=1e-37), -1)


@pytest.mark.parametrize("density", [0, 0.5, 1])
@pytest.mark.parametrize("in_size", SIZES)
@pytest.mark.parametrize("out_size", SIZES)
def test_product(in_size, out_size, density):
    x, weight, out = sparse(in_size, density), normal(in_size, out_size), normal(out_size, seed=5)
    expected = layers.add_product_reference(x, weight, out)
    layers.add_product(x, weight, out, terms())
    assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


def test_product_is_summed_in_order_whatever_is_zero():
    """A zero replaced by the smallest number adds nothing, so that all other terms are added in the same order."""
    weight, x = normal(17, 9), sparse(17)
    out, other = normal(9, seed=5), normal(9, seed=5)
    layers.add_product(x, weight, out, terms())
    layers.add_product(np.where(x == 0, np.float32(1e-45), x), weight, other, terms())
    assert_array_equal(out, other)


@pytest.mark.parametrize("sets", [1, 3])
def test_linear(sets):
    x, of_sets, out = sparse(7), layer(7, 5, sets), np.empty(5, np.float32)
    for g in range(sets):
        layers.linear(x, of_sets, g, out, terms())
        assert_allclose(out, layers.linear_reference(x, of_sets, g), **TOLERANCE)


@pytest.mark.parametrize("width", [1, 6, 16])
@pytest.mark.parametrize("last_action", [-1, 0, 3])
@pytest.mark.parametrize("sets", [1, 3])
def test_trunk(width, last_action, sets):
    weights, i = trunk(width, sets=sets), 2
    g, product, hidden = i % sets, normal(width, seed=6), np.tanh(normal(width, seed=7))
    expected = layers.trunk_step_reference(product, weights, g, i, last_action, hidden)
    layers.trunk_step(product, weights, g, i, last_action, hidden, np.empty((2, 3 * width), np.float32), terms())
    assert_allclose(hidden, expected, **TOLERANCE)


def test_gru_cell_is_torch_s():
    weights, x, hidden = trunk(), normal(6, seed=6), np.tanh(normal(6, seed=7))
    weight_ih, weight_hh = (each.weight[0].T for each in (weights.of_input, weights.of_hidden))
    bias_ih, bias_hh = (each.bias[0] for each in (weights.of_input, weights.of_hidden))
    arguments = x[None], hidden[None], weight_ih, weight_hh, bias_ih, bias_hh
    of_torch = torch.gru_cell(*(torch.tensor(each) for each in arguments))
    assert_allclose(layers.gru_cell_reference(x, weights, 0, hidden), of_torch[0], **TOLERANCE)


@pytest.mark.parametrize("shape", [(1, 1, 4), (1, 5, 1), (3, 2, 12)])
def test_normalisation(shape):
    units, activation = normal(*shape), Activation(True, normal(shape[2], seed=1), normal(shape[2], seed=2))
    expected = layers.normalise_reference(units, activation)
    layers.normalise(units, activation)
    assert_allclose(units, expected, rtol=1e-4, atol=1e-5)


def test_activation_of_live_battles():
    units = normal(2, 3, 4)
    expected = np.stack([np.maximum(units[0], 0), units[1]])
    decisions.activate(units, Activation(False, *np.zeros((2, 4), np.float32)), np.array([True, False]))
    assert_array_equal(units, expected)


@pytest.mark.parametrize("dimensions", [1, 3, 6])
@pytest.mark.parametrize("floor", [0.0, 0.5, 100.0])
def test_role(dimensions, floor):
    rectified = Activation(False, *np.zeros((2, 12), np.float32))
    encoder = RoleEncoder(normal(4, 12), normal(3, 12), rectified, layer(12, 2 * dimensions), floor)
    units, noise, role = sparse(12), normal(dimensions, seed=8), np.empty(2 * dimensions, np.float32)
    layers.sample_role(units, encoder, noise, role, terms())
    assert_allclose(role[:dimensions], layers.sample_role_reference(units, encoder, noise), **TOLERANCE)


@pytest.mark.parametrize("n_actions", [1, 9])
@pytest.mark.parametrize("density", [0, 0.5])
def test_generated_layer(n_actions, density):
    rectified = Activation(False, *np.zeros((2, 12), np.float32))
    decoder = RoleDecoder(layer(3, 12), rectified, layer(12, 7 * n_actions))
    units, hidden, values = sparse(12, density), normal(6, seed=8), np.empty(n_actions, np.float32)
    layers.generated_utilities(units, decoder, hidden, values, np.empty((7, n_actions), np.float32), terms())
    expected = layers.generated_utilities_reference(units, decoder, hidden)
    assert_allclose(values, expected, rtol=1e-4, atol=1e-5)


actions = st.integers(1, 9).flatmap(
    lambda n: st.tuples(
        st.lists(st.sampled_from([-1.5, 0.0, 0.25, 3.0]), min_size=n, max_size=n),  # with equal values
        st.lists(st.booleans(), min_size=n, max_size=n),
    )
)
shares = st.integers(0, 2**32 - 1).map(lambda word: word / 2**32)


@without_deadline
@given(actions, st.sampled_from([None, 0.0, 0.3, 1.0]), st.tuples(shares, shares))
def test_choice_by_value(values_and_avail, epsilon, draws):
    values, avail = (np.array(each, kind) for each, kind in zip(values_and_avail, (np.float32, np.bool_), strict=True))
    how = Choice(epsilon is None, epsilon or 0.0, False)
    found = choice.choose(values.copy(), avail, how, np.array(draws))
    assert found == epsilon_greedy(values, avail, epsilon, np.array(draws))


def test_a_value_that_is_no_number_leaves_an_available_action():
    values, avail = np.array([1, np.nan, np.nan], np.float32), np.array([False, True, True])
    assert choice.best_action(values, avail) == 1


@without_deadline
@given(actions, st.sampled_from([None, 0.0, 0.3, 1.0]), st.tuples(shares, shares), st.sampled_from([1, 100, 1e4]))
def test_choice_from_a_policy(logits_and_avail, epsilon, draws, scale):
    logits, avail = (np.array(each, kind) for each, kind in zip(logits_and_avail, (np.float32, np.bool_), strict=True))
    avail[0] |= not avail.any()
    logits *= np.float32(scale)
    found = choice.choose(logits.copy(), avail, Choice(epsilon is None, epsilon or 0.0, True), np.array(draws))
    assert avail[found]
    if epsilon is None:
        assert found == epsilon_greedy(logits, avail, None, np.array(draws))
        return
    softened = logits.copy()
    choice.soften(softened, avail, epsilon)
    probabilities = choice.soften_reference(logits, avail, epsilon)
    assert_allclose(softened / softened.sum(), probabilities / probabilities.sum(), rtol=1e-6, atol=1e-37)
    policy = coma.policy(torch.from_numpy(logits).double(), torch.from_numpy(avail), epsilon).numpy()
    assert_allclose(probabilities / probabilities.sum(), policy, rtol=1e-6, atol=1e-37)
    ends = policy.cumsum()
    if abs(ends - draws[1]).min() > 1e-6:
        assert found == drawn(policy, np.array(draws[1]))


@without_deadline
@given(st.lists(st.integers(0, 5), min_size=1, max_size=6).filter(any), shares)
def test_draw(weights, uniform):
    probabilities = np.array(weights, np.float32)
    assert choice.draw(probabilities, uniform) == drawn(probabilities.astype(np.float64), np.array(uniform))


def test_nothing_is_drawn_from_nothing():
    assert choice.draw(np.zeros(3, np.float32), 0.5) == 0


def test_latents():
    first, last, state = layer(5, 6), layer(6, 4), normal(1000, 5)
    draws, latents = np.random.default_rng(0).random(1000), np.empty(1000, np.int64)
    rooms = np.empty(6, np.float32), np.empty(4, np.float32), terms()
    decisions.draw_latents(first, last, state, draws, *rooms, latents)
    logits = layers.linear_reference(np.maximum(layers.linear_reference(state, first), 0), last)
    assert_array_equal(latents, drawn(np.exp(logits.astype(np.float64)), draws))
