"""Probes of roles, actions and pairs of agents: thresholds, ridge regressions and normal distributions."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve

from analysis.measures.roles import Floats, Mask

PENALTIES = (0.01, 0.1, 1.0, 10.0)  # ridge penalties; the best one counts
FARTHEST = 5.0  # standard deviations; clipping keeps an input that hardly varied from dominating a prediction


class Separation(NamedTuple):
    """Separation of positive from negative pairs by a threshold on a value."""

    auc: float  # probability that a positive pair has the larger value
    accuracy: float  # balanced, at the best threshold


def separation(values: Floats, positive: Mask) -> Separation:
    """Return how well values (P,) separate positive from negative pairs; NaN if all pairs are of one kind."""
    from scipy.stats import rankdata  # here: importing it takes half a second

    n, n_positive = len(values), int(positive.sum())
    n_negative = n - n_positive
    if not n_positive or not n_negative:
        return Separation(float("nan"), float("nan"))
    auc = (rankdata(values)[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)
    order = np.argsort(values, kind="stable")
    at_least = n_positive - np.cumsum(positive[order])  # positives above each place
    below = np.cumsum(~positive[order])
    ends = np.append(np.diff(values[order]) > 0, True)  # a threshold cannot separate equal values
    accuracy = 0.5 * (at_least / n_positive + below / n_negative)[ends]
    return Separation(float(auc), float(max(accuracy.max(), 0.5)))


def ridge(inputs: NDArray[Any], targets: NDArray[Any], further: NDArray[Any], penalty: float = 0.1) -> Floats:
    """Fit a ridge regression and return its predictions (Q, K).

    Inputs are standardised and clipped to FARTHEST standard deviations.

    Args:
        inputs: Inputs of the fit (P, F).
        targets: Targets of the fit (P, K).
        further: Inputs of the predictions (Q, F).
        penalty: Weight of the squared weights, times P.
    """
    centre, scale = inputs.mean(0), inputs.std(0)
    scale = np.where(scale > 1e-9, scale, np.inf)
    x, further = (np.clip((each - centre) / scale, -FARTHEST, FARTHEST) for each in (inputs, further))
    offset = targets.mean(0)
    products = x.T @ x
    products[np.diag_indices_from(products)] += penalty * len(x)
    weights = solve(products, x.T @ (targets - offset), assume_a="pos", overwrite_a=True, check_finite=False)
    predictions: Floats = further @ weights + offset
    return predictions


def explained(inputs: NDArray[Any], targets: NDArray[Any], held_out: Mask) -> float:
    """Return R² of a ridge regression on the held-out rows, over all targets together.

    Args:
        inputs: (P, F).
        targets: (P, K).
        held_out: Rows (P,) that are not fitted.
    """
    if held_out.all() or not held_out.any():
        return float("nan")
    errors = targets[held_out] - ridge(inputs[~held_out], targets[~held_out], inputs[held_out])
    total = ((targets[held_out] - targets[held_out].mean(0)) ** 2).sum()
    return float(1 - (errors**2).sum() / total) if total > 0 else float("nan")


def classified(inputs: NDArray[Any], classes: NDArray[np.int64], held_out: Mask) -> float:
    """Return the accuracy of a ridge classifier on the held-out rows.

    Args:
        inputs: (P, F).
        classes: Class of each row (P,), from 0.
        held_out: Rows (P,) that are not fitted.
    """
    if held_out.all() or not held_out.any():
        return float("nan")
    one_hot = np.eye(classes.max() + 1)[classes]
    found = ridge(inputs[~held_out], one_hot[~held_out], inputs[held_out]).argmax(-1)
    return float((found == classes[held_out]).mean())


def information(inputs: NDArray[Any], role: NDArray[Any], types: NDArray[np.int64], held_out: Mask) -> float:
    """Estimate I(role; inputs | type) in nats by a ridge regression under normal distributions; at least 0.

    The estimate is half the log ratio of two determinants on held-out rows, within types: of the role's covariance and
    of the covariance of its residual. Every penalty gives a lower bound, so the largest estimate counts.

    Args:
        inputs: (P, H).
        role: Sampled roles (P, D).
        types: Unit type of each row (P,), from 0.
        held_out: Rows (P,) that are not fitted.

    Returns:
        The information; NaN if a type has only fitted or only held-out rows, or if rows are too few.
    """
    members = np.eye(types.max(initial=-1) + 1)[types]
    fitted, kept = members[~held_out].sum(0), members[held_out].sum(0)
    if held_out.sum() <= 2 * role.shape[1] or ((fitted > 0) != (kept > 0)).any():
        return float("nan")

    def within_types(values: NDArray[Any]) -> Floats:
        return values - members @ (members[~held_out].T @ values[~held_out] / np.maximum(fitted, 1)[:, None])

    def log_volume(values: Floats) -> float:
        return float(np.linalg.slogdet(values.T @ values)[1])

    inputs, role = within_types(inputs), within_types(role)
    left = [role[held_out] - ridge(inputs[~held_out], role[~held_out], inputs[held_out], each) for each in PENALTIES]
    return max(0.0, 0.5 * (log_volume(role[held_out]) - min(map(log_volume, left))))
