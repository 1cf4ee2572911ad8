"""QMIX (Rashid et al., 2018): utilities of recurrent agents, mixed monotonically into Q_tot."""

import torch
from torch import Tensor

from roma.learners.batch import Batch
from roma.learners.learner import Learner as BaseLearner
from roma.learners.learner import Networks
from roma.learners.qmix_config import Config
from roma.learners.temporal_difference import best_values, taken, td_loss, td_statistics, td_targets
from roma.nets.mixers import make_mixer
from roma.nets.recurrent import UtilityAgent


def loss(online: Networks, target: Networks, batch: Batch, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """L_TD and its statistics. Time-major within: (T, B, ...)."""
    actions, avail_actions = batch.actions.transpose(0, 1), batch.avail_actions.transpose(0, 1)
    state, mask = batch.state.transpose(0, 1), batch.mask.T

    utilities = online.agent(batch.obs, batch.actions)
    q_tot = online.mixer(taken(utilities[:-1], actions), state[:-1])
    with torch.no_grad():
        target_utilities = target.agent(batch.obs, batch.actions)
        best = best_values(utilities[1:], target_utilities[1:], avail_actions[1:], config.double_q)
        target_q_tot = target.mixer(best, state[1:])
    targets = td_targets(batch.reward.T, batch.terminated.T, target_q_tot, config.gamma)

    value = td_loss(q_tot, targets, mask)
    return value, {"loss_td": value.detach(), **td_statistics(q_tot, targets, mask, actions.shape[-1])}


class Learner(BaseLearner[Config]):
    """QMIX, or VDN with the additive mixer."""

    stat_names = ("loss", "loss_td", "grad_norm", "td_error_abs", "q_taken_mean", "target_mean", "q_tot_mean")

    def build_networks(self) -> Networks:
        networks = Networks()
        networks.agent = UtilityAgent(
            self.info.obs_size, self.info.n_actions, self.info.n_agents, self.config.hidden_dim
        )
        networks.mixer = make_mixer(self.config, self.info.state_size, self.info.n_agents)
        return networks

    def draw_noise(self, batch: Batch, generator: torch.Generator) -> None:
        """QMIX's loss takes none."""

    def loss(self, batch: Batch, noise: None) -> tuple[Tensor, dict[str, Tensor]]:
        return loss(self.online, self.target, batch, self.config)
