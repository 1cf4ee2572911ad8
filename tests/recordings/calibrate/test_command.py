"""`roma calibrate`: the files that it writes, and mistakes."""

import csv
from pathlib import Path

import pytest

from roma.cli import main
from roma.recordings.calibrate import sensitivity


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensitivity, "ALTERNATIVES", {"acquire_range": (7.0,)})
    options = ["--maps", "5m_vs_6m", "--battles", "8", "--networks", "1", "--set", "patience=3", "--sensitivity"]
    assert main(["calibrate", *options, "--out", str(tmp_path)]) == 0
    names = {"calibration.csv", "calibration.md", "calibration.pdf", "calibration.png", "sensitivity.md"}
    assert {path.name for path in tmp_path.iterdir()} == names
    with (tmp_path / "calibration.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["map"] == "5m_vs_6m"
    assert float(row["random_published_median"]) == 25.5
    assert (row["random_episodes"], row["network_returns_count"]) == ("8", "1")
    assert 0 <= float(row["network_returns_median"]) < 20
    printed = capsys.readouterr().out
    assert (tmp_path / "calibration.md").read_text() in printed
    lines = (tmp_path / "sensitivity.md").read_text().splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| as chosen", "| acquire_range = 7.0"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--maps", "3m"], "3m"),
        (["--set", "patience=often"], "patience"),
        (["--set", "learning_rate=1"], "learning_rate"),
        (["--battles", "0"], "--battles"),
        (["--networks", "none"], "--networks"),
        (["--runs", "nowhere"], "there is no folder nowhere"),
        (["--runs", ".", "--battles", "10"], "leave out --battles"),
    ],
)
def test_mistakes(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
