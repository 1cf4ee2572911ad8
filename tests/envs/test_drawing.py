"""Pictures of battles: their required content, read from drawn objects and pixels."""

from __future__ import annotations

import colorsys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from PIL import Image

from roma.envs.skirmish.recordings import drawing
from roma.envs.skirmish.recordings.battle import Recording
from roma.scenarios import load_units, map_names
from tests.envs.recorded import random_battle


@pytest.fixture(scope="module")
def recording() -> Recording:
    return random_battle("MMM2", 2)


def drawn(recording: Recording, step: int):
    axes = Figure().subplots()
    drawing.draw(axes, recording, step, drawing.battle_view(recording))
    return axes


def test_every_unit_has_a_mark_of_its_own() -> None:
    assert set(drawing.MARKS) == set(load_units())
    marks = list(drawing.MARKS.values())
    assert (
        len({letter for letter, _, _ in marks}) == len({(corners, first) for _, corners, first in marks}) == len(marks)
    )


@pytest.mark.parametrize("step", [0, 10, -1])
def test_living_and_dead_attacks_and_letters_are_there(recording: Recording, step: int) -> None:
    step %= recording.length + 1
    axes = drawn(recording, step)
    alive = recording.units[step, :, 2] > 0
    texts = [text.get_text() for text in axes.texts]
    letters = [drawing.MARKS[name][0] for name, lives in zip(recording.unit_types, alive, strict=True) if lives]
    assert sorted(texts) == sorted(letters + ["×"] * int((~alive).sum()))
    arrows = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == int((recording.targets[step] >= 0).sum())
    circles = sum(len(c.get_paths()) for c in axes.collections if c.get_zorder() == 2)
    assert circles == alive.sum()


def test_cliffs_are_drawn_as_neither_ground_nor_rock() -> None:
    recording = random_battle("2c_vs_64zg", 1, steps=2)
    squares = {
        to_hex(each.get_facecolor()[0]): len(each.get_paths())
        for each in drawn(recording, 0).collections
        if each.get_zorder() == 0
    }
    terrain = "".join(recording.terrain)
    assert squares == {drawing.ROCK: terrain.count("#"), drawing.CLIFF: terrain.count("^")}
    assert terrain.count("^") == 21


def test_bars_are_as_long_as_health_and_shield() -> None:
    recording = random_battle("2s3z", 1)
    step = 15
    axes = drawn(recording, step)
    for colour, column, most in ((drawing.HEALTH_BAR, 2, "health"), (drawing.SHIELD_BAR, 3, "shield")):
        rgb = tuple(int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
        bars = [patch for patch in axes.patches if np.allclose(patch.get_facecolor()[:3], rgb)]
        bars = [bar for bar in bars if not isinstance(bar, FancyArrowPatch)]
        expected = [
            1.2 * kind.radius * units[column] / getattr(kind, most)
            for units, kind in zip(
                recording.units[step], (recording.types[t] for t in recording.unit_types), strict=True
            )
            if units[2] > 0
        ]
        np.testing.assert_allclose([bar.get_width() for bar in bars], expected)


@pytest.mark.parametrize("map_name", map_names())
def test_no_unit_leaves_the_picture(map_name: str) -> None:
    recording = random_battle(map_name, 0)
    x, y = recording.units[..., 0], recording.units[..., 1]
    for left, right, bottom, top in (drawing.battle_view(recording), drawing.map_view(recording)):
        assert 0 <= left <= x.min() <= x.max() <= right <= 32
        assert 0 <= bottom <= y.min() <= y.max() <= top <= 32
        assert top - bottom <= right - left


def test_the_title_tells_moment_strength_and_result(recording: Recording) -> None:
    assert drawing.title(recording, 0) == f"MMM2, timestep 0 of {recording.length}: 10 of 10 agents, 12 of 12 enemies"
    assert drawing.title(recording, recording.length).endswith(f", {recording.result}")


def test_sides_differ_in_print_without_colour() -> None:
    def luminance(colour: str) -> float:
        red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
        return colorsys.rgb_to_yiq(red, green, blue)[0]

    assert luminance(drawing.ENEMY) - luminance(drawing.AGENT) > 0.25
    assert luminance(drawing.SHIELD_BAR) - luminance(drawing.HEALTH_BAR) > 0.15


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw small pictures, which is faster."""
    monkeypatch.setattr(drawing, "DPI", 40)


@pytest.mark.usefixtures("small")
def test_rendering_writes_still_frames_and_animation(tmp_path: Path) -> None:
    recording = random_battle("3m", 1, steps=6)
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "099.png").touch()  # of a longer battle
    drawing.render(recording, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["battle.gif", "frames", "still.png"]
    frames = sorted((tmp_path / "frames").iterdir())
    assert [path.name for path in frames] == [f"{step:03d}.png" for step in range(7)]
    with Image.open(tmp_path / "battle.gif") as animation:
        assert animation.n_frames == 7
        assert animation.size == Image.open(frames[0]).size
    assert Image.open(tmp_path / "still.png").size[0] > animation.size[0]
    first = {path.name: path.read_bytes() for path in [*frames, tmp_path / "still.png", tmp_path / "battle.gif"]}
    drawing.render(recording, tmp_path)
    assert all((path.read_bytes() == first[path.name]) for path in [*frames, tmp_path / "still.png"])
    assert (tmp_path / "battle.gif").read_bytes() == first["battle.gif"]


def test_pictures_of_a_battle_going_on_keep_their_size() -> None:
    assert len({drawing.picture(random_battle("2s3z", 1, steps), -1).shape for steps in (0, 5, 20)}) == 1


def test_the_still_shows_beginning_contact_middle_and_end(recording: Recording) -> None:
    begin, contact, middle, end = drawing.still_moments(recording)
    assert (begin, end) == (0, recording.length)
    assert 0 < contact < middle < end
    points = recording.units[:, :, 2:4].sum((1, 2))
    assert points[contact - 1] == points[0] > points[contact]
    assert points[middle] <= (points[0] + points[-1]) / 2 < points[middle - 1]


@pytest.mark.usefixtures("small")
def test_a_battle_not_yet_begun_to_fight_is_drawn() -> None:
    assert drawing.still(random_battle("3m", 1, steps=0)).shape[2] == 3
    assert drawing.still(random_battle("3m", 1, steps=1)).shape[2] == 3
