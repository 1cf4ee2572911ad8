"""Mistakes on the command line: one line, exit status 2, before any work."""

import json
import subprocess
import sys

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
    ({"--stepz": "3"}, "'--stepz' is not a known option of roma train (did you mean '--steps'?); known: --algorithm, "),
    ({"--threads": "1", "3": "4"}, "'3' is one argument too many (see roma train --help)"),
]

PLAY_MISTAKES = [
    (["--map", "3n"], "did you mean '3m'"),
    ([], "--map is missing"),
    (["--map", "3m", "--policy", "heuristics"], "did you mean 'heuristic'"),
    (["--map", "3m", "--seed", "-1"], "must lie between"),
    (["--map", "3m", "--seed", "one"], "not a whole number"),
    (["--map", "3m", "--policy", "random", "--checkpoint", "a_file"], "not allowed with"),
    (["--checkpoint", "nowhere"], "there is no file or folder nowhere"),
    (["--recording", "nowhere"], "there is no file or folder nowhere"),
    (["--recording", "a_file", "--map", "3m"], "leave out --map"),
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
