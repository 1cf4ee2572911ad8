"""Capability of learners whose agents have roles: roles can be recorded and analysed."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor


class RoleRecord(NamedTuple):
    """Roles in one episode of T moments, and the terms of the role losses, in which each role is its mean."""

    role_mean: Tensor  # (T, A, role_dim)
    role_variance: Tensor  # (T, A, role_dim)
    trajectory: Tensor  # (T, A, H) the GRU state h^{t-1}, zero at first
    divergence: Tensor  # (T, A) KL(role || posterior); L_I is its mean
    information: Tensor  # (T, A, A) I_ij of L_D
    dissimilarity: Tensor  # (T, A, A) d_ij of L_D; (T, 0, 0) for a learner without d


class RoleLearner(ABC):
    """Mixin that a learner with roles declares beside its base class. The learner's configuration has a `role_dim`."""

    @abstractmethod
    def roles(self, obs: Tensor, last_actions: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance (T, A, role_dim) of the agents' roles in one episode.

        Args:
            obs: Observations, (T, A, O).
            last_actions: Last actions, (T, A), -1 for none.
        """

    @abstractmethod
    def role_records(self, obs: Sequence[Tensor], last_actions: Sequence[Tensor]) -> list[RoleRecord]:
        """Return the record of each episode of one round, with the roles that the agents used.

        Args:
            obs: Observations of each episode, (T, A, O).
            last_actions: Last actions of each episode, (T, A), -1 for none.
        """
