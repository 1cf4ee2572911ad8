"""Hyper-parameters of ROMA (Wang et al., ICML 2020), with a named switch for each reading of the paper."""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from roma.learners.base.config import PAPER
from roma.learners.qmix.config import MIXING_SOURCES, MixingConfig
from roma.support.errors import UserError

# How `roma` and its ablations reduce L_D over pairs of agents, decided as docs/readings.md says. The other reduction is
# an arm beside them.
HEADLINE_REDUCTION: Final = "mean"
READINGS = {  # reduction: its arm where the headline has the other one, and what it is
    "sum": ("roma_literal", "ROMA, $L_D$ summed over pairs of agents"),
    "mean": ("roma_per_pair", "ROMA, $L_D$ averaged over pairs of agents"),
}
(OTHER_REDUCTION,) = READINGS.keys() - {HEADLINE_REDUCTION}
OTHER_READING, OTHER_DESCRIPTION = READINGS[OTHER_REDUCTION]


@dataclass(frozen=True, slots=True)
class Config(MixingConfig):
    POSITIVE: ClassVar[tuple[str, ...]] = (*MixingConfig.POSITIVE, "role_dim", "role_hidden", "variance_floor")
    SIGNED: ClassVar[tuple[str, ...]] = ("entropy_weight",)

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
    pair_reduction: Literal["sum", "mean"] = (
        HEADLINE_REDUCTION  # of L_D: the sum of Eq. 6 as written, or the whole of it over the number of its pairs
    )
    mask_dead: bool = False  # leave dead agents out of both role losses; Eqs. 3 and 6 take all agents
    mask_padding: bool = True  # role losses over real steps; False: over all slots of the batch (release)
    role_input: Literal["observation", "everything"] = (
        "observation"  # what f and q_xi read: o_i (Eq. 1), or the whole input of the trunk (release)
    )
    role_layers: Literal["relu", "batchnorm"] = (
        "relu"  # hidden layers of the role networks; batchnorm: by a step's statistics, then leaky (release)
    )
    information: Literal["posterior", "role"] = (
        "posterior"  # I_ij of L_D: log q_xi(rho_i | tau_j), or p_i(rho_j), floored (release)
    )
    dissimilarity: Literal["trajectories", "roles", "none"] = (
        "trajectories"  # what d_phi compares; roles: as released; none: L_D without d
    )
    matrix_norm: Literal["frobenius", "entrywise"] = "frobenius"  # of D'; entrywise: sum of absolute values (release)
    hinge_weight: float = 1.0  # of the sum over pairs beside the norm of D' (release: soft_constraint_weight)
    hinge_counts_self: bool = False  # the sum over pairs takes i = j too (release); needs pairs = allpairs
    entropy_weight: float = 0.0  # of the role entropy, added to the weighted L_I (release: h_loss_weight)
    softplus_identifiability: bool = False  # softplus of both, step by step (release)
    role_at_test: Literal["sampled", "mean"] = "sampled"  # greedy decisions use a sampled role or the mean role

    def __post_init__(self) -> None:
        MixingConfig.__post_init__(self)
        if self.hinge_counts_self and self.pairs != "allpairs":
            raise UserError(f"hinge_counts_self needs pairs = allpairs, not {self.pairs}")

    @property
    def is_paper_specialisation(self) -> bool:
        """Whether L_D is that of Eqs. 6 and 22 in our reading, whichever the sign of d and the reduction."""
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
    "roma": "Roles by the paper's equations (Wang et al. 2020)",
    "roma_td": "Neither loss on roles; the paper's $L_{TD}$",
    "roma_td_li": "The paper's $L_{TD} + L_I$",
    "roma_td_ld": "The paper's $L_{TD} + L_D$",
    OTHER_READING: OTHER_DESCRIPTION,
    "roma_no_dissimilarity": "ROMA, $L_D$ without $d$",
    "roma_release": "The authors' released code, its values for MMM2",
    "roma_release_epsilon_50": "The same, exploring over 50 steps",
    "roma_release_readme": "The same, its README's values for other maps",
}
READING = "our reading of the paper: docs/paper_vs_code.md"
STUDIED = "our reading of the paper: docs/readings.md"
RELEASED = "released code, revision 2d60448"
SOURCES = (
    MIXING_SOURCES
    | dict.fromkeys(("role_dim", "role_hidden", "variance_floor"), PAPER)
    | dict.fromkeys(("lambda_identifiability", "lambda_specialisation"), "paper, section 5: its authors' grid search")
    | dict.fromkeys(
        (
            *("posterior_uses_observation", "absolute_dissimilarity", "log_density", "pairs"),
            *("mask_dead", "mask_padding", "role_input", "role_layers", "information", "dissimilarity"),
            *("matrix_norm", "hinge_weight", "hinge_counts_self", "entropy_weight", "softplus_identifiability"),
            "role_at_test",
        ),
        READING,
    )
    | {"pair_reduction": STUDIED}
)
VARIANT_SOURCES = {
    **dict.fromkeys(("roma_td", "roma_td_li", "roma_td_ld"), "paper, table 1"),
    OTHER_READING: STUDIED,
    "roma_no_dissimilarity": "ours, to see what $d$ does",
    "roma_release": RELEASED,
    "roma_release_epsilon_50": RELEASED,
    "roma_release_readme": f"{RELEASED}, with its README",
}
TUNING_TRIALS = 0
