"""The command line: mistakes are one line, status 2, and come before any work."""

import json
import signal
import subprocess
import sys

import pytest

from roma.cli import main
from roma.runs import training

GOOD = {"--map": "3m", "--algorithm": "roma", "--seed": "0"}
MISTAKES = [
    ({"--map": "3n"}, "did you mean '3m'"),
    ({"--algorithm": "romma"}, "did you mean 'roma'"),
    ({"--seed": "-1"}, "the seed must lie between"),
    ({"--seed": "one"}, "not a whole number"),
    ({"--protocol": "smac"}, "did you mean 'smac_v1'"),
    ({"--engine": "embeded"}, "did you mean 'embedded'"),
    ({"--steps": "0"}, "at least 1"),
    ({"--steps": "many"}, "not a whole number"),
    ({"--set": "gamma"}, "key=value"),
    ({"--set": "gama=0.9"}, "did you mean 'gamma'"),
    ({"--set": "gamma=high"}, "not a finite number"),
    ({"--milestones": "0,-2"}, "no step may be negative"),
    ({"--milestones": "0,0.5"}, "0.5' is not a whole number"),
    ({"--threads": "0"}, "at least 1"),
    ({"--checkpoint-seconds": "soon"}, "not a finite number"),
    ({"--out": "a_file/run"}, "cannot write"),
    ({"--stepz": "3"}, "unrecognized arguments"),
]

PLAY_MISTAKES = [
    (["--map", "3n"], "did you mean '3m'"),
    ([], "--map is missing"),
    (["--map", "3m", "--policy", "heuristics"], "did you mean 'heuristic'"),
    (["--map", "3m", "--seed", "-1"], "must lie between"),
    (["--map", "3m", "--seed", "one"], "not a whole number"),
    (["--map", "3m", "--policy", "random", "--checkpoint", "a_file"], "not allowed with"),
    (["--checkpoint", "nowhere"], "there is no nowhere"),
    (["--replay", "nowhere"], "there is no nowhere"),
    (["--replay", "a_file", "--map", "3m"], "leave out --map"),
    (["--map", "3m", "--out", "a_file/pictures"], "cannot write"),
]

ROLLOUT_MISTAKES = [
    (["nowhere"], "there is no folder nowhere"),
    ([".", "--episodes", "0"], "must be at least 1"),
    ([".", "--earlier-episodes", "few"], "not a whole number"),
]

PROGRAM = """
import json, sys
from roma.cli import main
for arguments in json.loads(sys.argv[1]):
    print(main(arguments), "torch" in sys.modules or "numba" in sys.modules)
"""


def arguments(changes):
    return ["train", *(text for pair in (GOOD | changes).items() for text in pair)]


def test_mistakes_are_one_line_and_cost_nothing(tmp_path):
    (tmp_path / "a_file").touch()
    commands = [arguments(changes) for changes, _ in MISTAKES] + [["play", *options] for options, _ in PLAY_MISTAKES]
    commands += [["rollout", *options] for options, _ in ROLLOUT_MISTAKES]
    messages = [message for _, message in MISTAKES + PLAY_MISTAKES + ROLLOUT_MISTAKES]
    commands += [["train"], ["trian"], []]
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(commands)], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert finished.stdout.splitlines() == ["2 False"] * len(commands)
    lines = finished.stderr.splitlines()
    assert len(lines) == len(commands)
    for line, message in zip(lines, messages, strict=False):
        assert line.startswith("error: ")
        assert message in line
    assert [path.name for path in tmp_path.iterdir()] == ["a_file"]


@pytest.mark.parametrize(("number", "status"), [(None, 0), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_exit_status_says_which_signal_stopped_the_run(tmp_path, monkeypatch, number, status):
    monkeypatch.setattr(training, "train", lambda *arguments: number)
    assert main(arguments({"--out": str(tmp_path)})) == status


def test_the_default_folder_and_total_steps(tmp_path, monkeypatch):
    seen = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, "train", lambda *arguments: seen.extend(arguments))
    assert main(arguments({"--protocol": "smac_v1", "--map": "10z5b_vs_2z3s"})) == 0
    config, directory, steps = seen[:3]
    assert str(directory) == "data/embedded/manual/runs/10z5b_vs_2s3z/roma/seed0"
    assert directory.is_dir()
    assert (config.protocol, steps) == ("smac_v1", 2_000_000)
