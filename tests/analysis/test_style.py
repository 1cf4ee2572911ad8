"""Colours of what a reader adds."""

from itertools import combinations

import pytest
from matplotlib.colors import to_rgb

from analysis import style
from roma.scenarios import load_units

OWN = [f"mine_{number}" for number in range(12)]


@pytest.fixture(autouse=True)
def nobody_introduced():
    style.introduce([])


def test_own_arms_have_colours_that_no_shipped_arm_has_and_each_its_line():
    style.introduce(["roma", *OWN])
    lines = [style.line(arm) for arm in OWN]
    assert not {line["color"] for line in lines} & {to_rgb(colour) for _, colour, _ in style.ARMS.values()}
    assert all(one != other for one, other in combinations(lines, 2))


def test_an_own_arm_keeps_its_line_whichever_is_drawn_first():
    style.introduce(OWN)
    last = style.line(OWN[-1])
    style.introduce(OWN)
    assert [style.line(OWN[0]), style.line(OWN[-1])][1] == last


def test_an_arm_that_nobody_introduced_has_a_line_too():
    assert style.line("one") != style.line("other")
    assert style.line("one") == style.line("one")


def test_an_own_unit_type_has_colour_and_marker(monkeypatch):
    units = {**load_units(), "Ghost": None, "Adept": None}
    monkeypatch.setattr(style, "load_units", lambda: units)
    looks = [style.unit_type(name) for name in ("Adept", "Ghost")]
    assert looks[0] != looks[1]
    assert not {marker for _, marker in looks} & {marker for _, marker in style.UNIT_TYPES.values()}
