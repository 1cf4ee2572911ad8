"""Schematics: every number on them comes from a module."""

import re

import pytest
import torch

from analysis.figures import schematic
from roma import envs
from roma.cli import main
from roma.learners import make_learner
from roma.runs.config import resolve


def frame_of(algorithm, map_name="MMM2"):
    return schematic.data(None, {"algorithm": algorithm, "map": map_name}, [])


def texts(frame):
    axes, figure = schematic.draw(frame).axes[0], schematic.draw(frame)
    return [text.get_text() for text in (*axes.texts, *figure.texts)]


@pytest.mark.parametrize("algorithm", ["roma", "qmix"])
@pytest.mark.parametrize("map_name", ["MMM2", "3m"])
def test_the_sizes_of_every_layer_stand_on_the_picture(algorithm, map_name):
    frame = frame_of(algorithm, map_name)
    words = "\n".join(texts(frame))
    numbers = set(map(int, re.findall(r"\d+", words.replace(",", ""))))
    layers = frame[frame["kind"].isin(["Linear", "GRUCell", "rows"]) & (frame["module"] != "mixer.state_layer")]
    facts = frame.iloc[0]
    for layer in layers.to_dict("records"):
        parts = {
            "agent.trunk.input_layer": [facts["obs_size"], facts["actions"], facts["agents"], layer["outputs"]],
            "agent.role_decoder.output_layer": [layer["inputs"], layer["outputs"] // facts["actions"] - 1],
            "trajectory_encoder.hidden_layer": [layer["inputs"] - facts["obs_size"], layer["outputs"]],
            "dissimilarity.hidden_layer": [layer["inputs"] // 2, layer["outputs"]],
            "mixer.state_layer[W1]": [layer["inputs"], layer["outputs"] // facts["agents"]],
        }
        halves = [layer["inputs"], layer["outputs"] // 2]  # mean and variance share a layer
        mean_and_variance = layer["module"].endswith("encoder.output_layer")
        wanted = parts.get(layer["module"], halves if mean_and_variance else [layer["inputs"], layer["outputs"]])
        assert set(wanted) <= numbers, layer["module"]
    assert {facts["acting"], facts["trained"]} <= numbers


def test_counts_are_those_of_the_learner():
    env = envs.make("embedded", "MMM2", 1)
    config = resolve(map="MMM2", algorithm="roma", seed=0)
    online = make_learner("roma", config.hyperparameters, env.info, 0).online
    frame = frame_of("roma")
    assert set(frame["trained"]) == {sum(parameter.numel() for parameter in online.parameters())}
    assert set(frame["acting"]) == {sum(tensor.numel() for tensor in online.agent.state_dict().values())}
    rows = frame.set_index("module")["parameters"]
    parts = [f"mixer.state_layer[{name}]" for name in ("W1", "w2", "b1", "v")]
    assert rows[parts].sum() == rows["mixer.state_layer"]


def test_another_size_draws_another_number(monkeypatch):
    monkeypatch.setattr(
        schematic, "resolve", lambda **keywords: resolve(**keywords, overrides={"role_dim": 5, "variance_floor": 0.25})
    )
    words = "\n".join(texts(frame_of("roma")))
    assert "2 × 5" in words
    assert "5 dimensions" in words
    assert "0.25" in words


def test_nothing_is_cut_off_and_no_name_leaves_its_box():
    for algorithm in ("roma", "qmix"):
        figure = schematic.draw(frame_of(algorithm))
        figure.draw_without_rendering()
        for text in (*figure.texts, *figure.axes[0].texts):
            extent = text.get_window_extent()
            assert figure.bbox.x0 <= extent.x0
            assert extent.x1 <= figure.bbox.x1
            assert figure.bbox.y0 <= extent.y0
            assert extent.y1 <= figure.bbox.y1
        boxes = [patch.get_window_extent() for patch in figure.axes[0].patches]
        for text in figure.axes[0].texts:
            extent = text.get_window_extent()
            around = [box for box in boxes if box.contains(*extent.get_points().mean(0))]
            innermost = min(around, key=lambda box: box.width * box.height, default=figure.bbox)
            assert innermost.x0 <= extent.x0, text
            assert extent.x1 <= innermost.x1, text


def test_same_bytes_and_torchs_generator_untouched(tmp_path, root):
    before = torch.get_rng_state()
    (tmp_path / "summary").mkdir()
    command = ["plot", "fig02", "--figures", str(root / "workflow/config/figures.yaml")]
    for folder in ("once", "twice"):
        assert main([*command, "--summary", str(tmp_path / "summary"), "--out", str(tmp_path / folder)]) == 0
    names = {"fig02.png", "fig02.pdf", "fig02.csv"}
    assert {file.name for file in (tmp_path / "once").iterdir()} == names
    for name in names:
        assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "twice" / name).read_bytes()
    assert torch.equal(before, torch.get_rng_state())
