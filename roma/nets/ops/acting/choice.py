"""Choice of actions: definitions for arrays of any shape, and kernels for one agent."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roma.nets.ops.acting.compiler import compiled
from roma.nets.ops.acting.layers import ZERO, Floats, exp, f32


class Choice(NamedTuple):
    """Rule that turns a network's outputs into actions."""

    greedy: bool
    epsilon: float  # exploration rate, unless greedy
    from_policy: bool  # outputs are the logits of a policy (COMA), not values


def epsilon_greedy(
    values: Floats, avail_actions: NDArray[np.bool_], epsilon: float | None, draws: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Choose epsilon-greedy actions (...).

    Args:
        values: Values of all actions (..., U).
        avail_actions: Available actions (..., U).
        epsilon: Probability of a uniform random action; None: greedy.
        draws: Uniform numbers (..., 2): the first decides whether an agent explores, the second which action it takes.

    Returns:
        Actions (...); 0 for agents without an available action.
    """
    greedy = np.where(avail_actions, values, -np.inf).argmax(-1)
    if epsilon is None:
        return greedy
    ranks = avail_actions.cumsum(-1)
    explored = (ranks > np.floor(draws[..., 1] * ranks[..., -1])[..., None]).argmax(-1)
    return np.where(draws[..., 0] < epsilon, explored, greedy)


@compiled
def best_action(values, avail):
    """Return the available action of highest value, the first of equals."""
    best = -1
    for u in range(values.shape[0]):
        if avail[u] and (best < 0 or values[u] > values[best]):
            best = u
    return max(best, 0)


@compiled
def explored_action(avail, uniform):
    """Return a random available action, chosen by a uniform number."""
    count = 0
    for u in range(avail.shape[0]):
        count += avail[u]
    left = np.int64(uniform * count)
    for u in range(avail.shape[0]):
        if avail[u]:
            if left == 0:
                return u
            left -= 1
    return 0


def drawn(probabilities: NDArray[np.float64], draws: NDArray[np.float64]) -> NDArray[np.int64]:
    """Draw indices (...) by uniform numbers (...) from probabilities (..., U), which need not sum to 1."""
    ranks = probabilities.cumsum(-1)
    chosen: NDArray[np.int64] = (ranks > draws[..., None] * ranks[..., -1:]).argmax(-1)
    return chosen


@compiled
def draw(probabilities, uniform):
    """Draw an index by a uniform number from probabilities (U,), which need not sum to 1; 0 if all are 0."""
    total = 0.0
    for u in range(probabilities.shape[0]):
        total += probabilities[u]
    rank, chosen = 0.0, 0
    for u in range(probabilities.shape[0]):
        rank += probabilities[u]
        if probabilities[u] > 0:
            chosen = u
            if rank > uniform * total:
                break
    return chosen


@compiled
def soften(logits, avail, epsilon):
    """Replace logits (U,) by the unnormalised probabilities of COMA's policy."""
    top = -f32(np.inf)
    for u in range(logits.shape[0]):
        if avail[u] or epsilon > 0:
            top = max(top, logits[u])
    total = 0.0
    for u in range(logits.shape[0]):
        logits[u] = exp(logits[u] - top)
        total += logits[u]
    for u in range(logits.shape[0]):
        if not avail[u]:
            logits[u] = ZERO
        elif epsilon > 0:
            logits[u] = (1 - epsilon) * logits[u] / total + epsilon / logits.shape[0]


def soften_reference(logits: Floats, avail: NDArray[np.bool_], epsilon: float) -> NDArray[np.float64]:
    """Return the values that `soften` writes."""
    counted = np.where(avail | (epsilon > 0), logits.astype(np.float64), -np.inf)
    powers = np.exp(counted - counted.max())
    return np.where(avail, (1 - epsilon) * powers / powers.sum() + epsilon / len(logits), 0.0)


@compiled
def choose(values, avail, choice, draws):
    """Choose an action from a network's outputs (U,), which are overwritten, with uniform numbers (2,)."""
    if choice.greedy:
        return best_action(values, avail)
    if choice.from_policy:
        soften(values, avail, choice.epsilon)
        return draw(values, draws[1])
    if draws[0] < choice.epsilon:
        return explored_action(avail, draws[1])
    return best_action(values, avail)
