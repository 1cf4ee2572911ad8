"""Numbers of the public reference learners (see README.md here) in the form this package's networks take."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from roma.learners.base.batch import Batch

TOLERANCE = {"atol": 1e-5, "rtol": 1e-4}
STEP_TOLERANCE = {"atol": 5e-5, "rtol": 1e-4}  # for weights after optimiser steps


def load(name: str) -> dict[str, Tensor]:
    """All arrays of one file."""
    with np.load(Path(__file__).with_name(f"{name}.npz")) as archive:
        return {key: torch.from_numpy(np.asarray(archive[key])) for key in archive.files if key != "hyper_names"}


def under(arrays: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The arrays whose names start with `prefix`, without it."""
    return {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}


def agent_tensors(reference: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights (or gradients) of the reference agent under this package's names."""
    names = {"fc1.": "trunk.input_layer.", "rnn.": "trunk.gru.", "fc2.": "utility_layer."}
    return {
        new + key.removeprefix(old): value
        for key, value in reference.items()
        for old, new in names.items()
        if key.startswith(old)
    }


def mixer_tensors(reference: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights (or gradients) of the reference mixer under this package's names; the first layers are side by side."""
    two_layers = "hyper_w_1.0.weight" in reference
    first = ["hyper_w_1.0", "hyper_w_final.0"] if two_layers else ["hyper_w_1", "hyper_w_final"]
    tensors = {}
    for kind in ("weight", "bias"):
        parts = [reference[f"{layer}.{kind}"] for layer in (*first, "hyper_b_1", "V.0")]
        tensors[f"state_layer.{kind}"] = torch.cat(parts)
        tensors[f"value.{kind}"] = reference[f"V.2.{kind}"]
        if two_layers:
            tensors[f"first_weight.{kind}"] = reference[f"hyper_w_1.2.{kind}"]
            tensors[f"final_weight.{kind}"] = reference[f"hyper_w_final.2.{kind}"]
    return tensors


def network_tensors(arrays: dict[str, Tensor], agent: str, mixer: str) -> dict[str, Tensor]:
    """Agent and mixer under the given prefixes as one set of names; without a mixer where there is none."""
    tensors = {f"agent.{name}": value for name, value in agent_tensors(under(arrays, agent)).items()}
    if mixer_weights := under(arrays, mixer):
        tensors |= {f"mixer.{name}": value for name, value in mixer_tensors(mixer_weights).items()}
    return tensors


def batch_of(arrays: dict[str, Tensor]) -> Batch:
    """The episodes of a file of one learner update."""
    batch = SimpleNamespace(**under(arrays, "batch/"))
    return Batch(
        obs=batch.obs,
        state=batch.state,
        avail_actions=batch.avail_actions.bool(),
        actions=batch.actions[:, :-1, :, 0].long(),
        reward=batch.reward[:, :-1, 0],
        terminated=batch.terminated[:, :-1, 0].float(),
        mask=arrays["out/mask"][..., 0],
    )
