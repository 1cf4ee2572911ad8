"""Simulated studies: levels under the null, the power that the design states, and rates with closed forms."""

import numpy as np
import pandas as pd
import pytest

from analysis import claims
from analysis.claims import characteristics
from analysis.claims.evidence import AREA, BEST, FINAL, UNSTEADINESS
from analysis.claims.simulation import WORLDS, Point, WinRates, coverage, simulate
from roma.cli import main

DRAWS = 400


@pytest.fixture(scope="module")
def listed():
    return claims.load()


def rates(listed, *point, only=""):
    """Return the rates at a point of the grid, by claim, and those of families, by question."""
    found = simulate(listed, Point(*point, only=only), DRAWS, np.random.default_rng(0))
    return {rate.claim or rate.question: rate for rate in found}


@pytest.mark.parametrize(("claim", "seeds", "deviation", "lead", "least"), characteristics.ASKED)
def test_the_powers_that_were_asked_for(listed, claim, seeds, deviation, lead, least):
    found = rates(listed, "as stated", lead, deviation, 0.0, seeds)[claim]
    assert found.true
    assert found.power >= least - 2 * np.sqrt(least * (1 - least) / DRAWS)


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("collapsed", [0.0, 0.2])
@pytest.mark.parametrize(("world", "lead"), [("as stated", 0.0), ("ROMA alone", 0.3), ("otherwise", 0.2)])
def test_a_family_seldom_has_a_wrong_verdict(listed, world, lead, collapsed, seeds):
    """The bound is 5 %, plus three standard errors for this number of studies."""
    found = rates(listed, world, lead, 0.1, collapsed, seeds)
    allowed = 0.05 + 3 * np.sqrt(0.05 * 0.95 / DRAWS)
    assert {name: rate.reproduced for name, rate in found.items() if not rate.claim and rate.reproduced > allowed} == {}


def test_worlds_make_claims_true_and_false(listed):
    truths = {world: rates(listed, world, 0.2, 0.1, 0.0, 5) for world in WORLDS}
    true = {world: {name for name, rate in found.items() if rate.true} for world, found in truths.items()}
    assert {"maven_below_qmix", "homogeneous_maps", "identifiability_steadies"} <= true["as stated"]
    assert "more_agents_more_advantage" in true["many agents"] - true["as stated"]
    assert "more_agents_more_need_of_losses" in true["most agents"] - true["many agents"]
    assert "maven_below_qmix" not in true["ROMA alone"] | true["otherwise"]
    assert "identifiability_alone_hardly_helps" not in true["otherwise"]
    judged = {claim.id for claim in listed if not claim.estimate and claim.parts and "roma" not in claim.settled}
    assert judged <= set.union(*true.values())


@pytest.mark.parametrize("measure", [FINAL, AREA, UNSTEADINESS])
@pytest.mark.parametrize("collapsed", [0.0, 0.2])
def test_the_truth_is_the_mean_of_what_is_seen(measure, collapsed):
    wins = WinRates(Point("as stated", 0.5, 0.2, collapsed, 5), 20_000, np.random.default_rng(1))
    for arm in ("roma", "roma_td_ld"):
        seen = wins.seen("MMM2", arm, measure)
        error = seen.std() / np.sqrt(seen.size)
        assert abs(seen.mean() - wins.truth("MMM2", arm, measure)) < 4 * error + 1e-3


def test_equal_levels_are_equal_truths():
    wins = WinRates(Point("ROMA alone", 0.3, 0.2, 0.2, 5), 1, np.random.default_rng(0))
    assert wins.truth("MMM2", "qmix", FINAL) == wins.truth("6z4b", "maven", FINAL) < wins.truth("6z4b", "roma", FINAL)


def test_a_wider_study_decides_more(listed):
    few, many = (rates(listed, "as stated", 0.2, 0.1, 0.0, seeds) for seeds in (3, 10))
    assert all(many[claim.id].power >= few[claim.id].power - 0.05 for claim in listed if claim.id in few)


def test_students_t_with_collapsed_seeds():
    """Compares the rates with those in analysis.statistics and on the page."""
    assert coverage(5, 0.0, 20_000) == pytest.approx(0.95, abs=0.01)
    assert coverage(3, 0.2, 20_000) == pytest.approx(0.49, abs=0.01)
    assert coverage(5, 0.2, 20_000) == pytest.approx(0.66, abs=0.01)


def test_upper_bounds_are_exact():
    assert characteristics.upper_bound(0.0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))
    assert characteristics.upper_bound(1.0, 100) == 1.0


@pytest.fixture
def small_grid(monkeypatch):
    """Replace the grid by two points, and a third in which only seeds of ROMA collapse."""
    points = [Point("as stated", 0.2, 0.1, collapsed, seeds) for collapsed in (0.0, 0.2) for seeds in (3, 5, 10)]
    monkeypatch.setattr(characteristics, "GRID", tuple(points))
    monkeypatch.setattr(characteristics, "ONE_SIDED", tuple(points))
    monkeypatch.setattr(characteristics, "DRAWS_OF_COVERAGE", 100)


def test_the_command_writes_the_page_and_the_grid(small_grid, tmp_path, monkeypatch, root, listed):
    monkeypatch.setattr(characteristics, "PAGE", tmp_path / "page.md")
    monkeypatch.chdir(root)
    assert main(["claims", "--simulate", "--draws", "40", "--table", str(tmp_path / "grid.csv")]) == 0
    page = (tmp_path / "page.md").read_text()
    judged = [claim for claim in listed if claim.parts and not claim.estimate and "roma" not in claim.settled]
    assert all(f"| `{claim.id}` |" in page for claim in judged)
    assert "40 studies at each" in page
    assert (tmp_path / "grid.csv").read_text().startswith("world,lead,deviation,collapsed,seeds,only,question,claim,")
    of_maps = pd.read_csv(tmp_path / "grid.csv").query("claim == 'homogeneous_maps' and true and seeds == 5")
    plain, collapsed = of_maps.set_index("collapsed").loc[[0.0, 0.2], "power"]
    assert f"| `homogeneous_maps` | 5 | 0.1 | 0.2 | 0.70 | {plain:.3f} |" in page
    assert characteristics.read_powers(page)["homogeneous_maps", "n 5, 0.2"] == f"{plain:.2f} ({collapsed:.2f})"
    assert main(["claims", "--simulate", "--draws", "40", "--table", str(tmp_path / "again.csv")]) == 0
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "grid.csv").read_bytes()
    assert (tmp_path / "page.md").read_text() == page


def test_the_page_of_the_clone_is_of_these_claims(root):
    page = (root / characteristics.PAGE).read_text()
    assert f"claims {claims.claims_digest()}" in page
    assert f"{characteristics.DRAWS:,} studies at each" in page


def test_the_command_lists_the_claims(root, monkeypatch, capsys, listed):
    monkeypatch.chdir(root)
    assert main(["claims"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(listed)
    assert "choice of lambda: weights_of_losses (estimate): " in "\n".join(lines)


@pytest.mark.parametrize("option", [["--draws", "5"], ["--table", "grid.csv"]])
def test_what_belongs_to_the_simulation_needs_it(option, capsys):
    assert main(["claims", *option]) == 2
    assert "--draws and --table need --simulate" in capsys.readouterr().err


def test_a_measure_without_a_model_is_no_win_rate():
    with pytest.raises(ValueError, match="best_test_win_rate is not simulated"):
        WinRates(Point("as stated", 0.3, 0.1, 0.0, 5), 1, np.random.default_rng(0)).seen("MMM2", "roma", BEST)
