"""Values of scale files: conversion to their types, validation, and error messages."""

import json

import jsonschema
import pytest
import yaml
from snakemake.cli import parse_config

from roma.support.errors import UserError
from workflow import generate
from workflow.grid import checkpoint_option, expand, rollout_options
from workflow.scale import check, read_scale

SMOKE = {
    "scale": "tiny",
    "engine": "embedded",
    "protocol": "paper",
    "seeds": [0],
    "total_steps": 1000,
    "evaluation_episodes": 4,
    "maps": ["3m"],
    "ablation_maps": "all",
    "cells": [{"maps": "maps", "arms": ["qmix"]}],
    "figures": ["fig04"],
    "curves": ["test_return_mean"],
}


def given(text):
    """Return a scale with one key as `snakemake --config` parses it."""
    return SMOKE | parse_config([text])


@pytest.mark.parametrize(
    ("argument", "key", "value"),
    [
        ("rollout_episodes={last: 10, earlier: 1}", "rollout_episodes", {"last": 10, "earlier": 1}),
        ("seeds=[0, 3]", "seeds", [0, 3]),
        ("seeds=0,3", "seeds", [0, 3]),
        ("maps=3m, 2s3z", "maps", ["3m", "2s3z"]),
        ("total_steps=2e6", "total_steps", 2_000_000),
        ("total_steps=2_000_000", "total_steps", 2_000_000),
        ("total_steps={3m: 2e6, default: 5}", "total_steps", {"3m": 2_000_000, "default": 5}),
        ("test_interval={default: 1e3}", "test_interval", {"default": 1000}),
        ("milestones=[0, 5e2]", "milestones", [0, 500]),
        ("checkpoint_seconds=0.5", "checkpoint_seconds", 0.5),
        ("checkpoint_seconds=30", "checkpoint_seconds", 30),
        ("ablation_maps=[MMM2]", "ablation_maps", ["MMM2"]),
        ("starcraft2={licence: accepted, version: 4.10}", "starcraft2", {"licence": "accepted", "version": "4.10"}),
        ("withheld=for now", "withheld", "for now"),
    ],
)
def test_what_stands_on_a_command_line_is_converted(argument, key, value):
    """Snakemake leaves numbers within lists and mappings as text."""
    converted = check(given(argument), "tiny")
    assert repr(converted[key]) == repr(value)
    assert json.dumps({**converted, key: 0}) == json.dumps({**SMOKE, key: 0})


@pytest.mark.parametrize("spelt", ["5", '"5"', "5.0", "5e0", "0x5", "+5", "0.5e1", "5.", '" 5"'])
def test_every_spelling_of_a_number_in_yaml_is_the_number(spelt, tmp_path):
    path = tmp_path / "tiny.yaml"
    written = yaml.safe_dump({key: value for key, value in SMOKE.items() if key not in ("seeds", "total_steps")})
    path.write_text(f"{written}\nseeds: [{spelt}]\ntotal_steps: {spelt}\noverrides: {{test_episodes: {spelt}}}\n")
    config = read_scale(path)
    assert (repr(config["seeds"]), repr(config["total_steps"])) == ("[5]", "5")
    (run,) = expand(config, "tiny").runs.values()
    assert (run.seed, run.total_steps, run.config.protocol_settings.test_episodes) == (5, 5, 5)
    assert run.directory.endswith("seed5")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"total_steps": "long"}, "total_steps = 'long' is not a whole number"),
        ({"total_steps": "1.5"}, "total_steps = '1.5' is not a whole number"),
        ({"total_steps": ".inf"}, "total_steps = '.inf' is not a whole number"),
        ({"total_steps": True}, "total_steps = 'True' is not a whole number"),
        ({"total_steps": None}, "total_steps = 'None' is not a whole number"),
        ({"total_steps": [1]}, "total_steps = '[1]' is not a whole number or a whole number for each name"),
        ({"total_steps": {"default": "0"}}, "total_steps.default = 0 must be at least 1"),
        ({"total_steps": {}}, "total_steps must not be empty"),
        ({"seeds": ["0", 0.0]}, "seeds names 0 twice"),
        ({"seeds": [1.5]}, "seeds[0] = '1.5' is not a whole number"),
        ({"seeds": 3}, "seeds = '3' is not a list of which each is a whole number"),
        ({"withheld": " "}, "withheld: ' ' does not match"),
        ({"seeds": []}, "seeds must not be empty"),
        ({"milestones": ["-1"]}, "milestones[0] = -1 must be at least 0"),
        ({"checkpoint_seconds": "soon"}, "checkpoint_seconds = 'soon' is not a finite number"),
        ({"rollout_episodes": {"last": "x"}}, "rollout_episodes.last = 'x' is not a whole number"),
        ({"rollout_episodes": 4}, "rollout_episodes must be a mapping of keys to values, not '4'"),
        ({"verify": {"runs": "10"}}, "verify is not a known key"),
        ({"starcraft2": {"version": 4.1}}, "'4.1' is not a known value of starcraft2.version (did you mean '4.10'?)"),
        ({"cells": [{"arms": ["qmix"]}]}, "cells[0].maps is missing: Names of maps"),
        ({"cells": [{"maps": "map", "arms": ["qmix"]}]}, "of cells[0].maps (did you mean 'maps'?)"),
        ({"arms": {"a": {"overrides": 3}}}, "arms.a.overrides must be a mapping"),
    ],
)
def test_an_error_says_what_is_wanted(changes, message):
    with pytest.raises(UserError) as error:
        check(SMOKE | changes, "tiny.yaml")
    assert str(error.value).startswith("tiny.yaml: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_scale_is_converted_before_anything_is_made_of_it():
    converted = check(SMOKE | {"rollout_episodes": {"last": "8"}, "checkpoint_seconds": "30"}, "tiny")
    assert rollout_options(converted) == "--episodes 8"
    assert checkpoint_option(converted) == "--checkpoint-seconds 30"


@pytest.mark.parametrize("content", ["scale: [", "- 1", "", "scale: a\nscale: {b"])
def test_what_is_no_scale_file_is_one_line(tmp_path, content):
    path = tmp_path / "broken.yaml"
    path.write_text(content)
    with pytest.raises(UserError) as error:
        read_scale(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_shipped_scales_are_left_as_they_are_and_fit_the_schema_for_editors(root):
    validator = jsonschema.Draft202012Validator(yaml.safe_load(generate.schema()))
    for path in sorted((root / "workflow" / "config").glob("*.yaml")):
        if path.name != "figures.yaml":
            written = yaml.safe_load(path.read_text())
            assert repr(read_scale(path)) == repr(written)
            assert list(validator.iter_errors(written)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"seedz": [0]},
        {"total_steps": 0},
        {"seeds": [0, 0]},
        {"overrides": {"gamma": 2}},
        {"overrides": {"gama": 0.9}},
        {"overrides": {"mixer": "qmx"}},
        {"cells": [{"maps": ["3m"]}]},
        {"scale": "../up"},
    ],
)
def test_the_schema_for_editors_refuses_mistakes(changes):
    validator = jsonschema.Draft202012Validator(yaml.safe_load(generate.schema()))
    assert list(validator.iter_errors(SMOKE)) == []
    assert list(validator.iter_errors(SMOKE | changes))


@pytest.mark.parametrize("name", generate.FILES)
def test_generated_files_are_fresh(root, name):
    assert (root / name).read_text() == generate.FILES[name](), f"run: {generate.COMMAND}"
