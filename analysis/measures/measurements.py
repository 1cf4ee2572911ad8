"""Measurements of the roles of a run (`roma measure`): small tables, made once from its weights.

roles          one row per measure of a milestone, of each of its episodes, and of its nulls (analysis.measures.nulls);
               `episode` is ALL for the whole milestone, and the number of the network for the reference `untrained`
dissimilarity  one row per pair of unit types and episode
episodes       the episode that figures show; only pictures of roles need it

The tables are in `measurements/<map>/<arm>/seed<k>` beside the folder `runs`. Summaries read them and play no episode,
so that verdicts do not depend on the reader's processor. Run directories never change; these tables may be made again
with a new FORMAT.
"""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis import FIGURES, figure_list
from analysis.measures.rollouts import ALL, DISSIMILARITY, EPISODES, ROLES, ROLES_THEMSELVES, UNTRAINED, in_one, tables
from roma.recordings.rollout_file import Rollout
from roma.runs.directory import RunDirectory
from roma.support.errors import UserError
from roma.support.files import atomic_path
from roma.support.schemas.reading import read_yaml

FORMAT = 2  # version of the tables; raise it when their columns or measures change
MEASURED = ("roles", "dissimilarity")
REPORTED_ARMS = ("roma", "roma_release")  # arms whose episodes the report shows, whatever the figures draw
CELL = ["map", "arm", "seed"]
ATTRIBUTES = b"PANDAS_ATTRS"  # key under which pandas stores attrs in parquet metadata


def measure(run: RunDirectory, episodes: int = 32, earlier_episodes: int = 8, threads: int = 1) -> Rollout:
    """Play episodes of every policy of a finished run on this machine, and write the tables of the run.

    Args:
        run: A finished run.
        episodes: Number of episodes of the last policy.
        earlier_episodes: Number of episodes of each earlier policy.
        threads: Threads of torch.

    Returns:
        The recorded episodes.

    Raises:
        UserError: The run is not finished, or its agents have no roles.
    """
    from roma.recordings.rollout import record
    from roma.support.system.provenance import describe  # imported late: readers of the tables need no torch

    recorded = record(run.path, episodes, earlier_episodes, threads)
    write(run, recorded, describe()["cpu_family"])
    return recorded


def write(run: RunDirectory, recorded: Rollout, family: str) -> None:
    """Write the tables of a run.

    Args:
        run: The run.
        recorded: Its recorded episodes.
        family: Processor family on which the episodes were played.
    """
    figures = read_yaml(FIGURES).values()
    facts: dict[str, Any] = {"format": FORMAT, "total_steps": recorded.milestones[-1].step, "cpu_family": family}
    for name, table in tables(recorded, figures).items():
        table.attrs.update(facts)  # pandas stores attrs in the file's metadata
        file = run.measurement_file(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(file) as beside:
            table.to_parquet(beside, compression="zstd", index=False)


def lacking(run: RunDirectory, names: Sequence[str] = MEASURED) -> str:
    """Return why tables of a finished run cannot be used; empty if they can.

    Args:
        run: A finished run.
        names: Names of the tables.

    Raises:
        UserError: A table is damaged.
    """
    for file in map(run.measurement_file, names):
        if not file.exists():
            return f"{file} is missing"
        try:
            facts = json.loads(pq.read_schema(file).metadata[ATTRIBUTES])
            made, steps = facts["format"], facts["total_steps"]
        except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
            raise UserError(f"{file} is damaged: {error!r}") from None
        if made != FORMAT:
            return f"{file} has format {made}, this version of roma makes {FORMAT}"
        if steps != run.last_step():
            return f"{file} was made at {steps} steps, the run has {run.last_step()}"
    return ""


def shown_arms() -> set[str]:
    """Return the arms whose episodes summaries have: those of the report and of the figures that draw episodes."""
    return {*REPORTED_ARMS, *figure_list.arms_in_episodes()}


def joined(runs: Sequence[RunDirectory], finals: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the tables of all given runs by name, with map, arm and seed as first columns.

    `roles` has the rows of whole milestones. Its column `chance` is the variance that a value has because of the finite
    number of episodes; rows of the reference `untrained` have the number of the network as seed. In `episodes`, `shown`
    marks the run that figures draw for its map and arm.

    Args:
        runs: Measured runs.
        finals: Table of final evaluations, which selects the run that is drawn.
    """
    roles, dissimilarity = ([_read(run, name) for run in runs] for name in MEASURED)
    of_episodes = shown_arms()
    recorded = [run for run in runs if run.arm in of_episodes and not lacking(run, ["episodes"])]
    shown = shown_seeds(finals)
    episodes = [_read(run, "episodes").assign(shown=shown[run.map, run.arm] == run.seed) for run in recorded]
    return {
        "roles": in_one(list(map(_of_milestones, roles)), [*CELL, *ROLES, "chance"]).drop(columns="episode"),
        "dissimilarity": in_one(dissimilarity, [*CELL, *DISSIMILARITY]),
        "episodes": in_one(episodes, [*CELL, "shown", *EPISODES]),
    }


def _of_milestones(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of whole milestones and of untrained networks of a run, with the column `chance`."""
    untrained = table["reference"] == UNTRAINED
    networks = table["seed"] * (table.loc[untrained, "episode"].max() + 1) + table["episode"]
    whole = table.assign(seed=table["seed"].where(~untrained, networks).astype(int))
    whole = whole[untrained | (table["episode"] == ALL)]
    of_episodes = table[(table["reference"] == ROLES_THEMSELVES) & (table["episode"] != ALL)]
    chance = of_episodes.groupby(["step", "measure", "reference"])["value"].agg(chance_of).rename("chance")
    return whole.merge(chance.reset_index(), "left", ["step", "measure", "reference"])


def chance_of(values: pd.Series) -> float:
    """Return the variance of the mean of one value per episode, binomial if all values are 0 or 1.

    The binomial variance adds half an episode to either side, so that shares of 0 and 1 have a positive variance
    (Agresti and Coull 1998).
    """
    n = len(values)
    if values.isin([0, 1]).all():
        share = (values.sum() + 0.5) / (n + 1)
        return float(share * (1 - share) / n)
    return float(values.var(ddof=1) / n) if n > 1 else float("nan")


def shown_seeds(finals: pd.DataFrame) -> dict[tuple[str, str], int]:
    """Return the seed with the median win rate in the final evaluation, for each (map, arm).

    An even number of seeds gives the lower median; of equal win rates, the smallest seed comes first.
    """
    ordered = finals.sort_values(["battle_won_mean", "seed"])
    cells = ordered.groupby(["map", "arm"], sort=False)["seed"]
    return {(str(map_name), str(arm)): int(seeds.iloc[(len(seeds) - 1) // 2]) for (map_name, arm), seeds in cells}


def _read(run: RunDirectory, name: str) -> pd.DataFrame:
    file = run.measurement_file(name)
    try:
        return pd.read_parquet(file).assign(**run.cell)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{file} is damaged: {error!r}") from None
