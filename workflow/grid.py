"""Grid of a scale file: one run per (map, arm, seed), each with its resolved configuration.

Everything is checked before the DAG is built: `workflow.scale` checks names and types of keys, `roma.runs.config`
checks maps, arms and overrides. Mistakes raise a UserError of one line.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from analysis import figure_list
from roma.envs import ENGINES, Engine
from roma.learners import algorithm_names
from roma.runs.config import MILESTONES, RunConfig, canonical_options, resolve
from roma.scenarios import canonical_map, load_map, map_names
from roma.support.errors import UserError, unknown

ROOT = Path(__file__).resolve().parents[1]  # of this clone


@dataclass(frozen=True)
class Run:
    """Run of a scale, with its resolved configuration."""

    map: str
    arm: str
    seed: int
    config: RunConfig
    total_steps: int  # environment steps
    tranches: Mapping[str, int] = field(default_factory=dict)  # open tranche: total steps that it asks for, in order

    @property
    def key(self) -> tuple[str, str, int]:
        return self.map, self.arm, self.seed

    @property
    def directory(self) -> str:
        return f"{self.map}/{self.arm}/seed{self.seed}"

    @cached_property
    def options(self) -> str:
        """Options of `roma train`; equal configurations have equal options."""
        return " ".join(canonical_options(self.config))

    @property
    def n_units(self) -> int:
        scenario = load_map(self.map)
        return sum(group.count for group in (*scenario.allies, *scenario.enemies))

    @property
    def engine(self) -> Engine:
        return ENGINES[self.config.engine]

    @property
    def processes(self) -> int:
        """Number of busy processes: the learner, or one for each environment if these have their own processes."""
        return self.config.protocol_settings.parallel_envs if self.engine.battle_memory_mb else 1

    def memory_mb(self, attempt: int) -> int:
        """Return the memory to request on a cluster: torch with its batches, environments, and replay buffer.

        The replay buffer holds unit rows of 8-byte numbers. For non-deterministic engines it also holds observations,
        with up to nine 4-byte numbers for each unit that an agent may see.
        """
        scenario = load_map(self.map)
        steps = self.config.protocol_settings.buffer_size * (scenario.episode_limit + 1)
        agents = sum(group.count for group in scenario.allies)
        per_unit = 6 * 8 + agents * 9 * 4 * (not self.engine.deterministic)
        battles = self.config.protocol_settings.parallel_envs * self.engine.battle_memory_mb
        return int((3000 + battles + steps * self.n_units * per_unit / 1e6) * attempt)

    def runtime_minutes(self, attempt: int) -> int:
        """Return a generous time limit for a cluster, from the engine's speed with a dozen units; slower with more."""
        return int((10 + self.total_steps * max(self.n_units, 12) / 12 / self.engine.steps_per_second / 60) * attempt)


@dataclass(frozen=True)
class Grid:
    """Runs of a scale, with its tranches and planned cells."""

    runs: dict[tuple[str, str, int], Run]
    tranches: tuple[str, ...] = ()  # of the scale, in the order in which they are trained
    planned: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (map, arm), of all tranches: number of seeds

    @property
    def cells(self) -> list[tuple[str, str]]:
        """Every (map, arm) with runs, in the order of the scale file."""
        return list(dict.fromkeys((run.map, run.arm) for run in self.runs.values()))

    def priority(self, run: Run, held_steps: int) -> int:
        """Return Snakemake's priority of a run of which `held_steps` are complete: earlier tranches come first.

        The priority is that of the first tranche that asks for more steps, so that a pilot run is extended in the
        tranche that contains its cell.
        """
        places = [self.tranches.index(name) for name, steps in run.tranches.items() if steps > held_steps]
        return len(self.tranches) - min(places) if places else 0

    def evaluated_steps(
        self, run: Run, steps: Mapping[tuple[str, str, int], int], milestones: Sequence[int]
    ) -> list[int]:
        """Return the environment steps of a run's evaluated policies: the last one, and one for comparisons.

        If runs of a map and protocol differ in length, all are also evaluated at the latest milestone that all reach.

        Args:
            run: Run of the grid.
            steps: Total steps that each run has or will have, by key.
            milestones: Environment steps at which policies are kept.
        """
        beside = [other for other in self.runs.values() if other.map == run.map]
        lengths = {steps[each.key] for each in beside if each.config.protocol == run.config.protocol}
        common = [step for step in milestones if 0 < step <= min(lengths)] if len(lengths) > 1 else []
        return sorted({steps[run.key], *common[-1:]})


def results_folder(config: Mapping[str, Any]) -> Path:
    """Return the folder of all results of a scale, except figures."""
    return Path("data", config["engine"], config["scale"])


def expand(config: Mapping[str, Any], source: str) -> Grid:
    """Return the grid of a checked scale.

    A cell may stand in several tranches: its runs then have the most steps that any open tranche asks for.

    Args:
        config: The scale.
        source: Where it was read, for messages.

    Raises:
        UserError: A name does not exist, a setting is not valid, or a cell appears twice.
    """
    runs: dict[tuple[str, str, int], Run] = {}
    planned: dict[tuple[str, str], set[int]] = {}
    try:
        _check_names(config)
        config = _without_sweeps(config)
        tranches = tuple(config.get("tranches", ()))
        for cell in config["cells"]:
            is_open = not tranches or cell["tranche"] in config.get("open_tranches", tranches)
            seeds = cell.get("seeds", config["seeds"])
            for map_name in map(canonical_map, _maps_of(cell["maps"], config)):
                for arm in cell["arms"]:
                    _check_arm(arm, config)
                    planned.setdefault((map_name, arm), set()).update(seeds)
                    for seed in seeds if is_open else ():
                        run = _run(config, cell, map_name, arm, seed)
                        runs[run.key] = _merged(runs[run.key], run, tranches) if run.key in runs else run
    except UserError as error:
        raise UserError(f"{source}: {error}") from None
    return Grid(runs, tranches, {cell: len(seeds) for cell, seeds in planned.items()})


def milestones_of(config: Mapping[str, Any]) -> Sequence[int]:
    """Return the environment steps at which policies of a scale are kept, besides the end of each run."""
    return config.get("milestones", MILESTONES)


def milestone_option(config: Mapping[str, Any]) -> str:
    """Return the milestones as `roma train --milestones` takes them."""
    return ",".join(map(str, milestones_of(config)))


def checkpoint_option(config: Mapping[str, Any]) -> str:
    """Return the checkpoint option of `roma train`; empty if the scale does not set it."""
    return f"--checkpoint-seconds {config['checkpoint_seconds']}" if "checkpoint_seconds" in config else ""


def rollout_options(config: Mapping[str, Any]) -> str:
    """Return the options of `roma measure` for the numbers of episodes; empty if the scale does not set them."""
    options = {"last": "--episodes", "earlier": "--earlier-episodes"}
    return " ".join(f"{options[policy]} {number}" for policy, number in config.get("rollout_episodes", {}).items())


def fetch_options(config: Mapping[str, Any]) -> str:
    """Return the options of `roma starcraft2 fetch`."""
    asked = config.get("starcraft2", {})
    options = [f"--{key.replace('_', '-')} {asked[key]}" for key in ("version", "accept_digest") if key in asked]
    return " ".join([*options, *(["--accept-licence"] if "licence" in asked else [])])


def figure_files(name: str, figure: Mapping[str, Any]) -> list[str]:
    """Return the file names of a figure (whole, one panel per map, and the drawn numbers), or of a table."""
    if "table" in figure:
        return [f"{name}.{kind}" for kind in ("csv", "md", "tex")]
    pictures = [name, *(f"{name}_{map_name}" for map_name in figure.get("maps", []))]
    return [f"{picture}.{kind}" for picture in pictures for kind in ("png", "pdf")] + [f"{name}.csv"]


def summaries_beside(figure: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Return the existing summary files of the other scales that a figure also reads."""
    scales = [scale for scale in figure.get("beside", []) if scale != config["scale"]]
    return sorted(str(file) for scale in scales for file in Path(f"data/{config['engine']}/{scale}/summary").glob("*"))


def files_read(figure: Mapping[str, Any]) -> list[str]:
    """Return the input files of a figure other than summaries, from `reads` in its entry."""
    inside = Path.cwd() == ROOT  # relative paths inside the clone, so that it can be moved
    return [name if inside else str(ROOT / name) for name in figure.get("reads", [])]


def shown_moments(maps: Iterable[str]) -> dict[str, str]:
    """Return, by map, the part of figures.yaml that determines which episode of the map is kept, as text."""
    listed = [figure.get("moments", {}) for figure in figure_list.read().values()]
    return {map_name: json.dumps([each[map_name] for each in listed if map_name in each]) for map_name in maps}


def figure_titles(grid: Grid) -> str:
    """Return the part of figures.yaml that the report shows, as text: names, kinds and titles, in order."""
    figures = figure_list.read(planned=grid.planned).items()
    return json.dumps([[name, "table" in figure, figure["title"]] for name, figure in figures])


def _check_names(config: Mapping[str, Any]) -> None:
    """Check names that nothing else checks: maps with their own values, tranches, and arms that are in no cell."""
    for part in (config, *config["cells"]):
        for key in ("total_steps", "test_interval"):
            if isinstance(part.get(key), Mapping):
                for name in part[key]:
                    if name != "default" and name not in map_names():
                        raise unknown(f"map of {key}", name, map_names())
    tranches = config.get("tranches", [])
    for cell in config["cells"]:
        if "tranche" in cell and cell["tranche"] not in tranches:
            raise unknown("tranche", cell["tranche"], tranches)
        if tranches and "tranche" not in cell:
            raise UserError(f"a cell of {', '.join(cell['arms'])} has no tranche; known: {', '.join(tranches)}")
    for tranche in config.get("open_tranches", []):
        if tranche not in tranches:
            raise unknown("tranche", tranche, tranches)
    used = {arm for cell in config["cells"] for arm in cell["arms"]}
    for arm in config.get("arms", {}):
        if arm not in used:
            raise unknown("arm of any cell", arm, used)


def _without_sweeps(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the scale with every arm that has a sweep replaced by one arm for each combination of values."""
    arms: dict[str, Any] = {}
    members: dict[str, list[str]] = {}
    for arm, definition in config.get("arms", {}).items():
        sweep = definition.get("sweep", {})
        for combination in product(*(values.items() for values in sweep.values())):
            name = "_".join([arm, *(short for short, _ in combination)])
            values = dict(zip(sweep, (value for _, value in combination), strict=True))
            if name in arms:
                raise UserError(f"the arm {name} appears twice")
            arms[name] = {"algorithm": arm} | definition | {"overrides": definition.get("overrides", {}) | values}
            members.setdefault(arm, []).append(name)
    cells = [
        cell | {"arms": [name for arm in cell["arms"] for name in members.get(arm, [arm])]} for cell in config["cells"]
    ]
    return {**config, "arms": arms, "cells": cells}


def _maps_of(maps: list[str] | str, config: Mapping[str, Any]) -> list[str]:
    """Return a list of maps, given as a list or as the name of one of the scale's two lists."""
    if isinstance(maps, list):
        return maps
    named = config[maps]
    return config["maps"] if named == "all" else named


def _check_arm(arm: str, config: Mapping[str, Any]) -> None:
    """Raise UserError if an arm is neither an algorithm nor defined as one."""
    arms = config.get("arms", {})
    if arms.get(arm, {}).get("algorithm", arm) in algorithm_names():
        return
    if arm in arms:
        raise UserError(f"arms.{arm}: {unknown('algorithm', arms[arm].get('algorithm', arm), algorithm_names())}")
    raise unknown("arm", arm, {*algorithm_names(), *arms})


def _run(config: Mapping[str, Any], cell: Mapping[str, Any], map_name: str, arm: str, seed: int) -> Run:
    """Return the run of one seed of a cell. The cell's values override the arm's, and these override the scale's."""
    definition = config.get("arms", {}).get(arm, {})
    overrides = {**config.get("overrides", {}), **definition.get("overrides", {})}
    interval = _per_map(cell.get("test_interval", config.get("test_interval")), map_name)
    if interval is not None:
        overrides["test_interval"] = interval
    run_config = resolve(
        map=map_name,
        algorithm=definition.get("algorithm", arm),
        seed=seed,
        protocol=cell.get("protocol", definition.get("protocol", config["protocol"])),
        engine=config["engine"],
        overrides=overrides | cell.get("overrides", {}),
    )
    total_steps = _per_map(cell.get("total_steps", config["total_steps"]), map_name)
    if total_steps is None:
        raise UserError(f"no total_steps for {map_name}: give it one, or a default")
    tranches = {cell["tranche"]: total_steps} if "tranche" in cell else {}
    return Run(map_name, arm, seed, run_config, total_steps, tranches)


def _merged(one: Run, other: Run, tranches: Sequence[str]) -> Run:
    """Return the run that two tranches ask for."""
    if not one.tranches or one.tranches.keys() & other.tranches.keys():
        raise UserError(f"the cell ({one.map}, {one.arm}) appears twice")
    if one.config != other.config:
        raise UserError(f"the cell ({one.map}, {one.arm}) has different settings in two tranches")
    asked = {**one.tranches, **other.tranches}
    ordered = {name: asked[name] for name in tranches if name in asked}
    return replace(one, total_steps=max(ordered.values()), tranches=ordered)


def _per_map(value: Any, map_name: str) -> int | None:
    """Return the number for a map, given one number for all maps or numbers by map with a default."""
    if isinstance(value, Mapping):
        return value.get(map_name, value.get("default"))
    return value
