"""Cost of a scale, from measured speeds."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from roma.cli import main
from roma.support.errors import UserError
from workflow import cost
from workflow.cost import Speed, read_speeds, report, scale_names, scale_runs, write_speeds

PROCESSOR = "Example, 2.0 GHz"


def speeds(scale: str, steps_per_cpu_second: float) -> dict[cost.Cell, Speed]:
    """Return the same speed for every cell of a scale."""
    cells = {cost.cell_of(run) for run in scale_runs(scale)}
    return {cell: Speed(*cell, steps_per_cpu_second, 2, PROCESSOR) for cell in cells}


def test_the_cost_is_the_sum_over_runs() -> None:
    """345 runs of 2 million steps at 1 000 steps a second: 2 000 s each."""
    lines = report("lab", speeds("lab", 1000.0)).splitlines()
    assert lines[-2:] == [
        "lab: 192 core-hours of training for 345 runs",
        f"measured on {PROCESSOR}, 2 runs in parallel",
    ]
    assert lines[0].split() == ["map", "arm", "runs", "steps", "each", "steps/CPU", "s", "core-hours"]
    assert len(lines) == 1 + 69 + 1 + 2
    assert lines[1].split() == ["2s3z", "roma", "5", "2,000,000", "1,000", "2.8"]


def test_a_run_without_a_measured_speed_is_as_fast_as_the_slowest_of_its_map_or_uses_its_time_limit() -> None:
    (run, *_) = scale_runs("lab")
    measured = speeds("lab", 1000.0)
    assert cost.expected_speed(run, measured) == 1000.0
    map_name, algorithm, protocol = cost.cell_of(run)
    del measured[map_name, algorithm, protocol]
    slowest = (map_name, "qmix", protocol)
    measured[slowest] = replace(measured[slowest], steps_per_cpu_second=250.0)
    measured["MMM2", "qmix", protocol] = replace(measured["MMM2", "qmix", protocol], steps_per_cpu_second=10.0)
    assert cost.expected_speed(run, measured) == 250.0
    assert cost.expected_speed(run, {}) == run.total_steps / (60 * run.runtime_minutes(1))


def test_the_notice_names_a_command_only_if_it_knows_the_scale() -> None:
    runs = scale_runs("lab")
    nothing = {run.key: 0 for run in runs}
    assert cost.notice("lab", runs, nothing, None).endswith(" core-hours (roma cost lab)")
    assert cost.notice("compare_mine_2s3z", runs, nothing, None).endswith(" core-hours")


def test_each_run_has_the_speed_of_its_map_algorithm_and_protocol() -> None:
    measured = speeds("lab", 1000.0)
    cell = ("MMM2", "qmix", "smac_v1")
    twice_as_fast = measured | {cell: Speed(*cell, 2000.0, 2, "Another")}
    slow, fast = (report("lab", each).splitlines() for each in (measured, twice_as_fast))
    assert [line for line in fast[:70] if line not in slow] == [line for line in fast[:70] if "2,000 " in line]
    assert {line for line in fast if line not in slow} == {
        f"{'MMM2':<18}{'qmix':<26}{5:>5}{'2,000,000':>13}{'2,000':>13}{'1.4':>12}",
        "lab: 190 core-hours of training for 345 runs",
        "measured on Another, 2 runs in parallel",
    }


def test_what_is_not_measured_is_said_and_left_out() -> None:
    command = "to measure cells: python -m tests.benchmarks.cells CELL ... --write"
    assert report("lambda", {}).splitlines()[-1] == f"not measured: 10m_vs_11m/roma/paper MMM2/roma/paper; {command}"
    assert report("lab", {}).splitlines()[-1] == (
        "not measured: 10m_vs_11m/coma/smac_v1 10m_vs_11m/iql/smac_v1 10m_vs_11m/maven/smac_v1 and 66 more; " + command
    )
    some = speeds("lambda", 1000.0)
    del some["MMM2", "roma", "paper"]
    lines = report("lambda", some).splitlines()
    assert lines[-3:] == [
        "lambda: 418 core-hours of training for 75 of 150 runs",
        f"measured on {PROCESSOR}, 2 runs in parallel",
        f"not measured: MMM2/roma/paper; {command}",
    ]
    assert sum("not measured" in line for line in lines[:-1]) == 25


@pytest.mark.parametrize("scale", scale_names())
def test_every_scale_has_a_cost(scale: str) -> None:
    assert report(scale, speeds(scale, 500.0)).splitlines()[-1] == f"measured on {PROCESSOR}, 2 runs in parallel"


def test_an_unknown_scale_is_an_error_that_lists_all() -> None:
    with pytest.raises(UserError, match=r"'laab' is not a known scale \(did you mean 'lab'\?\); known: demo, .*smoke"):
        report("laab", {})


def test_speeds_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = speeds("lab", 1234.5)
    write_speeds(written.values(), tmp_path / "cost.csv")
    assert read_speeds(tmp_path / "cost.csv") == written


def test_kept_speeds_are_of_cells_that_there_are() -> None:
    known = {cost.cell_of(run) for scale in scale_names() for run in scale_runs(scale)}
    paper = {(*cell[:2], protocol) for cell in known for protocol in ("paper", "smac_v1")}
    kept = read_speeds()
    assert kept.keys() <= paper
    assert all(
        speed.steps_per_cpu_second > 0 and speed.side_by_side >= 1 and speed.processor for speed in kept.values()
    )


def test_the_command_prints_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root / "docs")
    monkeypatch.setattr(cost, "read_speeds", lambda: speeds("lab", 1000.0))
    assert main(["cost", "lab"]) == 0
    assert "lab: 192 core-hours of training for 345 runs\n" in capsys.readouterr().out
    assert main(["cost", "laab"]) == 2
    assert capsys.readouterr().err.startswith("error: 'laab' is not a known scale (did you mean 'lab'?); known: demo, ")
    monkeypatch.chdir(tmp_path)
    assert main(["cost", "lab"]) == 2
    assert capsys.readouterr().err.startswith("error: roma cost works in a clone of the project: neither ")


def test_a_cell_is_measured(root: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.cells", "3m/qmix/paper", "--steps", "200", "--side-by-side", "2"]
    done = subprocess.run(command, cwd=root, text=True, capture_output=True, check=True)
    head, cell = done.stdout.splitlines()
    assert done.stderr == ""
    assert head == "environment steps per second of processor time, 2 runs side by side"
    assert cell.split()[0] == "3m/qmix/paper"
    assert float(cell.split()[1].replace(",", "")) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["MMM2/roma"], "'MMM2/roma' is not of the form map/algorithm/protocol, as in 2s3z/roma/paper"),
        (["MMM3/roma/paper"], "'MMM3' is not a known map (did you mean 'MMM'?)"),
        (["--algorithm", "romma"], "'romma' is not a known algorithm of these cells (did you mean 'roma'?)"),
        (["--steps", "0"], "--steps = 0 must be at least 1"),
    ],
)
def test_wrong_cells_are_errors(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.benchmarks.cells import main as measure

    assert measure(arguments) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_the_papers_cells_are_measured_under_both_protocols() -> None:
    from tests.benchmarks.cells import paper_cells

    assert len(paper_cells()) == len(set(paper_cells())) == 2 * 69
