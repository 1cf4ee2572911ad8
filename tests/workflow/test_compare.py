"""`roma compare`: a reader's arm is trained, or taken as it is, and drawn beside runs that ship."""

import shutil
from contextlib import chdir
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
import yaml
from scipy.stats import trim_mean

from roma import learners
from roma.cli import main
from roma.runs.config import resolve
from roma.runs.directory import RunDirectory
from roma.support.errors import UserError
from tests.synthetic import write_runs
from tests.workflow import forked
from tests.workflow.conftest import SHORT, copy_repository, ship_by_hand
from workflow import compare

STUDY = SHORT | {
    "scale": "study",
    "seeds": [0, 1, 2, 3, 4],
    "total_steps": 400,
    "cells": [
        {"maps": ["3m"], "arms": ["qmix", "roma"]},
        {"maps": ["8m"], "arms": ["vdn"], "protocol": "paper", "seeds": [0]},
    ],
}
SETTINGS = [f"--set={key}={value}" for key, value in (STUDY["overrides"] | {"test_interval": 200}).items()]
MINE = ["compare", "mine", "--map", "3m", "--algorithm", "vdn", "--protocol", "smac_v1", *SETTINGS]
RESULTS = Path("data/embedded/compare_mine_3m")
FIGURES = Path("figures/embedded/compare_mine_3m")


@pytest.fixture(scope="module", autouse=True)
def forked_commands():
    """Fork Snakemake and its jobs."""
    with forked.own_commands():
        yield


@pytest.fixture(scope="module")
def clone(root, tmp_path_factory):
    """A clone with a study that ships: five invented runs of two arms on 3m, and one of another protocol on 8m."""
    folder = tmp_path_factory.mktemp("clone") / "roma"
    copy_repository(root, folder)
    write_runs(STUDY, folder, points=3, measured=False)
    ship_by_hand(folder, "study")
    shutil.rmtree(folder / "data/embedded/study/runs")
    return folder


@pytest.fixture(scope="module")
def trained(clone):
    """The same after three runs of an arm were trained and drawn."""
    with chdir(clone):
        assert main(MINE) == 0
    return clone


def shipped_metrics(clone, arm):
    """The metrics of shipped runs, by seed."""
    found = {}
    for name, run in sorted(compare.read_shipped(clone, "study").items()):
        if name.startswith(f"3m/{arm}/"):
            (file,) = (file for file in run.files if file.path.endswith("metrics.parquet"))
            found[int(name[-1])] = pd.read_parquet(file.stored(clone / "data/bundle"))
    return found


def own_metrics(clone):
    return {seed: RunDirectory(clone / RESULTS / f"runs/3m/mine/seed{seed}").read_metrics() for seed in range(3)}


def finals(metrics):
    """The win rate of the last of the tests at 200 and 400 steps: the only one in the last tenth."""
    return [float(table["test_battle_won_mean"].iloc[-1]) for table in metrics.values()]


def test_only_the_readers_arm_is_trained(trained):
    runs = sorted(
        path.relative_to(trained / RESULTS / "runs").as_posix() for path in (trained / RESULTS).glob("runs/*/*/*")
    )
    assert runs == [f"3m/mine/seed{seed}" for seed in range(3)]
    assert not (trained / "data/embedded/study/runs").exists()
    for run in runs:
        directory = RunDirectory(trained / RESULTS / "runs" / run)
        assert directory.last_step() == 400  # as long as the shipped ones
        assert directory.config.algorithm == "vdn"
        assert directory.config.protocol == "smac_v1"
        assert directory.config.overrides["hidden_dim"] == 8


def test_curves_are_those_of_all_seeds(trained):
    drawn = pd.read_csv(trained / FIGURES / "curves.csv")
    assert list(drawn["arm"].unique()) == ["mine", "qmix", "roma"]
    for arm, metrics in {"mine": own_metrics(trained), "qmix": shipped_metrics(trained, "qmix")}.items():
        points = drawn[(drawn["arm"] == arm) & (drawn["metric"] == "test_return_mean")]
        assert list(points["step"]) == [0, 200, 400]
        assert list(points["n"]) == [len(metrics)] * 3
        for seed, table in metrics.items():
            assert points[f"seed{seed}"].tolist() == table["test_return_mean"].tolist()
        mean = sum(table["test_return_mean"] for table in metrics.values()) / len(metrics)
        assert points["centre"].tolist() == pytest.approx(mean.tolist())
        assert (points["low"] < points["centre"]).all()


def test_interquartile_means_and_improvements_are_of_every_seed(trained):
    drawn = pd.read_csv(trained / FIGURES / "aggregates.csv").set_index(["statistic", "arm"])
    mine = finals(own_metrics(trained))
    for arm in ("mine", "qmix", "roma"):
        scores = mine if arm == "mine" else finals(shipped_metrics(trained, arm))
        row = drawn.loc["interquartile mean", arm]
        assert (row["seeds"], row["step"]) == (len(scores), 400)
        assert row["value"] == pytest.approx(trim_mean(scores, 0.25))
        assert row["low"] <= row["value"] <= row["high"]
        if arm != "mine":
            wins = [(one > other) + 0.5 * (one == other) for one, other in product(mine, scores)]
            assert drawn.loc["probability of improvement", arm]["value"] == pytest.approx(sum(wins) / len(wins))
    for name in ("curves", "aggregates"):
        for kind in ("png", "pdf"):
            assert (trained / FIGURES / f"{name}.{kind}").stat().st_size > 5000
    table = pd.read_csv(trained / FIGURES / "comparison.csv").set_index("arm")
    assert table["win rate"].to_dict() == pytest.approx(
        {"mine": sum(mine) / 3} | {arm: sum(finals(shipped_metrics(trained, arm))) / 5 for arm in ("qmix", "roma")}
    )


def test_the_same_command_again_goes_on(trained, monkeypatch, capfd):
    """It trains nothing and draws the same; with more steps it extends the runs, and compares at equal steps."""
    monkeypatch.chdir(trained)
    before = {file.name: file.read_bytes() for file in FIGURES.iterdir()}
    assert main(MINE) == 0
    said = capfd.readouterr()
    assert "Nothing to be done" in said.err
    assert "mine on 3m beside 10 shipped runs of qmix, roma\n" in said.out
    assert "core-hours: 0.0 for mine; the runs beside it took 10.0, which are saved\n" in said.out  # an hour each
    assert f"written to {trained / FIGURES}\n" in said.out
    assert {file.name: file.read_bytes() for file in FIGURES.iterdir()} == before
    folder = trained / "longer"
    shutil.copytree(RESULTS, folder / RESULTS)
    assert main([*MINE, "--seeds", "1", "--steps", "600", "--beside", "roma", "--out", "longer"]) == 0
    assert RunDirectory(RESULTS / "runs/3m/mine/seed0").last_step() == 600
    drawn = pd.read_csv("longer/aggregates.csv")
    assert drawn["step"].unique().tolist() == [400]
    assert set(drawn["arm"]) == {"mine", "roma"}
    shutil.rmtree(RESULTS)
    shutil.move(folder / RESULTS, RESULTS)


def test_finished_runs_are_taken_from_any_folder(trained, tmp_path, monkeypatch, capfd):
    """They give the same numbers as where they were trained; those of one seed have no interval."""
    for seed in range(3):
        shutil.copytree(trained / RESULTS / f"runs/3m/mine/seed{seed}", tmp_path / f"run {seed}")
    monkeypatch.chdir(trained / "workflow")  # a folder below a clone
    folders = [str(tmp_path / f"run {seed}") for seed in (2, 0, 1)]
    assert main(["compare", "taken", "--map", "3m", "--out", str(tmp_path / "out"), "--runs", *folders]) == 0
    names = {"arm": {"taken": "mine"}}
    taken = pd.read_csv(tmp_path / "out" / "aggregates.csv").replace(names).drop(columns="scale")
    pd.testing.assert_frame_equal(taken, pd.read_csv(trained / FIGURES / "aggregates.csv").drop(columns="scale"))
    assert main(["compare", "taken", "--map", "3m", "--out", str(tmp_path / "one"), "--runs", folders[0]]) == 0
    one = pd.read_csv(tmp_path / "one" / "aggregates.csv").set_index("arm")
    assert one.loc["taken"][["low", "high"]].isna().all()
    assert one["value"].notna().all()
    assert "taken      1" in capfd.readouterr().out
    assert not list((trained / "data/embedded/compare_taken_3m").glob("runs"))


def test_folders_that_are_no_runs_of_one_arm_are_refused(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(trained)
    first, second = (str(RESULTS / f"runs/3m/mine/seed{seed}") for seed in (0, 1))
    other = shutil.copytree(second, tmp_path / "other")
    config = (other / "config.json").read_text()
    (other / "config.json").write_text(config.replace('"hidden_dim": 8', '"hidden_dim": 16'))
    unfinished = shutil.copytree(second, tmp_path / "unfinished")
    (unfinished / "metrics.parquet").unlink()
    for map_name, folders, message in (
        ("8m", [first], f"{trained / first} is a run on 3m, not on 8m"),
        ("3m", [first, first], f"{trained / first} has the seed 0, as {trained / first} has"),
        ("3m", [first, other], f"{other} is no run of the same arm as {trained / first}: hidden_dim = 16 (not 8)"),
        ("3m", [unfinished], f"the run in {unfinished} is not finished: it lacks metrics.parquet"),
        ("3m", ["nowhere"], "there is no folder nowhere"),
    ):
        assert main(["compare", "taken", "--map", map_name, "--runs", *map(str, folders)]) == 2
        assert capsys.readouterr().err == f"error: {message}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["mine", "--map", "2s3z", "--algorithm", "qmix"],
            "no run on 2s3z ships under the protocol paper; shipped: 3m: qmix, roma; 8m: vdn",
        ),
        (["mine", "--map", "3m", "--algorithm", "qmix"], "no run on 3m ships under the protocol paper; "),
        (["qmix", "--map", "3m", "--protocol", "smac_v1"], "an arm qmix ships for 3m: give yours another name"),
        (
            ["vdn", "--map", "3m", "--protocol", "smac_v1", "--beside", "romma"],
            "'romma' is not a known arm that ships for 3m (did you mean 'roma'?); known: qmix, roma",
        ),
        (["mine", "--map", "3m"], "'mine' is not a known algorithm"),
        (["my-arm", "--map", "3m", "--algorithm", "vdn"], "MY_ARM: 'my-arm' does not match [A-Za-z0-9_]+"),
        (["vdn", "--map", "3m", "--seeds", "0"], "--seeds = 0 must be at least 1"),
        (["vdn", "--map", "3m", "--runs", ".", "--steps", "5"], "--steps cannot be given with --runs"),
        (["vdn", "--map", "3m", "--scale", "smoke", "--protocol", "paper"], "--protocol cannot be given with --scale"),
    ],
)
def test_a_mistake_is_said_in_one_line_before_any_work(clone, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(clone)
    before = sorted(clone.glob("data/embedded/*"))
    assert main(["compare", *arguments]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"error: {message}")
    assert said.err.count("\n") == 1
    assert sorted(clone.glob("data/embedded/*")) == before


def test_other_settings_under_the_same_name_are_refused(trained, monkeypatch, capsys):
    monkeypatch.chdir(trained)
    assert main([*MINE, "--set", "learning_rate=0.01"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(
        f"error: {RESULTS}/runs/3m/mine/seed0 holds a run with learning_rate = 0.0005 (not 0.01): give"
    )


def test_an_arm_of_a_scale_has_the_settings_that_it_has_there(clone, tmp_path):
    scale = SHORT | {
        "scale": "reader",
        "cells": [
            {"maps": ["8m"], "arms": ["wide"], "overrides": {"hidden_dim": 12}},
            {"maps": ["3m"], "arms": ["wide"], "overrides": {"hidden_dim": 16}},
        ],
        "arms": {"wide": {"algorithm": "qmix", "overrides": {"mixer_embed_dim": 24}}},
    }
    file = tmp_path / "reader.yaml"
    file.write_text(yaml.safe_dump(scale))
    arm = compare.arm_of_scale("wide", "3m", file, {"batch_size": "4"})
    assert (arm.config.algorithm, arm.config.protocol) == ("qmix", "smac_v1")
    changed = {name: arm.config.settings()[name] for name in ("hidden_dim", "mixer_embed_dim", "batch_size")}
    assert changed == {"hidden_dim": 16, "mixer_embed_dim": 24, "batch_size": 4}
    content = compare.scale_of("compare_wide_3m", arm, range(2), 500)
    run = compare.expand(content, "reader").runs["3m", "wide", 1]
    assert run.config == resolve("3m", "qmix", 1, "smac_v1", overrides=arm.config.overrides)
    assert run.total_steps == 500
    with pytest.raises(UserError, match=r"'wid' is not a known arm of .*did you mean 'wide'"):
        compare.arm_of_scale("wid", "3m", file, {})


def test_another_version_of_the_engine_is_an_error_and_of_a_learner_a_warning(capsys):
    arm = compare.arm_to_train("mine", "3m", "qmix", "smac_v1", {})
    described = arm.config.to_json()
    compare.check_versions(arm, {"3m/qmix/seed0": described})
    assert capsys.readouterr().err == ""
    older = {
        "3m/qmix/seed0": {**described, "algorithm_version": 0},
        "3m/roma/seed0": {**described, "algorithm": "roma"},
    }
    compare.check_versions(arm, older)
    here = learners.algorithm("qmix").version
    assert capsys.readouterr().err == (
        "WARNING: versions of qmix differ, and its results with them: version 0: 3m/qmix/seed0; "
        f"version {here}: mine, this program\n"
    )
    with pytest.raises(
        UserError, match=r"mine is of version 1 of the engine embedded on 3m, .* version 0 \(3m/qmix/seed0\)"
    ):
        compare.check_versions(arm, {"3m/qmix/seed0": {**described, "engine_version": "0"}})
