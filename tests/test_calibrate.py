"""`roma calibrate`: the engine's play beside the published one, and that the fit holds."""

from __future__ import annotations

import csv
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from roma import calibrate
from roma.cli import main
from roma.envs.skirmish.options import DEFAULT_CHOICES, Choices
from roma.errors import UserError


def test_published_numbers() -> None:
    known = calibrate.published()
    assert list(known) == ["2s3z", "3s5z", "5m_vs_6m", "10m_vs_11m", "27m_vs_30m", "MMM2"]
    assert known["2s3z"] == calibrate.Published(54.2, 19.1, 25, 2.07, 0.9, "recalled")


def test_battles_do_not_depend_on_how_many_stand_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripted play has no chance of its own: each battle is its seed's, whatever the width and the count."""
    lengths, won = calibrate.battles("2s3z", 7, DEFAULT_CHOICES, scripted=True)
    monkeypatch.setattr(calibrate, "SIDE_BY_SIDE", 3)
    again = calibrate.battles("2s3z", 7, DEFAULT_CHOICES, scripted=True)
    np.testing.assert_array_equal(again[0], lengths)
    np.testing.assert_array_equal(again[1], won)
    assert (lengths > 0).all()


@pytest.mark.parametrize("map_name", ["2s3z", "5m_vs_6m", "10m_vs_11m", "MMM2"])
def test_the_engine_is_within_its_tolerances(map_name: str) -> None:
    """A change of rules that spoils the fit shows here; 3s5z, near a bound, and 27m_vs_30m, slow, only in the table."""
    row = calibrate.measure(map_name, 250, 0)
    assert row.within, row
    assert np.isnan(row.untrained_return)


def test_settings_reach_the_battles() -> None:
    usual, _ = calibrate.battles("5m_vs_6m", 100, DEFAULT_CHOICES, scripted=False)
    hawk_eyed, _ = calibrate.battles("5m_vs_6m", 100, Choices(acquire_range=9), scripted=False)
    assert hawk_eyed.mean() < usual.mean() - 1


def test_every_choice_has_alternatives_that_differ_from_it() -> None:
    assert set(calibrate.ALTERNATIVES) == set(asdict(DEFAULT_CHOICES))
    for name, values in calibrate.ALTERNATIVES.items():
        for value in values:
            assert replace(DEFAULT_CHOICES, **{name: value}) != DEFAULT_CHOICES


def test_the_readmes_tables_are_whole_and_agree() -> None:
    """They were written by one run of the command: settings, maps, published numbers and the defaults' play."""
    text = (calibrate.PUBLISHED.parent / "README.md").read_text(encoding="utf-8")
    blocks = [block.splitlines() for block in text.split("\n\n")]
    tables = [[line.strip("| ").split(" | ") for line in block] for block in blocks if block[0].startswith("| ")]
    settings, measured, sensitivity = (table[2:] for table in tables)
    assert [row[0].strip("`") for row in settings] == list(calibrate.ALTERNATIVES)
    for row, (name, known) in zip(measured, calibrate.published().items(), strict=True):
        assert row[0] == name
        assert row[2] == f"{known.random_length:.1f} ({known.random_spread:.1f})"
        assert row[5] == f"{known.untrained_return:.2f}"
        assert row[7] == f"{known.scripted_win_rate:.0%} ({known.scripted_source})"
    assert [row[0] for row in sensitivity] == list(calibrate.variants())
    assert sensitivity[0][1:] == [f"{row[1].split()[0]}, {row[6]}" for row in measured]


@pytest.mark.parametrize("wrong", [{"look_every": 0}, {"backswing": 1.5}, {"formation_breadth": 0.0}, {"patience": -1}])
def test_settings_out_of_bounds_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        Choices(**wrong)  # type: ignore[arg-type]


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--maps", "5m_vs_6m", "--battles", "8", "--networks", "1", "--set", "patience=3", "--sensitivity"]
    assert main(["calibrate", *options, "--out", str(tmp_path)]) == 0
    names = {"calibration.csv", "calibration.md", "calibration.pdf", "calibration.png", "sensitivity.md"}
    assert {path.name for path in tmp_path.iterdir()} == names
    with (tmp_path / "calibration.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["map"] == "5m_vs_6m"
    assert float(row["published_random_length"]) == 30.8
    assert 0 < float(row["untrained_return"]) < 20
    printed = capsys.readouterr().out
    assert (tmp_path / "calibration.md").read_text() in printed
    assert "| acquire_range = 7.0 |" in (tmp_path / "sensitivity.md").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--maps", "3m"], "3m"),
        (["--set", "patience=often"], "patience"),
        (["--set", "learning_rate=1"], "learning_rate"),
        (["--battles", "0"], "--battles"),
    ],
)
def test_mistakes(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
