"""Finished results of a scale into DVC, and figures out of what DVC holds.

    python -m workflow.tracking track workflow/config/lab.yaml
    python -m workflow.tracking redraw workflow/config/lab.yaml

`track` describes the results in the scale's dvc.yaml, one stage per kind, so that each kind can be pulled by itself:
dvc pull data/embedded/lab/dvc.yaml:metrics. Summaries are small: they go to the remote `bundle`, a folder of the
repository. The other kinds go to the default remote, which each user chooses; without one they stay in the cache.
"""

import argparse
import hashlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from roma.errors import UserError
from roma.files import write_bytes, write_json
from roma.runs.directory import RunDirectory
from workflow.grid import figure_specifications, read_scale, results_folder
from workflow.merging import RECORD as MERGES

UNTRACKED = ("smoke", "demo", "manual")
BUNDLE = "data/bundle"
METRICS = "metrics.json"  # final win rates, in git itself

RUN = RunDirectory(Path("runs/*/*/seed*"))  # a pattern
KINDS = {
    "summary": ("summary/*.parquet",),
    "metrics": tuple(map(str, (RUN.metrics_file, RUN.timing_file, RUN.evaluation_file("*")))),
    "configs": tuple(map(str, (RUN.config_file, RUN.provenance_file))),
    "policies": (str(RUN.policy_folder),),
    "checkpoints": (str(RUN.checkpoint_folder),),
    "measurements": ("measurements/*/*/*/*.parquet",),
}


def track(scale: Path) -> None:
    """Commit the finished results of a scale to DVC and to git, and push them as far as remotes are known."""
    config = read_scale(scale)
    folder = results_folder(config)
    if config["scale"] in UNTRACKED:
        raise UserError(f"scale {config['scale']!r} is never tracked: it is made from scratch in minutes")
    if not list(folder.glob(KINDS["summary"][0])):
        raise UserError(f"there is no summary in {folder}: run snakemake --configfile {scale} first")
    _track(scale, config, folder, list(KINDS))


def track_runs(scale: Path) -> None:
    """Commit the finished runs of a scale to DVC and to git, without a summary of them."""
    config = read_scale(scale)
    if config["scale"] in UNTRACKED:
        raise UserError(f"scale {config['scale']!r} is never tracked: it is made from scratch in minutes")
    _track(scale, config, results_folder(config), [kind for kind in KINDS if kind != "summary"])


def _track(scale: Path, config: Mapping[str, Any], folder: Path, kinds: Sequence[str]) -> None:
    stages = _read_stages(folder)
    complete = []
    for kind in kinds:
        tracked, found = _outputs_of(stages.get(kind, {})), _found(folder, kind)
        absent = [name for name in tracked if not Path(name).exists() and not _is_outgrown(Path(name))]
        if not set(found) - set(tracked) and absent:
            print(f"{kind}: not all here, left as tracked before")
        elif absent:
            raise UserError(f"{kind}: {absent[0]} is tracked but not here; dvc pull {folder}/dvc.yaml:{kind} first")
        elif found:
            stages[kind] = _stage(kind, found, scale)
            complete.append(kind)
    file = folder / "dvc.yaml"
    if "summary" in complete:
        write_json(folder / METRICS, win_rates(folder / "summary" / "finals.parquet"))
        stages["summary"]["metrics"] = [{(folder / METRICS).as_posix(): {"cache": False, "persist": True}}]
    file.write_text(yaml.safe_dump({"stages": stages}, sort_keys=False, width=120))

    targets = [f"{file}:{kind}" for kind in complete]
    _dvc("commit", "--force", "--quiet", *targets)
    if "summary" in complete:
        _dvc("push", "--quiet", "--remote", "bundle", f"{file}:summary")
    large = [target for target in targets if not target.endswith(":summary")]
    if _has_default_remote():
        _dvc("push", "--quiet", *large)
    elif large:
        print("No default remote: all but the summary is in this machine's DVC cache only. To share it:")
        print("  dvc remote add --default --local store URL && dvc push")
    written = (file, folder / "dvc.lock", folder / METRICS, folder / MERGES, Path(BUNDLE))
    paths = [str(path) for path in written if path.exists()]
    _run("git", "add", "--", *paths)
    if subprocess.run(["git", "diff", "--cached", "--quiet", "--", *paths]).returncode:
        _run("git", "commit", "--quiet", "-m", f"Track results of scale {config['scale']}", "--", *paths)


def redraw(scale: Path) -> None:
    """Restore the summary of a scale, if it is tracked; draw its figures and write its report. No other rule can run.

    Neither DVC nor git is asked, so that an archive of the repository serves as well as a clone.
    """
    config = read_scale(scale)
    folder = results_folder(config)
    if (folder / "dvc.yaml").exists():
        _restore_summary(folder)
    elif not list(folder.glob(KINDS["summary"][0])):
        raise UserError(f"there are no results of scale {config['scale']!r} here, neither tracked nor made")
    rules = [*figure_specifications(config["figures"]), "report"]
    _run(
        *(sys.executable, "-m", "snakemake", "--cores", "all", "--configfile", str(scale)),
        *("--allowed-rules", "figures", *rules, "--forcerun", *rules, "--", "figures"),
    )


def _restore_summary(folder: Path) -> None:
    """Copy the tracked summary of a scale from the bundle.

    Raises:
        UserError: an object in the bundle is missing or damaged, or a file here is another one than the tracked.
    """
    outs = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]["summary"]["outs"]
    wanted = [out for out in outs if _md5(Path(out["path"])) != out["md5"]]
    for out in wanted:
        if Path(out["path"]).exists():
            raise UserError(
                f"{out['path']} is not the file that is tracked: `make track` keeps it, without it the tracked one is "
                "drawn"
            )
    objects = {out["path"]: Path(BUNDLE, "files", "md5", out["md5"][:2], out["md5"][2:]) for out in wanted}
    broken = [f"{out['path']} (md5 {out['md5']})" for out in wanted if _md5(objects[out["path"]]) != out["md5"]]
    if broken:
        raise UserError(f"missing or damaged in {BUNDLE}: {', '.join(broken)}")
    for name, stored in objects.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(Path(name), stored.read_bytes())


def _md5(path: Path) -> str | None:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() if path.exists() else None


def win_rates(finals: Path) -> dict[str, dict[str, float]]:
    """Map, arm: the final win rate, the mean over seeds; small enough for git, and for `dvc metrics diff`."""
    rates: dict[str, dict[str, float]] = {}
    for (map_name, arm), cell in pd.read_parquet(finals).groupby(["map", "arm"]):
        rates.setdefault(str(map_name), {})[str(arm)] = round(float(cell["battle_won_mean"].mean()), 6)
    return rates


def _read_stages(folder: Path) -> dict[str, Any]:
    file = folder / "dvc.yaml"
    return dict(yaml.safe_load(file.read_text())["stages"]) if file.exists() else {}


def _outputs_of(stage: dict[str, Any]) -> list[str]:
    return [name for output in stage.get("outs", []) for name in output]


def _found(folder: Path, kind: str) -> list[str]:
    """Results of a kind that are here, of runs only those that are finished."""
    found = sorted(path for pattern in KINDS[kind] for path in folder.glob(pattern))
    if KINDS[kind][0].startswith(str(RUN.path)):
        depth = len(folder.parts) + len(RUN.path.parts)
        found = [path for path in found if RunDirectory(Path(*path.parts[:depth])).metrics_file.exists()]
    return [path.as_posix() for path in found]


def _is_outgrown(evaluation: Path) -> bool:
    """Whether a file is the evaluation of a policy that the run here has not kept, as a longer one took its place."""
    run = RunDirectory(evaluation.parents[1])
    if evaluation.parent != run.evaluation_folder or not run.held_steps():
        return False
    kept = {*run.provenance["milestones"], run.held_steps()}
    return evaluation not in map(run.evaluation_file, kept)


def _stage(kind: str, outputs: Sequence[str], scale: Path) -> dict[str, Any]:
    """A stage of dvc.yaml. `persist` keeps DVC from deleting what is there before it would run the command."""
    settings = {"persist": True} | ({"remote": "bundle"} if kind == "summary" else {})
    return {
        "cmd": f"snakemake --cores all --configfile {scale.as_posix()} -- summary",
        "wdir": "../../..",
        "outs": [{name: dict(settings)} for name in outputs],
    }


def _has_default_remote() -> bool:
    return subprocess.run([*DVC, "remote", "default"], capture_output=True).returncode == 0


DVC = (sys.executable, "-m", "dvc")


def _dvc(*arguments: str) -> None:
    _run(*DVC, *arguments)


def _run(*command: str) -> None:
    if subprocess.run(command).returncode:
        raise UserError(f"failed: {' '.join(command[:6])}{' ...' if len(command) > 6 else ''}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m workflow.tracking", description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["track", "redraw"])
    parser.add_argument("scale", type=Path, help="scale file, such as workflow/config/lab.yaml")
    options = parser.parse_args(arguments)
    try:
        {"track": track, "redraw": redraw}[options.action](options.scale)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
