"""Statistics of our training runs and the released ones: learning curves at checkpoints, episode lengths by phase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from roma.recordings.calibrate.comparison import Summary
from roma.recordings.calibrate.learned.recorded import RecordedRun
from roma.recordings.calibrate.statistics import (
    CHECKPOINTS,
    PHASES,
    PhaseLength,
    centred,
    excess_over_interval,
    excess_over_multiple,
    phase_length,
    window,
)
from roma.scenarios.released_runs import TEST_INTERVAL, ReleasedRun, complete_runs, released_runs


@dataclass(frozen=True, slots=True)
class Curve:
    """Test results of several runs at one checkpoint: median, lowest and highest win rate and return."""

    win_rate: Summary  # fractions
    returns: Summary  # the largest possible return is about 20


@dataclass(frozen=True, slots=True)
class Group:
    """Our runs that differ only in their seeds, and the released runs of the same map and algorithm.

    Tuples have one item for each of CHECKPOINTS or PHASES, up to the end of our longest run.
    """

    runs: tuple[RecordedRun, ...]
    released: tuple[ReleasedRun, ...]  # includes aborted runs
    curves: tuple[Curve, ...]  # over our runs that have reached the checkpoint
    shifted: tuple[bool, ...]  # true if a run ends near the checkpoint, so that its window is not centred on it
    released_curves: tuple[Curve, ...]  # over complete runs
    lengths: tuple[PhaseLength | None, ...]  # of the phases in which our runs have enough tests
    released_lengths: tuple[PhaseLength | None, ...]

    @property
    def map(self) -> str:
        return self.runs[0].map

    @property
    def algorithm(self) -> str:
        return self.runs[0].algorithm

    @property
    def label(self) -> str:
        """Engine, and settings that differ from the defaults."""
        return ", ".join((self.runs[0].engine, *self.runs[0].settings))

    @property
    def end(self) -> int:
        """Environment steps at the last test of the longest run."""
        return max(int(run.t_env[-1]) for run in self.runs)

    @property
    def checkpoints(self) -> tuple[int, ...]:
        return CHECKPOINTS[: len(self.curves)]

    @property
    def phases(self) -> tuple[tuple[int, int], ...]:
        return PHASES[: len(self.lengths)]


def group_runs(runs: Sequence[RecordedRun]) -> list[Group]:
    """Pool runs that differ only in their seeds; `runs` must be sorted by group, as `recorded.find` returns them."""
    return [_group(tuple(members)) for _, members in groupby(runs, key=lambda run: run.group)]


def curve_at(runs: Sequence[RecordedRun] | Sequence[ReleasedRun], step: int) -> Curve:
    """Return the test results of several runs at a checkpoint (environment steps), without runs that end earlier."""
    chosen = [(run, tests) for run in runs if (tests := window(run.t_env, step)) is not None]
    return Curve(
        Summary.of(np.array([run.win_rate[tests].mean() for run, tests in chosen])),
        Summary.of(np.array([run.returns[tests].mean() for run, tests in chosen])),
    )


def released_length(runs: Sequence[ReleasedRun], phase: tuple[int, int]) -> PhaseLength | None:
    """Return the mean length of the training episodes in a phase, over released runs of one map and algorithm."""
    if not runs:
        return None
    excess = [excess_over_interval(run.t_env, TEST_INTERVAL) for run in runs]
    return phase_length([run.t_env for run in runs], excess, phase, runs[0].n_battles)


def recorded_length(runs: Sequence[RecordedRun], phase: tuple[int, int]) -> PhaseLength | None:
    """Return the mean length of our training episodes in a phase, with the statistic used for released runs."""
    excess = [excess_over_multiple(run.t_env, run.test_interval) for run in runs]
    return phase_length([run.t_env for run in runs], excess, phase, runs[0].n_battles)


def _group(runs: tuple[RecordedRun, ...]) -> Group:
    map_name, algorithm = runs[0].map, runs[0].algorithm
    released = tuple(run for run in released_runs() if (run.map, run.algorithm) == (map_name, algorithm))
    curves = [curve_at(runs, step) for step in CHECKPOINTS]
    reached = [step for step, curve in zip(CHECKPOINTS, curves, strict=True) if curve.win_rate.count]
    played = [phase for phase in PHASES if recorded_length(runs, phase) is not None]
    complete = complete_runs(map_name, algorithm)
    return Group(
        runs=runs,
        released=released,
        curves=tuple(curves[: len(reached)]),
        shifted=tuple(
            any(window(run.t_env, step) is not None and not centred(run.t_env, step) for run in runs)
            for step in reached
        ),
        released_curves=tuple(curve_at(complete, step) for step in reached),
        lengths=tuple(recorded_length(runs, phase) for phase in played),
        released_lengths=tuple(released_length(released, phase) for phase in played),
    )


def missing(groups: Sequence[Group], unfinished: Sequence[object], maps: Sequence[str]) -> list[str]:
    """Return one line for each run that a comparison with all released runs still lacks.

    Args:
        groups: The compared runs.
        unfinished: Folders of unfinished runs.
        maps: Maps of the engine with released runs.
    """
    from roma.scenarios.released_runs import algorithms

    ours = {(group.map, group.algorithm) for group in groups}
    lines = [f"not finished: {place}" for place in unfinished]
    for name in maps:
        absent = [algorithm for algorithm in algorithms(name) if (name, algorithm) not in ours]
        if absent:
            lines.append(f"no run of ours on {name}: {', '.join(absent)}")
    for group in groups:
        if not group.released:
            lines.append(f"no released run of {group.algorithm} on {group.map}")
        ends = {run.seed: int(run.t_env[-1]) for run in group.runs}
        if max(ends.values()) > min(ends.values()) * 1.05:
            lengths = ", ".join(f"seed {seed} to {end:,}" for seed, end in ends.items())
            lines.append(f"runs of different lengths, {group.algorithm} on {group.map} ({group.label}): {lengths}")
    return lines
