"""Episodes as a learner sees them, and the steps of them that its loss is computed from."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Batch:
    """B episodes cut to the longest, T transitions; slot T holds what was seen last. Padding is never read.

    Reaching the episode limit is a true end here, so `terminated` is 1 there too.
    """

    obs: Tensor  # (B, T+1, A, O) float32
    state: Tensor  # (B, T+1, S) float32
    avail_actions: Tensor  # (B, T+1, A, U) bool
    actions: Tensor  # (B, T, A) int64
    reward: Tensor  # (B, T) float32
    terminated: Tensor  # (B, T) float32, 0 or 1
    mask: Tensor  # (B, T) float32, 1 where the step was really taken
    latents: Tensor | None = None  # (B,) int64: what was drawn for each whole episode, by algorithms that do so

    def first(self, count: int) -> "Batch":
        """The first `count` episodes, as views."""
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
    """The R slots of a batch that its loss depends on, as rows: work is for real steps only.

    These are the slots from which a step was really taken, and of an episode cut off before its end the slot behind
    its last step, with mask 0, for the value of what was to come. Rows go by time and, within a time, by episode,
    longest first, as in torch's PackedSequence: the episodes that go on are always the first.

    With `every_slot` they are all slots; what nobody saw is zero there, whatever the batch holds.
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
        """The rows (R, ...) of what belongs to the steps taken (B, T, ...), 0 where none was taken."""
        rows = self.rows(functional.pad(values, (0, 0) * (values.dim() - 2) + (0, 1)))
        return rows.masked_fill_(self.mask.eq(0).view(-1, *[1] * (rows.dim() - 1)), 0)

    def rows(self, slots: Tensor) -> Tensor:
        """The rows (R, ...) of what stands in all slots (B, T+1, ...)."""
        return slots.flatten(0, 1).index_select(0, self._slots)

    def next(self, values: Tensor) -> Tensor:
        """The rows that follow another (N, ...) of all rows (R, ...): those after the first time. No copy."""
        return values[self.counts[0] :]

    def from_next(self, values: Tensor) -> Tensor:
        """For each row what belongs to the row behind it, 0 where there is none: (N, ...) to (R, ...)."""
        return values.new_zeros(len(self._slots), *values.shape[1:]).index_copy(0, self._followed, values)

    def from_previous(self, values: Tensor) -> Tensor:
        """For each row what belongs to the row before it, 0 at the first time: (R, ...) to (R, ...)."""
        first = values.new_zeros(self.counts[0], *values.shape[1:])
        return torch.cat([first, values.index_select(0, self._followed)])
