"""Summaries with given numbers, and verdicts on claims given by their differences from a plain one."""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from analysis import claims
from analysis.claims.evidence import Evidence

STEPS = 2_000_000
MILESTONES = (0, 600_000, 1_000_000, STEPS)
CLAIM = {
    "id": "example",
    "question": "performance",
    "place": "section 0",
    "statement": "One is above the other.",
    "kind": "difference",
    "measure": "final_win_rate",
    "contrast": [{"arm": "roma", "map": "3m"}, {"arm": "qmix", "map": "3m", "weight": -1}],
    "expect": {"above": 0.0},
    "minimum_steps": {"paper": 10_000_000, "smac_v1": STEPS},
}


def around(centre, n=5, width=0.02):
    """Return n values with this mean."""
    return centre + width * np.linspace(-1, 1, n)


def tables_of(win_rates, roles=(), steps=STEPS, tests=None, planned=None, evaluated=None, episodes=10_000):
    """Return the tables of a summary of these numbers, by name.

    Args:
        win_rates: {map/arm: final win rate of each seed}.
        roles: (map/arm, measure, stage, reference, values), behind them where known the variance by chance.
        steps: Total steps of each run; or {map/arm: steps} with STEPS as the default.
        tests: {map/arm: win rates over the training, the same for all seeds}, at MILESTONES but the last at the end.
        planned: {map/arm: number of seeds}; default: those that there are.
        evaluated: {map/arm: {earlier step: win rate of every seed, evaluated and tested}}.
        episodes: Of a test; so many that their chance plays no part.
    """
    lengths = steps if isinstance(steps, dict) else dict.fromkeys(win_rates, steps)
    runs, curves, recorded, evaluations = [], [], [], []
    for cell, values in win_rates.items():
        map_name, arm = cell.split("/")
        for seed, value in enumerate(values):
            identity = {"map": map_name, "arm": arm, "seed": seed}
            length = lengths.get(cell, STEPS)
            facts = {"engine": "embedded", "engine_version": "1", "protocol": "smac_v1", "total_steps": length}
            runs.append(identity | facts | {"test_episodes": episodes})
            earlier = (evaluated or {}).get(cell, {})
            at = {length: value} | earlier
            evaluations += [identity | {"step": step, "battle_won_mean": won} for step, won in at.items()]
            tested = dict(zip([*MILESTONES[:-1], length], (tests or {}).get(cell, [0, 0, 0, value]), strict=True))
            for step, won in (tested | earlier).items():
                told = {"test_battle_won_mean": won, "test_return_mean": 20 * won, "test_ep_length_mean": 40.0}
                curves.append(identity | {"step": step} | told)
    for cell, measure, stage, reference, values, *chance in roles:
        map_name, arm = cell.split("/")
        for seed, value in enumerate(values):
            identity = {"map": map_name, "arm": arm, "seed": seed, "step": stage, "measure": measure}
            recorded.append(
                identity | {"reference": reference, "value": value, "chance": chance[0] if chance else np.nan}
            )
    cells = {**{cell: len(values) for cell, values in win_rates.items()}, **(planned or {})}
    plan = pd.DataFrame([(*cell.split("/"), seeds) for cell, seeds in cells.items()], columns=["map", "arm", "seeds"])
    listed = {"runs": runs, "evaluations": evaluations, "curves": curves} | ({"roles": recorded} if recorded else {})
    return {"plan": plan} | {name: pd.DataFrame(rows) for name, rows in listed.items()}


def write_summary(folder: Path, win_rates, roles=(), **more) -> Path:
    """Write the tables of `tables_of` as a summary and return its folder."""
    folder.mkdir(parents=True)
    for name, table in tables_of(win_rates, roles, **more).items():
        table.to_parquet(folder / f"{name}.parquet")
    return folder


def judged_all(entries, summary):
    """Return the verdicts on these claims."""
    file = summary / "claims.yaml"
    file.write_text(yaml.safe_dump({"claims": entries}))
    return claims.judge(claims.load(file), Evidence.read(summary), {})
