"""QTRAN-base (Son et al., 2019): utilities whose greedy actions maximise an unrestricted joint value.

L = L_td + w_opt L_opt + w_nopt L_nopt, where a* are the agents' greedy actions and [.] has no gradient:
    L_td   = (Q_jt(s, h, a) - r - gamma Q_jt^-(s', h'^-, a*'))^2
    L_opt  = (sum_i q_i(a*_i) - [Q_jt(s, h, a*)] + V(s))^2
    L_nopt = min(0, sum_i q_i(a_i) - [Q_jt(s, h, a)] + V(s))^2
Each term is a mean over real timesteps. h are the agents' GRU states after the step. L_td has gradients through them.
"""

import torch
from torch import Tensor

from roma.envs.vector import EnvInfo
from roma.learners.base.batch import Batch, PackedBatch
from roma.learners.base.learner import Learner as BaseLearner
from roma.learners.base.learner import Networks
from roma.learners.base.temporal_difference import best_actions, masked_mean, taken, td_loss, td_statistics, td_targets
from roma.learners.qtran.config import Config
from roma.nets.joint import JointValue
from roma.nets.recurrent import UtilityAgent


class QtranNetworks(Networks):
    """The agents' shared network, and the joint values instead of a mixer."""

    agent: UtilityAgent
    mixer: JointValue

    def __init__(self, config: Config, info: EnvInfo) -> None:
        super().__init__()
        self.agent = UtilityAgent(info.obs_size, info.n_actions, info.n_agents, config.hidden_dim)
        self.mixer = JointValue(info.state_size, config.hidden_dim, info.n_actions, config.mixer_embed_dim)


def loss(
    online: QtranNetworks, target: QtranNetworks, batch: Batch, config: Config
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return L and its statistics."""
    packed = PackedBatch(batch)
    states = online.agent.states(packed.obs, packed.last_actions, packed.counts)
    utilities = online.agent.utility_layer(states)
    best = best_actions(utilities, packed.avail_actions)
    joint_q = online.mixer.joint(packed.state, states, packed.actions)
    with torch.no_grad():
        target_states = target.agent.states(packed.obs, packed.last_actions, packed.counts)
        next_states, next_best = packed.next(target_states), packed.next(best)
        if not config.double_q:
            next_utilities = target.agent.utility_layer(next_states)
            next_best = best_actions(next_utilities, packed.next(packed.avail_actions))
        target_joint_q = target.mixer.joint(packed.next(packed.state), next_states, next_best)
        best_joint_q = online.mixer.joint(packed.state, states, best)
    targets = td_targets(packed.reward, packed.terminated, packed.from_next(target_joint_q), config.gamma)
    td = td_loss(joint_q, targets, packed.mask)

    state_value = online.mixer.state_value(packed.state)
    at_best = taken(utilities, best).sum(-1) - best_joint_q + state_value
    at_taken = taken(utilities, packed.actions).sum(-1) - joint_q.detach() + state_value
    optimum = masked_mean(at_best**2, packed.mask)
    bound = masked_mean(at_taken.clamp_max(0) ** 2, packed.mask)
    statistics = {"loss_td": td.detach(), "loss_optimum": optimum.detach(), "loss_bound": bound.detach()}
    statistics |= td_statistics(joint_q, targets, packed.mask, packed.actions.shape[-1])
    return td + config.optimum_weight * optimum + config.bound_weight * bound, statistics


class Learner(BaseLearner[Config, QtranNetworks]):
    """Learner of QTRAN-base."""

    stat_names = (
        "loss",
        "loss_td",
        "loss_optimum",
        "loss_bound",
        "grad_norm",
        "td_error_abs",
        "q_taken_mean",
        "target_mean",
        "q_tot_mean",
    )

    def build_networks(self) -> QtranNetworks:
        return QtranNetworks(self.config, self.info)

    def draw_noise(self, batch: Batch, key: int) -> None:
        """Return None: the loss needs no noise."""

    def loss(self, batch: Batch, noise: None) -> tuple[Tensor, dict[str, Tensor]]:
        return loss(self.online, self.target, batch, self.config)
