from itertools import count

import pytest

from roma.cli import main
from tests.analysis.summaries import CLAIM, judged_all, write_summary
from tests.synthetic import write_runs

SCALE = {
    "scale": "lab",
    "engine": "embedded",
    "protocol": "smac_v1",
    "seeds": [0, 1, 2],
    "total_steps": 200_000,
    "milestones": [0],
    "evaluation_episodes": 16,
    "maps": ["MMM2", "10z5b_vs_2s3z"],
    "ablation_maps": ["MMM2"],
    "cells": [{"maps": "maps", "arms": ["roma", "qmix"]}],
    "figures": ["fig04"],
    "curves": ["test_battle_won_mean"],
}


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """data/embedded/lab with three seeds of two arms on two maps, and their summary."""
    root = tmp_path_factory.mktemp("results")
    write_runs(SCALE, root)
    folder = root / "data" / "embedded" / "lab"
    cells = [(map_name, arm) for map_name in SCALE["maps"] for arm in ("roma", "qmix")]
    names = [f"{map_name}/{arm}/seed{seed}" for map_name, arm in cells for seed in SCALE["seeds"]]
    assert main(["summarise", str(folder), "--runs", *names]) == 0
    return folder


@pytest.fixture
def judge(tmp_path):
    """Return a function that judges one claim, given by its differences from CLAIM, on a summary of given numbers."""

    scales = (tmp_path / f"scale{number}" for number in count())

    def judged(changes, win_rates, variant="roma", **more):
        summary = write_summary(next(scales) / "summary", win_rates, **more)
        verdicts = judged_all([CLAIM | changes], summary)
        return next(verdict for verdict in verdicts if verdict.variant == variant)

    return judged
