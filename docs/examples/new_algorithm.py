"""Compare your own algorithm with QMIX: train both, draw their learning curves, print final win rates.

    python docs/examples/new_algorithm.py --map 3m --steps 100000 --seeds 3

The algorithm is the folder `algorithms/hysteretic` beside this file: a setting and a loss. `add_folder` registers it in
this process. To keep it, copy the folder into `roma/learners`. `roma train --algorithm hysteretic` then finds it. If a
scale file has its name, `make figures SCALE=...` trains and draws it.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd
import yaml

from roma import learners
from roma.cli import main

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--map", default="3m", help="name of a map; default: 3m")
parser.add_argument("--steps", default="100000", help="environment steps of a run; default: 100000")
parser.add_argument("--seeds", type=int, default=3, help="runs of each algorithm; default: 3")
parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, as in `roma train`")
parser.add_argument("--out", type=Path, default=Path("data/embedded/manual/compared"), help="folder of the output")
options = parser.parse_args()

learners.add_folder(Path(__file__).parent / "algorithms")
arms = ["hysteretic", "qmix"]
figure = {"title": "Hysteretic QMIX", "plot": "curves", "maps": [options.map], "arms": arms}
options.out.mkdir(parents=True, exist_ok=True)
(options.out / "figures.yaml").write_text(yaml.safe_dump({"curves": figure}), encoding="utf-8")

settings = [word for each in options.set for word in ("--set", each)]
commands = []
for seed in map(str, range(options.seeds)):
    for arm in arms:
        run = str(options.out / "runs" / options.map / arm / f"seed{seed}")
        names = ["--map", options.map, "--algorithm", arm, "--seed", seed, "--protocol", "smac_v1"]
        commands += [["train", *names, "--steps", options.steps, *settings, "--out", run]]
        commands += [["evaluate", run, "--episodes", "32"]]
summary = str(options.out / "summary")
commands += [["summarise", str(options.out)]]
commands += [
    ["plot", "curves", "--summary", summary, "--figures", str(options.out / "figures.yaml"), "--out", str(options.out)]
]
for command in commands:
    print("$ roma", *command, flush=True)
    if status := main(command):
        sys.exit(status)

finals = pd.read_parquet(options.out / "summary" / "finals.parquet")
print("\nfinal win rate (mean of the tests in the last tenth of a run), over seeds:")
print(finals.groupby("arm")["final_win_rate"].agg(["mean", "min", "max", "count"]).round(3).to_string())
print(f"learning curves: {options.out}/curves.png")
