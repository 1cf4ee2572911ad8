"""Hyper-parameters of ROMA (Wang et al., ICML 2020), with a named switch for each reading of the paper."""

from dataclasses import dataclass
from typing import Literal

from roma.learners.qmix_config import MixingConfig


@dataclass(frozen=True, slots=True)
class Config(MixingConfig):
    role_dim: int = 3  # dimensions of a role (paper, appendix B.1)
    role_hidden: int = 12  # units of the hidden layer in all role networks (paper, appendix B.1)
    variance_floor: float = 0.1  # least variance of role and posterior (paper, appendix B.1; a variance, no deviation)
    lambda_identifiability: float = 1e-4  # weight of L_I, Eq. 7 (paper, section 5); 0: not computed
    lambda_specialisation: float = 1e-2  # weight of L_D, Eq. 7 (paper, section 5); 0: not computed
    posterior_uses_observation: bool = True  # q_xi reads o^t beside the trajectory, as Eq. 3 says; B.1 omits it
    absolute_dissimilarity: bool = True  # |d_phi| instead of d_phi; the paper leaves the sign open
    log_density: bool = True  # log q_xi in L_D, as Eqs. 14 and 17 derive; False: the density of Eqs. 6 and 22
    pairs: Literal["offdiag", "allpairs"] = (
        "offdiag"  # pairs the min-max and the Frobenius norm run over; open in paper
    )
    pair_reduction: Literal["sum", "mean"] = "sum"  # Eq. 6 sums over pairs; mean: norm / A - average over pairs
    mask_dead: bool = False  # leave dead agents out of both role losses; Eqs. 3 and 6 take all agents
    role_at_test: Literal["sampled", "mean"] = "sampled"  # greedy decisions use a sampled role or the mean role


VARIANTS: dict[str, dict[str, object]] = {
    "roma": {},
    "roma_td": {"lambda_identifiability": 0.0, "lambda_specialisation": 0.0},
    "roma_td_li": {"lambda_specialisation": 0.0},
    "roma_td_ld": {"lambda_identifiability": 0.0},
}
