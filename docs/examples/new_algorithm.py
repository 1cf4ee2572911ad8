"""Compare your own algorithm with the shipped runs: train it, draw its curves beside theirs, print win rates.

    python docs/examples/new_algorithm.py --steps 100000 --seeds 3       # at equal steps
    python docs/examples/new_algorithm.py --steps 2000000 --seeds 3      # the shipped length: an hour each

The algorithm is the folder `algorithms/hysteretic` beside this file: a setting and a loss. `add_folder` registers it in
this process. To keep it, copy the folder into `roma/learners`. Then `roma train --algorithm hysteretic` finds it, and
this command does the same as the script, with runs side by side:

    roma compare hysteretic --map 10m_vs_11m --protocol smac_v1

Without `--protocol`, it compares with five seeds each of QMIX, ROMA and ROMA without role losses under the paper's
protocol. Three runs of 8 million steps then took 66 minutes on two cores.
"""

import argparse
import os
import sys
from pathlib import Path

from roma import learners
from roma.cli import main

HERE = Path(__file__).resolve().parent
MAP, PROTOCOL = "10m_vs_11m", "smac_v1"  # runs of QMIX and IQL ship

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", default="100000", help="environment steps of a run; default: 100000")
parser.add_argument("--seeds", type=int, default=3, help="number of runs; default: 3")
parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, as in `roma train`")
parser.add_argument("--out", type=Path, default=Path("data/embedded/manual/compared"), help="folder of the output")
options = parser.parse_args()

learners.add_folder(HERE / "algorithms")
out = options.out.absolute()
os.chdir(HERE)  # `roma compare` reads the shipped runs of the clone that it is called in
runs = [str(out / "runs" / f"seed{seed}") for seed in range(options.seeds)]
settings = [word for each in options.set for word in ("--set", each)]
names = ["--map", MAP, "--algorithm", "hysteretic", "--protocol", PROTOCOL, "--steps", options.steps, *settings]
commands = [["train", *names, "--seed", str(seed), "--out", run] for seed, run in enumerate(runs)]
commands += [["compare", "hysteretic", "--map", MAP, "--runs", *runs, "--out", str(out)]]
for command in commands:
    print("$ roma", *command, flush=True)
    if status := main(command):
        sys.exit(status)
