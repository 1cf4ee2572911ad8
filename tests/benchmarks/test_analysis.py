"""From finished runs and recorded battles of the whole lab grid to all figures, tables, claims and the report.

The commands are those that the rules call, the plots two at a time; runs are synthetic. Seconds of each are printed
(`pytest -s`), and those of all by the clock and by processor time, of which the plots share two cores: what others do
on the machine counts in the first only.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import yaml

from analysis import figure_list
from tests.benchmarks.processor import processor_seconds
from tests.synthetic import write_runs

CORES = 2
LIMIT = 120  # seconds


def test_from_finished_runs_to_the_report(root, tmp_path):
    config = yaml.safe_load((root / "workflow" / "config" / "lab.yaml").read_text())
    runs = write_runs(config, tmp_path, points=config["total_steps"] // 10_000 + 1)  # a test each 10 000 steps
    results, pages = tmp_path / "data" / "embedded" / "lab", tmp_path / "figures"
    inputs = ["--summary", str(results / "summary")]

    def roma(*arguments: str) -> None:
        start = time.perf_counter()
        environment = os.environ | {"OMP_NUM_THREADS": "1"}  # as Snakemake has it for one thread
        subprocess.run([sys.executable, "-m", "roma", *arguments], check=True, cwd=root, env=environment)
        print(f"{time.perf_counter() - start:8.1f} s  {' '.join(arguments[:2])}")

    start, moments = time.perf_counter(), [processor_seconds()]
    roma("summarise", str(results))
    moments.append(processor_seconds())
    with ThreadPoolExecutor(CORES) as pool:
        list(
            pool.map(
                lambda name: roma("plot", name, *inputs, "--out", str(pages)), figure_list.chosen(config["figures"])
            )
        )
    moments.append(processor_seconds())
    roma("report", "--figures", str(pages), *inputs, "--out", str(pages / "report.html"))
    moments.append(processor_seconds())

    summary, plots, report = (after - before for before, after in pairwise(moments))
    needed = summary + plots / CORES + report
    print(f"{len(runs)} runs: {time.perf_counter() - start:.0f} s by the clock, {needed:.0f} s on {CORES} idle cores")
    assert (pages / "report.html").stat().st_size > 1e6
    assert needed < LIMIT
