"""What claims are judged by: the values that a summary holds of each seed of a (map, arm)."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.claims.inference import binomial_variance
from analysis.statistics import Floats
from analysis.summarise import CELL, engine_names, joined, last_tenth, scale_of, summaries_beside
from roma.support.errors import UserError

TABLES = ("runs", "plan", "evaluations", "curves", "roles")
WON = "test_battle_won_mean"
# Measures of a run's tests: final performance, the mean win rate of the last tenth; the best test; the mean of all,
# which is the area under the learning curve; and how much the tests of the last tenth vary beyond what battles of
# their mean win rate do by chance, as a variance.
OF_TESTS = FINAL, BEST, AREA, UNSTEADINESS = (
    "final_win_rate",
    "best_test_win_rate",
    "mean_test_win_rate",
    "unsteadiness",
)
EVALUATION = "evaluation_win_rate"  # of the policy kept at the step of comparison; printed, decides nothing
HIGHEST_R = 0.999  # a correlation of which Fisher's z is still taken
NO_CHANGE = 1e-12


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
        self._planned = {tuple(cell): int(seeds) for *cell, seeds in tables["plan"][[*CELL, "seeds"]].to_numpy()}
        self._evaluations = _grouped(tables["evaluations"], CELL)
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

    def planned_seeds(self, map_name: str, arm: str) -> int:
        """Return how many seeds the scale trains of a cell, now or later; 0 if it is no cell of the scale."""
        return self._planned.get((map_name, arm), 0)

    def equal_step(self, map_name: str, arms: Iterable[str]) -> int | None:
        """Return the latest step at which every run of these arms on a map was evaluated, None if there is none.

        Arms are compared there, so that no run counts for longer training than another's.
        """
        steps = []
        for arm in arms:
            evaluated = self._evaluations[map_name, arm].groupby("seed")["step"].agg(set)
            steps += evaluated.reindex(self._runs[map_name, arm]["seed"]).tolist()
        common = set.intersection(*(each if isinstance(each, set) else set() for each in steps))
        return max(common, default=None)

    def seeds(self, map_name: str, arm: str) -> int:
        """Return how many runs of a cell there are."""
        return len(self._runs[map_name, arm]) if self.has(map_name, arm) else 0

    def total_steps(self, map_name: str, arm: str) -> int:
        """Return the steps of a cell's shortest run."""
        return int(self._runs[map_name, arm]["total_steps"].min())

    def protocol(self, map_name: str, arm: str) -> str:
        """Return the protocol of a cell's runs."""
        return str(self._runs[map_name, arm]["protocol"].iloc[0])

    def last_tests(self, map_name: str, arm: str, tests: int, step: int | None = None) -> pd.Series:
        """Return the mean win rate of each seed's last tests up to a step, by seed; default: of all its tests."""
        curves = self._curves[map_name, arm] if step is None else self._tests(map_name, arm, step)
        return curves.sort_values("step").groupby("seed")[WON].apply(lambda values: float(values.tail(tests).mean()))

    def final_win_rates(self, map_name: str, arm: str) -> pd.Series:
        """Return the mean win rate of each run's tests in the last tenth of its training, by seed."""
        return self.values(map_name, arm, FINAL, self.total_steps(map_name, arm))

    def evaluated_win_rates(self, map_name: str, arm: str) -> pd.Series:
        """Return the win rate of each run's last policy in its greedy battles, by seed."""
        last = self._evaluations[map_name, arm].sort_values("step").groupby("seed")
        return last["battle_won_mean"].last()

    def values(self, map_name: str, arm: str, measure: str, step: int, reference: str = "roles") -> pd.Series:
        """Return one value a seed, by seed; empty if nothing was recorded at that step.

        Args:
            map_name: Name of the map.
            arm: Name of the arm.
            measure: One of OF_TESTS, EVALUATION or a measure of roles.
            step: Environment steps: of the policy that is measured, or of the last test that counts.
            reference: What the measure is of, "roles" or a null; of the null `untrained`, one value a network.
        """
        if measure == EVALUATION:
            return self._at(self._evaluations[map_name, arm], step)["battle_won_mean"]
        if measure not in OF_TESTS:
            return self._at(self._recorded(map_name, arm, measure, reference), step)["value"]
        tests = self._counted(map_name, arm, measure, step).groupby("seed")[WON]
        if measure == UNSTEADINESS:
            return tests.apply(lambda won: excess_variance(won.to_numpy(float), self._test_episodes(map_name, arm)))
        return tests.max() if measure == BEST else tests.mean()

    def chance(self, map_name: str, arm: str, measure: str, step: int, reference: str = "roles") -> float:
        """Return the variance that a run's value has by the number of episodes it is of; 0 where it is not known."""
        if measure in (FINAL, BEST, AREA):
            tests = self._counted(map_name, arm, measure, step)
            battles = round(len(tests) / tests["seed"].nunique() * self._test_episodes(map_name, arm))
            return float(binomial_variance(self.values(map_name, arm, measure, step).to_numpy(float), battles))
        recorded = self._at(self._recorded(map_name, arm, measure, reference), step)["chance"].dropna()
        return float(recorded.mean()) if len(recorded) else 0.0

    def correlations(self, map_name: str, arm: str, measure: str, step: int) -> pd.Series:
        """Correlate a measure with the test win rate over the milestones up to a step, given the step, by seed.

        What the seeds have in common at a step is taken from both, whatever its course: the mean over the seeds there.
        The values are Fisher's z of Pearson's correlation of the rest. Seeds without change in one of the two have
        none; without two seeds nothing is left to correlate.
        """
        milestones = self._recorded(map_name, arm, measure, "roles").query("step <= @step").sort_values("step")
        tests = self._tests(map_name, arm, step).sort_values("step")
        pairs = pd.merge_asof(milestones, tests, on="step", by="seed", direction="nearest")
        columns = ["value", WON]
        rest = pairs[columns] - pairs.groupby("step")[columns].transform("mean")
        found = {}
        for seed, mine in rest.groupby(pairs["seed"]):
            columns_of = mine.to_numpy(float)
            if np.ptp(columns_of, axis=0).min() > NO_CHANGE:
                found[seed] = float(np.arctanh(np.clip(np.corrcoef(columns_of.T)[0, 1], -HIGHEST_R, HIGHEST_R)))
        return _as_independent(pd.Series(found, dtype=float))

    @staticmethod
    def _at(table: pd.DataFrame, step: int) -> pd.DataFrame:
        return table[table["step"] == step].set_index("seed")

    def _tests(self, map_name: str, arm: str, step: int) -> pd.DataFrame:
        """Return the tests of a cell up to a step."""
        tests = self._curves[map_name, arm]
        return tests[tests["step"] <= step]

    def _counted(self, map_name: str, arm: str, measure: str, step: int) -> pd.DataFrame:
        """Return the tests of a cell that a measure is of: those of the last tenth, or all up to a step."""
        tests = self._curves[map_name, arm]
        return last_tenth(tests, step) if measure in (FINAL, UNSTEADINESS) else tests[tests["step"] <= step]

    def _test_episodes(self, map_name: str, arm: str) -> int:
        return int(self._runs[map_name, arm]["test_episodes"].iloc[0])

    def _recorded(self, map_name: str, arm: str, measure: str, reference: str) -> pd.DataFrame:
        return self._roles.get((map_name, arm, measure, reference), self._nothing)


def _as_independent(values: pd.Series) -> pd.Series:
    """Return values of n seeds with the spread that independent ones would have, about the same mean.

    Each seed's value is of what the mean over all seeds leaves: two seeds' values are correlated by (n - 1)**-2.
    """
    n = len(values)
    if n < 3:
        return values
    r = (n - 1) ** -2
    mean = values.mean()
    return mean + (values - mean) * float(np.sqrt((1 + (n - 1) * r) / (1 - r)))


def with_scales_beside(summary: Path, specification: Mapping[str, Any]) -> Evidence:
    """A scale's evidence with that of the scales which a figure names in `beside`, where they have a summary."""
    return Evidence(summary, list(summaries_beside(summary, specification).values()))


def excess_variance(won: Floats, episodes: int) -> float:
    """Return how much win rates of successive tests (T,) vary beyond the chance of their episodes, as a variance.

    Without bias, so that it may be negative; 0 for a single test.
    """
    if len(won) < 2:
        return 0.0
    return float(np.var(won, ddof=1) - np.mean(won * (1 - won)) / (episodes - 1))


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
                "chance": float,
            }
            tables[name] = pd.DataFrame({column: pd.Series(dtype=kind) for column, kind in columns.items()})
        else:
            raise UserError(f"{file} is missing: roma summarise makes it")
    return tables


def _comparable(runs: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """The (map, arm) of `runs` that `own` lacks and whose runs are as long as its own on that map, by its protocol."""
    terms = own[["map", "engine", "engine_version", "protocol", "total_steps"]].drop_duplicates()
    alike = runs.merge(terms)[["map", "arm"]].drop_duplicates()
    known = alike.merge(own[["map", "arm"]].drop_duplicates(), "left", indicator="place")
    return known.loc[known["place"] == "left_only", ["map", "arm"]]
