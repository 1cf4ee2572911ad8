"""Engine versions: one number per map, records of earlier revisions, and custom maps."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from types import MappingProxyType

import pytest

from roma.envs import engine_version, recorded_engine_version
from roma.envs.skirmish import versions
from roma.envs.skirmish.versions import VERSIONS, version_of, version_of_source
from roma.scenarios import load_map, load_units, map_names
from roma.support.errors import UserError


def test_every_map_has_a_version() -> None:
    assert list(VERSIONS) == map_names()
    assert all(number >= 1 for number in VERSIONS.values())


def test_a_version_is_that_of_engine_and_map() -> None:
    assert engine_version("embedded", "3m") == version_of("3m") == str(VERSIONS["3m"])
    alias = load_map("10z5b_vs_2s3z").aliases[0]
    assert engine_version("embedded", alias) == engine_version("embedded", "10z5b_vs_2s3z")
    with pytest.raises(UserError, match="did you mean '3m'"):
        engine_version("embedded", "3mm")
    with pytest.raises(UserError, match="did you mean 'embedded'"):
        engine_version("embeded", "3m")


def test_what_earlier_revisions_recorded_is_version_0() -> None:
    recorded = {"engine": "embedded", "engine_version": "0.1.0", "engine_digest": "cc6086502fe6acbc" + 48 * "0"}
    assert recorded_engine_version(recorded) == "0"
    assert recorded_engine_version({"engine_digest": recorded["engine_digest"]}) == "0"


def test_states_without_a_version_equal_no_other() -> None:
    assert version_of_source("f" * 64) == "ffffffff"
    assert recorded_engine_version({"engine_version": "0.1.0", "engine_digest": "f" * 64}) == "ffffffff"


def test_a_recorded_version_is_taken_as_it_stands() -> None:
    assert recorded_engine_version({"engine_version": "3", "engine_digest": "cc608650"}) == "3"
    assert recorded_engine_version({"engine_version": "4.10+01234567"}) == "4.10+01234567"
    with pytest.raises(KeyError):
        recorded_engine_version({})


def test_a_map_of_ones_own_is_named_by_its_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its version depends only on the map, its units and the rules of other maps."""
    scenario, units = replace(load_map("2s3z"), name="mine"), load_units()

    def version() -> str:
        monkeypatch.setattr(versions, "load_map", lambda name: scenario)
        monkeypatch.setattr(versions, "load_units", lambda: units)
        return version_of("mine")

    plain = version()
    assert plain.startswith("1+")
    assert len(plain) == len("1+") + 8
    units = units | {"Marine": replace(units["Marine"], health=46)}  # none of them is on the map
    assert version() == plain
    units = units | {"Zealot": replace(units["Zealot"], health=101)}
    changed_units = version()
    scenario = replace(scenario, episode_limit=121)
    changed_map = version()
    monkeypatch.setattr(versions, "VERSIONS", MappingProxyType({**VERSIONS, "one_more": 1}))
    assert version() == changed_map
    monkeypatch.setattr(versions, "VERSIONS", MappingProxyType({**VERSIONS, "3m": 2}))
    changed_rules = version()
    assert changed_rules.startswith("2+")
    assert len({plain, changed_units, changed_map, changed_rules}) == 4


def test_no_compiled_code_is_loaded_for_a_version() -> None:
    program = "import sys; from roma import envs; envs.engine_version('embedded', '3m'); print('numba' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown == "False\n"
