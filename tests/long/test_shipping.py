"""A study of 200 runs of realistic size, shipped and drawn in a fresh clone; prints time and size."""

import shutil
import time
from pathlib import Path

import pytest
import yaml

from analysis.measures import measurements
from roma.runs.config import MILESTONES
from roma.runs.directory import MEASUREMENTS, RunDirectory
from tests.synthetic import SEGMENT, invented_rollout, write_run
from tests.workflow.artifacts.test_shipping import SCALE, ship, snakemake
from tests.workflow.artifacts.test_tracking import call
from tests.workflow.conftest import copy_repository, planned
from workflow.grid import expand

RUNS = 200
POLICY_BYTES = 215_000


def write_study(folder: Path, root: Path) -> None:
    """Write the first runs of the study; runs of one map and arm share their measurements."""
    config = yaml.safe_load((root / SCALE).read_text())
    results = folder / "data" / config["engine"] / config["scale"]
    first: dict[tuple[str, str, int], RunDirectory] = {}
    for run in list(expand(config, SCALE).runs.values())[:RUNS]:
        directory = RunDirectory(results / "runs" / run.directory)
        tests = run.total_steps // run.config.protocol_settings.test_interval
        write_run(run, directory.path, tests, config["evaluation_episodes"], MILESTONES, POLICY_BYTES)
        if not run.config.has_roles:
            continue
        alike = first.setdefault((run.map, run.arm, run.total_steps), directory)
        if alike is directory:
            measurements.write(directory, invented_rollout(run, MILESTONES, 32, 8), SEGMENT["cpu_family"])
        else:
            places = (each.measurement_file(MEASUREMENTS[0]).parent for each in (alike, directory))
            shutil.copytree(*places)


@pytest.mark.usefixtures("without_time_limit")
def test_a_clone_draws_a_whole_study(root, tmp_path):
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    copy_repository(root, origin)
    call(origin, "git", "init", "--quiet")
    call(origin, "git", "add", "--all")
    call(origin, "git", "commit", "--quiet", "--message", "Code")
    write_study(origin, root)
    print(ship(origin))
    assert "up to date" in call(origin, "dvc", "status")
    call(origin, "git", "gc", "--quiet")
    print(call(origin, "git", "count-objects", "-vH"))
    call(tmp_path, "git", "clone", "--quiet", str(origin), str(clone))
    before = time.monotonic()
    jobs = planned(snakemake(clone, "--keep-going", "--", "figures"))
    print(f"first command: {time.monotonic() - before:.0f} s for {sum(jobs.values())} jobs")
    assert jobs["restore"] == RUNS
    assert not {"train", "evaluate", "measure"} & jobs.keys()
    assert "up to date" in call(clone, "dvc", "status")
    assert planned(snakemake(clone, "--dry-run", "--", "figures")) == {}
