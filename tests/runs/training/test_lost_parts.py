"""Lost parts of a finished run: they are made again from the remaining files, or the error names a remedy."""

import shlex
import shutil

import pytest

from roma.cli import main
from roma.runs.directory import RunDirectory
from tests.runs.training.short_runs import QMIX, run


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run with its evaluation."""
    directory = tmp_path_factory.mktemp("whole")
    assert run(directory, 200, QMIX) is None
    assert main(["evaluate", str(directory), "--episodes", "2"]) == 0
    return directory


@pytest.mark.parametrize("part", ["policies", "timing.parquet", "provenance.json", "evaluations"])
def test_the_same_commands_make_a_lost_part_again(whole, tmp_path, part):
    directory = shutil.copytree(whole, tmp_path / "run")
    lost = directory / part
    shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
    assert run(directory, 200, QMIX) is None
    assert main(["evaluate", str(directory), "--episodes", "2"]) == 0
    kept = ("metrics.parquet", "config.json", "policies/t200.safetensors", "evaluations/t200.json")
    for file in kept:
        assert (directory / file).read_bytes() == (whole / file).read_bytes(), file
    assert RunDirectory(directory).completed_steps(QMIX) == 200


@pytest.mark.parametrize(
    ("lost", "how"),
    [
        (["policies"], "from the run's checkpoint"),
        (["policies", "checkpoints"], "--replace` makes it again, by training the run from the start"),
    ],
)
def test_a_missing_policy_is_named_with_the_commands_that_restore_it(whole, tmp_path, capsys, lost, how):
    directory = shutil.copytree(whole, tmp_path / "a run")
    for folder in lost:
        shutil.rmtree(directory / folder)
    assert main(["evaluate", str(directory)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    file = directory / "policies" / "t200.safetensors"
    assert line.startswith(f"error: {file} is missing, although the run is finished")
    assert f"`dvc pull '{file}'` restores it" in line
    assert line.endswith(how)
    command = line.split("`roma ")[1].split("`")[0]
    assert main(shlex.split(command)) == 0
    assert file.read_bytes() == (whole / "policies" / "t200.safetensors").read_bytes()
