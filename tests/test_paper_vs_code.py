"""docs/paper_vs_code.md names only existing settings, and all settings that concern the reading of the paper."""

import re
from dataclasses import fields
from typing import get_type_hints

import pytest
import yaml

from roma.learners import algorithm, algorithm_names
from roma.learners.base.config import BaseConfig
from roma.runs.config import parse, resolve
from roma.support.errors import UserError

OF_NO_READING = {  # settings of MAVEN and COMA that no source disputes
    "critic_hidden",
    "critic_learning_rate",
    "discriminator_recurrent",
    "latent_batch",
    "latent_hidden",
    "latent_learning_rate",
    "latent_memory",
    "latent_updates",
}


@pytest.fixture(scope="module")
def assignments(root):
    """Return all `key=value` of the page, as pairs of texts."""
    text = (root / "docs" / "paper_vs_code.md").read_text()
    return set(re.findall(r"`([a-z_]+)=([^`\s]+)`", text))


def test_every_setting_named_exists_with_such_a_value(assignments):
    def takes(name, key, value):
        try:
            resolve(
                "2s3z",
                name,
                0,
                overrides={"pairs": "allpairs", key: value} if key == "hinge_counts_self" else {key: value},
            )
        except UserError:
            return False
        return True

    unknown = {pair for pair in assignments if not any(takes(name, *pair) for name in algorithm_names())}
    assert not unknown


@pytest.mark.parametrize("name", ["roma", "qmix", "qtran", "coma", "maven"])
def test_every_setting_of_a_family_is_named(assignments, name):
    shared = {field.name for field in fields(BaseConfig)}
    own = {field.name for field in fields(algorithm(name).config_class)} - shared - OF_NO_READING
    assert own <= {key for key, _ in assignments}


@pytest.mark.parametrize("name", ["roma_release", "roma_release_epsilon_50", "roma_release_readme", "maven_release"])
def test_every_value_of_a_release_is_named(assignments, name):
    kinds = get_type_hints(algorithm(name).config_class)
    named = {(key, parse(key, value, kinds[key])) for key, value in assignments if key in kinds}
    assert set(algorithm(name).overrides.items()) <= named


def test_what_is_marked_s_is_what_the_sensitivity_scale_changes(root):
    text = (root / "docs" / "paper_vs_code.md").read_text()
    marked = re.findall(r"`([a-z_]+)=([^`\s]+)` S\b", text)
    kinds = get_type_hints(algorithm("roma").config_class)
    scale = yaml.safe_load((root / "workflow" / "config" / "sensitivity.yaml").read_text())
    arms = [arm for cell in scale["cells"] for arm in cell["arms"] if arm.startswith("roma")]
    changes = [
        change
        for arm in arms
        for change in (scale["arms"][arm]["overrides"] if arm in scale["arms"] else algorithm(arm).overrides).items()
    ]
    assert sorted(map(str, changes)) == sorted(str((key, parse(key, value, kinds[key]))) for key, value in marked)
