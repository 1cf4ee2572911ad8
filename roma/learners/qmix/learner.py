"""QMIX (Rashid et al., 2018), which mixes the utilities of recurrent agents monotonically into Q_tot; VDN and IQL."""

import torch
from torch import Tensor

from roma.envs.vector import EnvInfo
from roma.learners.base.batch import Batch, PackedBatch
from roma.learners.base.learner import Learner as BaseLearner
from roma.learners.base.learner import Networks
from roma.learners.base.temporal_difference import best_actions, taken, td_loss, td_statistics, td_targets
from roma.learners.qmix.config import Config, SumConfig
from roma.nets.mixers import Mixer, make_mixer
from roma.nets.recurrent import UtilityAgent


class QmixNetworks(Networks):
    """The agents' network, shared or separate, and the mixer."""

    agent: UtilityAgent
    mixer: Mixer

    def __init__(self, config: Config | SumConfig, info: EnvInfo) -> None:
        super().__init__()
        self.agent = UtilityAgent(
            info.obs_size,
            info.n_actions,
            info.n_agents,
            config.hidden_dim,
            config.further_layers,
            config.shared_parameters,
        )
        self.mixer = make_mixer(
            config, info.state_size, info.n_agents, info.n_actions if info.state_last_actions else None
        )


def loss(
    online: QmixNetworks, target: QmixNetworks, batch: Batch, config: Config | SumConfig
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return L_TD and its statistics."""
    packed = PackedBatch(batch)
    utilities = online.agent(packed.obs, packed.last_actions, packed.counts)
    q_tot = online.mixer(taken(utilities, packed.actions), packed.state, packed.last_actions)
    with torch.no_grad():
        target_utilities = target.agent(packed.obs, packed.last_actions, packed.counts)
        chooser = utilities if config.double_q else target_utilities
        best = best_actions(packed.next(chooser), packed.next(packed.avail_actions))
        next_state, next_last_actions = packed.next(packed.state), packed.next(packed.last_actions)
        target_q_tot = target.mixer(taken(packed.next(target_utilities), best), next_state, next_last_actions)
    targets = td_targets(packed.reward, packed.terminated, packed.from_next(target_q_tot), config.gamma)

    value = td_loss(q_tot, targets, packed.mask)
    return value, {"loss_td": value.detach()} | td_statistics(q_tot, targets, packed.mask, packed.actions.shape[-1])


class Learner(BaseLearner[Config | SumConfig, QmixNetworks]):
    """Learner of QMIX, and of VDN, IQL, QMIX-NPS and QMIX-LAR, which differ only in mixer or agent network."""

    stat_names = ("loss", "loss_td", "grad_norm", "td_error_abs", "q_taken_mean", "target_mean", "q_tot_mean")

    def build_networks(self) -> QmixNetworks:
        return QmixNetworks(self.config, self.info)

    def draw_noise(self, batch: Batch, key: int) -> None:
        """Return None: the loss needs no noise."""

    def loss(self, batch: Batch, noise: None) -> tuple[Tensor, dict[str, Tensor]]:
        return loss(self.online, self.target, batch, self.config)
