"""Memory of a run with a full replay buffer on the largest map."""

import json
import subprocess
import sys

import pytest

GIGABYTE = 1e9

PROGRAM = """
import json, logging, resource, sys
from pathlib import Path

import numpy as np

from roma.runs.config import resolve
from roma.runs.experience.runner import Episode
from roma.runs.loop import Run

algorithm, directory = sys.argv[1:]
config = resolve("27m_vs_30m", algorithm, 0)
log = logging.getLogger("test")
run = Run(config, "", Path(directory), 10**7, [], "cpu", 1, log, None)
run.env.reset(np.arange(8))
units = run.env.snapshots[0].copy()
limit, agents = run.env.info.episode_limit, run.env.info.n_agents
for seed in range(config.protocol_settings.buffer_size):
    snapshots = np.repeat(units[None], limit + 1, 0)
    actions = np.ones((limit, agents), np.uint8)
    run.replay.insert([Episode(seed, snapshots, actions, np.ones(limit, np.float32), True, False)])
for _ in range(3):
    run._update(0.05)
run._save_checkpoint()
stored = sum(episode.snapshots.nbytes for episode in run.replay.episodes)
print(json.dumps([stored, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))
"""


@pytest.mark.parametrize("algorithm", ["qmix", "roma"])
def test_a_full_replay_of_the_largest_map_stays_under_6_gigabytes(tmp_path, algorithm):
    """The paper's protocol: 5 000 episodes of 180 steps, updates of 32 of them, and a checkpoint."""
    (tmp_path / "checkpoints").mkdir()
    command = [sys.executable, "-c", PROGRAM, algorithm, str(tmp_path)]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    stored, peak = json.loads(finished.stdout)
    print(f"{algorithm}: {stored / GIGABYTE:.2f} GB of snapshots, the process at most {peak / GIGABYTE:.2f} GB")
    assert peak < 6 * GIGABYTE
