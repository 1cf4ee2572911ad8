"""Model cards: made from what ships, and equal to those in the repository."""

import io
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from analysis.statistics import student_interval
from roma.cli import main
from roma.support.errors import UserError
from tests.synthetic import write_run, write_runs
from tests.workflow.conftest import TINY, ship_by_hand
from workflow.artifacts import shipping
from workflow.grid import expand
from workflow.pages import cards

FOLDER = Path("data/embedded/study/cards")
STUDY = TINY | {"scale": "study", "maps": ["3m"], "cells": [{"maps": ["3m"], "arms": ["roma", "qmix"]}]}


def content_of(root, run, name):
    """The bytes of a shipped file of a run."""
    (file,) = (file for file in run.files if re.search(name, file.path))
    return file.stored(root / shipping.BUNDLE).read_bytes()


def final_win_rate(root, run):
    """The mean win rate of the tests in the last tenth of a shipped run."""
    metrics = pd.read_parquet(io.BytesIO(content_of(root, run, "metrics.parquet$")))
    interval = shipping.config(root, run)["protocol_settings"]["test_interval"]
    step = metrics["t_env"] // interval * interval
    return metrics.loc[(step > 0.9 * run.total_steps) & (step <= run.total_steps), "test_battle_won_mean"].mean()


@pytest.fixture
def repository(root, tmp_path):
    """A folder with a study that ships, of three seeds of two arms."""
    write_runs(STUDY, tmp_path, measured=False)
    shutil.copy(root / "pyproject.toml", tmp_path)
    ship_by_hand(tmp_path, "study")
    return tmp_path


def test_the_cards_here_are_those_of_what_ships(root):
    """`roma docs cards` writes them."""
    pages = cards.render(root)
    assert {page: (root / page).read_text(encoding="utf-8") for page in pages} == pages
    assert {file.relative_to(root) for file in (root / FOLDER).rglob("*.*")} == set(pages)


def test_every_shipped_run_stands_on_a_card_with_its_numbers(root):
    shipped = shipping.read_shipped(root, shipping.STUDY)
    index = (root / FOLDER / "README.md").read_text(encoding="utf-8")
    for name, run in shipped.items():
        map_name, arm, seed = name.split("/")
        card = (root / FOLDER / map_name / f"{arm}.md").read_text(encoding="utf-8")
        rate = f"{final_win_rate(root, run):.1%}"
        (row,) = (
            line
            for line in card.splitlines()
            if line.startswith(f"| {seed.removeprefix('seed')} | {run.total_steps:,} |")
        )
        assert row.split(" | ")[2] == rate
        described = shipping.config(root, run)
        assert f"`{described['algorithm']}`, version {described['algorithm_version']}" in card
        assert f"{described['engine']}, version {described['engine_version']}" in card
        assert "[MIT](" in card
        assert f"[`{arm}`]({map_name}/{arm}.md)" in index
        (loaded,) = re.findall(r'roma\.load\("(.*)"\)', card)
        assert loaded in shipped


def test_links_of_cards_lead_to_files(root):
    for page, content in cards.render(root).items():
        links = re.findall(r"\]\(([^)#]+)[^)]*\)", content)
        assert links
        for link in links:
            assert (root / page.parent / link).exists(), (page, link)


def test_enough_seeds_have_an_interval(repository):
    pages = cards.render(repository)
    shipped = shipping.read_shipped(repository, "study")
    rates = [[final_win_rate(repository, run)] for name, run in shipped.items() if "/roma/" in name]
    mean, low, high, _ = student_interval(pd.DataFrame(rates).to_numpy(float), bounds=(0.0, 1.0))
    words = f"{mean[0]:.1%} (95 % interval {low[0]:.1%} to {high[0]:.1%})"
    for page in (FOLDER / "3m/roma.md", FOLDER / "README.md"):
        assert words in pages[page]
    assert "| seeds | 3: 0, 1, 2 |" in pages[FOLDER / "3m/roma.md"]
    assert "| 0, 100,000 |" in pages[FOLDER / "3m/roma.md"]  # the policies that ship


def test_the_same_runs_give_the_same_cards_whatever_is_in_place(repository, monkeypatch, capsys):
    before = cards.render(repository)
    longer = expand(STUDY | {"total_steps": 200_000}, "longer").runs["3m", "qmix", 0]
    write_run(longer, repository / "data/embedded/study/runs/3m/qmix/seed0", points=20, evaluation_episodes=4)
    shutil.rmtree(repository / "data/embedded/study/runs/3m/roma")
    assert cards.render(repository) == before
    (repository / "workflow").mkdir()
    (repository / "workflow" / "grid.py").touch()
    (repository / FOLDER / "3m").mkdir(parents=True)
    (repository / FOLDER / "3m" / "gone.md").write_text("of an arm that ships no more")
    monkeypatch.chdir(repository)
    assert main(["docs", "cards"]) == 0
    written = {file: file.read_text(encoding="utf-8") for file in FOLDER.rglob("*.md")}
    assert written == before
    assert f"written to {FOLDER}/3m/qmix.md\n" in capsys.readouterr().out


def test_a_damaged_object_is_named_and_nothing_written(repository):
    shipped = shipping.read_shipped(repository, "study")["3m/qmix/seed1"]
    shipped.files[0].stored(repository / shipping.BUNDLE).write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"seed1/config.json .* is damaged in data/bundle"):
        cards.write(repository)
    assert not (repository / FOLDER).exists()
