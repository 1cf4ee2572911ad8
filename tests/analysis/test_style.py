"""Colours of what a reader adds, and files of figures."""

from io import BytesIO
from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

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


def test_few_colours_of_a_file_cannot_be_told_from_all(tmp_path):
    style.apply()
    figure = Figure()
    axes = figure.subplots()
    for place, arm in enumerate(list(style.ARMS)[:6]):
        axes.plot([0, 1, 2], [place, place + 1, 0.3 * place], **style.line(arm))
        axes.fill_between([0, 1, 2], place, [place + 2, place, place + 1], alpha=0.13, color=style.line(arm)["color"])
    whole, stem = BytesIO(), tmp_path / "curves"
    figure.savefig(whole, format="png")
    style.save(figure, stem)
    written = stem.with_suffix(".png").read_bytes()
    picture = Image.open(BytesIO(written))
    expected, found = (np.asarray(each.convert("RGB")).astype(int) for each in (Image.open(whole), picture))
    assert len(written) < 0.5 * len(whole.getvalue())
    assert found[0, 0].tolist() == [255, 255, 255]
    assert np.abs(found - expected).max() <= 16  # of 255
    assert picture.info["dpi"] == pytest.approx((style.DOTS_PER_INCH,) * 2, abs=0.1)
    style.save(figure, stem)
    assert stem.with_suffix(".png").read_bytes() == written
