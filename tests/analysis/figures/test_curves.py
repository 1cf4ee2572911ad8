"""Learning curves: content, captions, and equal bytes for equal numbers."""

import pandas as pd
import pytest

from analysis import style
from analysis.figures import curves
from roma.cli import main
from roma.support.errors import UserError

SPECIFICATION = {"maps": ["MMM2", "10z5b_vs_2s3z"], "arms": ["roma", "iql", "qmix"]}
BOTH = ["test_battle_won_mean", "test_return_mean"]


@pytest.fixture(scope="module")
def frame(results):
    return curves.data(results / "summary", SPECIFICATION, BOTH)


def test_frame_holds_what_is_drawn_in_order(frame):
    assert list(frame["map"].unique()) == SPECIFICATION["maps"]
    assert list(frame["arm"].unique()) == SPECIFICATION["arms"]
    assert list(frame["metric"].unique()) == BOTH
    drawn = frame[frame["n"] > 0]
    pd.testing.assert_series_equal(
        drawn["centre"], drawn[["seed0", "seed1", "seed2"]].mean(axis=1), check_names=False, rtol=1e-12
    )


def test_an_arm_without_runs_is_named_and_not_drawn(frame):
    assert (frame.query("arm == 'iql'")["n"] == 0).all()
    assert "not run yet: IQL" in curves.caption(frame)
    labels = [text.get_text() for text in curves.draw(frame).legends[0].get_texts()]
    assert labels == ["ROMA", "QMIX"]


def test_the_caption_says_engine_scale_protocol_seeds_statistic(frame):
    text = "\n".join(curves.caption(frame))
    for fact in ("embedded engine version 1", "scale lab", "protocol smac_v1", "95 % Student t interval over 3 seeds"):
        assert fact in text
    assert "32 greedy episodes per test" in text
    assert "10z5b_vs_2s3z: against 2 Zealots and 3 Stalkers" in text


def test_every_seed_is_drawn_and_the_interval_behind(frame):
    axis = curves.draw(frame).axes[0]
    arms_drawn, seeds = 2, 3
    assert len(axis.lines) == arms_drawn * (seeds + 1)
    assert len(axis.collections) == arms_drawn


def test_below_three_seeds_no_interval_is_drawn_and_the_face_says_so(frame):
    one = frame[frame["n"] > 0].assign(n=1, low=float("nan"), high=float("nan"))
    assert "1 seed, no interval" in "\n".join(curves.caption(one))
    axis = curves.draw(one).axes[0]
    assert not axis.collections
    assert len(axis.lines) == 2


def test_few_and_missing_seeds_show_in_the_legend_and_by_name(frame):
    cells = {("MMM2", "qmix"): ["seed1"], ("10z5b_vs_2s3z", "roma"): ["seed0", "seed1", "seed2"]}
    short = frame.copy()
    for (map_name, arm), seeds in cells.items():
        here = (short["map"] == map_name) & (short["arm"] == arm)
        short.loc[here, seeds] = float("nan")
        short.loc[here, "n"] -= len(seeds)
    assert curves.missing_runs(short) == ["MMM2/qmix/seed1", "10z5b_vs_2s3z/roma"]
    assert "missing runs: MMM2/qmix/seed1, 10z5b_vs_2s3z/roma" in curves.caption(short)
    labels = [text.get_text() for text in curves.draw(short).legends[0].get_texts()]
    assert labels == ["ROMA", "QMIX (n = 2 to 3)"]
    short.loc[(short["map"] == "MMM2") & (short["arm"] == "qmix"), "seed2"] = float("nan")
    assert curves.missing_runs(short)[0] == "MMM2/qmix/seed1–2"
    one = frame[frame["n"] > 0].assign(n=1)
    assert curves.draw(one).legends[0].get_texts()[0].get_text() == "ROMA (n = 1)"


def test_medians_and_quartiles_can_be_drawn_instead(results):
    frame = curves.data(results / "summary", SPECIFICATION | {"statistic": "median"}, BOTH[:1])
    drawn = frame[frame["n"] > 0]
    seeds = drawn[["seed0", "seed1", "seed2"]]
    pd.testing.assert_series_equal(drawn["centre"], seeds.median(axis=1), check_names=False)
    pd.testing.assert_series_equal(drawn["low"], seeds.quantile(0.25, axis=1), check_names=False)
    assert "median and quartiles over 3 seeds" in "\n".join(curves.caption(frame))
    with pytest.raises(UserError, match="did you mean 'median'"):
        curves.data(results / "summary", SPECIFICATION | {"statistic": "medain"}, BOTH)


def test_metrics_stand_one_above_the_other(frame):
    axes = curves.draw(frame).axes
    assert [axis.get_ylabel() for axis in axes] == ["test win rate", "", "test return", ""]
    assert [axis.get_title() for axis in axes[:2]] == SPECIFICATION["maps"]


def test_the_legend_fits_the_narrowest_picture(frame):
    """The legend of all arms of the paper on one map is not cut off."""
    one_map = frame[(frame["map"] == frame["map"].iloc[0]) & (frame["n"] > 0)]
    one_arm = one_map[one_map["arm"] == one_map["arm"].iloc[0]]
    crowded = pd.concat([one_arm.assign(arm=arm) for arm in style.ARMS])
    figure = curves.draw(crowded)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert len(legend.get_texts()) == len(style.ARMS)
    extent = legend.get_window_extent()
    assert figure.bbox.x0 <= extent.x0
    assert extent.x1 <= figure.bbox.x1
    assert extent.y1 <= figure.bbox.y1


def test_a_long_caption_leaves_the_panel_its_height(frame):
    one = frame[(frame["map"] == frame["map"].iloc[0]) & (frame["metric"] == BOTH[0]) & (frame["n"] > 0)]
    few, many = curves.draw(one), curves.draw(one.assign(sample="; ".join(["episodes of a test with a long name"] * 9)))
    for figure in (few, many):
        figure.draw_without_rendering()
    heights = [figure.axes[0].get_window_extent().height for figure in (few, many)]
    assert heights[1] > 0.95 * heights[0]


def test_nothing_trained_yet_can_still_be_drawn(frame):
    empty = frame[frame["n"] == 0]
    assert curves.caption(empty)[0].startswith("not run yet")
    assert {text.get_text() for axis in curves.draw(empty).axes for text in axis.texts} == {"not run yet: IQL"}


def test_a_panel_without_runs_names_the_arms(frame):
    other = frame[frame["n"] == 0].iloc[:1]
    rows = pd.concat([frame, *(other.assign(map="3m", arm=arm) for arm in ("roma", "qmix"))])
    last = next(axis for axis in curves.draw(rows).axes if axis.get_title() == "3m")
    assert [text.get_text() for text in last.texts] == ["not run yet: ROMA, QMIX"]


def test_curves_that_hide_each_other_on_the_axis_are_named(frame):
    def words(**centres):
        drawn = frame[(frame["n"] > 0) & (frame["metric"] == BOTH[0]) & (frame["map"] == "MMM2")]
        values = [centres.get(arm, value) for arm, value in zip(drawn["arm"], drawn["centre"], strict=True)]
        return [text.get_text() for text in curves.draw(drawn.assign(centre=values)).axes[0].texts]

    assert words() == []
    assert words(roma=0.0) == ["always 0: ROMA"]
    assert words(roma=0.0, qmix=0.0) == ["always 0: ROMA, QMIX"]
    assert words(roma=0.0, qmix=0.04) == ["never above 0.04: ROMA, QMIX"]


def test_ablations_have_the_papers_names_which_the_caption_explains(frame):
    rows = pd.concat([frame, frame[frame["arm"] == "qmix"].assign(arm="roma_td_li")])
    labels = [text.get_text() for text in curves.draw(rows).legends[0].get_texts()]
    assert labels == ["ROMA", "QMIX", "$L_{TD}+L_I$"]
    assert "$L_{TD}+L_I$: ROMA without $L_D$" in curves.caption(rows)
    assert not any("$" in line for line in curves.caption(frame))


def test_the_names_of_many_missing_runs_are_not_cut_off(frame):
    maps = [f"{map_name}{n}" for map_name in ("6s4z_vs_10b30z", "10z5b_vs_2s3z", "27m_vs_30m") for n in range(4)]
    rows = frame[frame["metric"] == BOTH[0]]
    absent = rows[rows["n"] == 0].iloc[:1].assign(arm="roma")
    figure = curves.draw(pd.concat([rows, *(absent.assign(map=name) for name in maps)]))
    figure.draw_without_rendering()
    extent = figure._supxlabel.get_window_extent()
    assert figure.bbox.x0 <= extent.x0
    assert extent.x1 <= figure.bbox.x1


def test_arms_differ_in_colour_and_in_dashes():
    lines = [style.line(arm) for arm in ("roma", "iql", "coma", "qmix", "qtran", "maven")]
    assert len({line["color"] for line in lines}) == len(lines)
    assert len({str(line["linestyle"]) for line in lines}) == len(lines)


def test_same_numbers_same_bytes(results, tmp_path, root):
    figures = tmp_path / "figures.yaml"
    figures.write_text("fig04: {plot: curves, maps: [MMM2], arms: [roma, qmix]}")
    command = ["plot", "fig04", "--summary", str(results / "summary"), "--figures", str(figures)]
    for folder in ("once", "twice"):
        assert main([*command, "--out", str(tmp_path / folder)]) == 0
    names = {"fig04.png", "fig04.pdf", "fig04.csv", "fig04_MMM2.png", "fig04_MMM2.pdf"}
    assert {file.name for file in (tmp_path / "once").iterdir()} == names
    for name in names:
        assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "twice" / name).read_bytes()
    assert b"/Type3" not in (tmp_path / "once" / "fig04.pdf").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["plot", "fig4", "--summary", ".", "--out", "x"], "did you mean 'fig04'"),
        (["plot", "fig04", "--summary", "nowhere", "--out", "x"], "nowhere is missing"),
    ],
)
def test_mistakes_are_one_line(arguments, part, capsys, root, monkeypatch):
    monkeypatch.chdir(root)
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert part in message
    assert message.count("\n") == 1


def test_panels_that_are_compared_have_the_same_axis(frame):
    axes = curves.draw(frame).axes
    scale = (-0.03, 1.03)
    assert [axis.get_ylim() for axis in axes[:2]] == [pytest.approx(scale)] * 2
    assert axes[2].get_ylim() == axes[3].get_ylim()
    assert [axis.yaxis.get_tick_params()["labelleft"] for axis in axes[:2]] == [True, False]


def test_no_seed_hides_a_centre(frame):
    axis = curves.draw(frame).axes[0]
    seeds, centres = ([line for line in axis.lines if (line.get_linewidth() < 1) is thin] for thin in (True, False))
    assert max(line.get_zorder() for line in seeds) < min(line.get_zorder() for line in centres)
