"""The page that links the paper to the code: complete, correct and up to date."""

from dataclasses import replace

import pytest

from roma.cli import main
from workflow.pages import traceability
from workflow.pages.traceability import PAGE, Row, load, problems, render

WHOLE = Row(
    "Eq. 1",
    "A role",
    code=("roma/nets/roles.py:Gaussian.sample",),
    settings=("roma.role_dim = 3",),
    rule=("train",),
    output=("metrics.parquet:loss_td",),
    test=("tests/nets/test_roles.py::test_variance_floor",),
)


@pytest.fixture(autouse=True)
def in_the_repository(root, monkeypatch):
    monkeypatch.chdir(root)


@pytest.fixture(scope="module")
def sections(root):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        return load()


def test_every_part_of_the_paper_has_a_row_and_every_row_its_targets(sections):
    assert list(problems(sections)) == []


def test_the_page_is_fresh(sections):
    assert PAGE.read_text() == render(sections), "run: roma docs traceability"


def test_every_claim_and_every_panel_has_a_row(sections):
    from analysis import claims

    assert [row.what for row in sections["Claims"]] == [claim.statement for claim in claims.load()]
    items = [row.item for row in sections["Figures"]]
    assert "Figure 4, 27m_vs_30m" in items
    assert items.index("Figure 4") < items.index("Figure 4, MMM2") < items.index("Figure 5")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, None),
        ({"code": ()}, "Eq. 1: no code"),
        ({"test": ()}, "Eq. 1: no test"),
        ({"code": ("roma/nets/rolls.py:Gaussian",)}, "there is no file roma/nets/rolls.py"),
        ({"code": ("roma/nets/roles.py:Gaussian.draw",)}, "roma/nets/roles.py has no Gaussian.draw"),
        ({"code": ("roma/learners/roma/config.py:Config.role_dims",)}, "has no Config.role_dims"),
        ({"settings": ("roma.role_dim = 4",)}, "roma.role_dim is 3, not 4"),
        ({"settings": ("qmix.role_dim = 3",)}, "qmix has no setting role_dim"),
        ({"settings": ("paper.parallel_envs = 1",)}, "paper.parallel_envs is 8, not 1"),
        ({"settings": ("scale.seeds = [0]",)}, "scale.seeds is [0, 1, 2, 3, 4], not [0]"),
        ({"rule": ("trains",)}, "there is no rule trains"),
        ({"output": ("fig99.pdf",)}, "nothing makes fig99.pdf"),
        ({"output": ("metrics.parquet:loss_x",)}, "metrics.parquet has no column loss_x"),
        ({"test": ("tests/nets/test_roles.py::test_gone",)}, "tests/nets/test_roles.py has no test_gone"),
    ],
)
def test_a_lost_target_is_named(sections, changes, problem):
    row = replace(WHOLE, **changes)
    found = list(problems(sections | {"Equations": [row, *sections["Equations"][1:]]}))
    assert len(found) == (problem is not None)
    assert problem is None or found[0].endswith(problem)


def test_a_part_without_a_row_is_named(sections):
    found = list(problems(sections | {"Tables": []}))
    assert found == ["Table 1: no row", "Table 2: no row"]


def test_a_mistake_is_one_line(tmp_path, monkeypatch, capsys):
    broken = tmp_path / "traceability.yaml"
    broken.write_text(traceability.SOURCE.read_text().replace("shown: fig04", "shown: fig44"))
    monkeypatch.setattr(traceability, "load", lambda: load(broken))
    monkeypatch.setattr(traceability, "PAGE", tmp_path / "page.md")
    assert main(["docs", "traceability"]) == 2
    message = capsys.readouterr().err
    assert "Figure 4 is shown by fig44, which is not in figures.yaml" in message
    assert message.count("\n") == 1
    assert not (tmp_path / "page.md").exists()
