"""A reader's arm beside the runs that ship: only the reader's arm is trained.

    roma compare my_arm --map 10m_vs_11m

Its runs are those of a scale of their own, compare_<arm>_<map>, so that they go on after an interruption, get longer
and more as those of any scale do, and `roma watch` shows how far they are.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from roma import learners
from roma.envs import EMBEDDED
from roma.runs.config import RunConfig, differences, resolve
from roma.runs.directory import RunDirectory
from roma.scenarios import canonical_map
from roma.support.errors import UserError, unknown
from roma.support.files import write_bytes
from roma.support.schemas.settings import text
from roma.support.system import owner
from workflow.artifacts.shipping import STUDY, ShippedRun, config, lay_out, read_shipped
from workflow.grid import expand, results_folder
from workflow.scale import check, read_scale

EVALUATION_EPISODES = 256
SEEDS = 3  # with fewer no interval is given


@dataclass(frozen=True)
class Arm:
    """What a reader compares.

    Attributes:
        name: Its name in figures.
        config: The configuration of one of its runs.
        runs: Finished runs, by seed; empty where they are to be trained.
    """

    name: str
    config: RunConfig
    runs: Mapping[int, Path]


def arm_to_train(
    name: str, map_name: str, algorithm: str | None, protocol: str | None, overrides: Mapping[str, Any]
) -> Arm:
    """Return an arm that is an algorithm with settings of its own.

    Args:
        name: The name of the arm.
        map_name: Name of the map.
        algorithm: Name of the algorithm; by default the arm's.
        protocol: Name of the protocol; by default the paper's.
        overrides: Settings, maybe as text.

    Raises:
        UserError: A name does not exist or a setting is not valid.
    """
    names = learners.algorithm_names()
    if algorithm is None and name not in names:
        raise UserError(
            f"{name!r} is not a known algorithm: give your arm an algorithm (--algorithm), a scale file (--scale) or "
            f"finished runs (--runs); known algorithms: {', '.join(names)}"
        )
    return Arm(name, resolve(map_name, algorithm or name, 0, protocol or "paper", EMBEDDED, overrides), {})


def arm_of_scale(name: str, map_name: str, scale: Path, overrides: Mapping[str, Any]) -> Arm:
    """Return an arm of a scale file, with the settings that it has there on the map, or else on another one.

    Raises:
        UserError: The scale has no such arm.
    """
    content = {key: value for key, value in read_scale(scale).items() if key != "open_tranches"}
    runs = list(expand(content, str(scale)).runs.values())
    found = sorted((run for run in runs if run.arm == name), key=lambda run: run.map != canonical_map(map_name))
    if not found:
        raise unknown(f"arm of {scale}", name, {run.arm for run in runs})
    settings = found[0].config
    return arm_to_train(name, map_name, settings.algorithm, settings.protocol, {**settings.overrides, **overrides})


def arm_of_runs(name: str, map_name: str, folders: Sequence[Path]) -> Arm:
    """Return an arm that was trained already.

    Args:
        name: The name of the arm.
        map_name: Name of the map.
        folders: Its run directories.

    Raises:
        UserError: A run is not finished or of another map, or they differ in more than their seeds.
    """
    runs: dict[int, Path] = {}
    first: RunConfig | None = None
    for folder in folders:
        run = RunDirectory(folder)
        run.last_step()
        if run.config.map != canonical_map(map_name):
            raise UserError(f"{folder} is a run on {run.config.map}, not on {canonical_map(map_name)}")
        if run.config.seed in runs:
            raise UserError(f"{folder} has the seed {run.config.seed}, as {runs[run.config.seed]} has")
        first = first or run.config
        same_seed = {**run.config.to_json(), "seed": first.seed}
        if found := differences(same_seed, first.to_json()):
            raise UserError(f"{folder} is no run of the same arm as {folders[0]}: {', '.join(found)}")
        runs[run.config.seed] = folder
    assert first is not None
    return Arm(name, first, runs)


def compare(
    root: Path,
    arm: Arm,
    out: Path | None,
    seeds: int = SEEDS,
    steps: int | None = None,
    beside: Sequence[str] | None = None,
    cores: str = "all",
) -> str:
    """Train an arm unless it was trained, and draw it beside the runs that ship; return what to tell the user.

    Args:
        root: The clone, which is the working folder.
        arm: The reader's arm.
        out: The folder of what is drawn; by default below `figures`.
        seeds: Number of runs to train, of the seeds from 0.
        steps: Environment steps of each; by default those of the longest run that it is compared with.
        beside: The shipped arms that it is compared with; by default all of its map and protocol.
        cores: Runs side by side, as `snakemake --cores` takes it.

    Raises:
        UserError: Nothing ships that it can be compared with, versions of the engine differ, or a run failed.
    """
    shipped = baselines(root, arm, beside)
    check_versions(arm, {name: config(root, run) for name, run in shipped.items()})
    name = f"compare_{arm.name}_{arm.config.map}"
    longest = max(run.total_steps for run in shipped.values())
    scale = scale_of(name, arm, range(seeds), steps or longest)
    results = root / results_folder(scale)
    arms = list(dict.fromkeys(run.path.parts[-2] for run in shipped.values()))
    print(f"{arm.name} on {arm.config.map} beside {len(shipped)} shipped runs of {', '.join(arms)}", flush=True)
    folders = dict(arm.runs) or train(root, scale, arm, cores)

    # Imported late: matplotlib takes a second.
    from analysis.figures.aggregates import IQM
    from analysis.studies.comparison import SHOWN, ComparedRun, write, write_summary

    mine = [ComparedRun(folder, arm.name) for _, folder in sorted(folders.items())]
    with TemporaryDirectory() as copies:
        try:
            others = [RunDirectory(lay_out(root, run, Path(copies))) for run in shipped.values()]
        except ValueError as error:
            raise UserError(str(error)) from None
        write_summary([*mine, *others], results / "summary")
        spared, spent = (sum(map(_hours, runs)) for runs in (others, mine))
    target = out or root / "figures" / EMBEDDED / name
    table = write(results / "summary", arm.config.map, [arm.name, *arms], target)
    columns = {
        IQM: "IQM",
        f"{IQM}, 95 %": "95 %",
        "improvement": f"P({arm.name} wins more)",
        "improvement, 95 %": "95 %",
    }
    shown = table[SHOWN].fillna({name: "-" for name in SHOWN if name.endswith("95 %")}).rename(columns=columns)
    return "\n".join(
        [
            shown.to_string(index=False, float_format="{:.2f}".format, na_rep="-"),
            f"final win rates, at {table['steps compared'].iloc[0]:,} environment steps; IQM: interquartile mean",
            f"core-hours: {spent:.1f} for {arm.name}; the runs beside it took {spared:.1f}, which are saved",
            f"written to {target}",
        ]
    )


def baselines(root: Path, arm: Arm, beside: Sequence[str] | None) -> dict[str, ShippedRun]:
    """Return the shipped runs on the map and by the protocol of an arm, by name, sorted; of `beside` if it is given.

    Raises:
        UserError: There is none, `beside` names an arm that is not among them, or one has the reader's arm's name.
    """
    known = read_shipped(root, STUDY)
    configs = {name: config(root, run) for name, run in known.items()}
    same = ("map", "protocol", "engine")
    wanted = {key: getattr(arm.config, key) for key in same}
    found = {name: known[name] for name in sorted(known) if {key: configs[name][key] for key in same} == wanted}
    arms = {run.path.parts[-2] for run in found.values()}
    if not found:
        cells: dict[str, set[str]] = {}
        for run in known.values():
            cells.setdefault(run.path.parts[-3], set()).add(run.path.parts[-2])
        there = "; ".join(f"{map_name}: {', '.join(sorted(cells[map_name]))}" for map_name in sorted(cells))
        raise UserError(
            f"no run on {arm.config.map} ships under the protocol {arm.config.protocol}; shipped: {there or 'none'}"
        )
    if arm.name in arms:
        raise UserError(
            f"an arm {arm.name} ships for {arm.config.map}: give yours another name, as in "
            f"`roma compare my_{arm.name} --algorithm {arm.config.algorithm}`"
        )
    for each in beside or ():
        if each not in arms:
            raise unknown(f"arm that ships for {arm.config.map}", each, arms)
    return {name: run for name, run in found.items() if beside is None or run.path.parts[-2] in beside}


def check_versions(arm: Arm, shipped: Mapping[str, Mapping[str, Any]]) -> None:
    """Print a warning for each algorithm of which versions differ between the runs, or from those of this program.

    Args:
        arm: The reader's arm.
        shipped: The descriptions of the shipped runs, by name.

    Raises:
        UserError: The runs were played on different versions of the engine: win rates say nothing about each other.
    """
    engines = {described["engine_version"]: name for name, described in shipped.items()}
    if set(engines) != {arm.config.engine_version}:
        theirs = ", ".join(f"version {version} ({name})" for version, name in engines.items())
        raise UserError(
            f"{arm.name} is of version {arm.config.engine_version} of the engine {arm.config.engine} on "
            f"{arm.config.map}, the runs that ship are of {theirs}: they cannot be compared"
        )
    versions: dict[str, dict[int, list[str]]] = {}
    for name, described in ((arm.name, arm.config.to_json()), *shipped.items()):
        algorithm, version = described["algorithm"], described["algorithm_version"]
        versions.setdefault(algorithm, {}).setdefault(version, []).append(name)
    for algorithm, found in versions.items():
        found.setdefault(learners.algorithm(algorithm).version, []).append("this program")
        if len(found) > 1:
            words = "; ".join(f"version {version}: {', '.join(names)}" for version, names in sorted(found.items()))
            print(f"WARNING: versions of {algorithm} differ, and its results with them: {words}", file=sys.stderr)


def scale_of(name: str, arm: Arm, seeds: Sequence[int], total_steps: int) -> dict[str, Any]:
    """Return the scale that trains an arm on its map.

    Raises:
        UserError: The name of the arm is none that a scale may have.
    """
    content = {
        "scale": name,
        "engine": arm.config.engine,
        "protocol": arm.config.protocol,
        "seeds": list(seeds),
        "total_steps": total_steps,
        "evaluation_episodes": EVALUATION_EPISODES,
        "maps": [arm.config.map],
        "ablation_maps": [arm.config.map],
        "cells": [{"maps": "maps", "arms": [arm.name]}],
        "arms": {
            arm.name: {
                "algorithm": arm.config.algorithm,
                "overrides": {key: text(value) for key, value in arm.config.overrides.items()},
            }
        },
        "figures": ["settings", "cost"],
        "curves": ["test_battle_won_mean", "test_return_mean"],
    }
    return check(content, "roma compare")


def train(root: Path, scale: Mapping[str, Any], arm: Arm, cores: str) -> dict[int, Path]:
    """Train the runs of a scale as far as they are not finished, and return their directories, by seed.

    Raises:
        UserError: A run of other settings is in the way, or a run failed.
    """
    folder = results_folder(scale)
    file = folder / "scale.yaml"
    runs = {run.seed: run for run in expand(scale, str(file)).runs.values()}
    folders = {seed: folder / "runs" / run.directory for seed, run in runs.items()}
    for seed, run in runs.items():
        if found := RunDirectory(root / folders[seed]).mismatch(run.config.to_json()):
            raise UserError(
                f"{folders[seed]} holds a run with {found}: give the arm another name (--algorithm says what it is), "
                f"or remove {folder}"
            )
    (root / folder).mkdir(parents=True, exist_ok=True)
    write_bytes(root / file, yaml.safe_dump(dict(scale), sort_keys=False, width=120).encode())
    targets = [str(RunDirectory(place).metrics_file) for place in folders.values()]
    command = [sys.executable, "-m", "snakemake", "--keep-going", "--cores", cores, "--configfile", str(file)]
    done = subprocess.run([*command, "--", *targets], cwd=root, env={**os.environ, owner.VARIABLE: owner.mark()})
    if done.returncode:
        raise UserError(f"not all runs of {arm.name} are finished: the same command goes on; {file} is their scale")
    return {seed: root / place for seed, place in folders.items()}


def _hours(run: RunDirectory) -> float:
    return float(run.provenance["cpu_seconds"]) / 3600
