"""Run directory: the names of its files, the completeness of its run, and access to its content.

    config.json  metrics.parquet  timing.parquet  provenance.json  progress.json  train.log
    policies/t<step>.safetensors  evaluations/t<step>.json  checkpoints/  viewers/

Training, workflow and analysis take the file names from here. Importing this module imports neither torch nor pandas.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from roma.runs.config import RunConfig, canonical_options, differences, from_json, identity_of
from roma.support.errors import UserError
from roma.support.files import file_digest

if TYPE_CHECKING:
    import pandas as pd

MEASUREMENTS = ("roles", "dissimilarity", "episodes")  # tables of a run with roles, see analysis.measures.measurements
FORMAT = 1  # format of the JSON files of a run; raise it when their keys change


@dataclass(frozen=True)
class RunDirectory:
    """Directory of one run; in the results of a scale, `.../runs/<map>/<arm>/seed<k>`."""

    path: Path

    @property
    def config_file(self) -> Path:
        """Identity and settings; written at the start."""
        return self.path / "config.json"

    @property
    def metrics_file(self) -> Path:
        """Metrics, one row per test; determined by the identity and the total steps."""
        return self.path / "metrics.parquet"

    @property
    def timing_file(self) -> Path:
        """Clock readings, one row per test."""
        return self.path / "timing.parquet"

    @property
    def provenance_file(self) -> Path:
        """Provenance: code and machine, total steps, milestones, and digests of the outputs."""
        return self.path / "provenance.json"

    @property
    def progress_file(self) -> Path:
        """Progress of the run, updated while it is running."""
        return self.path / "progress.json"

    @property
    def log_file(self) -> Path:
        """Log of the run; lines are only appended."""
        return self.path / "train.log"

    @property
    def checkpoint_folder(self) -> Path:
        """Checkpoints to resume from."""
        return self.path / "checkpoints"

    @property
    def policy_folder(self) -> Path:
        """Policies at milestones."""
        return self.path / "policies"

    @property
    def evaluation_folder(self) -> Path:
        """Evaluations of policies."""
        return self.path / "evaluations"

    @property
    def viewer_folder(self) -> Path:
        """Logs for other people's viewers, if any were asked for (`roma.runs.loggers`)."""
        return self.path / "viewers"

    def policy_file(self, step: int | str) -> Path:
        """Return the file of the policy kept when the run reached `step` environment steps."""
        return self.policy_folder / f"t{step}.safetensors"

    def evaluation_file(self, step: int | str) -> Path:
        """Return the file of the evaluation of the policy kept at `step` environment steps."""
        return self.evaluation_folder / f"t{step}.json"

    @property
    def rollout_file(self) -> Path:
        """Recorded episodes, in `rollouts` beside the folder `runs` or in the run's folder."""
        beside = self._beside("rollouts")
        return beside.with_name(f"{beside.name}.safetensors") if beside else self.path / "rollout.safetensors"

    def measurement_file(self, name: str) -> Path:
        """Return the file of one of MEASUREMENTS, in `measurements` beside the folder `runs` or in the run's folder."""
        return (self._beside("measurements") or self.path / "measurements") / f"{name}.parquet"

    def _beside(self, folder: str) -> Path | None:
        """Return the place of this run in a folder beside `runs`; None if the run does not lie in a folder `runs`."""
        for path in (self.path, Path(os.path.abspath(self.path))):  # not resolved: links below data/ keep their names
            if path.parts[-4:-3] == ("runs",):
                return Path(*path.parts[:-4], folder, *path.parts[-3:])
        return None

    @property
    def map(self) -> str:
        """The map, from the path."""
        return self.path.parts[-3]

    @property
    def arm(self) -> str:
        """The arm, from the path."""
        return self.path.parts[-2]

    @property
    def seed(self) -> int:
        """The seed, from the path."""
        return int(self.path.name.removeprefix("seed"))

    @property
    def cell(self) -> dict[str, str | int]:
        """Map, arm and seed, from the path."""
        return {"map": self.map, "arm": self.arm, "seed": self.seed}

    def read_json(self, file: Path) -> dict[str, Any]:
        """Return the content of a JSON file of this run.

        Raises:
            UserError: The file is missing, damaged or of another format.
        """
        try:
            content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            found = content["format"]
        except FileNotFoundError:
            raise UserError(f"{file} is missing: is the run finished?") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{file} cannot be read: {error!r}") from None
        if found != FORMAT:
            raise UserError(f"{file} has format {found}, this version of roma reads {FORMAT}")
        return content

    @cached_property
    def config(self) -> RunConfig:
        """The configuration in config.json; raises UserError like `read_json`."""
        try:
            return from_json(self.read_json(self.config_file))
        except KeyError as error:
            raise UserError(f"{self.config_file} cannot be read: it lacks {error}") from None

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """The content of provenance.json; raises UserError like `read_json`."""
        return self.read_json(self.provenance_file)

    def read_evaluation(self, step: int) -> dict[str, Any]:
        """Return the evaluation of the policy kept at `step` environment steps; raises UserError like `read_json`."""
        return self.read_json(self.evaluation_file(step))

    def read_metrics(self) -> pd.DataFrame:
        """Return the table of metrics.

        Raises:
            UserError: The table is missing.
        """
        import pandas as pd  # imported here, so that the command line does not wait for it

        if not self.metrics_file.exists():
            raise UserError(f"{self.metrics_file} is missing: is the run finished?")
        return pd.read_parquet(self.metrics_file)

    def read_timing(self) -> pd.DataFrame:
        """Return the table of clocks."""
        import pandas as pd

        return pd.read_parquet(self.timing_file)

    def held_steps(self) -> int:
        """Return the total steps of the complete run in this directory, from its provenance; 0 if there is none.

        Only one small file is read, so that thousands of runs can be queried.
        """
        try:
            provenance = json.loads(self.provenance_file.read_text(encoding="utf-8"))
            return int(provenance["total_steps"]) if self.metrics_file.exists() else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def completed_steps(self, config: RunConfig) -> int | None:
        """Return the total steps of the complete run of this configuration; None if there is none.

        A run is complete if all its outputs exist and the provenance has the digest of its metrics.
        """
        try:
            provenance = json.loads(self.provenance_file.read_text(encoding="utf-8"))
            files = (self.config_file, self.timing_file, *map(self.policy_file, provenance["milestones"]))
            complete = (
                identity_of(provenance["config"]) == config.identity
                and provenance["metrics_sha256"] == file_digest(self.metrics_file)
                and all(file.exists() for file in files)
            )
            return int(provenance["total_steps"]) if complete else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def mismatch(self, wanted: Mapping[str, Any]) -> str:
        """Return the differences between config.json and the described configuration `wanted`, in words.

        Empty if they describe the same run, or if there is no config.json.
        """
        try:
            held = json.loads(self.config_file.read_text(encoding="utf-8"))
            return ", ".join(differences(held, wanted))
        except FileNotFoundError:
            return ""
        except (OSError, ValueError, KeyError, TypeError):
            return "settings that cannot be read"

    def other_run(self, config: RunConfig) -> str | None:
        """Return a description of another run whose results or checkpoints lie here; None if there are none."""
        if not self.metrics_file.exists() and not self.has_checkpoint():
            return None
        if not self.config_file.exists():
            return "a run without config.json"
        found = self.mismatch(config.to_json())
        return f"a run with {found}" if found else "a run that is damaged"

    def clear(self) -> None:
        """Remove all files of an earlier, different run, except its log."""
        for file in (self.metrics_file, self.timing_file, self.config_file, self.provenance_file, self.progress_file):
            file.unlink(missing_ok=True)
        checkpoints = ("t*.safetensors", "episodes/e*.safetensors")
        for folder, patterns in (
            (self.policy_folder, ("t*.safetensors",)),
            (self.evaluation_folder, ("t*.json",)),
            (self.checkpoint_folder, checkpoints),
        ):
            for pattern in patterns:
                for file in folder.glob(pattern):
                    file.unlink()
        shutil.rmtree(self.viewer_folder, ignore_errors=True)

    def last_step(self) -> int:
        """Return the total steps of the finished run; its last policy was kept at this step (see `kept_policy`).

        Raises:
            UserError: The run is not finished.
        """
        if not self.provenance_file.exists():
            raise UserError(f"{self.path} is no run directory: it has no {self.provenance_file.name}")
        try:
            step = int(self.provenance["total_steps"])
        except (KeyError, ValueError, TypeError):
            raise UserError(f"{self.provenance_file} cannot be read: it has no total_steps") from None
        if not self.metrics_file.exists():
            raise UserError(f"the run in {self.path} is not finished: it lacks {self.metrics_file.name}")
        return step

    def milestones(self) -> list[int]:
        """Return the steps of the policies that the finished run kept, ascending; raises UserError like `last_step`."""
        last = self.last_step()
        return sorted({*self.provenance["milestones"], last})

    def has_checkpoint(self) -> bool:
        """Return whether there is a checkpoint to resume from."""
        return any(self.checkpoint_folder.glob("t*.safetensors"))

    def kept_policy(self, step: int) -> Path:
        """Return the file of a policy that the finished run kept.

        Raises:
            UserError: The file was deleted or never pulled; the message has the commands that restore it.
        """
        file = self.policy_file(step)
        if file.exists():
            return file
        options = [*canonical_options(self.config), "--steps", str(self.last_step())]
        options += ["--milestones", ",".join(map(str, self.milestones())), "--out", str(self.path)]
        how = "from the run's checkpoint" if self.has_checkpoint() else "by training the run from the start"
        options += [] if self.has_checkpoint() else ["--replace"]
        raise UserError(
            f"{file} is missing, although the run is finished: if it is tracked, `dvc pull {quote(str(file))}` "
            f"restores it; `roma train {' '.join(map(quote, options))}` makes it again, {how}"
        )
