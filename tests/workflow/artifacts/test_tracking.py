"""Tracking of results with DVC, and figures from tracked results, in a clone without a network."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from roma.cli import main as roma
from tests.synthetic import write_run, write_runs
from tests.workflow import forked
from tests.workflow.conftest import TINY, copy_repository, write_scale
from workflow.grid import expand

SCALE = "workflow/config/tiny.yaml"
FOUR = TINY | {"seeds": [0]}  # runs: two arms on two maps
FOLDER = Path("data/embedded/tiny")
IDENTITY = {f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def environment_of(folder):
    """Commands of this environment come first, as in an activated one."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **IDENTITY, "PATH": path, "DVC_SITE_CACHE_DIR": str(folder.parent / "dvc-site")}


def call(folder, *command, status=0):
    """Return what the command prints."""
    if command[0] in (forked.PYTHON, *forked.COMMANDS):
        found, printed = forked.run(folder, *command, environment=environment_of(folder))
    else:
        done = subprocess.run(
            command,
            cwd=folder,
            env=forked.with_programs(environment_of(folder)),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        found, printed = done.returncode, done.stdout
    assert found == status, printed
    return printed


def make(folder, target, status=0):
    return call(folder, "make", target, "SCALE=tiny", "VENV=", status=status)


def summarise(folder):
    cells = [f"{map_name}/{arm}" for map_name in TINY["maps"] for arm in ("roma", "qmix")]
    assert roma(["summarise", str(folder / FOLDER), "--runs", *(f"{cell}/seed0" for cell in cells)]) == 0


@pytest.fixture(scope="module")
def finished_and_tracked(root, tmp_path_factory):
    """Return a repository with finished and tracked results of the tiny scale, which stays as it is."""
    folder = tmp_path_factory.mktemp("tracked") / "roma"
    copy_repository(root, folder)
    write_scale(folder, FOUR)
    call(folder, "git", "init", "--quiet")
    call(folder, "git", "add", "--all")
    call(folder, "git", "commit", "--quiet", "--message", "Code")
    write_runs(FOUR, folder)
    summarise(folder)
    make(folder, "track")
    return folder


@pytest.fixture
def tracked(finished_and_tracked, tmp_path):
    """Return a copy of that repository."""
    shutil.copytree(finished_and_tracked, tmp_path / "roma", symlinks=True)
    return tmp_path / "roma"


def test_track_then_redraw_in_a_clone(tracked, tmp_path_factory):
    assert "up to date" in call(tracked, "dvc", "status")
    assert call(tracked, "git", "status", "--porcelain") == ""
    assert "Track results of scale tiny" in call(tracked, "git", "log", "--oneline")
    versioned = call(tracked, "git", "ls-files", "data").splitlines()
    assert {f"{FOLDER}/{name}" for name in ("dvc.yaml", "dvc.lock", "metrics.json")} <= set(versioned)
    described = yaml.safe_load((tracked / FOLDER / "dvc.yaml").read_text())["stages"]
    outs = [out for stage in described.values() for kind in ("outs", "metrics") for out in stage.get(kind, [])]
    assert all(settings["persist"] for out in outs for settings in out.values())
    assert not [name for name in versioned if "/runs/" in name or "/summary/" in name]

    clone = tmp_path_factory.mktemp("clone") / "roma"
    call(tracked, "git", "clone", "--quiet", str(tracked), str(clone))
    rng = random.Random(0)
    for file in clone.rglob("*.*"):
        if ".git" not in file.parts:
            moment = rng.uniform(1e9, 1.7e9)
            os.utime(file, (moment, moment))
    output = make(clone, "redraw")
    assert "validation" in output
    assert "train" not in output
    assert (clone / "figures/embedded/tiny/validation_3m.pdf").exists()
    assert (clone / "figures/embedded/tiny/report.html").exists()
    assert not (clone / FOLDER / "runs").exists()

    # Existing runs and their times make no difference: nothing is trained.
    shutil.copytree(tracked / FOLDER / "runs/3m/roma/seed0", clone / FOLDER / "runs/3m/roma/seed0")
    before = (clone / "figures/embedded/tiny/validation.pdf").read_bytes()
    output = make(clone, "redraw")
    assert "3 of 4 jobs" in output
    assert "Training" not in output
    assert (clone / "figures/embedded/tiny/validation.pdf").read_bytes() == before


def test_redraw_needs_neither_git_nor_dvc(tracked, tmp_path_factory):
    """As in an archive of the repository."""
    archive = tmp_path_factory.mktemp("archive") / "roma"
    nothing_made = shutil.ignore_patterns(".git", ".dvc", ".snakemake")
    shutil.copytree(tracked, archive, ignore=nothing_made, symlinks=True)
    for made in ("runs", "measurements", "summary"):
        shutil.rmtree(archive / FOLDER / made)
    make(archive, "redraw")
    assert (archive / "figures/embedded/tiny/report.html").exists()

    # A summary that was made here is not overwritten.
    curves = archive / FOLDER / "summary/curves.parquet"
    curves.write_bytes(b"newer")
    assert f"error: {FOLDER}/summary/curves.parquet differs from the tracked file" in make(archive, "redraw", 2)
    assert curves.read_bytes() == b"newer"


def test_kinds_are_pulled_apart_from_a_remote_of_ones_own(tracked, tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    call(tracked, "dvc", "remote", "add", "--default", "--local", "store", str(store))
    call(tracked, "dvc", "push")
    clone = tmp_path_factory.mktemp("clone") / "roma"
    call(tracked, "git", "clone", "--quiet", str(tracked), str(clone))
    call(clone, "dvc", "remote", "add", "--default", "--local", "store", str(store))
    call(clone, "dvc", "pull", f"{FOLDER}/dvc.yaml:policies")
    assert len(list((clone / FOLDER).glob("runs/*/*/*/policies/*.safetensors"))) == 8
    assert not list((clone / FOLDER).glob("runs/*/*/*/metrics.parquet"))
    assert not list((clone / FOLDER).glob("runs/*/*/*/checkpoints"))
    assert not (clone / FOLDER / "summary").exists()


def test_one_file_comes_from_the_address_of_the_repository(tracked, tmp_path_factory):
    """DVC resolves the bundle's relative path in the working folder, so that it needs the path of a clone."""
    place = tmp_path_factory.mktemp("another folder, größer")
    file = FOLDER / "summary/curves.parquet"
    given = ("--remote", "bundle", "--remote-config", f"url={tracked}/data/bundle")
    call(place, "dvc", "get", *given, "--", f"file://{tracked}", file.as_posix())
    assert (place / file.name).read_bytes() == (tracked / file).read_bytes()


def test_tracking_again_takes_what_is_new_and_loses_nothing(tracked):
    more = FOUR | {"seeds": [0, 1]}
    unfinished = tracked / FOLDER / "runs/8m/qmix/seed9"
    unfinished.mkdir()
    (unfinished / "config.json").write_text("{}")
    for run in expand(more, "tiny").runs.values():
        if run.seed == 1:
            write_run(run, tracked / FOLDER / "runs" / run.directory, 5, 4)
    summarise(tracked)
    make(tracked, "track")
    assert "up to date" in call(tracked, "dvc", "status")
    description = (tracked / FOLDER / "dvc.yaml").read_text()
    assert description.count("seed1/metrics.parquet") == 4
    assert "seed9" not in description

    # With only the summary here, as after a pull, the runs stay tracked as they were.
    shutil.rmtree(tracked / FOLDER / "runs")
    assert "metrics: some files are missing here, so their tracking does not change" in make(tracked, "track")
    assert (tracked / FOLDER / "dvc.yaml").read_text() == description
    assert call(tracked, "git", "status", "--porcelain") == ""


def test_changed_win_rates_show_between_revisions(tracked):
    rates = json.loads((tracked / FOLDER / "metrics.json").read_text())
    assert rates.keys() == {"3m", "8m"}
    evaluation = tracked / FOLDER / "runs/8m/roma/seed0/evaluations/t100000.json"
    evaluation.write_text(json.dumps(json.loads(evaluation.read_text()) | {"battle_won_mean": 0.125}))
    summarise(tracked)
    make(tracked, "track")
    (changed,) = json.loads(call(tracked, "dvc", "metrics", "diff", "--json", "HEAD~1", "HEAD")).values()
    assert list(changed) == ["8m.roma"]
    assert (changed["8m.roma"]["old"], changed["8m.roma"]["new"]) == (rates["8m"]["roma"], 0.125)


def damage(path):
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("harm", [damage, Path.unlink])
def test_a_damaged_or_missing_object_is_an_error_that_names_it(tracked, tmp_path_factory, harm):
    folder = tmp_path_factory.mktemp("harmed")
    store = folder / "store"
    call(tracked, "dvc", "remote", "add", "--default", "--local", "store", str(store))
    call(tracked, "dvc", "push")
    clone = folder / "clone" / "roma"
    call(tracked, "git", "clone", "--quiet", str(tracked), str(clone))
    call(clone, "dvc", "remote", "add", "--default", "--local", "store", str(store))
    call(clone, "dvc", "remote", "modify", "--local", "store", "verify", "true")
    locked = yaml.safe_load((clone / FOLDER / "dvc.lock").read_text())["stages"]

    kept = next(out for out in locked["summary"]["outs"] if out["path"].endswith("curves.parquet"))
    harm(clone / "data" / "bundle" / "files" / "md5" / kept["md5"][:2] / kept["md5"][2:])
    output = make(clone, "redraw", status=2)
    assert f"error: missing or damaged in data/bundle: {kept['path']} (md5 {kept['md5']})" in output
    assert not (clone / "figures").exists()

    lost = locked["metrics"]["outs"][0]
    harm(store / "files" / "md5" / lost["md5"][:2] / lost["md5"][2:])
    output = call(clone, "dvc", "pull", f"{FOLDER}/dvc.yaml:metrics", status=1)
    assert lost["path"] in output
    assert not (clone / lost["path"]).exists()


def test_what_cannot_be_tracked_or_redrawn_is_one_line(repository):
    command = ("roma",)
    for scale in ("smoke", "demo"):
        assert "is never tracked" in call(repository, *command, "track", f"workflow/config/{scale}.yaml", status=2)
    assert call(repository, *command, "track", SCALE, status=2).startswith("error: there is no summary in")
    assert call(repository, *command, "redraw", SCALE, status=2).startswith("error: there are no results of scale")
    assert "there is no scale file" in call(repository, *command, "redraw", "workflow/config/tinny.yaml", status=2)
    write_scale(repository, TINY | {"seedz": 1})
    assert "did you mean 'seeds'" in call(repository, *command, "track", SCALE, status=2)
