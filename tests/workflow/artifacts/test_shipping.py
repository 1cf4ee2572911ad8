"""Shipped runs: a clone draws them, trains nothing, and reports missing, damaged and obstructing files."""

import json
import os
import random
import re
import shutil
import sys
from pathlib import Path

import pytest

from analysis.summarise import LANDED
from roma.runs.directory import RunDirectory
from roma.support.errors import UserError
from tests.synthetic import SEGMENT, write_runs
from tests.workflow import forked
from tests.workflow.artifacts.test_tracking import call, damage, environment_of
from tests.workflow.conftest import SHORT, TINY, copy_repository, planned, write_scale
from workflow.artifacts import budget, landing, shipping
from workflow.campaign import collection
from workflow.grid import expand

STUDY = TINY | {
    "scale": shipping.STUDY,
    "seeds": [0, 1],
    "tranches": ["first", "second"],
    "milestones": [0, 50_000],
    "cells": [
        {"tranche": "first", "maps": ["3m"], "arms": ["roma", "qmix"]},
        {"tranche": "second", "maps": ["8m"], "arms": ["roma", "qmix"]},
    ],
}
FIRST = STUDY | {"open_tranches": ["first"]}
FOLDER = Path("data/embedded/study")
SCALE = "workflow/config/study.yaml"
DRAWN = {"summarise": 1, "validation": 1, "report": 1, "export": 1, "figures": 1}


def snakemake(folder, *arguments, status=0):
    found, printed = forked.snakemake(folder, "--cores", "2", *arguments, environment=environment_of(folder))
    assert found == status, printed
    return printed


def ship_runs(folder, scale):
    """Write the runs of a scale, and ship them."""
    write_runs(scale, folder)
    return ship(folder)


def ship(folder, scale=SCALE):
    program = f"from pathlib import Path; from workflow.artifacts.tracking import ship; print(ship(Path({scale!r})))"
    return call(folder, forked.PYTHON, "-c", program)


@pytest.fixture(scope="module")
def origin(root, tmp_path_factory):
    """Return a repository that ships the first tranche of its study."""
    folder = tmp_path_factory.mktemp("origin") / "roma"
    copy_repository(root, folder)
    write_scale(folder, STUDY)
    call(folder, "git", "init", "--quiet")
    call(folder, "git", "add", "--all")
    call(folder, "git", "commit", "--quiet", "--message", "Code")
    said = ship_runs(folder, FIRST)
    assert re.fullmatch(r"history: 0\.0 of 150\.0 MB used, 0\.\d MB more .* 16\.0 MB for 2 tranches\n", said)
    assert "up to date" in call(folder, "dvc", "status")
    assert call(folder, "git", "status", "--porcelain") == ""
    cards = [Path(name).name for name in call(folder, "git", "ls-files", FOLDER / "cards").split()]
    assert cards == ["qmix.md", "roma.md", "README.md"]
    return folder


@pytest.fixture
def clone(origin, tmp_path):
    call(origin, "git", "clone", "--quiet", str(origin), str(tmp_path / "roma"))
    return tmp_path / "roma"


def damaged(folder):
    return [line for run in shipping.read_shipped(folder, "study").values() for line in shipping.damaged(folder, run)]


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_fresh_clone_draws_what_ships_and_trains_nothing(origin, clone):
    output = snakemake(clone, "--", "figures")
    assert planned(output) == {"restore": 4, **DRAWN}
    assert "4 of 8 runs of scale 'study' ship and are drawn; nothing is trained. 4 are missing or shorter " in output
    assert "about 1 core-hours: make figures SCALE=study trains them" in output
    assert (clone / "figures/embedded/study/report.html").exists()
    exported = json.loads((clone / "figures/embedded/study/marl_eval.json").read_text())
    assert exported.keys() == {"embedded 1"}
    assert {arm: [*seeds] for arm, seeds in exported["embedded 1"]["3m"].items()} == {
        arm: ["seed_0", "seed_1"] for arm in ("qmix", "roma")
    }
    for name in ("runs", "measurements"):
        made = contents(clone / FOLDER / name)
        assert made.items() <= contents(origin / FOLDER / name).items()
    assert not list((clone / FOLDER).glob("runs/*/*/*/checkpoints"))
    kept = {path.name for path in (clone / FOLDER).glob("runs/3m/roma/seed0/policies/*")}
    assert kept == {"t0.safetensors", "t100000.safetensors"}
    assert "up to date" in call(clone, "dvc", "status")
    assert call(clone, "git", "status", "--porcelain") == ""
    assert planned(snakemake(clone, "--dry-run", "--", "figures")) == {}

    # Files are touched in random order, so that times have no meaning.
    rng = random.Random(0)
    for file in [*(clone / "data").rglob("*.*"), *(clone / "figures").rglob("*.*")]:
        moment = rng.uniform(1.7e9, 1.75e9)
        os.utime(file, (moment, moment))
    assert "restore" not in planned(snakemake(clone, "--dry-run", "--", "figures"))
    shutil.rmtree(clone / ".snakemake")
    assert "restore" not in planned(snakemake(clone, "--dry-run", "--", "figures"))

    # A lost file is restored with its run.
    (clone / FOLDER / "measurements/3m/roma/seed0/roles.parquet").unlink()
    (clone / FOLDER / "runs/3m/qmix/seed1/config.json").unlink()
    assert planned(snakemake(clone, "--", "summary"))["restore"] == 2
    assert "up to date" in call(clone, "dvc", "status")


def test_parts_of_files_that_a_killed_job_left_are_removed(clone):
    folders = ("figures/embedded/study", FOLDER / "summary", FOLDER / "runs/3m/qmix/seed0/evaluations")
    left = [clone / folder / ".beside-x1" for folder in folders]
    for file in left:
        file.parent.mkdir(parents=True)
        file.write_bytes(b"half")
    snakemake(clone, "--", "summary")
    assert [file for file in left if file.exists()] == []
    assert (clone / FOLDER / "summary" / "runs.parquet").exists()


def test_one_run_more_is_one_more_to_restore(origin, clone, tmp_path):
    snakemake(clone, "--", "summary")
    grown = tmp_path / "grown"
    call(origin, "git", "clone", "--quiet", str(origin), str(grown))
    for run in shipping.read_shipped(grown, "study").values():
        shipping.restore(grown, run)
    one = {"tranche": "second", "maps": ["8m"], "arms": ["qmix"], "seeds": [0]}
    before = set(grown.glob("data/bundle/files/md5/*/*"))
    ship_runs(grown, STUDY | {"cells": [one]})
    assert before < set(grown.glob("data/bundle/files/md5/*/*"))
    call(clone, "git", "pull", "--quiet", str(grown), "HEAD")
    assert planned(snakemake(clone, "--dry-run", "--", "figures")) == {"restore": 1, **DRAWN}
    assert planned(snakemake(clone, "--", "summary")) == {"restore": 1, "summarise": 1, "summary": 1}
    assert planned(snakemake(clone, "--dry-run", "--", "summary")) == {}

    # The run was extended there: it replaces the shorter one, which DVC tracks.
    write_runs(STUDY | {"cells": [one], "total_steps": 120_000}, grown)
    ship(grown)
    call(clone, "git", "pull", "--quiet", str(grown), "HEAD")
    assert planned(snakemake(clone, "--dry-run", "--", "figures")) == {"restore": 1, **DRAWN}
    assert planned(snakemake(clone, "--", "summary")) == {"restore": 1, "summarise": 1, "summary": 1}
    assert damaged(clone) == []


def test_a_named_scale_trains_what_is_missing(clone):
    output = snakemake(clone, "--dry-run", "--configfile", SCALE, "--", "figures")
    assert planned(output) == {"restore": 4, "train": 4, "evaluate": 4, "measure": 2, **DRAWN}
    longer = write_scale(clone, STUDY | {"total_steps": {"default": 100_000, "3m": 40_000_000}})
    output = snakemake(clone, "--dry-run", "-p", "--configfile", str(longer), "--", "figures")
    assert planned(output) == {"train": 8, "evaluate": 8, "measure": 4, **DRAWN}
    assert re.search(r"8 runs of scale 'study' are missing, about [0-9,]+ core-hours \(roma cost study\)", output)
    write_scale(clone, STUDY | {"overrides": {"learning_rate": 0.001}})
    output = snakemake(clone, "--configfile", SCALE, "--", "figures", status=1)
    assert re.search(r"seed\d ships with learning_rate = 0.0005 \(not 0.001\): give the scale another name", output)


@pytest.mark.parametrize(("harm", "word"), [(Path.unlink, "missing"), (damage, "damaged")])
def test_an_object_that_is_missing_or_damaged_is_named(clone, harm, word):
    run = shipping.read_shipped(clone, "study")["3m/qmix/seed1"]
    (lost,) = (file for file in run.files if file.path.endswith("metrics.parquet"))
    harm(lost.stored(clone / shipping.BUNDLE))
    message = f"{lost.path} (md5 {lost.md5}) is {word} in data/bundle"
    assert damaged(clone) == [message]
    output = snakemake(clone, "--keep-going", "--", "figures", status=1)
    assert f"error: {message}\n" in output
    assert "Training" not in output
    assert not (clone / FOLDER / "runs").exists()
    command = (forked.PYTHON, "workflow/artifacts/shipping.py", run.name)
    assert call(clone, *command, status=2) == f"error: {message}\n"
    assert not (clone / FOLDER / "runs").exists()


def test_what_is_kept_nowhere_else_is_not_overwritten(clone):
    command = (forked.PYTHON, "workflow/artifacts/shipping.py", "3m/qmix/seed0")
    assert call(clone, *command) == ""
    metrics = clone / FOLDER / "runs/3m/qmix/seed0/metrics.parquet"
    metrics.write_bytes(b"mine")
    message = f"{FOLDER}/runs/3m/qmix/seed0/metrics.parquet is not the file that ships"
    assert message in call(clone, *command, status=2)
    assert message in snakemake(clone, "--", "figures", status=1)
    assert metrics.read_bytes() == b"mine"
    (line,) = damaged(clone)
    assert line.startswith(message)
    assert (
        call(clone, *command[:2], "3m/qmix/seed7", status=2) == "error: 3m/qmix/seed7 of scale 'study' does not ship\n"
    )


def test_the_checkpoint_of_a_run_that_is_to_grow_goes_to_the_default_remote(clone, tmp_path):
    shipped = shipping.read_shipped(clone, "study")
    for run in shipped.values():
        shipping.restore(clone, run)
    write_scale(clone, STUDY | {"total_steps": {"default": 100_000, "3m": 200_000}})
    checkpoints = RunDirectory(clone / FOLDER / "runs/3m/qmix/seed0").checkpoint_folder
    checkpoints.mkdir()
    (checkpoints / "t000100000.safetensors").write_bytes(b"state of the learner")
    (checkpoints / "t000090000.safetensors").write_bytes(b"earlier state")
    records = clone / FOLDER / "dvc.yaml"
    before = records.read_text()
    ship(clone)
    assert records.read_text() == before
    call(clone, "dvc", "remote", "add", "--default", "--local", "store", str(tmp_path / "store"))
    ship(clone)
    assert "up to date" in call(clone, "dvc", "status")
    held = {path.read_bytes() for path in (tmp_path / "store" / "files" / "md5").glob("*/*")}
    assert b"state of the learner" in held
    assert b"earlier state" not in held
    assert not held & {path.read_bytes() for path in (clone / shipping.BUNDLE).glob("files/md5/*/*")}
    assert shipping.read_shipped(clone, "study").keys() == {
        f"3m/{arm}/seed{k}" for arm in ("roma", "qmix") for k in (0, 1)
    }


def test_a_longer_run_begins_anew_without_a_checkpoint(root, tmp_path):
    folder = tmp_path / "roma"
    copy_repository(root, folder)
    call(folder, "git", "init", "--quiet")
    (run,) = write_runs(SHORT | {"scale": "study"}, folder)
    write_scale(folder, SHORT | {"scale": "study"})
    directory = RunDirectory(folder / FOLDER / "runs" / run.directory)
    call(folder, "git", "add", "--all")
    call(folder, "git", "commit", "--quiet", "--message", "Code")
    ship(folder)
    write_scale(folder, SHORT | {"scale": "study", "total_steps": 500})
    shipped = directory.metrics_file.read_bytes()
    longer = ("--configfile", SCALE, "--until", "train", "--", "runs")
    assert "checkpoint" in snakemake(folder, *longer, status=1)  # a synthetic one: training refuses it
    assert directory.metrics_file.read_bytes() == shipped
    shutil.rmtree(directory.checkpoint_folder)
    snakemake(folder, *longer)
    assert directory.held_steps() == 500
    assert directory.provenance["segments"][0] != SEGMENT


def test_roles_are_measured_on_the_processors_that_trained_the_run(results, monkeypatch):
    asked = []
    monkeypatch.setattr(collection, "measure", lambda run, last, earlier: asked.append((run.seed, last, earlier)))
    runs = [RunDirectory(results / "runs" / "3m" / arm / f"seed{seed}") for arm in ("roma", "qmix") for seed in (0, 1)]
    monkeypatch.setattr(collection, "family", lambda: "another")
    said = collection.measure_runs(runs, STUDY)
    assert said == ["2 runs wait to be measured by a collect on the processors that trained them"]
    assert asked == []
    monkeypatch.setattr(collection, "family", lambda: SEGMENT["cpu_family"])
    assert collection.measure_runs(runs, STUDY | {"rollout_episodes": {"last": 4}}) == []
    assert asked == [(0, 4, 8), (1, 4, 8)]
    write_runs(STUDY | {"milestones": [0, 500_000], "total_steps": 600_000}, Path())  # with measurements
    monkeypatch.setattr(collection, "family", lambda: pytest.fail("nothing is to be measured"))
    assert collection.measure_runs(runs, STUDY) == []


def test_runs_that_ship_are_restored_by_name_or_all(origin, clone):
    command, runs = (forked.PYTHON, "-m", "roma", "restore"), FOLDER / "runs"
    assert "3m/qmix/seed1 is in place" in call(clone, *command, "3m/qmix/seed1")
    assert [path.relative_to(clone / runs).as_posix() for path in (clone / runs).glob("*/*/*")] == ["3m/qmix/seed1"]
    assert "'3m/qmix/seed7' is not a known shipped run" in call(clone, *command, "3m/qmix/seed7", status=2)
    call(clone / "docs", *command)
    assert contents(clone / runs).items() <= contents(origin / runs).items()
    assert len(list((clone / runs).glob("*/*/*"))) == 4
    lost = shipping.read_shipped(clone, "study")["3m/roma/seed0"].files[0]
    (clone / lost.path).write_text("another")
    assert "is not the file that ships" in call(clone, *command, "3m/roma/seed0", status=2)


def test_a_place_that_cannot_be_written_is_named_in_one_line(clone):
    script = (sys.executable, "workflow/artifacts/shipping.py", "3m/qmix/seed1")
    (clone / FOLDER / "runs").write_text("in the way", encoding="utf-8")
    assert re.fullmatch(r"error: .*runs.*: Not a directory\n", call(clone, *script, status=2))
    (clone / FOLDER / "runs").unlink()
    assert call(clone, *script) == ""


def test_what_ships_is_neither_tracked_nor_redrawn_by_hand(clone):
    command = (forked.PYTHON, "-m", "roma")
    assert "ship with the repository" in call(clone, *command, "redraw", SCALE, status=2)


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Return a repository with results whose untrained and final policies have 100 bytes each."""
    call(tmp_path, "git", "init", "--quiet")
    call(tmp_path, "git", "commit", "--quiet", "--allow-empty", "--message", "Code")
    monkeypatch.chdir(tmp_path)
    write_runs(STUDY | {"milestones": [0, 500_000], "total_steps": 600_000}, Path(), measured=False)
    return FOLDER


def chosen(results, names=("3m/roma/seed0", "3m/qmix/seed0"), held=()):
    runs = [RunDirectory(results / "runs" / name) for name in names]
    grid = expand(STUDY | {"total_steps": 600_000}, "study")
    return budget.choose(results, runs, grid, {path.as_posix(): shipping.md5_of(path) for path in held})


def names_of(files):
    return [file.relative_to(FOLDER / "runs" / "3m").as_posix() for file in files if "policies" in file.parts]


def test_earlier_weights_are_left_out_where_there_is_no_room(results, monkeypatch):
    whole = chosen(results)
    final = ["roma/seed0/policies/t600000.safetensors", "qmix/seed0/policies/t600000.safetensors"]
    later, first = (f"roma/seed0/policies/t{step}.safetensors" for step in (500_000, 0))
    assert names_of(whole.files) == [*final, later, first]
    assert whole.left_out == []
    always = sum(file.stat().st_size for file in whole.files) - 200
    coming = 3 * always  # for six runs
    for room, left_out in ((200, []), (199, [first]), (99, [later, first]), (-1, [later, first])):
        monkeypatch.setattr(budget, "BUDGET", always + coming + 2 * budget.OF_TRANCHE + room)
        choice = chosen(results)
        assert names_of(choice.left_out) == left_out
        assert ("left out" in choice.said) == bool(left_out)
    # Files that ship already stay, at no further cost.
    assert names_of(chosen(results, held=whole.files).left_out) == []
    monkeypatch.setattr(budget, "BUDGET", always - 1)
    with pytest.raises(UserError, match=r"the finished runs need .* MB more: nothing was added"):
        chosen(results)


def test_a_run_to_come_needs_what_its_cell_or_its_algorithm_does(results):
    always = {}
    for name, sizes in (("3m/roma/seed0", (7, 3)), ("3m/qmix/seed0", (5, 2))):
        files = [results / f"{name.replace('/', '_')}.{kind}" for kind in ("safetensors", "parquet")]
        for file, size in zip(files, sizes, strict=True):
            file.write_bytes(bytes(size))
        always[RunDirectory(results / "runs" / name)] = files
    alike = expand(STUDY | {"total_steps": 600_000}, "study")
    assert budget.reserved(results, always, alike) == (3 * (7 + 3) + 3 * (5 + 2), 2 * budget.OF_TRANCHE)
    longer = expand(STUDY | {"total_steps": 1_200_000}, "study")  # tables grow with the steps
    assert budget.reserved(results, always, longer)[0] == 4 * (7 + 2 * 3) + 4 * (5 + 2 * 2)
    assert budget.reserved(results, {}, alike)[0] == 8 * budget.UNKNOWN_RUN


def test_room_is_reserved_for_the_open_tranches_alone(results):
    of_first = expand(FIRST, "study")
    runs = len(of_first.runs)
    assert 0 < runs < len(expand(STUDY, "study").runs)
    assert budget.reserved(results, {}, of_first) == (runs * budget.UNKNOWN_RUN, budget.OF_TRANCHE)


def test_history_is_what_git_keeps(results):
    (results / LANDED).mkdir()
    for content in (random.Random(0).randbytes(5000), b""):  # removed files stay in the history
        (results / LANDED / "fig04.png").write_bytes(content)
        call(Path.cwd(), "git", "add", "--force", str(results / LANDED))
        call(Path.cwd(), "git", "commit", "--quiet", "--message", "Land")
    assert 5000 < budget.history([results / LANDED]) < 6000
    assert budget.history([shipping.BUNDLE]) == 0
    tranches = budget.reserved(results, {}, expand(STUDY, "study"))[1]
    assert 5000 < 2 * budget.OF_TRANCHE - tranches < 6000


def test_a_complete_tranche_is_drawn_into_git_once(clone):
    for run in shipping.read_shipped(clone, "study").values():
        shipping.restore(clone, run)
    (clone / FOLDER / LANDED / "first").mkdir(parents=True)  # left by an interrupted command
    program = f"from pathlib import Path; from workflow.artifacts.landing import land; print(land(Path({SCALE!r})))"
    said = call(clone, forked.PYTHON, "-c", program)
    assert re.search(r"\['first: \d+ files drawn, \d\.\d MB, in data/embedded/study/tranches'\]\n$", said)
    landed = call(clone, "git", "ls-files", str(FOLDER / LANDED)).split()
    for file in ("figures/validation.png", "figures/validation.pdf", "summary/finals.parquet"):
        assert f"{FOLDER}/tranches/first/{file}" in landed
    assert {Path(file).parts[4] for file in landed} == {"first"}
    assert not [file for file in landed if file.endswith(".html")]  # the report repeats the pictures
    assert call(clone, "git", "status", "--porcelain") == ""
    assert "up to date" in call(clone, "dvc", "status")
    assert call(clone, forked.PYTHON, "-c", program) == "[]\n"


def test_a_tranche_is_complete_with_its_last_run_and_measurement(results):
    grid = expand(STUDY | {"total_steps": 600_000}, "study")
    assert landing.complete_tranches(results, grid) == []
    write_runs(FIRST | {"milestones": [0, 500_000], "total_steps": 600_000}, Path())  # with measurements
    assert landing.complete_tranches(results, grid) == ["first"]
    assert landing.complete_tranches(results, expand(STUDY | {"total_steps": 700_000}, "study")) == []


def test_what_is_drawn_of_a_tranche_has_its_room(tmp_path):
    sizes = {"runs.parquet": 200, "table2.md": 5000, "b.png": 3000, "a.png": 4000, "a.pdf": 1000, "finals.csv": 500}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(random.Random(0).randbytes(size))
    taken, left_out = landing.fitting(tmp_path.iterdir(), 10_000)
    assert [file.name for file in taken] == ["runs.parquet", "table2.md", "b.png", "a.pdf", "finals.csv"]
    assert [file.name for file in left_out] == ["a.png"]
    assert tmp_path / "runs.parquet" in landing.fitting(tmp_path.iterdir(), 5_300)[0]  # whatever else has no room
    (tmp_path / "table1.md").write_bytes(bytes(1_000_000))  # the size of a file is that of its git object
    assert tmp_path / "table1.md" in landing.fitting(tmp_path.iterdir(), 10_000)[0]
