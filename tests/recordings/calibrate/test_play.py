"""Untrained play on the engine, and its agreement with the tables in the engine's README."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from roma.envs.skirmish.options import DEFAULT_CHOICES, Choices
from roma.recordings import calibrate
from roma.recordings.calibrate import play, sensitivity, tables
from roma.recordings.calibrate.comparison import compare
from roma.support.errors import UserError


def test_battles_do_not_depend_on_how_many_stand_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripted play draws nothing: each episode is a function of its seed alone."""
    limit, lengths, won = play.battles("2s3z", 7, DEFAULT_CHOICES, scripted=True)
    monkeypatch.setattr(play, "SIDE_BY_SIDE", 3)
    _, again, won_again = play.battles("2s3z", 7, DEFAULT_CHOICES, scripted=True)
    np.testing.assert_array_equal(again, lengths)
    np.testing.assert_array_equal(won_again, won)
    assert limit == 120
    assert ((lengths > 0) & (lengths <= limit)).all()


def test_settings_reach_the_battles() -> None:
    _, usual, _ = play.battles("5m_vs_6m", 100, DEFAULT_CHOICES, scripted=False)
    _, short_sighted, _ = play.battles("5m_vs_6m", 100, Choices(notice_range=0), scripted=False)
    assert short_sighted.mean() > usual.mean() + 1


def test_untrained_networks() -> None:
    win_rates, returns = play.untrained_tests("5m_vs_6m", 2, DEFAULT_CHOICES)
    assert win_rates.shape == returns.shape == (2,)
    assert ((win_rates * play.EPISODES_PER_NETWORK) % 1 == 0).all()
    assert returns[0] != returns[1]
    assert ((returns >= 0) & (returns < 20)).all()


def test_every_choice_has_alternatives_that_differ_from_it() -> None:
    assert set(sensitivity.ALTERNATIVES) == set(asdict(DEFAULT_CHOICES))
    for name, values in sensitivity.ALTERNATIVES.items():
        for value in values:
            assert replace(DEFAULT_CHOICES, **{name: value}) != DEFAULT_CHOICES


@pytest.mark.parametrize(
    "wrong",
    [{"look_every": 0}, {"backswing": 1.5}, {"formation_breadth": 0.0}, {"patience": -1}, {"notice_range": math.nan}],
)
def test_settings_out_of_bounds_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        Choices(**wrong)  # type: ignore[arg-type]


@pytest.fixture
def readme(root: Path) -> list[list[list[str]]]:
    """Return the cells of the tables in the engine's README, without headers."""
    text = (root / "roma" / "envs" / "skirmish" / "README.md").read_text(encoding="utf-8")
    blocks = [block.splitlines() for block in text.split("\n\n")]
    return [[line.strip("| ").split(" | ") for line in block][2:] for block in blocks if block[0].startswith("| ")]


def test_the_readmes_tables_are_whole_and_agree(readme: list[list[list[str]]]) -> None:
    """One run of the command wrote them: settings, maps, and play with the default settings agree."""
    settings, random, near_random, policies, requirements, alternatives, _rounds = readme
    assert [row[0].strip("`") for row in settings] == list(sensitivity.ALTERNATIVES)
    for table in (random, near_random, policies):
        assert [row[0] for row in table] == calibrate.map_names()
    assert len(requirements) == 7
    assert [row[0] for row in alternatives] == list(sensitivity.variants())
    for cell, row, policy in zip(alternatives[0][1:], random, policies, strict=True):
        assert cell == f"{row[2].split()[0]}, p {row[12]}, {policy[9]}"


@pytest.mark.parametrize("map_name", ["2s3z", "5m_vs_6m"])
def test_the_readme_shows_what_is_played(readme: list[list[list[str]]], map_name: str) -> None:
    """A change of the engine's rules that affects the fit fails here, on two fast maps."""
    comparison = compare(play.play(map_name, 1000, 0))
    for shown, made, columns in (
        (readme[1], tables.random_table([comparison]), slice(None)),
        (readme[2], tables.near_random_table([comparison]), slice(None)),
        (readme[3], tables.policy_table([comparison]), slice(9, None)),
    ):
        (row,) = (row for row in shown if row[0] == map_name)
        assert row[columns] == made.splitlines()[2].strip("| ").split(" | ")[columns]
