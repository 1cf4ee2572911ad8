"""`roma verify` on real runs of some hundred steps: the changes that each check detects."""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import workflow.verify as verification
from roma.cli import main
from roma.learners.qmix import learner as qmix
from roma.recordings.evaluate import evaluate
from roma.runs.config import resolve
from roma.runs.directory import RunDirectory
from roma.runs.training import train
from roma.support.files import file_digest, json_content
from tests.runs import faults
from tests.synthetic import write_runs
from tests.workflow.artifacts.test_shipping import ship
from tests.workflow.artifacts.test_tracking import call
from tests.workflow.conftest import SHORT, TINY, write_scale
from workflow.verify import again_steps, draw, play_again, shipped, train_again

SCALE = Path("workflow/config/tiny.yaml")
RESULTS = Path("data/embedded/tiny")
STEPS, EPISODES = 500, 4
DRAWN = ("--runs", "3m/qmix/seed0")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Return the folder `runs` with two real runs and their evaluations."""
    folder = tmp_path_factory.mktemp("trained")
    for seed in (0, 1):
        config = resolve(
            "3m", "qmix", seed, "smac_v1", overrides=SHORT["overrides"] | {"test_interval": SHORT["test_interval"]}
        )
        run = folder / "3m" / "qmix" / f"seed{seed}"
        run.mkdir(parents=True)
        train(config, run, STEPS, (0,))
        evaluate(run, EPISODES)
    return folder


@pytest.fixture
def run(repository, trained, monkeypatch) -> RunDirectory:
    """Return one of the two runs, in a repository at the working folder."""
    write_scale(repository, SHORT)
    shutil.copytree(trained, repository / RESULTS / "runs")
    monkeypatch.chdir(repository)
    return RunDirectory(RESULTS / "runs" / "3m" / "qmix" / "seed0")


@pytest.fixture(autouse=True)
def forked_processes(monkeypatch) -> None:
    """Fork the processes that repeat runs from one that has imported everything."""
    monkeypatch.setattr(multiprocessing, "get_context", lambda method: faults.context)


@pytest.fixture
def track(run) -> Callable[[], None]:
    """Ship the runs of the repository in their current state."""
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "Code"]):
        call(Path.cwd(), "git", *command)
    return lambda: ship(Path.cwd(), str(SCALE))


def rewrite(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    change(content)
    file.write_bytes(json_content(content))


def change_metrics(run: RunDirectory, row: int = 1) -> None:
    """Change a digit of a row, and the digest in the provenance accordingly."""
    metrics = run.read_metrics()
    metrics.loc[row, "test_return_mean"] += 0.001
    metrics.to_parquet(run.metrics_file)
    rewrite(run.provenance_file, lambda facts: facts.update(metrics_sha256=file_digest(run.metrics_file)))


def change_outcome(run: RunDirectory) -> None:
    """Invert the outcome of one episode, and change the mean accordingly."""

    def turn(evaluation: dict[str, Any]) -> None:
        evaluation["battle_won"][2] = not evaluation["battle_won"][2]
        evaluation["battle_won_mean"] = sum(evaluation["battle_won"]) / EPISODES

    rewrite(run.evaluation_file(STEPS), turn)


def change_weight(run: RunDirectory) -> None:
    """Change one bit of the last weights."""
    content = bytearray(run.policy_file(STEPS).read_bytes())
    content[-1] ^= 1
    run.policy_file(STEPS).write_bytes(content)


def move_elsewhere(run: RunDirectory) -> None:
    """Set another processor family in the provenance of the run."""
    rewrite(run.provenance_file, lambda facts: facts["segments"][0].update(cpu_family="Abacus"))


def test_runs_that_are_as_recorded_pass(run, track, capfd):
    track()
    before = {file: file.read_bytes() for file in RESULTS.rglob("*") if file.is_file()}
    assert main(["verify", str(SCALE), "--seed", "5"]) == 0
    printed = capfd.readouterr().out
    assert "2 runs in data/embedded/tiny; to repeat this choice: --seed 5 --runs 3" in printed
    assert "3m/qmix/seed0: 500 of 500 steps, 3 of 3 rows: " in printed
    assert printed.count("numbers equal bit for bit") == 2
    assert f"3m/qmix/seed1: {EPISODES} of {EPISODES} episodes equal" in printed
    assert "Equal outcomes: 8 of 8 episodes (100.00%)" in printed
    assert "Not covered: changes made together with their checksums and digests in the other 0 of 6 rows" in printed
    assert printed.endswith("Failures: 0\n")
    assert {file: file.read_bytes() for file in RESULTS.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (change_metrics, "FAILED 3m/qmix/seed0: 500 of 500 steps, 3 of 3 rows: test_return_mean in row 1: "),
        (change_outcome, "FAILED 3m/qmix/seed0: 3 of 4 episodes equal; episode 2: battle_won "),
        (change_weight, "FAILED data/embedded/tiny/runs/3m/qmix/seed0/policies/t500.safetensors has the digest "),
    ],
)
def test_a_change_that_is_tracked_like_the_rest_is_found(run, track, capfd, change, found):
    change(run)
    track()
    assert main(["verify", str(SCALE), *DRAWN]) == 1
    printed = capfd.readouterr().out
    assert [line[: len(found)] for line in printed.splitlines() if line.startswith("FAILED")] == [found]
    assert "Failures: 1" in printed


def test_a_file_that_is_not_the_tracked_one_is_found_first(run, track, capfd):
    track()
    change_outcome(run)
    assert main(["verify", str(SCALE), *DRAWN]) == 1
    printed = capfd.readouterr().out
    assert "FAILED data/embedded/tiny/runs/3m/qmix/seed0/evaluations/t500.json is not the file that ships" in printed
    assert "Failures: 1; nothing was trained or played" in printed


def test_rows_after_the_steps_that_are_trained_again_are_not_compared(run, monkeypatch):
    monkeypatch.setattr(verification, "LEAST_STEPS", 1)
    monkeypatch.setattr(verification, "CPU_SECONDS", 0)
    change_metrics(run, row=2)
    outcome = train_again(run, again_steps(run), [])
    assert not outcome.failed
    assert (outcome.part, outcome.whole) == (2, 3)
    assert outcome.text.startswith("200 of 500 steps, 2 of 3 rows: ")


def test_on_another_family_losses_and_returns_are_judged(run, monkeypatch):
    change_metrics(run)
    move_elsewhere(run)
    outcome = train_again(run, STEPS, [run])
    assert not outcome.failed
    assert "test_return_mean in row 1: " in outcome.text
    assert "(processor Abacus, here " in outcome.text
    assert "losses of 20 of the first 20 updates of qmix (2s3z smac_v1) within 0.0001 of those recorded" in outcome.text
    assert outcome.text.endswith("test returns undecided: 1 recorded seeds, 3 needed")

    targets = qmix.td_targets
    monkeypatch.setattr(qmix, "td_targets", lambda *arguments: 1.01 * targets(*arguments))
    outcome = train_again(run, STEPS, [run])
    assert outcome.failed
    assert "losses of 0 of the first 20 updates of qmix (2s3z smac_v1) within 0.0001" in outcome.text


def test_on_another_family_unequal_outcomes_are_counted(run):
    change_outcome(run)
    move_elsewhere(run)
    outcome = play_again(run)
    assert (outcome.failed, outcome.part, outcome.whole) == (False, 3, 4)
    assert "(processor Abacus, here " in outcome.text


def test_a_run_of_another_version_is_not_repeated(run, capfd):
    for file in (run.config_file, run.provenance_file):
        rewrite(file, lambda content: content.get("config", content).update(engine_version="99"))
    assert main(["verify", str(SCALE), *DRAWN]) == 1
    assert "was made with version 99 of the engine embedded on 3m; this is version" in capfd.readouterr().out


def test_processes_end_with_the_command_also_when_it_is_killed(run, root, tmp_path):
    endless = 10**9
    rewrite(run.provenance_file, lambda facts: facts.update(total_steps=endless, cpu_seconds=1e-9))
    shutil.copy(run.policy_file(STEPS), run.policy_file(endless))
    (scratch := tmp_path / "scratch").mkdir()
    command = [sys.executable, "-P", "-m", "roma", "verify", str(SCALE), *DRAWN]  # -P: not the code of the copy
    environment = os.environ | {"PYTHONPATH": str(root), "TMPDIR": str(scratch)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    try:
        while not list(scratch.glob("*/progress.json")):
            assert process.poll() is None
            time.sleep(0.1)
    finally:
        process.kill()
    process.communicate()  # returns when all processes with this output have ended


@pytest.mark.parametrize(
    ("interval", "speed", "total", "steps"),
    [
        (20_000, 1000.0, 10_000_000, 80_000),  # 90 000 steps are affordable
        (20_000, 100.0, 10_000_000, 40_000),
        (30_000, 100.0, 10_000_000, 60_000),  # the first test step from 40 000 on
        (20_000, 1000.0, 50_000, 50_000),
    ],
)
def test_steps_that_are_trained_again(interval, speed, total, steps):
    run = SimpleNamespace(
        provenance={"environment_steps": total, "cpu_seconds": total / speed},
        config=SimpleNamespace(protocol_settings=SimpleNamespace(test_interval=interval)),
        last_step=lambda: total,
    )
    assert again_steps(run) == steps


def test_the_seed_decides_the_draw(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_runs(TINY, tmp_path)
    runs, _ = shipped("tiny", RESULTS)
    draws = [draw(RESULTS, runs, seed, ["2"]) for seed in range(20)]
    assert draw(RESULTS, runs, 0, ["2"]) == draws[0]
    assert {run.path for trained, _ in draws for run in trained} == {run.path for run in runs}
    for trained, played in draws:
        assert len({run.path for run in (*trained, *played)}) == len(runs) == 12
        assert (len(trained), len(played)) == (2, 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--runs", "8m/qmix/seed0"], "'8m/qmix/seed0' is not a known shipped run (did you mean '3m/qmix/seed0'?)"),
        (["--runs", "3m/qmix"], "'3m/qmix' is not of the form MAP/ARM/seedK"),
    ],
)
def test_a_wrong_name_is_refused(run, capfd, arguments, message):
    assert main(["verify", str(SCALE), *arguments]) == 2
    assert f"error: {message}" in capfd.readouterr().err


def test_runs_that_ship_are_put_into_place(run, track, capfd):
    track()
    shutil.rmtree(RESULTS / "runs")
    assert main(["verify", str(SCALE), *DRAWN]) == 0
    assert f"3m/qmix/seed0: {EPISODES} of {EPISODES} episodes equal" in capfd.readouterr().out


def test_that_there_are_no_runs_is_said(run, capfd):
    shutil.rmtree(RESULTS)
    assert main(["verify", str(SCALE)]) == 2
    assert "error: there is no finished run in data/embedded/tiny to verify" in capfd.readouterr().err
