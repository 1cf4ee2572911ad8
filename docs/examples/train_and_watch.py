"""Train a team, evaluate it in 64 greedy episodes, and draw one episode as a film.

    python docs/examples/train_and_watch.py --map 3m --algorithm qmix --steps 100000

This takes some minutes. The same command with more steps extends the run.
"""

import argparse
import sys
from pathlib import Path

from roma.cli import main

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--map", default="3m", help="name of a map; default: 3m")
parser.add_argument("--algorithm", default="qmix", help="name of an algorithm; default: qmix")
parser.add_argument("--steps", default="100000", help="environment steps; default: 100000")
parser.add_argument("--episodes", default="64", help="greedy episodes after training; default: 64")
parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, as in `roma train`")
parser.add_argument("--out", type=Path, default=Path("data/embedded/manual/watched"), help="folder of the output")
options = parser.parse_args()

run, film = str(options.out / "run"), str(options.out / "film")
settings = [word for each in options.set for word in ("--set", each)]
names = ["--map", options.map, "--algorithm", options.algorithm, "--seed", "0", "--protocol", "smac_v1"]
for command in (
    ["train", *names, "--steps", options.steps, *settings, "--out", run],
    ["evaluate", run, "--episodes", options.episodes],
    ["play", "--checkpoint", run, "--out", film],
):
    print("$ roma", *command, flush=True)
    if status := main(command):
        sys.exit(status)
print(f"watch {film}/battle.gif; single frames lie in {film}/frames")
