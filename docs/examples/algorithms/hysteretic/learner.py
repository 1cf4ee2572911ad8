"""The loss of hysteretic QMIX. Networks, exploration and optimiser are QMIX's."""

import torch
from torch import Tensor

from roma.learners.base.batch import Batch, PackedBatch
from roma.learners.base.temporal_difference import best_actions, masked_mean, taken, td_statistics, td_targets
from roma.learners.qmix.learner import Learner as QmixLearner


class Learner(QmixLearner):
    """QMIX with smaller weights on negative errors, which may be due to the exploration of other agents."""

    def loss(self, batch: Batch, noise: None) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted L_TD and its statistics; B episodes of T steps are packed into one axis of real steps."""
        steps, online, target = PackedBatch(batch), self.online, self.target
        utilities = online.agent(steps.obs, steps.last_actions, steps.counts)
        q_tot = online.mixer(taken(utilities, steps.actions), steps.state, steps.last_actions)
        with torch.no_grad():
            target_utilities = target.agent(steps.obs, steps.last_actions, steps.counts)
            best = best_actions(steps.next(utilities), steps.next(steps.avail_actions))  # double Q-learning
            next_q_tot = target.mixer(
                taken(steps.next(target_utilities), best), steps.next(steps.state), steps.next(steps.last_actions)
            )
            targets = td_targets(steps.reward, steps.terminated, steps.from_next(next_q_tot), self.config.gamma)
            weight = torch.where(q_tot > targets, self.config.patience, 1.0)
        value = masked_mean(weight * (q_tot - targets) ** 2, steps.mask)
        return value, {"loss_td": value.detach()} | td_statistics(q_tot, targets, steps.mask, steps.actions.shape[-1])
