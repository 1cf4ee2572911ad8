"""What measures of roles are held against: features without what is claimed of roles, from the same battles.

projected     a random linear map of the observation to three dimensions: what any encoder sees that learnt nothing
principal     the observation's three principal components over all decisions
permuted      the roles themselves, at each moment exchanged at random among living agents
structureless  normal draws with just the mean and covariance that the living agents' roles have at each moment
shifted       the agents' attacks, each agent's moved in time by an amount of its own

Raw observations themselves are a ceiling and no null: at the first decision nothing varies in them but the position.
The null `untrained` is networks with fresh weights, measured as trained ones are (roma.recordings.rollout).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.measures.roles import Floats, Mask, divide

DIMENSIONS = 3  # of a role
PROJECTIONS = 16  # random maps, whose measures are averaged
DRAWS = 16  # of structureless roles for a moment


def projected(obs: NDArray[Any], rng: np.random.Generator) -> Floats:
    """Observations (M, A, O) to (M, A, 3) by a matrix of standard normal numbers."""
    return obs.astype(float) @ rng.standard_normal((obs.shape[-1], DIMENSIONS))


def principal(obs: NDArray[Any], counted: Mask) -> Floats:
    """Observations (M, A, O) to (M, A, 3), their principal components over all agents and moments counted (M, A)."""
    centred = obs[counted] - obs[counted].mean(0, dtype=float)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return obs.astype(float) @ axes[:, : -DIMENSIONS - 1 : -1]


def permuted(features: NDArray[Any], counted: Mask, rng: np.random.Generator) -> NDArray[Any]:
    """Features (M, A, F) of the agents counted (M, A), exchanged among them at each moment."""
    target = np.argsort(~counted, 1, kind="stable")  # the agents counted, then the rest
    source = np.argsort(np.where(counted, rng.random(counted.shape), 2.0), 1)  # likewise, in random order
    place, order = np.arange(counted.shape[1]), np.empty_like(target)
    np.put_along_axis(order, target, np.where(place < counted.sum(1, keepdims=True), source, target), 1)
    return np.take_along_axis(features, order[..., None], 1)


def structureless(features: NDArray[Any], counted: Mask, rng: np.random.Generator) -> Floats:
    """Normal draws (M, A, F) of exactly the mean and covariance of the features (M, A, F) of those counted (M, A).

    Given both, normal features are distributed as these: the two are sufficient.
    """
    mean, centred = _centred(features, counted)
    drawn = _centred(rng.standard_normal(features.shape), counted)[1]
    return mean + drawn @ _root(drawn, -0.5) @ _root(centred, 0.5)


def _centred(features: NDArray[Any], counted: Mask) -> tuple[Floats, Floats]:
    """The mean (M, 1, F) of the agents counted, and their features about it, 0 of the others."""
    weight = counted[..., None].astype(float)
    mean = divide((features * weight).sum(1, keepdims=True), weight.sum(1, keepdims=True))
    return mean, np.where(counted[..., None], features - mean, 0)


def _root(centred: Floats, power: float) -> Floats:
    """This power of the products of centred features (M, A, F) with themselves, (M, F, F), on the space they span."""
    values, axes = np.linalg.eigh(centred.transpose(0, 2, 1) @ centred)
    spanned = values > 1e-9 * np.maximum(values[:, -1:], 1e-30)
    scaled = np.where(spanned, np.where(spanned, values, 1) ** power, 0)
    return (axes * scaled[:, None]) @ axes.transpose(0, 2, 1)


def shifted(attacks: Mask, rng: np.random.Generator) -> Mask:
    """Attacks (T, A), each agent's moved in time by a random amount, what leaves at the end entering at the beginning.

    Each agent keeps its own rhythm; only who fires while another pauses is left to chance.
    """
    length, agents = attacks.shape
    return attacks[(np.arange(length)[:, None] + rng.integers(length, size=agents)) % length, np.arange(agents)]
