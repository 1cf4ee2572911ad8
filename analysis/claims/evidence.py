"""Evidence for claims: the values of each seed of a (map, arm), read from a summary."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.claims.inference import binomial_variance
from analysis.statistics import Floats
from analysis.summarise import CELL, engine_names, joined, last_tenth, origin, scale_of, summaries_beside
from roma.support.errors import UserError

TABLES = ("runs", "plan", "evaluations", "curves", "roles")
WON = "test_battle_won_mean"
# Measures of a run's tests: final win rate (mean of the last tenth), best test, mean of all tests (area under the
# learning curve), and the variance of the tests in the last tenth beyond the binomial variance of their episodes.
OF_TESTS = FINAL, BEST, AREA, UNSTEADINESS = (
    "final_win_rate",
    "best_test_win_rate",
    "mean_test_win_rate",
    "unsteadiness",
)
EVALUATION = "evaluation_win_rate"  # of the policy at the step of comparison; printed, not used for verdicts
HIGHEST_R = 0.999  # correlations are clipped here, because Fisher's z of 1 is infinite
NO_CHANGE = 1e-12


class Evidence:
    """Values of the runs of one scale.

    Args:
        scale: Name of the scale.
        tables: Its tidy tables, by the names in TABLES.
    """

    def __init__(self, scale: str, tables: Mapping[str, pd.DataFrame]) -> None:
        self.scale = scale
        self.engine = joined(engine_names(tables["runs"]))
        self.origin = origin(tables["runs"], self.scale)
        self._runs = _grouped(tables["runs"], CELL)
        self._planned = {tuple(cell): int(seeds) for *cell, seeds in tables["plan"][[*CELL, "seeds"]].to_numpy()}
        self._evaluations = _grouped(tables["evaluations"], CELL)
        self._curves = _grouped(tables["curves"], CELL)
        self._roles = _grouped(tables["roles"], [*CELL, "measure", "reference"])
        self._nothing = tables["roles"].iloc[:0]

    @classmethod
    def read(cls, summary: Path, beside: Iterable[Path] = ()) -> "Evidence":
        """Return the evidence of a summary, with comparable arms of further scales.

        Args:
            summary: Folder of the tidy tables.
            beside: Summaries of further scales. They add the arms that the scale lacks and that were trained with the
                same engine version, protocol and total steps on the same map.

        Raises:
            UserError: A tidy table is missing.
        """
        tables = _read(summary)
        for other in map(_read, beside):
            added = _comparable(other["runs"], tables["runs"])
            tables = {name: pd.concat([table, other[name].merge(added)]) for name, table in tables.items()}
        return cls(scale_of(summary), tables)

    @property
    def has_roles(self) -> bool:
        """True if the summary has measures of roles."""
        return bool(self._roles)

    @property
    def cells(self) -> list[tuple[str, str]]:
        """Every (map, arm) with runs, sorted."""
        return list(self._runs)

    def has(self, map_name: str, arm: str) -> bool:
        """Return whether a (map, arm) has runs."""
        return (map_name, arm) in self._runs

    def planned_seeds(self, map_name: str, arm: str) -> int:
        """Return the number of seeds that the scale trains of a cell, now or later; 0 if the scale lacks the cell."""
        return self._planned.get((map_name, arm), 0)

    def equal_step(self, map_name: str, arms: Iterable[str]) -> int | None:
        """Return the latest step at which every run of the arms on a map was evaluated; None if there is none.

        Arms are compared at this step, so that all runs have the same length of training.
        """
        steps = []
        for arm in arms:
            evaluated = self._evaluations[map_name, arm].groupby("seed")["step"].agg(set)
            steps += evaluated.reindex(self._runs[map_name, arm]["seed"]).tolist()
        common = set.intersection(*(each if isinstance(each, set) else set() for each in steps))
        return max(common, default=None)

    def seeds(self, map_name: str, arm: str) -> int:
        """Return the number of runs of a cell."""
        return len(self._runs[map_name, arm]) if self.has(map_name, arm) else 0

    def total_steps(self, map_name: str, arm: str) -> int:
        """Return the total steps of a cell's shortest run."""
        return int(self._runs[map_name, arm]["total_steps"].min())

    def protocol(self, map_name: str, arm: str) -> str:
        """Return the protocol of a cell's runs."""
        return str(self._runs[map_name, arm]["protocol"].iloc[0])

    def last_tests(self, map_name: str, arm: str, tests: int, step: int | None = None) -> pd.Series:
        """Return the mean win rate of each seed's last tests, by seed.

        Args:
            map_name: Name of the map.
            arm: Name of the arm.
            tests: Number of tests averaged.
            step: Last environment step that counts; by default all tests count.
        """
        curves = self._curves[map_name, arm] if step is None else self._tests(map_name, arm, step)
        return curves.sort_values("step").groupby("seed")[WON].apply(lambda values: float(values.tail(tests).mean()))

    def final_win_rates(self, map_name: str, arm: str) -> pd.Series:
        """Return the mean win rate of each run's tests in the last tenth of its training, by seed."""
        return self.values(map_name, arm, FINAL, self.total_steps(map_name, arm))

    def evaluated_win_rates(self, map_name: str, arm: str) -> pd.Series:
        """Return the win rate of each run's last policy in greedy episodes, by seed."""
        last = self._evaluations[map_name, arm].sort_values("step").groupby("seed")
        return last["battle_won_mean"].last()

    def values(self, map_name: str, arm: str, measure: str, step: int, reference: str = "roles") -> pd.Series:
        """Return one value per seed, by seed; empty if nothing was recorded at the step.

        Args:
            map_name: Name of the map.
            arm: Name of the arm.
            measure: One of OF_TESTS, EVALUATION or a measure of roles.
            step: Environment step of the measured policy, or of the last test that counts.
            reference: "roles" or the name of a null; the null `untrained` has one value per network.
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
        """Return the variance of a run's value that comes from its finite number of episodes; 0 if unknown.

        Args:
            map_name: Name of the map.
            arm: Name of the arm.
            measure: As in `values`.
            step: As in `values`.
            reference: As in `values`.
        """
        if measure in (FINAL, BEST, AREA):
            tests = self._counted(map_name, arm, measure, step)
            episodes = round(len(tests) / tests["seed"].nunique() * self._test_episodes(map_name, arm))
            return float(binomial_variance(self.values(map_name, arm, measure, step).to_numpy(float), episodes))
        recorded = self._at(self._recorded(map_name, arm, measure, reference), step)["chance"].dropna()
        return float(recorded.mean()) if len(recorded) else 0.0

    def correlations(self, map_name: str, arm: str, measure: str, step: int) -> pd.Series:
        """Return the partial correlation of a measure with the test win rate over milestones, given the step, by seed.

        The mean over seeds at each step is subtracted from both quantities, which removes any common course of
        training. The values are Fisher's z of Pearson's correlation of the residuals. A seed without variation in one
        of the two has no value; with a single seed there are no residuals.

        Args:
            map_name: Name of the map.
            arm: Name of the arm.
            measure: Measure of roles.
            step: Environment step of the last milestone that counts.
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
        """Return the tests of a cell that enter a measure: those of the last tenth, or all up to a step."""
        tests = self._curves[map_name, arm]
        return last_tenth(tests, step) if measure in (FINAL, UNSTEADINESS) else tests[tests["step"] <= step]

    def _test_episodes(self, map_name: str, arm: str) -> int:
        return int(self._runs[map_name, arm]["test_episodes"].iloc[0])

    def _recorded(self, map_name: str, arm: str, measure: str, reference: str) -> pd.DataFrame:
        return self._roles.get((map_name, arm, measure, reference), self._nothing)


def _as_independent(values: pd.Series) -> pd.Series:
    """Rescale the values of n seeds about their mean to the spread of independent values.

    Subtracting the mean over seeds correlates the values of any two seeds by (n - 1)**-2.
    """
    n = len(values)
    if n < 3:
        return values
    r = (n - 1) ** -2
    mean = values.mean()
    return mean + (values - mean) * float(np.sqrt((1 + (n - 1) * r) / (1 - r)))


def with_scales_beside(summary: Path, specification: Mapping[str, Any]) -> Evidence:
    """Return the evidence of a scale and of the scales that a figure lists in `beside`, if they have a summary."""
    return Evidence.read(summary, list(summaries_beside(summary, specification).values()))


def excess_variance(won: Floats, episodes: int) -> float:
    """Return the variance of successive test win rates beyond the binomial variance of their episodes.

    The estimate is unbiased and can be negative. It is 0 for a single test.

    Args:
        won: Win rates of the tests (T,).
        episodes: Episodes of each test.
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
            raise UserError(f"{file} is missing: `roma summarise` writes it")
    return tables


def _comparable(runs: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """Return each (map, arm) of `runs` that `own` lacks, if engine version, protocol and total steps match `own`."""
    terms = own[["map", "engine", "engine_version", "protocol", "total_steps"]].drop_duplicates()
    alike = runs.merge(terms)[["map", "arm"]].drop_duplicates()
    known = alike.merge(own[["map", "arm"]].drop_duplicates(), "left", indicator="place")
    return known.loc[known["place"] == "left_only", ["map", "arm"]]
