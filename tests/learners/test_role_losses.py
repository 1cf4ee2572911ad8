"""L_I and L_D against plain double-precision loops over the paper's formulas, and their properties."""

import math
from itertools import permutations

import pytest
import torch
from torch.testing import assert_close

from roma.learners.roma.losses import identifiability_loss, kl_divergence, role_information, specialisation_loss
from roma.nets.ops.specialisation import min_max_normalised, off_diagonal
from roma.nets.roles import Gaussian
from tests.golden.algorithms.reference import TOLERANCE, load
from tests.reference import plain_learner

ARRAYS = load("roma_paper_equations")
MASK = ARRAYS["in/mask"]
ROLE = Gaussian(ARRAYS["in/mu_p"], ARRAYS["in/var_p"])
POSTERIOR = Gaussian(ARRAYS["in/mu_q"], ARRAYS["in/var_q"])
SAMPLE = ROLE.sample(ARRAYS["in/eps"])


def test_role_sample_entropy_and_divergence():
    assert_close(SAMPLE, ARRAYS["out/rho"], **TOLERANCE)
    assert_close(ROLE.entropy(), ARRAYS["out/H_p"], **TOLERANCE)
    assert_close(kl_divergence(ROLE, POSTERIOR), ARRAYS["out/KL"], **TOLERANCE)
    assert_close(kl_divergence(ROLE, POSTERIOR), ARRAYS["out/CE"] - ARRAYS["out/H_p"], **TOLERANCE)
    assert_close(role_information(SAMPLE, POSTERIOR), ARRAYS["out/log_q_matrix"], **TOLERANCE)
    assert_close(identifiability_loss(ROLE, POSTERIOR, MASK), ARRAYS["out/L_I_masked_mean"], **TOLERANCE)


def test_the_plainly_written_losses():
    agents = torch.arange(4)
    of_role, of_pairs = [], []
    for step in range(5):
        role, posterior = ((each.mean[:, step], each.variance[:, step]) for each in (ROLE, POSTERIOR))
        dissimilarity = [ARRAYS["in/d_raw"][:, step, agents, (agents - shift) % 4] for shift in range(1, 4)]
        of_role.append(plain_learner.identifiability(*role, *posterior))
        of_pairs.append(plain_learner.specialisation(SAMPLE[:, step], *posterior, dissimilarity, "sum"))
    for losses, name in ((of_role, "out/L_I_masked_mean"), (of_pairs, "out/logq_offdiag/L_D_masked_mean")):
        assert_close((torch.stack(losses, dim=1) * MASK).sum() / MASK.sum(), ARRAYS[name], **TOLERANCE)


@pytest.mark.parametrize("pairs", ["offdiag", "allpairs"])
@pytest.mark.parametrize("density", ["logq", "q"])
def test_specialisation_loss_in_every_reading(density, pairs):
    information = role_information(SAMPLE, POSTERIOR, log_density=density == "logq")
    prefix = f"out/{density}_{pairs}/"
    result = specialisation_loss(information, ARRAYS["in/d_raw"], MASK, pairs=pairs, reduction="sum")
    assert_close(result.loss, ARRAYS[prefix + "L_D_masked_mean"], **TOLERANCE)
    norm = (ARRAYS[prefix + "frobenius"] * MASK).sum() / MASK.sum()
    assert_close(result.dissimilarity_norm, norm, **TOLERANCE)
    information_of_pairs, expected = (
        off_diagonal(matrix) if pairs == "offdiag" else matrix.flatten(-2)
        for matrix in (information, ARRAYS[prefix + "I_norm"])
    )
    assert_close(min_max_normalised(information_of_pairs, None), expected, **TOLERANCE)
    for place in MASK.new_ones(MASK.shape).nonzero().unbind():
        only = torch.zeros_like(MASK)
        only[tuple(place)] = 1
        of_step = specialisation_loss(information, ARRAYS["in/d_raw"], only, pairs=pairs, reduction="sum").loss
        assert_close(of_step, ARRAYS[prefix + "L_D_per_step"][tuple(place)], **TOLERANCE)
    mean = specialisation_loss(information, ARRAYS["in/d_raw"], MASK, pairs=pairs, reduction="mean")
    assert_close(mean.loss, ARRAYS[prefix + "L_D_masked_mean"] / (4 * 3), **TOLERANCE)


def looped_specialisation(role, mean, variance, dissimilarity, reduction):
    """Return L_D of one step by Eq. 6 with Python numbers: lists of A vectors, and A lists of A dissimilarities."""
    agents = len(role)
    pairs = list(permutations(range(agents), 2))
    information = {
        (i, j): sum(
            -0.5 * math.log(2 * math.pi * variance[j][k]) - (role[i][k] - mean[j][k]) ** 2 / (2 * variance[j][k])
            for k in range(len(role[i]))
        )
        for i, j in pairs
    }
    scaled = []
    for values in (information, {(i, j): dissimilarity[i][j] for i, j in pairs}):
        low, high = min(values.values()), max(values.values())
        scaled.append({pair: (value - low) / (high - low) for pair, value in values.items()})
    norm = math.sqrt(sum(value**2 for value in scaled[1].values()))
    loss = norm - sum(min(scaled[0][pair] + scaled[1][pair], 1.0) for pair in pairs)
    return loss / len(pairs) if reduction == "mean" else loss


def looped_gradients(arguments, reduction, distance=1e-6):
    """Return central differences of the loop for each of its numbers, nested like the arguments."""

    def difference(vector, place):
        value, ends = vector[place], []
        for moved in (value + distance, value - distance):
            vector[place] = moved
            ends.append(looped_specialisation(*arguments, reduction))
        vector[place] = value
        return (ends[0] - ends[1]) / (2 * distance)

    return [[[difference(vector, place) for place in range(len(vector))] for vector in each] for each in arguments]


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_specialisation_loss_and_its_gradient_equal_a_loop(reduction):
    inputs = [SAMPLE, *POSTERIOR, ARRAYS["in/d_raw"]]
    tensors = [tensor.double().requires_grad_() for tensor in inputs]
    information = role_information(tensors[0], Gaussian(*tensors[1:3]))
    loss = specialisation_loss(information, tensors[3], MASK.double(), reduction=reduction).loss
    found = torch.autograd.grad(loss, tensors)
    expected, total = [torch.zeros_like(tensor) for tensor in tensors], 0.0
    for place in map(tuple, MASK.nonzero().tolist()):
        arguments = [tensor[place].tolist() for tensor in tensors]
        total += looped_specialisation(*arguments, reduction) / MASK.sum().item()
        for gradient, of_step in zip(expected, looped_gradients(arguments, reduction), strict=True):
            gradient[place] = torch.tensor(of_step) / MASK.sum()
    assert loss.item() == pytest.approx(total, rel=1e-9)
    for gradient, of_loop in zip(found, expected, strict=True):
        assert of_loop.abs().max() > 1e-3
        assert_close(gradient, of_loop, atol=1e-7, rtol=1e-4)


def test_normalised_pairs_lie_in_the_unit_interval_and_reach_both_ends():
    for values in (role_information(SAMPLE, POSTERIOR), ARRAYS["in/d_raw"]):
        scaled = min_max_normalised(off_diagonal(values), None)
        assert (scaled.amin(-1) == 0).all()
        assert_close(scaled.amax(-1), torch.ones(3, 5))
    assert_close(scaled, off_diagonal(ARRAYS["out/logq_offdiag/d_norm"]), **TOLERANCE)


def test_off_diagonal_keeps_order():
    matrix = torch.arange(16).view(4, 4)
    expected = matrix[~torch.eye(4, dtype=torch.bool)]
    assert (off_diagonal(matrix) == expected).all()


def test_relabelling_agents_changes_nothing():
    order = torch.tensor([2, 0, 3, 1])
    information = role_information(SAMPLE, POSTERIOR)
    role, posterior = (Gaussian(each.mean[:, :, order], each.variance[:, :, order]) for each in (ROLE, POSTERIOR))
    assert_close(identifiability_loss(role, posterior, MASK), identifiability_loss(ROLE, POSTERIOR, MASK))
    relabelled = role_information(SAMPLE[:, :, order], posterior)
    assert_close(relabelled, information[:, :, order][..., order])
    dissimilarity = ARRAYS["in/d_raw"]
    assert_close(
        specialisation_loss(relabelled, dissimilarity[:, :, order][..., order], MASK),
        specialisation_loss(information, dissimilarity, MASK),
    )


@pytest.mark.parametrize("pairs", ["offdiag", "allpairs"])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_masked_dead_agents_count_as_absent(pairs, reduction):
    alive = torch.ones(3, 5, 4, dtype=torch.bool)
    alive[..., 2] = False
    others = torch.tensor([0, 1, 3])
    information, dissimilarity = role_information(SAMPLE, POSTERIOR), ARRAYS["in/d_raw"]
    masked = specialisation_loss(information, dissimilarity, MASK, alive, pairs, reduction)
    absent = [matrix[:, :, others][..., others] for matrix in (information, dissimilarity)]
    assert_close(masked, specialisation_loss(*absent, MASK, None, pairs, reduction))
    role, posterior = (Gaussian(each.mean[:, :, others], each.variance[:, :, others]) for each in (ROLE, POSTERIOR))
    assert_close(identifiability_loss(ROLE, POSTERIOR, MASK, alive), identifiability_loss(role, posterior, MASK))


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("n_alive", [0, 1])
def test_without_two_living_agents_there_is_no_specialisation(n_alive, reduction):
    information = role_information(SAMPLE, POSTERIOR).requires_grad_()
    alive = torch.zeros(3, 5, 4, dtype=torch.bool)
    alive[..., :n_alive] = True
    result = specialisation_loss(information, ARRAYS["in/d_raw"], MASK, alive, reduction=reduction)
    result.loss.backward()
    assert result == (0, 0, 0)
    assert information.grad.isfinite().all()


def test_equal_dissimilarities_have_no_gradient():
    dissimilarity = torch.ones(3, 5, 4, 4, requires_grad=True)
    result = specialisation_loss(role_information(SAMPLE, POSTERIOR), dissimilarity, MASK)
    result.loss.backward()
    assert result.dissimilarity_norm == 0
    assert (dissimilarity.grad == 0).all()
