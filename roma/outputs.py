"""The files of a run directory: their names, when they are complete, how policies are written and found."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from roma.envs import recorded_engine_version
from roma.errors import UserError
from roma.files import file_digest

METRICS = "metrics.parquet"
TIMING = "timing.parquet"
CONFIG = "config.json"
PROVENANCE = "provenance.json"
EVALUATION = "evaluation.json"
LOG = "train.log"
PROGRESS = "progress.json"
CHECKPOINTS = "checkpoints"
POLICIES = "policies"


def completed_horizon(directory: Path, config_hash: str, engine_version: str) -> int | None:
    """The horizon at which this run is complete here, all outputs belonging together; None if it is not."""
    try:
        provenance = json.loads((directory / PROVENANCE).read_text())
        files = (CONFIG, TIMING, *(f"{POLICIES}/{name}" for name in provenance["policies"]))
        complete = (
            provenance["config_hash"] == config_hash
            and recorded_engine_version(provenance) == engine_version
            and provenance["metrics_sha256"] == file_digest(directory / METRICS)
            and all((directory / name).exists() for name in files)
        )
        return int(provenance["steps"]) if complete else None
    except (OSError, ValueError, KeyError):
        return None


def other_run(directory: Path, settings: Mapping[str, Any], engine_version: str) -> str | None:
    """What run of other settings or another engine has left work here, in words; None where there is no work."""
    if not (directory / METRICS).exists() and not any((directory / CHECKPOINTS).glob("t*.safetensors")):
        return None
    try:
        held = json.loads((directory / CONFIG).read_text())
    except (OSError, ValueError):
        return "a run whose settings cannot be read"
    wanted = json.loads(json.dumps(settings))
    differences = [f"{name} = {held[name]}" for name in wanted if name in held and held[name] != wanted[name]]
    if (recorded := _engine_version(directory)) not in (None, engine_version):
        differences.append(f"engine version {recorded} (now {engine_version})")
    if not differences:
        return "a run that is damaged or was made by another version of the engine or of this program"
    return f"a run with {', '.join(differences)}"


def _engine_version(directory: Path) -> str | None:
    """The engine version of a finished run; None of one that is not finished or whose provenance cannot be read."""
    try:
        return recorded_engine_version(json.loads((directory / PROVENANCE).read_text()))
    except (OSError, ValueError, KeyError):
        return None


def clear(directory: Path) -> None:
    """Removes what an earlier, different run left in the directory; its log stays."""
    for name in (METRICS, TIMING, CONFIG, PROVENANCE, EVALUATION, PROGRESS):
        (directory / name).unlink(missing_ok=True)
    for pattern in (f"{POLICIES}/t*", f"{CHECKPOINTS}/t*", f"{CHECKPOINTS}/episodes/e*"):
        for path in directory.glob(f"{pattern}.safetensors"):
            path.unlink()


def policy_name(step: int) -> str:
    """File name of the weights kept when the run reached `step` environment steps."""
    return f"t{step}.safetensors"


def policies(last: Path) -> list[Path]:
    """The policy files of a finished run up to its last, in the order of their steps."""
    steps = {int(path.stem.removeprefix("t")): path for path in last.parent.glob("t*.safetensors")}
    end = int(last.stem.removeprefix("t"))
    return [steps[step] for step in sorted(steps) if step <= end]


def rollout_path(directory: Path) -> Path:
    """Where the rollout of a run belongs: beside the folder `runs` that it lies in, or else in its own folder."""
    folders = Path(os.path.abspath(directory)).parts  # a link below data/ keeps its name
    if folders[-4:-3] == ("runs",):
        return Path(*folders[:-4], "rollouts", *folders[-3:-1], f"{folders[-1]}.safetensors")
    return directory / "rollout.safetensors"


def last_policy(directory: Path) -> Path:
    """The policy file of a finished run's end. UserError if the run is not finished."""
    try:
        provenance: dict[str, Any] = json.loads((directory / PROVENANCE).read_text())
    except (OSError, ValueError):
        raise UserError(f"{directory} is no run directory: it has no readable {PROVENANCE}") from None
    path = directory / POLICIES / policy_name(provenance["steps"])
    if not (directory / METRICS).exists() or not path.exists():
        raise UserError(f"the run in {directory} is not finished: it lacks {METRICS} or {POLICIES}/{path.name}")
    return path
