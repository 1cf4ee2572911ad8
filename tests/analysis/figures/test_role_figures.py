"""Role figures and table 2: content, missing cells by name, and equal bytes for equal numbers."""

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from analysis import FIGURES, style
from analysis.figure_list import EPISODES
from analysis.figures import episode, evolution, measures
from analysis.figures.parts import rolespace, rolestatistics
from analysis.statistics import student_interval
from analysis.tables import dissimilarity
from roma.cli import main

EPISODE = {
    "title": "Roles",
    "plot": "episode",
    "maps": ["MMM2"],
    "arms": ["roma"],
    "moments": {"MMM2": [1, 8]},
    "colours": {"MMM2": "type"},
}
EVOLUTION = {
    "title": "Evolution",
    "plot": "evolution",
    "maps": ["MMM2"],
    "arms": ["roma"],
    "stages": [0, 200_000],
    "colours": {"MMM2": "health"},
    "curve": "test_battle_won_mean",
}
TABLE = {"title": "Dissimilarity", "table": "dissimilarity", "maps": ["MMM2"], "arms": ["roma", "roma_release"]}


@pytest.fixture(scope="module")
def summary(results):
    return results / "summary"


def texts(figure):
    return "\n".join(text.get_text() for part in (figure, *figure.axes) for text in part.texts)


def outside(figure):
    """Return texts and axis labels that the edge of the picture cuts off."""
    FigureCanvasAgg(figure).draw()
    drawn = [text for part in (figure, *figure.axes) for text in part.texts if text.get_text()]
    drawn += [legend_text for legend in figure.legends for legend_text in legend.get_texts()]
    drawn += [axis.label for axes in figure.axes if axes.name == "3d" for axis in (axes.xaxis, axes.yaxis, axes.zaxis)]
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawn]
    edge = figure.bbox
    return [name for name, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > edge.x1 or box.y1 > edge.y1]


def test_the_shown_run_stands_in_the_frame_moment_by_moment(summary):
    frame = episode.data(summary, EPISODE, [])
    assert frame.groupby("panel", sort=False)["t"].unique().map(list).to_dict() == {"t = 1": [1], "t = 8": [8]}
    assert len(frame) == 2 * 22
    episodes = pd.read_parquet(summary / "episodes.parquet").query("shown and map == 'MMM2' and arm == 'roma'")
    assert frame["seed"].unique() == episodes["seed"].unique()
    assert list(episode.panels(frame)) == ["MMM2"]


def test_roles_stand_in_their_own_three_dimensions_beside_the_battlefield(summary):
    frame = episode.data(summary, EPISODE, [])
    figure = episode.draw(frame)
    assert [axes.name for axes in figure.axes] == ["3d", "rectilinear", "rectilinear"] * 2  # with an inset
    of_roles, _, battlefield = figure.axes[:3]
    points = {tuple(np.ravel(line.get_data_3d()).round(6)) for line in of_roles.lines if line.get_marker() != "None"}
    agents = frame[(frame["panel"] == "t = 1") & frame["is_agent"]]
    assert points == {tuple(row) for row in agents[rolespace.ROLE_COLUMNS].to_numpy(float).round(6)}
    assert len(battlefield.lines) == 10
    assert len(battlefield.patches) == 12
    assert of_roles.get_zlim() == figure.axes[3].get_zlim()  # compared panels share their axes
    assert not any(label.get_text() for axis in (of_roles.xaxis, of_roles.zaxis) for label in axis.get_ticklabels())
    assert "(b) MMM2\nt = 8" in texts(figure)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Marauder", "Marine", "Medivac", "enemy"]
    assert outside(figure) == []


def test_one_moment_stands_above_its_battlefield_in_a_text_column(summary):
    figure = episode.draw(episode.data(summary, EPISODE | {"moments": {"MMM2": [8]}}, []))
    of_roles, _, battlefield = figure.axes
    assert of_roles.get_position().y0 > battlefield.get_position().y1
    assert figure.get_figwidth() < 3.4
    assert outside(figure) == []


def test_the_moment_before_a_death(summary):
    specification = EPISODE | {"moments": {"MMM2": ["Medivac", "Marine", "Zealot"]}}
    frame = episode.data(summary, specification, [])
    named = frame.groupby("panel", sort=False)["t"].first()
    run = pd.read_parquet(summary / "episodes.parquet").query("shown and map == 'MMM2' and arm == 'roma' and step > 0")
    dead = run[run["is_agent"] & (run["type"] == "Marine") & (run["health"] <= 0)]
    assert named["before the first Marine dies"] == dead["t"].min() - 1
    assert np.isnan(named["before the first Zealot dies"])
    said = texts(episode.draw(frame))
    assert "not reached in the shown episode: ROMA on MMM2" in said
    assert "not run yet" not in said


def test_the_noise_of_roles_stands_beside_their_means(summary):
    frame = episode.data(summary, EPISODE | {"moments": {"MMM2": [8]}}, [])
    figure = episode.draw(frame)
    agents = frame[frame["is_agent"] & (frame["health"] > 0)]
    variance = (agents[rolestatistics.SIGMA_COLUMNS] ** 2).to_numpy()
    disc, cube = figure.axes[1].patches
    assert disc.get_radius() == pytest.approx(np.sqrt(variance.mean()))
    of_roles = figure.axes[0]
    assert cube.get_width() == pytest.approx(np.ptp(of_roles.get_xlim()))  # both at one scale
    between = agents[rolespace.ROLE_COLUMNS].to_numpy().var(0).sum()
    share = 100 * between / (between + variance.mean(0).sum())
    assert f"{share:.2g} % of the variance between agents" in texts(figure)


@pytest.mark.parametrize("module", [episode, evolution])
def test_a_missing_run_is_named_and_the_others_are_drawn(summary, module):
    maps = ["MMM2", "6z4b"]
    both = {"maps": maps, "moments": {name: [1] for name in maps}, "colours": dict.fromkeys(maps, "type")}
    frame = module.data(summary, EPISODE | {"stages": [200_000]} | both, [])
    figure = module.draw(frame)
    assert "not run yet:\nROMA on 6z4b" in texts(figure)
    assert "not run yet: ROMA on 6z4b" in texts(figure)
    assert sum(axes.name == "3d" for axes in figure.axes) == 1
    alone = module.draw(module.panels(frame)["6z4b"])
    assert "not run yet: ROMA on 6z4b" in texts(alone)
    only = EPISODE | {"stages": [0, 200_000], "maps": ["6z4b"], "moments": {"6z4b": [1]}, "colours": {"6z4b": "type"}}
    blank = module.draw(module.data(summary, only, []))
    assert "not run yet: ROMA on 6z4b" in texts(blank)
    assert blank.get_figheight() < 2


def test_groups_and_what_they_do(summary):
    frame = episode.data(summary, EPISODE | {"moments": {"MMM2": [8]}, "responsibilities": True}, [])
    agents = frame[frame["is_agent"] & (frame["health"] > 0)]
    assert set(agents["group"]) == {"group 1", "group 2"}
    assert frame.loc[~frame["is_agent"], "group"].isna().all()
    run = pd.read_parquet(summary / "episodes.parquet").query("shown and map == 'MMM2' and arm == 'roma' and step > 0")
    mine = agents.loc[agents["group"] == "group 1", "unit"]
    decisions = run[run["unit"].isin(mine) & (run["t"] >= 8) & (run["health"] > 0)]["action"]
    decisions = decisions[decisions > 0]
    duty = agents.loc[agents["group"] == "group 1", "duty"].iloc[0]
    assert duty.startswith(f"attack or heal {(decisions >= 6).mean():.0%}, ")
    figure = episode.draw(frame)
    assert f"group 1: {style.ranges(mine.to_numpy(int))}" in texts(figure)
    bold = [line for line in figure.axes[2].lines if line.get_markeredgewidth() == rolespace.SECOND_GROUP]
    assert len(bold) == (agents["group"] == "group 2").sum()
    assert "bold outline: group 2" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert f"silhouette {agents['silhouette'].iloc[0]:.2f} (null: {agents['structureless'].iloc[0]:.2f})" in texts(
        figure
    )
    assert outside(figure) == []


def test_agents_are_grouped_by_their_roles_whatever_their_type():
    agents = pd.DataFrame(
        {"is_agent": True, "type": list("ABABAB"), "unit": range(6), "t": 1, "health": [45.0] * 5 + [0]}
    )
    agents = agents.assign(action=3, role_0=[9.0, 0, 0.2, 9.1, 9.3, 0], role_1=0.0, role_2=0.0)
    grouped = episode._described(agents, agents, {"responsibilities": True})
    assert grouped["group"].tolist()[:5] == [f"group {place}" for place in (1, 2, 2, 1, 1)]
    assert pd.isna(grouped["group"].iloc[5])
    assert grouped["duty"].iloc[0] == "attack or heal 0%, move 100%, hold 0%; 0 of 3 die"
    assert grouped["silhouette"].iloc[0] > 0.9 > grouped["structureless"].iloc[0]


def units_of(health):
    full = pd.DataFrame({"is_agent": True, "type": "Marine", "health": health, "shield": 0.0, "max_health": 45.0})
    return full.assign(max_shield=0.0, y=np.arange(len(health), dtype=float))


def test_health_goes_from_pale_to_blue_and_the_dead_are_red():
    agents = rolespace.coloured(units_of([45.0, 30, 20, 0]), "health")
    light = [sum(bytes.fromhex(fill[1:])) for fill in agents["fill"]]
    assert light[0] < light[1] < light[2]  # distinguishable in grey
    assert agents["fill"].iloc[-1] == rolespace.DEAD
    assert agents["mark"].tolist() == [rolespace.HEALTHIEST_MARK, "o", "o", rolespace.DEAD_MARK]


def test_agents_with_equal_health_look_the_same():
    agents = rolespace.coloured(units_of([45.0, 45, 20]), "health")
    assert agents["fill"].iloc[0] == agents["fill"].iloc[1]
    assert set(agents["mark"]) == {"o"}


def test_a_crowd_has_small_marks_without_numbers():
    figure = Figure()
    axes = figure.add_axes((0, 0, 1, 1))
    crowd = rolespace.coloured(units_of([45.0] * (rolespace.CROWD + 1)), "health")
    assert set(crowd["points"]) == {rolespace.CROWD_POINTS}
    rolespace._number(axes, crowd.assign(unit=range(len(crowd))), np.zeros((len(crowd), 2)))
    assert not axes.texts


def test_less_health_is_paler_and_places_have_an_order():
    by_type = rolespace.coloured(units_of([45.0, 20]), "type")["fill"]
    assert sum(bytes.fromhex(by_type[1][1:])) > sum(bytes.fromhex(by_type[0][1:]))
    by_place = [sum(bytes.fromhex(fill[1:])) for fill in rolespace.coloured(units_of([45.0] * 4), "position")["fill"]]
    assert by_place == sorted(by_place)


@pytest.mark.parametrize(("numbers", "text"), [([3], "3"), ([0, 1, 2, 5], "0–2, 5"), ([1, 2], "1–2"), ([0, 2], "0, 2")])
def test_numbers_of_agents_as_ranges(numbers, text):
    assert style.ranges(np.array(numbers)) == text


def test_stages_of_one_run_beside_its_curve(summary):
    frame = evolution.data(summary, EVOLUTION, [])
    curve = frame[frame["panel"] == "curve"]
    run = pd.read_parquet(summary / "episodes.parquet").query("shown and map == 'MMM2' and arm == 'roma'")
    tests = pd.read_parquet(summary / "curves.parquet").query("map == 'MMM2' and arm == 'roma'")
    tests = tests[tests["seed"] == run["seed"].iloc[0]]
    np.testing.assert_array_equal(curve["value"], tests["test_battle_won_mean"])
    figure = evolution.draw(frame)
    assert [axes.name for axes in figure.axes] == ["rectilinear", *["3d", "rectilinear"] * 2]
    first, last = figure.axes[1], figure.axes[3]
    assert (first.get_xlim(), first.get_zlim()) == (last.get_xlim(), last.get_zlim())
    assert "before training" in texts(figure)
    assert "after 200k steps" in texts(figure)
    assert "milestone nearest to" not in texts(figure)
    assert outside(figure) == []


def test_the_silhouette_of_each_stage_stands_beside_its_null(summary):
    frame = evolution.data(summary, EVOLUTION | {"colours": {"MMM2": "type"}}, [])
    last = frame[frame["step"] == 200_000].iloc[0]
    assert last["silhouette"] > 0.5 > 0 > last["permuted"]  # the synthetic roles follow the unit types after training
    said = f"silhouette by unit type: {last['silhouette']:.2f} (null: {last['permuted']:.2f})"
    assert said in texts(evolution.draw(frame))
    assert "silhouette by" not in texts(evolution.draw(evolution.data(summary, EVOLUTION, [])))


def test_a_shorter_run_shows_its_nearest_milestone_once_and_says_so(summary):
    frame = evolution.data(summary, EVOLUTION | {"stages": [0, 6_000_000, 10_000_000]}, [])
    assert frame.dropna(subset="t").groupby("stages")["step"].unique().map(list).to_dict() == {
        "0": [0],
        "6000000 10000000": [200_000],
    }
    figure = evolution.draw(frame)
    assert [axes.name for axes in figure.axes] == ["rectilinear", *["3d", "rectilinear"] * 2]
    said = "MMM2: 200k steps is the milestone nearest to 6M and 10M steps"
    assert said in texts(figure).replace("\n", " ")
    assert outside(figure) == []


def test_measures_over_training_stand_beside_their_nulls(summary):
    shown = ["silhouette_type", "drift"]
    specification = {"maps": ["MMM2", "27m_vs_30m"], "arms": ["roma", "roma_td"], "measures": shown}
    frame = measures.data(summary, specification, [])
    rows = frame.query("map == 'MMM2' and metric == 'drift' and arm == 'roma'")
    table = pd.read_parquet(summary / "roles.parquet").query("map == 'MMM2' and arm == 'roma' and measure == 'drift'")
    values = table[table["reference"] == "roles"].pivot_table(index="step", columns="seed", values="value")
    expected = student_interval(values.to_numpy().T)
    assert rows["step"].tolist() == [0, 200_000]
    np.testing.assert_array_equal(rows["centre"], expected.mean)
    np.testing.assert_array_equal(rows["high"], expected.high)
    observed = frame.query("map == 'MMM2' and metric == 'drift' and arm == 'observations'")
    of_observations = table[table["reference"] == "observations"].groupby("step")["value"].mean()
    np.testing.assert_allclose(observed["centre"], of_observations)
    untrained = frame.query("map == 'MMM2' and metric == 'drift' and arm == 'untrained'")
    of_networks = table.loc[table["reference"] == "untrained", "value"].to_numpy()
    assert untrained["step"].tolist() == [0, 200_000]
    assert set(untrained["n"]) == {len(of_networks)}
    over_networks = student_interval(of_networks[:, None])
    np.testing.assert_array_equal(untrained["low"], [over_networks.low[0]] * 2)
    np.testing.assert_array_equal(untrained["high"], [over_networks.high[0]] * 2)
    figure = measures.draw(frame)
    said = "\n".join([*(text.get_text() for text in figure.legends[0].get_texts()), figure.get_supxlabel()])
    assert "ROMA" in said
    assert "raw observations" in said
    assert "not run yet: $L_{TD}$" in said
    assert "missing runs: 27m_vs_30m/roma" in said
    assert "27m_vs_30m/observations" not in said
    assert "/untrained" not in said  # a level is not a run that could be missing
    assert "over 3 seeds" in said
    assert "(n =" not in said
    assert "untrained networks: mean over all" in said.replace("\n", " ")
    assert list(measures.panels(frame)) == specification["maps"]


def test_measures_of_other_arms_are_drawn_where_the_first_is_missing(summary):
    specification = {"maps": ["MMM2", "10m_vs_11m"], "arms": ["roma_td", "roma"], "measures": ["drift"]}
    figure = measures.draw(measures.data(summary, specification, []))
    said = "\n".join([*(text.get_text() for text in figure.legends[0].get_texts()), figure.get_supxlabel()])
    assert "not run yet: $L_{TD}$" in said
    assert "scale lab; protocol smac_v1" in said
    assert "MMM2/observations" not in said  # no run is planned, so none is missing


def test_a_measure_that_does_not_apply_says_so(summary, monkeypatch):
    specification = {"maps": ["MMM2"], "arms": ["roma"], "measures": ["drift", "healthiest_rank"]}
    monkeypatch.setitem(style.METRICS, "healthiest_rank", "outlier")
    figure = measures.draw(measures.data(summary, specification, []))
    assert [len(axes.texts) for axes in figure.axes] == [0, 1]
    assert "does not apply to this map" in texts(figure)


def test_table_of_dissimilarity(summary):
    table = dissimilarity.table(summary, TABLE)
    frame = table.frame
    assert "Not run yet: ROMA as released on MMM2" in table.notes
    assert set(frame["steps"]) == {200_000, 0}
    trained = frame[(frame["steps"] == 200_000) & (frame["scaling"] == "by step")]
    assert trained["first type"].tolist()[:2] == ["between types", "within types"]
    assert len(trained) == 2 + 8  # one Medivac: no pair of two
    between, within = trained["dissimilarity"][:2]
    assert between > within + 0.2  # as the synthetic rollouts have it
    measures = pd.read_parquet(summary / "roles.parquet").query(
        "map == 'MMM2' and step == 200000 and measure == 'dissimilarity_auc'"
    )
    assert trained["AUC"].iloc[0] == pytest.approx(measures["value"].mean())
    assert trained["seeds"].iloc[0] == 3
    layout = table.shown
    assert layout["pairs of agents"].tolist()[:3] == [
        "of different unit types",
        "of the same unit type",
        "Marauder, Marauder",
    ]
    assert layout["dissimilarity"].iloc[0] == f"{between:.4f} ± {trained['over seeds'].iloc[0]:.4f}"
    untrained = frame[(frame["steps"] == 0) & (frame["scaling"] == "by step")]
    assert layout["untrained"].iloc[1].startswith(f"{untrained['dissimilarity'].iloc[1]:.4f} ± ")
    assert pd.isna(layout["untrained"].iloc[2])


def test_spreads_by_hand():
    """Two runs of two episodes with one pair of types and two pairs of agents: 0 and 1, 1 and 2; 2 and 3, 3 and 4."""
    part = pd.DataFrame({"map": "a", "arm": "b", "step": 1, "seed": [0, 0, 1, 1], "episode": [0, 1, 0, 1]})
    part = part.assign(d_mean=[0.5, 1.5, 2.5, 3.5], d_std=np.sqrt(0.5), pairs=2)
    found = dissimilarity.spreads(part)
    assert found["dissimilarity"] == 2
    assert found["over seeds"] == pytest.approx(np.sqrt(2))
    assert found["over episodes"] == pytest.approx(np.sqrt(0.5))
    assert found["over pairs"] == pytest.approx(np.sqrt(0.5))
    assert (found["pairs"], found["seeds"]) == (8, 2)


def test_same_numbers_same_bytes(summary, tmp_path):
    figures = tmp_path / "figures.yaml"
    figures.write_text(yaml.safe_dump({"fig03": EPISODE, "fig08": EVOLUTION, "table2": TABLE}))
    for folder in ("once", "twice"):
        for name in ("fig03", "fig08", "table2"):
            options = ["--summary", str(summary), "--figures", str(figures), "--out", str(tmp_path / folder)]
            assert main(["plot", name, *options]) == 0
    names = sorted(file.name for file in (tmp_path / "once").iterdir())
    assert {"fig03.pdf", "fig03.png", "fig03_MMM2.png", "fig08.csv", "table2.tex"} <= set(names)
    for name in names:
        assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "twice" / name).read_bytes()
    assert b"/Type3" not in (tmp_path / "once" / "fig03.pdf").read_bytes()


def test_every_figure_of_roles_says_how_each_map_is_shown(root):
    figures = yaml.safe_load((root / FIGURES).read_text())
    of_roles = {name: figure for name, figure in figures.items() if figure.get("plot") in EPISODES}
    assert set(of_roles) == {"fig01", "fig03", "fig07", "fig08", "fig10", "fig11", "fig12"}
    for figure in of_roles.values():
        assert set(figure["colours"]) == set(figure["maps"])
        assert set(figure.get("moments", figure["maps"])) == set(figure["maps"])
        assert len(figure["arms"]) == 1


def test_labels_of_a_crowd_lie_beside_its_marks_and_apart():
    """Nine agents close together: each number appears once, and no label covers a mark or another label."""
    figure = Figure(figsize=(2, 2))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 144), ylim=(0, 144))  # data are points, in print
    x, y = np.meshgrid([66.0, 72, 78], [66.0, 72, 78])
    places = np.append(np.stack([x.ravel(), y.ravel()], -1), [[20, 20]], 0)
    rolespace._number(axes, pd.DataFrame({"unit": range(10), "fill": "#ffffff"}), places)
    FigureCanvasAgg(figure).draw()
    *beside, alone = axes.texts
    assert sorted(int(text.get_text()) for text in axes.texts) == list(range(10))
    assert tuple(alone.xyann) == (20, 20)
    boxes = [Text.get_window_extent(text).extents * 72 / figure.dpi for text in beside]
    marks = [(*(place - rolespace.MARK_POINTS / 2), *(place + rolespace.MARK_POINTS / 2)) for place in places]
    others = [*boxes, *marks]
    assert all(rolespace._common(one, other) < 3 for n, one in enumerate(boxes) for other in others[n + 1 :])
