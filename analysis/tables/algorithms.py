"""Algorithms compared (table 1): parameters of their networks as built, updates and tuning. No run is needed."""

from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from analysis import style
from analysis.table import Table
from roma import envs
from roma.learners import algorithm, algorithm_names, make_learner
from roma.runs.config import resolve

ENGINE = envs.EMBEDDED  # all engines share the interface, and with it all sizes
OURS = "beyond the paper's table"  # group of the algorithms that the paper's table does not list


def table(summary: Path, specification: dict[str, Any]) -> Table:
    """Return one row per algorithm or variant; the last group has those that no group lists.

    Args:
        summary: Not used.
        specification: Entry of the figure list, with the `map` that sets the sizes, the paper's `groups` of algorithms,
            `variants` (algorithms with overrides, by arm) and the author of each arm's settings (`tuned`).
    """
    listed = dict(specification["groups"])
    variants = specification.get("variants", {})
    known = list(style.ARMS)
    rest = {*algorithm_names(), *variants}.difference(*listed.values())
    listed[OURS] = sorted(rest, key=lambda name: (known.index(name) if name in known else len(known), name))
    map_name = specification["map"]
    info = envs.make(ENGINE, map_name, 1).info
    rows = []
    for group, arms in listed.items():
        for arm in arms:
            variant = variants.get(arm, {"algorithm": arm, "overrides": {}})
            name = variant["algorithm"]
            config = resolve(map=map_name, algorithm=name, seed=0, engine=ENGINE, overrides=variant["overrides"])
            online = make_learner(name, config.hyperparameters, info, 0).online
            rows.append(
                {
                    "group": group,
                    "algorithm": style.label(arm),
                    "arm": arm,
                    "description": variant.get("description") or algorithm(name).description or None,
                    "acting": _count(online.agent),
                    "trained": _count(online),
                    "episodes an update": config.protocol_settings.parallel_envs,
                    "settings tuned by": specification["tuned"].get(arm),
                    "trials here": algorithm(name).tuning_trials,
                    "map": map_name,
                }
            )
    frame = pd.DataFrame(rows)
    base = int(frame.loc[frame["arm"] == "roma", "acting"].iloc[0])
    frame.insert(5, "acting / ROMA's", frame["acting"] / base)
    notes = [
        f"Parameters on {map_name} with {info.n_agents} agents: of the acting networks, and of all trained networks"
        " without target networks",
        "Mixing networks: those of protocol paper, whose weights are linear in the state",
        "Episodes an update: episodes per update under protocol paper; under smac_v1 every algorithm but COMA makes one"
        " update per episode",
        "Trials here: number of runs that this project made to choose the settings of an arm",
        f"{style.label('qtran')}: {style.ARM_NOTES['qtran']}",
    ]
    shown = ["group", "algorithm", "description", "acting", "acting / ROMA's", "trained", "episodes an update"]
    return Table(frame, notes, "group", [*shown, "settings tuned by", "trials here"])


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
