"""Measures of how specialised and dynamic roles are, as pure functions of arrays.

Shapes: M moments, A agents, F features of an agent (the three dimensions of its role mean, or its observation). Masks
exclude dead agents and other moments. A measure is NaN if the mask leaves nothing.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

ROUNDS = 10  # most iterations of k-means
DIRECT = 4  # most features for which distances are computed from differences, which keeps equal distances equal


def distances(features: NDArray[Any]) -> Floats:
    """Return the Euclidean distances (M, A, A) between the agents' features (M, A, F) at each moment."""
    if features.shape[-1] <= DIRECT:
        return np.linalg.norm(features[:, :, None] - features[:, None], axis=-1).astype(float)
    centred = features - features.mean(1, keepdims=True)  # keeps the product below accurate
    products = centred @ centred.transpose(0, 2, 1)
    squares = np.einsum("maa->ma", products)
    return np.sqrt(np.maximum(squares[:, :, None] + squares[:, None] - 2 * products, 0))


def silhouette(distance: Floats, labels: NDArray[np.int64]) -> Floats:
    """Return the mean silhouette (M,) of the agents' groups at each moment (Rousseeuw 1987).

    An agent alone in its group has silhouette 0. The mean is NaN with fewer than two groups.

    Args:
        distance: (M, A, A).
        labels: Group of each agent (M, A), from 0; negative for agents that are not counted.
    """
    member = (labels[..., None] == np.arange(labels.max(initial=0) + 1)).astype(float)  # (M, A, K)
    sizes = member.sum(1, keepdims=True)
    to_group = distance @ member
    own_size = (member * sizes).sum(-1)
    within = (member * to_group).sum(-1) / np.maximum(own_size - 1, 1)
    others = np.where((sizes > 0) & (member == 0), to_group / np.maximum(sizes, 1), np.inf)
    nearest = others.min(-1)
    larger = np.maximum(within, nearest)
    scored = (own_size > 1) & np.isfinite(larger) & (larger > 0)
    scores = np.where(scored, nearest - within, 0) / np.where(scored, larger, 1)
    counted = labels >= 0
    return divide(np.where(counted, scores, 0).sum(1), counted.sum(1) * ((sizes[:, 0] > 0).sum(-1) > 1))


def clusters(points: NDArray[Any], counted: Mask, k: int = 3) -> NDArray[np.int64]:
    """Return the labels (M, A) of k-means at each moment; -1 for agents that are not counted.

    The result is deterministic. The first centre is the point farthest from the mean, each further centre the point
    farthest from the centres before it (Gonzalez 1985); Lloyd's iterations follow.

    Args:
        points: (M, A, F).
        counted: Mask of agents (M, A).
        k: Number of groups.
    """
    moments = np.arange(len(points))
    mean = divide((points * counted[..., None]).sum(1), counted.sum(1)[:, None])
    gap = ((points - mean[:, None]) ** 2).sum(-1)
    centres = np.empty((len(points), k, points.shape[-1]))
    for place in range(k):
        centres[:, place] = points[moments, np.where(counted, gap, -1).argmax(1)]
        to_new = ((points - centres[:, place, None]) ** 2).sum(-1)
        gap = to_new if place == 0 else np.minimum(gap, to_new)
    labels = np.empty(0, int)
    for _ in range(ROUNDS):
        before, labels = labels, ((points[:, :, None] - centres[:, None]) ** 2).sum(-1).argmin(-1)
        if np.array_equal(labels, before):
            break
        member = (labels[..., None] == np.arange(k)) & counted[..., None]
        sizes = member.sum(1)[..., None]
        centres = np.where(sizes > 0, member.transpose(0, 2, 1) @ points / np.maximum(sizes, 1), centres)
    return np.where(counted, labels, -1)


def terciles(values: NDArray[Any], counted: Mask) -> NDArray[np.int64]:
    """Return labels 0 to 2 (M, A) by the share of counted agents with a smaller value; equal values share a label."""
    smaller = ((values[:, None, :] < values[:, :, None]) & counted[:, None]).sum(-1)
    return np.where(counted, 3 * smaller // np.maximum(counted.sum(1, keepdims=True), 1), -1)


def rank_correlation(first: NDArray[Any], second: NDArray[Any], counted: Mask) -> Floats:
    """Return Spearman's correlation (M,) of two distances over the pairs of counted agents at each moment.

    Args:
        first: Symmetric distances (M, A, A).
        second: Symmetric distances (M, A, A).
        counted: Mask of agents (M, A).

    Returns:
        The correlations; NaN with fewer than three agents, 0 if one of the distances is constant.
    """
    from scipy.stats import rankdata  # here: importing it takes half a second

    row, column = np.triu_indices(counted.shape[1], 1)
    pairs = counted[:, row] & counted[:, column]
    one, other = (
        np.where(pairs, rankdata(np.where(pairs, values[:, row, column], np.inf), axis=1), 0)
        for values in (first, second)
    )
    n = pairs.sum(1, keepdims=True)
    one, other = (np.where(pairs, ranks - ranks.sum(1, keepdims=True) / np.maximum(n, 1), 0) for ranks in (one, other))
    norm = np.sqrt((one**2).sum(1) * (other**2).sum(1))
    correlation = (one * other).sum(1) / np.where(norm > 0, norm, 1)
    return np.where(n[:, 0] >= 3, correlation, np.nan)


def spread(features: NDArray[Any], counted: Mask) -> float:
    """Return the mean distance of features (M, A, F) from their common centre, over counted agents and moments."""
    points = features[counted]
    return float(np.linalg.norm(points - points.mean(0), axis=-1).mean()) if len(points) else float("nan")


def stability(features: NDArray[Any], alive: Mask, episode: NDArray[np.int64]) -> float:
    """Return the mean distance between successive moments of agents alive at both, divided by the spread.

    Args:
        features: (M, A, F).
        alive: Mask of agents (M, A).
        episode: Number of the episode of each moment (M,).
    """
    both = alive[1:] & alive[:-1] & (episode[1:] == episode[:-1])[:, None]
    return _over(np.linalg.norm(features[1:] - features[:-1], axis=-1)[both], spread(features, alive))


def drift(features: NDArray[Any], alive: Mask, episode: NDArray[np.int64]) -> float:
    """Return the mean distance between an agent's first and its last living moment, divided by the spread.

    Args:
        features: (M, A, F).
        alive: Mask of agents (M, A).
        episode: Number of the episode of each moment (M,).
    """
    moments = np.arange(len(features))[:, None]
    moved = []
    for number in np.unique(episode):
        mine = episode == number
        start, last = int(mine.argmax()), np.where(alive & mine[:, None], moments, -1).max(0)
        agents = np.flatnonzero(last > start)
        moved.append(np.linalg.norm(features[last[agents], agents] - features[start, agents], axis=-1))
    return _over(np.concatenate(moved), spread(features, alive))


def dead_alive_separation(features: NDArray[Any], alive: Mask) -> Floats:
    """Return the distance (M,) between the centres of dead and living agents, over the living agents' mean radius."""
    living, dead = (_centre(features, mask) for mask in (alive, ~alive))
    apart = np.linalg.norm(living - dead, axis=-1)
    own = _mean(np.linalg.norm(features - living[:, None], axis=-1), alive)
    return divide(apart, own * (alive.sum(1) > 1))


def outermost(features: NDArray[Any], alive: Mask, who: NDArray[np.int64]) -> Floats:
    """Return the share (M,) of the other living agents that are nearer to the centre than the given agent.

    A tie counts one half. The share is 1 for the outermost agent. For exchangeable agents its mean is 1/2, for any
    number of living agents.

    Args:
        features: (M, A, F).
        alive: Mask of agents (M, A).
        who: Number of the agent at each moment (M,).
    """
    moments = np.arange(len(features))
    gap = np.linalg.norm(features - _centre(features, alive)[:, None], axis=-1)
    mine, others = gap[moments, who][:, None], alive.copy()
    others[moments, who] = False
    nearer = (gap < mine) + 0.5 * (gap == mine)
    return divide((nearer * others).sum(1), others.sum(1))


def pair_mean(values: NDArray[Any], pairs: Mask) -> Floats:
    """Return the mean (M,) over the chosen pairs i != j at each moment; values and pairs (M, A, A)."""
    chosen = pairs & ~np.eye(values.shape[-1], dtype=bool)
    return divide(np.where(chosen, values, 0).sum((1, 2)), chosen.sum((1, 2)))


def scaled(values: NDArray[Any], pairs: Mask) -> Floats:
    """Scale values (M, A, A) to [0, 1] over the chosen pairs of each moment; equal values become 0."""
    low = np.where(pairs, values, np.inf).min((1, 2), keepdims=True)
    high = np.where(pairs, values, -np.inf).max((1, 2), keepdims=True)
    width = np.where(high > low, high - low, np.inf)
    return np.where(pairs, values - np.where(np.isfinite(low), low, 0), 0) / width


def divide(numerator: NDArray[Any], denominator: NDArray[Any]) -> Floats:
    """Return the quotient, NaN where the denominator is not positive."""
    return np.where(denominator > 0, numerator / np.where(denominator > 0, denominator, 1), np.nan)


def _centre(features: NDArray[Any], counted: Mask) -> Floats:
    return divide((features * counted[..., None]).sum(1), counted.sum(1)[:, None])


def _mean(values: NDArray[Any], counted: Mask) -> Floats:
    return divide(np.where(counted, values, 0).sum(1), counted.sum(1))


def _over(values: Floats, unit: float) -> float:
    return float(values.mean() / unit) if len(values) and unit > 0 else float("nan")
