"""Battlefield without roles: its units, and a missing run by name."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from analysis.figures import battlefield

SPECIFICATION = {
    "title": "Battlefield",
    "plot": "battlefield",
    "maps": ["MMM2"],
    "arms": ["roma"],
    "moments": {"MMM2": [1]},
    "colours": {"MMM2": "type"},
}


@pytest.fixture(scope="module")
def frame(results):
    return battlefield.data(results / "summary", SPECIFICATION, [])


def test_every_unit_is_drawn_where_it_is_and_no_role(frame):
    figure = battlefield.draw(frame)
    (axes,) = figure.axes
    assert axes.name == "rectilinear"
    agents, enemies = frame[frame["is_agent"]], frame[~frame["is_agent"]]
    drawn = {(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines}
    assert drawn == set(agents[["x", "y"]].itertuples(index=False, name=None))
    assert {patch.center for patch in axes.patches} == set(enemies[["x", "y"]].itertuples(index=False, name=None))


def test_the_picture_holds_all_its_text(frame):
    figure = battlefield.draw(frame)
    FigureCanvasAgg(figure).draw()
    boxes = [text.get_window_extent() for text in figure.texts]
    edge = figure.bbox
    assert all(edge.x0 <= box.x0 and box.x1 <= edge.x1 and edge.y0 <= box.y0 and box.y1 <= edge.y1 for box in boxes)


def test_a_missing_run_is_named(results):
    only = SPECIFICATION | {"maps": ["6z4b"], "moments": {"6z4b": [1]}, "colours": {"6z4b": "type"}}
    figure = battlefield.draw(battlefield.data(results / "summary", only, []))
    assert [text.get_text() for text in figure.axes[0].texts] == ["not run yet:\nROMA on 6z4b"]
