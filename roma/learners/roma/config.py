"""Hyper-parameters of ROMA (Wang et al., ICML 2020), with a switch for each open reading of the paper."""

from dataclasses import dataclass
from typing import Final, Literal

from roma.learners.base.config import PAPER
from roma.learners.qmix.config import MixingConfig
from roma.support.errors import UserError
from roma.support.schemas.settings import ANY, AT_LEAST_ONE, POSITIVE, setting

# Reduction of L_D over pairs of agents in `roma` and its ablations; docs/readings.md explains the decision. The other
# reduction is an arm of its own.
HEADLINE_REDUCTION: Final = "mean"
READINGS = {  # reduction: name of its arm if it is not the headline's, and description
    "sum": ("roma_literal", "ROMA with $L_D$ summed over pairs of agents"),
    "mean": ("roma_per_pair", "ROMA, $L_D$ averaged over pairs of agents"),
}
(OTHER_REDUCTION,) = READINGS.keys() - {HEADLINE_REDUCTION}
OTHER_READING, OTHER_DESCRIPTION = READINGS[OTHER_REDUCTION]


READING: Final = "our reading of the paper: docs/paper_vs_code.md"
STUDIED: Final = "our reading of the paper: docs/readings.md"
SEARCHED: Final = "paper, section 5: its authors' grid search"
RELEASED: Final = "released code, revision 2d60448"


@dataclass(frozen=True, slots=True)
class Config(MixingConfig):
    """Settings of ROMA. Values marked (release) are those of the authors' released code."""

    role_dim: int = setting(3, "dimensions of a role", PAPER, AT_LEAST_ONE)
    role_hidden: int = setting(12, "units of the hidden layer in all role networks", PAPER, AT_LEAST_ONE)
    variance_floor: float = setting(
        0.1, "least variance (not standard deviation) of role and posterior", PAPER, POSITIVE
    )
    lambda_identifiability: float = setting(1e-4, "weight of L_I, Eq. 7; 0: not computed", SEARCHED)
    lambda_specialisation: float = setting(1e-2, "weight of L_D, Eq. 7; 0: not computed", SEARCHED)
    posterior_uses_observation: bool = setting(
        True, "q_xi reads o^t beside the trajectory, as in Eq. 3; appendix B.1 omits o^t", READING
    )
    absolute_dissimilarity: bool = setting(True, "|d_phi| instead of d_phi; the paper leaves the sign open", READING)
    log_density: bool = setting(
        True, "L_D uses log q_xi, as derived in Eqs. 14 and 17; false: the density of Eqs. 6 and 22", READING
    )
    pairs: Literal["offdiag", "allpairs"] = setting(
        "offdiag", "pairs over which min-max normalisation and Frobenius norm run; open in the paper", READING
    )
    pair_reduction: Literal["sum", "mean"] = setting(
        HEADLINE_REDUCTION,
        "reduction of L_D: sum over pairs (Eq. 6 as written), or mean, L_D divided by its number of pairs",
        STUDIED,
    )
    mask_dead: bool = setting(False, "exclude dead agents from both role losses; Eqs. 3 and 6 include all", READING)
    mask_padding: bool = setting(
        True, "role losses are means over real timesteps; false: over all slots of the batch (release)", READING
    )
    role_input: Literal["observation", "everything"] = setting(
        "observation", "input of f and q_xi: o_i (Eq. 1), or the whole input of the trunk (release)", READING
    )
    role_layers: Literal["relu", "batchnorm"] = setting(
        "relu", "hidden layers of the role networks: ReLU, or batch normalisation and leaky ReLU (release)", READING
    )
    information: Literal["posterior", "role"] = setting(
        "posterior", "I_ij of L_D: log q_xi(rho_i | tau_j), or p_i(rho_j), floored (release)", READING
    )
    dissimilarity: Literal["trajectories", "roles", "none"] = setting(
        "trajectories", "input of d_phi; roles: as released; none: L_D without d", READING
    )
    matrix_norm: Literal["frobenius", "entrywise"] = setting(
        "frobenius", "norm of D'; entrywise: sum of absolute values (release)", READING
    )
    hinge_weight: float = setting(
        1.0, "weight of the sum over pairs relative to the norm of D' (release: soft_constraint_weight)", READING
    )
    hinge_counts_self: bool = setting(
        False, "the sum over pairs includes i = j (release); needs pairs = allpairs", READING
    )
    entropy_weight: float = setting(
        0.0, "weight of the role entropy, added to the weighted L_I (release: h_loss_weight)", READING, ANY
    )
    softplus_identifiability: bool = setting(False, "softplus of L_I and role entropy at each step (release)", READING)
    role_at_test: Literal["sampled", "mean"] = setting(
        "sampled", "greedy actions use a sampled role or the mean role", READING
    )

    def __post_init__(self) -> None:
        MixingConfig.__post_init__(self)
        if self.hinge_counts_self and self.pairs != "allpairs":
            raise UserError(f"hinge_counts_self needs pairs = allpairs, not {self.pairs}")

    @property
    def is_paper_specialisation(self) -> bool:
        """Whether L_D is that of Eqs. 6 and 22 in our reading, with any sign of d and any reduction."""
        return all(getattr(self, name) == value for name, value in PAPER_SPECIALISATION.items())


PAPER_SPECIALISATION: dict[str, object] = {
    "log_density": True,
    "pairs": "offdiag",
    "mask_dead": False,
    "role_layers": "relu",
    "information": "posterior",
    "dissimilarity": "trajectories",
    "matrix_norm": "frobenius",
    "hinge_counts_self": False,
}


# The authors' released code (TonghanWang/ROMA, revision 2d60448), with the paper's exploration.
RELEASE: dict[str, object] = {
    "role_hidden": 16,
    "variance_floor": 0.002,
    "lambda_specialisation": 1e-3,
    "pairs": "allpairs",
    "pair_reduction": "mean",
    "mask_padding": False,
    "role_input": "everything",
    "role_layers": "batchnorm",
    "information": "role",
    "dissimilarity": "roles",
    "matrix_norm": "entrywise",
    "hinge_counts_self": True,
    "entropy_weight": 1e-4,
    "softplus_identifiability": True,
}

VARIANTS: dict[str, dict[str, object]] = {
    "roma": {},
    "roma_td": {"lambda_identifiability": 0.0, "lambda_specialisation": 0.0},
    "roma_td_li": {"lambda_specialisation": 0.0},
    "roma_td_ld": {"lambda_identifiability": 0.0},
    OTHER_READING: {"pair_reduction": OTHER_REDUCTION},
    "roma_no_dissimilarity": {"dissimilarity": "none"},
    "roma_release": RELEASE,
    "roma_release_epsilon_50": RELEASE | {"epsilon_anneal_steps": 50},  # its exploration as well
    "roma_release_readme": RELEASE | {"entropy_weight": 5e-2, "variance_floor": 1e-4},  # its README, but for MMM2
}
DESCRIPTIONS = {
    "roma": "ROMA by the paper's equations (Wang et al. 2020)",
    "roma_td": "ROMA without role losses; the paper's $L_{TD}$",
    "roma_td_li": "ROMA without $L_D$; the paper's $L_{TD} + L_I$",
    "roma_td_ld": "ROMA without $L_I$; the paper's $L_{TD} + L_D$",
    OTHER_READING: OTHER_DESCRIPTION,
    "roma_no_dissimilarity": "ROMA, $L_D$ without the dissimilarity $d$",
    "roma_release": "The authors' released code, with its values for MMM2",
    "roma_release_epsilon_50": "The released code, with its exploration over 50 steps",
    "roma_release_readme": "The released code, with its README's values for other maps",
}
VARIANT_SOURCES = {
    **dict.fromkeys(("roma_td", "roma_td_li", "roma_td_ld"), "paper, table 1"),
    OTHER_READING: STUDIED,
    "roma_no_dissimilarity": "ours, to measure the effect of $d$",
    "roma_release": RELEASED,
    "roma_release_epsilon_50": RELEASED,
    "roma_release_readme": f"{RELEASED}, with its README",
}
TUNING_TRIALS = 0
