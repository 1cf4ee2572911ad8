"""Animations: one frame per moment, with agents in the colours of their roles."""

import shutil

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from PIL import Image

from analysis.figures import video
from analysis.measures import rollouts
from roma.cli import main


def test_one_frame_a_moment_of_the_shown_episode(results, tmp_path, monkeypatch):
    drawn = []
    summary = shutil.copytree(results / "summary", tmp_path / "lab" / "summary")
    moments = pd.read_parquet(summary / "episodes.parquet").query("t % 6 == 1")  # all take several seconds to draw
    moments.to_parquet(summary / "episodes.parquet")
    monkeypatch.setattr(video.rolespace, "draw_roles", lambda axes, units, *arguments: drawn.append(units))
    assert main(["video", "MMM2", "--summary", str(summary), "--out", str(tmp_path / "videos")]) == 0
    episode = moments.query("shown and map == 'MMM2' and step > 0")
    assert (episode["health"] == 0).any()
    with Image.open(tmp_path / "videos" / "MMM2.gif") as animation:
        assert animation.n_frames == len(drawn) == episode["t"].nunique()
        assert animation.size == (round(video.WIDTH * video.DPI), round(video.HEIGHT * video.DPI))
        animation.seek(animation.n_frames - 1)
        assert animation.info["duration"] == video.MILLISECONDS_AT_THE_END
    assert all((units["health"] > 0).all() for units in drawn)
    agents = drawn[0]
    assert agents["role_fill"].str.match("^#[0-9a-f]{6}$").all()
    assert agents["seed"].unique() == episode["seed"].unique()


def test_roles_are_colours_from_their_least_to_their_largest():
    roles = np.array([[0, 5, -1], [1, 5, 1], [9, 9, 9], [np.nan] * 3, [0.5, 5, 0]], float)
    units = pd.DataFrame(roles, columns=rollouts.ROLE_COLUMNS)
    units = units.assign(health=[1, 1, 0, 1, 1], is_agent=[True, True, True, False, True])
    colours = video.role_colours(units)
    assert colours[3] == ""
    low, high = video.DARKEST, video.LIGHTEST
    np.testing.assert_allclose(to_rgb(colours[0]), [low, low, low], atol=0.01)
    np.testing.assert_allclose(to_rgb(colours[1]), [high, low, high], atol=0.01)
    np.testing.assert_allclose(to_rgb(colours[4]), [(low + high) / 2, low, (low + high) / 2], atol=0.01)


def test_the_title_says_who_is_left():
    units = pd.DataFrame(
        {"map": "3m", "t": 4, "health": [1, 0, 2, 3], "is_agent": [True, True, False, False], "won": True}
    )
    assert video._title(units, 9) == "3m, t = 4 of 9: 1 of 2 agents, 2 of 2 enemies"
    assert video._title(units, 3) == "3m, won: 1 of 2 agents, 2 of 2 enemies"


def test_a_map_without_an_episode_is_one_line(results, tmp_path, capsys):
    for name, message in (("6z4b", "no episode of roma on 6z4b"), ("6z4", "did you mean '6z4b'")):
        assert main(["video", name, "--summary", str(results / "summary"), "--out", str(tmp_path)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1
        assert message in error
