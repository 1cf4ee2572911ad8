"""What can be told of roles, actions and pairs of agents by simple models: thresholds, ridges, normal distributions."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve
from scipy.stats import rankdata

from analysis.measures.roles import Floats, Mask

PENALTIES = (0.01, 0.1, 1.0, 10.0)  # of ridges of which the best counts
FARTHEST = 5.0  # standard deviations; an input that hardly ever varied must not rule a prediction


class Separation(NamedTuple):
    """How well a threshold on a value tells positive pairs from negative ones."""

    auc: float  # probability that a positive pair has the larger value
    accuracy: float  # balanced, at the best threshold


def separation(values: Floats, positive: Mask) -> Separation:
    """Of values (P,); NaN where all pairs are of one kind."""
    n, n_positive = len(values), int(positive.sum())
    n_negative = n - n_positive
    if not n_positive or not n_negative:
        return Separation(float("nan"), float("nan"))
    auc = (rankdata(values)[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)
    order = np.argsort(values, kind="stable")
    at_least = n_positive - np.cumsum(positive[order])  # positives above each place
    below = np.cumsum(~positive[order])
    ends = np.append(np.diff(values[order]) > 0, True)  # a threshold cannot part equal values
    accuracy = 0.5 * (at_least / n_positive + below / n_negative)[ends]
    return Separation(float(auc), float(max(accuracy.max(), 0.5)))


def ridge(inputs: NDArray[Any], targets: NDArray[Any], further: NDArray[Any], penalty: float = 0.1) -> Floats:
    """Predictions (Q, K) for further inputs (Q, F) of a linear model fitted to inputs (P, F) and targets (P, K).

    Inputs are standardised, and those beyond FARTHEST brought there; squared weights cost the penalty times P.
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
    """R2 of a ridge on the held-out rows: 1 minus squared errors over squares about their mean, of all targets."""
    if held_out.all() or not held_out.any():
        return float("nan")
    errors = targets[held_out] - ridge(inputs[~held_out], targets[~held_out], inputs[held_out])
    total = ((targets[held_out] - targets[held_out].mean(0)) ** 2).sum()
    return float(1 - (errors**2).sum() / total) if total > 0 else float("nan")


def classified(inputs: NDArray[Any], classes: NDArray[np.int64], held_out: Mask) -> float:
    """Share of the held-out rows whose class a ridge on one-hot classes gets right."""
    if held_out.all() or not held_out.any():
        return float("nan")
    one_hot = np.eye(classes.max() + 1)[classes]
    found = ridge(inputs[~held_out], one_hot[~held_out], inputs[held_out]).argmax(-1)
    return float((found == classes[held_out]).mean())


def information(inputs: NDArray[Any], role: NDArray[Any], types: NDArray[np.int64], held_out: Mask) -> float:
    """I(role; inputs | type) in nats, as far as normal distributions and a ridge say it; at least 0.

    Half the log ratio of the determinants of two covariances on held-out rows, within types: of the role, and of what a
    ridge on the inputs leaves of it. Every penalty gives a lower bound, so the largest counts.
    Inputs (P, H), sampled roles (P, D), types (P,) from 0. NaN where a type has rows on one side only, or all are few.
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
