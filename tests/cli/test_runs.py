"""`roma train`: its exit status and its defaults."""

import signal

import pytest

from roma.cli import main
from roma.runs import training

COMMAND = ("train", "--map", "3m", "--algorithm", "roma", "--seed", "0")


@pytest.mark.parametrize(("number", "status"), [(None, 0), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_exit_status_says_which_signal_stopped_the_run(tmp_path, monkeypatch, number, status):
    monkeypatch.setattr(training, "train", lambda *arguments: number)
    assert main([*COMMAND, "--out", str(tmp_path)]) == status


def test_the_default_folder_and_total_steps(tmp_path, monkeypatch):
    seen = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, "train", lambda *arguments: seen.extend(arguments))
    assert main([*COMMAND, "--protocol", "smac_v1", "--map", "10z5b_vs_2z3s"]) == 0
    config, directory, steps = seen[:3]
    assert str(directory) == "data/embedded/manual/runs/10z5b_vs_2s3z/roma/seed0"
    assert directory.is_dir()
    assert (config.protocol, steps) == ("smac_v1", 2_000_000)
