"""The paper's appendix A on a Gaussian toy, where every expectation has a closed form.

Observation o, trajectory tau and role rho are jointly normal: rho = a o + b tau + noise. The posterior q(rho | tau, o)
is any other linear normal. With b = 0 the role depends on the observation alone, as Eq. 1 says.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from roma.learners.roma.losses import identifiability_loss, kl_divergence, role_information, specialisation_loss
from roma.nets.roles import Gaussian

DRAWS = 40_000
FLOOR = 0.1  # of variances, appendix A.2


@dataclass(frozen=True)
class Toy:
    """rho = a o + b tau + s e, where tau = c o + e' with standard normal o, e and e'; q: rho ~ N(A o + B tau, S)."""

    a: float
    b: float
    c: float
    variance: float  # s^2, of the role given observation and trajectory
    q: tuple[float, float, float]  # A, B and the variance S

    @property
    def given_observation(self) -> float:
        """The variance of p(rho | o)."""
        return self.variance + self.b**2

    def draw(self):
        """o, tau and rho, (DRAWS,) each."""
        o, other, noise = np.random.default_rng(0).normal(size=(3, DRAWS))
        tau = self.c * o + other
        return o, tau, self.a * o + self.b * tau + np.sqrt(self.variance) * noise

    @property
    def information(self) -> float:
        """I(rho; tau | o), half the log of the ratio of two variances."""
        return 0.5 * np.log(self.given_observation / self.variance)

    @property
    def entropy(self) -> float:
        """H(rho | o)."""
        return 0.5 * np.log(2 * np.pi * np.e * self.given_observation)

    @property
    def expected_log_q(self) -> float:
        """E[log q(rho | tau, o)]."""
        of_o, of_tau, spread = self.q
        from_o, from_tau = self.a - of_o, self.b - of_tau
        error = (from_o + from_tau * self.c) ** 2 + from_tau**2 + self.variance
        return -0.5 * np.log(2 * np.pi * spread) - error / (2 * spread)


def toys(b=None):
    """Ten toys, the last with the true posterior."""
    rng = np.random.default_rng(1)
    made = []
    for _ in range(10):
        a, other, c, x, y = rng.normal(size=5)
        of_tau = other if b is None else b
        made.append(Toy(a, of_tau, c, rng.uniform(FLOOR, 2), (x, y, rng.uniform(FLOOR, 2))))
    last = made[-1]
    return [*made[:-1], Toy(last.a, last.b, last.c, last.variance, (last.a, last.b, last.variance))]


def normal(mean, variance):
    """A one-dimensional Gaussian of so many rows and one agent."""
    mean = torch.as_tensor(mean, dtype=torch.float64).reshape(-1, 1, 1)
    return Gaussian(mean, torch.full_like(mean, variance))


@pytest.mark.parametrize("toy", toys())
def test_the_posterior_bounds_the_information_from_below(toy):
    """Eqs. 2 and 8: I(rho; tau | o) is the expectation of log q / p, and what is left, a divergence."""
    bound = toy.expected_log_q + toy.entropy
    assert bound <= toy.information + 1e-12
    o, tau, _ = toy.draw()
    of_o, of_tau, spread = toy.q
    truth = normal(toy.a * o + toy.b * tau, toy.variance)
    gap = kl_divergence(truth, normal(of_o * o + of_tau * tau, spread)).mean().item()
    assert toy.information - bound == pytest.approx(gap, rel=0.05, abs=1e-9)


@pytest.mark.parametrize("toy", toys(b=0.0))
def test_the_bound_is_entropy_less_cross_entropy(toy):
    """Eqs. 9 to 11: where the role depends on o alone the bound is H - CE = -L_I, and the information is 0."""
    assert toy.information == 0
    o, tau, _ = toy.draw()
    of_o, of_tau, spread = toy.q
    role = normal(toy.a * o, toy.variance)
    loss = identifiability_loss(role, normal(of_o * o + of_tau * tau, spread), torch.ones(DRAWS, dtype=torch.float64))
    assert toy.expected_log_q + toy.entropy == pytest.approx(-loss.item(), rel=0.05, abs=1e-9)
    assert loss.item() >= 0


@pytest.mark.parametrize("toy", toys())
def test_information_with_another_trajectory_is_bounded_twice(toy):
    """Eqs. 12 to 14: without the entropy, which the floor keeps from being negative, and with q for the truth."""
    assert toy.entropy >= 0
    truth = Toy(toy.a, toy.b, toy.c, toy.variance, (toy.a, toy.b, toy.variance)).expected_log_q
    assert toy.information == pytest.approx(truth + toy.entropy)
    assert toy.information >= truth >= toy.expected_log_q
    o, tau, rho = toy.draw()
    of_o, of_tau, spread = toy.q
    found = role_information(
        torch.from_numpy(rho).reshape(-1, 1, 1), normal(of_o * o + of_tau * tau, spread)
    )  # of each draw with its own trajectory
    assert found.mean().item() == pytest.approx(toy.expected_log_q, rel=0.05, abs=0.02)


@pytest.mark.parametrize("toy", toys())
@pytest.mark.parametrize("cap", [-1.0, 0.0, 1.0])
def test_the_minimised_sum_lies_above_that_of_the_hinge(toy, cap):
    """Eqs. 15 to 20: min{E[T1], U} >= min{E[T2], U} >= E[min{T2, U}], so L_D's sum is above that of Eq. 15."""
    o, tau, rho = toy.draw()
    of_o, of_tau, spread = toy.q
    log_q = -0.5 * np.log(2 * np.pi * spread) - (rho - of_o * o - of_tau * tau) ** 2 / (2 * spread)  # T2
    least = np.minimum(log_q, cap)
    assert min(toy.information, cap) >= min(toy.expected_log_q, cap) >= least.mean() - 0.02
    assert (least <= log_q).all()
    assert (least <= cap).all()
    norm, pairs, d = 0.7, 6, 0.2
    hinge = norm - pairs * min(toy.information + d, cap)
    assert norm - pairs * np.minimum(log_q + d, cap).mean() >= hinge - 6 * 0.02


def test_the_sum_that_is_minimised_is_that_of_eq_20():
    """The loss of one row of raw values that lie in [0, 1] as they are: the norm less the capped sum over i != j."""
    information = torch.tensor([[[0.0, 0.0, 1.0], [0.4, 0.0, 0.3], [0.9, 0.2, 0.0]]], dtype=torch.float64)
    apart = torch.tensor([[[0.0, 0.5, 1.0], [0.0, 0.0, 0.9], [0.3, 0.1, 0.0]]], dtype=torch.float64)
    others = ~torch.eye(3, dtype=torch.bool)
    expected = apart[0][others].norm() - (information + apart)[0][others].clamp_max(1).sum()
    found = specialisation_loss(information, apart, torch.ones(1, dtype=torch.float64))
    assert found.loss.item() == pytest.approx(expected.item())
