"""The results of the study in words: the page of the clone, and what it says of studies that are made up."""

import re
from pathlib import Path

import pandas as pd
import pytest

from analysis.claims import characteristics
from roma.cli import main
from roma.support.errors import UserError
from tests.analysis.summaries import around, write_summary
from workflow.pages import results

LENGTHS = {"10m_vs_11m": 8_000_000, "10z5b_vs_2s3z": 8_000_000, "MMM2": 10_000_000}
LANDED = Path("data", "embedded", "study", "tranches")


@pytest.fixture
def powers(root):
    return characteristics.read_powers((root / characteristics.PAGE).read_text())


def made_up(folder, tranche, levels, seeds=5, protocol="paper", further=None):
    """A landed tranche whose arms have these levels on the three maps of the ablations."""
    cells = {f"{name}/{arm}": around(level, seeds) for name in LENGTHS for arm, level in levels.items()}
    steps = {cell: LENGTHS[cell.partition("/")[0]] for cell in cells}
    measured = [("mean_share", around(0.9, seeds)), ("changed_by_exchange", around(0.3, seeds))]
    roles = [("MMM2/roma", name, LENGTHS["MMM2"], "roles", values) for name, values in measured if "roma" in levels]
    summary = write_summary(
        folder / LANDED / tranche / "summary", cells, roles, steps=steps, planned=PLANNED | (further or {})
    )
    pairs = [
        {"map": "MMM2", "arm": "roma", "seed": seed, "step": step, "scaling": scaling, "relation": relation}
        | {"d_mean": mean + 0.01 * seed, "pairs": 10}
        for seed in range(seeds)
        for step, scaling, relation, mean in (
            (0, "step", "between", 0.5),
            (10_000_000, "step", "between", 0.8),
            (10_000_000, "step", "within", 0.1),
            (10_000_000, "data set", "between", 0.3),
        )
    ]
    pd.DataFrame(pairs).to_parquet(summary / "dissimilarity.parquet")
    runs = pd.read_parquet(summary / "runs.parquet")
    runs.assign(protocol=protocol).to_parquet(summary / "runs.parquet")
    return summary


SEEDS = {"roma": 5, "roma_td": 5, "qmix": 5, "qmix_lar_matched": 3}
PLANNED = {f"{name}/{arm}": seeds for name in LENGTHS for arm, seeds in SEEDS.items()}


def line(page, claim):
    """The line of a claim, below the summary."""
    (found,) = [each for each in page.partition("## Claim by claim")[2].splitlines() if f"(`{claim}`" in each]
    return found


def test_the_page_of_the_clone_is_that_of_its_latest_tranche(root, monkeypatch, powers):
    monkeypatch.chdir(root)
    page = results.PAGE.read_text()
    assert page == results.render(results.read(root), powers), "roma docs results writes it anew"
    assert (root / "docs" / results.CHECKED).exists()


def test_verdicts_estimates_and_costs_are_said(root, tmp_path, monkeypatch, powers):
    monkeypatch.chdir(root)
    made_up(tmp_path, "T1", {"roma": 0.5, "qmix": 0.7, "roma_td": 0.2})
    page = results.render(results.read(tmp_path), powers)
    assert "45 of 306 planned runs in 9 cells" in page
    contradicted, reproduced = line(page, "study_lead"), line(page, "study_losses")
    assert contradicted.startswith(
        "- **Contradicted on this engine**: At the end of training, ROMA has a higher win rate than QMIX"
    )
    assert re.search(r"-0\.2 \[-0\.2\d*, -0\.1\d*\], 5 seeds\.", contradicted)
    assert "Still to be trained" not in contradicted
    assert reproduced.startswith("- **Reproduced on this engine**")
    assert "| MMM2 | 0.70 (5) | 0.50 (5) | 0.20 (5) |" in page

    # The paper's own numbers: of the last milestone, scaled within a moment.
    numbers = {
        row.split(" | ")[2]: row.split(" | ")[4:9]
        for row in page.splitlines()
        if row.startswith(("| MMM2 | ROMA", "| MMM2 | $L_{TD}$"))
    }
    assert numbers["dissimilarity between unit types"][0] == "0.82"
    assert numbers["dissimilarity within unit types"][0] == "0.12"
    assert numbers["environment steps at the first win"][0] == "10000000"
    assert numbers["win rate at 10 M steps less that at 6 M"][-1] == "5"
    assert numbers["best test win rate"] == ["0.2", "0.18 to 0.22", "0.18", "0.22", "5"]

    of_roles = page.partition("## How much roles matter")[2].partition("## ")[0]
    assert "| MMM2 | ROMA | 0.90 [0.88, 0.92] | – | 0.30 [0.28, 0.32] |" in of_roles
    assert "MMM2 | QMIX" not in of_roles

    # What has no runs yet says with what power it will be asked, and what is still to be trained.
    waiting = line(page, "not_for_its_matched_size")
    assert "No runs yet" in waiting
    assert f"Power for an effect of 0.2 at 3 seeds: {powers['not_for_its_matched_size', 'n 3, 0.2']}." in waiting
    runs, hours = re.search(r"Still to be trained: (\d+) runs, ([\d.]+) core-hours", waiting).groups()
    assert int(runs) == 9
    assert 3 < float(hours) < 15
    never = line(page, "state_of_the_art")
    assert "Still to be trained" not in never  # the study will never train its cells
    cells = never.partition(" The scale study does not train ")[2].removesuffix(".").split(", ")
    assert "27m_vs_30m/maven" in cells
    assert len(cells) == len(set(cells))  # each cell once, although it is missing in several parts
    assert line(page, "weights_of_losses").endswith(" The scale lambda has no summary.")


def test_a_tie_is_undecided_and_the_tranche_with_most_runs_counts(root, tmp_path, monkeypatch, powers):
    monkeypatch.chdir(root)
    made_up(tmp_path, "T1", {"roma": 0.5, "qmix": 0.5, "roma_td": 0.5})
    made_up(tmp_path, "T1b", {"roma": 0.5})
    page = results.render(results.read(tmp_path), powers)
    assert "summary of tranche T1," in page
    assert line(page, "study_lead").startswith("- **Undecided**")
    assert "The interval includes the threshold" in line(page, "study_lead")


def test_other_readings_stand_beside_ours(root, tmp_path, monkeypatch, powers):
    monkeypatch.chdir(root)
    planned = {"10m_vs_11m/roma_mask_dead": 1, "10m_vs_11m/roma_mean_role": 1}

    def section(folder):
        page = results.render(results.read(folder), powers)
        return page.partition("## Other readings of the paper")[2].partition("## ")[0]

    made_up(tmp_path / "ours", "T1", {"roma": 0.5, "qmix": 0.7}, further=planned)
    assert "No run with another reading yet." in section(tmp_path / "ours")

    summary = made_up(tmp_path / "both", "T1", {"roma": 0.5, "roma_mask_dead": 0.3}, further=planned)
    values = {"roma": "false", "roma_mask_dead": "true"}
    settings = [
        {"map": name, "arm": arm, "setting": "mask_dead", "value": values[arm]} for name in LENGTHS for arm in values
    ]
    pd.DataFrame(settings).to_parquet(summary / "settings.parquet")
    both = section(tmp_path / "both")
    assert "| 10m_vs_11m | mask_dead = true (false) | 5 | 0.30 [0.28, 0.32] | -0.20 [-0.2" in both
    assert "| 10m_vs_11m | roma_mean_role | 0 | – | – | – | – |" in both
    assert "Missing runs: 10m_vs_11m/roma_mean_role" in both


def test_where_the_engine_is_not_validated_no_verdict_is_given(root, tmp_path, monkeypatch, powers):
    monkeypatch.chdir(root)
    made_up(tmp_path, "T1", {"roma": 0.5, "qmix": 0.2, "roma_td": 0.2}, protocol="smac_v1")
    page = results.render(results.read(tmp_path), powers)
    assert "Engine not validated here: 10m_vs_11m, MMM2." in page
    said = line(page, "study_lead")
    assert said.startswith("- **Engine not validated here**")
    assert "5 seeds. Engine not validated here: MMM2, 10m_vs_11m; no public run to compare with" in said


def test_powers_are_read_as_they_are_written():
    table = pd.DataFrame(
        [
            {"world": "as stated", "lead": lead, "deviation": 0.1, "collapsed": share, "seeds": seeds, "claim": "one"}
            | {"question": "all", "true": True, "power": lead + share, "false": 0.0}
            for lead in characteristics.SHOWN
            for share in characteristics.COLLAPSED
            for seeds in (3, 5)
        ]
    )
    powers = characteristics.read_powers("\n".join(characteristics._powers(table)))
    assert powers["one", "n 5, 0.2"] == "0.20 (0.40)"
    assert len(powers) == 2 * len(characteristics.SHOWN) + 1


def test_without_a_complete_tranche_it_is_one_line(tmp_path, root, monkeypatch, capsys):
    with pytest.raises(UserError, match="no tranche of the scale study is complete"):
        results.read(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["docs", "results"]) == 2
    assert "roma docs works in a clone of the project" in capsys.readouterr().err
