"""Tracking of the finished results of a scale with DVC, and figures from tracked summaries.

    roma track lab
    roma redraw lab

`track` describes the results in the scale's dvc.yaml, with one stage per kind, so that each kind can be pulled by
itself: dvc pull data/embedded/lab/dvc.yaml:metrics. Summaries are small and go to the remote `bundle`, a folder of the
repository. The other kinds go to the default remote, which each user chooses; without one they stay in the cache.
`ship`, for `roma campaign collect`, stores everything in the bundle, except for checkpoints.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from analysis import figure_list
from roma.runs.directory import RunDirectory
from roma.support.errors import UserError
from roma.support.files import write_bytes, write_json
from roma.support.schemas.reading import read_yaml
from roma.support.system.tools import ToolError, ask
from workflow.artifacts.budget import choose
from workflow.artifacts.shipping import BUNDLE, md5_of, read_shipped
from workflow.campaign.merging import RECORD as MERGES
from workflow.campaign.merging import finished_runs
from workflow.grid import expand, results_folder
from workflow.pages import cards
from workflow.scale import read_scale

UNTRACKED = ("smoke", "demo", "manual")
METRICS = "metrics.json"  # final win rates, stored in git instead of DVC

RUN = RunDirectory(Path("runs/*/*/seed*"))  # a glob pattern
KINDS = {
    "summary": ("summary/*.parquet",),
    "metrics": tuple(map(str, (RUN.metrics_file, RUN.timing_file, RUN.evaluation_file("*")))),
    "configs": tuple(map(str, (RUN.config_file, RUN.provenance_file))),
    "policies": (str(RUN.policy_file("*")),),
    "measurements": ("measurements/*/*/*/*.parquet",),
    "checkpoints": (str(RUN.checkpoint_folder),),
}


def track(scale: Path) -> None:
    """Commit the finished results of a scale to DVC and git, and push them to the remotes that are configured.

    Args:
        scale: File of the scale.

    Raises:
        UserError: The scale is never tracked, its runs ship, it has no summary, or a tracked file is missing.
    """
    config, folder = _trackable(scale)
    if not list(folder.glob(KINDS["summary"][0])):
        raise UserError(f"there is no summary in {folder}: run snakemake --configfile {scale} first")
    if read_shipped(Path(), config["scale"]):
        raise UserError(
            f"runs of scale {config['scale']!r} ship with the repository: roma campaign collect tracks them"
        )
    stages = _read_stages(folder)
    complete = []
    for kind in KINDS:
        tracked, found = _outputs_of(stages.get(kind, {})), _found(folder, kind)
        absent = [name for name in tracked if not Path(name).exists() and not _is_outgrown(Path(name))]
        if not set(found) - set(tracked) and absent:
            print(f"{kind}: some files are missing here, so their tracking does not change")
        elif absent:
            raise UserError(f"{kind}: {absent[0]} is tracked but not here; dvc pull {folder}/dvc.yaml:{kind} first")
        elif found:
            stages[kind] = _stage(found, scale, ships=kind == "summary")
            complete.append(kind)
    if "summary" in complete:
        write_json(folder / METRICS, win_rates(folder / "summary" / "finals.parquet"))
        stages["summary"]["metrics"] = [{(folder / METRICS).as_posix(): {"cache": False, "persist": True}}]
    if complete != ["summary"] and not _has_default_remote():
        print("No default remote: all but the summary is in this machine's DVC cache only. To share it:")
        print("  dvc remote add --default --local store URL && dvc push")
    _store(folder, stages, complete, [kind for kind in complete if kind == "summary"])
    _commit(config["scale"], folder)


def ship(scale: Path, opened: Mapping[str, Any] | None = None) -> str:
    """Commit the finished runs of a scale to DVC and git, with their files in the bundle; return a message.

    The shipped runs must be in place. If there is a default remote, it gets the newest checkpoint of each run that the
    plan may extend.

    Args:
        scale: File of the scale.
        opened: Its setting that leaves the tranches for which room is reserved; None: room for the whole scale.

    Raises:
        UserError: There is no room for the runs (see `workflow.artifacts.budget.choose`).
    """
    config, folder = _trackable(scale)
    runs = [RunDirectory(folder / "runs" / name) for name in finished_runs(folder)]
    grid = expand(config, str(scale))
    shipped = read_shipped(Path(), config["scale"])
    held = {file.path: file.md5 for run in shipped.values() for file in run.files}
    choice = choose(folder, runs, expand({**config, **(opened or {})}, str(scale)), held)
    found: dict[str, list[str]] = {}
    for file in choice.files:
        kind = next(kind for kind, patterns in KINDS.items() if any(map(file.match, patterns)))
        found.setdefault(kind, []).append(file.as_posix())
    ships = list(found)
    if _has_default_remote():
        planned = {run.directory: run.total_steps for run in grid.runs.values()}
        extended = [run for run in runs if run.last_step() < planned.get("/".join(run.path.parts[-3:]), 0)]
        newest = [max(run.checkpoint_folder.glob("t*.safetensors"), default=None) for run in extended]
        kept = [file.as_posix() for file in newest if file]
        found |= {"checkpoints": kept} if kept else {}
    here = {path: md5_of(Path(path)) for kind in ships for path in found[kind]}
    if here != held or found.keys() != _read_stages(folder).keys():
        stages = {kind: _stage(sorted(paths), scale, ships=kind in ships) for kind, paths in found.items()}
        _store(folder, stages, list(found), ships)
    cards.write(Path(), config["scale"])
    _commit(config["scale"], folder)
    return choice.said


def _trackable(scale: Path) -> tuple[dict[str, Any], Path]:
    """Return a scale and the folder of its results; raise UserError if the scale is never tracked."""
    config = read_scale(scale)
    if config["scale"] in UNTRACKED:
        raise UserError(f"scale {config['scale']!r} is never tracked: it is made from scratch in minutes")
    return config, results_folder(config)


def _store(folder: Path, stages: Mapping[str, Any], complete: Sequence[str], ships: Sequence[str]) -> None:
    """Write dvc.yaml and commit its complete stages to DVC; those that ship go to the bundle."""
    file = folder / "dvc.yaml"
    file.write_text(yaml.safe_dump({"stages": dict(stages)}, sort_keys=False, width=120), encoding="utf-8")
    _dvc("commit", "--force", "--quiet", *(f"{file}:{kind}" for kind in complete))
    if ships:
        _dvc("push", "--quiet", "--remote", "bundle", *(f"{file}:{kind}" for kind in ships))
    large = [f"{file}:{kind}" for kind in complete if kind not in ships]
    if large and _has_default_remote():
        _dvc("push", "--quiet", *large)


def _commit(scale: str, folder: Path) -> None:
    """Commit to git what is tracked of a scale."""
    file = folder / "dvc.yaml"
    written = (file, folder / "dvc.lock", folder / METRICS, folder / MERGES, folder / cards.FOLDER, BUNDLE)
    paths = [str(path) for path in written if path.exists()]
    run_command("git", "add", "--", *paths)
    if subprocess.run(["git", "diff", "--cached", "--quiet", "--", *paths]).returncode:
        run_command("git", "commit", "--quiet", "-m", f"Track results of scale {scale}", "--", *paths)


def redraw(scale: Path) -> None:
    """Restore the tracked summary of a scale, draw its figures and write its report. No other rule can run.

    DVC and git are not needed, so that this also works in an archive of the repository.

    Args:
        scale: File of the scale.

    Raises:
        UserError: The runs of the scale ship, it has no summary, or the summary cannot be restored.
    """
    config = read_scale(scale)
    folder = results_folder(config)
    if read_shipped(Path(), config["scale"]):
        raise UserError(f"runs of scale {config['scale']!r} ship with the repository: `make figures` draws them")
    if (folder / "dvc.yaml").exists():
        _restore_summary(folder)
    elif not list(folder.glob(KINDS["summary"][0])):
        raise UserError(f"there are no results of scale {config['scale']!r} here, neither tracked nor made")
    rules = [*figure_list.chosen(config["figures"], expand(config, str(scale)).planned), "report", "export"]
    run_command(
        *(sys.executable, "-m", "snakemake", "--cores", "all", "--configfile", str(scale)),
        *("--allowed-rules", "figures", *rules, "--forcerun", *rules, "--", "figures"),
    )


def _restore_summary(folder: Path) -> None:
    """Copy the tracked summary of a scale from the bundle.

    Raises:
        UserError: An object in the bundle is missing or damaged, or a file in place differs from the tracked one.
    """
    outs = read_yaml(folder / "dvc.lock")["stages"]["summary"]["outs"]
    wanted = [out for out in outs if md5_of(Path(out["path"])) != out["md5"]]
    for out in wanted:
        if Path(out["path"]).exists():
            raise UserError(
                f"{out['path']} differs from the tracked file: `make track` tracks it; remove it to draw the tracked "
                "one"
            )
    objects = {out["path"]: Path(BUNDLE, "files", "md5", out["md5"][:2], out["md5"][2:]) for out in wanted}
    broken = [f"{out['path']} (md5 {out['md5']})" for out in wanted if md5_of(objects[out["path"]]) != out["md5"]]
    if broken:
        raise UserError(f"missing or damaged in {BUNDLE}: {', '.join(broken)}")
    for name, stored in objects.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(Path(name), stored.read_bytes())


def win_rates(finals: Path) -> dict[str, dict[str, float]]:
    """Return the final win rates, means over seeds, by map and arm: a small file for git and `dvc metrics diff`."""
    rates: dict[str, dict[str, float]] = {}
    for (map_name, arm), cell in pd.read_parquet(finals).groupby(["map", "arm"]):
        rates.setdefault(str(map_name), {})[str(arm)] = round(float(cell["battle_won_mean"].mean()), 6)
    return rates


def _read_stages(folder: Path) -> dict[str, Any]:
    file = folder / "dvc.yaml"
    return dict(read_yaml(file)["stages"]) if file.exists() else {}


def _outputs_of(stage: dict[str, Any]) -> list[str]:
    return [name for output in stage.get("outs", []) for name in output]


def _found(folder: Path, kind: str) -> list[str]:
    """Return the existing files of a kind; only finished runs count."""
    found = sorted(path for pattern in KINDS[kind] for path in folder.glob(pattern))
    if KINDS[kind][0].startswith(str(RUN.path)):
        depth = len(folder.parts) + len(RUN.path.parts)
        found = [path for path in found if RunDirectory(Path(*path.parts[:depth])).metrics_file.exists()]
    return [path.as_posix() for path in found]


def _is_outgrown(evaluation: Path) -> bool:
    """Return whether a file is the evaluation of a policy that was lost when a longer run replaced a shorter one."""
    run = RunDirectory(evaluation.parents[1])
    if evaluation.parent != run.evaluation_folder or not run.held_steps():
        return False
    kept = {*run.provenance["milestones"], run.held_steps()}
    return evaluation not in map(run.evaluation_file, kept)


def _stage(outputs: Sequence[str], scale: Path, ships: bool) -> dict[str, Any]:
    """Return a stage of dvc.yaml. `persist` keeps DVC from deleting existing outputs before it runs the command."""
    settings = {"persist": True} | ({"remote": "bundle"} if ships else {})
    return {
        "cmd": f"snakemake --cores all --configfile {scale.as_posix()} -- summary",
        "wdir": "../../..",
        "outs": [{name: dict(settings)} for name in outputs],
    }


def _has_default_remote() -> bool:
    try:
        return bool(ask([*DVC, "remote", "default"]))
    except ToolError as error:
        if "No default remote" not in str(error):
            raise
        return False


DVC = (sys.executable, "-m", "dvc")


def _dvc(*arguments: str) -> None:
    run_command(*DVC, *arguments)


def run_command(*command: str) -> None:
    """Run a command in the working folder.

    Raises:
        UserError: The command fails.
    """
    if subprocess.run(command).returncode:
        raise UserError(f"failed: {' '.join(command[:6])}{' ...' if len(command) > 6 else ''}")
