"""A run's numbers do not depend on how often it was stopped, killed, damaged or extended."""

import dataclasses
import errno
import fcntl
import json
import math
import os
import pty
import random
import shutil
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from roma import checkpoint, envs, training
from roma.config import canonical_options, resolve
from roma.errors import UserError
from roma.evaluate import evaluate
from roma.files import file_digest
from roma.learners.qmix import Learner
from roma.learners.role_columns import ROLE_COLUMNS
from roma.learners.roma import Learner as RomaLearner
from roma.provenance import describe
from roma.runs.directory import RunDirectory
from roma.seeding import Stream, episode_seed
from roma.training import COUNTERS, TEST_METRICS, TRAIN_METRICS, Run, train

TOTAL_STEPS = 1600
MILESTONES = (0, 800, 5000)
SETTINGS = {
    "parallel_envs": 4,
    "batch_size": 8,
    "buffer_size": 30,  # wraps round within the horizon, and in the middle of a round
    "test_interval": 400,
    "test_episodes": 6,
    "parallel_test_envs": 3,
    "hidden_dim": 8,
    "mixer_embed_dim": 8,
    "target_update_episodes": 20,
}
CONFIG = resolve("3m", "roma", 3, overrides=SETTINGS)
QMIX = resolve("3m", "qmix", 3, overrides=SETTINGS)
MAVEN = resolve("3m", "maven", 3, overrides=SETTINGS)
ON_POLICY = {"batch_size": 4, "buffer_size": 4, "critic_hidden": 8, "target_update_steps": 100}
NOT_COMA = ("mixer_embed_dim", "target_update_episodes")
COMA_SETTINGS = {name: value for name, value in SETTINGS.items() if name not in NOT_COMA} | ON_POLICY
COMA = resolve("3m", "coma", 3, overrides=COMA_SETTINGS)


def results(directory):
    """The bytes of what identifies a run: metrics and policies."""
    files = [directory / "metrics.parquet", *sorted((directory / "policies").iterdir())]
    return {path.name: path.read_bytes() for path in files}


def run(directory, total_steps=TOTAL_STEPS, config=CONFIG, **options):
    directory.mkdir(exist_ok=True)
    return train(config, directory, total_steps, MILESTONES, **options)


def command(directory, total_steps):
    """The same in a process of its own, with a checkpoint after each round."""
    options = [*canonical_options(CONFIG), "--steps", str(total_steps), "--milestones", ",".join(map(str, MILESTONES))]
    return [sys.executable, "-m", "roma", "train", *options, "--checkpoint-seconds", "0", "--out", str(directory)]


def stop_in_round(monkeypatch, number, *signal_numbers):
    """Raises signals, by default SIGTERM, in the given round of the next run."""
    original, rounds = Run._play_round, iter(range(1, number + 1))

    def play_round(self, bar):
        if next(rounds, None) == number:
            for signal_number in signal_numbers or (signal.SIGTERM,):
                signal.raise_signal(signal_number)
        original(self, bar)

    monkeypatch.setattr(Run, "_play_round", play_round)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    directory = tmp_path_factory.mktemp("undisturbed")
    assert run(directory) is None
    return directory


def test_a_finished_run_has_all_outputs(undisturbed):
    for name in ("metrics.parquet", "timing.parquet"):
        assert pq.read_schema(undisturbed / name).metadata[b"format"] == b"1"
    table = pq.read_table(undisturbed / "metrics.parquet")
    assert tuple(table.column_names[:10]) == (*COUNTERS, *TEST_METRICS, *TRAIN_METRICS, "epsilon")
    assert {"loss", "loss_td", "grad_norm", "q_tot_mean", "role_entropy"} < set(table.column_names)
    assert [str(table.schema.field(name).type) for name in COUNTERS] == ["int64"] * 3
    rows = table.to_pylist()
    assert [row["t_env"] // 400 for row in rows] == [0, 1, 2, 3, 4]
    assert all(row["updates"] == row["episode"] // 4 - 1 for row in rows)  # the first after the second round
    assert json.loads((undisturbed / "config.json").read_text()) == CONFIG.to_json()
    provenance = json.loads((undisturbed / "provenance.json").read_text())
    assert (provenance["format"], provenance["config"]) == (1, CONFIG.to_json())
    assert (provenance["deterministic"], provenance["total_steps"]) == (True, TOTAL_STEPS)
    assert provenance["segments"][0]["engine_digest"] == envs.engine_digest("embedded")
    assert provenance["milestones"] == [0, 800, TOTAL_STEPS]
    names = {f"t{step}.safetensors" for step in provenance["milestones"]}
    assert {path.name for path in (undisturbed / "policies").iterdir()} == names
    assert len(pq.read_table(undisturbed / "timing.parquet")) == 5
    assert len((undisturbed / "train.log").read_text().splitlines()) == 6  # one a test, and the end


def test_the_learner_is_given_the_episode_counter_before_the_round(tmp_path, monkeypatch):
    episodes, original = [], Learner.update

    def update(self, batch, key, episode, epsilon):
        episodes.append(episode)
        return original(self, batch, key, episode, epsilon)

    monkeypatch.setattr(Learner, "update", update)
    run(tmp_path, total_steps=600, config=QMIX)
    assert episodes == list(range(4, 4 * len(episodes) + 1, 4))


def test_the_seed_decides(undisturbed, tmp_path):
    run(tmp_path, config=resolve("3m", "roma", 4, overrides=SETTINGS))
    assert results(tmp_path) != results(undisturbed)


@pytest.mark.parametrize("parallel_test_envs", [1, 6])
def test_how_many_tests_are_played_side_by_side_changes_nothing(undisturbed, tmp_path, parallel_test_envs):
    run(tmp_path, config=resolve("3m", "roma", 3, overrides={**SETTINGS, "parallel_test_envs": parallel_test_envs}))
    assert results(tmp_path)["metrics.parquet"] == results(undisturbed)["metrics.parquet"]


def test_every_row_after_an_update_has_the_health_of_the_role_losses(undisturbed):
    table = pq.read_table(undisturbed / "metrics.parquet")
    assert tuple(table.column_names[-len(ROLE_COLUMNS) :]) == tuple(ROLE_COLUMNS)
    between = {name for name in ROLE_COLUMNS if name.startswith("dissimilarity_between")}  # 3m has one type
    for row in table.to_pylist():
        measured = {name for name in ROLE_COLUMNS if math.isfinite(row[name])}
        assert measured == (ROLE_COLUMNS.keys() - between if row["updates"] else set())


def test_measuring_the_role_losses_changes_nothing_that_is_learnt(undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(RomaLearner, "diagnostics", lambda *arguments: {})
    run(tmp_path)
    tables = [pq.read_table(directory / "metrics.parquet") for directory in (undisturbed, tmp_path)]
    assert not tables[0].equals(tables[1])
    first, second = (table.drop_columns(list(ROLE_COLUMNS)).to_pandas() for table in tables)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    first, second = results(undisturbed), results(tmp_path)
    assert {name: first[name] for name in first if name != "metrics.parquet"} == {
        name: second[name] for name in second if name != "metrics.parquet"
    }


@pytest.mark.parametrize("rounds", [1, 2, 8])
def test_a_stopped_run_goes_on_as_if_nothing_had_happened(undisturbed, tmp_path, monkeypatch, rounds):
    stop_in_round(monkeypatch, rounds)
    assert run(tmp_path) == signal.SIGTERM
    assert not (tmp_path / "metrics.parquet").exists()
    assert run(tmp_path) is None
    assert results(tmp_path) == results(undisturbed)


@pytest.fixture
def usual_signals():
    """Signals act as in a terminal, also where the tests run under `nohup` or in the background, which ignore some."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    previous = {number: signal.signal(number, action) for number, action in usual.items()}
    yield
    for number, action in previous.items():
        signal.signal(number, action)


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU])
def test_a_signal_that_comes_twice_does_not_cost_the_checkpoint(tmp_path, monkeypatch, number):
    """A closed terminal sends SIGHUP from the kernel and from the shell, `timeout` sends SIGTERM to child and group."""
    stop_in_round(monkeypatch, 2, number, number)
    assert run(tmp_path) == number
    assert len(checkpoint.paths(tmp_path / "checkpoints")) == 1


@pytest.mark.usefixtures("usual_signals")
def test_a_second_interruption_by_hand_acts_at_once(tmp_path, monkeypatch):
    stop_in_round(monkeypatch, 2, signal.SIGINT, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)


def test_a_signal_that_is_ignored_from_the_start_stays_ignored(undisturbed, tmp_path, monkeypatch):
    """As `nohup` asks for."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop_in_round(monkeypatch, 2, signal.SIGHUP)
        assert run(tmp_path) is None
    finally:
        signal.signal(signal.SIGHUP, previous)
    assert results(tmp_path) == results(undisturbed)


@pytest.mark.usefixtures("usual_signals")
def test_a_run_whose_terminal_is_closed_writes_a_checkpoint(tmp_path):
    """The run gets SIGHUP, and an error wherever it draws its bar from then on."""
    terminal, device = pty.openpty()

    def own_terminal():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        command(tmp_path, 100_000),
        stdin=device,
        stdout=device,
        stderr=device,
        start_new_session=True,
        preexec_fn=own_terminal,
    )
    os.close(device)
    while not checkpoint.paths(tmp_path / "checkpoints"):
        assert process.poll() is None, os.read(terminal, 10_000)
        time.sleep(0.01)
    os.close(terminal)
    assert process.wait() == 128 + signal.SIGHUP
    assert json.loads((tmp_path / "progress.json").read_text())["state"] == "stopped"
    assert (tmp_path / "train.log").read_text().splitlines()[-1].endswith("the same command goes on from here")


def test_provenance_tells_apart_what_was_made_elsewhere(undisturbed, tmp_path, monkeypatch):
    """A run that is moved to another machine half way: what each made, in the order of its steps."""
    here = json.loads((undisturbed / "provenance.json").read_text())
    (segment,) = here["segments"]
    assert segment.keys() == describe().keys() | {"since_step", "engine_digest", "threads", "device"}
    assert here.keys() >= {"started", "finished", "resumes", "wall_seconds", "cpu_seconds"}
    assert segment["since_step"] == 0
    assert here["metrics_sha256"] == file_digest(undisturbed / "metrics.parquet")
    policies = RunDirectory(undisturbed).policy_file
    assert here["policies_sha256"] == {str(step): file_digest(policies(step)) for step in here["milestones"]}
    assert len(here["milestones"]) > 1
    stop_in_round(monkeypatch, 4)
    run(tmp_path)
    stop_in_round(monkeypatch, 2)
    run(tmp_path)  # still on the same machine
    monkeypatch.setattr(training, "describe", lambda: describe() | {"cpu": "Abacus", "git_revision": "later"})
    run(tmp_path)
    moved = json.loads((tmp_path / "provenance.json").read_text())
    before, after = moved["segments"]
    assert before == segment
    assert (after["cpu"], after["git_revision"], after["threads"]) == ("Abacus", "later", 1)
    assert 0 < after["since_step"] < TOTAL_STEPS
    assert moved["resumes"] == 2
    assert results(tmp_path) == results(undisturbed)


def test_on_request_a_run_goes_on_only_on_the_family_of_processors_that_began_it(undisturbed, tmp_path, monkeypatch):
    def play_on(family, rounds):
        monkeypatch.setattr(training, "describe", lambda: describe() | {"cpu_family": family})
        stop_in_round(monkeypatch, rounds)
        assert run(tmp_path, same_family=True) == signal.SIGTERM
        (newest, *_) = reversed(checkpoint.paths(tmp_path / "checkpoints"))
        return newest.name

    first = play_on("Abacus 9 (old)", 4)
    second = play_on("Slide-rule", 2)
    assert second < first  # begun anew
    aside = tmp_path / "checkpoints" / "elsewhere"
    assert [path.name for path in (aside / "Abacus-9-old-").iterdir()] == [first]
    assert json.loads((tmp_path / "progress.json").read_text())["cpu_family"] == "Slide-rule"
    third = play_on("Abacus 9 (old)", 1)
    assert third > first  # taken up again where it was
    assert [path.name for path in (aside / "Slide-rule").iterdir()] == [second]
    assert run(tmp_path, same_family=True) is None
    assert not aside.exists()
    assert results(tmp_path) == results(undisturbed)
    segments = json.loads((tmp_path / "provenance.json").read_text())["segments"]
    assert {segment["cpu_family"] for segment in segments} == {"Abacus 9 (old)"}


@pytest.mark.parametrize("config", [COMA, MAVEN], ids=["coma", "maven"])
def test_resuming_is_exact_with_further_state_of_the_learner(tmp_path, monkeypatch, config):
    """COMA counts critic steps; MAVEN's episodes have latents, and its policy over them a memory of its own."""
    run(tmp_path / "undisturbed", 800, config)
    stop_in_round(monkeypatch, 2)
    assert run(tmp_path / "stopped", 800, config) == signal.SIGTERM
    assert run(tmp_path / "stopped", 800, config) is None
    assert "resumed" in (tmp_path / "stopped" / "train.log").read_text()
    assert results(tmp_path / "stopped") == results(tmp_path / "undisturbed")


def test_coma_learns_from_the_round_just_played(tmp_path, monkeypatch):
    seen, original = [], Run._update

    def update(self, epsilon):
        seeds = [episode.seed for episode in self.replay.sample(4, 3, self.state.updates)]
        first = self.state.episode
        assert sorted(seeds) == sorted(episode_seed(3, Stream.TRAIN, first + each) for each in range(4))
        seen.append(epsilon)
        original(self, epsilon)

    monkeypatch.setattr(Run, "_update", update)
    run(tmp_path, 500, COMA)
    assert seen[0] == 0.5
    assert seen == sorted(seen, reverse=True)


def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path):
    steps = 6000
    run(tmp_path / "undisturbed", steps)
    directory = tmp_path / "killed"
    with (tmp_path / "stderr").open("w") as stderr:
        process = subprocess.Popen(command(directory, steps), stderr=stderr)
    while not checkpoint.paths(directory / "checkpoints"):
        assert process.poll() is None, (tmp_path / "stderr").read_text()
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.5))
    process.kill()
    assert process.wait() == -signal.SIGKILL
    run(directory, steps)
    assert "resumed" in (directory / "train.log").read_text()
    assert results(directory) == results(tmp_path / "undisturbed")


def test_a_damaged_checkpoint_costs_time_but_changes_nothing(undisturbed, tmp_path, monkeypatch):
    stop_in_round(monkeypatch, 8)
    run(tmp_path, checkpoint_seconds=0)
    newest = checkpoint.paths(tmp_path / "checkpoints")[-1]
    newest.write_bytes(newest.read_bytes()[:-100])
    run(tmp_path)
    assert f"{newest.name} is damaged" in (tmp_path / "train.log").read_text()
    assert results(tmp_path) == results(undisturbed)


def everything(directory):
    """The bytes of all files of a complete run but for its log, its progress and the checkpoints."""
    files = RunDirectory(directory)
    left_out = (files.log_file, files.progress_file)
    return {
        path: path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path not in left_out and files.checkpoint_folder not in path.parents
    }


def test_an_extended_run_equals_one_of_that_length(undisturbed, tmp_path):
    """Rows, milestones and evaluations are byte-equal; the shorter run's end stays as one more milestone."""
    half, files = TOTAL_STEPS // 2 - 100, RunDirectory(tmp_path)
    run(tmp_path, half)
    rows = files.read_metrics()
    evaluate(tmp_path, episodes=2)
    evaluate(tmp_path, episodes=2, step=0)
    shorter = everything(tmp_path)
    run(tmp_path, TOTAL_STEPS)
    longer, extended = results(undisturbed), results(tmp_path)
    assert {name: content for name, content in extended.items() if name in longer} == longer
    assert set(extended) - set(longer) == {files.policy_file(half).name}
    assert files.policy_file(half).read_bytes() == shorter[files.policy_file(half)]
    assert files.provenance["milestones"] == [0, half, 800, TOTAL_STEPS]
    pd.testing.assert_frame_equal(files.read_metrics()[: len(rows)], rows, check_exact=True)
    for step in (0, half):
        assert files.evaluation_file(step).read_bytes() == shorter[files.evaluation_file(step)]
    evaluate(undisturbed, episodes=2, step=0)
    evaluate(undisturbed, episodes=2, step=800)
    evaluate(tmp_path, episodes=2, step=800)
    for step in (0, 800):
        other = RunDirectory(undisturbed).evaluation_file(step)
        assert files.evaluation_file(step).read_bytes() == other.read_bytes()


def test_the_shorter_run_stays_complete_until_the_longer_one_takes_its_place(undisturbed, tmp_path, monkeypatch):
    """A signal, a failure and a full disk in mid-extension change none of its bytes."""
    run(tmp_path, TOTAL_STEPS // 2)
    shorter = everything(tmp_path)

    def check():
        assert RunDirectory(tmp_path).completed_steps(CONFIG) == TOTAL_STEPS // 2
        assert {path: content for path, content in everything(tmp_path).items() if path in shorter} == shorter

    with monkeypatch.context() as stopped:
        stop_in_round(stopped, 2)
        assert run(tmp_path) == signal.SIGTERM
    check()
    with monkeypatch.context() as failing:
        failing.setattr(RomaLearner, "update", lambda *arguments: {"loss": math.nan})
        with pytest.raises(UserError, match="loss is nan"):
            run(tmp_path)
    check()
    with monkeypatch.context() as full:
        write_bytes = Path.write_bytes

        def until_the_end(path, content):
            if content.startswith(b"PAR1"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write_bytes(path, content)

        full.setattr(Path, "write_bytes", until_the_end)
        with pytest.raises(UserError, match=r"timing\.parquet could not be written: No space left on device"):
            run(tmp_path)
    check()
    assert run(tmp_path, TOTAL_STEPS // 2) is None  # and is no reason to do anything
    check()
    assert run(tmp_path) is None
    longer = results(undisturbed)
    assert {name: content for name, content in results(tmp_path).items() if name in longer} == longer


def test_a_run_killed_in_mid_extension_is_complete_as_it_was(tmp_path):
    run(tmp_path, TOTAL_STEPS)
    shorter = everything(tmp_path)
    before = checkpoint.paths(tmp_path / "checkpoints")
    with (tmp_path.parent / f"{tmp_path.name}-stderr").open("w") as stderr:
        process = subprocess.Popen(command(tmp_path, 100_000), stderr=stderr)
        while len(set(checkpoint.paths(tmp_path / "checkpoints")) - set(before)) < 2:
            assert process.poll() is None, stderr.name
            time.sleep(0.01)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert RunDirectory(tmp_path).completed_steps(CONFIG) == TOTAL_STEPS
    assert {path: content for path, content in everything(tmp_path).items() if path in shorter} == shorter


def test_a_longer_complete_run_is_taken_for_a_shorter_one(undisturbed):
    before = results(undisturbed)
    assert run(undisturbed, TOTAL_STEPS // 2) is None
    assert results(undisturbed) == before
    assert "nothing to do" in (undisturbed / "train.log").read_text()


def test_an_unfinished_run_is_not_shortened(tmp_path, monkeypatch):
    stop_in_round(monkeypatch, 8)
    assert run(tmp_path) == signal.SIGTERM
    before = checkpoint.paths(tmp_path / "checkpoints")
    with pytest.raises(UserError, match="already has"):
        run(tmp_path, 100)
    assert checkpoint.paths(tmp_path / "checkpoints") == before


def test_a_complete_run_is_left_alone_and_lost_outputs_are_written_again(undisturbed, tmp_path):
    directory = shutil.copytree(undisturbed, tmp_path / "run")
    times = {path: path.stat().st_mtime_ns for path in directory.rglob("*") if path.suffix != ".log"}
    run(directory)
    assert "nothing to do" in (directory / "train.log").read_text()
    assert all(path.stat().st_mtime_ns == moment for path, moment in times.items() if path.name != "lock")
    for name in ("metrics.parquet", "policies/t0.safetensors"):
        (directory / name).unlink()
    run(directory)
    assert results(directory) == results(undisturbed)


def test_a_complete_run_without_checkpoints_is_not_thrown_away(undisturbed, tmp_path):
    directory = shutil.copytree(undisturbed, tmp_path / "run", ignore=shutil.ignore_patterns("t0000*"))
    run(directory)
    with pytest.raises(UserError, match="no checkpoint to go on from"):
        run(directory, TOTAL_STEPS * 2)
    assert results(directory) == results(undisturbed)


def test_a_run_of_another_configuration_is_replaced_only_on_request(undisturbed, tmp_path):
    directory = shutil.copytree(undisturbed, tmp_path / "run")
    with pytest.raises(UserError, match=r"holds a run with algorithm = roma \(not qmix\); choose another folder"):
        run(directory, config=QMIX)
    assert results(directory) == results(undisturbed)
    run(directory, config=QMIX, replace=True)
    with pytest.raises(UserError, match=r"holds a run with algorithm = qmix \(not roma\); choose another folder"):
        run(directory)  # what QMIX has no setting for is not listed
    run(tmp_path / "plain", config=QMIX)
    assert "STARTING AFRESH" in (directory / "train.log").read_text()
    assert results(directory) == results(tmp_path / "plain")


@pytest.mark.parametrize(("version", "other"), [("engine_version", "2"), ("algorithm_version", 2)])
def test_a_run_of_another_version_is_replaced_only_on_request(undisturbed, tmp_path, version, other):
    directory = shutil.copytree(undisturbed, tmp_path / "run")
    changed = dataclasses.replace(CONFIG, **{version: other})
    with pytest.raises(UserError, match=rf"holds a run with {version} = 1 \(not 2\)"):
        run(directory, config=changed)
    assert results(directory) == results(undisturbed)
    run(directory, config=changed, replace=True)
    assert "STARTING AFRESH" in (directory / "train.log").read_text()
    assert json.loads((directory / "provenance.json").read_text())["config"][version] == other


def test_sources_of_the_engine_are_information_alone(undisturbed, tmp_path, monkeypatch):
    """A docstring in the engine changes its source digest: the run goes on, and says which state made which steps."""
    run(tmp_path, TOTAL_STEPS // 2)
    monkeypatch.setattr(envs, "engine_digest", lambda engine: "changed")
    run(tmp_path)
    assert [part["engine_digest"] for part in RunDirectory(tmp_path).provenance["segments"]][1:] == ["changed"]
    longer = results(undisturbed)
    assert {name: content for name, content in results(tmp_path).items() if name in longer} == longer


def test_a_run_has_one_writer(undisturbed):
    before = results(undisturbed)
    with checkpoint.only_writer(undisturbed / "checkpoints"):
        second = subprocess.run(command(undisturbed, TOTAL_STEPS * 2), text=True, capture_output=True)
    assert second.returncode == 2
    assert second.stderr == f"error: another process is writing the run in {undisturbed}\n"
    assert results(undisturbed) == before


def test_a_complete_run_stays_whole_while_a_longer_one_begins_anew_elsewhere(undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "describe", lambda: describe() | {"cpu_family": "Abacus"})
    run(tmp_path, TOTAL_STEPS // 2)
    shorter = everything(tmp_path)
    monkeypatch.setattr(training, "describe", lambda: describe() | {"cpu_family": "Slide-rule"})
    with monkeypatch.context() as stopped:
        stop_in_round(stopped, 2)
        assert run(tmp_path, same_family=True) == signal.SIGTERM
    assert RunDirectory(tmp_path).completed_steps(CONFIG) == TOTAL_STEPS // 2
    assert {path: content for path, content in everything(tmp_path).items() if path in shorter} == shorter
    assert run(tmp_path, same_family=True) is None
    segments = RunDirectory(tmp_path).provenance["segments"]
    assert {(segment["since_step"], segment["cpu_family"]) for segment in segments} == {(0, "Slide-rule")}
    longer = results(undisturbed)
    assert {name: content for name, content in results(tmp_path).items() if name in longer} == longer


def test_a_full_disk_elsewhere_is_not_blamed_on_the_run(tmp_path, monkeypatch):
    def update(self, *arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/another/place")

    monkeypatch.setattr(Learner, "update", update)
    with pytest.raises(OSError, match="No space left on device: '/another/place'"):
        run(tmp_path, config=QMIX)


def test_where_there_are_no_locks_the_run_goes_on_and_says_so(tmp_path, monkeypatch):
    original = fcntl.flock

    def flock(file, operation):
        if file.name.startswith(str(tmp_path)):
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        original(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    assert run(tmp_path, 200, QMIX) is None
    assert "knows no locks" in (tmp_path / "train.log").read_text()
    second = RunDirectory(tmp_path).checkpoint_folder
    with checkpoint.only_writer(second), pytest.raises(UserError, match="another process is writing"):
        run(tmp_path, 400, QMIX)


def test_a_run_waits_for_another_writer_on_request(undisturbed, tmp_path):
    directory = shutil.copytree(undisturbed, tmp_path / "run")
    with checkpoint.only_writer(RunDirectory(directory).checkpoint_folder):
        second = subprocess.Popen([*command(directory, TOTAL_STEPS), "--wait"], stderr=subprocess.PIPE, text=True)
        assert second.stderr.readline() == f"waiting for another process that is writing the run in {directory}\n"
    assert second.communicate()[1].endswith(
        f"nothing to do: {directory} is complete with {TOTAL_STEPS} environment steps\n"
    )
    assert second.returncode == 0


@pytest.mark.parametrize(
    ("name", "rate", "statistic"),
    [
        ("qmix", "learning_rate", "loss"),
        ("roma", "learning_rate", "loss"),
        ("qtran", "learning_rate", "loss"),
        ("coma", "critic_learning_rate", "loss_critic"),
        ("maven", "latent_learning_rate", "latent_policy_entropy"),
    ],
)
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, name, rate, statistic):
    settings = COMA_SETTINGS if name == "coma" else SETTINGS
    config = resolve("3m", name, 3, overrides={**settings, rate: 1e30})
    message = rf"^{statistic} is (nan|inf) in update \d+ at \d+ environment steps; last checkpoint: none; seeds of "
    with pytest.raises(UserError, match=message):
        run(tmp_path, config=config)
    assert not checkpoint.paths(tmp_path / "checkpoints")


def test_a_loss_that_is_not_finite_names_the_last_checkpoint_and_the_episodes(tmp_path, monkeypatch):
    """The third update goes wrong; what the run knew before it stays, and the same command goes on from there."""
    updates, original = [], Learner.update

    def update(self, batch, *arguments):
        updates.append(batch)
        return original(self, batch, *arguments) | ({"loss": math.nan} if len(updates) == 3 else {})

    monkeypatch.setattr(Learner, "update", update)
    with pytest.raises(UserError) as error:
        run(tmp_path, config=QMIX, checkpoint_seconds=0)
    kept = checkpoint.paths(tmp_path / "checkpoints")
    assert "loss is nan in update 2 at " in str(error.value)
    assert f"last checkpoint: {kept[-1]};" in str(error.value)
    seeds = str(error.value).partition("seeds of the batch's episodes: ")[2].split(", ")
    assert len(set(map(int, seeds))) == SETTINGS["batch_size"]
    assert run(tmp_path, config=QMIX) is None
    assert set(map(int, seeds)) <= {episode_seed(3, Stream.TRAIN, index) for index in range(16)}


@pytest.mark.parametrize("device", ["abacus", "meta"])
def test_a_device_that_does_not_compute_here_is_an_error(tmp_path, device):
    with pytest.raises(UserError, match=f"'{device}' cannot be used"):
        run(tmp_path, device=device)
