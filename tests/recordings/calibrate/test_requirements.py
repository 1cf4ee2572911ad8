"""Comparisons of untrained play and verdicts on them, with synthetic play."""

import numpy as np
import pytest

from roma.recordings.calibrate import tables
from roma.recordings.calibrate.comparison import Comparison, compare
from roma.recordings.calibrate.play import Play
from roma.recordings.calibrate.requirements import MET, NOT_MET, OPEN, requirements
from roma.scenarios import released_runs as released

MAPS = ["2s3z", "3s5z", "5m_vs_6m", "10m_vs_11m", "27m_vs_30m", "MMM2", "3s5z_vs_3s6z", "3s_vs_5z", "bane_vs_bane"]
MAPS.append("corridor")
LIMITS = {"2s3z": 120, "5m_vs_6m": 70, "3s_vs_5z": 250, "bane_vs_bane": 200}  # of maps with published time-outs
BEYOND = 400  # timesteps, longer than any published episode


def invented(map_name: str, longer: int = 0, beyond: float = 0.0, networks: bool = True) -> Comparison:
    """Return play as published, with `longer` episodes and a fraction of them `beyond` the longest published one."""
    lengths = np.tile(released.random_lengths(map_name), 40) + longer
    lengths[: round(beyond * len(lengths))] = BEYOND
    win_rates, returns = released.first_tests(map_name)
    count = len(win_rates) if networks else 0
    limit = LIMITS.get(map_name, 500)
    return compare(Play(map_name, limit, lengths, 0.0, win_rates[:count], returns[:count], 0.5))


def verdicts(comparisons: list[Comparison]) -> list[str]:
    return [requirement.verdict for requirement in requirements(comparisons)]


def test_the_published_play_fulfils_every_requirement() -> None:
    rows = [invented(name) for name in MAPS]
    assert verdicts(rows) == [MET] * 7
    measured = [requirement.measured for requirement in requirements(rows)]
    assert measured[0] == "inside on 10 of 10"
    assert measured[3] == "0.0% over 6 maps"
    assert measured[4:] == ["41%", "19 of 19 inside 9 to 69%", "16.65"]


@pytest.mark.parametrize(("shifted", "verdict"), [(2, MET), (3, NOT_MET)])
def test_two_maps_may_differ(shifted: int, verdict: str) -> None:
    rows = [invented(name, longer=20 * (place < shifted)) for place, name in enumerate(MAPS)]
    assert verdicts(rows)[:2] == [verdict, verdict]
    outside = [row for row in rows if not row.median_inside]
    assert [row.map for row in outside] == MAPS[:shifted]
    assert all(row.random_p < 0.001 for row in outside)


def test_what_hangs_on_maps_not_played_is_open() -> None:
    assert verdicts([invented(name) for name in MAPS[:6]]) == [OPEN] * 7
    assert verdicts([invented(name) for name in MAPS[:8]])[:2] == [MET, MET], "two maps may differ in any case"
    assert verdicts([invented(name, longer=20) for name in MAPS[:3]])[:2] == [NOT_MET, NOT_MET]
    assert verdicts([invented("2s3z")])[2:4] == [OPEN, OPEN], "its time-outs leave it out of these"


def test_episodes_beyond_the_longest_published_one() -> None:
    """On maps without published time-outs; on other maps such episodes would exceed the limit."""
    rows = [invented(name, beyond=0.2 * (name == "corridor")) for name in MAPS]
    assert verdicts(rows)[2:4] == [NOT_MET, MET]
    rows = [invented(name, beyond=0.1 * (name not in LIMITS)) for name in MAPS]
    assert verdicts(rows)[2:4] == [MET, NOT_MET]


def test_untrained_networks_that_were_not_played_leave_their_requirements_open() -> None:
    rows = [invented(name, networks=False) for name in MAPS]
    assert verdicts(rows) == [MET] * 4 + [OPEN] * 3
    assert "not played" in tables.policy_table(rows)


def test_networks_outside_the_published_extremes_are_counted() -> None:
    lengths = released.random_lengths("bane_vs_bane")
    win_rates = np.array([*[0.0] * 4, *[0.5] * 16])
    row = compare(Play("bane_vs_bane", 200, lengths, 0.0, win_rates, np.full(20, 19.0), 0.5))
    assert (row.networks_inside, row.network_returns_inside) == (16, 0)
    assert [requirement.verdict for requirement in requirements([row])][4:] == [MET, NOT_MET, NOT_MET]


def test_numbers_of_a_comparison() -> None:
    lengths = np.arange(20, 60).repeat(2)
    row = compare(Play("10m_vs_11m", 59, lengths, 0.25, np.zeros(3), np.array([0.5, 1, 8]), 0.5))
    assert row.random.median == 39.5
    assert (row.random.low, row.random.high) == tuple(np.quantile(lengths, [0.1, 0.9]))
    assert row.random.timeouts == 1 / 40
    assert row.random_published.longest == 46
    assert row.beyond_longest == pytest.approx((lengths > 46).mean())
    assert row.median_interval == (28, 35)
    assert not row.median_inside
    assert row.near_random.count == 10
    assert row.network_returns_inside == 2
    assert (row.scripted_published, row.scripted_source) == (0.12, "recalled")
    columns = tables.flat(row)
    assert columns["random_median"] == 39.5
    assert columns["median_interval_low"] == 28
    assert columns["random_published_episodes"] == 17
    assert not columns["median_inside"]
