"""Algorithms of a user's own: where they may lie, and their versions."""

import pytest

from roma import learners
from roma.learners.versions import ALGORITHM_VERSIONS, version_of
from roma.support.errors import UserError

CONFIG = '"""Settings."""\n\nfrom roma.learners.qmix.config import Config as Config\n\nVARIANTS = {"mine": {}}\n'


@pytest.fixture
def folder(tmp_path):
    family = tmp_path / "mine"
    family.mkdir()
    (family / "__init__.py").write_text("")
    (family / "config.py").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def known(monkeypatch):
    """What is added here is forgotten afterwards."""
    monkeypatch.setattr(learners, "__path__", list(learners.__path__))
    yield
    learners._algorithms.cache_clear()


def test_an_own_algorithm_has_a_version_that_follows_its_code(folder):
    family = folder / "mine"
    version = version_of("mine", family)
    assert version not in ALGORITHM_VERSIONS.values()
    (family / "config.py").write_text(CONFIG.replace("VARIANTS", "\n\n# All names.\nVARIANTS"))
    assert version_of("mine", family) == version
    (family / "config.py").write_text(CONFIG.replace("{}", '{"gamma": 0.9}'))
    changed = version_of("mine", family)
    (family / "learner.py").write_text("")
    assert len({version, changed, version_of("mine", family)}) == 3
    assert version_of("qmix", family) == ALGORITHM_VERSIONS["qmix"]


def test_a_folder_elsewhere_may_hold_algorithms(folder, known):
    learners.add_folder(folder)
    assert "mine" in learners.algorithm_names()
    assert learners.algorithm("mine").version == version_of("mine", folder / "mine")
    with pytest.raises(UserError, match="there is no folder"):
        learners.add_folder(folder / "other")
