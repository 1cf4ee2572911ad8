"""Training order of the runs of a campaign."""

import json

from tests.synthetic import write_run
from tests.workflow.conftest import TINY
from workflow.campaign import order
from workflow.campaign.order import Standing, priorities
from workflow.cost import Speed, cell_of
from workflow.grid import expand

SCALE = TINY | {"seeds": [0], "maps": ["3m"], "cells": [{"maps": ["3m"], "arms": ["qmix"]}]}


def test_the_order_of_runs():
    def run(name, tranche=0, left=100, seconds=100.0, begun=False, elsewhere=False):
        return Standing((name, "qmix", 0), tranche, left, seconds, begun, elsewhere)

    runs = [
        run("later", tranche=1, begun=True),
        run("elsewhere", begun=True, elsewhere=True, left=1, seconds=1.0),
        run("new"),
        run("begun", begun=True, seconds=70.0),
        run("nearly done", begun=True, left=10, seconds=50.0),
        run("can be finished", left=20, seconds=60.0),
    ]
    expected = ["nearly done", "can be finished", "begun", "new", "later", "elsewhere"]
    found = priorities(runs, seconds_left=65.0)
    assert [key[0] for key in sorted(found, key=found.get, reverse=True)] == expected
    assert max(found.values()) < order.EVALUATION
    assert found["elsewhere", "qmix", 0] == 0
    endless = priorities(runs, seconds_left=float("inf"))
    assert max(endless, key=endless.get)[0] == "nearly done"


def test_a_run_that_was_begun_on_another_family_is_known_by_its_progress(tmp_path):
    (run, *_) = expand(SCALE, "tiny").runs.values()
    first = order.standing(run, tmp_path, "this", (), {cell_of(run): Speed(*cell_of(run), 50.0, 1, "Abacus")})
    assert (first.begun, first.seconds) == (False, run.total_steps / 50)
    write_run(run, tmp_path / "runs" / run.directory, 5, 4)
    said = {"t_env": 40_000, "steps_per_second": 100.0, "cpu_family": "this"}
    (tmp_path / "runs" / run.directory / "progress.json").write_text(json.dumps(said))
    assert order.standing(run, tmp_path, "this", (), {}) == Standing(run.key, 0, 60_000, 600.0, True, False)
    assert order.standing(run, tmp_path, "another", (), {}).elsewhere
    assert not order.standing(run, tmp_path, None, (), {}).elsewhere  # on a cluster
