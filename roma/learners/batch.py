"""Episodes as a learner sees them."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """B episodes cut to the longest, T transitions; slot T holds what was seen last. Padding is zero everywhere.

    Reaching the episode limit is a true end here, so `terminated` is 1 there too.
    """

    obs: Tensor  # (B, T+1, A, O) float32
    state: Tensor  # (B, T+1, S) float32
    avail_actions: Tensor  # (B, T+1, A, U) bool
    actions: Tensor  # (B, T, A) int64
    reward: Tensor  # (B, T) float32
    terminated: Tensor  # (B, T) float32, 0 or 1
    mask: Tensor  # (B, T) float32, 1 where the step was really taken
