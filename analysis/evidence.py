"""What claims are judged by: the values that a summary holds of each seed of a (map, arm)."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from analysis.summarise import CELL, engine_names, joined, scale_of, summaries_beside
from roma.errors import UserError

TABLES = ("runs", "finals", "curves", "roles")
WIN_RATES = ("final_win_rate", "best_test_win_rate", "mean_test_win_rate")
STAGE_TOLERANCE = 0.05  # of the horizon: how far from a stage the milestone that stands for it may lie


class Evidence:
    """The tables of one scale; `beside`, summaries of others that add arms trained as long under the same protocol."""

    def __init__(self, summary: Path, beside: Iterable[Path] = ()) -> None:
        self.scale = scale_of(summary)
        tables = _read(summary)
        for other in map(_read, beside):
            added = _comparable(other["runs"], tables["runs"])
            tables = {name: pd.concat([table, other[name].merge(added)]) for name, table in tables.items()}
        self.engine = joined(engine_names(tables["runs"]))
        self._runs = _grouped(tables["runs"], CELL)
        self._finals = _grouped(tables["finals"], CELL)
        self._curves = _grouped(tables["curves"], CELL)
        self._roles = _grouped(tables["roles"], [*CELL, "measure", "reference"])
        self._nothing = tables["roles"].iloc[:0]

    @property
    def has_roles(self) -> bool:
        return bool(self._roles)

    @property
    def cells(self) -> list[tuple[str, str]]:
        """Every (map, arm) with runs, sorted."""
        return list(self._runs)

    def has(self, map_name: str, arm: str) -> bool:
        return (map_name, arm) in self._runs

    def horizon(self, map_name: str, arm: str) -> tuple[int, str]:
        """Steps of the shortest run, and its protocol."""
        runs = self._runs[map_name, arm]
        return int(runs["steps"].min()), str(runs["protocol"].iloc[0])

    def last_tests(self, map_name: str, arm: str, tests: int) -> pd.Series:
        """Mean win rate of each seed's last tests, by seed."""
        curves = self._curves[map_name, arm].sort_values("step").groupby("seed")["test_battle_won_mean"]
        return curves.apply(lambda values: float(values.tail(tests).mean()))

    def final_win_rate(self, map_name: str, arm: str) -> float:
        return float(self._finals[map_name, arm]["battle_won_mean"].mean())

    def values(self, map_name: str, arm: str, measure: str, stage: float = 1.0, reference: str = "roles") -> pd.Series:
        """One value a seed, by seed; empty where nothing was recorded at that stage."""
        if measure == "final_win_rate":
            return self._finals[map_name, arm].set_index("seed")["battle_won_mean"]
        if measure in WIN_RATES:
            tests = self._curves[map_name, arm].groupby("seed")["test_battle_won_mean"]
            return tests.max() if measure == "best_test_win_rate" else tests.mean()
        recorded = self._recorded(map_name, arm, measure, reference)
        horizon, _ = self.horizon(map_name, arm)
        distance = (recorded["step"] / horizon - stage).abs()
        at_stage = recorded[(distance <= STAGE_TOLERANCE) & (distance == distance.min())]
        return at_stage.set_index("seed")["value"]

    def correlations(self, map_name: str, arm: str, measure: str) -> pd.Series:
        """Spearman's correlation of a measure with the test win rate over a run's milestones, by seed.

        Seeds where one of the two never changes have none.
        """
        recorded = self._recorded(map_name, arm, measure, "roles").set_index("seed")
        tests = self._curves[map_name, arm].set_index("seed")
        found = {}
        for seed in recorded.index.unique():
            milestones = recorded.loc[[seed]].sort_values("step")
            curve = tests.loc[[seed]].sort_values("step")
            pairs = pd.merge_asof(milestones, curve, on="step", direction="nearest")
            columns = pairs[["value", "test_battle_won_mean"]].to_numpy(float)
            if np.ptp(columns, axis=0).min() > 0:
                found[seed] = float(spearmanr(columns).statistic)
        return pd.Series(found, dtype=float)

    def _recorded(self, map_name: str, arm: str, measure: str, reference: str) -> pd.DataFrame:
        return self._roles.get((map_name, arm, measure, reference), self._nothing)


def with_scales_beside(summary: Path, specification: Mapping[str, Any]) -> Evidence:
    """A scale's evidence with that of the scales which a figure names in `beside`, where they have a summary."""
    return Evidence(summary, list(summaries_beside(summary, specification).values()))


def _grouped(table: pd.DataFrame, keys: list[str]) -> dict[Any, pd.DataFrame]:
    return dict(list(table.groupby(keys)))


def _read(summary: Path) -> dict[str, pd.DataFrame]:
    tables = {}
    for name in TABLES:
        file = summary / f"{name}.parquet"
        if file.exists():
            tables[name] = pd.read_parquet(file)
        elif name == "roles":
            columns = {
                "map": str,
                "arm": str,
                "seed": int,
                "step": int,
                "measure": str,
                "reference": str,
                "value": float,
            }
            tables[name] = pd.DataFrame({column: pd.Series(dtype=kind) for column, kind in columns.items()})
        else:
            raise UserError(f"{file} is missing: python -m analysis summarise makes it")
    return tables


def _comparable(runs: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """The (map, arm) of `runs` that `own` lacks and whose runs are as long as its own on that map, by its protocol."""
    terms = own[["map", "engine", "protocol", "steps"]].drop_duplicates()
    alike = runs.merge(terms)[["map", "arm"]].drop_duplicates()
    known = alike.merge(own[["map", "arm"]].drop_duplicates(), "left", indicator="place")
    return known.loc[known["place"] == "left_only", ["map", "arm"]]
