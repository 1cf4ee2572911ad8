"""Adding an algorithm, an arm, a map, a unit and a figure, each by what CONTRIBUTING.md says and no more.

All five are added to one copy of the repository, trained for some steps and drawn by Snakemake there.
"""

import csv
import json
import os
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.colors import to_hex, to_rgb
from PIL import Image

from analysis import style
from tests.workflow import forked
from tests.workflow.conftest import SHORT, copy_repository, write_scale

# An algorithm whose agents have roles: ROMA under a name and with a default of its own.
ROLE_CONFIG = '''
"""Settings."""

from dataclasses import dataclass

from roma.learners.roma import config as roma
from roma.support.schemas.settings import setting


@dataclass(frozen=True, slots=True)
class Config(roma.Config):
    """ROMA's settings."""

    hinge_weight: float = setting(0.5, "weight of the sum over pairs", "ours")


VARIANTS = {"my_roles": {}}
'''
ROLE_LEARNER = '"""Learner."""\n\nfrom roma.learners.roma.learner import Learner as Learner\n'
UNIT, MAP = "Ghost", "ghosts"
FIGURE = {
    "title": "Roles of ghosts",
    "group": "ours",
    "plot": "episode",
    "maps": [MAP],
    "arms": ["my_roles"],
    "moments": {MAP: [1]},
    "colours": {MAP: "type"},
}
SCALE = SHORT | {
    "scale": "mine",
    "maps": [MAP],
    "ablation_maps": [MAP],
    "rollout_episodes": {"last": 2, "earlier": 1},
    "evaluation_episodes": 2,
    "overrides": {"test_episodes": 2, "batch_size": 2, "hidden_dim": 8},
    "cells": [{"maps": "maps", "arms": ["hysteretic", "my_roles", "qmix_fast"]}],
    "arms": {"qmix_fast": {"algorithm": "qmix", "overrides": {"learning_rate": 0.001}}},
    "figures": ["further", "ours", "table1"],
}


@pytest.fixture(scope="module")
def repository(root, tmp_path_factory):
    """A copy of the repository to which all five were added, with their scale made by Snakemake.

    Packages to which nothing is added are those of the original, whose machine code is there already.
    """
    copy = tmp_path_factory.mktemp("repository")
    copy_repository(root, copy)
    package = copy / "roma"
    for folder in package.iterdir():
        if folder.is_dir() and folder.name not in ("learners", "scenarios"):
            shutil.rmtree(folder)
    with (package / "__init__.py").open("a") as file:
        file.write(f"\n__path__.append({str(root / 'roma')!r})\n")

    learners, scenarios, figures = package / "learners", package / "scenarios", copy / "workflow/config/figures.yaml"
    shutil.copytree(root / "docs/examples/algorithms/hysteretic", learners / "hysteretic")
    (learners / "my_roles").mkdir()
    for name, content in (("__init__", '"""Roles."""\n'), ("config", ROLE_CONFIG), ("learner", ROLE_LEARNER)):
        (learners / "my_roles" / f"{name}.py").write_text(content)
    unit = json.loads((scenarios / "units/marine.json").read_text()) | {"name": UNIT, "speed": 3.0, "health": 40}
    (scenarios / "units/ghost.json").write_text(json.dumps(unit))
    scenario = json.loads((scenarios / "maps/3m.json").read_text()) | {"name": MAP, "episode_limit": 30}
    scenario["ally_types"] = scenario["enemy_types"] = [UNIT, "Marine"]
    for side in ("allies", "enemies"):
        (group,) = scenario[side]
        scenario[side] = [group | {"unit": UNIT, "count": 1}, group | {"count": 2}]
    (scenarios / f"maps/{MAP}.json").write_text(json.dumps(scenario))
    with figures.open("a") as file:
        file.write(yaml.safe_dump({"ghost_roles": FIGURE}))
    scale = write_scale(copy, SCALE)

    arguments = ("--cores", "2", "--configfile", str(scale), "--", "figures")
    status, printed = forked.snakemake(copy, *arguments, environment=os.environ | {"PYTHONPATH": str(copy)})
    assert status == 0, printed
    return copy


@pytest.fixture
def figures(repository):
    return repository / "figures" / "embedded" / "mine"


@pytest.fixture
def summary(repository):
    """A function that reads a table of the summary."""
    return lambda name: pd.read_parquet(repository / "data" / "embedded" / "mine" / "summary" / f"{name}.parquet")


def read(file):
    with file.open(encoding="utf-8") as content:
        return list(csv.DictReader(content))


def has_colour(picture, colour):
    """Whether a pixel of a picture has exactly this colour."""
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB"))
    return bool((pixels == np.round(255 * np.array(to_rgb(colour)))).all(-1).any())


def test_an_algorithm_is_a_folder_and_a_name_in_a_scale_file(figures, summary):
    rows = [row for row in read(figures / "further.csv") if row["arm"] == "hysteretic"]
    assert {row["map"] for row in rows} == {MAP}
    assert all(int(row["n"]) == 1 for row in rows)
    versions = summary("runs").set_index("arm")["algorithm_version"]
    assert versions["qmix_fast"] == 1
    assert versions["hysteretic"] not in (1, versions["my_roles"])  # a digest of its source
    assert "hysteretic" in {row["arm"] for row in read(figures / "table1.csv")}


def test_every_arm_that_is_added_has_a_colour_of_its_own_in_all_figures(figures):
    arms = list(dict.fromkeys(row["arm"] for row in read(figures / "further.csv")))
    assert arms == ["hysteretic", "my_roles", "qmix_fast"]
    colours = dict(zip(arms, style.OWN_PALETTE, strict=False))
    assert not {*colours.values()} & {to_rgb(colour) for _, colour, _ in style.ARMS.values()}
    for colour in colours.values():
        assert has_colour(figures / "further.png", colour)
        assert has_colour(figures / f"further_{MAP}.png", colour)
    page = (figures / "report.html").read_text(encoding="utf-8")
    shown = {arm: re.search(rf'"{arm}": ?\{{[^}}]*"colour": ?"(#[0-9a-f]{{6}})"', page)[1] for arm in arms}
    assert shown == {arm: to_hex(colour) for arm, colour in colours.items()}


def test_roles_of_an_added_algorithm_are_recorded_measured_and_drawn(figures, summary, repository):
    assert set(summary("roles")["arm"]) == set(summary("episodes")["arm"]) == {"my_roles"}
    assert (repository / f"data/embedded/mine/measurements/{MAP}/my_roles/seed0/episodes.parquet").exists()
    assert has_colour(figures / "ghost_roles.png", style.UNIT_TYPES["Marine"][0])


def test_a_map_is_a_file(figures, summary):
    runs = summary("runs")
    assert set(runs["map"]) == {MAP}
    assert set(runs["engine_version"].str.match(r"\d+\+[0-9a-f]{8}")) == {True}
    assert (figures / f"further_{MAP}.pdf").exists()


def test_a_unit_is_a_file_that_figures_of_roles_show(figures):
    kinds = {row["type"] for row in read(figures / "ghost_roles.csv")}
    assert kinds == {UNIT, "Marine"}
    assert has_colour(figures / "ghost_roles.png", style.OWN_PALETTE[0])


def test_a_figure_is_an_entry_that_scales_name_by_its_group(figures):
    files = {file.name for file in figures.glob("ghost_roles*")}
    pictures = ("ghost_roles", f"ghost_roles_{MAP}")
    assert files == {"ghost_roles.csv", *(f"{name}.{kind}" for name in pictures for kind in ("png", "pdf"))}
    assert FIGURE["title"] in (figures / "report.html").read_text(encoding="utf-8")


def test_an_arm_is_an_entry_in_a_scale_file(figures, summary):
    settings = summary("settings").set_index(["arm", "setting"])["value"]
    assert settings["qmix_fast", "learning_rate"] == "0.001"
    assert settings["hysteretic", "learning_rate"] == "0.0005"
    assert "qmix_fast" in {row["arm"] for row in read(figures / "further.csv")}
