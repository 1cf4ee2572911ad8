"""Logs for other people's viewers: what they read back is the run's metrics, however often the run was stopped."""

import csv
import json
import shutil
import signal
import tomllib

import pytest

from roma.cli import main
from roma.runs import loggers
from roma.runs.directory import RunDirectory
from roma.support.errors import UserError
from tests.runs.training.short_runs import CONFIG, QMIX, everything, results, run, stop_in_round

TAKE = pytest.mark.parametrize("kind", loggers.KINDS)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A finished run without logs."""
    directory = tmp_path_factory.mktemp("undisturbed")
    assert run(directory, config=QMIX) is None
    return directory


def needed(kind):
    """Skip a test where the package of a kind of log is missing."""
    if package := loggers.PACKAGES.get(kind):
        pytest.importorskip(package, reason=f"{package} is in the extra loggers, which is not installed")


def read(kind, directory):
    """The rows of a log as a viewer reads them, by environment step in the order of the file."""
    folder = RunDirectory(directory).viewer_folder
    return {"csv": read_csv, "tensorboard": read_tensorboard, "wandb": read_wandb}[kind](folder)


def read_csv(folder):
    with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
    return [(row["t_env"], row) for row in rows]


def read_tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (file,) = (folder / "tensorboard").iterdir()
    events = EventAccumulator(str(file)).Reload()
    rows = {}
    for name in events.Tags()["scalars"]:
        for event in events.Scalars(name):
            values = rows.setdefault(event.step, {})
            assert name not in values  # no row is there twice
            values[name] = event.value
    return list(rows.items())


def read_wandb(folder):
    from wandb.proto import wandb_internal_pb2
    from wandb.sdk.internal.datastore import DataStore

    (file,) = (folder / "wandb").glob("offline-run-*/*.wandb")
    store, rows = DataStore(), []
    store.open_for_scan(str(file))
    while (content := store.scan_data()) is not None:
        record = wandb_internal_pb2.Record()
        record.ParseFromString(content)
        if record.WhichOneof("record_type") == "history":
            told = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            step = told.pop("_step")
            rows.append((step, {name: value for name, value in told.items() if not name.startswith("_")}))
    return rows


def assert_holds(kind, directory):
    """Assert that a log has exactly the rows of the tables, in their order."""
    files = RunDirectory(directory)
    tables = files.read_metrics().join(files.read_timing()[list(loggers.CLOCKS)]).to_dict("records")
    wanted = [(row["t_env"], {name: value for name, value in row.items() if value == value}) for row in tables]
    precision = 1e-6 if kind == "tensorboard" else 0  # event files have single precision
    found = read(kind, directory)
    assert [step for step, _ in found] == [step for step, _ in wanted]
    for (_, values), (_, row) in zip(found, wanted, strict=True):
        assert values == pytest.approx(row, rel=precision, abs=0)


@TAKE
def test_a_log_has_every_row_once_and_changes_nothing(undisturbed, tmp_path, monkeypatch, kind):
    needed(kind)
    stop_in_round(monkeypatch, 3)
    assert run(tmp_path, config=QMIX, logs=[kind]) == signal.SIGTERM
    shutil.copytree(tmp_path / "checkpoints", tmp_path / "earlier")
    assert run(tmp_path, config=QMIX, logs=[kind]) is None
    assert_holds(kind, tmp_path)
    assert results(tmp_path) == results(undisturbed)

    # Killed after tests that no checkpoint has: the log has rows that come again.
    for name in ("metrics.parquet", "timing.parquet", "provenance.json", "policies"):
        path = tmp_path / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(tmp_path / "checkpoints")
    (tmp_path / "earlier").rename(tmp_path / "checkpoints")
    assert run(tmp_path, config=QMIX, logs=[kind]) is None
    assert_holds(kind, tmp_path)
    assert results(tmp_path) == results(undisturbed)
    names = {path.relative_to(tmp_path) for path in everything(tmp_path) if "viewers" not in path.parts}
    assert names == {path.relative_to(undisturbed) for path in everything(undisturbed)}


@TAKE
def test_a_complete_run_gets_the_logs_of_its_tables(undisturbed, tmp_path, kind):
    needed(kind)
    shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
    before = everything(tmp_path)
    assert run(tmp_path, config=QMIX, logs=[kind, kind]) is None
    assert_holds(kind, tmp_path)
    assert {path: content for path, content in everything(tmp_path).items() if path in before} == before


def test_without_being_asked_nothing_is_written_and_another_run_leaves_none_behind(undisturbed, tmp_path):
    assert not RunDirectory(undisturbed).viewer_folder.exists()
    shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
    run(tmp_path, config=QMIX, logs=["csv"])
    assert [path.name for path in RunDirectory(tmp_path).viewer_folder.iterdir()] == ["metrics.csv"]
    run(tmp_path, total_steps=100, config=CONFIG, replace=True)
    assert not RunDirectory(tmp_path).viewer_folder.exists()


def test_a_log_that_cannot_be_written_does_not_end_the_run(undisturbed, tmp_path, monkeypatch):
    def fail(self, row, moment):
        raise OSError("no room")

    monkeypatch.setattr(loggers.CsvLog, "add", fail)
    assert run(tmp_path, config=QMIX, logs=["csv"]) is None
    assert results(tmp_path) == results(undisturbed)
    assert (tmp_path / "train.log").read_text().count("the log csv ends here: OSError('no room')") == 1


def test_a_log_that_cannot_be_begun_stops_before_any_step(tmp_path):
    RunDirectory(tmp_path).viewer_folder.write_text("a file in the folder's place")
    with pytest.raises(UserError, match="--log csv: "):
        run(tmp_path, config=QMIX, logs=["csv"])
    assert not list((tmp_path / "checkpoints").glob("t*"))


@pytest.mark.parametrize("kind", loggers.PACKAGES)
def test_a_missing_package_is_named_before_any_work(tmp_path, monkeypatch, capsys, kind):
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    command = ["train", "--map", "3m", "--algorithm", "qmix", "--seed", "0", "--out", str(tmp_path / "run")]
    assert main([*command, "--log", f"csv,{kind}"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"error: --log {kind} needs the package {loggers.PACKAGES[kind]}, which is not installed: ")
    assert "pip install -c constraints.txt -e '.[loggers]'" in said
    assert not (tmp_path / "run").exists()


def test_an_unknown_kind_is_refused(tmp_path, capsys):
    command = ["train", "--map", "3m", "--algorithm", "qmix", "--seed", "0", "--out", str(tmp_path / "run")]
    assert main([*command, "--log", "csv,tensorbord"]) == 2
    said = capsys.readouterr().err
    assert "'tensorbord' is not a known value of --log (did you mean 'tensorboard'?)" in said
    assert "known: csv, tensorboard, wandb" in said
    assert not (tmp_path / "run").exists()


def test_the_extra_brings_every_package(root):
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras["loggers"]) == set(loggers.PACKAGES.values())
