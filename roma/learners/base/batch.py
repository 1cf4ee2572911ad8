"""Batches of episodes, and the rows of them from which losses are computed."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Batch:
    """B episodes of at most T transitions, padded to the longest; losses never read the padding.

    The last slot of an episode has its final observation. Reaching the episode limit is a true end: `terminated` is 1
    there, too.
    """

    obs: Tensor  # (B, T+1, A, O) float32
    state: Tensor  # (B, T+1, S) float32
    avail_actions: Tensor  # (B, T+1, A, U) bool
    actions: Tensor  # (B, T, A) int64
    reward: Tensor  # (B, T) float32
    terminated: Tensor  # (B, T) float32, 0 or 1
    mask: Tensor  # (B, T) float32, 1 for real timesteps
    latents: Tensor | None = None  # (B,) int64: the latent of each episode; None without latents

    def first(self, count: int) -> "Batch":
        """Return the first `count` episodes, as views."""
        latents = None if self.latents is None else self.latents[:count]
        return Batch(
            self.obs[:count],
            self.state[:count],
            self.avail_actions[:count],
            self.actions[:count],
            self.reward[:count],
            self.terminated[:count],
            self.mask[:count],
            latents,
        )


class PackedBatch:
    """The R slots of a batch on which its loss depends, as rows, so that no time is spent on padding.

    These are the slots of all real timesteps. An episode cut off before its end also has the slot after its last step,
    with mask 0, because bootstrapping needs its value. Rows are sorted by time and, within one time, by the length of
    the episode, longest first, as in torch's PackedSequence: continuing episodes always come first.

    Args:
        batch: B episodes.
        every_slot: Include all slots, also padding, which is set to zero.
    """

    def __init__(self, batch: Batch, every_slot: bool = False) -> None:
        mask, terminated = (functional.pad(part.cpu(), (0, 1)) for part in (batch.mask, batch.terminated))
        real = mask > 0
        slots = torch.arange(1, real.shape[1] + 1, device="cpu")
        lengths = (real * slots).amax(1)
        lengths += (real & (terminated == 0) & (slots == lengths.unsqueeze(1))).any(1)
        if every_slot:
            lengths = torch.full_like(lengths, real.shape[1])
        lengths, order = lengths.sort(descending=True, stable=True)
        live = lengths > slots.unsqueeze(1) - 1  # (T+1, B)
        time, rank = live.nonzero(as_tuple=True)
        goes_on = functional.pad(live[1:], (0, 0, 0, 1))[time, rank]

        device = batch.mask.device
        self.counts: list[int] = [count for count in live.sum(1).tolist() if count]  # rows of each time
        self._slots = (order[rank] * real.shape[1] + time).to(device)
        self._followed = goes_on.nonzero().squeeze(1).to(device)
        self.obs = self.rows(batch.obs)  # (R, A, O)
        self.state = self.rows(batch.state)  # (R, S)
        self.avail_actions = self.rows(batch.avail_actions)  # (R, A, U)
        self.last_actions = self.rows(functional.pad(batch.actions, (0, 0, 1, 0), value=-1))  # (R, A), -1 for none
        self.mask = self.rows(mask.to(device))  # (R,)
        of_episode = None if batch.latents is None else batch.latents.unsqueeze(1).expand(real.shape)
        self.latents = None if of_episode is None else self.rows(of_episode)  # (R,)
        if every_slot:
            unseen = ~self.rows(functional.pad(real, (1, -1), value=True).logical_or(real).to(device))
            for rows in (self.obs, self.state, self.avail_actions):
                rows[unseen] = 0
            self.last_actions[~self.rows(functional.pad(real, (1, -1)).to(device))] = -1
        self.actions = self._of_steps(batch.actions)  # (R, A)
        self.reward = self._of_steps(batch.reward)  # (R,)
        self.terminated = self._of_steps(batch.terminated)  # (R,)

    def _of_steps(self, values: Tensor) -> Tensor:
        """Return the rows (R, ...) of values of timesteps (B, T, ...); 0 for rows that are no real timestep."""
        rows = self.rows(functional.pad(values, (0, 0) * (values.dim() - 2) + (0, 1)))
        return rows.masked_fill_(self.mask.eq(0).view(-1, *[1] * (rows.dim() - 1)), 0)

    def rows(self, slots: Tensor) -> Tensor:
        """Return the rows (R, ...) of values of all slots (B, T+1, ...)."""
        return slots.flatten(0, 1).index_select(0, self._slots)

    def next(self, values: Tensor) -> Tensor:
        """Return the rows (N, ...) with a predecessor, those after the first time, of all rows (R, ...). No copy."""
        return values[self.counts[0] :]

    def from_next(self, values: Tensor) -> Tensor:
        """Return, for each row, the value (N, ...) of its successor; 0 for rows without one: (R, ...)."""
        return values.new_zeros(len(self._slots), *values.shape[1:]).index_copy(0, self._followed, values)

    def from_previous(self, values: Tensor) -> Tensor:
        """Return, for each row, the value (R, ...) of its predecessor; 0 at the first time: (R, ...)."""
        first = values.new_zeros(self.counts[0], *values.shape[1:])
        return torch.cat([first, values.index_select(0, self._followed)])
