"""ROMA (Wang et al., ICML 2020): agents whose utility layer is generated from a role, and the losses on roles.

The objective, Eq. 7, is in `losses`. This module draws the noise of the sampled roles and records roles.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from roma.envs.vector import EnvInfo
from roma.learners.base.batch import Batch
from roma.learners.base.learner import Learner as BaseLearner
from roma.learners.base.roles import RoleLearner, RoleRecord
from roma.learners.roma.columns import ROLE_COLUMNS
from roma.learners.roma.config import Config
from roma.learners.roma.health import EPISODES, role_health
from roma.learners.roma.losses import Roles, kl_divergence
from roma.learners.roma.networks import RoleNoise, RomaNetworks
from roma.learners.roma.release import make_objective, records_of_round
from roma.nets.roles import Gaussian
from roma.support import noise
from roma.support.noise import Purpose


class Learner(BaseLearner[Config, RomaNetworks], RoleLearner):
    """Learner of ROMA by the paper's equations, and of its ablations, in which role losses have weight 0."""

    stat_names = (
        "loss",
        "loss_td",
        "loss_identifiability",
        "loss_specialisation",
        "grad_norm",
        "td_error_abs",
        "q_taken_mean",
        "target_mean",
        "q_tot_mean",
        "role_entropy",
        "variance_floor_share",
        "dissimilarity_norm",
        "saturated_pair_share",
    )

    diagnostic_names = tuple(ROLE_COLUMNS)

    def __init__(self, config: Config, info: EnvInfo, seed: int, device: str | torch.device) -> None:
        super().__init__(config, info, seed, device)
        self.objective = make_objective(config)

    def build_networks(self) -> RomaNetworks:
        return RomaNetworks(self.config, self.info)

    def draw_noise(self, batch: Batch, key: int) -> RoleNoise:
        episodes, steps, agents, _ = batch.obs.shape

        def drawn(purpose: Purpose) -> Tensor:
            """Draw noise (B, T+1, A, role_dim) that does not depend on the length of the longest episode."""
            of_steps = noise.normals(purpose, [key], steps, episodes * agents, self.config.role_dim)[0]
            return torch.from_numpy(of_steps).unflatten(1, (episodes, agents)).transpose(0, 1).to(self.device)

        return RoleNoise(drawn(Purpose.ROLE), drawn(Purpose.TARGET_ROLE))

    def loss(self, batch: Batch, noise: RoleNoise) -> tuple[Tensor, dict[str, Tensor]]:
        return self.objective(self.online, self.target, self.objective.pack(batch), noise)

    def diagnostics(self, batch: Batch, unit_types: Sequence[Sequence[str]], key: int) -> dict[str, float]:
        few, names = batch.first(EPISODES), [each[: self.info.n_agents] for each in unit_types[:EPISODES]]
        kinds = sorted({name for each in names for name in each})
        types = torch.tensor([[kinds.index(name) for name in each] for each in names], device=self.device)
        found = role_health(self.online, self.target, few, self.draw_noise(few, key), types, self.objective)
        values = torch.stack(list(found.values())).tolist()
        # All NaNs get the same bits, because a resumed run must write the same file.
        return {name: math.nan if math.isnan(value) else value for name, value in zip(found, values, strict=True)}

    def policy_tensors(self) -> dict[str, Tensor]:
        """Return the weights of the agent network, and of q_xi and d_phi, which `role_records` needs."""
        weights: dict[str, Tensor] = self.online.state_dict()
        judging = ("trajectory_encoder.", "dissimilarity.")
        return super().policy_tensors() | {name: weights[name] for name in weights if name.startswith(judging)}

    def roles(self, obs: Tensor, last_actions: Tensor) -> tuple[Tensor, Tensor]:
        return self.online.agent.roles(obs, last_actions)

    def role_records(self, obs: Sequence[Tensor], last_actions: Sequence[Tensor]) -> list[RoleRecord]:
        if self.config.role_layers == "batchnorm":
            return records_of_round(self._role_record, obs, last_actions)
        return [self._role_record(*episode, 1) for episode in zip(obs, last_actions, strict=True)]

    @torch.inference_mode()
    def _role_record(self, obs: Tensor, last_actions: Tensor, episodes: int) -> RoleRecord:
        """Return the record of E episodes of equal length, given as rows (T * E, ...) sorted by time."""
        online, objective, counts = self.online, self.objective, [episodes] * (len(obs) // episodes)
        weights = online.agent.role_encoder.obs_weight, *online.trajectory_encoder.obs_weights
        states, of_encoder, *further = online.agent.trunk(obs, last_actions, counts, *weights)
        distribution: Gaussian = online.agent.role_encoder(of_encoder, last_actions, counts)
        trajectory = torch.cat([torch.zeros_like(states[:episodes]), states[:-episodes]])
        posterior = online.trajectory_encoder(trajectory, further[0] if further else None, last_actions, counts)
        roles = Roles(distribution, distribution.mean, trajectory, posterior, counts)
        return RoleRecord(
            *distribution,
            trajectory,
            kl_divergence(distribution, posterior),
            objective.information(roles),
            objective.dissimilarity(online, roles),
        )
