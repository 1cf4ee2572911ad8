"""Every hand-written function equals its plain reference in values and gradients, odd shapes included.

In double precision gradients are also compared with finite differences; in single precision, which runs use, values and
gradients are compared with the reference's in double precision.
"""

from functools import partial

import pytest
import torch
from torch.testing import assert_close

from roma.nets.ops import generated, mixing, pairs, recurrence, selection, specialisation, trunk

OBS, U, H, K, D = 5, 4, 6, 7, 3  # observation, actions, hidden state, units, role dimensions
SHAPES = {  # rows of each time, agents
    "one_row": ([1], 3),
    "one_agent": ([3, 2, 1], 1),
    "two_agents": ([2, 2], 2),
    "one_episode": ([1, 1, 1, 1], 3),
    "equal_lengths": ([3, 3, 3], 4),
    "unequal_lengths": ([4, 4, 2, 1], 3),
    "nine_agents": ([2, 1], 9),
}
LONG = [700, 600, 500, 3]  # rows of more than one block, one of them longer than a block


def leaf(dtype, *shape):
    return torch.randn(shape, dtype=dtype, requires_grad=True)


def positive(dtype, *shape):
    return (torch.rand(shape, dtype=dtype) + 0.2).requires_grad_()


def gru(dtype, *lead):
    return [
        leaf(dtype, *lead, 3 * H, H),
        leaf(dtype, *lead, 3 * H, H),
        leaf(dtype, *lead, 3 * H),
        leaf(dtype, *lead, 3 * H),
    ]


def last_actions(rows, agents):
    return torch.randint(-1, U, (rows, agents))


def trunk_case(counts, agents, dtype, units=K, share_seen=0.6):
    obs, seen = torch.randn(sum(counts), agents, OBS, dtype=dtype), last_actions(sum(counts), agents)
    obs *= torch.rand(sum(counts), agents, 1) < share_seen
    obs[..., 0] *= torch.rand(sum(counts), agents) < 0.5  # the first feature of a visible unit may be zero

    def of(function, weight, table, *weights):
        return function(obs.to(weight.dtype), weight, table, seen, counts, *weights)

    leaves = [leaf(dtype, H + units, OBS), leaf(dtype, agents, U + 1, H), *gru(dtype)]
    return partial(of, trunk.recurrent_trunk), partial(of, trunk.reference), leaves


def recurrence_case(counts, agents, dtype):
    functions = recurrence.gated_recurrence, recurrence.reference

    def of(function, inputs, *weights):
        return function(inputs, counts, *weights)

    return *(partial(of, function) for function in functions), [leaf(dtype, sum(counts), agents, H), *gru(dtype)]


def own_recurrence_case(counts, agents, dtype):
    def alone(inputs, *weights):
        one_by_one = zip(inputs.split(1, dim=1), *(each.unbind() for each in weights), strict=True)
        return torch.cat([recurrence.reference(each, counts, *own) for each, *own in one_by_one], dim=1)

    leaves = [leaf(dtype, sum(counts), agents, H), *gru(dtype, agents)]
    return lambda inputs, *weights: recurrence.gated_recurrence(inputs, counts, *weights), alone, leaves


def selection_case(counts, agents, dtype):
    seen = last_actions(sum(counts), agents)
    one_hot = torch.nn.functional.one_hot(seen + 1, U + 1)[..., 1:].flatten(1)
    state = torch.cat([torch.randn(sum(counts), D, dtype=dtype), one_hot], dim=1)

    def of(function, weight, bias):
        return function(state.to(weight.dtype), seen, U, weight, bias)

    leaves = [leaf(dtype, K, D + agents * U), leaf(dtype, K)]
    return partial(of, selection.state_linear), partial(of, selection.reference), leaves


def mixing_case(elu, counts, agents, dtype):
    rows = sum(counts)
    leaves = [leaf(dtype, rows, agents), leaf(dtype, rows, (agents + 3) * K), leaf(dtype, K), leaf(dtype, 1)]

    def of(function, *leaves):
        return function(*leaves, elu)

    return partial(of, mixing.monotonic_mixing), partial(of, mixing.reference), leaves


def chosen_case(function, counts, agents, dtype):
    rows = sum(counts) * agents
    actions = torch.randint(U - 1, (rows,))  # the last action is never chosen

    def chosen(*leaves):
        return generated.reference(*leaves).gather(1, actions.unsqueeze(1)).squeeze(1)

    leaves = [leaf(dtype, rows, K), leaf(dtype, rows, H), leaf(dtype, H + 1, U, K + 1)]
    with torch.no_grad():
        leaves[0].relu_()  # some units are zero
        leaves[0][leaves[0] < 0.1] = 0
    return lambda *leaves: function(*leaves, actions), chosen, leaves


def units_case(counts, agents, dtype):
    rows = sum(counts)
    leaves = [leaf(dtype, rows, agents, K), leaf(dtype, rows, agents, K), leaf(dtype, K)]
    return pairs.pairwise_units, pairs.units_reference, leaves


def log_density_case(counts, agents, dtype):
    shape = sum(counts), agents, D
    leaves = [leaf(dtype, *shape), leaf(dtype, *shape), positive(dtype, *shape)]
    return pairs.pairwise_log_density, pairs.log_density_reference, leaves


def min_max_case(counts, agents, dtype):
    def normalised(values):
        return specialisation.min_max_normalised(values, None)

    return normalised, specialisation.min_max_reference, [leaf(dtype, sum(counts), agents * agents + 1)]


def capped_case(counts, agents, dtype):
    def reference(values):
        return values.clamp_max(1.0).sum(-1)

    return specialisation.capped_sum, reference, [leaf(dtype, sum(counts), agents)]


def specialisation_case(absolute, counts, agents, dtype):
    agents, rows = max(agents, 2), sum(counts)
    leaves = [leaf(dtype, rows, agents, D), leaf(dtype, rows, agents, D), positive(dtype, rows, agents, D)]
    leaves += [leaf(dtype, rows, agents, K), leaf(dtype, rows, agents, K), leaf(dtype, K), leaf(dtype, 1)]

    def of(function, *leaves):
        return function(*leaves, absolute, 0.7)[0]

    return partial(of, specialisation.specialisation), partial(of, specialisation.reference), leaves


CASES = {
    "trunk": trunk_case,
    "trunk_alone": partial(trunk_case, units=0),
    "trunk_of_the_living": partial(trunk_case, share_seen=1.0),
    "trunk_of_the_dead": partial(trunk_case, share_seen=0.0),
    "recurrence": recurrence_case,
    "recurrences_of_their_own": own_recurrence_case,
    "selection": selection_case,
    "mixing": partial(mixing_case, True),
    "mixing_by_relu": partial(mixing_case, False),
    "chosen": partial(chosen_case, generated.generated_utilities_of),
    "chosen_by_sorting": partial(chosen_case, generated.SortedUtilities.apply),
    "pairwise_units": units_case,
    "pairwise_log_density": log_density_case,
    "min_max": min_max_case,
    "capped": capped_case,
    "specialisation": partial(specialisation_case, True),
    "specialisation_signed": partial(specialisation_case, False),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def with_gradients(function, leaves):
    """Return values, and gradients of a fixed weighted sum of them."""
    values = function(*leaves)
    values = values if isinstance(values, tuple) else (values,)
    weights = [torch.linspace(-1, 2, each.numel(), dtype=each.dtype).view(each.shape) for each in values]
    total = sum((each * weight).sum() for each, weight in zip(values, weights, strict=True))
    return [each.detach() for each in values], torch.autograd.grad(total, leaves, materialize_grads=True)


@every_case
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_in_double_precision(case, shape):
    torch.manual_seed(0)
    function, reference, leaves = case(*SHAPES[shape], torch.float64)
    assert_close(with_gradients(function, leaves), with_gradients(reference, leaves), atol=1e-9, rtol=1e-9)


@every_case
@pytest.mark.parametrize("shape", ["one_agent", "unequal_lengths"])
def test_finite_differences(case, shape):
    torch.manual_seed(0)
    function, _, leaves = case(*SHAPES[shape], torch.float64)
    assert torch.autograd.gradcheck(function, leaves)


@every_case
def test_single_precision(case):
    torch.manual_seed(0)
    function, reference, leaves = case(*SHAPES["unequal_lengths"], torch.float32)
    doubles = [each.detach().double().requires_grad_() for each in leaves]
    values, gradients = with_gradients(reference, doubles)
    found, found_gradients = with_gradients(function, leaves)
    for expected, value in zip([*values, *gradients], [*found, *found_gradients], strict=True):
        assert value.dtype == torch.float32
        assert_close(value.double(), expected, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("name", ["trunk", "recurrence", "recurrences_of_their_own", "chosen", "pairwise_units"])
def test_many_rows(name, monkeypatch):
    monkeypatch.setattr(pairs, "BLOCK", 64)
    monkeypatch.setattr(pairs, "LEAST_ROWS", 2)
    torch.manual_seed(0)
    function, reference, leaves = CASES[name](LONG, 2, torch.float64)
    assert_close(with_gradients(function, leaves), with_gradients(reference, leaves))


@pytest.mark.parametrize("name", ["trunk", "trunk_of_the_dead", "recurrence", "recurrences_of_their_own"])
def test_without_gradients_nothing_is_kept_and_values_are_the_same(name):
    torch.manual_seed(0)
    function, _, leaves = CASES[name](LONG, 2, torch.float32)
    expected = function(*leaves)
    with torch.no_grad():
        assert_close(function(*leaves), expected, atol=0, rtol=0)


@pytest.mark.parametrize("rows", [1, 20, 1500])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_utilities_of_all_actions(rows, dtype):
    torch.manual_seed(0)
    units, states, generators = leaf(dtype, rows, K).relu(), leaf(dtype, rows, H), leaf(dtype, H + 1, U, K + 1)
    utilities = generated.generated_utilities(units, states, generators)
    assert not utilities.requires_grad
    assert_close(utilities, generated.reference(units, states, generators).detach(), atol=1e-5, rtol=1e-5)
    on_device = generated.utilities_by_torch(units, states, generators)
    assert_close(on_device, utilities, atol=1e-5, rtol=1e-5)


def test_norm_and_capped_share_of_the_specialisation():
    torch.manual_seed(0)
    function, reference, leaves = specialisation.specialisation, specialisation.reference, None
    _, _, leaves = specialisation_case(True, [5, 4], 6, torch.float64)
    for found, expected in zip(function(*leaves, True, 1.0)[1:], reference(*leaves, True, 1.0)[1:], strict=True):
        assert not found.requires_grad
        assert_close(found, expected)


def test_equal_pairs_have_neither_specialisation_nor_gradient():
    _, _, leaves = specialisation_case(True, [3], 4, torch.float32)
    for each in leaves[:5]:
        each.data.fill_(0.5)
    values, norms, capped = specialisation.specialisation(*leaves, True, 1.0)
    assert (values == 0).all()
    assert (norms == 0).all()
    assert (capped == 0).all()
    assert all((grad == 0).all() for grad in torch.autograd.grad(values.sum(), leaves))


@pytest.mark.parametrize("case", {name: case for name, case in CASES.items() if name != "trunk_of_the_dead"}.values())
def test_what_is_not_a_number_is_not_lost(case):
    """A run ends if its loss is not finite, so no function may hide a NaN; weights of unseen inputs do not matter."""
    torch.manual_seed(0)
    function, _, leaves = case(*SHAPES["unequal_lengths"], torch.float32)
    for spoilt in leaves:
        others = [each.detach().clone() for each in leaves]
        others[[each is spoilt for each in leaves].index(True)].view(-1)[0] = torch.nan
        values = function(*others)
        assert any(each.isnan().any() for each in (values if isinstance(values, tuple) else (values,)))
