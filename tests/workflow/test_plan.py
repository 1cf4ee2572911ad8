"""Plan of a campaign: the cost of each tranche, and the claims that it can decide."""

import pytest
import yaml

from analysis import claims
from roma.cli import main
from tests.workflow.conftest import TINY
from workflow import plan
from workflow.cost import Speed, cell_of
from workflow.grid import expand

SCALE = TINY | {
    "protocol": "paper",
    "tranches": ["first", "second", "third"],
    "maps": ["3m", "8m"],
    "seeds": [0, 1],
    "cells": [
        {"tranche": "first", "maps": ["3m"], "arms": ["roma"], "seeds": [0], "total_steps": 1000},
        {"tranche": "second", "maps": ["3m"], "arms": ["roma", "qmix"], "total_steps": 2000},
        {"tranche": "third", "maps": ["8m"], "arms": ["roma"], "total_steps": 2000},
    ],
}
CLAIM = {
    "id": "example",
    "question": "primary",
    "place": "section 0",
    "statement": "One is above another.",
    "kind": "difference",
    "measure": "final_win_rate",
    "contrast": [{"arm": "roma", "map": "3m"}],
    "expect": {"above": 0.0},
    "minimum_steps": {"paper": 2000, "smac_v1": 1},
}


@pytest.fixture
def deciding(tmp_path):
    """Return the tranche that can decide a claim, given by its differences from CLAIM."""

    def asked(**changes):
        file = tmp_path / "claims.yaml"
        file.write_text(yaml.safe_dump({"claims": [CLAIM | changes]}))
        claim = next(claim for claim in claims.load(file) if claim.id == "example")
        return plan.deciding_tranche(claim, expand(SCALE, "example"))

    return asked


def test_a_claim_is_decided_once_all_seeds_of_all_its_cells_are_long_enough(deciding):
    assert deciding() == "second"  # the first has one seed, and it is too short
    assert deciding(minimum_steps={"paper": 1000, "smac_v1": 1}) == "second"
    terms = [{"arm": "roma", "map": name} for name in ("3m", "8m")]
    assert deciding(contrast=terms) == "third"
    assert deciding(minimum_steps={"paper": 2001, "smac_v1": 1}) is None
    assert deciding(contrast=[{"arm": "iql", "map": "3m"}]) is None
    assert deciding(scale="lambda") is None


def test_a_claim_waits_for_all_its_parts(deciding):
    contrast = [{"arm": "roma", "map": "each"}]
    assert deciding(each_map=["3m"], contrast=contrast) == "second"
    assert deciding(each_map=["3m", "8m"], contrast=contrast) == "third"
    assert deciding(each_map=["3m", "8m", "2s3z"], contrast=contrast) is None


def test_hours_are_those_of_what_a_tranche_adds():
    grid = expand(SCALE, "example")
    speeds = {cell_of(run): Speed(*cell_of(run), 10.0, 2, "a processor") for run in grid.runs.values()}
    assert plan.tranche_cost("first", grid, speeds) == (1, 0, pytest.approx(1000 / 36_000), False)
    assert plan.tranche_cost("second", grid, speeds) == (3, 1, pytest.approx((3 * 2000 + 1000) / 36_000), False)
    del speeds["8m", "roma", "paper"]
    assert plan.tranche_cost("third", grid, speeds) == (2, 0, 0.0, True)


def test_the_command_has_a_line_for_each_tranche_and_every_claim_once(capsys):
    assert main(["campaign", "plan"]) == 0
    lines = capsys.readouterr().out.splitlines()
    tranches = ["pilot", "T0", "V", "T1", "T1b", "T2", "T3", "T4", "T5", "readings"]
    assert [line.split()[0] for line in lines[1:11]] == tranches
    listed = [claim.id for claim in claims.load()]
    words = [word.rstrip("*") for line in lines for word in line.split() if word.rstrip("*") in listed]
    assert sorted(words) == sorted(listed)
    assert {word for line in lines for word in line.split() if word.endswith("*") and len(word) > 1} == {
        "study_lead*",
        "study_losses*",
        "position_first*",
        "roles_matter*",
    }


def test_a_scale_without_tranches_is_sent_to_its_cost(capsys):
    assert main(["campaign", "plan", "--scale", "lab"]) == 2
    assert "lab.yaml has no tranches: roma cost lab prints its cost" in capsys.readouterr().err
