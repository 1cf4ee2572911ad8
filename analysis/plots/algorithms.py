"""The algorithms compared (table 1), with the parameters of their networks as built. No run is needed."""

from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from analysis import style
from analysis.tables import Table
from roma import envs
from roma.config import resolve
from roma.learners import algorithm, algorithm_names, make_learner

ENGINE = "embedded"  # sizes are those of the interface, which engines share
OURS = "beyond the paper's table"  # the group of what the paper's table does not list


def table(summary: Path, specification: dict[str, Any]) -> Table:
    """`specification` names the `map` that fixes the sizes, and the paper's `groups` of algorithms.

    All else that is registered makes the last group.
    """
    listed = dict(specification["groups"])
    known = list(style.ARMS)
    rest = set(algorithm_names()).difference(*listed.values())
    listed[OURS] = sorted(rest, key=lambda name: (known.index(name) if name in known else len(known), name))
    map_name = specification["map"]
    info = envs.make(ENGINE, map_name, 1).info
    rows = []
    for group, names in listed.items():
        for name in names:
            config = resolve(map=map_name, algorithm=name, seed=0, engine=ENGINE)
            online = make_learner(name, config.hyperparameters, info, 0).online
            rows.append(
                {
                    "group": group,
                    "algorithm": style.label(name),
                    "arm": name,
                    "description": algorithm(name).description or None,
                    "acting": _count(online.agent),
                    "trained": _count(online),
                    "map": map_name,
                }
            )
    frame = pd.DataFrame(rows)
    base = int(frame.loc[frame["arm"] == "roma", "acting"].iloc[0])
    frame.insert(5, "acting / ROMA's", frame["acting"] / base)
    notes = [
        f"Parameters on {map_name}, {info.n_agents} agents: of the networks that act, and of all that is trained,"
        " target networks not counted",
        "Mixing networks are those of the protocol paper, linear from the state",
    ]
    shown = ["group", "algorithm", "description", "acting", "acting / ROMA's", "trained"]
    return Table(frame, notes, "group", shown)


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
