"""Nulls of role measures: features of the same episodes that lack the claimed property of roles.

projected      random linear projection of the observation to three dimensions, as of an encoder that has learnt nothing
principal      first three principal components of the observation over all decisions
permuted       roles, exchanged at random among the living agents at each moment
structureless  normal draws with the mean and covariance of the living agents' roles at each moment
shifted        attacks, shifted in time by a random amount for each agent

Raw observations are a ceiling, not a null: at the first decision, only the position varies in them.
The null `untrained` consists of networks with fresh weights, measured like trained networks (roma.recordings.rollout).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.measures.roles import Floats, Mask, divide

DIMENSIONS = 3  # of a role
PROJECTIONS = 16  # random projections; their measures are averaged
DRAWS = 16  # draws of permuted or structureless roles for each moment


def projected(obs: NDArray[Any], rng: np.random.Generator) -> Floats:
    """Return a random linear projection (M, A, 3) of observations (M, A, O), with standard normal weights."""
    return obs.astype(float) @ rng.standard_normal((obs.shape[-1], DIMENSIONS))


def principal(obs: NDArray[Any], counted: Mask) -> Floats:
    """Return the first three principal components (M, A, 3) of observations.

    Args:
        obs: Observations (M, A, O).
        counted: Agents and moments (M, A) that define the components.
    """
    centred = obs[counted] - obs[counted].mean(0, dtype=float)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return obs.astype(float) @ axes[:, : -DIMENSIONS - 1 : -1]


def permuted(features: NDArray[Any], counted: Mask, rng: np.random.Generator) -> NDArray[Any]:
    """Return features (M, A, F), exchanged at random at each moment among the counted agents (M, A)."""
    target = np.argsort(~counted, 1, kind="stable")  # counted agents first
    source = np.argsort(np.where(counted, rng.random(counted.shape), 2.0), 1)  # counted agents first, in random order
    place, order = np.arange(counted.shape[1]), np.empty_like(target)
    np.put_along_axis(order, target, np.where(place < counted.sum(1, keepdims=True), source, target), 1)
    return np.take_along_axis(features, order[..., None], 1)


def structureless(features: NDArray[Any], counted: Mask, rng: np.random.Generator) -> Floats:
    """Return normal draws (M, A, F) with exactly the mean and covariance of the features at each moment.

    Mean and covariance are sufficient statistics: given both, normal features have this distribution.

    Args:
        features: (M, A, F).
        counted: Agents (M, A) that enter mean and covariance.
        rng: Source of randomness.
    """
    mean, centred = _centred(features, counted)
    drawn = _centred(rng.standard_normal(features.shape), counted)[1]
    return mean + drawn @ _root(drawn, -0.5) @ _root(centred, 0.5)


def _centred(features: NDArray[Any], counted: Mask) -> tuple[Floats, Floats]:
    """Return the mean (M, 1, F) over counted agents and their centred features; 0 for other agents."""
    weight = counted[..., None].astype(float)
    mean = divide((features * weight).sum(1, keepdims=True), weight.sum(1, keepdims=True))
    return mean, np.where(counted[..., None], features - mean, 0)


def _root(centred: Floats, power: float) -> Floats:
    """Return a power of the scatter matrix (M, F, F) of centred features (M, A, F), on the space that they span."""
    values, axes = np.linalg.eigh(centred.transpose(0, 2, 1) @ centred)
    spanned = values > 1e-9 * np.maximum(values[:, -1:], 1e-30)
    scaled = np.where(spanned, np.where(spanned, values, 1) ** power, 0)
    return (axes * scaled[:, None]) @ axes.transpose(0, 2, 1)


def shifted(attacks: Mask, rng: np.random.Generator) -> Mask:
    """Return attacks (T, A), cyclically shifted in time by a random amount for each agent.

    The rhythm of each agent is kept; the timing between agents is random.
    """
    length, agents = attacks.shape
    return attacks[(np.arange(length)[:, None] + rng.integers(length, size=agents)) % length, np.arange(agents)]
