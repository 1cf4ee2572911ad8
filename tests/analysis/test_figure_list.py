"""The figure list: names and groups, and the figure of what no other one draws."""

import pandas as pd
import pytest
import yaml

from analysis import figure_list
from analysis.figures import curves
from roma.support.errors import UserError
from workflow.grid import expand


def test_a_group_stands_for_its_figures_in_the_order_of_the_list():
    assert list(figure_list.chosen(["validation", "beyond"])) == ["role_health_extra", "validation", "extra"]
    assert list(figure_list.chosen(["fig05", "fig04"])) == ["fig04", "fig05"]


def test_a_name_that_is_neither_figure_nor_group_is_one_line():
    with pytest.raises(UserError, match=r"'mian' is not a known figure or group of figures \(did you mean 'main'\?\)"):
        figure_list.chosen(["mian"])


def test_a_group_with_the_name_of_a_figure_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "figures.yaml"
    file.write_text(yaml.safe_dump({"one": {"title": "", "plot": "curves", "group": "one", "maps": [], "arms": []}}))
    monkeypatch.setattr(figure_list, "FIGURES", file)
    with pytest.raises(UserError, match="one: a group has the name of a figure"):
        figure_list.chosen(["one"])


def test_further_is_what_no_figure_of_curves_draws():
    planned = [("MMM2", "roma"), ("MMM2", "qmix"), ("MMM2", "mine"), ("8m", "qmix"), ("3m", "roma")]
    further = figure_list.chosen(["main"], planned)["further"]
    assert (further["maps"], further["arms"]) == (["MMM2", "8m"], ["roma", "qmix", "mine"])
    assert further["cells"] == [["MMM2", "roma"], ["MMM2", "qmix"], ["MMM2", "mine"], ["8m", "qmix"]]
    assert "further" not in figure_list.chosen(["main"], [("MMM2", "roma"), ("3m", "qmix")])
    assert "further" not in figure_list.chosen(["main"])


def test_a_scale_of_the_papers_cells_alone_has_nothing_further(root):
    for name in ("smoke", "demo", "lab", "paper"):
        scale = yaml.safe_load((root / "workflow" / "config" / f"{name}.yaml").read_text())
        assert "further" not in figure_list.chosen(scale["figures"], expand(scale, name).planned)


def test_episodes_are_kept_of_the_arms_that_figures_draw(tmp_path, monkeypatch):
    assert figure_list.arms_in_episodes() == {"roma"}
    file = tmp_path / "figures.yaml"
    file.write_text(yaml.safe_dump({"one": {"title": "", "plot": "evolution", "maps": [], "arms": ["roma_td"]}}))
    monkeypatch.setattr(figure_list, "FIGURES", file)
    assert figure_list.arms_in_episodes() == {"roma_td"}
    file.unlink()
    assert figure_list.arms_in_episodes() == set()


def test_curves_under_two_protocols_say_so():
    frame = pd.DataFrame(
        {
            **{"map": "3m", "arm": ["roma", "quick"], "metric": "test_battle_won_mean", "step": 1, "n": 1},
            **dict.fromkeys(("engine", "scale", "sample", "inputs", "seed0"), "x"),
            "protocol": ["paper", "smac_v1"],
            "statistic": "mean",
        }
    )
    assert "protocols, which are not comparable: paper: ROMA; smac_v1: quick" in curves.caption(frame)
    assert not any("not comparable" in line for line in curves.caption(frame.assign(protocol="paper")))
